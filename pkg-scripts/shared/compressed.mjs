// Text and code as static hosts send them: compressed, to whoever takes that. Weights are dense already.

import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

/** What is compressed, by the ending of its name. */
const TYPES = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  nomul: "application/octet-stream",
  svg: "image/svg+xml",
  wasm: "application/wasm",
};

/** How each encoding is made, the better one first. A higher quality of brotli takes twice the time for 1 %. */
const ENCODINGS = {
  br: (bytes) => promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } }),
  gzip: (bytes) => promisify(gzip)(bytes),
};

/** Below this the headers are most of an answer. */
const LEAST = 1024;

/** What was compressed so far, by file and encoding: `{ version, body }`. */
const kept = new Map();

const endingOf = (path) => path.slice(path.lastIndexOf(".") + 1);

/** Whether the file of this name comes compressed to those who take it, so that its answers differ. */
export const isCompressible = (path) => Object.hasOwn(TYPES, endingOf(path));

/** The file's bytes in an encoding, compressed once for each version of the file. */
function compressed(file, encoding, version) {
  const key = `${encoding} ${file}`;
  if (kept.get(key)?.version !== version) {
    const body = readFile(file).then(ENCODINGS[encoding]);
    body.catch(() => kept.delete(key));
    kept.set(key, { version, body });
  }
  return kept.get(key).body;
}

/**
 * Answers a GET or HEAD for `path`, as it stands in the address, from the folder `root`. Answers with false, and has done
 * nothing, where the file goes out as it is: another type, a part of it, another encoding, or no such file.
 */
export async function sendCompressed(request, response, root, path) {
  const name = path.endsWith("/") ? `${path}index.html` : path;
  // Names that mean nothing to a file system or an address. All others are left to whoever knows about dots and escapes.
  if (!/^(\/[\w-][\w.-]*)+$/.test(name) || !isCompressible(name) || request.headers.range !== undefined) return false;
  const { default: Negotiator } = await import("negotiator");
  const names = Object.keys(ENCODINGS);
  const encoding = new Negotiator(request).encoding([...names, "identity"], { preferred: names });
  if (!Object.hasOwn(ENCODINGS, encoding ?? "")) return false;

  const file = join(root, name);
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile() || found.size < LEAST) return false;
  const version = `${found.size.toString(16)}-${Math.floor(found.mtimeMs).toString(16)}`;
  const body = await compressed(file, encoding, version);
  if (body.length >= found.size) return false;

  const { default: fresh } = await import("fresh");
  const tags = { etag: `W/"${version}-${encoding}"`, "last-modified": found.mtime.toUTCString() };
  const headers = { ...tags, vary: "accept-encoding", "cache-control": "no-cache" };
  if (fresh(request.headers, tags)) response.writeHead(304, headers).end();
  else {
    headers["content-type"] = TYPES[endingOf(name)];
    headers["content-encoding"] = encoding;
    headers["content-length"] = body.length;
    response.writeHead(200, headers).end(request.method === "HEAD" ? undefined : body);
  }
  return true;
}
