/** The worker in browsers. */
import { loadEngine } from "./engine.js";
import type { Port, Request, Response } from "./protocol.js";
import { serve } from "./server.js";
import { httpSource } from "./source.js";

/** The part of a dedicated worker's scope that is used here. */
interface WorkerScope {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

const scope = globalThis as unknown as WorkerScope;

const port: Port<Response, Request> = {
  post: (message, transfer = []) => scope.postMessage(message, transfer),
  listen: (onMessage) => scope.addEventListener("message", (event) => onMessage(event.data as Request)),
  end: () => undefined,
  hold: () => undefined,
};

serve(port, {
  loadEngine: (build, wasmUrl) => loadEngine(build, wasmUrl === undefined ? undefined : { module_or_path: wasmUrl }),
  source: (url) => httpSource(url, (file, init) => fetch(file, init)),
});
