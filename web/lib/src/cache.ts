/**
 * Shards in the browser's Cache API. The key holds the checksum, so a changed model never meets old bytes, and the
 * engine checks what comes from here like everything else.
 */
import type { Shard } from "./engine.js";
import type { Bytes, Parts } from "./source.js";

const CACHE = "nomul-shards";
const CHECKSUM = "nomul-sha256";

export interface ShardCache {
  /** The shard's bytes, if they are here. */
  find(shard: Shard): Promise<Parts | undefined>;
  /** Passes a shard's bytes through and keeps them once all have come. A full disk only means that nothing is kept. */
  keep(shard: Shard, parts: Parts): Parts;
  /** Forgets a shard that turned out to be damaged. */
  forget(shard: Shard): Promise<void>;
}

/** `undefined` where the browser has no Cache API (an insecure page) or refuses it (some private windows). */
export async function openShardCache(folder: string): Promise<ShardCache | undefined> {
  if (typeof caches === "undefined" || !/^https?:/.test(folder)) return undefined;
  let cache: Cache;
  try {
    cache = await caches.open(CACHE);
  } catch {
    return undefined;
  }
  const key = (shard: Shard) => {
    const url = new URL(shard.file, folder);
    url.searchParams.set(CHECKSUM, shard.sha256);
    return url.href;
  };
  return {
    async find(shard) {
      const response = await cache.match(key(shard)).catch(() => undefined);
      return response?.body ? read(response.body as ReadableStream<Bytes>) : undefined;
    },
    keep: (shard, parts) => keep(cache, key(shard), shard, parts),
    async forget(shard) {
      await cache.delete(key(shard)).catch(() => false);
    },
  };
}

async function* read(body: ReadableStream<Bytes>): Parts {
  const reader = body.getReader();
  try {
    for (;;) {
      const { value } = await reader.read();
      if (value === undefined) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

async function* keep(cache: Cache, key: string, shard: Shard, parts: Parts): Parts {
  const { readable, writable } = new TransformStream<Bytes, Bytes>();
  const stored = cache.put(key, new Response(readable, { headers: { "content-length": String(shard.bytes) } }));
  let storing = true;
  const giveUp = () => {
    storing = false;
  };
  stored.catch(giveUp);
  const writer = writable.getWriter();
  writer.closed.catch(giveUp);
  let received = 0;
  let complete = false;
  try {
    for await (const part of parts) {
      yield part;
      received += part.length;
      // Waiting for the disk keeps at most one part in memory, but a disk that refused must not hold up the rest.
      if (storing) await writer.write(part).catch(giveUp);
    }
    complete = received === shard.bytes;
  } finally {
    if (complete && storing) await writer.close().catch(giveUp);
    else writer.abort().catch(giveUp);
  }
  await stored.catch(giveUp);
  await forgetOthers(cache, key).catch(giveUp);
}

/** Drops shards of the same address with another checksum: an older version of the model. */
async function forgetOthers(cache: Cache, key: string): Promise<void> {
  const kept = new URL(key);
  for (const request of await cache.keys(key, { ignoreSearch: true })) {
    const checksum = new URL(request.url).searchParams.get(CHECKSUM);
    if (checksum !== kept.searchParams.get(CHECKSUM)) await cache.delete(request);
  }
}
