/** The index, for whatever a worker is made of. */
import type { Client } from "../../client.js";
import { NomulError } from "../../errors.js";
import type { Platform, StartOptions } from "../platform.js";
import { start } from "../start.js";
import type { Found, SearchCalls } from "./protocol.js";
import type {
  ImageOptions,
  IndexInfo,
  IndexShape,
  Keys,
  Neighbour,
  OpenOptions,
  SearchOptions,
  Shape,
  VectorData,
} from "./types.js";

/** What `VectorIndex` offers. */
export interface VectorIndexes {
  /** An empty index. */
  create(shape: IndexShape, options?: StartOptions): Promise<VectorIndex>;
  /**
   * The index of an image that {@link VectorIndex.toArrayBuffer} has made, here, in Node or natively. An image that is
   * truncated, damaged or something else fails with the code `format`, `checksum` or `unsupported`. The buffer is handed
   * over and empty afterwards.
   */
  load(image: ArrayBuffer, options?: StartOptions & OpenOptions): Promise<VectorIndex>;
  /** The index that {@link VectorIndex.save} has kept under this name (in Node: a path); `missing` if there is none. */
  open(name: string, options?: StartOptions & OpenOptions): Promise<VectorIndex>;
  /** Forgets what is kept under this name (in Node: removes the file); answers whether it was there. */
  delete(name: string, options?: StartOptions): Promise<boolean>;
  /** The bytes of memory that an index of so many vectors takes, to be known before it is built. */
  memory(shape: Shape & { vectors: number }, options?: StartOptions): Promise<number>;
}

/**
 * Vectors with keys, and who is near whom. It lives in a worker of its own; calls are answered in the order in which they
 * are made.
 */
export interface VectorIndex {
  /** What it holds, how many vectors, and the memory they take. */
  info(): Promise<IndexInfo>;
  /** Adds vectors under new keys. An error (`input`: a key that is there) names the vector; those before it are in. */
  insert(keys: number | Keys, vectors: VectorData): Promise<void>;
  /** Puts other vectors under keys that are there; fails with `missing` where one is not. */
  update(keys: number | Keys, vectors: VectorData): Promise<void>;
  /** Adds vectors, or takes the place of those that are there. */
  put(keys: number | Keys, vectors: VectorData): Promise<void>;
  /** Takes vectors out; answers with how many there were. */
  remove(keys: number | Keys): Promise<number>;
  /** A vector in the form in which it was put, `undefined` where there is none. */
  get(key: number): Promise<VectorData | undefined>;
  /** All keys, in no particular order. */
  keys(): Promise<Float64Array<ArrayBuffer>>;
  /** The nearest neighbours of a vector, best first. */
  search(query: VectorData, options?: SearchOptions): Promise<Neighbour[]>;
  /** The same for several vectors, one behind the other, in one pass over the index, which is quicker than one by one. */
  searchMany(queries: VectorData, options?: SearchOptions): Promise<Neighbour[][]>;
  /** The index as one image of bytes, the same on every engine. */
  toArrayBuffer(options?: ImageOptions): Promise<ArrayBuffer>;
  /**
   * Keeps the index under a name: in a page in the browser's private file system, in Node in the file of that path. What
   * was kept before stays until the new one is complete.
   */
  save(name: string, options?: ImageOptions): Promise<void>;
  /** Ends the worker and frees all of its memory. `await using` works too. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export function vectorIndexes(platform: Platform): VectorIndexes {
  /** A worker with an index that the first call makes. */
  const opened = async (
    options: StartOptions,
    first: (client: Client<SearchCalls>) => Promise<unknown>,
  ): Promise<VectorIndex> => {
    const client = await start<SearchCalls>(platform, "search", options);
    try {
      await first(client);
      return new Handle(client);
    } catch (error) {
      client.end(new NomulError("disposed", "the index could not be opened"));
      throw error;
    }
  };
  /** A worker for one call. */
  const once = async <T>(options: StartOptions, call: (client: Client<SearchCalls>) => Promise<T>): Promise<T> => {
    const client = await start<SearchCalls>(platform, "search", options);
    try {
      return await call(client);
    } finally {
      client.end(new NomulError("disposed", "the worker has ended"));
    }
  };
  return {
    create: ({ kind, dimensions, metric, encoder = "" }, options = {}) =>
      opened(options, (client) => client.call("create", { kind, dimensions, metric, encoder }, options)),
    load: (image, options = {}) =>
      opened(options, (client) => {
        const { signal, onProgress, encoder } = options;
        return client.call("load", { image, encoder }, { signal, onEvent: onProgress, transfer: [image] });
      }),
    open: (name, options = {}) =>
      opened(options, (client) => {
        const { signal, onProgress, encoder } = options;
        return client.call("open", { name, encoder }, { signal, onEvent: onProgress });
      }),
    delete: (name, options = {}) => once(options, (client) => client.call("delete", name, options)),
    memory: ({ kind, dimensions, metric, vectors }, options = {}) =>
      once(options, (client) => client.call("memory", { kind, dimensions, metric, vectors }, options)),
  };
}

/** Vectors that cross to the worker at once, in bytes. */
const PART = 1 << 22;

class Handle implements VectorIndex {
  readonly #client: Client<SearchCalls>;

  constructor(client: Client<SearchCalls>) {
    this.#client = client;
  }

  info() {
    return this.#client.call("info", undefined);
  }

  insert(keys: number | Keys, vectors: VectorData) {
    return this.#put("insert", keys, vectors);
  }

  update(keys: number | Keys, vectors: VectorData) {
    return this.#put("update", keys, vectors);
  }

  put(keys: number | Keys, vectors: VectorData) {
    return this.#put("put", keys, vectors);
  }

  async #put(mode: "insert" | "update" | "put", keys: number | Keys, vectors: VectorData): Promise<void> {
    const all = list(keys);
    if (all.length === 0 || vectors.length % all.length !== 0) {
      if (all.length === 0 && vectors.length === 0) return;
      throw new NomulError("input", `vectors: ${vectors.length} elements for ${all.length} keys`);
    }
    const each = vectors.length / all.length;
    const step = Math.max(1, Math.floor(PART / Math.max(1, each * vectors.BYTES_PER_ELEMENT)));
    for (let from = 0; from < all.length; from += step) {
      const part = {
        keys: all.slice(from, from + step),
        vectors: vectors.slice(from * each, (from + step) * each),
        mode,
      };
      await this.#client.call("put", part, { transfer: [part.keys.buffer, part.vectors.buffer] });
    }
  }

  remove(keys: number | Keys) {
    return this.#client.call("remove", list(keys));
  }

  get(key: number) {
    return this.#client.call("get", key);
  }

  keys() {
    return this.#client.call("keys", undefined);
  }

  async search(query: VectorData, options?: SearchOptions): Promise<Neighbour[]> {
    const [found, ...more] = await this.searchMany(query, options);
    if (found === undefined || more.length > 0) throw new NomulError("input", "query: not one vector");
    return found;
  }

  async searchMany(
    queries: VectorData,
    { k = 10, candidates = Math.max(512, 64 * k), filter, signal, onProgress }: SearchOptions = {},
  ): Promise<Neighbour[][]> {
    const allowed = typeof filter === "function" ? (await this.keys()).filter(filter) : filter && list(filter);
    const tell = onProgress !== undefined;
    const wanted = { queries, k, candidates: candidates === 0 ? undefined : candidates, allowed, tell };
    const transfer = allowed && [allowed.buffer];
    return lists(await this.#client.call("search", wanted, { signal, onEvent: onProgress, transfer }));
  }

  toArrayBuffer({ signal, onProgress }: ImageOptions = {}) {
    return this.#client.call("image", undefined, { signal, onEvent: onProgress });
  }

  async save(name: string, { signal, onProgress }: ImageOptions = {}): Promise<void> {
    await this.#client.call("save", name, { signal, onEvent: onProgress });
  }

  async dispose(): Promise<void> {
    this.#client.end(new NomulError("disposed", "the index has been disposed of"));
  }

  [Symbol.asyncDispose]() {
    return this.dispose();
  }
}

/** Keys as they travel; a copy, so that it can be handed over. */
const list = (keys: number | Keys): Float64Array<ArrayBuffer> =>
  typeof keys === "number" ? Float64Array.of(keys) : Float64Array.from(keys);

function lists({ keys, scores, counts }: Found): Neighbour[][] {
  let at = 0;
  return Array.from(counts, (count) => {
    const from = at;
    at += count;
    return Array.from({ length: count }, (_, i) => ({ key: keys[from + i]!, score: scores[from + i]! }));
  });
}
