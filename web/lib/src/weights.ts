/** Shards into the engine: first what is kept of each, then the rest from the network, which is kept too. */
import type { Engine, Shard } from "./engine.js";
import type { Progress } from "./progress.js";
import { Changed } from "./read.js";
import type { Feed, Missing } from "./segments.js";
import type { Bytes } from "./source.js";
import type { Keeping } from "./storage/keeping.js";
import type { Ledger } from "./storage/parts.js";

/** Thrown where bytes are not those of the shard; the cause says how. */
class Damaged extends Error {}

export class Weights {
  readonly #engine: Engine;
  readonly #shards: Shard[];
  readonly #keeping: Keeping;
  readonly #missing: Missing[];
  readonly #feed: Feed;
  readonly #progress: Progress;
  readonly #signal: AbortSignal;
  /** Bytes that storage had at first, but for damaged ones. */
  #kept: number;

  constructor(
    engine: Engine,
    shards: Shard[],
    keeping: Keeping,
    missing: Missing[],
    feed: Feed,
    progress: Progress,
    signal: AbortSignal,
  ) {
    this.#engine = engine;
    this.#shards = shards;
    this.#keeping = keeping;
    this.#missing = missing;
    this.#feed = feed;
    this.#progress = progress;
    this.#signal = signal;
    this.#kept = missing.reduce((sum, { from }) => sum + from, 0);
    progress.ahead = () => this.#kept - progress.fromCache + feed.waiting;
  }

  /**
   * Brings one shard, the next in order. The engine checks its SHA-256 before it uses it, but for one whose parts are compared
   * with what they were when it had.
   */
  async shard(position: number): Promise<void> {
    const { file, from } = this.#missing[position]!;
    const progress = this.#progress;
    const { fromCache } = progress;
    progress.file = file.name;
    progress.update();
    try {
      const compared = this.#keeping.compared(position);
      if (compared !== undefined) {
        this.#engine.trust();
        return await this.#fromStorage(position, compared);
      }
      const ledger = this.#keeping.ledger();
      await this.#fromStorage(position, this.#keeping.read(position), ledger);
      await this.#fromNetwork(position, this.#feed.rest(position), ledger);
    } catch (error) {
      if (!(error instanceof Damaged || error instanceof Changed)) throw error;
      // Whatever is wrong, old bytes or new ones: once more, all of it, from the network.
      this.#kept -= from;
      progress.fromCache = fromCache;
      file.validator = undefined;
      await this.#forget(position);
      await this.#fromNetwork(position, this.#feed.anew(position), this.#keeping.ledger()).catch(
        async (error: unknown) => {
          if (!(error instanceof Damaged)) throw error;
          await this.#forget(position);
          throw error.cause;
        },
      );
    }
  }

  async #fromStorage(position: number, parts: AsyncIterable<Bytes>, ledger?: Ledger): Promise<void> {
    try {
      for await (const part of parts) {
        this.#push(part);
        ledger?.add(part);
        this.#progress.fromCache += part.length;
        this.#progress.update();
      }
    } catch (cause) {
      this.#signal.throwIfAborted();
      if (cause instanceof Damaged) throw cause;
      throw new Damaged(`${this.#shards[position]!.file}: cannot be read from storage`, { cause });
    }
  }

  async #fromNetwork(position: number, parts: AsyncIterable<Bytes>, ledger?: Ledger): Promise<void> {
    const { file } = this.#missing[position]!;
    for await (const part of parts) {
      this.#push(part);
      ledger?.add(part);
      await this.#keeping.append(position, part, file.validator);
      this.#progress.stored = this.#keeping.stored;
      this.#progress.update();
    }
    if (ledger) this.#keeping.remember(position, ledger);
  }

  /** Each part goes straight into the engine, which keeps weights in one place. */
  #push(part: Bytes): void {
    this.#signal.throwIfAborted();
    try {
      this.#engine.push(part);
    } catch (cause) {
      // A trap of the engine carries no code.
      if (typeof (cause as { code?: unknown }).code !== "string") throw cause;
      throw new Damaged("the engine refused the bytes", { cause });
    }
  }

  async #forget(position: number): Promise<void> {
    this.#engine.rewind();
    await this.#keeping.drop(position);
  }
}
