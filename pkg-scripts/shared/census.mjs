// Which instructions the engines' modules can reach: crate/census, and where arithmetic begins in a module.

import { join } from "node:path";
import { output, run } from "./command.mjs";
import { profile, root, target } from "./folders.mjs";

/** The program. */
export const census = join(target, profile, process.platform === "win32" ? "nomul-census.exe" : "nomul-census");

/** Builds it, or finds that there is nothing to do. */
export const buildCensus = () => run("cargo", ["build", "--profile", profile, "--quiet", "-p", "nomul-census"]);

/** The module of an engine, as it is published. */
export const moduleOf = (build) => join(root, "web", "lib", "wasm", build, "nomul_bg.wasm");

/** The exports that all arithmetic of an answer runs under: that of the model's worker, and that of the workers beside it. */
export const arithmeticOf = (build) =>
  build.endsWith("-threads") ? ["engine_compute", "joinTeam"] : ["engine_compute"];

/**
 * What can run under these exports of a module, as the program reports it. With `counting`, a module that counts what it
 * executes is written there.
 */
export async function count(module, exports, { counting } = {}) {
  await buildCensus();
  const words = ["count", module, "--json", ...exports.flatMap((name) => ["--from", name])];
  if (counting) words.push("--instrument", counting);
  return JSON.parse(await output(census, words));
}
