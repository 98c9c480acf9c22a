/** Features in a page: each object has a worker of its own, which ends with it and gives its memory back. */
import { absolute, workerPort } from "../port.js";
import type { Platform } from "./platform.js";

export const browser: Platform = {
  connect: (workerUrl) => workerPort(startWorker(workerUrl)),
  resolve: absolute,
};

function startWorker(url: string | URL | undefined): Worker {
  // Written out so that bundlers find the worker and give it a file of its own.
  if (url === undefined) return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  return new Worker(url, { type: "module" });
}
