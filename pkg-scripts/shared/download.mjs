// Files from elsewhere: each is written beside its place, checked against its digest, and only then put there.

import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Failure, say } from "./command.mjs";

/** The SHA-256 of a file, in hexadecimal. */
export async function sha256(path) {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path)) hash.update(part);
  return hash.digest("hex");
}

/** Fails unless the file has this SHA-256. */
export async function verify(path, digest) {
  const found = await sha256(path);
  if (found !== digest) throw new Failure(`${path}: its SHA-256 is ${found}, not ${digest}`);
}

/** A name beside `path` that no other process uses, to be written and then renamed. */
export const sibling = (path) => `${path}.${process.pid}.part`;

/** Runs `write(temporary)` and, if it succeeds, moves what it wrote to `path`; otherwise nothing is left behind. */
export async function atomically(path, write) {
  const temporary = sibling(path);
  await mkdir(dirname(path), { recursive: true });
  try {
    await write(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** A web address as a response, or one clear line. */
export async function request(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    throw new Failure(`${url}: ${error.cause?.message ?? error.message}`);
  }
  if (!response.ok) throw new Failure(`${url}: ${response.status} ${response.statusText}`);
  return response;
}

/** Downloads `url` to `path`, unless a file of this size is there. `digest` (SHA-256) may be undefined. */
export async function download(url, path, { size, digest, headers } = {}) {
  const present = await stat(path).catch(() => undefined);
  if (present && present.size === size) return;
  await atomically(path, async (temporary) => {
    const { body } = await request(url, { headers });
    await pipeline(Readable.fromWeb(body), progress(basename(path), size), createWriteStream(temporary));
    const written = (await stat(temporary)).size;
    if (size !== undefined && written !== size) throw new Failure(`${url}: ${written} bytes came, not ${size}`);
    if (digest) await verify(temporary, digest);
  });
}

/** A stage of a pipeline that reports every tenth part of a file worth reporting. */
function progress(name, size = 0) {
  const WORTH = 10_000_000;
  return async function* (parts) {
    let received = 0;
    let reported = 0;
    for await (const part of parts) {
      received += part.length;
      const tenths = Math.floor((10 * received) / size);
      if (size > WORTH && tenths > reported) {
        reported = tenths;
        say(`  ${name}: ${tenths}0 % of ${(size / 1e6).toFixed(1)} MB`);
      }
      yield part;
    }
  };
}
