/** What loading takes and tells, and what is kept of it. */
import type { Build } from "./detect.js";

/** Where the weights are kept that a load brings. */
export interface Stored {
  /** The browser's private file system, its Cache API, or nowhere. */
  kind: "opfs" | "cache-api" | "none";
  /** Why nothing is kept, or not all. */
  reason?: string;
}

/** What loading is doing. */
export interface LoadProgress {
  /** `engine`: compiling. `description`: configuration and tokenizer. `weights`: the shards. `done`: all is here. */
  phase: "engine" | "description" | "weights" | "done";
  /** The file being read, its name in the model folder. */
  file: string | undefined;
  /**
   * Bytes of the model that are in the engine. Where a file turns out to be damaged it goes back to that file's beginning.
   */
  loaded: number;
  /** Bytes of the whole model; `undefined` until the index has told. */
  total: number | undefined;
  /** How many of the bytes loaded came from storage. */
  fromCache: number;
  /** What comes over the network, over the last few seconds; `undefined` before there is something to measure. */
  bytesPerSecond: number | undefined;
  /** For what has to come over the network still, at that speed; `undefined` where speed or total is. */
  secondsLeft: number | undefined;
  /** Plane shards that are complete. */
  level: number;
  /** Plane shards that there are; 0 until the index has told. */
  levels: number;
  /** The planes that are here make a model that answers. */
  usable: boolean;
  /** For each block of the model, the fewest planes in use among its matrices; empty until the index has told. */
  layers: number[];
  /** Where what comes is kept, or why not; `undefined` before the weights. */
  stored: Stored | undefined;
  /** While a request that failed waits to be repeated. */
  retry?: {
    /** Which repetition comes next; it begins anew whenever bytes have come. */
    attempt: number;
    /** Until then. Without a network it is tried as soon as there is one, if that is earlier. */
    inSeconds: number;
    /** What went wrong. */
    reason: string;
  };
}

/** A model that is kept in the browser. */
export interface StoredModel {
  /** The model folder's address. */
  url: string;
  /** What it takes up, with what an older version may have left. */
  bytes: number;
  /** What all of its weights take up. */
  total: number;
  /** All of them are here. */
  complete: boolean;
  /** When it was loaded last. */
  lastUsed: Date;
}

/** What is kept in the browser, and how much may be. */
export interface StorageInfo {
  /** Where models are kept unless told otherwise. */
  kind: "opfs" | "cache-api" | "none";
  /** Bytes that this site takes up, with everything that it stores; `undefined` where the browser does not tell. */
  usage: number | undefined;
  /** Bytes that the browser lets it take up. */
  quota: number | undefined;
  /** Whether the browser keeps it all until told otherwise; else it may delete it when the disk is full. */
  persisted: boolean;
  /** The one used last comes first. */
  models: StoredModel[];
}

/** The part of `fetch` that loading uses. Weights are asked for with the headers `range` and `if-range`. */
export type Fetch = (
  url: string,
  init: { signal: AbortSignal; headers: Record<string, string>; cache?: RequestCache },
) => Promise<Response>;

export interface LoadOptions {
  /**
   * Stops loading: nothing is fetched after it fires, and what waits for the model fails with an `AbortError`. What has been
   * stored stays, and the next load goes on from there.
   */
  signal?: AbortSignal | undefined;
  /** Called at most ten times a second, and at every change of phase or of the number of planes. */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Most tokens of prompt and answer together. The model's own limit, at most 4096, where left out. */
  contextLength?: number | undefined;
  /** Which compiled engine to run. `auto` takes what `detect` recommends. */
  build?: "auto" | Build | undefined;
  /**
   * How many threads work at once, 1 to 32. `auto`, the default, takes half of the processors, from two to eight. Threads
   * need a page that is cross-origin isolated; where it is not, one works, and `info.buildReason` says why. The answers
   * are the same.
   */
  threads?: "auto" | number | undefined;
  /** Where the engine's .wasm file is, for sites that host it elsewhere than beside the package. */
  wasmUrl?: string | URL | ((build: Build) => string | URL) | undefined;
  /** Where the .wasm file of the grammar library is; only `response_format` loads it. */
  grammarUrl?: string | URL | undefined;
  /** Where the worker's script is, for sites that host it elsewhere. It must have the page's origin. */
  workerUrl?: string | URL | undefined;
  /**
   * Where weights are kept for the next time: `opfs`, the browser's private file system, where a download that is broken off
   * goes on where it stopped; `cache-api`, which keeps whole files; `false`, nowhere. The best that there is where left out.
   * Nothing is kept in Node.
   */
  cache?: "opfs" | "cache-api" | false | undefined;
  /**
   * Delete other models that are kept, the least recently used first, where the browser has no room for this one. Without
   * it this one is not kept then.
   */
  evict?: boolean | undefined;
  /** Resolve when this many plane shards are here; the rest keeps streaming. All of them where left out. */
  startAtPlanes?: number | undefined;
}
