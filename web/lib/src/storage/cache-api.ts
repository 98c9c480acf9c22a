/**
 * Models in the browser's Cache API: shards that are complete, each under its address with its checksum, so that a changed
 * model never meets old bytes; and a record for each model. A shard that is broken off is not kept.
 */
import type { Shard } from "../engine.js";
import { parseObject } from "../json.js";
import type { Bytes } from "../source.js";
import type { Listed, ModelRecord, Shelf, Store } from "./store.js";

const CACHE = "nomul-models";
const CHECKSUM = "nomul-sha256";
const RECORD = "nomul-model";

/** `undefined` where the browser has no Cache API (an insecure page) or refuses it (some private windows). */
export async function cacheStore(): Promise<Store | undefined> {
  const cache = await globalThis.caches?.open(CACHE).catch(() => undefined);
  if (cache === undefined) return undefined;
  return {
    kind: "cache-api",
    list: () => list(cache),
    open: (url, shards) => openShelf(cache, url, shards),
  };
}

function withParameter(url: string, name: string, value: string): string {
  const address = new URL(url);
  address.searchParams.set(name, value);
  return address.href;
}

async function list(cache: Cache): Promise<Listed[]> {
  const requests = await cache.keys();
  const found: Listed[] = [];
  for (const request of requests) {
    if (!new URL(request.url).searchParams.has(RECORD)) continue;
    const bytes = await (await cache.match(request))?.arrayBuffer();
    const record = parseObject(bytes && new Uint8Array(bytes)) as ModelRecord | undefined;
    if (record === undefined) continue;
    const keys = requests.map(({ url }) => url).filter((key) => isOf(record.url, key));
    const whole = record.shards.filter((shard) => keys.includes(keyOf(record.url, shard)));
    found.push({
      record,
      bytes: whole.reduce((sum, { bytes }) => sum + bytes, 0),
      complete: whole.length === record.shards.length,
      async remove() {
        for (const key of keys) await cache.delete(key);
      },
    });
  }
  return found;
}

/** Whether a key is one of this model folder. */
const isOf = (url: string, key: string) =>
  key.startsWith(url) && !new URL(key).pathname.slice(new URL(url).pathname.length).includes("/");

const keyOf = (url: string, { file, sha256 }: Shard) => withParameter(new URL(file, url).href, CHECKSUM, sha256);

async function openShelf(cache: Cache, url: string, shards: Shard[]): Promise<Shelf> {
  const keys = shards.map((shard) => keyOf(url, shard));
  const record: ModelRecord = { url, shards, lastUsed: Date.now(), validators: {} };
  const found = await Promise.all(keys.map((key) => cache.match(key)));
  const lengths = shards.map(({ bytes }, position) => (found[position] ? bytes : 0));
  /** Of the shard that is being added. */
  let adding: Adding | undefined;

  return {
    lengths,
    validator: () => undefined,
    async prepare() {
      await cache.put(withParameter(url, RECORD, "1"), new Response(JSON.stringify(record)));
      return [];
    },
    async *read(position) {
      const reader = (found[position]?.body as ReadableStream<Bytes> | undefined)?.getReader();
      try {
        for (;;) {
          const { value } = (await reader?.read()) ?? {};
          if (value === undefined) return;
          yield value;
        }
      } finally {
        reader?.cancel().catch(() => undefined);
      }
    },
    compared: () => undefined,
    remember: () => undefined,
    beginning: async () => undefined,
    keepBeginning: async () => undefined,
    async append(position, bytes) {
      const { bytes: length } = shards[position]!;
      adding ??= add(cache, keys[position]!, length);
      await adding.write(bytes);
      lengths[position]! += bytes.length;
      if (lengths[position] !== length) return;
      await adding.end();
      adding = undefined;
    },
    async drop(position) {
      adding?.cancel();
      adding = undefined;
      await cache.delete(keys[position]!);
      lengths[position] = 0;
      return true;
    },
    async tidy() {
      let freed = 0;
      const kept = new Set(keys);
      for (const request of await cache.keys()) {
        const { searchParams } = new URL(request.url);
        if (!isOf(url, request.url) || !searchParams.has(CHECKSUM) || kept.has(request.url)) continue;
        freed += Number((await cache.match(request))?.headers.get("content-length") ?? 0);
        await cache.delete(request);
      }
      return freed;
    },
    async close() {
      adding?.cancel();
    },
  };
}

/** A response that is being stored. */
interface Adding {
  write(bytes: Bytes): Promise<void>;
  end(): Promise<void>;
  cancel(): void;
}

function add(cache: Cache, key: string, length: number): Adding {
  const { readable, writable } = new TransformStream<Bytes, Bytes>();
  const response = new Response(readable, { headers: { "content-length": String(length) } });
  const stored = cache.put(key, response);
  const writer = writable.getWriter();
  // Whoever writes is told of a failure; a failure that nobody waits for is none.
  writer.closed.catch(() => undefined);
  const failed = stored.then(
    () => new Promise<never>(() => {}),
    (error: unknown) => Promise.reject(error),
  );
  failed.catch(() => undefined);
  return {
    // Waiting for the disk keeps one part in memory at most. A disk that refused takes nothing and says so elsewhere.
    write: (bytes) => Promise.race([writer.write(bytes), failed]),
    end: async () => {
      await Promise.race([writer.close(), failed]);
      await stored;
    },
    cancel: () => void writer.abort().catch(() => undefined),
  };
}
