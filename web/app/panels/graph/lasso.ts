/** What an outline drawn by hand goes around. */

export type Point = readonly [x: number, y: number];

/** Points so near to the last one, in pixels, add nothing to an outline. */
const STEP = 3;

/** An outline with one more point. */
export function drawn(outline: readonly Point[], [x, y]: Point): readonly Point[] {
  const last = outline.at(-1);
  return last && Math.hypot(x - last[0], y - last[1]) < STEP ? outline : [...outline, [x, y]];
}

/** Whether a point lies within an outline, whose ends are joined. A ray to the right crosses it an odd number of times. */
export function within(outline: readonly Point[], x: number, y: number): boolean {
  let odd = false;
  let [fromX, fromY] = outline.at(-1) ?? [0, 0];
  for (const [toX, toY] of outline) {
    if (fromY > y !== toY > y && x < fromX + ((y - fromY) * (toX - fromX)) / (toY - fromY)) odd = !odd;
    [fromX, fromY] = [toX, toY];
  }
  return odd;
}

/** The nodes at places, (node, 2), that lie within an outline. */
export function enclosed(places: Float32Array, outline: readonly Point[]): number[] {
  const [xs, ys] = [outline.map(([x]) => x), outline.map(([, y]) => y)];
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  const nodes: number[] = [];
  for (let node = 0; node < places.length / 2; node++) {
    const [x, y] = [places[2 * node]!, places[2 * node + 1]!];
    if (x >= left && x <= right && y >= top && y <= bottom && within(outline, x, y)) nodes.push(node);
  }
  return nodes;
}
