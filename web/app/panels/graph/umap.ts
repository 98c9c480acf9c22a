/** The page's side of UMAP. */

/** Vectors, one after the other. */
export interface UmapRequest {
  vectors: Float32Array;
  columns: number;
}

/** Rounds done, or at last the places: (node, 2). */
export type UmapAnswer = { done: number; total: number } | { plane: Float32Array };

/** The fewest nodes that have a neighbourhood, and the most that are placed in a bearable time. */
export const UMAP_NODES = { least: 4, most: 10_000 };

/** Places vectors in a plane by UMAP; an abort ends the work at once. */
export function umap(
  request: UmapRequest,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (progress: { done: number; total: number }) => void },
): Promise<Float32Array> {
  const worker = new Worker(new URL("./umap.worker.ts", import.meta.url), { type: "module" });
  return new Promise<Float32Array>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error));
    worker.addEventListener("error", ({ message }) => reject(new Error(message || "UMAP could not be loaded")));
    worker.addEventListener("message", ({ data }: MessageEvent<UmapAnswer>) => {
      if ("plane" in data) resolve(data.plane);
      else onProgress(data);
    });
    worker.postMessage(request);
  }).finally(() => worker.terminate());
}
