/** nomul in Node: the model runs in a worker thread; a path or a file: URL names a model folder on the disk. */
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import type { Model } from "./model.js";
import { open, type ModelPlace, type Platform } from "./open.js";
import type { Port, Request, Response } from "./protocol.js";
import type { LoadOptions } from "./types.js";

export * from "./exports.js";

/** See `load` of the browser's entry. */
export function load(place: ModelPlace, options: LoadOptions = {}): Promise<Model> {
  return open(node, place, options);
}

const node: Platform = {
  cache: false,
  connect: (workerUrl) => connect(new Worker(new URL(workerUrl ?? "./worker.node.js", import.meta.url))),
  // One letter before the colon is a drive, not a scheme.
  resolve: (url) => (url instanceof URL || /^[a-z][a-z0-9+.-]+:/i.test(url) ? new URL(url) : pathToFileURL(url)),
};

function connect(worker: Worker): Port<Request, Response> {
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer as ArrayBuffer[]),
    listen(onMessage, onFailure) {
      worker.on("message", onMessage);
      worker.on("error", (error) => onFailure(error.message));
      worker.on("exit", (code) => onFailure(`it ended with code ${code}`));
    },
    end: () => void worker.terminate(),
    hold: (held) => (held ? worker.ref() : worker.unref()),
  };
}
