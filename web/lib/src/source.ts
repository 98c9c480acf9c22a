/** Where the bytes of a model folder come from. */
import { NomulError } from "./errors.js";
import type { Fetch } from "./types.js";

export type Bytes = Uint8Array<ArrayBuffer>;

export interface OpenFile {
  /** Bytes of the whole file, where the source knows before reading. */
  size: number | undefined;
  /** The file from its start, cut anywhere. */
  parts: AsyncGenerator<Bytes, void, void>;
}

export interface Source {
  /** Opens a file of the folder; `undefined` where an optional one is not there. */
  open(file: string, optional: boolean, signal: AbortSignal): Promise<OpenFile | undefined>;
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
      const size = declaredSize(response);
      return { size, parts: readAll(fetch, url, response, size, signal) };
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

function declaredSize(response: Response): number | undefined {
  // With a content encoding the length counts the encoded bytes.
  const length = response.headers.get("content-encoding") ? null : response.headers.get("content-length");
  return length !== null && /^\d+$/.test(length) ? Number(length) : undefined;
}

async function* readAll(
  fetch: Fetch,
  url: string,
  response: Response,
  size: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<Bytes, void, void> {
  let received = 0;
  for (let resumes = 0; ; resumes++) {
    let failure: unknown;
    let skip = resumes > 0 && response.status !== 206 ? received : 0;
    const reader = (response.body as ReadableStream<Bytes> | null)?.getReader();
    try {
      for (;;) {
        let part: ReadableStreamReadResult<Bytes> | undefined;
        try {
          part = await reader?.read();
        } catch (error) {
          signal.throwIfAborted();
          failure = error;
        }
        if (part?.value === undefined) break;
        const skipped = Math.min(skip, part.value.length);
        skip -= skipped;
        if (skipped === part.value.length) continue;
        received += part.value.length - skipped;
        yield part.value.subarray(skipped);
      }
    } finally {
      // Reached early when the reader of this generator stops: the connection then ends.
      reader?.cancel().catch(() => undefined);
    }
    const complete = failure === undefined && (size === undefined || received >= size);
    if (complete) return;
    if (resumes === RESUMES || size === undefined) {
      const whole = size === undefined ? "" : ` of ${size}`;
      throw new NomulError("network", `${url}: the connection ended after ${received}${whole} bytes`, {
        cause: failure,
      });
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
  const open = await source.open(file, optional, signal);
  if (open === undefined) return undefined;
  const parts: Bytes[] = [];
  let length = 0;
  for await (const part of open.parts) {
    parts.push(part);
    length += part.length;
    onBytes(part.length);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
