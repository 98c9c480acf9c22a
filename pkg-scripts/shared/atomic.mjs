// Files are written beside their place and checked, and only then put there.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { Failure } from "./command.mjs";

/** Fails unless the file has this SHA-256, in hexadecimal. */
export async function verify(path, digest) {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path)) hash.update(part);
  const found = hash.digest("hex");
  if (found !== digest) throw new Failure(`${path}: its SHA-256 is ${found}, not ${digest}`);
}

/** Runs `write(temporary)` and, if it succeeds, moves what it wrote to `path`; otherwise nothing is left behind. */
export async function atomically(path, write) {
  const temporary = `${path}.${process.pid}.part`;
  await mkdir(dirname(path), { recursive: true });
  try {
    await write(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}
