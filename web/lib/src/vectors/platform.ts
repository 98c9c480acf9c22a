/** What differs between a page and Node for the caller of a feature. */
import type { CallMap, Port, Request, Response } from "../protocol.js";

export interface Platform {
  /** Starts the worker. */
  connect<C extends CallMap<C>>(workerUrl: string | URL | undefined): Port<Request<C>, Response>;
  /** The absolute address of a file. */
  resolve(url: string | URL): URL;
}

/** Options of everything that starts a worker. */
export interface StartOptions {
  /** Gives up: the worker ends, and the call fails with an `AbortError`. */
  signal?: AbortSignal | undefined;
  /** Where the `.wasm` file lies, if not beside the package's other files. */
  wasmUrl?: string | URL | undefined;
  /** Where the worker's script lies, if not beside the package's other files. */
  workerUrl?: string | URL | undefined;
}
