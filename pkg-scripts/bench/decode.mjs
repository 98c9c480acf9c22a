// Tokens a second, reading a prompt and writing an answer: the native command, WASI under wasmtime, Node, Chromium.

import { build } from "../build.mjs";
import { WASI_BUILDS, buildWasi, buildWasmtimeRunner } from "../build-wasi.mjs";
import { model } from "../model.mjs";
import { Failure } from "../shared/command.mjs";
import { command, completeInChromium, inNode } from "../shared/engines.mjs";

const PROMPT = "The tower clock had stopped at noon, and nobody in the village could say why. ".repeat(10);
const TOKENS = 96;

/** A completion by the package: both speeds by the clock of its worker. */
const speeds = ({ timings, usage }) => ({
  prompt: usage.prompt_tokens,
  tokens: usage.completion_tokens,
  prefill: timings.prefill_tokens_per_s,
  decode: timings.decode_tokens_per_s,
});

/** The names an engine goes by on the command line, and what measures it. */
const ENGINES = {
  native: (folder, request) => benchCommand("native", folder, request),
  "wasmtime-simd": (folder, request) => benchCommand("wasmtime simd", folder, request),
  "wasmtime-relaxed": (folder, request) => benchCommand("wasmtime relaxed", folder, request),
  node: async (folder, request) => speeds(await inNode(folder, "auto", (model) => model.complete(request))),
  "chromium-simd": async (folder, request) => speeds(await completeInChromium(folder, "simd", request)),
  "chromium-relaxed": async (folder, request) => speeds(await completeInChromium(folder, "relaxed", request)),
};
