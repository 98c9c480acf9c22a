/** What `nomul/search` takes and gives. */

/** What an index holds. */
export interface Shape {
  /**
   * The numbers of a vector: `"signs"` are -1 and +1 in a bit each, `"ternary"` numbers -1, 0 and +1 in two bits, `"i8"`
   * and `"i16"` signed integers.
   */
  kind: "signs" | "ternary" | "i8" | "i16";
  /** How many numbers a vector has, 1 to 65,536. */
  dimensions: number;
  /** How vectors are compared: by `"cosine"` (the default) or by the `"dot"` product. */
  metric?: "cosine" | "dot" | undefined;
}

/** A new index. */
export interface IndexShape extends Shape {
  /**
   * What makes the vectors, and in which version. It goes with every image, and `load` and `open` refuse an image of
   * another encoder when they are told one: vectors of different encoders are not to be compared.
   */
  encoder?: string | undefined;
}

/** What an index is. */
export interface IndexInfo extends Required<Shape> {
  encoder: string;
  /** How many vectors there are. */
  size: number;
  /** The bytes of memory that they take. */
  memory: number;
}

/**
 * One vector, or several one behind the other. For `"signs"` packed bits in a `Uint8Array` (number `i` is bit `i % 8` of
 * byte `floor(i / 8)`; each vector begins with a byte of its own), or numbers, of which the signs count; for `"ternary"` and
 * `"i8"` an `Int8Array`, for `"i16"` an `Int16Array`.
 */
export type VectorData = Uint8Array | Int8Array | Int16Array;

/** Keys of vectors: whole numbers from 0 to 2^53 - 1. */
export type Keys = readonly number[] | Float64Array | Uint32Array | Int32Array;

export interface SearchOptions {
  /** How many neighbours to look for, 10 by default. */
  k?: number | undefined;
  /**
   * Search in two stages: the sign bits choose so many candidates, which are then scored exactly. `0` scores every vector.
   * The default is 64 for each neighbour, at least 512. Signs and ternary vectors are always scored exactly.
   */
  candidates?: number | undefined;
  /** The keys that may be found, or a function that tells whether a key may be. */
  filter?: Keys | ((key: number) => boolean) | undefined;
  /** Gives up; the search fails with an `AbortError`. */
  signal?: AbortSignal | undefined;
  /** Told on the way, for searches that take long: vectors looked at so far, and how many there are. */
  onProgress?: ((progress: { done: number; total: number }) => void) | undefined;
}

/** A neighbour. Equal scores come in the order of their keys. */
export interface Neighbour {
  key: number;
  /** The cosine, or the dot product. */
  score: number;
}

/** Options of what reads or writes an image. */
export interface ImageOptions {
  /** Gives up; what was stored before stays. */
  signal?: AbortSignal | undefined;
  /** Told on the way: bytes so far. */
  onProgress?: ((progress: { bytes: number }) => void) | undefined;
}

/** Options of what opens an image. */
export interface OpenOptions extends ImageOptions {
  /** Refuse an image of another encoder. */
  encoder?: string | undefined;
}
