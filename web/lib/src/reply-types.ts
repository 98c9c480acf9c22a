/** What a model answers, in OpenAI's shapes. */
import type { ToolCall } from "./types.js";

export interface Usage {
  prompt_tokens: number;
  /** A token that ends the text counts. */
  completion_tokens: number;
  total_tokens: number;
  /**
   * How many tokens of the prompt were kept from the request before; and with `truncation: "auto"` how many messages, or of a
   * text tokens, were left out.
   */
  prompt_tokens_details: { cached_tokens: number; truncated?: number };
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

/**
 * `stop`: the model ended its text or a stop text came. `length`: `max_tokens` or the context is used up. `tool_calls`: the
 * model wants functions called.
 */
export type FinishReason = "stop" | "length" | "tool_calls";

/** A token and the natural logarithm of its probability. */
export interface TokenLogprob {
  /** Its text; a token may be a part of a character, which `bytes` has. */
  token: string;
  logprob: number;
  bytes: number[];
}

/** The tokens of an answer; with each the likeliest ones in its place. */
export interface ChatLogprobs {
  content: (TokenLogprob & { top_logprobs: TokenLogprob[] })[];
}

/** The same in the shape of OpenAI's completions. Tokens of the same text share an entry of `top_logprobs`. */
export interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: number[];
  top_logprobs: Record<string, number>[];
  /** Where each begins, in characters of the answer. */
  text_offset: number[];
}

/** A tool call in a stream: it comes in one piece. */
export type ToolCallPart = ToolCall & { index: number };

interface Reply<Kind extends string, Choice> {
  id: string;
  object: Kind;
  /** Seconds since 1970. */
  created: number;
  /** Where the model was loaded from. */
  model: string;
  /** One for each of `n`. A part of a stream has one. */
  choices: [Choice, ...Choice[]];
}

export interface ChatCompletion extends Reply<
  "chat.completion",
  {
    index: number;
    /** `content` is what was said beside the calls; empty where the model said nothing else. */
    message: { role: "assistant"; content: string; tool_calls?: ToolCall[] };
    logprobs?: ChatLogprobs;
    finish_reason: FinishReason;
  }
> {
  usage: Usage;
  timings: Timings;
}

/** `usage` is there on the last part only, `timings` on every part that follows a token. */
export interface ChatCompletionChunk extends Reply<
  "chat.completion.chunk",
  {
    index: number;
    delta: { role?: "assistant"; content?: string; tool_calls?: ToolCallPart[] };
    logprobs?: ChatLogprobs;
    finish_reason: FinishReason | null;
  }
> {
  usage?: Usage;
  timings?: Timings;
}

export interface TextChoice<Reason> {
  index: number;
  text: string;
  tokens: number[];
  logprobs?: CompletionLogprobs;
  finish_reason: Reason;
}

export interface TextCompletion extends Reply<"text_completion", TextChoice<FinishReason>> {
  usage: Usage;
  timings: Timings;
}

export interface TextCompletionChunk extends Reply<"text_completion", TextChoice<FinishReason | null>> {
  usage?: Usage;
  timings?: Timings;
}
