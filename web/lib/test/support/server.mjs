// An HTTP server for a model folder that can be told to misbehave.

import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, extname, join } from "node:path";

/** Bytes that are written at once, unless told otherwise. */
const PART = 8192;

const TYPES = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };

/**
 * Serves the files of `folder` under any path. `behaviour(file, request)` may answer with what to do differently for one
 * request, at once or with a promise:
 *
 * - `status`, `html`: an error, or an HTML page, instead of the file
 * - `headers`: more headers, or others; `undefined` leaves one out
 * - `damage`: a function that changes the bytes of the whole file
 * - `longer`: so many bytes more than were asked for, or fewer
 * - `cut`: end the connection after so many bytes
 * - `part`: bytes to write at once
 * - `wait`: a promise to wait for between two parts
 * - `ignoreRange`: send the whole file although a part was asked for
 * - `version`: what the file's version is called
 *
 * With a folder as `site`, files under `/build/`, `/wasm/` and `/test/` come from there, and `/` is an empty page. Unless
 * `cors` is false, pages of other origins may read everything.
 *
 * Answers with `{ url, log, close }`; `log` has an object for each request for a file of the model: `method`, `file`,
 * `range`, `ifRange`, `from` (where the answer begins), `status`, `sent` (bytes), `cut` (the client went away, or was cut off).
 */
export async function misbehave(folder, behaviour = () => ({}), { site, cors = true } = {}) {
  const log = [];
  const server = createServer((request, response) => {
    if (cors) response.setHeader("access-control-allow-origin", "*");
    const { pathname } = new URL(request.url, "http://localhost");
    if (site && /^\/($|build\/|wasm\/|test\/)/.test(pathname)) return void page(join(site, pathname), response);
    const file = basename(pathname);
    const { range, "if-range": ifRange } = request.headers;
    const entry = { method: request.method, file, range, ifRange, from: 0, status: 0, sent: 0, cut: false };
    log.push(entry);
    response.on("close", () => (entry.cut = !response.writableFinished));
    answer(folder, file, request, response, entry, behaviour).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  };
  return { url: `http://127.0.0.1:${server.address().port}/`, log, close };
}

/** Files that were read, and when they were written: a model is asked for thousands of times, a few bytes at a time. */
const files = new Map();

/** The bytes of a file; `undefined` where there is none. */
async function bytesOf(path) {
  const { mtimeMs } = await stat(path).catch(() => ({}));
  if (mtimeMs === undefined) return undefined;
  if (files.get(path)?.mtimeMs !== mtimeMs) files.set(path, { mtimeMs, bytes: readFile(path) });
  return files.get(path).bytes;
}

async function page(path, response) {
  const type = TYPES[extname(path)];
  const bytes = type ? await readFile(path).catch(() => undefined) : "<!doctype html>";
  response.writeHead(bytes === undefined ? 404 : 200, { "content-type": type ?? "text/html" }).end(bytes);
}

async function answer(folder, file, request, response, entry, behaviour) {
  const told = (await behaviour(file, request)) ?? {};
  const { status, html, headers, damage, cut, wait, ignoreRange, longer = 0, version = "1", part: step = PART } = told;
  const head = (code, usual) => {
    entry.status = code;
    const all = Object.entries({ ...usual, ...headers }).filter(([, value]) => value !== undefined);
    return response.writeHead(code, Object.fromEntries(all));
  };
  if (html) {
    head(200, { "content-type": "text/html; charset=utf-8" }).end("<!doctype html><p>Not here");
    return;
  }
  const found = status === undefined && (await bytesOf(join(folder, file)));
  if (!found) {
    head(status ?? 404, { "content-type": "text/plain" }).end("no\n");
    return;
  }
  const whole = damage?.(found) ?? found;
  const etag = `"${version}"`;
  const span = !ignoreRange && (request.headers["if-range"] ?? etag) === etag && spanOf(request.headers.range, whole);
  if (span && span.from >= whole.length) {
    head(416, { "content-range": `bytes */${whole.length}` }).end();
    return;
  }
  const { from, to } = span || { from: 0, to: whole.length };
  const asked = whole.subarray(from, to);
  const bytes = longer > 0 ? Buffer.concat([asked, Buffer.alloc(longer)]) : asked.subarray(0, asked.length + longer);
  entry.from = from;
  head(span ? 206 : 200, {
    "content-type": "application/octet-stream",
    "content-length": bytes.length,
    etag,
    ...(span && { "content-range": `bytes ${from}-${to - 1}/${whole.length}` }),
  });
  for (let at = 0; at < bytes.length && !response.destroyed; at += step) {
    const part = bytes.subarray(at, Math.min(at + step, cut ?? Infinity));
    response.write(part);
    entry.sent += part.length;
    if (at + part.length === cut) {
      // Gives the bytes a moment to leave before the connection breaks.
      setTimeout(() => response.destroy(), 20);
      return;
    }
    if (at + step < bytes.length) await wait;
  }
  response.end();
}

/** The part of the bytes that a header asks for; `undefined` where it asks for all. */
function spanOf(range, bytes) {
  const [, from, last] = range?.match(/^bytes=(\d+)-(\d*)$/) ?? [];
  if (from === undefined) return undefined;
  return { from: Number(from), to: last === "" ? bytes.length : Math.min(Number(last) + 1, bytes.length) };
}
