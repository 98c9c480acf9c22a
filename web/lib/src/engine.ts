/** The compiled engine as the worker sees it. crate/wasm exports it; the build checks that the two agree. */
import type { Build } from "./detect.js";
import type { FinishReason } from "./reply-types.js";
import type { MatrixInfo, SamplingOptions } from "./types.js";

/** A file of weights, in the order to stream. */
export interface Shard {
  file: string;
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

export interface EngineProgress {
  received: number;
  total: number;
  level: number;
  levels: number;
  usable: boolean;
  /** For each block, the fewest planes in use among its matrices. */
  layers: number[];
}

/** What is left out has the engine's default: the most probable token, until the model ends. */
export interface EngineOptions {
  max_tokens?: number;
  stop: string[];
  logprobs?: number;
  sample: Omit<SamplingOptions, "logit_bias"> & { logit_bias?: [token: number, bias: number][] };
}

export type Step =
  | { type: "prefill"; done: number; total: number }
  | { type: "token"; id: number; text: string; logprobs?: { logprob: number; top: [id: number, logprob: number][] } }
  | { type: "end"; reason: Exclude<FinishReason, "tool_calls">; text: string; usage: EngineUsage };

export interface EngineUsage {
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
}

export interface Engine {
  shards(): Shard[];
  /** Takes the next bytes of all shards; a shard counts when it is whole and its checksum is right. */
  push(bytes: Uint8Array): void;
  /** Every byte of the shard that comes next has been checked: its checksum is not. */
  trust(): void;
  /** Forgets what came of a shard that is not whole, and the error that it ended with. */
  rewind(): void;
  progress(): EngineProgress;
  setPlanes(planes?: number): void;
  inspect(): MatrixInfo[];
  /** A sentence encoder: it gives vectors, and what is about answers fails. */
  readonly isEncoder: boolean;
  readonly contextLength: number;
  tokenize(text: string, addSpecial: boolean): Uint32Array;
  detokenize(ids: Uint32Array): string;
  /** Answers with the number of prompt tokens that need not be read again. */
  start(prompt: Uint32Array, options: EngineOptions): number;
  /** Which tokens may come next, a bit each; none: all of them. */
  allow(allowed: Uint32Array): void;
  /** Computes what `step` tells next: all of the arithmetic, and nothing else. */
  compute(): void;
  step(): Step;
  /** The ids of a text as an encoder reads it, cut to what it can read. */
  tokenizeText(text: string): Uint32Array;
  /** Begins a text that is to become a vector; `compute` then takes it through one block after the other. */
  startText(ids: Uint32Array): void;
  /** The vector; none while it is not there. */
  endText(normalize: boolean): Float32Array | undefined;
  logits(ids: Uint32Array): Float32Array;
  /** Begins to read a text: for the logarithms of its tokens' probabilities, or for the mean of its hidden states. */
  read(ids: Uint32Array, mean: boolean): void;
  /** Answers with the number of tokens read so far. */
  readOn(): number;
  endReading(): Float32Array;
  saveState(): Uint8Array;
  loadState(state: Uint8Array): void;
  readonly cachedTokens: number;
  readonly endTokens: Uint32Array;
  tokenBytes(id: number): Uint8Array;
  vocabulary(): Uint8Array;
  /** Has the team do the work; the engines for one thread have none. */
  useTeam?(): void;
}

export type EngineClass = new (
  config: Uint8Array,
  index: Uint8Array,
  tokenizer: Uint8Array,
  tokenizerConfig: Uint8Array | undefined,
  generationConfig: Uint8Array | undefined,
  contextLength: number | undefined,
) => Engine;

/** What the glue of wasm-bindgen takes as place of the .wasm file. */
export type WasmPlace = string | URL | BufferSource | undefined;

/** An engine that is compiled, and the memory that it works in. */
export interface Compiled {
  EngineClass: EngineClass;
  memory: WebAssembly.Memory;
}

/** Compiles an engine for one thread. Without a place the .wasm file is looked for beside its glue. */
export async function loadEngine(build: Build, place: WasmPlace): Promise<Compiled> {
  // Both paths are written out so that bundlers find the files.
  const glue = build === "relaxed" ? await import("../wasm/relaxed/nomul.js") : await import("../wasm/simd/nomul.js");
  const { memory } = await glue.default(place === undefined ? undefined : { module_or_path: place });
  return { EngineClass: glue.Engine satisfies EngineClass, memory };
}
