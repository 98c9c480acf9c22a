/** The worker's side of an index: one index, and the calls upon it one after the other. */
import { Turns, type HandlersOf } from "../../calls.js";
import { NomulError, isAbort } from "../../errors.js";
import { turn } from "../../turn.js";
import type { Engine } from "../engine.js";
import { count } from "../numbers.js";
import type { Bytes, Storage } from "../storage.js";
import type { SearchCalls } from "./protocol.js";
import type { IndexInfo } from "./types.js";

type Index = InstanceType<Engine["VectorIndex"]>;

/** Milliseconds after which a search looks whether somebody has given up. */
const STEP_TIME = 10;
/** What the engine looks at together. */
const LEAST_ROWS = 256;
/** Bytes of an image that are handled at once. */
const PART = 1 << 20;

export function handlers(engine: Engine, storage: Storage): HandlersOf<SearchCalls> {
  const turns = new Turns();
  let index: Index | undefined;

  const ready = (): Index => {
    if (index === undefined) throw new NomulError("not_ready", "there is no index yet");
    return index;
  };
  const using = <T>(signal: AbortSignal, work: (index: Index) => T | Promise<T>) =>
    turns.take(signal, () => work(ready()));

  const read = async (
    parts: AsyncIterable<Bytes>,
    encoder: string | undefined,
    signal: AbortSignal,
    emit: (event: { bytes: number }) => void,
  ) => {
    const loader = new engine.IndexLoader(encoder);
    let bytes = 0;
    try {
      for await (const part of parts) {
        for (let at = 0; at < part.length; at += PART) {
          loader.push(part.subarray(at, at + PART));
          bytes += Math.min(PART, part.length - at);
          emit({ bytes });
          await turn();
          signal.throwIfAborted();
        }
      }
    } catch (error) {
      loader.free();
      throw error;
    }
    index = loader.finish();
    return info(index);
  };

  return {
    memory: async ({ kind, dimensions, metric = "cosine", vectors }) =>
      engine.indexMemory(kind, count(dimensions, "dimensions"), metric, count(vectors, "vectors")),
    create: async ({ kind, dimensions, metric = "cosine", encoder }) => {
      index = new engine.VectorIndex(kind, count(dimensions, "dimensions"), metric, encoder);
      return info(index);
    },
    load: ({ image, encoder }, { signal, emit }) => read(once(new Uint8Array(image)), encoder, signal, emit),
    open: ({ name, encoder }, { signal, emit }) =>
      stored(
        storage.read(name).then((parts) => {
          if (parts === undefined) throw new NomulError("missing", `no index is kept as ${name}`);
          return read(parts, encoder, signal, emit);
        }),
      ),
    info: (_, { signal }) => using(signal, info),
    put: ({ keys, vectors, mode }, { signal }) => using(signal, (index) => void index.put(keys, vectors, mode)),
    remove: (keys, { signal }) => using(signal, (index) => index.remove(keys)),
    get: (key, { signal }) => using(signal, (index) => index.get(key)),
    keys: (_, { signal }) => using(signal, (index) => new Float64Array(index.keys())),
    search: ({ queries, k, candidates, allowed, tell }, { signal, emit }) =>
      using(signal, async (index) => {
        index.startSearch(queries, count(k, "k"), candidates && count(candidates, "candidates"), allowed);
        const total = index.size;
        // About as much to begin with as a step should take, whatever the number of queries.
        let rows = Math.max(LEAST_ROWS, Math.floor((1 << 22) / Math.max(1, queries.byteLength)));
        for (let done = 0; ;) {
          const began = performance.now();
          if (index.stepSearch(rows)) return index.endSearch();
          done = Math.min(done + rows, total);
          if (tell) emit({ done, total });
          // As many rows as fit the time: their cost depends on the vectors and on the machine.
          if (performance.now() - began < STEP_TIME / 2) rows = Math.min(rows << 1, 1 << 30);
          else if (performance.now() - began > STEP_TIME * 2) rows = Math.max(LEAST_ROWS, rows >> 1);
          await turn();
          signal.throwIfAborted();
        }
      }),
    image: (_, { signal, emit }) =>
      using(signal, async (index) => new Blob(await collected(image(index, signal, emit))).arrayBuffer()),
    save: (name, { signal, emit }) =>
      using(signal, (index) => stored(storage.write(name, image(index, signal, emit)).then(() => undefined))),
    delete: (name) => stored(storage.remove(name)),
  };
}

const info = (index: Index): IndexInfo => ({
  kind: index.kind as IndexInfo["kind"],
  dimensions: index.dimensions,
  metric: index.metric as IndexInfo["metric"],
  encoder: index.encoder,
  size: index.size,
  memory: index.memory,
});

async function* once(part: Bytes): AsyncGenerator<Bytes> {
  yield part;
}

/** The parts of an index's image. */
async function* image(
  index: Index,
  signal: AbortSignal,
  emit: (event: { bytes: number }) => void,
): AsyncGenerator<Bytes> {
  index.startImage();
  let bytes = 0;
  for (;;) {
    const part = index.nextPart(PART);
    if (part === undefined) return;
    yield part as Bytes;
    bytes += part.length;
    emit({ bytes });
    await turn();
    signal.throwIfAborted();
  }
}

async function collected(parts: AsyncIterable<Bytes>): Promise<Bytes[]> {
  const all = [];
  for await (const part of parts) all.push(part);
  return all;
}

/** What the disk or the browser refuses, as an error with a code. */
async function stored<T>(result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (cause) {
    // Errors of nomul and of its engine have a code in small letters already.
    const told =
      cause instanceof Error && (isAbort(cause) || /^[a-z_]+$/.test((cause as { code?: string }).code ?? ""));
    if (told || !(cause instanceof Error)) throw cause;
    throw new NomulError("io", cause.message, { cause });
  }
}
