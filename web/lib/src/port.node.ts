/** Both ends of a worker thread in Node. */
import { pathToFileURL } from "node:url";
import { parentPort, type Worker } from "node:worker_threads";
import { NomulError } from "./errors.js";
import type { CallMap, Port, Request, Response } from "./protocol.js";

/** The caller's end. */
export function workerPort<C extends CallMap<C>>(worker: Worker): Port<Request<C>, Response> {
  let hasEnded = false;
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer as ArrayBuffer[]),
    listen(onMessage, onFailure) {
      worker.on("message", onMessage);
      worker.on("error", (error) => onFailure(error.message));
      worker.on("exit", (code) => onFailure(`it ended with code ${code}`));
    },
    // Whoever waits for the end keeps the process alive.
    end() {
      hasEnded = true;
      worker.ref();
      return worker.terminate();
    },
    hold(held) {
      if (hasEnded) return;
      if (held) worker.ref();
      else worker.unref();
    },
  };
}

/** The worker's own end. */
export function scopePort<C extends CallMap<C>>(): Port<Response, Request<C>> {
  if (parentPort === null) throw new NomulError("internal", "this file runs in a worker thread only");
  const parent = parentPort;
  return {
    post: (message, transfer = []) => parent.postMessage(message, transfer as ArrayBuffer[]),
    listen: (onMessage) => parent.on("message", onMessage),
    end: () => undefined,
    hold: () => undefined,
  };
}

/** A URL, or the file: URL of a path. */
export function absolute(url: string | URL): URL {
  // One letter before the colon is a drive, not a scheme.
  return url instanceof URL || /^[a-z][a-z0-9+.-]+:/i.test(url) ? new URL(url) : pathToFileURL(url);
}
