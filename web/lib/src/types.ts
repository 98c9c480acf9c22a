import type { Build, Capabilities } from "./detect.js";
import type { Timings } from "./reply-types.js";

/** One message of a conversation. */
export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

/** A part of a message. Images and sound are for other models. */
export interface TextPart {
  type: "text";
  text: string;
}

/** A function that the model wants called. */
export interface ToolCall {
  id: string;
  type: "function";
  /** `arguments` are JSON, as the model wrote them. */
  function: { name: string; arguments: string };
}

/** A message in all the shapes that OpenAI's API has for text. Which roles there are is up to the model's chat template. */
export type ChatMessage =
  | Message
  | { role: "system" | "user"; content: TextPart[]; name?: string | undefined }
  | {
      role: "assistant";
      content?: string | TextPart[] | null | undefined;
      tool_calls?: ToolCall[] | undefined;
    }
  | { role: "tool"; content: string | TextPart[]; tool_call_id?: string | undefined; name?: string | undefined };

/** A function that the model may want called, for models whose chat template knows tools. */
export interface Tool {
  type: "function";
  function: { name: string; description?: string | undefined; parameters?: object | undefined };
}

/**
 * `auto`: the model decides; `none` keeps the tools from it. `required`: the answer is a call, of the one that is named or of
 * any, whose arguments follow the schema of its `parameters`. The first such request loads a grammar library.
 */
export type ToolChoice = "auto" | "none" | "required" | { type: "function"; function: { name: string } };

/** What an answer has to look like. A schema is followed token by token: what does not fit cannot be said. */
export type ResponseFormat =
  | { type: "text" }
  | { type: "json_object" }
  | { type: "json_schema"; json_schema: { schema: object; name?: string | undefined; strict?: boolean | undefined } };

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
  /** How many answers, 1 to 16; one after the other, the seed of each one more than that of the one before. */
  n?: number | undefined;
  /** What the answer has to look like. The first such request loads a grammar library. */
  response_format?: ResponseFormat | undefined;
  /**
   * What happens to a prompt that leaves no room for an answer in the context: `disabled`, the default, fails with code
   * `capacity`; `auto` leaves out the oldest messages (not those of the system, not the last), or the beginning of a text,
   * so that `max_tokens` fit, or half of the context.
   */
  truncation?: "disabled" | "auto" | undefined;
  /** Stops between two tokens; the request then fails with an `AbortError`. */
  signal?: AbortSignal | undefined;
  /** Called while the prompt is read: tokens read so far, and all of them. */
  onPrefill?: ((done: number, total: number) => void) | undefined;
}

export interface ChatOptions extends GenerationOptions {
  messages: ChatMessage[];
  stream?: boolean | undefined;
  /** OpenAI's newer name of `max_tokens`. */
  max_completion_tokens?: number | undefined;
  /** Tell how likely each token was, before penalties, biases and the temperature. */
  logprobs?: boolean | undefined;
  /** With `logprobs`: so many of the likeliest tokens at each place, 0 to 20. */
  top_logprobs?: number | undefined;
  /** Functions that the model may want called. Answers tell in `tool_calls` which it does. */
  tools?: Tool[] | undefined;
  /** Whether one of `tools` is called; without it, the model decides. */
  tool_choice?: ToolChoice | undefined;
}

export interface CompleteOptions extends GenerationOptions {
  /** Text, or token ids used as they are. */
  prompt: string | number[];
  stream?: boolean | undefined;
  /** Tell how likely each token was, and so many of the likeliest tokens at each place, 0 to 20. */
  logprobs?: number | undefined;
}

/** What calls take that are not about answers. */
export interface CallOptions {
  /** Gives up; the call then fails with an `AbortError`. */
  signal?: AbortSignal | undefined;
}

/** How texts become vectors. */
export interface EmbedOptions extends CallOptions {
  /** Vectors of length one (the default), or as long as the model leaves them. */
  normalize?: boolean | undefined;
  /** Called on the way: so much is done, of so much. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** One matrix of the model: what it costs and why. */
export interface MatrixInfo {
  /** Its name in the checkpoint. */
  name: string;
  /** The block it belongs to; 0 for tables. */
  layer: number;
  kind: "q" | "k" | "v" | "o" | "gate" | "up" | "down" | "embedding" | "positions" | "head";
  /** Outputs. */
  rows: number;
  /** Inputs. */
  columns: number;
  /** Sign planes, that is bits a weight, without scales. */
  planes: number;
  /** How many of them are here and in use. */
  planes_ready: number;
  /** Of planes and scales together, in the folder. */
  bytes: number;
  /** Numbers of planes that it can be used with, ascending. */
  prefixes: number[];
  /** The bytes up to each of these. */
  prefix_bytes: number[];
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
  /** What the model does: it writes, or, as a sentence encoder, gives vectors of texts and nothing else. */
  kind: "decoder" | "encoder";
  /** Most tokens of prompt and answer together; for an encoder those of a text, the rest of which is left out. */
  contextLength: number;
  /** The compiled engine that runs, and why it was taken. */
  build: Build;
  buildReason: string;
  /** Threads that work at once. */
  threads: number;
  /** What the JavaScript engine can run. */
  capabilities: Capabilities;
}

/** What a model has done and takes up. */
export interface Stats {
  /** Bytes of the engine's memory: weights, keys and values, and room for work. It never shrinks. */
  memory: number;
  /** Bytes of conversations that are kept beside the engine, see `fork`. */
  kept: number;
  /** Tokens whose keys and values are in the engine. */
  cached_tokens: number;
  context_length: number;
  /** Answers, complete or not, and the tokens that were read and written for them. */
  requests: number;
  prompt_tokens: number;
  completion_tokens: number;
  /** The last answer's. */
  timings: Timings | undefined;
}

/** How well a model foresees a text. */
export interface Perplexity {
  /** The exponential of the mean of the negated logarithms. */
  perplexity: number;
  /** Tokens that were foreseen: all but the first. */
  tokens: number;
  /** Natural logarithms of their probabilities, in order. */
  logprobs: Float32Array<ArrayBuffer>;
}
