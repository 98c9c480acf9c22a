/** The worker in Node: files from the disk or over HTTP. */
import { readFile } from "node:fs/promises";
import { parentPort } from "node:worker_threads";
import { loadEngine } from "./engine.js";
import { NomulError } from "./errors.js";
import { fileSource } from "./files.node.js";
import type { Port, Request, Response } from "./protocol.js";
import { serve } from "./server.js";
import { httpSource } from "./source.js";

if (parentPort === null) throw new NomulError("internal", "worker.node.js runs in a worker thread only");
const parent = parentPort;

const port: Port<Response, Request> = {
  post: (message, transfer = []) => parent.postMessage(message, transfer as ArrayBuffer[]),
  listen: (onMessage) => parent.on("message", onMessage),
  end: () => undefined,
  hold: () => undefined,
};

serve(port, {
  async loadEngine(build, wasmUrl) {
    const place = new URL(wasmUrl ?? `../wasm/${build}/nomul_bg.wasm`, import.meta.url);
    // Node's fetch reads no files.
    return loadEngine(build, { module_or_path: place.protocol === "file:" ? await readFile(place) : place });
  },
  source: (url) => (url.startsWith("file:") ? fileSource(url) : httpSource(url, (file, init) => fetch(file, init))),
});
