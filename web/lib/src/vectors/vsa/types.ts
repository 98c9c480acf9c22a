/** What `nomul/vsa` takes and gives. Names are those of torchhd, written as JavaScript writes them. */

/**
 * Signs, packed: place `i` is bit `i % 8` of byte `i / 8`, set for -1 (in BSC's words: true). Symbols are signs, and all
 * vectors of BSC.
 */
export type Signs = Uint8Array;

/** Sums of signs, a number a place, held within -32,767 to 32,767: bundles of MAP and MBAT. */
export type Sums = Int16Array;

/** A vector of either kind. Plain data: it can be kept and sent. */
export type Hypervector = Signs | Sums;

/**
 * - `"MAP"` (multiply-add-permute; torchhd's default): binding is the product of signs, its own inverse; bundles are sums.
 * - `"BSC"` (binary spatter code): the same with bits; bundles are majorities, ties decided by the seed.
 * - `"MBAT"` (matrix binding of additive terms) with signed permutations: `bind(key, x)` is `key · P x` with `P` the
 *   cyclic shift. It does not commute, so `bind(a, bind(b, x))` and `bind(b, bind(a, x))` are unrelated.
 */
export type ModelName = "MAP" | "BSC" | "MBAT";

export interface VsaOptions {
  /** `"MAP"` by default. */
  model?: ModelName | undefined;
  /** Places of a vector, 256 to 65,536; 10,000 by default. */
  dimensions?: number | undefined;
  /** Everything random follows from it: a whole number, 0 by default. */
  seed?: number | undefined;
  /** Where the `.wasm` file lies, if not beside the package's other files. */
  wasmUrl?: string | URL | undefined;
}

/** The nearest vector of a memory. */
export interface Cleaned {
  /** Its place in the memory. */
  index: number;
  /** The vector itself. */
  vector: Signs;
  /** Its cosine with what was given. */
  similarity: number;
}

/** What a product was made of. */
export interface Factors {
  /** For each list the place of its vector. */
  indexes: number[];
  /** Whether their product is the vector: then they are right. */
  exact: boolean;
}
