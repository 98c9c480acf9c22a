/** One answer, token by token, leaving room between steps for the worker to hear an abort and to take in weights. */
import type { Engine } from "./engine.js";
import type { GenerateArguments, GenerateEvent, GenerateResult } from "./protocol.js";
import type { Timings } from "./types.js";

export async function generate(
  engine: Engine,
  { prompt, ...options }: GenerateArguments,
  arrived: number,
  signal: AbortSignal,
  emit: (event: GenerateEvent) => void,
): Promise<GenerateResult> {
  engine.start(promptIds(engine, prompt), options);
  const clock = new Clock(arrived);
  for (;;) {
    const step = engine.step();
    const now = performance.now();
    switch (step.kind) {
      case "prefill":
        clock.read(step.done, now);
        emit(step);
        break;
      case "token":
        clock.token(now);
        emit({ ...step, timings: clock.timings });
        break;
      case "end":
        return { reason: step.reason, text: step.text, usage: step.usage, timings: clock.timings };
    }
    await turn();
    signal.throwIfAborted();
  }
}

function promptIds(engine: Engine, prompt: GenerateArguments["prompt"]): Uint32Array {
  if ("messages" in prompt) return engine.chatPrompt(prompt.messages, true);
  if ("text" in prompt) return engine.tokenize(prompt.text);
  return Uint32Array.from(prompt.ids);
}

/** Lets the worker's event loop go round once. A timer would wait four milliseconds, this does not wait. */
const turn: () => Promise<void> = typeof setImmediate === "function" ? immediateTurn : messageTurn();

function immediateTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function messageTurn(): () => Promise<void> {
  const { port1, port2 } = new MessageChannel();
  let next: (() => void) | undefined;
  port1.onmessage = () => next?.();
  return () =>
    new Promise((resolve) => {
      next = resolve;
      port2.postMessage(undefined);
    });
}

/** Turns the moments of a request into {@link Timings}. */
class Clock {
  readonly #arrived: number;
  readonly #started = performance.now();
  #read = 0;
  #readBy: number;
  #tokens = 0;
  #first = 0;
  #newest = 0;

  constructor(arrived: number) {
    this.#arrived = arrived;
    this.#readBy = this.#started;
  }

  read(done: number, now: number): void {
    this.#read = done;
    this.#readBy = now;
  }

  token(now: number): void {
    if (this.#tokens++ === 0) this.#first = now;
    this.#newest = now;
  }

  get timings(): Timings {
    return {
      time_to_first_token_s: this.#tokens > 0 ? (this.#first - this.#arrived) / 1000 : 0,
      prefill_tokens_per_s: perSecond(this.#read, this.#readBy - this.#started),
      decode_tokens_per_s: perSecond(this.#tokens - 1, this.#newest - this.#first),
    };
  }
}

function perSecond(count: number, milliseconds: number): number {
  return count > 0 && milliseconds > 0 ? (count * 1000) / milliseconds : 0;
}
