/** The page's side of UMAP. */
import { ask, type Progress, type Waiting } from "./ask.ts";

/** Vectors, one after the other. */
export interface UmapRequest {
  vectors: Float32Array;
  columns: number;
}

/** Rounds done, or at last the places: (node, 2). */
export type UmapAnswer = Progress | { plane: Float32Array };

/** The fewest nodes that have a neighbourhood, and the most that are placed in a bearable time. */
export const UMAP_NODES = { least: 4, most: 10_000 };

/** Places vectors in a plane by UMAP; an abort ends the work at once. */
export async function umap(request: UmapRequest, waiting: Waiting): Promise<Float32Array> {
  const worker = new Worker(new URL("./umap.worker.ts", import.meta.url), { type: "module" });
  return (await ask<{ plane: Float32Array }>(worker, "UMAP", request, [], waiting)).plane;
}
