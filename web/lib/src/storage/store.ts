/** What a place offers that keeps models. */
import type { Shard } from "../engine.js";
import type { Bytes } from "../source.js";
import type { PartDigests } from "./parts.js";

/** What is written down about a model that is kept. */
export interface ModelRecord {
  /** The model folder's address. */
  url: string;
  shards: Shard[];
  /** When it was used last, in milliseconds since 1970. */
  lastUsed: number;
  /** What the server called the version of a shard that is not complete, by the shard's checksum. */
  validators: Record<string, string>;
  /** Digests of the parts of shards that are complete, by the shard's checksum. */
  parts?: Record<string, PartDigests>;
}

/** A kept model, seen from outside. */
export interface Listed {
  /** `undefined` where a record was cut off: then it is only known that something lies there. */
  record: ModelRecord | undefined;
  /** What it takes up, older versions included. */
  bytes: number;
  /** Every shard is whole. */
  complete: boolean;
  /** Fails where another tab is using it. */
  remove(): Promise<void>;
}

export interface Store {
  readonly kind: "opfs" | "cache-api";
  /** Everything that is kept. */
  list(): Promise<Listed[]>;
  /** What is kept of one model, to be read. */
  open(url: string, shards: Shard[]): Promise<Shelf>;
}

/** One model in a store, while it is loaded. Anything here may fail; loading goes on without it then. */
export interface Shelf {
  /** For each shard, how many bytes from its start are here. */
  readonly lengths: number[];
  /** What the server called the version of a shard that is not complete. */
  validator(position: number): string | undefined;
  /**
   * Notes that the model is used, and makes ready to keep what is missing. Answers with the positions of which nothing can
   * be kept, as another tab is at it.
   */
  prepare(): Promise<number[]>;
  /** What is here of a shard. A part is overwritten by the next one. */
  read(position: number): AsyncIterable<Bytes>;
  /** A whole shard, each part compared with its digest, overwritten by a later one; `undefined` where there are no digests. */
  compared(position: number): AsyncIterable<Bytes> | undefined;
  /** Notes the digests of a whole shard, where they can be kept. */
  remember(position: number, digests: PartDigests): void;
  /** Adds the next bytes of a shard. */
  append(position: number, bytes: Bytes, validator: string | undefined): Promise<void>;
  /** Forgets the bytes of a shard: they are damaged. Answers whether it can be added anew. */
  drop(position: number): Promise<boolean>;
  /** Keys and values of what conversations begin with, if some were kept; nobody has checked them. */
  beginning(): Promise<Bytes | undefined>;
  /** Keeps them, where that can be. */
  keepBeginning(state: Bytes): Promise<void>;
  /** Removes what an older version of the model left; answers with how many bytes that were. */
  tidy(): Promise<number>;
  close(): Promise<void>;
}
