/** UMAP of vectors, in a worker of its own, which is ended when nobody waits for it any more. */
import { UMAP } from "umap-js";
import type { UmapAnswer, UmapRequest } from "./umap.ts";

/** Told so often, of some hundreds of rounds. */
const ROUNDS = 10;

/** Numbers from 0 to 1 that are the same for the same vectors: a picture can be made again (mulberry32). */
function random(): () => number {
  let state = 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const tell = (answer: UmapAnswer) => postMessage(answer);

addEventListener("message", ({ data: { vectors, columns } }: MessageEvent<UmapRequest>) => {
  const count = vectors.length / columns;
  const rows = Array.from({ length: count }, (_, i) => Array.from(vectors.subarray(i * columns, (i + 1) * columns)));
  const umap = new UMAP({ nComponents: 2, nNeighbors: Math.min(15, count - 1), random: random() });
  const total = umap.initializeFit(rows);
  for (let done = 0; done < total; done++) {
    umap.step();
    if (done % ROUNDS === 0) tell({ done, total });
  }
  tell({ plane: Float32Array.from(umap.getEmbedding().flat()) });
});
