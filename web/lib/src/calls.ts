/** The worker's side of the protocol, whatever the worker answers. */
import { packError } from "./errors.js";
import type { Answer, CallMap, Port, Request, Response } from "./protocol.js";

/** What a call gets beside its arguments. */
export interface CallContext<Event> {
  /** Fires when the caller has given up. */
  signal: AbortSignal;
  /** Reports on the way. */
  emit: (event: Event) => void;
}

/** A function for each call. */
export type HandlersOf<C extends CallMap<C>> = {
  [N in keyof C]: (args: C[N]["arguments"], context: CallContext<C[N]["event"]>) => Promise<C[N]["result"]>;
};

/**
 * Answers the calls that come through the port, for as long as the worker lives. `handler` finds who answers a call,
 * `answered` gets what the caller says to questions of the worker.
 */
export function answerCalls<C extends CallMap<C>>(
  port: Port<Response, Request<C>>,
  handler: <N extends keyof C>(call: N) => HandlersOf<C>[N],
  answered: (id: number, answer: Answer) => void = () => undefined,
): void {
  const running = new Map<number, AbortController>();

  const run = async <N extends keyof C>(id: number, call: N, args: C[N]["arguments"]) => {
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const result = await handler(call)(args, {
        signal: controller.signal,
        emit: (event) => port.post({ id, event }),
      });
      port.post({ id, result }, buffersOf(result));
    } catch (error) {
      port.post({ id, error: packError(error) });
    } finally {
      running.delete(id);
    }
  };

  port.listen(
    (request) => {
      if ("call" in request) void run(request.id, request.call, request.arguments);
      else if ("abort" in request) running.get(request.id)?.abort();
      else answered(request.id, request.answer);
    },
    () => undefined,
  );
}

/** Typed arrays cross without a copy: the result itself, or the fields of a plain object. Nobody else may hold them. */
function buffersOf(result: unknown): ArrayBuffer[] {
  if (typeof result !== "object" || result === null) return [];
  const buffers = [result, ...Object.values(result)].flatMap((value) => {
    const buffer: unknown = ArrayBuffer.isView(value) ? value.buffer : value;
    return buffer instanceof ArrayBuffer ? [buffer] : [];
  });
  return [...new Set(buffers)];
}

/** One at a time, in the order in which they came. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` when everything that was asked for before has ended; not at all if the signal has fired by then. */
  async take<T>(signal: AbortSignal, work: () => T | Promise<T>): Promise<T> {
    const before = this.#last;
    let free = () => {};
    this.#last = new Promise<void>((resolve) => (free = resolve));
    try {
      await before;
      signal.throwIfAborted();
      return await work();
    } finally {
      free();
    }
  }
}
