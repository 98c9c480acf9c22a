// nomul beside other engines: the same model, prompt and browser, in turn.

import { statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { modelFolder } from "../model.mjs";
import { serve } from "../serve.mjs";
import { CHROMIUM_FLAGS, findChromium } from "../shared/browser.mjs";
import { defaultCheckpoint } from "../shared/checkpoint.mjs";
import { Failure, fromUser } from "../shared/command.mjs";
import { chosenRounds, inTurn, prepareEngines } from "../shared/engines.mjs";
import { peakMemory } from "../shared/memory.mjs";
import { spread } from "../shared/statistics.mjs";
import { configurations } from "./peers/configurations.mjs";
import { byThreads, ratios } from "./peers/ratios.mjs";

/** A text that any language model goes on repeating: no engine ends early, and the answer can be checked. */
const SENTENCE = "The tower clock had stopped at noon, and nobody in the village could say why. ";
const PROMPT = SENTENCE.repeat(10);
const BEFORE = "A boat without sails lay in the harbour, and all the children knew its name. ".repeat(3);
const TOKENS = 96;
const CONTEXT = 1024;

const PAGE = fileURLToPath(new URL("./peers/page/", import.meta.url));

/** Chromium measures a page's memory when it collects garbage next, perhaps much later, unless it is told not to wait. */
const FLAGS = [...CHROMIUM_FLAGS, "--enable-blink-features=ForceEagerMeasureMemory"];

/** One answer of one engine in a page of its own; the speeds and sizes. */
async function measure({ engine, weights, threads, module, options, home }, browser, url) {
  const name = `${engine}, ${weights}, threads: ${threads}`;
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(url);
    await page.waitForFunction(() => globalThis.measure !== undefined);
    const request = {
      engine: module,
      options: { ...options, context: CONTEXT },
      before: BEFORE,
      prompt: PROMPT,
      tokens: TOKENS,
    };
    const found = await page.evaluate((request) => globalThis.measure(request), request);
    const { moments, text, cached_tokens, prompt_tokens } = found;
    if (moments.length !== TOKENS) throw new Failure(`${name}: ${moments.length} tokens came, not ${TOKENS}`);
    if (found.threads !== threads) throw new Failure(`${name}: ran on ${found.threads}`);
    if (cached_tokens !== 0) throw new Failure(`${name}: knew ${cached_tokens} tokens of the prompt already`);
    if (!text.includes(SENTENCE.trim())) throw new Failure(`${name}: wrote something else than expected: ${text}`);
    return {
      prompt_tokens,
      prefill: (prompt_tokens * 1000) / moments[0],
      decode: ((TOKENS - 1) * 1000) / (moments.at(-1) - moments[0]),
      load_s: found.load_ms / 1000,
      wasm_memory_bytes: found.wasm_memory ?? null,
      page_memory_bytes: found.agent_memory ?? null,
      process_memory_bytes: await rendererMemory(browser),
      wasm_bytes: found.wasm === undefined ? null : statSync(join(home, found.wasm)).size,
    };
  } finally {
    await context.close();
  }
}

/** The most memory that the process of the page took; null where the system does not tell. Other pages are closed. */
async function rendererMemory(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const peaks = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => peakMemory(id) ?? 0);
  return Math.max(...peaks) || null;
}

/** What all rounds of one configuration come to: a row of the result. */
function row({ engine, version, weights, weights_bytes, threads, note }, samples) {
  const all = (name) => samples.map((sample) => sample[name]);
  const most = (name) => (samples[0][name] === null ? null : Math.max(...all(name)));
  return {
    engine,
    version,
    weights,
    threads,
    prompt_tokens: samples[0].prompt_tokens,
    ...spread("prefill_tokens_per_s", all("prefill")),
    ...spread("decode_tokens_per_s", all("decode")),
    ...spread("load_s", all("load_s")),
    wasm_memory_bytes: most("wasm_memory_bytes"),
    page_memory_bytes: most("page_memory_bytes"),
    process_memory_bytes: most("process_memory_bytes"),
    weights_bytes,
    wasm_bytes: samples[0].wasm_bytes,
    note: note ?? "",
  };
}

async function run({ model, model3, gguf = [], onnx, rounds }) {
  const times = chosenRounds(rounds);
  await prepareEngines(["chromium"]);
  const all = await configurations({
    folder: model ? fromUser(model) : await modelFolder(),
    folder3: model3 && fromUser(model3),
    ggufs: [await defaultCheckpoint(), ...gguf.map(fromUser)],
    onnx: onnx && fromUser(onnx),
  });
  const names = all.map(({ engine, version, weights, threads }) => `${engine} ${version} ${weights} ${threads}`);
  const { chromium } = await import("playwright-core");
  const models = Object.assign({}, ...all.map(({ mounts }) => mounts));
  const served = await serve({ root: PAGE, models, isolated: true });
  const browser = await chromium.launch({ executablePath: findChromium(), args: FLAGS });
  let samples;
  try {
    samples = await inTurn(names, times, (name) => measure(all[names.indexOf(name)], browser, served.url));
  } finally {
    await browser.close();
    await served.close();
  }
  const rows = all.map((each, index) =>
    row(
      each,
      samples.filter(({ engine }) => engine === names[index]),
    ),
  );
  const of = (engine, weights) =>
    rows.filter((row) => row.engine === engine && (weights ?? row.weights) === row.weights);
  const theirs = of("wllama");
  return {
    browser: browser.version(),
    ratios: ratios(of("nomul", "default"), theirs),
    ratios_threads: byThreads(of("nomul", "default")),
    ratios_3bit: model3 === undefined ? null : ratios(of("nomul", "3 bits"), theirs),
    ratios_onnx: onnx === undefined ? null : ratios(of("nomul", "default"), of("transformers.js")),
    rows,
  };
}

const help = `
usage: npm run bench -- peers [--model FOLDER] [--model3 FOLDER] [--gguf FILE]... [--onnx DIR] [--rounds N] [--record]
                              [--json]

nomul beside wllama 2 and 3 (llama.cpp in WebAssembly) and, with --onnx, transformers.js: the same model, prompt and
headless Chromium, on the processor. The engines take turns, so that a machine that slows down slows all of them down.
Packages of the others come from npm into the user's cache, at fixed versions.

  --model FOLDER    nomul's model (default: the default model)
  --model3 FOLDER   also this one, at 3 bits; npm run model -- --bits 3 makes it
  --gguf FILE       a further file for wllama, beside the checkpoint of the default model; can be given again
  --onnx DIR        a folder for transformers.js, with onnx/model*.onnx; every number type in it is measured
  --rounds N        how often each is measured (default: 3)
  --record          also writes the result to tests/bench/records/
  --json            the last line is one object

Every measurement loads the engine into a page of its own, lets it answer another prompt, and then takes the time of a
greedy answer of ${TOKENS} tokens by the clock of the page, the same way for each:

  prefill   prompt tokens / time from the request until the first token is there
  decode    (tokens - 1) / time from the first token to the last

Rows give medians, with the least and the greatest; the printed table is a part of what --json has. ratios are the default
model's medians over the best of wllama's, whatever its version and file, on one thread (1t) and on all cores (mt).
ratios_threads are the default model's medians on all cores over its own on one, ratios_3bit those of --model3, ratios_onnx those of the default model over transformers.js.

Memory, each the most of all rounds: wasm_memory is what the engine's WebAssembly memories grew to; page_memory is
performance.measureUserAgentSpecificMemory, in which Chromium leaves some of these out and counts others, shared between
threads, more than once; process_memory is the resident set of the page's process (Linux). weights and wasm are the sizes
of files, the tokenizer included in weights.
`;

export const benchmark = {
  help,
  browser: true,
  columns: ["engine", "version", "weights", "threads", "prefill_tokens_per_s", "decode_tokens_per_s", "note"],
  options: {
    model: { type: "string" },
    model3: { type: "string" },
    gguf: { type: "string", multiple: true },
    onnx: { type: "string" },
    rounds: { type: "string" },
  },
  run,
};
