/** Fetches the weights in segments, several at once, and gives their bytes in order. */
import { abortError } from "./errors.js";
import { readSpan, type Connection, type FileState, type Span } from "./read.js";
import type { Bytes, Parts } from "./source.js";
import { tuning } from "./tuning.js";

/** A file, and where its bytes begin that are not here yet. */
export interface Missing {
  file: FileState & { length: number };
  from: number;
}

export interface FeedOptions {
  /** Files up to this position are waited for: nothing behind them is asked for before their last byte has come. */
  awaited: number;
  signal: AbortSignal;
}

/**
 * The window that slides over all segments: at most `tuning.requests` are on their way, the next of which is asked for when
 * one has come, so that the line is not idle while segments that ended together are used up; at most twice as many are on
 * their way or wait to be used. The first request goes out alone, for its answer tells whether the source has ranges; from
 * one without, each file comes over one connection.
 */
export class Feed {
  readonly #connection: Connection;
  readonly #missing: Missing[];
  readonly #options: FeedOptions;
  /** Not asked for yet. */
  #planned: Segment[] = [];
  /** Asked for and not used up. */
  #window: Segment[] = [];
  /** Whether the source has ranges; unknown before its first answer. */
  #ranges: boolean | undefined;
  /** Nothing new is asked for. */
  #held = false;

  constructor(connection: Connection, missing: Missing[], options: FeedOptions) {
    this.#connection = connection;
    this.#missing = missing;
    this.#options = options;
    this.#plan(0, missing[0]?.from ?? 0);
    options.signal.addEventListener("abort", () => this.close());
  }

  /** Bytes that have come and wait to be used. */
  get waiting(): number {
    return this.#window.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /** Asks for the first segments. */
  begin(): void {
    this.#fill();
  }

  /** What is missing of a file, in order. */
  async *rest(position: number): Parts {
    for (;;) {
      this.#options.signal.throwIfAborted();
      this.#fill();
      const first = this.#window[0];
      if (first?.position !== position) return;
      yield* first.parts();
      this.#window.shift();
    }
  }

  /** All of a file anew, over one connection; nothing else is asked for meanwhile. What waits of it is dropped. */
  async *anew(position: number): Parts {
    const isOther = (segment: Segment) => segment.position !== position;
    this.#planned = this.#planned.filter(isOther);
    for (const segment of this.#window) if (!isOther(segment)) segment.cancel();
    this.#window = this.#window.filter(isOther);
    this.#held = true;
    const { file } = this.#missing[position]!;
    const span = { from: 0, to: file.length, whole: true };
    yield* readSpan(this.#connection, file, span, { signal: this.#options.signal, fresh: true });
    this.#held = false;
  }

  /** Ends all requests. */
  close(): void {
    this.#held = true;
    for (const segment of this.#window) segment.cancel();
  }

  /** Plans everything from a byte of a file on. */
  #plan(position: number, from: number): void {
    this.#planned = [];
    for (const [at, { file, from: begin }] of this.#missing.entries()) {
      if (at < position) continue;
      const step = this.#ranges === false ? file.length : tuning.segmentBytes;
      for (let next = at === position ? from : begin; next < file.length; next += step) {
        this.#planned.push(new Segment(at, next, Math.min(next + step, file.length), this.#ranges === false));
      }
    }
  }

  #fill(): void {
    const most = this.#ranges ? tuning.requests : 1;
    const coming = () => this.#window.filter(({ done }) => !done).length;
    const hasRoom = () => coming() < most && this.#window.length < 2 * most;
    while (!this.#held && hasRoom() && this.#mayAsk(this.#planned[0])) {
      const segment = this.#planned.shift()!;
      this.#window.push(segment);
      const { file } = this.#missing[segment.position]!;
      void segment.read(this.#connection, file, (partial) => this.#answered(segment, partial)).then(() => this.#fill());
    }
  }

  #mayAsk(segment: Segment | undefined): boolean {
    const { awaited } = this.#options;
    if (segment === undefined) return false;
    return segment.position <= awaited || this.#window.every(({ position, done }) => position > awaited || done);
  }

  #answered(segment: Segment, partial: boolean): void {
    if (partial) {
      this.#ranges ??= true;
      this.#fill();
    } else if (this.#ranges !== false) {
      this.#useWholeFiles(segment);
    }
  }

  /** The whole file came although a part was asked for. If it is the one in use, its answer serves up to its end. */
  #useWholeFiles(segment: Segment): void {
    this.#ranges = false;
    const [first, ...others] = this.#window as [Segment, ...Segment[]];
    for (const other of others) other.cancel();
    this.#window = [first];
    const { length } = this.#missing[first.position]!.file;
    if (segment === first) first.to = length;
    this.#plan(first.position, first.to);
  }
}

/** A span of one file, read ahead of its use. */
class Segment implements Span {
  /** Which file. */
  readonly position: number;
  readonly from: number;
  to: number;
  readonly whole: boolean;
  /** All has come. */
  done = false;
  /** Bytes that have come and wait to be used. */
  waiting = 0;
  #received = 0;
  readonly #parts: Bytes[] = [];
  readonly #controller = new AbortController();
  #error: unknown;
  /** Either side waits for the other: the reader for room, the user for bytes. */
  #wake = () => {};

  constructor(position: number, from: number, to: number, whole: boolean) {
    this.position = position;
    this.from = from;
    this.to = to;
    this.whole = whole;
  }

  /** Reads until all has come. Failures wait for the user. */
  async read(connection: Connection, file: FileState, onAnswer: (partial: boolean) => void): Promise<void> {
    const { signal } = this.#controller;
    try {
      for await (const part of readSpan(connection, file, this, { signal, onAnswer })) {
        this.#parts.push(part);
        this.waiting += part.length;
        this.#received += part.length;
        this.#wake();
        const more = () => this.from + this.#received < this.to;
        // Only a whole file can be too much for memory.
        while (this.waiting >= tuning.segmentBytes && more() && !signal.aborted) await this.#woken();
      }
      this.done = true;
    } catch (error) {
      this.#error = error;
    }
    this.#wake();
  }

  /** The bytes as they come. */
  async *parts(): Parts {
    for (;;) {
      const part = this.#parts.shift();
      if (part !== undefined) {
        this.waiting -= part.length;
        this.#wake();
        yield part;
      } else if (this.#error !== undefined) {
        throw this.#error;
      } else if (this.done) {
        return;
      } else {
        await this.#woken();
      }
    }
  }

  cancel(): void {
    this.#controller.abort(abortError());
    this.#wake();
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
