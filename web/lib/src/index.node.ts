/** nomul in Node: the model runs in a worker thread; a path or a file: URL names a model folder on the disk. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { detectFor, type Capabilities } from "./detect.js";
import type { LoadOptions } from "./load-types.js";
import type { Model } from "./model.js";
import { asFolder, open, type ModelPlace, type Platform } from "./open.js";
import { absolute, workerPort } from "./port.node.js";
import { forget } from "./storage/inventory.js";

export * from "./exports.js";

/** See `load` of the browser's entry. */
export function load(place: ModelPlace, options: LoadOptions = {}): Promise<Model> {
  return open(node, place, options);
}

/** See `detect` of the browser's entry. */
export function detect(): Capabilities {
  return detectFor(availableParallelism());
}

/** See `forgetModel` of the browser's entry. In Node nothing is kept. */
export function forgetModel(url: string | URL): Promise<boolean> {
  return forget(asFolder(absolute(url)));
}

const node: Platform = {
  detect,
  connect: (workerUrl) => workerPort(new Worker(new URL(workerUrl ?? "./worker.node.js", import.meta.url))),
  resolve: absolute,
};
