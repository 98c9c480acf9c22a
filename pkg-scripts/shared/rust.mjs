// What this Rust brings beside the compiler.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { answer } from "./command.mjs";

/** Where rustc keeps its libraries; undefined where there is no rustc. */
export const sysroot = () => answer("rustc", ["--print", "sysroot"]);

/** Whether the sources of the standard library are there, which is compiled anew for engines with several threads. */
export function haveRustSources() {
  const folder = sysroot();
  return folder !== undefined && existsSync(join(folder, "lib", "rustlib", "src", "rust", "library", "std"));
}
