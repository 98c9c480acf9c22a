// What a measurement was made on: without it a figure says nothing.

import { arch, cpus, release, totalmem, type } from "node:os";
import { answer } from "./command.mjs";

/** The machine, the tools and the state of the sources, as one object. */
export function machine() {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model.trim() ?? arch(),
    cores: cpus().length,
    memory: totalmem(),
    system: `${type()} ${release()} ${arch()}`,
    node: process.versions.node,
    rustc: answer("rustc", ["--version"]),
    commit: answer("git", ["rev-parse", "HEAD"]),
    changed: answer("git", ["status", "--porcelain", "--untracked-files=no"]) !== "",
    date: new Date().toISOString(),
  };
}
