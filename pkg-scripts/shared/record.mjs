// Measurements that the repository keeps: one file each, named after the benchmark, the day and the commit.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "./folders.mjs";

/** The folders of a path from the root, the home or the working folder, which may follow the name of an option. */
const FOLDERS = /^(--[\w-]+=)?(?:~|\.{0,2}|[A-Za-z]:)[\\/](?:.*[\\/](?=.))?/;

/** The same data, of every path only its last name: where files lie on a machine is nobody's business. */
export function withoutFolders(value) {
  if (typeof value === "string") return value.replace(FOLDERS, "$1");
  if (Array.isArray(value)) return value.map(withoutFolders);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withoutFolders(each)]));
}

/** Writes a result of `npm run bench` to tests/bench/records/; answers with the file. */
export async function record(result) {
  const { date, commit = "unknown" } = result.machine;
  const folder = join(root, "tests", "bench", "records");
  const file = join(folder, `${result.benchmark}-${date.slice(0, 10)}-${commit.slice(0, 7)}.json`);
  const { format, resolveConfig } = await import("prettier");
  const text = await format(JSON.stringify(withoutFolders(result)), { ...(await resolveConfig(file)), filepath: file });
  await mkdir(folder, { recursive: true });
  await writeFile(file, text);
  return file;
}
