// Tokens a second, reading a prompt and writing an answer: the native command, WASI under wasmtime, Node, Chromium.

import { availableParallelism } from "node:os";
import { modelFolder } from "../model.mjs";
import { Failure, fromUser } from "../shared/command.mjs";
import {
  COMMAND_ENGINES,
  chosenEngines,
  chosenRounds,
  command,
  completeInChromium,
  inNode,
  inTurn,
  prepareEngines,
} from "../shared/engines.mjs";
import { median } from "../shared/statistics.mjs";
import { byThreads } from "./peers/ratios.mjs";

const TEXT = "The tower clock had stopped at noon, and nobody in the village could say why. ".repeat(10);

/** A greedy completion by the package, by the clock of its worker. */
function speeds({ timings, usage }) {
  return {
    prompt_tokens: usage.prompt_tokens,
    tokens: usage.completion_tokens,
    prefill_tokens_per_s: timings.prefill_tokens_per_s,
    decode_tokens_per_s: timings.decode_tokens_per_s,
  };
}

/** What measures each engine: (folder, request, threads) to speeds. Those under wasmtime have one thread. */
const ENGINES = {
  native: (folder, { words }, threads) => command("native", "bench", folder, [...words, "--threads", `${threads}`]),
  ...Object.fromEntries(
    COMMAND_ENGINES.filter((engine) => engine !== "native").map((engine) => [
      engine,
      (folder, { words }) => command(engine, "bench", folder, words),
    ]),
  ),
  node: async (folder, { request }, threads) =>
    speeds(await inNode(folder, { threads }, (model) => model.complete(request))),
  ...Object.fromEntries(
    ["simd", "relaxed"].map((build) => [
      `chromium ${build}`,
      async (folder, { request }, threads) =>
        speeds(await completeInChromium(folder, { build: threads > 1 ? `${build}-threads` : build, threads }, request)),
    ]),
  ),
};

const hasThreads = (engine) => !engine.startsWith("wasmtime");

/** The numbers of an option `--threads`. */
function threadCounts(list) {
  const counts = list === undefined ? [...new Set([1, availableParallelism()])] : list.split(",").map(Number);
  const wrong = counts.find((count) => !(Number.isInteger(count) && count >= 1 && count <= 32));
  if (wrong !== undefined) throw new Failure("--threads has to be numbers from 1 to 32, separated by commas");
  return counts;
}

async function run({ model, engines, prompt = "177", tokens = "96", rounds, threads }) {
  const times = chosenRounds(rounds);
  const counts = threadCounts(threads);
  const names = chosenEngines(engines, Object.keys(ENGINES));
  await prepareEngines(names);
  const folder = model ? fromUser(model) : await modelFolder();
  const setting = {
    words: ["--prompt", prompt, "-n", tokens, "--rounds", "1"],
    request: { prompt: TEXT, max_tokens: Number(tokens), temperature: 0, seed: 0 },
  };
  const runs = new Map();
  for (const engine of names) {
    for (const count of hasThreads(engine) ? counts : [1]) runs.set(`${engine}, threads: ${count}`, { engine, count });
  }
  const found = await inTurn([...runs.keys()], times, async (name) => {
    const { engine, count } = runs.get(name);
    return { ...(await ENGINES[engine](folder, setting, count)), engine, threads: count };
  });
  const medians = [...runs.values()].map(({ engine, count }) => {
    const rows = found.filter((row) => row.engine === engine && row.threads === count);
    const middle = (figure) => median(rows.map((row) => row[figure]));
    const [prefill, decode] = ["prefill_tokens_per_s", "decode_tokens_per_s"].map(middle);
    return { engine, threads: count, prefill_tokens_per_s: prefill, decode_tokens_per_s: decode };
  });
  const over = names.map((engine) => [engine, byThreads(medians.filter((row) => row.engine === engine))]);
  return { model: folder, ratios_threads: Object.fromEntries(over), speed: found };
}

const help = `
usage: npm run bench -- decode [--model FOLDER] [--engines LIST] [--threads LIST] [--prompt N] [--tokens N] [--rounds N]
                             [--record] [--json]

Tokens a second in prefill and decode, greedy. ratios_threads are medians on the most threads over those on one.

  --model FOLDER    the model (default: the default model)
  --engines LIST    separated by commas, out of:
                    ${Object.keys(ENGINES).join(", ")}
  --threads LIST    numbers of threads, separated by commas (default: 1 and all; one under wasmtime)
  --prompt N        tokens the command reads (default: 177; the package reads a text of about as many)
  --tokens N        tokens to write (default: 96)
  --rounds N        how often each engine is measured (default: 3)
  --record          also writes the result to tests/bench/records/
  --json            the last line is one object
`;

export const benchmark = {
  help,
  browser: true,
  options: {
    model: { type: "string" },
    engines: { type: "string" },
    threads: { type: "string" },
    prompt: { type: "string" },
    tokens: { type: "string" },
    rounds: { type: "string" },
  },
  run,
};
