/** Vector symbolic architectures, wherever the module is loaded. */
import { NomulError, isCode } from "../../errors.js";
import type { Engine } from "../engine.js";
import { count } from "../numbers.js";
import type { Cleaned, Factors, Hypervector, ModelName, Signs, Sums, VsaOptions } from "./types.js";

/** Loads the module for the calling thread. */
export type LoadEngine = (wasmUrl: string | URL | undefined) => Promise<Engine>;

/**
 * Operations on vectors, in the calling thread: most take a few microseconds. The same seed gives the same vectors on
 * every engine. All lists may be empty; all vectors are of `dimensions` places, and others fail with the code `shape`.
 */
export class Vsa {
  readonly model: ModelName;
  readonly dimensions: number;
  readonly seed: number;
  readonly #engine: Engine;
  readonly #vsa: InstanceType<Engine["Vsa"]>;

  private constructor(engine: Engine, model: ModelName, dimensions: number, seed: number) {
    [this.model, this.dimensions, this.seed, this.#engine] = [model, dimensions, seed, engine];
    this.#vsa = tell(() => new engine.Vsa(model, count(dimensions, "dimensions"), seed));
  }

  /** @internal */
  static async create(load: LoadEngine, options: VsaOptions): Promise<Vsa> {
    const { model = "MAP", dimensions = 10_000, seed = 0, wasmUrl } = options;
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new NomulError("input", `seed: ${seed} is not a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`);
    }
    return new Vsa(await load(wasmUrl), model, dimensions, seed);
  }

  /** The symbol of a name: the same whenever it is asked for. */
  atom(name: string): Signs {
    return this.#vsa.atom(name);
  }

  /** New symbols. */
  random(many: number): Signs[] {
    return this.#apart(this.#vsa.random(count(many, "count")));
  }

  /** What binding leaves alone. */
  identity(): Signs {
    return this.#vsa.identity();
  }

  /** Symbols from one random vector to an unrelated one in even steps. */
  level(many: number): Signs[] {
    return this.#apart(this.#vsa.level(count(many, "count")));
  }

  /** Symbols around a circle: neighbours are alike, opposite ones unrelated. */
  circular(many: number): Signs[] {
    return this.#apart(this.#vsa.circular(count(many, "count")));
  }

  /** Symbols from all -1 to all +1 in even steps. */
  thermometer(many: number): Signs[] {
    return this.#apart(this.#vsa.thermometer(count(many, "count")));
  }

  /** Symbols at right angles, at most as many as the largest power of two that divides `dimensions`. */
  equiangular(many: number): Signs[] {
    return tell(() => this.#apart(this.#vsa.equiangular(count(many, "count"))));
  }

  /** A vector bound to a key. One of the two has to be signs: the key; MAP and BSC take them in either order. */
  bind<V extends Hypervector>(key: Signs, x: V): V;
  bind(key: Sums, x: Signs): Sums;
  bind(key: Hypervector, x: Hypervector): Hypervector {
    return this.#withKey("bind", key, x);
  }

  /** What `bind(key, x)` was made of: `x`, exactly. torchhd writes `bind(x, inverse(key))`. */
  unbind<V extends Hypervector>(key: Signs, x: V): V {
    return this.#withKey("unbind", key, x) as V;
  }

  #withKey(how: "bind" | "unbind", key: Hypervector, x: Hypervector): Hypervector {
    const turned = key instanceof Int16Array && this.model !== "MBAT";
    const [first, second] = turned ? [x, key] : [key, x];
    if (first instanceof Int16Array) throw new NomulError("input", `${how}: a key is signs, not sums`);
    return tell(() => this.#vsa[how](first, second) as Hypervector);
  }

  /** What unbinds when it is bound: the vector itself. MBAT has none, see {@link Vsa.unbind}. */
  inverse(x: Signs): Signs {
    return tell(() => this.#vsa.inverse(x));
  }

  /** All signs turned: taken away when bundled. */
  negative<V extends Hypervector>(x: V): V {
    return tell(() => this.#vsa.negative(x) as V);
  }

  /** Shifted cyclically: place `i` goes to `i + shifts`. */
  permute<V extends Hypervector>(x: V, shifts = 1): V {
    if (!Number.isInteger(shifts) || Math.abs(shifts) > 0x7fffffff) {
      throw new NomulError("input", `shifts: ${shifts} is not a whole number within 31 bits`);
    }
    return tell(() => this.#vsa.permute(x, shifts) as V);
  }

  /** The sum of vectors; with BSC their majority. */
  bundle(...vectors: readonly Hypervector[]): Hypervector {
    return this.multiset(vectors);
  }

  /** The sum of vectors; with BSC their majority. */
  multiset(vectors: readonly Hypervector[]): Hypervector {
    const sums = vectors.filter((vector) => vector instanceof Int16Array);
    const signs = vectors.filter((vector) => vector instanceof Uint8Array);
    if (this.model === "BSC" && sums.length > 0) throw new NomulError("input", "BSC has no sums");
    const all = new Int16Array(sums.length * this.dimensions);
    sums.forEach((vector, i) => all.set(this.#sized(vector, this.dimensions), i * this.dimensions));
    return tell(() => this.#vsa.bundle(this.#together(signs), all) as Hypervector);
  }

  /** All bound together: with MBAT the first is the outermost. */
  multibind(vectors: readonly Signs[]): Signs {
    return tell(() => this.#vsa.multibind(this.#together(vectors)));
  }

  /** Values under keys: `unbind(key, table)` is the value, and noise that {@link Vsa.cleanup} takes away. */
  hashTable(keys: readonly Signs[], values: readonly Signs[]): Hypervector {
    return tell(() => this.#vsa.hashTable(this.#together(keys), this.#together(values)) as Hypervector);
  }

  /** The sum of every one of `first` bound with every one of `second`. */
  crossProduct(first: readonly Signs[], second: readonly Signs[]): Hypervector {
    return tell(() => this.#vsa.crossProduct(this.#together(first), this.#together(second)) as Hypervector);
  }

  /** `P^(m-1) x1 + P^(m-2) x2 + … + xm`, with `P` the cyclic shift: alike if much stands in the same place. */
  bundleSequence(vectors: readonly Signs[]): Hypervector {
    return tell(() => this.#vsa.bundleSequence(this.#together(vectors)) as Hypervector);
  }

  /** `P^(m-1) x1 · P^(m-2) x2 · … · xm`: unrelated if anything differs. With MBAT it is {@link Vsa.multibind}. */
  bindSequence(vectors: readonly Signs[]): Signs {
    return tell(() => this.#vsa.bindSequence(this.#together(vectors)));
  }

  /** The sum of all runs of `n` neighbours, each bound as a sequence. */
  ngrams(vectors: readonly Signs[], n = 3): Hypervector {
    return tell(() => this.#vsa.ngrams(this.#together(vectors), count(n, "n")) as Hypervector);
  }

  /** The sum of all edges: `from · to`, or `from · P to` where they have a direction. */
  graph(
    edges: Iterable<readonly [from: Signs, to: Signs]>,
    { directed = false }: { directed?: boolean | undefined } = {},
  ): Hypervector {
    const all = [...edges];
    const from = this.#together(all.map(([from]) => from));
    const to = this.#together(all.map(([, to]) => to));
    return tell(() => this.#vsa.graph(from, to, directed) as Hypervector);
  }

  /** The signs of a vector; where a sum is zero, the seed decides. */
  hardQuantize(x: Hypervector): Signs {
    return tell(() => this.#vsa.hardQuantize(x));
  }

  /** `<a, b>`, signs counting as -1 and +1. */
  dotSimilarity(a: Hypervector, b: Hypervector): number {
    return tell(() => this.#vsa.dot(a, b));
  }

  /** The cosine: 1 for the same, about 0 for unrelated ones. */
  cosSimilarity(a: Hypervector, b: Hypervector): number {
    return tell(() => this.#vsa.cosine(a, b));
  }

  /** In how many places two vectors of signs are the same. */
  hammingSimilarity(a: Signs, b: Signs): number {
    return this.dimensions - tell(() => this.#vsa.hamming(a, b));
  }

  /** The nearest vector of a memory. Fails with `missing` if its cosine is not over `threshold`. */
  cleanup(x: Hypervector, memory: readonly Signs[], threshold = 0): Cleaned {
    return tell(() => {
      const [index = 0] = this.#vsa.cleanup(x, this.#together(memory));
      const vector = memory[index]!;
      const similarity = this.#vsa.cosine(x, vector);
      if (similarity > threshold) return { index, vector, similarity };
      throw new NomulError(
        "missing",
        `the nearest is ${index}, of cosine ${similarity.toFixed(4)}: over ${threshold} is asked`,
      );
    });
  }

  /**
   * Which vectors, one of each list, were bound to this product: a resonator network (Frady and others, 2020). It need not
   * find them; `exact` says whether it did. For MAP and BSC.
   */
  resonator(product: Signs, lists: readonly (readonly Signs[])[], { rounds = 100 } = {}): Factors {
    return tell(() => {
      const all = lists.map((list) => this.#together(list));
      const found = [...this.#vsa.resonator(product, all, count(rounds, "rounds"))];
      return { indexes: found.slice(0, -1), exact: found.at(-1) === 1 };
    });
  }

  /** Learns classes from examples. */
  classifier(): CentroidClassifier {
    return new CentroidClassifier(this.#engine, this.dimensions);
  }

  /** The numbers of a vector: those that torchhd's MAP has. */
  numbers(x: Hypervector): Int16Array {
    if (x instanceof Int16Array) return x.slice();
    const packed = this.#sized(x, this.#bytes);
    return Int16Array.from({ length: this.dimensions }, (_, i) => 1 - 2 * ((packed[i >> 3]! >> (i & 7)) & 1));
  }

  /** Signs from numbers: -1 where one is negative. */
  pack(numbers: ArrayLike<number>): Signs {
    const signs = new Uint8Array(this.#bytes);
    const all = this.#sized(numbers, this.dimensions);
    for (let i = 0; i < all.length; i++) if (all[i]! < 0) signs[i >> 3]! |= 1 << (i & 7);
    return signs;
  }

  get #bytes() {
    return Math.ceil(this.dimensions / 8);
  }

  #sized<T extends ArrayLike<number>>(vector: T, wanted: number): T {
    if (vector.length === wanted) return vector;
    throw new NomulError("shape", `a vector of ${vector.length} elements, those here have ${wanted}`);
  }

  #together(list: readonly Signs[]): Uint8Array {
    const all = new Uint8Array(list.length * this.#bytes);
    list.forEach((vector, i) => all.set(this.#sized(vector, this.#bytes), i * this.#bytes));
    return all;
  }

  #apart(all: Uint8Array): Signs[] {
    return Array.from({ length: all.length / this.#bytes }, (_, i) =>
      all.slice(i * this.#bytes, (i + 1) * this.#bytes),
    );
  }
}

/** A class is the sum of its examples; an example belongs to the class of the largest cosine. */
export class CentroidClassifier {
  readonly #classifier: InstanceType<Engine["CentroidClassifier"]>;

  /** @internal */
  constructor(engine: Engine, dimensions: number) {
    this.#classifier = tell(() => new engine.CentroidClassifier(dimensions));
  }

  /** Adds an example to its class, which may be new. */
  add(name: string, example: Signs): void {
    tell(() => this.#classifier.add(name, example));
  }

  /** Learns from an example only if it is taken for another class (as OnlineHD, in steps of one); says whether it was. */
  refine(name: string, example: Signs): boolean {
    return tell(() => this.#classifier.refine(name, example));
  }

  /** The class of an example. Fails with `input` while there are none. */
  predict(example: Signs): { name: string; similarity: number } {
    const [name, similarity] = tell(() => this.#classifier.predict(example)) as [string, number];
    return { name, similarity };
  }
}

/** Errors of the engine as the package's own. */
function tell<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (error instanceof NomulError || !(error instanceof Error) || !isCode(code)) throw error;
    throw new NomulError(code, error.message);
  }
}
