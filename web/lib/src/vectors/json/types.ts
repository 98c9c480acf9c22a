/** What `nomul/json` takes and gives. */
import type { JsonText } from "./text.js";

/** Anything that `JSON.stringify` writes as JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * All that an encoder depends on: equal schemas give equal vectors in every browser, in Node and natively. A schema that
 * was inferred can be read from {@link SpaceInfo}, changed, kept and used again.
 */
export interface Schema {
  /** The version of the encoder it is for: 1. */
  version: number;
  /** Signs of a vector, 256 to 65,536. As a rule, 4,096 hold 70 leaves, and 1,024 hold 15. */
  dimension: number;
  /** Everything random follows from it. */
  seed?: number;
  /** What weighs the same: every leaf of a document, wherever it is, or (`"levels"`) every child of one container. */
  balance?: "leaves" | "levels";
  /** What each level further down weighs, against the one above: over 0, at most 1. */
  depth?: number;
  /** Hints by path, with `[]` for the items of an array: `"items[].price"`. `""` is the document itself. */
  paths?: Record<string, Hint>;
}

/** What is to be done at a path. */
export interface Hint {
  /** How much it counts against others, itself and all below: over 0, at most 64; 1 by default. */
  weight?: number;
  /** Leaves it out, itself and all below. */
  ignore?: boolean;
  /**
   * What an array is: `"ordered"` (the default), `"near"` (positions up to `reach` places away are similar), a `"bag"` whose
   * items have no positions, or a `"set"`, whose items count once.
   */
  array?: { mode: "ordered" | "bag" | "set" } | { mode: "near"; reach: number };
  /**
   * What a string is: one symbol (`"whole"`, the default), its `"words"`, its runs of `size` characters, a `"date"` of ISO 8601
   * that is similar to others less than `unit` seconds away and, with most of the places, to those less than `near` away, or an `"embedding"`, see {@link JsonSpace.attach}.
   */
  string?:
    | { mode: "whole" | "words" | "embedding" }
    | { mode: "ngrams"; size: number }
    | { mode: "date"; unit: number; near?: number };
  /**
   * What a number is: one symbol (`"exact"`), a point on a line where similarity ends after `unit`, a ratio where it ends
   * after so many `octaves` (and which is linear below `small`), a rank between the numbers of `at`, or a point on a
   * circle of `period` with `marks` steps of similarity.
   */
  number?:
    | { mode: "exact" }
    | { mode: "linear"; unit: number }
    | { mode: "log"; small: number; octaves: number }
    | { mode: "quantiles"; at: number[] }
    | { mode: "circular"; period: number; marks: number };
  /**
   * The share of the places, 0 to 1 in steps of 64 places, that tell whether two numbers, dates or texts are equal at all; the
   * others tell how near they are. 0 by default; inference takes 0.5 for numbers and dates.
   */
  exact?: number;
  /** The least and the largest number that came. */
  range?: [number, number];
}

/** A new space. */
export interface SpaceOptions {
  /** The schema, whole or in part: what is left out is as in {@link Schema}, with 4,096 signs. */
  schema?: Partial<Schema> | undefined;
  /** Documents from which hints are inferred for the paths that the schema has none for. */
  sample?: Iterable<Json | JsonText> | undefined;
  /** How many different values are remembered for {@link JsonSpace.get}: 1,000,000 by default. */
  vocabulary?: number | undefined;
}

/** What a space is. */
export interface SpaceInfo {
  /** The encoder's version and a digest of its schema. Vectors of different identities are never compared. */
  identity: string;
  schema: Required<Pick<Schema, "version" | "dimension" | "seed" | "balance" | "depth" | "paths">>;
  /** How many documents there are. */
  size: number;
  /** Bytes of memory that their vectors take. */
  memory: number;
}

/** A vector, marked with the encoder that made it. Plain data: it can be kept and sent. */
export interface JsonVector {
  encoder: string;
  /** The sums themselves, which can be edited, or (a `Uint8Array`) their signs, packed into bits: a sixteenth as large. */
  data: Int16Array | Uint8Array;
}

/** A document, a vector, or the name of a document in the space. */
export type Subject = { document: Json | JsonText } | { vector: JsonVector } | { id: string };

/** What a vector holds at a path. */
export interface Answer {
  /** The most similar of the values that the path can have. For a container, what was found below it. */
  value: Json;
  /** The cosine of its symbol with what the vector holds there. */
  similarity: number;
  /** The probability that chance alone gives no candidate this similarity; anything below about 0.9 is a guess. */
  confidence: number;
  /** How many candidates there were. */
  candidates: number;
}

/** One leaf of a document, held against another vector. */
export interface Agreement {
  path: string;
  value: Json;
  weight: number;
  /** About 1: the other has the same there; about 0: something unrelated, or nothing. */
  agreement: number;
}

/** A document that was found. */
export interface Hit {
  id: string;
  /** The cosine of the signs. */
  similarity: number;
}

/** How well a vector holds a document. */
export interface Capacity {
  /** Leaves of the document. */
  leaves: number;
  /** The probability that one of them is found again among `candidates`, from the exact vector. */
  recall: number;
  /** The same from its signs. */
  recallOfSigns: number;
  /** How many leaves of one weight are each found with 99 %, from the exact vector. */
  holds: number;
  /** The same from its signs. */
  holdsAsSigns: number;
}

export interface WorkOptions {
  /** Gives up; the call fails with an `AbortError`. */
  signal?: AbortSignal | undefined;
  /** Told on the way, when it takes long. */
  onProgress?: ((progress: { done: number; total: number }) => void) | undefined;
}

/** JSON Lines: a text, its bytes, a file, or a stream of bytes. */
export type JsonLines = string | ArrayBuffer | Uint8Array<ArrayBuffer> | Blob | AsyncIterable<Uint8Array<ArrayBuffer>>;

export interface LinesOptions {
  /** Gives up; the call fails with an `AbortError`, and the lines so far are in. */
  signal?: AbortSignal | undefined;
  /** Told on the way: bytes that were read, and of how many, if that is known. */
  onProgress?: ((progress: { done: number; total: number | undefined }) => void) | undefined;
}

export interface JsonSearchOptions extends WorkOptions {
  /** How many documents, 10 by default. */
  k?: number | undefined;
  /** The names of documents that may be found, or a function that tells whether one may be. */
  filter?: Iterable<string> | ((id: string) => boolean) | undefined;
}
