/**
 * Models in the browser's private file system (OPFS). Each has a folder, named by the checksum of its address; in it each
 * shard has a file, named by the shard's own checksum, so that a changed model never meets old bytes. A file grows as the
 * bytes are used, and so holds the beginning of its shard at any moment; whoever reads it checks it.
 */
import type { Shard } from "../engine.js";
import { parseObject } from "../json.js";
import { digestsOf } from "./parts.js";
import { OpfsFile, takeFile, type AccessHandle, type Folder } from "./opfs-file.js";
import type { Listed, ModelRecord, Shelf, Store } from "./store.js";

const PLACE = "nomul-models";
const RECORD = "model.json";
const BEGINNING = "beginning";

/** `undefined` where there is no such file system or it is refused; in a worker also where it has no quick access. */
export async function opfsStore(): Promise<Store | undefined> {
  const isPage = typeof document !== "undefined";
  const quick = isPage || "createSyncAccessHandle" in (globalThis.FileSystemFileHandle?.prototype ?? {});
  if (!quick || typeof globalThis.navigator?.storage?.getDirectory !== "function") return undefined;
  let root: Folder;
  try {
    root = await navigator.storage.getDirectory();
  } catch {
    return undefined;
  }
  return {
    kind: "opfs",
    list: () => list(root),
    async open(url, shards) {
      const name = await folderName(url);
      const folder = async (create: boolean) =>
        (await root.getDirectoryHandle(PLACE, { create })).getDirectoryHandle(name, { create });
      return openShelf(folder, url, shards);
    },
  };
}

async function folderName(url: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(url)));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function list(root: Folder): Promise<Listed[]> {
  const found: Listed[] = [];
  const place = await root.getDirectoryHandle(PLACE).catch(() => undefined);
  for await (const [name, folder] of place?.entries() ?? []) {
    if (!isFolder(folder)) continue;
    const record = await readRecord(folder);
    const sizes = new Map<string, number>();
    for await (const [name, file] of folder.entries()) if (name !== RECORD) sizes.set(name, await sizeOf(file));
    const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
    const complete = record?.shards.every(({ sha256, bytes }) => sizes.get(sha256) === bytes) ?? false;
    found.push({ record, bytes, complete, remove: () => place!.removeEntry(name, { recursive: true }) });
  }
  return found;
}

const isFolder = (handle: FileSystemHandle): handle is Folder => handle.kind === "directory";
const isFile = (handle: FileSystemHandle): handle is FileSystemFileHandle => handle.kind === "file";

async function sizeOf(handle: FileSystemHandle): Promise<number> {
  return isFile(handle) ? (await handle.getFile()).size : 0;
}

/** `undefined` where there is none, or it was cut off. */
async function readRecord(folder: Folder): Promise<ModelRecord | undefined> {
  try {
    const file = await (await folder.getFileHandle(RECORD)).getFile();
    return parseObject(new Uint8Array(await file.arrayBuffer())) as ModelRecord | undefined;
  } catch {
    return undefined;
  }
}

async function openShelf(place: (create: boolean) => Promise<Folder>, url: string, shards: Shard[]): Promise<Shelf> {
  let folder = await place(false).catch(() => undefined);
  const before = folder && (await readRecord(folder));
  const parts = Object.fromEntries(
    shards.flatMap((shard) => {
      const digests = digestsOf(shard, before?.parts?.[shard.sha256]);
      return digests === undefined ? [] : [[shard.sha256, digests]];
    }),
  );
  const record = {
    url,
    shards,
    lastUsed: Date.now(),
    validators: { ...before?.validators },
    parts,
  } satisfies ModelRecord;
  let recordFile: AccessHandle | undefined;
  const files = await Promise.all(shards.map((shard) => OpfsFile.find(folder, shard)));

  const save = () => {
    const text = new TextEncoder().encode(JSON.stringify(record));
    try {
      recordFile?.write(text, { at: 0 });
      recordFile?.truncate(text.length);
    } catch {
      // A full disk: what is kept can be read without a record.
    }
  };

  return {
    get lengths() {
      return files.map(({ length }) => length);
    },
    validator: (position) => record.validators[shards[position]!.sha256],
    async prepare() {
      const made = (folder ??= await place(true));
      // Whoever comes first writes the record; a second tab has nothing to add.
      const file = await made.getFileHandle(RECORD, { create: true });
      const preparing = files.map((file) => file.complete || file.prepare(made));
      const [taken, ready] = await Promise.all([takeFile(file), Promise.all(preparing)]);
      recordFile = taken;
      save();
      return [...ready.keys()].filter((position) => !ready[position]);
    },
    read: (position) => files[position]!.read(),
    compared(position) {
      const digests = parts[shards[position]!.sha256];
      return digests && files[position]!.complete ? files[position]!.compared(digests) : undefined;
    },
    remember(position, digests) {
      parts[shards[position]!.sha256] = digests;
      save();
    },
    async beginning() {
      const file = await folder?.getFileHandle(BEGINNING).catch(() => undefined);
      return file && new Uint8Array(await (await file.getFile()).arrayBuffer());
    },
    async keepBeginning(state) {
      const handle = await takeFile(await folder!.getFileHandle(BEGINNING, { create: true }));
      try {
        // What is cut off here fails its checksum.
        handle?.write(state, { at: 0 });
        handle?.truncate(state.length);
      } finally {
        handle?.close();
      }
    },
    async append(position, bytes, validator) {
      const file = files[position]!;
      const { sha256 } = shards[position]!;
      file.append(bytes);
      const known = file.complete ? undefined : validator;
      if (record.validators[sha256] === known) return;
      if (known === undefined) delete record.validators[sha256];
      else record.validators[sha256] = known;
      save();
    },
    drop: (position) => files[position]!.drop(),
    async tidy() {
      const kept = new Set([RECORD, BEGINNING, ...shards.map(({ sha256 }) => sha256)]);
      const old: FileSystemHandle[] = [];
      for await (const [name, file] of folder?.entries() ?? []) if (!kept.has(name)) old.push(file);
      let freed = 0;
      for (const file of old) {
        const size = await sizeOf(file);
        // Another tab may still be loading the older version.
        await folder!.removeEntry(file.name).then(
          () => (freed += size),
          () => undefined,
        );
      }
      return freed;
    },
    async close() {
      for (const file of files) file.close();
      recordFile?.close();
    },
  };
}
