// The nomul command as WASI modules, and the runner that the tests run them with.

import { join } from "node:path";
import { rustTargets } from "./setup.mjs";
import { isScript, main, run, say } from "./shared/command.mjs";
import { atomically } from "./shared/atomic.mjs";
import { wasmOpt } from "./shared/wasm-opt.mjs";
import { edgeHost, edgeHostTarget, root, target, wasiModule, wasmtimeRunner } from "./shared/folders.mjs";

/** The instruction sets that the modules are built for: plain SIMD runs everywhere, relaxed SIMD is faster where it is known. */
export const WASI_BUILDS = {
  simd: "-C target-feature=+simd128",
  relaxed: "-C target-feature=+simd128,+relaxed-simd",
};

/** The environment in which cargo compiles for `build` and runs what it made under wasmtime, seeing the repository. */
export const wasiEnvironment = (build) => ({
  CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS: WASI_BUILDS[build],
  CARGO_TARGET_WASM32_WASIP1_RUNNER: `${wasmtimeRunner} --dir ${root}::${root}`,
});

/**
 * What runs modules and components under wasmtime, all of it at once: the programs share one build of a compiler. It is no
 * member of the workspace, so only what needs it pays for that.
 */
export async function buildWasmtimeRunner() {
  say("- building what runs wasmtime (some minutes, once)");
  const words = ["build", "--release", "--quiet", "--workspace", "--manifest-path", edgeHost];
  await run("cargo", [...words, "--target-dir", edgeHostTarget]);
}

/** One module, put where `wasiModule(build)` says. */
export async function buildWasi(build) {
  say(`- building the command for WASI (${build})`);
  const words = ["rustc", "--quiet", "--profile", "wasm", "-p", "nomul-cli", "--target", "wasm32-wasip1"];
  // The names of functions would be a tenth of it.
  await run("cargo", [...words, "--", "-Clink-arg=--strip-all"], { env: wasiEnvironment(build) });
  const made = join(target, "wasm32-wasip1", "wasm", "nomul.wasm");
  // A tenth smaller, and as fast.
  const also = build === "relaxed" ? ["relaxed-simd"] : [];
  await atomically(wasiModule(build), (temporary) => wasmOpt(made, temporary, "-O3", also));
  return wasiModule(build);
}

const HELP = `
usage: npm run build:wasi -- [--host]

Builds the nomul command for wasm32-wasip1, once with SIMD and once with relaxed SIMD, and prints the two files.

  --host   also what runs them and components under wasmtime, which builds a compiler
  --help   this text
`;

if (isScript(import.meta.url)) {
  await main({ help: HELP, options: { host: { type: "boolean" } } }, async ({ values: { host } }) => {
    await rustTargets();
    if (host) await buildWasmtimeRunner();
    for (const build of Object.keys(WASI_BUILDS)) process.stdout.write(`${await buildWasi(build)}\n`);
  });
}
