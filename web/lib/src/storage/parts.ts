/**
 * Digests of the parts of shards that are kept. What the engine has taken from the network it has checked, so its parts are
 * digested then; when they are read again the browser compares them, on other threads, and several times as fast as a module
 * can. A part is compared before the engine gets it.
 */
import type { Shard } from "../engine.js";
import type { Bytes } from "../source.js";

/** Of the parts of a shard in order, each of so many bytes but for the last: their SHA-256 as hexadecimal digits. */
export interface PartDigests {
  bytes: number;
  sha256: string[];
}

/** Bytes of a part. Browsers map memory anew for larger ones, which takes longer than to digest them. */
const PART = 256 << 10;
/** Parts that are read and compared ahead of their use. */
const AHEAD = 8;

/** Digests a shard as it passes by. */
export class Ledger {
  readonly #digests: Promise<string>[] = [];
  readonly #part = new Uint8Array(PART);
  #filled = 0;

  add(bytes: Bytes): void {
    for (let at = 0; at < bytes.length;) {
      const some = bytes.subarray(at, at + PART - this.#filled);
      this.#part.set(some, this.#filled);
      this.#filled += some.length;
      at += some.length;
      if (this.#filled === PART) this.#digest();
    }
  }

  /** What has passed, once the shard is known to be right. */
  async end(): Promise<PartDigests> {
    if (this.#filled > 0) this.#digest();
    return { bytes: PART, sha256: await Promise.all(this.#digests) };
  }

  #digest(): void {
    // The browser takes a copy.
    const digest = sha256(this.#part.subarray(0, this.#filled));
    digest.catch(() => undefined);
    this.#digests.push(digest);
    this.#filled = 0;
  }
}

/** What was written down of a shard, if it fits to it. */
export function digestsOf(shard: Shard, written: unknown): PartDigests | undefined {
  const { bytes, sha256 } = (written ?? {}) as Partial<PartDigests>;
  if (bytes !== PART || !Array.isArray(sha256) || sha256.length !== Math.ceil(shard.bytes / PART)) return undefined;
  return sha256.every((digest) => /^[0-9a-f]{64}$/.test(String(digest))) ? { bytes, sha256 } : undefined;
}

/**
 * The parts of a shard in order, each compared; a part is overwritten by a later one. `read` fills a part with what lies at
 * a place, and answers with how much that was.
 */
export async function* compared(
  shard: Shard,
  digests: PartDigests,
  read: (part: Bytes, at: number) => number | Promise<number>,
): AsyncGenerator<Bytes, void, void> {
  // One more than are on their way: that which was given last is still in use.
  const room = Array.from({ length: AHEAD + 1 }, () => new Uint8Array(digests.bytes));
  const coming: Promise<Bytes>[] = [];
  const take = async (position: number): Promise<Bytes> => {
    const at = position * digests.bytes;
    const part = room[position % room.length]!.subarray(0, Math.min(digests.bytes, shard.bytes - at));
    const length = await read(part, at);
    if (length !== part.length || (await sha256(part)) !== digests.sha256[position]) {
      throw new Error(`${shard.file}: what is stored has changed`);
    }
    return part;
  };
  for (const position of digests.sha256.keys()) {
    const part = take(position);
    part.catch(() => undefined);
    coming.push(part);
    if (coming.length === AHEAD) yield coming.shift()!;
  }
  for (const part of coming) yield part;
}

async function sha256(bytes: Bytes): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
