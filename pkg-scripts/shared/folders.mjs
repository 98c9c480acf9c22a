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

/** The native command. */
export const nomul = join(target, "release", `nomul${executable}`);

/** The command as a WASI module; `build` is `simd` or `relaxed`. */
export const wasiModule = (build) => join(target, "wasi", `nomul-${build}.wasm`);

/** A component; `build` is one of build-edge.mjs. */
export const edgeComponent = (build) => join(target, "edge", `${build}.component.wasm`);

/** The runner of WASI modules under wasmtime, which the tests use. */
export const wasmtimeRunner = join(target, "wasmtime", "release", `nomul-wasmtime${executable}`);

/** A tool that set-up installs with cargo. */
export const cargoTool = (name) => join(cache, "tools", "bin", `${name}${executable}`);

/** The folder for downloads and quantised models: `$NOMUL_CACHE`, or the platform's place for what can be made again. */
export function userCache() {
  if (env.NOMUL_CACHE) return resolve(env.NOMUL_CACHE);
  if (platform === "win32") return join(env.LOCALAPPDATA ?? join(homedir(), "AppData", "Local"), "nomul");
  if (platform === "darwin") return join(homedir(), "Library", "Caches", "nomul");
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "nomul");
}
