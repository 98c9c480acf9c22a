/** One answer, token by token, leaving room between steps for the worker to hear an abort and to take in weights. */
import { parseObject } from "./json.js";
import type { Engine, EngineOptions, EngineUsage, Step } from "./engine.js";
import type { Grammars } from "./grammar.js";
import { promptIds } from "./prompt.js";
import type { GenerateArguments, GenerateEvent, GenerateResult } from "./protocol.js";
import type { Timings, Usage } from "./reply-types.js";
import type { ChatTemplate } from "./template.js";
import { turn } from "./turn.js";
import type { SamplingOptions } from "./types.js";

/** What an answer is made with. */
export interface Tools {
  engine: Engine;
  template: ChatTemplate;
  grammars: Grammars;
  /** The model's own way to choose tokens. */
  defaults: SamplingOptions;
}

/** `arrived` is when the request came, in milliseconds. */
export async function generate(
  { engine, template, grammars, defaults }: Tools,
  request: GenerateArguments,
  arrived: number,
  signal: AbortSignal,
  emit: (event: GenerateEvent) => void,
): Promise<GenerateResult> {
  const { ids, truncated } = promptIds(engine, template, request);
  const grammar = request.schema === undefined ? undefined : await grammars.schema(engine, request.schema);
  try {
    signal.throwIfAborted();
    const cached = engine.start(ids, engineOptions(request, defaults));
    const clock = new Clock(arrived, ids.length - cached);
    const ends = engine.endTokens;
    let isNew = true;
    for (;;) {
      if (grammar !== undefined && isNew) engine.allow(grammar.allowed());
      engine.compute();
      const step = engine.step();
      isNew = step.type === "token";
      switch (step.type) {
        case "prefill":
          emit(step);
          break;
        case "token":
          clock.token();
          emit({ type: "token", id: step.id, text: step.text, timings: clock.timings, ...likely(engine, step) });
          if (!ends.includes(step.id)) grammar?.accept(step.id);
          break;
        case "end": {
          const usage = openAiUsage(step.usage, truncated);
          return { reason: step.reason, text: step.text, usage, timings: clock.timings };
        }
      }
      await turn();
      signal.throwIfAborted();
    }
  } finally {
    grammar?.free();
  }
}

/** How likely a token was, with the bytes of those that might have come. */
function likely(engine: Engine, { id, logprobs }: Extract<Step, { type: "token" }>) {
  if (logprobs === undefined) return {};
  const bytesOf = (id: number) => [...engine.tokenBytes(id)];
  const top = logprobs.top.map(([id, logprob]) => ({ bytes: bytesOf(id), logprob }));
  return { logprobs: { bytes: bytesOf(id), logprob: logprobs.logprob, top } };
}

function engineOptions(
  { maxTokens, stop, sampling, logprobs }: GenerateArguments,
  defaults: SamplingOptions,
): EngineOptions {
  // Whoever names a temperature has left the model's settings behind.
  const { logit_bias, ...rest } = sampling.temperature === undefined ? { ...defaults, ...given(sampling) } : sampling;
  const bias = logit_bias && Object.entries(logit_bias).map(([id, value]) => [Number(id), value] as [number, number]);
  return {
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    ...(logprobs !== undefined && { logprobs }),
    stop,
    sample: { ...given(rest), ...(bias && { logit_bias: bias }) },
  };
}

/** An object without its undefined fields. */
function given<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

/** The sampling that `generation_config.json` asks for. What is wrong in it, the engine tells. */
export function samplingDefaults(generationConfig: Uint8Array | undefined): SamplingOptions {
  const json = parseObject(generationConfig);
  if (json?.do_sample !== true) return {};
  const { temperature = 1, top_p, top_k, min_p, repetition_penalty } = json as SamplingOptions;
  const fields = Object.entries({ temperature, top_p, top_k, min_p, repetition_penalty });
  return Object.fromEntries(fields.filter(([, value]) => typeof value === "number"));
}

function openAiUsage({ prompt_tokens, cached_tokens, completion_tokens }: EngineUsage, truncated: number): Usage {
  const total_tokens = prompt_tokens + completion_tokens;
  const prompt_tokens_details = { cached_tokens, ...(truncated > 0 && { truncated }) };
  return { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details };
}

/** Turns the moments of a request into {@link Timings}. The prompt counts as read when the first token is there. */
class Clock {
  readonly #arrived: number;
  readonly #prompt: number;
  readonly #started = performance.now();
  #tokens = 0;
  #first = 0;
  #newest = 0;

  constructor(arrived: number, promptTokens: number) {
    this.#arrived = arrived;
    this.#prompt = promptTokens;
  }

  token(): void {
    this.#newest = performance.now();
    if (this.#tokens++ === 0) this.#first = this.#newest;
  }

  get timings(): Timings {
    return {
      time_to_first_token_s: this.#tokens > 0 ? (this.#first - this.#arrived) / 1000 : 0,
      prefill_tokens_per_s: perSecond(this.#prompt, this.#first - this.#started),
      decode_tokens_per_s: perSecond(this.#tokens - 1, this.#newest - this.#first),
    };
  }
}

function perSecond(count: number, milliseconds: number): number {
  return count > 0 && milliseconds > 0 ? (count * 1000) / milliseconds : 0;
}
