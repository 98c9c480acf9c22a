/** Where a worker keeps bytes under a name. */
import { NomulError } from "../errors.js";

export type Bytes = Uint8Array<ArrayBuffer>;

export interface Storage {
  /** Keeps the parts under the name. What was there before stays until all of them have come. */
  write(name: string, parts: AsyncIterable<Bytes>): Promise<void>;
  /** What is kept under the name, `undefined` if nothing is. */
  read(name: string): Promise<AsyncIterable<Bytes> | undefined>;
  /** Forgets it; answers whether it was there. */
  remove(name: string): Promise<boolean>;
}

const PLACE = "nomul-indexes";

/** The browser's private file system (OPFS), or its Cache API where that cannot be written to. */
export function browserStorage(): Storage {
  const writable = typeof FileSystemFileHandle === "function" && "createWritable" in FileSystemFileHandle.prototype;
  if (writable && typeof navigator.storage?.getDirectory === "function") return privateFiles();
  if (typeof caches !== "undefined") return cached();
  return refusing("this page has neither a private file system nor a cache: it is not served securely");
}

/** A stream of this kind becomes the file when it is closed, and not before. */
function privateFiles(): Storage {
  const folder = async () => (await navigator.storage.getDirectory()).getDirectoryHandle(PLACE, { create: true });
  const absent = (error: unknown) => {
    if (error instanceof DOMException && error.name === "NotFoundError") return undefined;
    throw error;
  };
  return {
    async write(name, parts) {
      const file = await (await folder()).getFileHandle(encodeURIComponent(name), { create: true });
      const stream = await file.createWritable();
      try {
        for await (const part of parts) await stream.write(part);
      } catch (error) {
        await stream.abort().catch(() => undefined);
        // A file that was made for this holds nothing yet.
        if ((await file.getFile()).size === 0) await this.remove(name);
        throw error;
      }
      await stream.close();
    },
    async read(name) {
      const file = await (await folder()).getFileHandle(encodeURIComponent(name)).catch(absent);
      return file && streamed((await file.getFile()).stream());
    },
    async remove(name) {
      const directory = await folder();
      const found = await directory.getFileHandle(encodeURIComponent(name)).catch(absent);
      if (found) await directory.removeEntry(encodeURIComponent(name));
      return found !== undefined;
    },
  };
}

/** A response is put into a cache when its body has ended well, and not at all if it has not. */
function cached(): Storage {
  const key = (name: string) => new URL(`/${PLACE}/${encodeURIComponent(name)}`, globalThis.location.origin).href;
  return {
    async write(name, parts) {
      const { readable, writable } = new TransformStream<Bytes, Bytes>();
      const stored = (await caches.open(PLACE)).put(key(name), new Response(readable));
      const writer = writable.getWriter();
      try {
        for await (const part of parts) await writer.write(part);
      } catch (error) {
        stored.catch(() => undefined);
        await writer.abort(error).catch(() => undefined);
        throw error;
      }
      await Promise.all([writer.close(), stored]);
    },
    async read(name) {
      const response = await (await caches.open(PLACE)).match(key(name));
      return response?.body ? streamed(response.body as ReadableStream<Bytes>) : undefined;
    },
    remove: async (name) => (await caches.open(PLACE)).delete(key(name)),
  };
}

function refusing(why: string): Storage {
  const refuse = async () => {
    throw new NomulError("io", why);
  };
  return { write: refuse, read: refuse, remove: refuse };
}

async function* streamed(stream: ReadableStream<Bytes>): AsyncGenerator<Bytes> {
  const reader = stream.getReader();
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
