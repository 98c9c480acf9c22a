/** The geometry of treemaps: crate/treemap, fetched when one is drawn first. */
import init, { partition } from "./wasm/treemap/nomul.js";

export type Point = readonly [x: number, y: number];

let ready: Promise<unknown> | undefined;

/**
 * Convex polygons for the nodes of a tree, in their order; areas within a rectangle are exactly in proportion to the
 * weights of leaves. A node's parent comes before it; the first node is the root and its own parent.
 */
export async function treemap(
  nodes: readonly { parent: number; weight: number }[],
  width: number,
  height: number,
): Promise<Point[][]> {
  await (ready ??= init());
  const parents = Uint32Array.from(nodes, ({ parent }) => parent);
  const weights = Float64Array.from(nodes, ({ weight }) => weight);
  const flat = partition(parents, weights, width, height);
  const polygons: Point[][] = [];
  for (let at = 0; at < flat.length;) {
    const count = flat[at++]!;
    polygons.push(Array.from({ length: count }, (_, corner) => [flat[at + 2 * corner]!, flat[at + 2 * corner + 1]!]));
    at += 2 * count;
  }
  return polygons;
}
