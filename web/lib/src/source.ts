/** Where the bytes of a model folder come from. */
import { NomulError } from "./errors.js";
import type { Fetch } from "./types.js";

export type Bytes = Uint8Array<ArrayBuffer>;

/** A file from its start, cut anywhere. */
export type Parts = AsyncGenerator<Bytes, void, void>;

export interface Source {
  /** Opens a file of the folder; `undefined` where an optional one is not there. */
  open(file: string, optional: boolean, signal: AbortSignal): Promise<Parts | undefined>;
}

/** How often a connection that broke in the middle of a file is taken up again. */
const RESUMES = 3;
const FIRST_PAUSE_MS = 250;

/** Files under an http(s) address. A broken download goes on where it stopped; checksums catch a file that changed. */
export function httpSource(folder: string, fetch: Fetch): Source {
  return {
    async open(file, optional, signal) {
      const url = new URL(file, folder).href;
      const response = await request(fetch, url, 0, signal);
      if (optional && (response.status === 404 || response.status === 410 || isHtml(response))) {
        await response.body?.cancel();
        return undefined;
      }
      check(response, url);
      return readAll(fetch, url, response, signal);
    },
  };
}

async function request(fetch: Fetch, url: string, offset: number, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { signal, headers: offset > 0 ? { range: `bytes=${offset}-` } : {} });
  } catch (cause) {
    signal.throwIfAborted();
    throw new NomulError("network", `${url}: ${cause instanceof Error ? cause.message : "the request failed"}`, {
      cause,
    });
  }
}

function isHtml(response: Response): boolean {
  return (response.headers.get("content-type") ?? "").startsWith("text/html");
}

function check(response: Response, url: string): void {
  if (response.status === 404 || response.status === 410) {
    throw new NomulError("missing", `${url}: there is no such file (HTTP ${response.status})`);
  }
  if (!response.ok) throw new NomulError("network", `${url}: the server answered HTTP ${response.status}`);
  if (isHtml(response)) throw new NomulError("network", `${url}: the server sent an HTML page instead of the file`);
}

/**
 * The whole body, over as many connections as it takes. Its length is not checked here: a content length may count
 * encoded bytes, and whoever reads knows better how much there must be.
 */
async function* readAll(fetch: Fetch, url: string, response: Response, signal: AbortSignal): Parts {
  let received = 0;
  for (let resumes = 0; ; resumes++) {
    // A server without ranges sends what is here already once more.
    let skip = response.status === 206 ? 0 : received;
    const reader = (response.body as ReadableStream<Bytes> | null)?.getReader();
    let failure: unknown;
    try {
      for (;;) {
        let part: Bytes | undefined;
        try {
          part = (await reader?.read())?.value;
        } catch (error) {
          signal.throwIfAborted();
          failure = error;
        }
        if (part === undefined) break;
        const skipped = Math.min(skip, part.length);
        skip -= skipped;
        received += part.length - skipped;
        if (skipped < part.length) yield part.subarray(skipped);
      }
    } finally {
      // Reached early when whoever reads has enough: the connection then ends.
      reader?.cancel().catch(() => undefined);
    }
    if (failure === undefined) return;
    if (resumes === RESUMES) {
      throw new NomulError("network", `${url}: the connection ended after ${received} bytes`, { cause: failure });
    }
    await pause(FIRST_PAUSE_MS * 2 ** resumes, signal);
    response = await request(fetch, url, received, signal);
    check(response, url);
    checkRange(response, url, received);
  }
}

/** A server may send the whole file again (200) or the rest (206), but not some other part. */
function checkRange(response: Response, url: string, from: number): void {
  const range = response.headers.get("content-range");
  if (response.status === 206 && range !== null && !range.startsWith(`bytes ${from}-`)) {
    throw new NomulError("network", `${url}: asked for bytes from ${from}, the server sent ${range}`);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
  signal.throwIfAborted();
}

/** The whole of a small file. */
export async function readFile(
  source: Source,
  file: string,
  optional: boolean,
  signal: AbortSignal,
  onBytes: (count: number) => void,
): Promise<Bytes | undefined> {
  const parts = await source.open(file, optional, signal);
  if (parts === undefined) return undefined;
  const all: Bytes[] = [];
  let length = 0;
  for await (const part of parts) {
    all.push(part);
    length += part.length;
    onBytes(part.length);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of all) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
