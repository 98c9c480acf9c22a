/** Keeps a model's shards while it loads. Trouble with storage never stops loading: storing stops, and that is told. */
import type { Shard } from "../engine.js";
import type { Stored } from "../load-types.js";
import type { Bytes } from "../source.js";
import { Ledger } from "./parts.js";
import { makeRoom, removeOldest } from "./room.js";
import type { Shelf } from "./store.js";
import type { Places } from "./stores.js";

export interface KeepOptions {
  url: string;
  shards: Shard[];
  evict: boolean;
}

export class Keeping {
  /** Where bytes are kept, or why not. */
  stored: Stored;
  /** Nothing can be read or written without one. */
  readonly #shelf: Shelf | undefined;
  readonly #options: KeepOptions;
  /** Digests that are being made. */
  readonly #remembering: Promise<void>[] = [];
  /** Shards that another tab is adding. */
  readonly #busy = new Set<number>();

  private constructor(options: KeepOptions, stored: Stored, shelf?: Shelf) {
    this.#options = options;
    this.stored = stored;
    this.#shelf = shelf;
  }

  /** Opens what is kept of a model, in the best of the stores, of which there are no more for that reason. */
  static async open(options: KeepOptions, { stores, reason }: Places): Promise<Keeping> {
    const { url, shards } = options;
    let why = reason;
    for (const store of stores) {
      let shelf: Shelf | undefined;
      try {
        shelf = await store.open(url, shards);
        const keeping = new Keeping(options, { kind: store.kind }, shelf);
        await keeping.#prepare(shelf);
        return keeping;
      } catch (error) {
        await shelf?.close().catch(() => undefined);
        why = reasonOf(error);
      }
    }
    return new Keeping(options, { kind: "none", reason: why });
  }

  async #prepare(shelf: Shelf): Promise<void> {
    const { url, shards, evict } = this.#options;
    const missing = shards.reduce((sum, { bytes }, position) => sum + bytes - shelf.lengths[position]!, 0);
    const lack = missing > 0 ? await makeRoom(missing, url, evict ? shelf : undefined) : undefined;
    if (lack !== undefined) return this.#stop(lack);
    for (const position of await shelf.prepare()) this.#busy.add(position);
    if (this.#busy.size > 0) this.stored = { ...this.stored, reason: "another tab is storing this model" };
  }

  #stop(reason: string): void {
    this.stored = { kind: "none", reason };
  }

  /** How many bytes of a shard are here, from its start. */
  length(position: number): number {
    return this.#shelf?.lengths[position] ?? 0;
  }

  /** What the server called the version of those bytes. */
  validator(position: number): string | undefined {
    return this.length(position) > 0 ? this.#shelf?.validator(position) : undefined;
  }

  /** What is here of a shard. It may be damaged, and reading may fail. A part is overwritten by the next one. */
  async *read(position: number): AsyncGenerator<Bytes, void, void> {
    if (this.length(position) > 0) yield* this.#shelf!.read(position);
  }

  /** All of a shard, no byte of which is another than when it was stored; `undefined` where that is not known beforehand. */
  compared(position: number): AsyncIterable<Bytes> | undefined {
    return this.#shelf?.compared(position);
  }

  /** What digests a shard as it passes by, where digests can be kept. */
  ledger(): Ledger | undefined {
    return this.stored.kind === "opfs" ? new Ledger() : undefined;
  }

  /** Notes what has passed of a shard, all of which is right. */
  remember(position: number, ledger: Ledger): void {
    const remember = async () => {
      const digests = await ledger.end();
      if (this.length(position) === this.#options.shards[position]!.bytes) this.#shelf?.remember(position, digests);
    };
    this.#remembering.push(remember().catch(() => undefined));
  }

  /** Keeps the next bytes of a shard, if it can. */
  async append(position: number, bytes: Bytes, validator: string | undefined): Promise<void> {
    if (this.#shelf === undefined || this.stored.kind === "none" || this.#busy.has(position)) return;
    const end = this.length(position) + bytes.length;
    for (;;) {
      try {
        return await this.#shelf.append(position, bytes, validator);
      } catch (error) {
        if (!(await this.#hasMadeRoom(error))) return this.#stop(reasonOf(error));
        // Some of it may have been written.
        bytes = bytes.subarray(bytes.length - (end - this.length(position)));
      }
    }
  }

  /** Browsers tell of more room than there is, so as not to tell how large a disk is. */
  async #hasMadeRoom(error: unknown): Promise<boolean> {
    const { url, evict } = this.#options;
    // A response that has failed cannot be gone on with.
    if (!evict || this.stored.kind !== "opfs" || !isFull(error)) return false;
    const freed = await this.#shelf?.tidy().catch(() => 0);
    return freed ? true : removeOldest(url).catch(() => false);
  }

  /** Forgets the bytes of a shard: they are damaged. */
  async drop(position: number): Promise<void> {
    const dropped = await this.#shelf?.drop(position).catch(() => false);
    if (dropped === false) this.#busy.add(position);
  }

  /** Keys and values of what conversations begin with; they may be those of another model. */
  async beginning(): Promise<Bytes | undefined> {
    return this.#shelf?.beginning().catch(() => undefined);
  }

  /** Keeps them for the next visit, if it can. */
  async keepBeginning(state: Bytes): Promise<void> {
    if (this.stored.kind !== "none") await this.#shelf?.keepBeginning(state).catch(() => undefined);
  }

  /** The model is complete: an older version of it is of no more use. */
  async complete(): Promise<void> {
    await Promise.all(this.#remembering);
    const whole = this.#options.shards.every(({ bytes }, position) => this.length(position) === bytes);
    if (whole) await this.#shelf?.tidy().catch(() => 0);
  }

  async close(): Promise<void> {
    await this.#shelf?.close().catch(() => undefined);
  }
}

const isFull = (error: unknown) => error instanceof Error && error.name === "QuotaExceededError";

function reasonOf(error: unknown): string {
  if (isFull(error)) return "the browser lets this site store no more";
  return error instanceof Error ? error.message : String(error);
}
