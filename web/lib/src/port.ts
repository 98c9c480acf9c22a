/** Both ends of a worker in browsers. */
import type { CallMap, Port, Request, Response } from "./protocol.js";

/** The caller's end. */
export function workerPort<C extends CallMap<C>>(worker: Worker): Port<Request<C>, Response> {
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

/** The part of a dedicated worker's scope that is used here. */
interface WorkerScope {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

/** The worker's own end. */
export function scopePort<C extends CallMap<C>>(): Port<Response, Request<C>> {
  const scope = globalThis as unknown as WorkerScope;
  return {
    post: (message, transfer = []) => scope.postMessage(message, transfer),
    listen: (onMessage) => scope.addEventListener("message", (event) => onMessage(event.data as Request<C>)),
    end: () => undefined,
    hold: () => undefined,
  };
}

/** The absolute address of one that counts from the page. */
export function absolute(url: string | URL): URL {
  return new URL(url, globalThis.document?.baseURI ?? globalThis.location.href);
}
