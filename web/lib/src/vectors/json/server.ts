/** The worker's side of a space: one space, and the calls upon it one after the other. */
import { Turns, type HandlersOf } from "../../calls.js";
import { NomulError } from "../../errors.js";
import { turn } from "../../turn.js";
import type { Engine } from "../engine.js";
import { count } from "../numbers.js";
import type { Bytes, Storage } from "../storage.js";
import type { Given, JsonCalls } from "./protocol.js";
import type { Agreement, Answer, Hit, JsonVector, SpaceInfo } from "./types.js";

type Space = InstanceType<Engine["JsonSpace"]>;

/** Documents, or rows of a search, after which it is looked whether somebody has given up. */
const DOCUMENTS = 256;
const ROWS = 1 << 16;
const LINE_END = 10;

export function handlers(engine: Engine, storage: Storage): HandlersOf<JsonCalls> {
  const turns = new Turns();
  let space: Space | undefined;

  const using = <T>(signal: AbortSignal, work: (space: Space) => T | Promise<T>) =>
    turns.take(signal, () => {
      if (space === undefined) throw new NomulError("not_ready", "there is no space yet");
      return work(space);
    });

  /** The numbers of a vector that this encoder made. */
  const own = (space: Space, { encoder, data }: JsonVector) => {
    if (encoder === space.identity) return data;
    throw new NomulError("unsupported", `a vector of the encoder ${encoder}, this one is ${space.identity}`);
  };
  const vector = (space: Space, given: Given) => {
    if ("document" in given) return space.encode(given.document);
    return "id" in given ? space.vector(given.id) : own(space, given.vector);
  };
  const marked = (space: Space, data: Int16Array | Uint8Array): JsonVector => ({ encoder: space.identity, data });
  /** Exact numbers, for what changes them. */
  const sums = (space: Space, vector: JsonVector) => {
    const data = own(space, vector);
    if (data instanceof Int16Array) return data;
    throw new NomulError("input", "the signs of a vector cannot be edited: encode it as sums");
  };

  return {
    create: async ({ schema, sample, vocabulary }) => {
      let complete = schema;
      if (sample.length > 0) {
        const inference = new engine.JsonInference();
        try {
          sample.forEach((document) => inference.observe(document));
          complete = inference.complete(schema);
        } finally {
          inference.free();
        }
      }
      space = new engine.JsonSpace(complete, count(vocabulary, "vocabulary"));
      return info(space);
    },
    load: async ({ file, identity }) => {
      space = engine.JsonSpace.load(new Uint8Array(file), identity);
      return info(space);
    },
    open: async ({ name, identity }) => {
      const parts = await storage.read(name);
      if (parts === undefined) throw new NomulError("missing", `no space is kept as ${name}`);
      const all: Bytes[] = [];
      for await (const part of parts) all.push(part);
      space = engine.JsonSpace.load(new Uint8Array(await new Blob(all).arrayBuffer()), identity);
      return info(space);
    },
    info: (_, { signal }) => using(signal, info),
    names: (_, { signal }) => using(signal, (space) => space.names()),
    encode: ({ document, signs }, { signal }) =>
      using(signal, (space) => marked(space, signs ? space.encodeSigns(document) : space.encode(document))),
    signs: (vector, { signal }) => using(signal, (space) => marked(space, space.signs(sums(space, vector)))),
    insert: ({ ids, documents }, { signal, emit }) =>
      using(signal, async (space) => {
        for (const [i, id] of ids.entries()) {
          space.insert(id, documents[i]!);
          if (i % DOCUMENTS === DOCUMENTS - 1) {
            emit({ done: i + 1, total: ids.length });
            await turn();
            signal.throwIfAborted();
          }
        }
        return undefined;
      }),
    insertLines: ({ part, line: first }, { signal, emit }) =>
      using(signal, async (space) => {
        const before = space.size;
        for (let at = 0, line = first; at < part.length; line++) {
          const found = part.indexOf(LINE_END, at);
          const end = found < 0 ? part.length : found;
          const bytes = part.subarray(line === 1 ? behindMark(part) : at, end);
          if (bytes.some((byte) => byte > 32)) space.insertLine(line, trimmed(bytes));
          at = end + 1;
          if (line % DOCUMENTS === 0) {
            emit({ done: at });
            await turn();
            signal.throwIfAborted();
          }
        }
        return space.size - before;
      }),
    remove: (ids, { signal }) => using(signal, (space) => ids.filter((id) => space.remove(id)).length),
    vector: (id, { signal }) => using(signal, (space) => marked(space, space.vector(id))),
    similarity: ({ a, b }, { signal }) =>
      using(signal, (space) => space.similarity(vector(space, a), vector(space, b))),
    search: ({ query, k, allowed }, { signal, emit }) =>
      using(signal, async (space) => {
        space.startSearch(vector(space, query), count(k, "k"), allowed);
        for (let done = 0; !space.stepSearch(ROWS);) {
          done = Math.min(done + ROWS, space.size);
          emit({ done, total: space.size });
          await turn();
          signal.throwIfAborted();
        }
        return JSON.parse(space.endSearch()) as Hit[];
      }),
    get: ({ subject, path }, { signal }) =>
      using(signal, (space) => JSON.parse(space.get(vector(space, subject), path)) as Answer),
    explain: ({ document, other }, { signal }) =>
      using(signal, (space) => JSON.parse(space.explain(document, vector(space, other))) as Agreement[]),
    analogy: ({ value, first, second }, { signal }) =>
      using(signal, (space) => {
        const text = space.analogy(value, vector(space, first), vector(space, second));
        const [path, answer] = JSON.parse(text) as [string, Answer];
        return { path, answer };
      }),
    edit: ({ vector, path, before, after }, { signal }) =>
      using(signal, (space) => marked(space, space.edit(sums(space, vector), path, before, after))),
    attach: ({ text, numbers }, { signal }) => using(signal, (space) => void space.attach(text, numbers)),
    missingTexts: (document, { signal }) => using(signal, (space) => space.missingTexts(document)),
    capacity: ({ document, candidates }, { signal }) =>
      using(signal, (space) => {
        const [leaves, squares] = space.leaves(document) as unknown as [number, number];
        const { dimension } = JSON.parse(space.schema) as SpaceInfo["schema"];
        const among = count(candidates, "candidates");
        return {
          leaves,
          recall: engine.jsonRecall(dimension, squares, among, false),
          recallOfSigns: engine.jsonRecall(dimension, squares, among, true),
          holds: engine.jsonHolds(dimension, among, 0.99, false),
          holdsAsSigns: engine.jsonHolds(dimension, among, 0.99, true),
        };
      }),
    file: (_, { signal }) => using(signal, (space) => space.save().buffer as ArrayBuffer),
    save: (name, { signal }) =>
      using(signal, (space) => storage.write(name, once(space.save() as Bytes)).then(() => undefined)),
    delete: (name) => storage.remove(name),
  };
}

const info = (space: Space): SpaceInfo => ({
  identity: space.identity,
  schema: JSON.parse(space.schema) as SpaceInfo["schema"],
  size: space.size,
  memory: space.memory,
});

async function* once(part: Bytes): AsyncGenerator<Bytes> {
  yield part;
}

/** Where a text begins that may have a byte order mark. */
const behindMark = (text: Uint8Array) => (text[0] === 0xef && text[1] === 0xbb && text[2] === 0xbf ? 3 : 0);

/** A line without the return that some systems end it with. */
const trimmed = (line: Uint8Array) => (line.at(-1) === 13 ? line.subarray(0, -1) : line);
