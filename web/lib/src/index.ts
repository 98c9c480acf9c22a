/** nomul in a browser: the model runs in a worker of its own. */
import { detectFor, type Capabilities } from "./detect.js";
import type { LoadOptions } from "./load-types.js";
import type { Model } from "./model.js";
import { asFolder, open, type ModelPlace, type Platform } from "./open.js";
import { absolute, workerPort } from "./port.js";
import { forget } from "./storage/inventory.js";

export * from "./exports.js";

/**
 * Loads a model folder and gives the model once it can answer. Fails with a `NomulError`, or with an `AbortError` when
 * the signal fires. A relative address counts from the page; in Node, a path names a folder on the disk.
 */
export function load(place: ModelPlace, options: LoadOptions = {}): Promise<Model> {
  return open(browser, place, options);
}

/** Asks this JavaScript engine what it can run. Takes well under a millisecond and fetches nothing. */
export function detect(): Capabilities {
  return detectFor(navigator.hardwareConcurrency);
}

/** Deletes what is kept of a model; answers whether anything was. Fails while the model is being stored. */
export function forgetModel(url: string | URL): Promise<boolean> {
  return forget(asFolder(absolute(url)));
}

const browser: Platform = {
  detect,
  connect: (workerUrl) => workerPort(startWorker(workerUrl)),
  resolve: absolute,
};

function startWorker(url: string | URL | undefined): Worker {
  // Written out so that bundlers find the worker and give it a file of its own.
  if (url === undefined) return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  return new Worker(url, { type: "module" });
}
