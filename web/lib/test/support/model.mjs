// The model folder that the tests run on: a tiny one of random weights, made by the quantiser; see tests/golden.

import { readFile } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { load } from "nomul";

/** The folder, as a path that ends in a slash: `$NOMUL_TINY_MODEL`, or the golden one. */
export const folder = process.env.NOMUL_TINY_MODEL
  ? resolve(process.env.NOMUL_TINY_MODEL) + sep
  : fileURLToPath(new URL("../../../../tests/golden/model-tiny/", import.meta.url));

/** A sentence encoder, made in the same way. */
export const encoderFolder = fileURLToPath(new URL("../../../../tests/golden/encoder/tiny/", import.meta.url));

/** What the native command makes of a prompt with the golden model: `{ prompt, prompt_tokens, tokens }`. */
export async function goldenAnswer() {
  const file = new URL("../../../../tests/golden/model-tiny.greedy.json", import.meta.url);
  return JSON.parse(await readFile(file, "utf8"));
}

/** Whether the folder is another than the golden one. */
export const isOther = process.env.NOMUL_TINY_MODEL !== undefined;

/** Its shards in the order to stream: `{ file, bytes, sha256 }`. */
export async function shardList() {
  const index = JSON.parse(await readFile(`${folder}model.safetensors.index.json`, "utf8"));
  return index.metadata.shards;
}

/** The options that make loading take small steps: `{ segmentBytes, firstPauseMs }`; they hold until the next call. */
export function tuned(tuning) {
  process.env.NOMUL_TEST_TUNING = new URLSearchParams(tuning).toString();
  return { workerUrl: new URL("tuned.node.mjs", import.meta.url) };
}

/** Loads, uses the model, disposes of it. */
export async function using(place, options, work) {
  const model = await load(place, options);
  try {
    return await work(model);
  } finally {
    await model.dispose();
  }
}

/** The tokens that a model likes best, from one that is always there. */
export async function greedy(model, max_tokens) {
  const { choices } = await model.complete({ prompt: [1], max_tokens, temperature: 0 });
  return choices[0].tokens;
}

export const firstToken = (model) => greedy(model, 1);

/** Asserts that a promise rejects with a NomulError of that code; answers with the error. */
export async function failsWith(code, promise) {
  const error = await promise.then(
    () => undefined,
    (error) => error,
  );
  if (error?.name !== "NomulError" || error.code !== code) {
    throw new Error(`expected a NomulError of code ${code}, got ${error?.name} ${error?.code}: ${error?.message}`, {
      cause: error,
    });
  }
  return error;
}
