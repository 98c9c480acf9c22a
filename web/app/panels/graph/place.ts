/** Where nodes are drawn. */

export interface Box {
  width: number;
  height: number;
}

/** Space around the outermost nodes, in pixels. */
const MARGIN = 24;

/**
 * Places of nodes in a box, (node, 2), from places in a plane. One scale for both axes, so that distances stay what they are;
 * a plane without extent lands in the middle.
 */
export function fit(plane: Float32Array, { width, height }: Box): Float32Array {
  const ends = [0, 1].map((axis) => {
    let [low, high] = [Infinity, -Infinity];
    for (let i = axis; i < plane.length; i += 2) {
      low = Math.min(low, plane[i] ?? 0);
      high = Math.max(high, plane[i] ?? 0);
    }
    return { middle: (low + high) / 2, extent: high - low };
  });
  const room = [width, height].map((size) => Math.max(1, size - 2 * MARGIN));
  const scales = ends.map(({ extent }, axis) => (extent > 0 ? (room[axis] ?? 1) / extent : Infinity));
  const scale = Math.min(...scales, 1e9);
  return plane.map((place, i) => {
    const { middle } = ends[i % 2] ?? { middle: 0 };
    const size = i % 2 === 0 ? width : height;
    return size / 2 + (place - middle) * (Number.isFinite(scale) ? scale : 0);
  });
}

/** The node nearest to a point, `undefined` where none is within `reach`. */
export function nearest(places: Float32Array, x: number, y: number, reach: number): number | undefined {
  let found: number | undefined;
  let least = reach ** 2;
  for (let node = 0; node < places.length / 2; node++) {
    const distance = ((places[2 * node] ?? 0) - x) ** 2 + ((places[2 * node + 1] ?? 0) - y) ** 2;
    if (distance <= least) {
      least = distance;
      found = node;
    }
  }
  return found;
}
