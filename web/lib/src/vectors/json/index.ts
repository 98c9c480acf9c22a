/** The space, for whatever a worker is made of. */
import type { Client } from "../../client.js";
import { NomulError } from "../../errors.js";
import type { Platform, StartOptions } from "../platform.js";
import { partsOfLines } from "../parts.js";
import { start } from "../start.js";
import type { Given, JsonCalls } from "./protocol.js";
import { type JsonText, textOf } from "./text.js";
import type {
  Agreement,
  Answer,
  Capacity,
  Hit,
  Json,
  JsonSearchOptions,
  JsonLines,
  JsonVector,
  LinesOptions,
  SpaceInfo,
  SpaceOptions,
  Subject,
  WorkOptions,
} from "./types.js";

/** What `JsonSpace` offers. */
export interface JsonSpaces {
  /** A space without documents. A schema that is wrong fails with the path and the field. */
  create(options?: SpaceOptions & StartOptions): Promise<JsonSpace>;
  /**
   * The space of a file that {@link JsonSpace.toArrayBuffer} or `nomul json embed` has made. A file that is truncated or
   * changed fails with the code `format` or `checksum`, one of another encoder with `unsupported`. The buffer is handed
   * over and empty afterwards.
   */
  load(file: ArrayBuffer, options?: StartOptions & { identity?: string | undefined }): Promise<JsonSpace>;
  /** The space that {@link JsonSpace.save} has kept under this name (in Node: a path); `missing` if there is none. */
  open(name: string, options?: StartOptions & { identity?: string | undefined }): Promise<JsonSpace>;
  /** Forgets what is kept under this name (in Node: removes the file); answers whether it was there. */
  delete(name: string, options?: StartOptions): Promise<boolean>;
}

/**
 * Documents as vectors: similar documents have similar vectors. It lives in a worker of its own; calls are answered in
 * the order in which they are made.
 */
export interface JsonSpace {
  /** The encoder's identity and schema, how many documents there are, and the memory that their vectors take. */
  info(): Promise<SpaceInfo>;
  /** The names of all documents. */
  names(): Promise<string[]>;
  /** The vector of a document: its sums, or with `{ signs: true }` their signs, a sixteenth as large. */
  encode(document: Json | JsonText, options?: { signs?: boolean }): Promise<JsonVector>;
  /** The signs of a vector. */
  signs(vector: JsonVector): Promise<JsonVector>;
  /** The cosine of two documents or vectors: 1 for the same, about 0 for unrelated ones. */
  similarity(a: Subject, b: Subject): Promise<number>;

  /** Adds documents under new names. An error names the document; those before it are in. */
  insert(entries: Iterable<readonly [id: string, document: Json | JsonText]>, options?: WorkOptions): Promise<void>;
  /**
   * Adds the documents of JSON Lines, each under the number of its line; answers with how many there were. They may come
   * as a file or a stream, of which a part at a time is held. Errors name line and column; the lines before are in.
   */
  insertLines(lines: JsonLines, options?: LinesOptions): Promise<number>;
  /** Takes documents out; answers with how many there were. */
  remove(...ids: string[]): Promise<number>;
  /** The vector of a document: its signs. */
  vector(id: string): Promise<JsonVector>;
  /** The documents that are most similar to another one, best first. */
  search(query: Subject, options?: JsonSearchOptions): Promise<Hit[]>;

  /**
   * What a document's vector holds at a path such as `a.b[2].c`, chosen from the values that are known there; `"$"` for
   * all that is found. Fails with `missing` where nothing is known.
   */
  get(subject: Subject, path: string): Promise<Answer>;
  /** Which leaves of a document another one's vector has too. */
  explain(document: Json | JsonText, other: Subject): Promise<Agreement[]>;
  /** "What is the dollar of Mexico?": where does `first` hold the value, and what has `second` there? */
  analogy(value: Json | JsonText, first: Subject, second: Subject): Promise<{ path: string; answer: Answer }>;

  /** The vector with a value added at a path, without encoding its document again. Takes sums, and balanced leaves. */
  addField(vector: JsonVector, path: string, value: Json | JsonText): Promise<JsonVector>;
  /** The vector without the value at a path. */
  removeField(vector: JsonVector, path: string, value: Json | JsonText): Promise<JsonVector>;
  /** The vector with one value at a path in the place of another. */
  updateField(vector: JsonVector, path: string, before: Json | JsonText, after: Json | JsonText): Promise<JsonVector>;

  /** Gives a text the vector that a text encoder made of it, for paths whose strings are embeddings. */
  attach(text: string, vector: Float32Array | readonly number[]): Promise<void>;
  /** The texts of a document that {@link JsonSpace.attach} still has to be given. */
  missingTexts(document: Json | JsonText): Promise<string[]>;
  /** How well a vector holds a document whose leaves have so many possible values each (1,000 by default). */
  capacity(document: Json | JsonText, options?: { candidates?: number }): Promise<Capacity>;

  /** The space as one file of bytes, the same on every engine, and the one that `nomul json` reads and writes. */
  toArrayBuffer(): Promise<ArrayBuffer>;
  /** Keeps the space under a name: in a page in the browser's private file system, in Node in the file of that path. */
  save(name: string): Promise<void>;
  /** Ends the worker and frees all of its memory. `await using` works too. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export function jsonSpaces(platform: Platform): JsonSpaces {
  const opened = async (
    options: StartOptions,
    first: (client: Client<JsonCalls>) => Promise<unknown>,
  ): Promise<JsonSpace> => {
    const client = await start<JsonCalls>(platform, "json", options);
    try {
      await first(client);
      return new Handle(client);
    } catch (error) {
      client.end(new NomulError("disposed", "the space could not be opened"));
      throw error;
    }
  };
  return {
    create: ({ schema, sample = [], vocabulary = 1_000_000, ...options } = {}) =>
      opened(options, (client) => {
        const whole = JSON.stringify({ version: 1, dimension: 4096, ...schema });
        const texts = Array.from(sample, (document, i) => textOf(document, `sample ${i}`));
        return client.call("create", { schema: whole, sample: texts, vocabulary }, options);
      }),
    load: (file, { identity, ...options } = {}) =>
      opened(options, (client) => client.call("load", { file, identity }, { ...options, transfer: [file] })),
    open: (name, { identity, ...options } = {}) =>
      opened(options, (client) => client.call("open", { name, identity }, options)),
    delete: async (name, options = {}) => {
      const client = await start<JsonCalls>(platform, "json", options);
      try {
        return await client.call("delete", name, options);
      } finally {
        client.end(new NomulError("disposed", "the worker has ended"));
      }
    },
  };
}

class Handle implements JsonSpace {
  readonly #client: Client<JsonCalls>;

  constructor(client: Client<JsonCalls>) {
    this.#client = client;
  }

  info() {
    return this.#client.call("info", undefined);
  }

  names() {
    return this.#client.call("names", undefined);
  }

  async encode(document: Json | JsonText, { signs = false }: { signs?: boolean } = {}) {
    return this.#client.call("encode", { document: textOf(document, "document"), signs });
  }

  signs(vector: JsonVector) {
    return this.#client.call("signs", vector);
  }

  async similarity(a: Subject, b: Subject) {
    return this.#client.call("similarity", { a: given(a), b: given(b) });
  }

  async insert(
    entries: Iterable<readonly [id: string, document: Json | JsonText]>,
    { signal, onProgress }: WorkOptions = {},
  ): Promise<void> {
    const all = [...entries];
    const ids = all.map(([id]) => id);
    const documents = all.map(([id, document]) => textOf(document, `document ${id}`));
    await this.#client.call("insert", { ids, documents }, { signal, onEvent: onProgress });
  }

  async insertLines(lines: JsonLines, { signal, onProgress }: LinesOptions = {}): Promise<number> {
    const whole =
      typeof lines === "string"
        ? new TextEncoder().encode(lines)
        : lines instanceof ArrayBuffer
          ? new Uint8Array(lines)
          : lines;
    const total = whole instanceof Uint8Array ? whole.length : whole instanceof Blob ? whole.size : undefined;
    let done = 0;
    let inserted = 0;
    for await (const { part, line } of partsOfLines(whole)) {
      const { length } = part;
      const tell = (event: { done: number }) => onProgress?.({ done: done + event.done, total });
      const call = this.#client.call("insertLines", { part, line }, { signal, onEvent: tell, transfer: [part.buffer] });
      inserted += await call;
      done += length;
      onProgress?.({ done, total });
    }
    return inserted;
  }

  remove(...ids: string[]) {
    return this.#client.call("remove", ids);
  }

  vector(id: string) {
    return this.#client.call("vector", id);
  }

  async search(query: Subject, { k = 10, filter, signal, onProgress }: JsonSearchOptions = {}): Promise<Hit[]> {
    const allowed = typeof filter === "function" ? (await this.names()).filter(filter) : filter && [...filter];
    return this.#client.call("search", { query: given(query), k, allowed }, { signal, onEvent: onProgress });
  }

  async get(subject: Subject, path: string): Promise<Answer> {
    return this.#client.call("get", { subject: given(subject), path });
  }

  async explain(document: Json | JsonText, other: Subject): Promise<Agreement[]> {
    return this.#client.call("explain", { document: textOf(document, "document"), other: given(other) });
  }

  async analogy(value: Json | JsonText, first: Subject, second: Subject) {
    return this.#client.call("analogy", { value: textOf(value, "value"), first: given(first), second: given(second) });
  }

  async addField(vector: JsonVector, path: string, value: Json | JsonText) {
    return this.#client.call("edit", { vector, path, after: textOf(value, path) });
  }

  async removeField(vector: JsonVector, path: string, value: Json | JsonText) {
    return this.#client.call("edit", { vector, path, before: textOf(value, path) });
  }

  async updateField(vector: JsonVector, path: string, before: Json | JsonText, after: Json | JsonText) {
    return this.#client.call("edit", { vector, path, before: textOf(before, path), after: textOf(after, path) });
  }

  async attach(words: string, vector: Float32Array | readonly number[]): Promise<void> {
    await this.#client.call("attach", { text: words, numbers: Float32Array.from(vector) });
  }

  async missingTexts(document: Json | JsonText) {
    return this.#client.call("missingTexts", textOf(document, "document"));
  }

  async capacity(document: Json | JsonText, { candidates = 1_000 }: { candidates?: number } = {}): Promise<Capacity> {
    return this.#client.call("capacity", { document: textOf(document, "document"), candidates });
  }

  toArrayBuffer() {
    return this.#client.call("file", undefined);
  }

  async save(name: string): Promise<void> {
    await this.#client.call("save", name);
  }

  async dispose(): Promise<void> {
    this.#client.end(new NomulError("disposed", "the space has been disposed of"));
  }

  [Symbol.asyncDispose]() {
    return this.dispose();
  }
}

function given(subject: Subject): Given {
  return "document" in subject ? { document: textOf(subject.document, "document") } : subject;
}
