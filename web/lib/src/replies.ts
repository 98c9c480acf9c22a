/** Answers in OpenAI's shapes. */
import type { GenerateEvent, GenerateResult, Likely } from "./protocol.js";
import type { ChatLogprobs, CompletionLogprobs, Timings, TokenLogprob, Usage } from "./reply-types.js";

export type TokenEvent = Extract<GenerateEvent, { type: "token" }>;

const utf8 = new TextDecoder();

const asToken = ({ bytes, logprob }: Likely): TokenLogprob => ({
  token: utf8.decode(Uint8Array.from(bytes)),
  logprob,
  bytes,
});

/** Nothing where nobody asked. */
export function chatLogprobs(tokens: TokenEvent[]): { logprobs?: ChatLogprobs } {
  const told = tokens.flatMap(({ logprobs }) => logprobs ?? []);
  if (told.length === 0) return {};
  return { logprobs: { content: told.map((each) => ({ ...asToken(each), top_logprobs: each.top.map(asToken) })) } };
}

/** `offset` is where the first token begins. Nothing where nobody asked. */
export function completionLogprobs(tokens: TokenEvent[], offset: number): { logprobs?: CompletionLogprobs } {
  const told = tokens.flatMap(({ logprobs }) => logprobs ?? []);
  if (told.length === 0) return {};
  const logprobs: CompletionLogprobs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
  for (const each of told) {
    const { token, logprob } = asToken(each);
    logprobs.tokens.push(token);
    logprobs.token_logprobs.push(logprob);
    logprobs.top_logprobs.push(Object.fromEntries(each.top.map(asToken).map(({ token, logprob }) => [token, logprob])));
    logprobs.text_offset.push(offset);
    offset += token.length;
  }
  return { logprobs };
}

/** What several answers to one prompt took together. The prompt was read for the first of them. */
export function together(results: GenerateResult[]): { usage: Usage; timings: Timings } {
  const [first] = results as [GenerateResult];
  const completion_tokens = results.reduce((sum, { usage }) => sum + usage.completion_tokens, 0);
  const { prompt_tokens, prompt_tokens_details } = first.usage;
  // Tokens after the first of each answer, and the seconds that they took.
  const later = results.filter(({ timings }) => timings.decode_tokens_per_s > 0);
  const tokens = later.reduce((sum, { usage }) => sum + usage.completion_tokens - 1, 0);
  const seconds = later.reduce((sum, { usage, timings }) => {
    return sum + (usage.completion_tokens - 1) / timings.decode_tokens_per_s;
  }, 0);
  return {
    usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens, prompt_tokens_details },
    timings: { ...first.timings, decode_tokens_per_s: seconds > 0 ? tokens / seconds : 0 },
  };
}
