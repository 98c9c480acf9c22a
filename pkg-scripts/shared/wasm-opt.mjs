// Binaryen's optimiser for modules.

import { join } from "node:path";
import { run } from "./command.mjs";
import { root } from "./folders.mjs";

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

/** Optimises `module` into `output`, which may be the same; `also`: features beyond rustc's and SIMD. */
export async function wasmOpt(module, output, level, also = []) {
  const enabled = [...FEATURES, ...also].map((feature) => `--enable-${feature}`);
  const program = join(root, "node_modules", "binaryen", "bin", "wasm-opt");
  await run(process.execPath, [program, level, ...enabled, module, "-o", output]);
}
