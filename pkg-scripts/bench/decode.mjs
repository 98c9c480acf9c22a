// Tokens a second, reading a prompt and writing an answer: the native command, WASI under wasmtime, Node, Chromium.

import { modelFolder } from "../model.mjs";
import { fromUser } from "../shared/command.mjs";
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

/** What measures each engine: (folder, request) to speeds. */
const ENGINES = {
  ...Object.fromEntries(
    COMMAND_ENGINES.map((engine) => [engine, (folder, { words }) => command(engine, "bench", folder, words)]),
  ),
  node: async (folder, { request }) => speeds(await inNode(folder, "auto", (model) => model.complete(request))),
  "chromium simd": async (folder, { request }) => speeds(await completeInChromium(folder, "simd", request)),
  "chromium relaxed": async (folder, { request }) => speeds(await completeInChromium(folder, "relaxed", request)),
};

async function run({ model, engines, prompt = "177", tokens = "96", rounds }) {
  const times = chosenRounds(rounds);
  const names = chosenEngines(engines, Object.keys(ENGINES));
  await prepareEngines(names);
  const folder = model ? fromUser(model) : await modelFolder();
  const setting = {
    words: ["--prompt", prompt, "-n", tokens, "--rounds", "1"],
    request: { prompt: TEXT, max_tokens: Number(tokens), temperature: 0, seed: 0 },
  };
  const speed = await inTurn(names, times, (engine) => ENGINES[engine](folder, setting));
  return { model: folder, speed };
}

const help = `
usage: npm run bench -- decode [--model FOLDER] [--engines LIST] [--prompt N] [--tokens N] [--rounds N]
                             [--record] [--json]

Tokens a second in prefill and decode, greedy.

  --model FOLDER    the model (default: the default model)
  --engines LIST    separated by commas, out of:
                    ${Object.keys(ENGINES).join(", ")}
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
    prompt: { type: "string" },
    tokens: { type: "string" },
    rounds: { type: "string" },
  },
  run,
};
