/** One answer, token by token, leaving room between steps for the worker to hear an abort and to take in weights. */
import { parseObject } from "./json.js";
import { NomulError } from "./errors.js";
import type { Engine, EngineOptions, EngineUsage } from "./engine.js";
import type { GenerateArguments, GenerateEvent, GenerateResult } from "./protocol.js";
import { turn } from "./turn.js";
import type { SamplingOptions, Timings, Usage } from "./types.js";

/** `defaults` are the model's own, `arrived` is when the request came, in milliseconds. */
export async function generate(
  engine: Engine,
  request: GenerateArguments,
  defaults: SamplingOptions,
  arrived: number,
  signal: AbortSignal,
  emit: (event: GenerateEvent) => void,
): Promise<GenerateResult> {
  const prompt = promptIds(engine, request.prompt);
  const cached = engine.start(prompt, engineOptions(request, defaults));
  const clock = new Clock(arrived, prompt.length - cached);
  for (;;) {
    engine.compute();
    const step = engine.step();
    switch (step.type) {
      case "prefill":
        emit(step);
        break;
      case "token":
        clock.token();
        emit({ ...step, timings: clock.timings });
        break;
      case "end":
        return { reason: step.reason, text: step.text, usage: openAiUsage(step.usage), timings: clock.timings };
    }
    await turn();
    signal.throwIfAborted();
  }
}

function promptIds(engine: Engine, prompt: GenerateArguments["prompt"]): Uint32Array {
  if ("ids" in prompt) return tokenIds(prompt.ids);
  if ("text" in prompt) return engine.tokenize(prompt.text, true);
  if (prompt.messages.length === 0) throw new NomulError("input", "there are no messages to answer");
  const now = new Date();
  return engine.chatPrompt(prompt.messages, true, now.getTime() / 1000 - now.getTimezoneOffset() * 60);
}

/** Token ids as the engine takes them; a typed array would silently bend what is none. */
export function tokenIds(ids: number[]): Uint32Array {
  const place = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id > 0xffffffff);
  if (place >= 0) throw new NomulError("input", `token ${ids[place]} at ${place} is not a token id`);
  return Uint32Array.from(ids);
}

function engineOptions({ maxTokens, stop, sampling }: GenerateArguments, defaults: SamplingOptions): EngineOptions {
  // Whoever names a temperature has left the model's settings behind.
  const { logit_bias, ...rest } = sampling.temperature === undefined ? { ...defaults, ...given(sampling) } : sampling;
  const bias = logit_bias && Object.entries(logit_bias).map(([id, value]) => [Number(id), value] as [number, number]);
  return {
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
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

function openAiUsage({ prompt_tokens, cached_tokens, completion_tokens }: EngineUsage): Usage {
  const total_tokens = prompt_tokens + completion_tokens;
  return { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details: { cached_tokens } };
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
