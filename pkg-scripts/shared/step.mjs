// Steps that are skipped when their result is there already and nothing they depend on has changed.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { say } from "./command.mjs";
import { cache, root } from "./folders.mjs";

/** Folders that hold what is built or fetched, never a source. */
const PRODUCTS = new Set(["node_modules", "target", "build", "dist"]);

/** All source files at and under `path`, in one fixed order. A path that is not there is no file. */
function sources(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return [];
  if (stat.isFile()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() || !PRODUCTS.has(entry.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => sources(join(path, entry.name)));
}

/** A digest of the contents of files and folders (relative to the repository) and of a value that JSON can hold. */
export function fingerprint(paths, settings = null) {
  const hash = createHash("sha256").update(JSON.stringify(settings));
  for (const path of paths) {
    for (const file of sources(resolve(root, path))) {
      const bytes = readFileSync(file);
      hash.update(`\0${relative(root, file)}\0${bytes.length}\0`).update(bytes);
    }
  }
  return hash.digest("hex");
}

/** What is remembered of an output: a file's size and time, so that one changed by hand is made again. */
function trace(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return null;
  return stat.isFile() ? `${stat.size} ${stat.mtimeMs}` : "folder";
}

/**
 * Runs `work` and says so, or skips it.
 *
 * `name` is the stamp's file name, `title` what the user reads; `inputs` are files and folders relative to the
 * repository, `settings` anything else that decides the result, `outputs` absolute paths that must be there after.
 */
export async function step({ name, title, inputs, settings, outputs }, work) {
  const stamp = join(cache, "stamps", `${name}.json`);
  const wanted = fingerprint(inputs, settings);
  const state = () => JSON.stringify({ inputs: wanted, outputs: outputs.map(trace) });
  const done = outputs.every(existsSync) && existsSync(stamp) && readFileSync(stamp, "utf8") === state();
  if (done) return false;
  say(`- ${title}`);
  await work();
  const missing = outputs.find((path) => !existsSync(path));
  if (missing) throw new Error(`${title}: ${missing} was not made`);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, state());
  return true;
}
