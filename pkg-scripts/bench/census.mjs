// What a token takes: operations that the published modules execute, against the multiplications of an engine of floats.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPackage } from "../build.mjs";
import { modelFolder } from "../model.mjs";
import { Failure, fromUser, say } from "../shared/command.mjs";
import { arithmeticOf, count, moduleOf } from "../shared/census.mjs";
import { packageInChromium } from "../shared/engines.mjs";

const BUILDS = ["simd", "relaxed", "simd-threads", "relaxed-threads"];

const TEXT = "The tower clock had stopped at noon, and nobody in the village could say why. ".repeat(20);

/**
 * Energy of an operation in picojoules, 45 nm: the unit model of ShiftAddLLM (arXiv 2406.05981), and for sums of integers,
 * which it has none of, the table that its figures come from (Horowitz, ISSCC 2014). Memory is left out on both sides.
 */
const PICOJOULES = {
  multiply32: 3.7,
  multiply16: 1.1,
  float_add32: 0.9,
  float_add16: 0.4,
  shift: 0.15,
  lookup: 0.37,
  integer_add32: 0.1,
  integer_add16: 0.05,
};

/** Multiplications of a token in floats, after `context` tokens: one for each weight, and those beside the matrices. */
function floatMultiplies(config, matrices, context) {
  const { hidden_size: hidden, num_hidden_layers: layers, intermediate_size: middle } = config;
  const heads = config.num_attention_heads;
  const size = config.head_dim ?? hidden / heads;
  const keys = config.num_key_value_heads ?? heads;
  // A tied table is counted once: as the head. One of its own is only read.
  const products = matrices
    .filter(({ kind }) => kind !== "embedding" || config.tie_word_embeddings)
    .reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const attention = layers * heads * (2 * size * context + context);
  const norms = (2 * layers + 1) * (3 * hidden + 2);
  const positions = layers * (heads + keys) * size * 2;
  const gates = layers * middle * 3;
  return { products, attention, norms, positions, gates, all: products + attention + norms + positions + gates };
}

/** Runs in the page: reads a prompt, writes tokens, and tells what was counted. */
async function inPage([build, words, prompt, tokens]) {
  const bytes = async (file) => {
    const response = await fetch(`/model/${file}`);
    return response.ok ? new Uint8Array(await response.arrayBuffer()) : undefined;
  };
  const glue = await import(`/wasm/${build}/nomul.js`);
  const memory = build.endsWith("-threads") && new WebAssembly.Memory({ initial: 64, maximum: 16384, shared: true });
  const exports = await glue.default({ module_or_path: "/census.wasm", ...(memory && { memory }) });
  const read = () => Object.fromEntries(words.map((word) => [word, Number(exports[`census_${word}`].value)]));
  const names = ["config.json", "model.safetensors.index.json", "tokenizer.json"];
  const [config, index, tokenizer] = await Promise.all(names.map(bytes));
  const engine = new glue.Engine(config, index, tokenizer, undefined, undefined, undefined, undefined);
  for (const { file } of engine.shards()) engine.push(await bytes(file));

  const ids = engine.tokenize(prompt, true);
  engine.start(ids, { max_tokens: tokens, stop: [], ignore_eos: true, sample: { temperature: 0 } });
  const counts = { prefill: [], decode: [] };
  for (;;) {
    const before = read();
    engine.compute();
    const after = read();
    const step = engine.step();
    if (step.type === "end") break;
    const done = Object.fromEntries(words.map((word) => [word, after[word] - before[word]]));
    counts[step.type === "prefill" ? "prefill" : "decode"].push({ ...done, done: step.done ?? 0 });
  }
  return { matrices: engine.inspect(), prompt: ids.length, ...counts };
}

const WORDS = ["multiplies", "adds", "float_adds", "narrow_adds", "shifts", "lookups", "logic", "loads", "stores"];

const meanOf = (rows, tokens) =>
  Object.fromEntries(WORDS.map((word) => [word, Math.round(rows.reduce((sum, row) => sum + row[word], 0) / tokens)]));

const nanojoules = (picojoules) => Math.round(picojoules / 1000);

async function run({ model, builds, prompt = TEXT, tokens = "8" }) {
  await buildPackage();
  // Where the engines for threads could not be built, others stand in for them.
  const { threadBuilds } = await import("../../web/lib/wasm/threads.js");
  const there = BUILDS.filter((build) => threadBuilds || !build.endsWith("-threads"));
  const names = builds?.split(",") ?? there;
  const unknown = names.find((name) => !there.includes(name));
  if (unknown !== undefined) throw new Failure(`no build ${unknown}; there are: ${there.join(", ")}`);
  if (!/^[1-9]\d*$/.test(tokens)) throw new Failure("--tokens has to be a number over 0");
  const folder = model ? fromUser(model) : await modelFolder();
  const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));

  const temporary = await mkdtemp(join(tmpdir(), "nomul-census-"));
  const result = { model: folder, builds: {}, reading: {} };
  const rows = [];
  try {
    for (const build of names) {
      say(`- ${build}`);
      const counting = join(temporary, `${build}.wasm`);
      const { multiplying } = await count(moduleOf(build), arithmeticOf(build), { counting });
      const { page, close } = await packageInChromium(folder, { isolated: build.endsWith("-threads") });
      try {
        const body = await readFile(counting);
        await page.route("**/census.wasm", (route) => route.fulfill({ contentType: "application/wasm", body }));
        const found = await page.evaluate(inPage, [build, WORDS, prompt, Number(tokens)]);
        const context = found.prompt + Number(tokens) / 2;
        result.builds[build] = {
          reachable_functions_that_multiply: multiplying.length,
          ...meanOf(found.decode, found.decode.length),
        };
        result.reading[build] = meanOf(found.prefill, found.prompt - 1);
        result.context = context;
        result.float_multiplies = floatMultiplies(config, found.matrices, context);
        rows.push({ build, step: "a token of the answer", ...result.builds[build] });
        rows.push({ build, step: "a token of the prompt", ...result.reading[build] });
      } finally {
        await close();
      }
    }
  } finally {
    await rm(temporary, { recursive: true });
  }
  const [{ adds, float_adds, narrow_adds, shifts, lookups, logic }] = Object.values(result.builds);
  const all = result.float_multiplies.all;
  const unit = PICOJOULES;
  const ours =
    float_adds * unit.float_add32 +
    narrow_adds * unit.integer_add16 +
    (adds - float_adds - narrow_adds + logic) * unit.integer_add32 +
    shifts * unit.shift +
    lookups * unit.lookup;
  result.energy_model = {
    what: "a model, not a measurement: ShiftAddLLM's unit energies (45 nm), without memory; a token of the answer",
    picojoules: PICOJOULES,
    nanojoules: {
      nomul: nanojoules(ours),
      float32: nanojoules(all * (unit.multiply32 + unit.float_add32)),
      float16: nanojoules(all * (unit.multiply16 + unit.float_add16)),
    },
  };
  return { ...result, table: rows };
}

const help = `
usage: npm run bench -- census [--model FOLDER] [--builds LIST] [--prompt TEXT]
                             [--tokens N] [--record] [--json]

Counts what a token executes, in the published modules with counters put in, in Chromium: an instruction on a vector
counts once for each lane, loads and stores once each. Beside it the multiplications of the same model in floats.

  --model FOLDER    the model (default: the default model)
  --builds LIST     separated by commas, out of: ${BUILDS.join(", ")}
  --prompt TEXT     what is read first
  --tokens N        how many are written (default: 8)
  --record          also writes the result to tests/bench/records/
  --json            the last line is one object
`;

export const benchmark = {
  help,
  browser: true,
  options: {
    model: { type: "string" },
    builds: { type: "string" },
    prompt: { type: "string" },
    tokens: { type: "string" },
  },
  run,
};
