// Where things are: the one place that knows the layout of the repository, of the build folders and of the user's cache.

import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const { env, platform } = process;
const executable = platform === "win32" ? ".exe" : "";

/** The repository. */
export const root = resolve(fileURLToPath(new URL("../..", import.meta.url)));

/** Cargo's build folder, wherever the user put it. */
export const target = resolve(root, env.CARGO_TARGET_DIR ?? "target");

/** Tools built for this repository alone, and what the scripts remember. */
export const cache = join(root, ".cache");

/** The static site and the packed package. */
export const dist = join(root, "dist");

/** The profile of Cargo.toml that native programs are built by. */
export const profile = process.env.NOMUL_PROFILE ?? "release";

/** The native command. */
export const nomul = join(target, profile, `nomul${executable}`);

/** The command as a WASI module; `build` is `simd` or `relaxed`. */
export const wasiModule = (build) => join(target, "wasi", `nomul-${build}.wasm`);

/** A component; `build` is one of build-edge.mjs. */
export const edgeComponent = (build) => join(target, "edge", `${build}.component.wasm`);

/** The workspace of what runs modules and components under wasmtime, and where it is built. */
export const edgeHost = join(root, "crate", "edge", "host", "Cargo.toml");
export const edgeHostTarget = join(target, "wasmtime");

/** A program of that workspace. */
const hostProgram = (name) => join(edgeHostTarget, "release", `${name}${executable}`);

/** The runner of WASI modules under wasmtime, which the tests use. */
export const wasmtimeRunner = hostProgram("nomul-wasmtime");

/** The command that makes images of components and serves them. */
export const nomulEdge = hostProgram("nomul-edge");

/** The example in Rust. */
export const edgeRust = hostProgram("nomul-edge-rust");

/** A tool that set-up installs with cargo. */
export const cargoTool = (name) => join(cache, "tools", "bin", `${name}${executable}`);

/** The folder for downloads and quantised models: `$NOMUL_CACHE`, or the platform's place for what can be made again. */
export function userCache() {
  if (env.NOMUL_CACHE) return resolve(env.NOMUL_CACHE);
  if (platform === "win32") return join(env.LOCALAPPDATA ?? join(homedir(), "AppData", "Local"), "nomul");
  if (platform === "darwin") return join(homedir(), "Library", "Caches", "nomul");
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "nomul");
}
