// The treemap of many leaves: how long its polygons take in Chromium, and how thin the thinnest is, beside the rectangles of a
// squarified treemap (d3-hierarchy) of the same weights.

import { join } from "node:path";
import { Failure } from "../../shared/command.mjs";
import { packageInChromium } from "../../shared/engines.mjs";
import { root } from "../../shared/folders.mjs";
import { median, rounded } from "../../shared/statistics.mjs";

const SIZE = [1600, 1000];
const GROUP = 10;
/** Calls that are not measured, the first of all apart. */
const COMPILING = 10;

/** Leaves in groups of ten, weights drawn between 1 and 1e-6, evenly in their logarithm. The same ones each time. */
function tree(leaves) {
  const [parents, weights] = [[0], [0]];
  let state = 1;
  const next = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  for (let group = 0; group < leaves / GROUP; group++) {
    const parent = parents.push(0) - 1;
    weights.push(0);
    for (let leaf = 0; leaf < GROUP; leaf++) {
      parents.push(parent);
      weights.push(10 ** (-6 * next()));
    }
  }
  return { parents, weights };
}

/** The square of a polygon's diameter over its area: 2 for a square, without bound for a strip. */
export function aspect(corners) {
  let [longest, area] = [0, 0];
  corners.forEach(([x, y], place) => {
    for (const [a, b] of corners.slice(place + 1)) longest = Math.max(longest, (a - x) ** 2 + (b - y) ** 2);
    const [a, b] = corners[(place + 1) % corners.length];
    area += (x * b - y * a) / 2;
  });
  return longest / Math.abs(area);
}

/** The worst aspect ratio of a squarified treemap's leaves. */
async function squarified({ parents, weights }) {
  const { stratify, treemap, treemapSquarify } = await import("d3-hierarchy");
  const rows = parents.map((parent, id) => ({ id, parent: id === 0 ? "" : parent, weight: weights[id] }));
  const hierarchy = stratify()
    .id(({ id }) => String(id))
    .parentId(({ parent }) => String(parent))(rows)
    .sum(({ weight }) => weight)
    .sort((a, b) => b.value - a.value);
  const drawn = treemap().tile(treemapSquarify).size(SIZE)(hierarchy);
  return drawn.leaves().reduce((worst, { x0, y0, x1, y1 }) => {
    const [width, height] = [x1 - x0, y1 - y0];
    return Math.max(worst, (width ** 2 + height ** 2) / (width * height));
  }, 0);
}

/** Polygons of all leaves, as flat lists of corners, and the milliseconds of each round and of the first call. */
async function polygons({ parents, weights }, rounds) {
  const { page, close } = await packageInChromium(join(root, "web", "app"));
  try {
    return await page.evaluate(
      async ({ parents, weights, size, rounds, compiling }) => {
        const { default: init, partition } = await import("/model/wasm/treemap/nomul.js");
        await init();
        const [a, b] = [Uint32Array.from(parents), Float64Array.from(weights)];
        let flat;
        // Browsers compile a module again, and better, while its first calls run.
        const [first, ...times] = Array.from({ length: rounds + compiling }, () => {
          const before = performance.now();
          flat = partition(a, b, ...size);
          return performance.now() - before;
        });
        return { first, times: times.slice(compiling - 1), flat: [...flat] };
      },
      { parents, weights, size: SIZE, rounds, compiling: COMPILING },
    );
  } catch (error) {
    throw new Failure(`the treemap's module: ${error.message.split("\n")[0]}`);
  } finally {
    await close();
  }
}

/** Measures a tree of so many leaves. */
export async function measureTreemap(leaves, rounds) {
  const nodes = tree(leaves);
  const { first, times, flat } = await polygons(nodes, rounds);
  const isLeaf = nodes.weights.map((weight) => weight > 0);
  let worst = 0;
  for (let at = 0, node = 0; at < flat.length; node++) {
    const count = flat[at++];
    const corners = Array.from({ length: count }, (_, corner) => [flat[at + 2 * corner], flat[at + 2 * corner + 1]]);
    at += 2 * count;
    if (isLeaf[node]) worst = Math.max(worst, aspect(corners));
  }
  return {
    leaves,
    milliseconds: rounded(median(times)),
    fastest_ms: rounded(Math.min(...times)),
    slowest_ms: rounded(Math.max(...times)),
    first_ms: rounded(first),
    worst_aspect: rounded(worst),
    worst_aspect_squarified: rounded(await squarified(nodes)),
  };
}
