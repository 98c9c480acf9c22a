/** One shard's file in the browser's private file system. */
import type { Shard } from "../engine.js";
import type { Bytes } from "../source.js";
import { tuning } from "../tuning.js";
import { turn } from "../turn.js";
import { compared, type PartDigests } from "./parts.js";

/** A file that is open in a worker. The types of TypeScript for pages leave it out. */
export interface AccessHandle {
  read(buffer: Bytes, options: { at: number }): number;
  write(buffer: Bytes, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

export type Folder = FileSystemDirectoryHandle;
type Mode = "readwrite" | "read-only";

/** A page that is reloaded may meet its own former worker, which has a moment still to live. */
const LOCK_TRIES = 6;
const LOCK_PAUSE_MS = 100;

/** Takes the file for this worker alone; `undefined` where another tab has it. */
export async function takeFile(file: FileSystemFileHandle): Promise<AccessHandle | undefined> {
  for (let tries = 1; ; tries++) {
    const handle = await access(file, "readwrite");
    if (handle !== undefined || tries === LOCK_TRIES) return handle;
    await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE_MS));
  }
}

/** Takes the lock of the file: for one alone, or for any number of readers where the browser knows that. */
function access(file: FileSystemFileHandle, mode: Mode): Promise<AccessHandle | undefined> {
  const opener = file as unknown as { createSyncAccessHandle(options: { mode: Mode }): Promise<AccessHandle> };
  return opener.createSyncAccessHandle({ mode }).catch((error: unknown) => {
    // That another has it; Safari's name for this was another one at first.
    const { name } = error as { name?: unknown };
    if (name === "NoModificationAllowedError" || name === "InvalidStateError") return undefined;
    throw error;
  });
}

export class OpfsFile {
  readonly #shard: Shard;
  #file: FileSystemFileHandle | undefined;
  #handle: AccessHandle | undefined;
  length: number;

  private constructor(shard: Shard, file: FileSystemFileHandle | undefined, length: number) {
    this.#shard = shard;
    this.#file = file;
    this.length = length;
  }

  /** Looks what is there, without a lock. */
  static async find(folder: Folder | undefined, shard: Shard): Promise<OpfsFile> {
    const file = await folder?.getFileHandle(shard.sha256).catch(() => undefined);
    const length = file === undefined ? 0 : (await file.getFile()).size;
    return new OpfsFile(shard, file, length <= shard.bytes ? length : 0);
  }

  get complete(): boolean {
    return this.length === this.#shard.bytes;
  }

  /** Answers whether bytes can be added now, to what `length` says. */
  async prepare(folder: Folder): Promise<boolean> {
    this.#file ??= await folder.getFileHandle(this.#shard.sha256, { create: true });
    if (!(await this.#take())) return false;
    // It may have done so since the file was looked at.
    const length = this.#handle!.getSize();
    if (length > this.#shard.bytes) this.#handle!.truncate(0);
    this.length = length > this.#shard.bytes ? 0 : length;
    return true;
  }

  /** Takes the file for this tab alone. Where another tab has it, none of it is here. */
  async #take(): Promise<boolean> {
    this.close();
    this.#handle = await takeFile(this.#file!);
    if (this.#handle === undefined) this.length = 0;
    return this.#handle !== undefined;
  }

  async *read(): AsyncGenerator<Bytes, void, void> {
    if (this.#file === undefined) return;
    this.#handle ??= await access(this.#file, "read-only");
    const buffer = new Uint8Array(Math.min(tuning.readBytes, this.length));
    // Another tab may hold the lock: then it is read as any file can be, more slowly.
    const slow = this.#handle === undefined ? await this.#file.getFile() : undefined;
    const { length } = this;
    for (let at = 0; at < length;) {
      const end = Math.min(at + buffer.length, length);
      const part = slow
        ? new Uint8Array(await slow.slice(at, end).arrayBuffer())
        : buffer.subarray(0, this.#handle!.read(buffer.subarray(0, end - at), { at }));
      if (part.length === 0) throw new Error(`${this.#shard.file}: the stored file is shorter than it was`);
      at += part.length;
      yield part;
      // An abort has to get through.
      await turn();
    }
    if (this.complete) this.close();
  }

  /** All of it, each part compared with its digest. */
  async *compared(digests: PartDigests): AsyncGenerator<Bytes, void, void> {
    if (this.#file === undefined) return;
    const handle = (this.#handle ??= await access(this.#file, "read-only"));
    const slow = handle === undefined ? await this.#file.getFile() : undefined;
    const readSlowly = async (part: Bytes, at: number) => {
      const bytes = new Uint8Array(await slow!.slice(at, at + part.length).arrayBuffer());
      part.set(bytes);
      return bytes.length;
    };
    const read = handle ? (part: Bytes, at: number) => handle.read(part, { at }) : readSlowly;
    for await (const part of compared(this.#shard, digests, read)) {
      yield part;
      // An abort has to get through.
      await turn();
    }
    this.close();
  }

  append(bytes: Bytes): void {
    const written = this.#handle!.write(bytes, { at: this.length });
    this.length += written;
    if (written < bytes.length) throw new DOMException("the disk took only a part", "QuotaExceededError");
    // Not flushed: that can hold up an answer for half a second, and what is lost without power fails its checksum.
    if (this.complete) this.close();
  }

  /** Answers whether the shard can be added anew. */
  async drop(): Promise<boolean> {
    if (this.#file === undefined || !(await this.#take())) return false;
    this.#handle!.truncate(0);
    this.#handle!.flush();
    this.length = 0;
    return true;
  }

  close(): void {
    this.#handle?.close();
    this.#handle = undefined;
  }
}
