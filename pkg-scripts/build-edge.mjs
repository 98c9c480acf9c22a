// The components: nomul:runtime, and the HTTP server. What cargo makes are core modules that tell their types; they become
// components by the tools of those who make the component model.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { rustTargets } from "./setup.mjs";
import { atomically } from "./shared/atomic.mjs";
import { Failure, isScript, main, run, say } from "./shared/command.mjs";
import { edgeComponent, root, target } from "./shared/folders.mjs";

/** What is built: a feature of crate/edge, and the instruction set. */
export const EDGE_BUILDS = {
  "nomul-simd": { features: [], set: "+simd128" },
  "nomul-relaxed": { features: [], set: "+simd128,+relaxed-simd" },
  "server-simd": { features: ["server"], set: "+simd128" },
  "server-relaxed": { features: ["server"], set: "+simd128,+relaxed-simd" },
};

/** One component, put where `edgeComponent(build)` says. */
export async function buildEdge(build) {
  say(`- building the component ${build}`);
  const { features, set } = EDGE_BUILDS[build];
  // Paths of the machine that builds have no place in what is shipped.
  const cargoHome = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
  const flags = [
    `-Ctarget-feature=${set}`,
    `--remap-path-prefix=${root}=nomul`,
    `--remap-path-prefix=${cargoHome}=cargo`,
  ];
  // The folder and the flags of build-wasm.mjs, so that what both are made of is compiled once for each instruction set.
  const folder = join(target, "wasm", build.split("-")[1]);
  const words = ["rustc", "--quiet", "--locked", "--profile", "wasm", "-p", "nomul-edge", "--lib"];
  if (features.length > 0) words.push("--features", features.join(","));
  words.push("--target", "wasm32-unknown-unknown", "--target-dir", folder, "--", "-Clink-arg=--strip-all");
  await run("cargo", words, { env: { CARGO_ENCODED_RUSTFLAGS: flags.join("\x1f") } });
  const module = await readFile(join(folder, "wasm32-unknown-unknown", "wasm", "nomul_edge.wasm"));
  // Loaded late, as in serve.mjs: this module is imported before the npm packages are there.
  const { componentNew } = await import("@bytecodealliance/jco-transpile/wasm-tools");
  const component = await componentNew(module, []);
  const made = edgeComponent(build);
  await mkdir(dirname(made), { recursive: true });
  await atomically(made, (temporary) => writeFile(temporary, component));
  const kilobytes = (bytes) => `${(bytes.length / 1000).toFixed(0)} kB`;
  say(`  ${kilobytes(component)}, ${kilobytes(gzipSync(component))} gzipped`);
  return made;
}

const HELP = `
usage: npm run build:edge -- [BUILD]...

Builds the WebAssembly components and prints their files:
${Object.keys(EDGE_BUILDS)
  .map((build) => `  ${build}`)
  .join("\n")}
`;

if (isScript(import.meta.url)) {
  await main({ help: HELP, positionals: true }, async ({ positionals }) => {
    const unknown = positionals.find((build) => !Object.hasOwn(EDGE_BUILDS, build));
    if (unknown) throw new Failure(`no build ${unknown}; there are: ${Object.keys(EDGE_BUILDS).join(", ")}`);
    await rustTargets();
    const builds = positionals.length > 0 ? positionals : Object.keys(EDGE_BUILDS);
    for (const build of builds) process.stdout.write(`${await buildEdge(build)}\n`);
  });
}
