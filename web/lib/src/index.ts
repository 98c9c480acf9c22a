/** nomul in a browser: the model runs in a worker of its own. */
import type { Model } from "./model.js";
import { open, type ModelPlace, type Platform } from "./open.js";
import type { Port, Request, Response } from "./protocol.js";
import type { LoadOptions } from "./types.js";

export * from "./exports.js";

/**
 * Loads a model folder and gives the model once it can answer. Fails with a `NomulError`, or with an `AbortError` when
 * the signal fires. A relative address counts from the page; in Node, a path names a folder on the disk.
 */
export function load(place: ModelPlace, options: LoadOptions = {}): Promise<Model> {
  return open(browser, place, options);
}

const browser: Platform = {
  cache: true,
  connect: (workerUrl) => connect(startWorker(workerUrl)),
  resolve: (url) => new URL(url, globalThis.document?.baseURI ?? globalThis.location.href),
};

function startWorker(url: string | URL | undefined): Worker {
  // Written out so that bundlers find the worker and give it a file of its own.
  if (url === undefined) return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  return new Worker(url, { type: "module" });
}

function connect(worker: Worker): Port<Request, Response> {
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    listen(onMessage, onFailure) {
      worker.addEventListener("message", (event: MessageEvent<Response>) => onMessage(event.data));
      worker.addEventListener("error", (event) => {
        event.preventDefault();
        onFailure(event.message || "its script could not be loaded");
      });
      worker.addEventListener("messageerror", () => onFailure("a message could not be read"));
    },
    end: () => worker.terminate(),
    hold: () => undefined,
  };
}
