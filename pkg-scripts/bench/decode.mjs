// Tokens a second, reading a prompt and writing an answer: the native command, WASI under wasmtime, Node, Chromium.

import { buildPackage } from "../build.mjs";
import { WASI_BUILDS, buildWasi, buildWasmtimeRunner } from "../build-wasi.mjs";
import { modelFolder } from "../model.mjs";
import { Failure, fromUser, say } from "../shared/command.mjs";
import { COMMAND_ENGINES, command, completeInChromium, inNode } from "../shared/engines.mjs";

const PROMPT = "The tower clock had stopped at noon, and nobody in the village could say why. ".repeat(10);

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
    COMMAND_ENGINES.map((engine) => [engine, (folder, { threads }) => command(engine, "bench", folder, threads)]),
  ),
  node: async (folder, { request }) => speeds(await inNode(folder, "auto", (model) => model.complete(request))),
  "chromium simd": async (folder, { request }) => speeds(await completeInChromium(folder, "simd", request)),
  "chromium relaxed": async (folder, { request }) => speeds(await completeInChromium(folder, "relaxed", request)),
};

async function run({ model, engines, threads, tokens = "96", runs = "3" }) {
  const names = engines === undefined ? Object.keys(ENGINES) : engines.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !Object.hasOwn(ENGINES, name));
  if (unknown !== undefined) throw new Failure(`no engine ${unknown}; there are: ${Object.keys(ENGINES).join(", ")}`);
  if (!(Number(tokens) > 1 && Number(runs) > 0)) throw new Failure("--tokens has to be over 1, --runs over 0");

  const folder = model ? fromUser(model) : await modelFolder();
  if (names.some((name) => name.startsWith("wasmtime"))) {
    await buildWasmtimeRunner();
    for (const build of Object.keys(WASI_BUILDS)) await buildWasi(build);
  }
  if (names.some((name) => name.startsWith("node") || name.startsWith("chromium"))) await buildPackage();

  const setting = {
    threads: threads === undefined ? [] : ["--threads", threads],
    request: { prompt: PROMPT, max_tokens: Number(tokens), temperature: 0, seed: 0 },
  };
  const speed = [];
  // Engine by engine in turn, so that a machine that slows down slows all of them down.
  for (let round = 1; round <= Number(runs); round++) {
    for (const engine of names) {
      say(`- ${engine}, ${round} of ${runs}`);
      speed.push({ engine, run: round, ...(await ENGINES[engine](folder, setting)) });
    }
  }
  return { model: folder, speed };
}

const help = `
usage: npm run bench -- decode [--model FOLDER] [--engines LIST] [--threads N] [--tokens N] [--runs N] [--json]

Tokens a second in prefill and decode, greedy.

  --model FOLDER    the model (default: the default model)
  --engines LIST    separated by commas, out of: ${Object.keys(ENGINES).join(", ")} (default: all)
  --threads N       threads of the native command
  --tokens N        tokens the package writes (default: 96)
  --runs N          how often each engine is measured (default: 3)
  --json            the last line is one object
`;

export const benchmark = {
  help,
  browser: true,
  options: {
    model: { type: "string" },
    engines: { type: "string" },
    threads: { type: "string" },
    tokens: { type: "string" },
    runs: { type: "string" },
  },
  run,
};
