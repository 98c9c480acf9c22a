// The wasm engines, into web/lib/wasm/: crate/wasm compiled twice, for plain and for relaxed SIMD, and crate/vectors.

import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Failure, isScript, main, onPath, run, say } from "./shared/command.mjs";
import { cargoTool, root, target } from "./shared/folders.mjs";

/**
 * A package and its instruction set. Engines validate a whole module, so relaxed instructions need a file of their own;
 * graphs, JSON and search count and add, which relaxed instructions do not speed up.
 */
const BUILDS = {
  simd: { crate: "nomul-wasm", features: ["simd128"] },
  relaxed: { crate: "nomul-wasm", features: ["simd128", "relaxed-simd"] },
  vectors: { crate: "nomul-vectors", features: ["simd128"] },
};

/** Their names, which are those of their folders. */
export const WASM_BUILDS = Object.keys(BUILDS);

/** What rustc's wasm32 target takes for granted, by wasm-opt's names, and SIMD. */
const FEATURES = [
  "bulk-memory",
  "bulk-memory-opt",
  "call-indirect-overlong",
  "multivalue",
  "mutable-globals",
  "nontrapping-float-to-int",
  "reference-types",
  "sign-ext",
  "simd",
];

/** Builds all engines; each folder is replaced only when its files are complete. */
export async function buildWasm({ log = say } = {}) {
  const bindgen = existsSync(cargoTool("wasm-bindgen")) ? cargoTool("wasm-bindgen") : onPath("wasm-bindgen");
  if (!bindgen) throw new Failure("wasm-bindgen is not there: npm run setup builds it");
  const parent = join(root, "web", "lib", "wasm");
  await mkdir(parent, { recursive: true });
  for (const [build, { crate, features }] of Object.entries(BUILDS)) {
    const module = await compile(build, crate, features);
    const temporary = join(parent, `.${build}-${process.pid}`);
    try {
      await mkdir(temporary);
      await bind(bindgen, module, temporary);
      await optimise(join(temporary, "nomul_bg.wasm"), features);
      const bytes = await readFile(join(temporary, "nomul_bg.wasm"));
      log(`  ${build}: ${kilobytes(bytes)}, ${kilobytes(gzipSync(bytes))} gzipped`);
      await rm(join(parent, build), { recursive: true, force: true });
      await rename(temporary, join(parent, build));
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }
}

/** Compiles a package for an instruction set; answers with the module's path. */
async function compile(build, crate, features) {
  // A folder for each: cargo would otherwise compile everything anew whenever the flags change.
  const folder = join(target, "wasm", build);
  // Paths of the machine that builds have no place in what is shipped.
  const cargoHome = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
  const flags = [
    `-Ctarget-feature=${features.map((feature) => `+${feature}`).join(",")}`,
    `--remap-path-prefix=${root}=nomul`,
    `--remap-path-prefix=${cargoHome}=cargo`,
  ];
  const words = ["--profile", "wasm", "--target", "wasm32-unknown-unknown", "--target-dir", folder];
  await run("cargo", ["build", "--quiet", "--locked", "-p", crate, ...words], {
    env: { CARGO_ENCODED_RUSTFLAGS: flags.join("\x1f") },
  });
  return join(folder, "wasm32-unknown-unknown", "wasm", `${crate.replace("-", "_")}.wasm`);
}

/** Writes the JavaScript side of the module, its types, and the module made to fit. */
function bind(bindgen, module, folder) {
  const words = ["--target", "web", "--out-name", "nomul", "--remove-name-section", "--remove-producers-section"];
  return run(bindgen, [...words, "--out-dir", folder, module]);
}

/** Optimises in place. */
function optimise(module, features) {
  const wasmOpt = join(root, "node_modules", "binaryen", "bin", "wasm-opt");
  const enabled = features.includes("relaxed-simd") ? [...FEATURES, "relaxed-simd"] : FEATURES;
  const words = ["-O3", ...enabled.map((feature) => `--enable-${feature}`), module, "-o", module];
  return run(process.execPath, [wasmOpt, ...words]);
}

const kilobytes = (bytes) => `${(bytes.length / 1000).toFixed(0)} kB`;

const HELP = `
usage: node pkg-scripts/build-wasm.mjs

Compiles crate/wasm for plain and for relaxed SIMD into web/lib/wasm/simd and web/lib/wasm/relaxed, and crate/vectors into
web/lib/wasm/vectors.
`;

if (isScript(import.meta.url)) await main({ help: HELP }, () => buildWasm());
