/** `load`, for whatever a worker is made of. */
import { Client } from "./client.js";
import { detect, type Build } from "./detect.js";
import { NomulError, abortError } from "./errors.js";
import { Model } from "./model.js";
import type { Port, Request, Response } from "./protocol.js";
import { httpSource } from "./source.js";
import type { Fetch, LoadOptions } from "./types.js";

/** What `load` takes: where the model folder is, and optionally how to fetch from there. */
export type ModelPlace = string | URL | { url: string | URL; fetch?: Fetch | undefined };

export interface Platform {
  /** Starts the worker. */
  connect(workerUrl: string | URL | undefined): Port<Request, Response>;
  /** The absolute address of a model folder. */
  resolve(url: string | URL): URL;
  /** Whether shards are kept unless told otherwise. */
  cache: boolean;
}

export async function open(platform: Platform, place: ModelPlace, options: LoadOptions): Promise<Model> {
  const { signal, onProgress, contextLength, startAtPlanes, cache } = options;
  if (signal?.aborted) throw abortError(signal);
  const { url, fetch } = typeof place === "string" || place instanceof URL ? { url: place, fetch: undefined } : place;
  const folder = asFolder(platform.resolve(url));
  const capabilities = detect();
  const [build, buildReason] = choose(options.build ?? "auto", capabilities);
  const wasmUrl = typeof options.wasmUrl === "function" ? options.wasmUrl(build) : options.wasmUrl;

  const client = new Client(platform.connect(options.workerUrl), fetch && httpSource(folder, fetch));
  try {
    const opened = await client.call(
      "open",
      {
        url: folder,
        askCaller: fetch !== undefined,
        build,
        wasmUrl: wasmUrl === undefined ? undefined : platform.resolve(wasmUrl).href,
        contextLength,
        cache: cache === undefined ? platform.cache : cache === "cache-api",
        startAtPlanes,
      },
      { signal, onEvent: onProgress },
    );
    const info = { url: folder, contextLength: opened.contextLength, build, buildReason, capabilities };
    return new Model(client, info, signal, onProgress);
  } catch (error) {
    // Ending the worker ends its requests too.
    client.end(new NomulError("disposed", "loading failed"));
    throw error;
  }
}

function choose(
  wanted: "auto" | Build,
  { simd, relaxedSimd, build, reason }: ReturnType<typeof detect>,
): [Build, string] {
  if (build === undefined) throw new NomulError("unsupported", `${reason} nomul needs it.`);
  if (wanted === "auto") return [build, reason];
  if (!(wanted === "simd" ? simd : relaxedSimd)) {
    throw new NomulError("unsupported", `build "${wanted}" was asked for. ${reason}`);
  }
  return [wanted, "It was asked for."];
}

function asFolder(url: URL): string {
  const folder = new URL(url);
  folder.search = "";
  folder.hash = "";
  if (!folder.pathname.endsWith("/")) folder.pathname += "/";
  return folder.href;
}
