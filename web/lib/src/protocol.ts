/**
 * What the calling thread and the worker say to each other. The caller numbers its requests; the worker answers each
 * with any number of events and one result or error. The other way round the worker may ask the caller for bytes,
 * for a caller that brings its own `fetch`.
 */
import type { Build } from "./detect.js";
import type { ErrorMessage } from "./errors.js";
import type { LoadOptions, LoadProgress } from "./load-types.js";
import type { Head, Want } from "./source.js";
import type { FinishReason, Timings, Usage } from "./reply-types.js";
import type { ChatMessage, MatrixInfo, SamplingOptions, Stats, Tool } from "./types.js";

/** Where the worker finds things. All plain data. */
export interface OpenArguments {
  /** The model folder, ending in a slash. */
  url: string;
  /** The bytes come from the caller, by {@link Ask}. */
  askCaller: boolean;
  build: Build;
  wasmUrl: string | undefined;
  grammarUrl: string | undefined;
  threads: number;
  /** The engine for one thread that is taken where a team cannot be gathered. */
  alone: { build: Build; wasmUrl: string | undefined } | undefined;
  contextLength: number | undefined;
  cache: LoadOptions["cache"];
  evict: boolean;
  startAtPlanes: number | undefined;
}

/** What runs. */
export interface Opened {
  kind: "decoder" | "encoder";
  contextLength: number;
  build: Build;
  threads: number;
  /** Why no team could be gathered. */
  trouble?: string | undefined;
}

/** {@link GenerationOptions} without what cannot cross, and one of three prompts. */
export interface GenerateArguments {
  /** Whose keys and values are gone on with. */
  conversation: number;
  prompt: { messages: ChatMessage[]; tools: Tool[] | undefined } | { text: string } | { ids: number[] };
  maxTokens: number | undefined;
  stop: string[];
  sampling: SamplingOptions;
  truncate: boolean;
  /** How many of the likeliest tokens are told beside each. */
  logprobs: number | undefined;
  /** A JSON schema that the answer follows, and the option that asked for it. */
  schema: { text: string; of: string } | undefined;
  /** What the answer has begun with already; it is no part of what comes back. */
  begun: string | undefined;
}

/** Bytes and logarithm of the probability of a token. */
export interface Likely {
  bytes: number[];
  logprob: number;
}

export type GenerateEvent =
  | { type: "prefill"; done: number; total: number }
  | { type: "token"; id: number; text: string; timings: Timings; logprobs?: Likely & { top: Likely[] } };

export interface GenerateResult {
  reason: FinishReason;
  /** Text that was held back because it might have begun a stop text. */
  text: string;
  usage: Usage;
  timings: Timings;
}

/** A call: what it takes, what it reports on its way, what it gives. */
export interface Call {
  arguments: unknown;
  event: unknown;
  result: unknown;
}

/** The calls that a worker answers, by name. */
export type CallMap<C> = { [N in keyof C]: Call };

/** Every call upon a model. */
export interface Calls {
  open: { arguments: OpenArguments; event: LoadProgress; result: Opened };
  /** Waits for the weights that were still streaming when `open` returned. */
  rest: { arguments: undefined; event: LoadProgress; result: undefined };
  generate: { arguments: GenerateArguments; event: GenerateEvent; result: GenerateResult };
  /** Keeps the keys and values of `from` for `conversation` too. */
  fork: { arguments: { conversation: number; from: number }; event: never; result: undefined };
  /** Forgets a conversation. */
  drop: { arguments: number; event: never; result: undefined };
  saveState: { arguments: number; event: never; result: Uint8Array<ArrayBuffer> };
  loadState: { arguments: { conversation: number; state: Uint8Array<ArrayBuffer> }; event: never; result: undefined };
  /** Reads a text from its beginning: the logarithms of its tokens' probabilities. */
  read: {
    arguments: string | number[];
    event: { done: number; total: number };
    result: Float32Array<ArrayBuffer>;
  };
  /** Vectors of texts, one behind the other; told are tokens of a single text, or texts of several. */
  embed: {
    arguments: { texts: (string | number[])[]; normalize: boolean };
    event: { done: number; total: number };
    result: { vectors: Float32Array<ArrayBuffer> };
  };
  stats: { arguments: undefined; event: never; result: Stats };
  tokenize: { arguments: { text: string; addSpecial: boolean }; event: never; result: number[] };
  detokenize: { arguments: number[]; event: never; result: string };
  logits: { arguments: { conversation: number; ids: number[] }; event: never; result: Float32Array<ArrayBuffer> };
  inspect: { arguments: undefined; event: never; result: MatrixInfo[] };
  setPlanes: { arguments: number | undefined; event: never; result: undefined };
}

export type CallName = keyof Calls;

/** Caller to worker. */
export type Request<C extends CallMap<C> = Calls> =
  | { [N in keyof C]: { id: number; call: N; arguments: C[N]["arguments"] } }[keyof C]
  | { id: number; abort: true }
  | { id: number; answer: Answer };

/** Worker to caller. */
export type Response =
  | { id: number; event: unknown }
  | { id: number; result: unknown }
  | { id: number; error: ErrorMessage }
  | { id: number; ask: Ask };

/**
 * The worker asks for a file, then for its bytes part by part, then closes it, which it may do at any time. A file is known by
 * the number of its opening.
 */
export type Ask = { open: string; want: Want } | { read: number } | { close: number };

export type Answer =
  { head: Head } | { absent: true } | { part: Uint8Array<ArrayBuffer> } | { end: true } | { error: ErrorMessage };

/** A channel to the other thread, the same for web workers and Node's worker threads. */
export interface Port<Out, In> {
  post(message: Out, transfer?: Transferable[]): void;
  listen(onMessage: (message: In) => void, onFailure: (message: string) => void): void;
  /** Ends the other thread (on the caller's side); resolves when it has ended, as far as that can be known. */
  end(): void | Promise<unknown>;
  /** Whether a pending call keeps the process alive (Node). */
  hold(held: boolean): void;
}
