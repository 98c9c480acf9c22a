// The component and the command under wasmtime, as docs/edge.md has them in a table: speed beside Chromium and the native
// command, images, many instances, the same bits, sizes.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EDGE_BUILDS, buildEdge } from "../build-edge.mjs";
import { WASI_BUILDS, buildWasi, buildWasmtimeRunner } from "../build-wasi.mjs";
import { modelFolder } from "../model.mjs";
import { Failure, fromUser, output, say } from "../shared/command.mjs";
import { COMMAND_ENGINES, chosenRounds, command, inChromium, prepareEngines } from "../shared/engines.mjs";
import { edgeComponent, nomulEdge } from "../shared/folders.mjs";
import { median, rounded } from "../shared/statistics.mjs";
import { benchmark as decodeBenchmark } from "./decode.mjs";

/** What a conversation, an idle instance and the command may take; see the table of docs/edge.md. */
const GOALS = {
  chromium: 1,
  native: 0.6,
  firstTokenMs: 150,
  startMs: 5,
  idleBytes: 6e6,
  slowest: 2,
  conversationBytes: 8e6,
  moduleBytes: 1.5e6,
};

/** Sixteen tokens in SmolLM2's vocabulary. */
const PROMPT = "The tower clock had stopped at noon, and nobody in the village could say why";
const CONVERSATIONS = 100;
const CONTEXT = 512;
const MEMORY = ["--memory", "256"];

const row = (figure, value, goal, reached) => ({ figure, value: rounded(value), goal, reached });
const atMost = (figure, value, bound) => row(figure, value, `<= ${bound}`, value <= bound);
const atLeast = (figure, value, bound) => row(figure, value, `>= ${bound}`, value >= bound);

/** An object that `nomul-edge` prints. */
const edge = async (...words) => JSON.parse(await output(nomulEdge, words));

/** Bytes of the weights of a model folder. */
async function weightsOf(folder) {
  const { metadata } = JSON.parse(await readFile(join(folder, "model.safetensors.index.json"), "utf8"));
  return metadata.shards.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** What is measured: (folder, rounds, image) to data with rows of the table. Those named in IMAGES take an image's code. */
const PARTS = {
  async decode(folder, rounds) {
    const engines = [...COMMAND_ENGINES, "chromium simd", "chromium relaxed"];
    const words = { model: folder, engines: engines.join(","), threads: "1", rounds: `${rounds}` };
    const { speed } = await decodeBenchmark.run(words);
    const speeds = Object.fromEntries(
      engines.map((name) => {
        const rows = speed.filter(({ engine }) => engine === name);
        return [name, rounded(median(rows.map((each) => each.decode_tokens_per_s)))];
      }),
    );
    const over = (one, other) => speeds[one] / speeds[other];
    return {
      tokens_per_s: speeds,
      rows: [
        ...Object.keys(WASI_BUILDS).map((build) =>
          atLeast(
            `decode under wasmtime over Chromium, ${build}`,
            over(`wasmtime ${build}`, `chromium ${build}`),
            GOALS.chromium,
          ),
        ),
        atLeast("decode under wasmtime over native, relaxed", over("wasmtime relaxed", "native"), GOALS.native),
      ],
    };
  },

  async first(folder, rounds, image) {
    const runs = [];
    for (let round = 0; round < rounds; round++) {
      // Each in a process of its own, which has not touched the image before.
      const { load_ms, rounds: firsts } = await edge("first", image, "--prompt", PROMPT, ...MEMORY);
      runs.push({ load_ms, ...firsts[0] });
    }
    assert.equal(runs[0].prompt_tokens, 16, "the prompt has 16 tokens in SmolLM2's vocabulary");
    const middle = (figure) => median(runs.map((run) => run[figure]));
    return {
      runs,
      rows: [
        atMost(
          "start to first token from an image, 16 tokens of prompt, ms",
          middle("first_token_ms"),
          GOALS.firstTokenMs,
        ),
        atMost("start of an instance, ms", middle("start_ms"), GOALS.startMs),
      ],
    };
  },

  async crowd(folder, rounds, image) {
    const words = ["--conversations", `${CONVERSATIONS}`, "--tokens", "32", "--threads", "2", "--seconds", "600"];
    const found = await edge("crowd", image, ...words, ...MEMORY);
    const weights = await weightsOf(folder);
    // What a conversation holds that has filled its context.
    const long = `${PROMPT}. `.repeat(26);
    const full = await edge("crowd", image, "--conversations", "4", "--tokens", "8", "--prompt", long, ...MEMORY);
    return {
      crowd: found,
      weights_bytes: weights,
      full_context: full,
      rows: [
        atMost(
          "memory of a further idle instance, 512 tokens of context, bytes",
          found.memory_each_idle_bytes,
          GOALS.idleBytes,
        ),
        atMost(
          "100 conversations of 32 tokens, slowest over median",
          found.slowest_ms / found.median_ms,
          GOALS.slowest,
        ),
        atMost(
          "100 conversations, peak of memory, bytes",
          found.memory_peak_bytes,
          weights + CONVERSATIONS * GOALS.conversationBytes,
        ),
      ],
    };
  },

  async digest(folder) {
    await prepareEngines([...COMMAND_ENGINES, "chromium"]);
    const { vocab_size: vocabulary } = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    const ids = Array.from({ length: CONTEXT }, (_, i) => (i * 7919 + 13) % vocabulary);
    const words = ["--ids", ids.join(",")];
    const digests = {};
    for (const engine of COMMAND_ENGINES) {
      say(`- digest, ${engine}`);
      digests[engine] = (await command(engine, "digest", folder, words)).sha256;
    }
    for (const build of Object.keys(WASI_BUILDS)) {
      say(`- digest, wasmtime ${build}, deterministic`);
      const { sha256 } = await command(`wasmtime ${build}`, "digest", folder, words, ["--deterministic"]);
      digests[`wasmtime ${build}, deterministic`] = sha256;
      say(`- digest, Chromium ${build}`);
      digests[`chromium ${build}`] = await inChromium(folder, { build, threads: 1 }, ids, async (model, ids) => {
        // As blobs, which the browser keeps outside the page's memory until all are there.
        const scores = [];
        for (let n = 1; n <= ids.length; n++) scores.push(new Blob([await model.logits(ids.slice(0, n))]));
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(scores).arrayBuffer()));
        return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
      });
    }
    const different = new Set(Object.values(digests)).size;
    return { digests, rows: [row("different digests of 512 steps, all engines", different, "= 1", different === 1)] };
  },

  async size() {
    const bytes = {};
    for (const build of Object.keys(WASI_BUILDS)) bytes[`command ${build}`] = (await stat(await buildWasi(build))).size;
    for (const build of Object.keys(EDGE_BUILDS))
      bytes[`component ${build}`] = (await stat(await buildEdge(build))).size;
    return {
      bytes,
      rows: Object.keys(WASI_BUILDS).map((build) =>
        atMost(`nomul-${build}.wasm, bytes`, bytes[`command ${build}`], GOALS.moduleBytes),
      ),
    };
  },
};

const NEED_IMAGE = ["first", "crowd"];

async function run({ model, parts, rounds }) {
  const names = parts?.split(",") ?? Object.keys(PARTS);
  const unknown = names.find((name) => !Object.hasOwn(PARTS, name));
  if (unknown !== undefined) throw new Failure(`no part ${unknown}; there are: ${Object.keys(PARTS).join(", ")}`);
  const times = chosenRounds(rounds);
  const folder = model ? fromUser(model) : await modelFolder();
  await buildWasmtimeRunner();
  const temporary = await mkdtemp(join(tmpdir(), "nomul-edge-"));
  const result = { model: folder };
  const table = [];
  try {
    const code = join(temporary, "image.cwasm");
    if (names.some((name) => NEED_IMAGE.includes(name))) {
      await buildEdge("nomul-relaxed");
      say("- making an image");
      const image = join(temporary, "image.wasm");
      const words = ["image", edgeComponent("nomul-relaxed"), folder, "-o", image, "--context", `${CONTEXT}`];
      await output(nomulEdge, words);
      await output(nomulEdge, ["compile", image, "-o", code, ...MEMORY]);
    }
    for (const name of names) {
      say(`- ${name}`);
      const { rows, ...data } = await PARTS[name](folder, times, code);
      result[name] = data;
      table.push(...rows);
    }
  } finally {
    await rm(temporary, { recursive: true });
  }
  return { ...result, table };
}

const help = `
usage: npm run bench -- edge [--model FOLDER] [--parts LIST] [--rounds N] [--record] [--json]

What docs/edge.md says of wasmtime, measured: one thread where nothing else is said, the relaxed builds in images.

  --model FOLDER   the model (default: the default model)
  --parts LIST     separated by commas, out of: ${Object.keys(PARTS).join(", ")}
  --rounds N       how often speed and start are measured; medians count (default: 3)
  --record         also writes the result to tests/bench/records/
  --json           the last line is one object
`;

export const benchmark = {
  help,
  browser: true,
  options: { model: { type: "string" }, parts: { type: "string" }, rounds: { type: "string" } },
  run,
};
