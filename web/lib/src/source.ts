/** Where the bytes of a model folder come from: one request at a time. */
import { NomulError, PassingError } from "./errors.js";
import type { Fetch } from "./load-types.js";

export type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes one behind the other, cut anywhere. */
export type Parts = AsyncGenerator<Bytes, void, void>;

/** A request for a file. Plain data: it may cross to another thread. */
export interface Want {
  /** The file need not be there. */
  optional?: boolean;
  /** Bytes `from..to` only; up to the end without `to`. A source may send the whole file all the same. */
  range?: { from: number; to: number | undefined };
  /** What an earlier answer called the file's version: a part of another version is of no use. */
  validator?: string | undefined;
  /** The length of the whole file, where it is known. */
  length?: number | undefined;
  /** Not from a cache: what came before was damaged. */
  fresh?: boolean;
}

/** What an answer says before its bytes. Plain data too. */
export interface Head {
  /** The range comes that was asked for; else the whole file from its first byte. */
  partial: boolean;
  /** What the file's version is called, if the source tells. */
  validator: string | undefined;
}

export interface Opened extends Head {
  parts: Parts;
  /** Gives the file up before any of its parts was asked for. */
  close(): void;
}

export interface Source {
  /** Opens a file of the folder; `undefined` where an optional one is not there. */
  open(file: string, want: Want, signal: AbortSignal): Promise<Opened | undefined>;
}

/** Files under an http(s) address. */
export function httpSource(folder: string, fetch: Fetch): Source {
  /** A request for a range was answered. */
  let answered = false;

  async function request(url: string, { range, validator, fresh }: Want, signal: AbortSignal): Promise<Response> {
    // Browsers let requests wait for each other that might share one entry of their HTTP cache.
    const init = { signal, ...((range || fresh) && { cache: "no-store" as const }) };
    const headers: Record<string, string> = {};
    if (range) headers["range"] = `bytes=${range.from}-${range.to === undefined ? "" : range.to - 1}`;
    if (range && validator !== undefined) headers["if-range"] = validator;
    try {
      const response = await fetch(url, { ...init, headers });
      answered ||= range !== undefined;
      return response;
    } catch (cause) {
      signal.throwIfAborted();
      if (range && !answered && isForeign(url)) {
        // Browsers before 2023 ask a foreign server for leave to send a range, and hosts of files do not answer that.
        const whole = await fetch(url, { ...init, headers: {} }).catch(() => undefined);
        if (whole !== undefined) return whole;
        signal.throwIfAborted();
      }
      throw new PassingError("network", `${url}: ${unreachable(url, cause)}`, 0, { cause });
    }
  }

  return {
    async open(file, want, signal) {
      const url = new URL(file, folder).href;
      const response = await request(url, want, signal);
      const { status } = response;
      if (want.optional && (status === 404 || status === 410 || isHtml(response))) {
        await response.body?.cancel();
        return undefined;
      }
      try {
        check(response, url);
        if (status === 206) checkRange(response, url, want);
      } catch (error) {
        response.body?.cancel().catch(() => undefined);
        throw error;
      }
      const partial = status === 206;
      const from = partial ? (want.range?.from ?? 0) : 0;
      return {
        partial,
        validator: validatorOf(response, url),
        parts: read(response, url, from, signal),
        close: () => void response.body?.cancel().catch(() => undefined),
      };
    },
  };
}

function isForeign(url: string): boolean {
  const origin = (globalThis as { location?: Location }).location?.origin;
  return origin !== undefined && new URL(url).origin !== origin;
}

/** Why a request got no answer, as far as a page is told. */
function unreachable(url: string, cause: unknown): string {
  const why = cause instanceof Error ? cause.message : "the request failed";
  if (!isForeign(url)) return why;
  return `${why}: either there is no connection, or ${new URL(url).origin} does not allow other sites to read this (CORS)`;
}

function isHtml(response: Response): boolean {
  return (response.headers.get("content-type") ?? "").startsWith("text/html");
}

/** Too many requests, too early, too slow, or trouble of the server's own. */
const PASSING = new Set([408, 425, 429]);

function check(response: Response, url: string): void {
  const { status } = response;
  if (status === 404 || status === 410) {
    throw new NomulError("missing", `${url}: there is no such file (HTTP ${status})`);
  }
  if (!response.ok) {
    const message = `${url}: the server answered HTTP ${status}`;
    if (PASSING.has(status) || status >= 500) throw new PassingError("network", message, retryAfterMs(response));
    throw new NomulError("network", message);
  }
  if (isHtml(response)) throw new NomulError("network", `${url}: the server sent an HTML page instead of the file`);
}

/** The header says seconds or a date; 0 where it says nothing. */
function retryAfterMs(response: Response): number {
  const text = response.headers.get("retry-after") ?? "";
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

/** What a part says of itself has to be what was asked for. A foreign server often does not let us see it. */
function checkRange(response: Response, url: string, { range, length }: Want): void {
  const text = response.headers.get("content-range");
  if (text === null) return;
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(text) ?? [];
  const { from, to } = range ?? { from: 0, to: undefined };
  if (Number(first) !== from || (to !== undefined && Number(last) !== to - 1)) {
    const asked = to === undefined ? `from ${from}` : `${from}-${to - 1}`;
    throw new NomulError("network", `${url}: bytes ${asked} were asked for, the server sent "${text}"`);
  }
  if (length !== undefined && total !== "*" && Number(total) !== length) {
    throw new NomulError("format", `${url}: has ${total} bytes, the index promises ${length}`);
  }
}

/**
 * What `If-Range` takes. Not from a foreign server: it would have to allow the header in an answer of its own, which hosts
 * of files do not do. There the checksum has the last word.
 */
function validatorOf(response: Response, url: string): string | undefined {
  if (isForeign(response.url || url)) return undefined;
  const tag = response.headers.get("etag");
  return tag?.startsWith('"') ? tag : (response.headers.get("last-modified") ?? undefined);
}

async function* read(response: Response, url: string, from: number, signal: AbortSignal): Parts {
  const reader = (response.body as ReadableStream<Bytes> | null)?.getReader();
  let at = from;
  try {
    for (;;) {
      const part = await reader?.read().catch((cause: unknown) => {
        signal.throwIfAborted();
        throw new PassingError("network", `${url}: the connection ended after ${at} bytes`, 0, { cause });
      });
      if (part?.value === undefined) return;
      at += part.value.length;
      yield part.value;
    }
  } finally {
    // Reached early when whoever reads has enough: the connection then ends.
    reader?.cancel().catch(() => undefined);
  }
}
