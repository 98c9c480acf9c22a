// The wasm engines, into web/lib/wasm/: crate/wasm compiled for plain and for relaxed SIMD, each for one thread and for
// several, crate/grammar and crate/vectors. Into web/app/wasm/ what the page alone needs: crate/treemap.

import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { availableParallelism, homedir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Failure, isScript, main, onPath, run, say } from "./shared/command.mjs";
import { buildCensus, census } from "./shared/census.mjs";
import { cargoTool, root, target } from "./shared/folders.mjs";
import { haveRustSources, sysroot } from "./shared/rust.mjs";
import { wasmOpt } from "./shared/wasm-opt.mjs";

/**
 * A package and its instruction set. Engines validate a whole module, so relaxed instructions need a file of their own,
 * and so does memory that is shared; grammars, graphs, JSON and search count and add, which relaxed instructions do not
 * speed up.
 */
const BUILDS = {
  simd: { crate: "nomul-wasm", features: ["simd128"] },
  relaxed: { crate: "nomul-wasm", features: ["simd128", "relaxed-simd"] },
  "simd-threads": { crate: "nomul-wasm", features: ["simd128"], threads: true },
  "relaxed-threads": { crate: "nomul-wasm", features: ["simd128", "relaxed-simd"], threads: true },
  grammar: { crate: "nomul-grammar", features: ["simd128"], level: "-Oz" },
  vectors: { crate: "nomul-vectors", features: ["simd128"] },
  treemap: { crate: "nomul-treemap", features: [], of: "app" },
};

/** Where a build's files lie: in the package, or in the page. */
const parentOf = ({ of = "lib" }) => join(root, "web", of, "wasm");

/** The modules of all builds. */
export const WASM_MODULES = Object.entries(BUILDS).map(([build, options]) =>
  join(parentOf(options), build, "nomul_bg.wasm"),
);

/** What makes the memory one that threads share: it comes from outside, and each thread has a part for its own. */
const THREAD_FLAGS = [
  "-Ctarget-feature=+atomics,+bulk-memory,+mutable-globals",
  ...["--shared-memory", "--import-memory", "--max-memory=4294967296"].map((word) => `-Clink-arg=${word}`),
  ...["__heap_base", "__wasm_init_tls", "__tls_size", "__tls_align", "__tls_base"].map(
    (name) => `-Clink-arg=--export=${name}`,
  ),
];

/** Builds all engines. */
export async function buildWasm({ log = say, only = Object.keys(BUILDS) } = {}) {
  const bindgen = existsSync(cargoTool("wasm-bindgen")) ? cargoTool("wasm-bindgen") : onPath("wasm-bindgen");
  if (!bindgen) throw new Failure("wasm-bindgen is not there: npm run setup builds it");
  const threads = haveRustSources();
  await buildCensus();
  // Linking all of a module takes one core and most of the time, so modules are built side by side; what is left out is a
  // copy of another.
  const [copies, built] = [true, false].map((copied) =>
    only.filter((build) => (Boolean(BUILDS[build].threads) && !threads) === copied),
  );
  const tools = { bindgen, threads, log };
  const inTurn = async (builds) => {
    for (let build; (build = builds.shift()) !== undefined;) await buildModule(build, tools);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, () => inTurn(built)));
  await inTurn(copies);
  const parent = parentOf({});
  await writeFile(join(parent, "threads.js"), `export const threadBuilds = ${threads};\n`);
  await writeFile(
    join(parent, "threads.d.ts"),
    "/** Whether the engines for several threads were built. */\nexport const threadBuilds: boolean;\n",
  );
}

/** One module; its folder is replaced only when its files are complete. */
async function buildModule(build, { bindgen, threads, log }) {
  const options = BUILDS[build];
  const parent = parentOf(options);
  const temporary = join(parent, `.${build}-${process.pid}`);
  try {
    await mkdir(temporary, { recursive: true });
    if (options.threads && !threads) {
      log(`  ${build}: left out, the sources of Rust's standard library are not there (npm run setup says more)`);
      await leaveOut(join(parent, build.replace("-threads", "")), temporary);
    } else {
      await bind(bindgen, await compile(build, options), temporary);
      await optimise(join(temporary, "nomul_bg.wasm"), options);
      const bytes = await readFile(join(temporary, "nomul_bg.wasm"));
      log(`  ${build}: ${kilobytes(bytes)}, ${kilobytes(gzipSync(bytes))} gzipped`);
    }
    await rm(join(parent, build), { recursive: true, force: true });
    await rename(temporary, join(parent, build));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** What stands in for an engine that cannot be built, so that bundlers and types find all files; it is never loaded. */
async function leaveOut(other, folder) {
  await copyFile(join(other, "nomul_bg.wasm"), join(folder, "nomul_bg.wasm"));
  await copyFile(join(other, "nomul.js"), join(folder, "nomul.js"));
  const types = await readFile(join(other, "nomul.d.ts"), "utf8");
  const team = [
    "export function compiledModule(): WebAssembly.Module;",
    "export function openTeam(size: number): void;",
    "export function joinTeam(worker: number): void;",
    "export interface Engine { useTeam(): void }",
  ];
  await writeFile(join(folder, "nomul.d.ts"), `${types}\n${team.join("\n")}\n`);
}

/** Compiles a package for an instruction set; answers with the module's path. */
async function compile(build, { crate, features, threads }) {
  // A folder for each: cargo would otherwise compile everything anew whenever the flags change.
  const folder = join(target, "wasm", build);
  // Paths of the machine that builds have no place in what is shipped.
  const cargoHome = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
  const flags = [
    ...(features.length > 0 ? [`-Ctarget-feature=${features.map((feature) => `+${feature}`).join(",")}`] : []),
    `--remap-path-prefix=${root}=nomul`,
    `--remap-path-prefix=${cargoHome}=cargo`,
    ...(threads ? [...THREAD_FLAGS, `--remap-path-prefix=${sysroot()}=rust`] : []),
  ];
  const words = ["--profile", "wasm", "--target", "wasm32-unknown-unknown", "--target-dir", folder];
  // The standard library that comes with Rust is for one thread. Compiling it is not stable yet, but needs no nightly.
  if (threads) words.push("-Zbuild-std=std,panic_abort");
  await run("cargo", ["build", "--quiet", "--locked", "-p", crate, ...words], {
    env: { CARGO_ENCODED_RUSTFLAGS: flags.join("\x1f"), ...(threads && { RUSTC_BOOTSTRAP: "1" }) },
  });
  return join(folder, "wasm32-unknown-unknown", "wasm", `${crate.replace("-", "_")}.wasm`);
}

/** Writes the JavaScript side of the module, its types, and the module made to fit. */
function bind(bindgen, module, folder) {
  const words = ["--target", "web", "--out-name", "nomul", "--remove-name-section", "--remove-producers-section"];
  return run(bindgen, [...words, "--out-dir", folder, module]);
}

/** Optimises in place, and writes products by constants, which are places of elements, as shifts and additions. */
async function optimise(module, { features, threads, level = "-O3" }) {
  const also = features.includes("relaxed-simd") ? ["relaxed-simd"] : [];
  await wasmOpt(module, module, level, threads ? [...also, "threads"] : also);
  await run(census, ["lower", module, "--output", module]);
}

const kilobytes = (bytes) => `${(bytes.length / 1000).toFixed(0)} kB`;

const HELP = `
usage: node pkg-scripts/build-wasm.mjs [BUILD]...

Builds the modules that are named, or all of them. Compiles crate/wasm for plain and for relaxed SIMD, for one thread and
for several, into web/lib/wasm/simd, relaxed, simd-threads and relaxed-threads, crate/grammar and crate/vectors into
web/lib/wasm/grammar and vectors, and crate/treemap into web/app/wasm/treemap. Those for several threads need the sources of
Rust's standard library (rustup component add rust-src) and are left out where they are missing.
`;

if (isScript(import.meta.url)) {
  await main({ help: HELP, positionals: true }, ({ positionals }) => {
    const unknown = positionals.find((name) => !Object.hasOwn(BUILDS, name));
    if (unknown) throw new Failure(`no build ${unknown}; there are: ${Object.keys(BUILDS).join(", ")}`);
    return buildWasm(positionals.length > 0 ? { only: positionals } : {});
  });
}
