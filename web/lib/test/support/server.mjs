// An HTTP server for a model folder that can be told to misbehave.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { basename } from "node:path";

/** Bytes that are written at once, unless told otherwise. */
const PART = 8192;

/**
 * Serves `folder` at `/`. `behaviour(file, request)` may answer with what to do differently for one request:
 *
 * - `status`, `html`: an error, or an HTML page, instead of the file
 * - `damage`: a function that changes the bytes
 * - `cut`: end the connection after so many bytes
 * - `part`: bytes to write at once
 * - `wait`: a promise to wait for after each part
 * - `ignoreRange`: send the whole file although a part was asked for
 *
 * Answers with `{ url, log, close }`; `log` has an object for each request: `file`, `range`, `sent` (bytes), `cut` (the
 * client went away).
 */
export async function misbehave(folder, behaviour = () => ({})) {
  const log = [];
  const server = createServer((request, response) => {
    response.setHeader("access-control-allow-origin", "*");
    const file = basename(new URL(request.url, "http://localhost").pathname);
    const entry = { file, range: request.headers.range, sent: 0, cut: false };
    log.push(entry);
    response.on("close", () => (entry.cut = !response.writableFinished));
    answer(folder, file, request, response, entry, behaviour(file, request) ?? {}).catch(() => response.destroy());
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

async function answer(
  folder,
  file,
  request,
  response,
  entry,
  { status, html, damage, cut, wait, ignoreRange, part: step = PART },
) {
  if (html) {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end("<!doctype html><p>Not here");
    return;
  }
  const found = status === undefined && (await readFile(folder + file).catch(() => undefined));
  if (!found) {
    response.writeHead(status ?? 404, { "content-type": "text/plain" }).end("no\n");
    return;
  }
  const whole = damage?.(found) ?? found;
  const from = ignoreRange ? 0 : Number(request.headers.range?.match(/^bytes=(\d+)-$/)?.[1] ?? 0);
  const bytes = whole.subarray(from);
  response.writeHead(from > 0 ? 206 : 200, {
    "content-type": "application/octet-stream",
    "content-length": bytes.length,
    ...(from > 0 && { "content-range": `bytes ${from}-${whole.length - 1}/${whole.length}` }),
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
    await wait;
  }
  response.end();
}
