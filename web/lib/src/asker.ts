/** The source that asks the calling thread for its bytes, for a caller with a `fetch` of its own. */
import { unpackError } from "./errors.js";
import type { Answer, Ask, Port, Request, Response } from "./protocol.js";
import type { Opened, Parts, Source, Want } from "./source.js";

export class Asker implements Source {
  readonly #port: Port<Response, Request>;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #next = 1;

  constructor(port: Port<Response, Request>) {
    this.#port = port;
  }

  /** What the caller says to a question. */
  answered(id: number, answer: Answer): void {
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    resolve?.(answer);
  }

  async open(file: string, want: Want, signal: AbortSignal): Promise<Opened | undefined> {
    const handle = this.#next;
    try {
      const answer = await this.#ask({ open: file, want }, signal);
      if ("head" in answer) {
        return { ...answer.head, parts: this.#parts(handle, signal), close: () => this.#close(handle) };
      }
      this.#close(handle);
      return undefined;
    } catch (error) {
      this.#close(handle);
      throw error;
    }
  }

  async *#parts(handle: number, signal: AbortSignal): Parts {
    try {
      for (;;) {
        const answer = await this.#ask({ read: handle }, signal);
        if (!("part" in answer)) return;
        yield answer.part;
      }
    } finally {
      this.#close(handle);
    }
  }

  /** Ends the request, whether or not its answer is here. */
  #close(handle: number): void {
    this.#port.post({ id: this.#next++, ask: { close: handle } });
  }

  async #ask(ask: Ask, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    const id = this.#next++;
    let onAbort = () => {};
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        onAbort = () => reject(signal.reason);
        signal.addEventListener("abort", onAbort);
        this.#waiting.set(id, resolve);
        this.#port.post({ id, ask });
      });
      if ("error" in answer) throw unpackError(answer.error);
      return answer;
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#waiting.delete(id);
    }
  }
}
