/** A question to a worker that lives for its answer alone. */

export interface Progress {
  done: number;
  total: number;
}

export interface Waiting {
  /** Ends the work at once. */
  signal: AbortSignal;
  onProgress: (progress: Progress) => void;
}

/** Sends a request and answers with the first message that is no progress. `what` is named where the worker cannot start. */
export function ask<Answer extends object>(
  worker: Worker,
  what: string,
  request: object,
  transfer: Transferable[],
  { signal, onProgress }: Waiting,
): Promise<Answer> {
  return new Promise<Answer>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error));
    worker.addEventListener("error", ({ message }) => reject(new Error(message || `${what} could not be loaded`)));
    worker.addEventListener("message", ({ data }: MessageEvent<Answer | Progress>) => {
      if ("total" in data) onProgress(data);
      else resolve(data);
    });
    worker.postMessage(request, transfer);
  }).finally(() => worker.terminate());
}
