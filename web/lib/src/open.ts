/** `load`, for whatever a worker is made of. */
import { Client } from "./client.js";
import { MOST_THREADS, type Build, type Capabilities } from "./detect.js";
import { NomulError, abortError } from "./errors.js";
import type { Fetch, LoadOptions } from "./load-types.js";
import { Model } from "./model.js";
import { abortSignal, address, callback, check, either, flag, number, oneOf, refuse, text, whole } from "./options.js";
import type { Port, Request, Response } from "./protocol.js";
import { httpSource } from "./source.js";
import { isForThreads } from "./threads.js";

/** What `load` takes: where the model folder is, and optionally how to fetch from there. */
export type ModelPlace = string | URL | { url: string | URL; fetch?: Fetch | undefined };

const BUILDS = ["auto", "simd", "relaxed", "simd-threads", "relaxed-threads"];

const OPTIONS = {
  signal: abortSignal,
  onProgress: callback,
  contextLength: whole(1),
  build: oneOf(...BUILDS),
  // What it may be depends on the build, and is told there.
  threads: either(number, text, oneOf(NaN)),
  wasmUrl: either(address, callback),
  grammarUrl: address,
  workerUrl: address,
  cache: oneOf("opfs", "cache-api", false),
  evict: flag,
  startAtPlanes: whole(0),
};

export interface Platform {
  /** What this JavaScript engine can run. */
  detect(): Capabilities;
  /** Starts the worker. */
  connect(workerUrl: string | URL | undefined): Port<Request, Response>;
  /** The absolute address of a model folder. */
  resolve(url: string | URL): URL;
}

export async function open(platform: Platform, place: ModelPlace, options: LoadOptions): Promise<Model> {
  check("load", options, OPTIONS);
  const { signal, onProgress, contextLength, startAtPlanes, cache, evict = false } = options;
  refuse("load", cache === false && evict, "evict makes room for a model that is kept, and cache: false keeps none");
  if (!address.is(place)) check("load: the place", place, { url: address, fetch: callback });
  if (signal?.aborted) throw abortError(signal);
  const { url, fetch } = typeof place === "string" || place instanceof URL ? { url: place, fetch: undefined } : place;
  const folder = asFolder(platform.resolve(url));
  const capabilities = platform.detect();
  const chosen = choose(options.build ?? "auto", options.threads ?? "auto", capabilities);
  const wasmOf = (build: Build) => {
    const url = typeof options.wasmUrl === "function" ? options.wasmUrl(build) : options.wasmUrl;
    return { build, wasmUrl: url === undefined ? undefined : platform.resolve(url).href };
  };
  // Another engine may do where this one was not asked for, unless the address is that of this one alone.
  const { build = "auto", wasmUrl } = options;
  const replaceable =
    isForThreads(chosen.build) && build === "auto" && (wasmUrl === undefined || typeof wasmUrl === "function");

  const client = new Client(platform.connect(options.workerUrl), fetch && httpSource(folder, fetch));
  try {
    const opened = await client.call(
      "open",
      {
        url: folder,
        askCaller: fetch !== undefined,
        ...wasmOf(chosen.build),
        grammarUrl: options.grammarUrl === undefined ? undefined : platform.resolve(options.grammarUrl).href,
        threads: chosen.threads,
        alone: replaceable ? wasmOf(withoutThreads(chosen.build)) : undefined,
        contextLength,
        cache,
        evict,
        startAtPlanes,
      },
      { signal, onEvent: onProgress },
    );
    const { trouble, ...running } = opened;
    const buildReason = trouble === undefined ? chosen.reason : `One thread: ${trouble}.`;
    const info = { url: folder, ...running, buildReason, capabilities };
    return new Model(client, info, signal, onProgress);
  } catch (error) {
    // Ending the worker ends its requests too.
    await client.end(new NomulError("disposed", "loading failed"));
    throw error;
  }
}

interface Choice {
  build: Build;
  threads: number;
  reason: string;
}

/** The engine and the number of threads. Where threads were asked for and there are none, one has to do, and is told. */
function choose(wanted: "auto" | Build, threads: "auto" | number, capabilities: Capabilities): Choice {
  const { simd, relaxedSimd, threads: canShare, autoThreads, build, reason } = capabilities;
  if (threads !== "auto" && !(Number.isInteger(threads) && threads >= 1 && threads <= MOST_THREADS)) {
    throw new NomulError("input", `threads: ${threads} is not a whole number from 1 to ${MOST_THREADS}, nor "auto"`);
  }
  if (build === undefined) throw new NomulError("unsupported", `${reason} nomul needs it.`);
  const most = threads === "auto" ? autoThreads : canShare ? threads : 1;
  if (wanted === "auto") {
    const one = withoutThreads(build);
    return { build: most > 1 ? `${one}-threads` : one, threads: most, reason };
  }
  const shares = isForThreads(wanted);
  if (!(withoutThreads(wanted) === "simd" ? simd : relaxedSimd) || (shares && !canShare)) {
    throw new NomulError("unsupported", `build "${wanted}" was asked for. ${reason}`);
  }
  if (!shares && threads !== "auto" && threads > 1) {
    throw new NomulError("input", `threads: ${threads} was asked for, but the build "${wanted}" has one`);
  }
  return { build: wanted, threads: shares ? most : 1, reason: "It was asked for." };
}

const withoutThreads = (build: Build) => (build.startsWith("relaxed") ? "relaxed" : "simd");

/** A model folder's address, as models are known by. */
export function asFolder(url: URL): string {
  const folder = new URL(url);
  folder.search = "";
  folder.hash = "";
  if (!folder.pathname.endsWith("/")) folder.pathname += "/";
  return folder.href;
}
