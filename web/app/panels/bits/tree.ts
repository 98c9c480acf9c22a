/** What the treemap shows, worked out of the list of matrices: model, block, matrix. */
import type { Point } from "../../treemap.ts";
import type { Matrix } from "./cells.ts";

export interface Node {
  parent: number;
  /** Bytes, of a matrix. */
  weight: number;
  /** The place of the matrix in the list, `undefined` for the model and its blocks. */
  matrix?: number;
}

/** The model, its ends and its blocks, and their matrices. */
export function tree(matrices: readonly Matrix[]): Node[] {
  const nodes: Node[] = [{ parent: 0, weight: 0 }];
  const blocks = new Map<string, number>();
  matrices.forEach(({ kind, layer, bytes }, matrix) => {
    const isEnd = ["embedding", "positions", "head"].includes(kind);
    const block = isEnd ? "ends" : `layer ${layer}`;
    let parent = blocks.get(block);
    if (parent === undefined) {
      parent = nodes.push({ parent: 0, weight: 0 }) - 1;
      blocks.set(block, parent);
    }
    nodes.push({ parent, weight: bytes, matrix });
  });
  return nodes;
}

/** The middle of a polygon's area, and the area. */
export function middle(polygon: readonly Point[]): { at: Point; area: number } {
  const [origin, ...others] = polygon;
  if (origin === undefined || others.length < 2) return { at: origin ?? [0, 0], area: 0 };
  let [x, y, area] = [0, 0, 0];
  for (let place = 1; place < others.length; place++) {
    const [b, c] = [others[place - 1]!, others[place]!];
    const part = ((b[0] - origin[0]) * (c[1] - origin[1]) - (b[1] - origin[1]) * (c[0] - origin[0])) / 2;
    x += (part * (origin[0] + b[0] + c[0])) / 3;
    y += (part * (origin[1] + b[1] + c[1])) / 3;
    area += part;
  }
  return { at: [x / area, y / area], area };
}

/** A polygon as an SVG path. `part` of its area stays, shrunk towards its middle. */
export function path(polygon: readonly Point[], part = 1): string {
  const { at } = middle(polygon);
  const scale = Math.sqrt(part);
  const points = polygon.map(([x, y]) => [at[0] + (x - at[0]) * scale, at[1] + (y - at[1]) * scale]);
  return points.length === 0 ? "" : `M${points.map((point) => point.map((n) => n.toFixed(2)).join(" ")).join("L")}Z`;
}
