/** The calling thread's side of the protocol. */
import { NomulError, abortError, packError, unpackError } from "./errors.js";
import type { Answer, Ask, CallMap, Calls, Port, Request, Response } from "./protocol.js";
import type { Parts, Source, Want } from "./source.js";

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
  onEvent: ((event: never) => void) | undefined;
}

export interface CallOptions<Event> {
  signal?: AbortSignal | undefined;
  onEvent?: ((event: Event) => void) | undefined;
  /** What the arguments hand over to the worker. */
  transfer?: Transferable[] | undefined;
}

export class Client<C extends CallMap<C> = Calls> {
  readonly #port: Port<Request<C>, Response>;
  readonly #pending = new Map<number, Pending>();
  #next = 1;
  #ended: NomulError | undefined;
  readonly #files: Files | undefined;

  /** `source` answers when the worker asks this thread for files. */
  constructor(port: Port<Request<C>, Response>, source?: Source) {
    this.#port = port;
    this.#files = source && new Files(source);
    port.hold(false);
    port.listen(
      (response) => {
        if (!("ask" in response)) return this.#receive(response);
        void this.#files?.answer(response.id, response.ask).then((answer) => {
          if (answer === undefined || this.#ended) return;
          port.post({ id: response.id, answer }, "part" in answer ? [answer.part.buffer] : []);
        });
      },
      (message) => void this.end(new NomulError("internal", `the worker failed: ${message}`)),
    );
  }

  /** A number that this client has not given yet. */
  number(): number {
    return this.#next++;
  }

  /** Asks the worker. Rejects with an `AbortError` as soon as the signal fires; the worker stops at its next step. */
  async call<N extends keyof C>(
    call: N,
    args: C[N]["arguments"],
    { signal, onEvent, transfer }: CallOptions<C[N]["event"]> = {},
  ): Promise<C[N]["result"]> {
    if (this.#ended) throw this.#ended;
    if (signal?.aborted) throw abortError(signal);
    const id = this.#next++;
    let onAbort = () => {};
    try {
      return await new Promise<C[N]["result"]>((resolve, reject) => {
        onAbort = () => {
          this.#port.post({ id, abort: true });
          reject(abortError(signal));
        };
        signal?.addEventListener("abort", onAbort);
        this.#pending.set(id, { resolve: resolve as Pending["resolve"], reject, onEvent });
        this.#port.hold(true);
        this.#port.post({ id, call, arguments: args } as Request<C>, transfer);
      });
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#pending.delete(id);
      this.#port.hold(this.#pending.size > 0);
    }
  }

  /** Ends the worker; whoever still waits gets the error. Resolves when the worker has ended. */
  async end(error: NomulError): Promise<void> {
    if (this.#ended) return;
    this.#ended = error;
    this.#files?.close();
    const ended = this.#port.end();
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    await ended;
  }

  #receive(response: Exclude<Response, { ask: Ask }>): void {
    const pending = this.#pending.get(response.id);
    // A call that was given up may still report.
    if (pending === undefined) return;
    if ("event" in response) pending.onEvent?.(response.event as never);
    else if ("error" in response) pending.reject(unpackError(response.error));
    else pending.resolve(response.result);
  }
}

/** Reads files for the worker through the caller's own `fetch`. */
class Files {
  readonly #source: Source;
  readonly #open = new Map<number, Parts>();
  /** One for each request in flight or open file. */
  readonly #controllers = new Map<number, AbortController>();

  constructor(source: Source) {
    this.#source = source;
  }

  async answer(id: number, ask: Ask): Promise<Answer | undefined> {
    try {
      if ("open" in ask) return await this.#opened(id, ask.open, ask.want);
      if ("read" in ask) return await this.#read(ask.read);
      this.#controllers.get(ask.close)?.abort();
      this.#controllers.delete(ask.close);
      this.#open.delete(ask.close);
      return undefined;
    } catch (error) {
      return { error: packError(error) };
    }
  }

  async #opened(id: number, name: string, want: Want): Promise<Answer> {
    const controller = new AbortController();
    this.#controllers.set(id, controller);
    const opened = await this.#source.open(name, want, controller.signal);
    if (opened === undefined) return { absent: true };
    const { parts, partial, validator } = opened;
    this.#open.set(id, parts);
    return { head: { partial, validator } };
  }

  async #read(handle: number): Promise<Answer> {
    const next = await this.#open.get(handle)?.next();
    if (next === undefined || next.done) return { end: true };
    // The part is handed over, so it must own its buffer.
    const { value } = next;
    return { part: value.byteLength === value.buffer.byteLength ? value : value.slice() };
  }

  /** Ends every request. */
  close(): void {
    for (const controller of this.#controllers.values()) controller.abort();
    this.#controllers.clear();
    this.#open.clear();
  }
}
