import type { Build, Capabilities } from "./detect.js";

/** One message of a conversation. */
export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

/**
 * How the next token is chosen. Without a temperature it is that of the model's `generation_config.json`, if that asks
 * for sampling, together with its other settings; else the most probable token is taken.
 */
export interface SamplingOptions {
  /** 0 takes the most probable token; higher is more random. */
  temperature?: number | undefined;
  /** Keep the most probable tokens that together reach this probability, in 0..1. */
  top_p?: number | undefined;
  /** Keep this many of the most probable tokens; 0 keeps all. */
  top_k?: number | undefined;
  /** Keep tokens at least this fraction as probable as the most probable one, in 0..1. */
  min_p?: number | undefined;
  /** The same seed and the same request give the same tokens on every engine. Random where left out. */
  seed?: number | undefined;
  /** Logits of tokens already seen are divided by this where positive and multiplied where negative. */
  repetition_penalty?: number | undefined;
  /** Subtracted from logits of tokens already generated. */
  presence_penalty?: number | undefined;
  /** Subtracted from logits once for each time that the token was generated. */
  frequency_penalty?: number | undefined;
  /** Added to the logits of tokens, by id. */
  logit_bias?: Record<number, number> | undefined;
}

export interface GenerationOptions extends SamplingOptions {
  /** Most tokens to generate. To the end of the context where left out. */
  max_tokens?: number | undefined;
  /** Texts that end the generation; they are not part of the answer. */
  stop?: string | string[] | undefined;
  /** Stops between two tokens; the request then fails with an `AbortError`. */
  signal?: AbortSignal | undefined;
  /** Called while the prompt is read: tokens read so far, and all of them. */
  onPrefill?: ((done: number, total: number) => void) | undefined;
}

export interface ChatOptions extends GenerationOptions {
  messages: Message[];
  stream?: boolean | undefined;
}

export interface CompleteOptions extends GenerationOptions {
  /** Text, or token ids used as they are. */
  prompt: string | number[];
  stream?: boolean | undefined;
}

export interface Usage {
  prompt_tokens: number;
  /** A token that ends the text counts. */
  completion_tokens: number;
  total_tokens: number;
  /** How many tokens of the prompt were kept from the request before. */
  prompt_tokens_details: { cached_tokens: number };
}

/** How fast a request went, by the clock of the worker. */
export interface Timings {
  /** From the request's arrival to its first token, in seconds. */
  time_to_first_token_s: number;
  /** Prompt tokens a second, without those kept from the request before; 0 where none had to be read. */
  prefill_tokens_per_s: number;
  /** Generated tokens after the first, a second; 0 with fewer than two. */
  decode_tokens_per_s: number;
}

/** `stop`: the model ended its text or a stop text came. `length`: `max_tokens` or the context is used up. */
export type FinishReason = "stop" | "length";

interface Reply<Kind extends string, Choice> {
  id: string;
  object: Kind;
  /** Seconds since 1970. */
  created: number;
  /** Where the model was loaded from. */
  model: string;
  choices: [Choice];
}

export interface ChatCompletion extends Reply<
  "chat.completion",
  { index: 0; message: { role: "assistant"; content: string }; finish_reason: FinishReason }
> {
  usage: Usage;
  timings: Timings;
}

/** `usage` is there on the last part only, `timings` on every part that follows a token. */
export interface ChatCompletionChunk extends Reply<
  "chat.completion.chunk",
  { index: 0; delta: { role?: "assistant"; content?: string }; finish_reason: FinishReason | null }
> {
  usage?: Usage;
  timings?: Timings;
}

export interface TextCompletion extends Reply<
  "text_completion",
  { index: 0; text: string; tokens: number[]; finish_reason: FinishReason }
> {
  usage: Usage;
  timings: Timings;
}

export interface TextCompletionChunk extends Reply<
  "text_completion",
  { index: 0; text: string; tokens: number[]; finish_reason: FinishReason | null }
> {
  usage?: Usage;
  timings?: Timings;
}

/** One matrix of the model: what it costs and why. */
export interface MatrixInfo {
  /** Its name in the checkpoint. */
  name: string;
  /** The block it belongs to; 0 for the embedding and the head. */
  layer: number;
  kind: "q" | "k" | "v" | "o" | "gate" | "up" | "down" | "embedding" | "head";
  /** Outputs. */
  rows: number;
  /** Inputs. */
  columns: number;
  /** Sign planes, that is bits a weight, without scales. */
  planes: number;
  /** How many of them are here and in use. */
  planes_ready: number;
  /** Of planes and scales together. */
  bytes: number;
  /** Numbers of planes that it can be used with, ascending. */
  prefixes: number[];
  /** The error with each of these. */
  errors: number[];
  /**
   * Relative error against the checkpoint's matrix, weighted by the activations of the calibration text; NaN if
   * the quantiser did not write it down.
   */
  error: number;
  /** Why it got its planes. */
  reason: string;
}

/** What `load` knows about a model that is open. */
export interface ModelInfo {
  /** Where it was loaded from. */
  url: string;
  /** Most tokens of prompt and answer together. */
  contextLength: number;
  /** The compiled engine that runs, and why it was taken. */
  build: Build;
  buildReason: string;
  /** Threads that work at once. */
  threads: number;
  /** What the JavaScript engine can run. */
  capabilities: Capabilities;
}
