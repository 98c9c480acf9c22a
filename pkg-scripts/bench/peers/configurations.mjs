// What is measured: every engine with every model that it reads, on one thread and on all.

import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join } from "node:path";
import { Failure } from "../../shared/command.mjs";
import { root } from "../../shared/folders.mjs";
import { PACKAGES, packageFolder } from "./packages.mjs";

const size = (path) => statSync(path).size;

/** Bytes of the whole model, its tokenizer included, as in a GGUF file. */
const folderSize = (folder) => readdirSync(folder).reduce((sum, name) => sum + size(join(folder, name)), 0);

const threadCounts = () => [...new Set([1, availableParallelism()])];

/** The number types of transformers.js, by what its files' names end in. */
const DTYPES = {
  "": "fp32",
  _fp16: "fp16",
  _quantized: "q8",
  _int8: "int8",
  _uint8: "uint8",
  _q4: "q4",
  _q4f16: "q4f16",
};

export function nomul(weights, folder, mount) {
  if (!existsSync(join(folder, "config.json")))
    throw new Failure(`${folder}: not a model folder, it has no config.json`);
  const { version } = JSON.parse(readFileSync(join(root, "web", "lib", "package.json"), "utf8"));
  return threadCounts().map((threads) => ({
    engine: "nomul",
    version,
    weights,
    weights_bytes: folderSize(folder),
    threads,
    module: "nomul",
    options: { model: `/${mount}/`, threads },
    home: join(root, "web", "lib"),
    mounts: { nomul: join(root, "web", "lib"), [mount]: folder },
  }));
}

export async function wllama(module, file, mount) {
  if (!existsSync(file)) throw new Failure(`${file} is not there`);
  const mounts = { [module]: await packageFolder(module), [mount]: dirname(file) };
  return threadCounts().map((threads) => ({
    engine: "wllama",
    version: PACKAGES[module].version,
    weights: basename(file),
    weights_bytes: size(file),
    threads,
    module,
    options: { model: `/${mount}/${encodeURIComponent(basename(file))}`, threads },
    home: mounts[module],
    mounts,
  }));
}

/** The files of an ONNX folder as transformers.js expects it, `onnx/model_q4.onnx` and so on, in each number type. */
async function transformers(folder) {
  const files = existsSync(join(folder, "onnx")) ? readdirSync(join(folder, "onnx")) : [];
  const mounts = { onnx: folder };
  for (const name of ["transformers", "onnxruntime"]) mounts[name] = await packageFolder(name);
  const found = Object.entries(DTYPES).filter(([ending]) => files.includes(`model${ending}.onnx`));
  if (found.length === 0) throw new Failure(`${folder}: no onnx/model*.onnx in it`);
  return found.flatMap(([ending, dtype]) =>
    threadCounts().map((threads) => ({
      engine: "transformers.js",
      version: PACKAGES.transformers.version,
      weights: `model${ending}.onnx`,
      // Large models keep their numbers in files beside, with names that begin alike.
      weights_bytes: files
        .filter((file) => file.startsWith(`model${ending}.onnx`))
        .reduce((sum, file) => sum + size(join(folder, "onnx", file)), 0),
      threads,
      module: "transformers",
      options: { model: "onnx", dtype, threads },
      home: mounts.onnxruntime,
      mounts,
    })),
  );
}

/**
 * In the order in which they take turns. `folder` is nomul's default model, `folder3` the one at 3 bits, `ggufs` are the
 * files for wllama and `onnx` the folder for transformers.js; the second and the last may be undefined.
 *
 * The fields up to `note` belong to a row of the result; `module`, `options` and `mounts` are what the page needs, and
 * `home` is the package in which its `wasm` lies.
 */
export async function configurations({ folder, folder3, ggufs, onnx }) {
  const all = nomul("default", folder, "default");
  if (folder3 !== undefined) all.push(...nomul("3 bits", folder3, "bits3"));
  for (const [index, file] of ggufs.entries()) {
    for (const module of ["wllama2", "wllama3"]) all.push(...(await wllama(module, file, `gguf${index}`)));
  }
  if (onnx !== undefined) all.push(...(await transformers(onnx)));
  return all;
}
