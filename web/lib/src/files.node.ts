/** A model folder on the disk. */
import { open } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { NomulError } from "./errors.js";
import type { Parts, Source } from "./source.js";

const PART_BYTES = 1 << 20;

export function fileSource(folder: string): Source {
  return {
    // The disk is fast, and a part of a file would come no sooner than the whole.
    async open(file, { optional = false }, signal) {
      const path = fileURLToPath(new URL(file, folder));
      try {
        const handle = await open(path);
        const close = () => void handle.close();
        return { partial: false, validator: undefined, parts: read(path, handle, signal), close };
      } catch (cause) {
        const absent = (cause as NodeJS.ErrnoException).code === "ENOENT";
        if (absent && optional) return undefined;
        if (absent) throw new NomulError("missing", `${path}: there is no such file`, { cause });
        throw new NomulError("io", `${path}: ${(cause as Error).message}`, { cause });
      }
    },
  };
}

async function* read(path: string, handle: Awaited<ReturnType<typeof open>>, signal: AbortSignal): Parts {
  try {
    for (;;) {
      signal.throwIfAborted();
      const buffer = new Uint8Array(PART_BYTES);
      const { bytesRead } = await handle.read(buffer, 0, PART_BYTES, null).catch((cause: unknown) => {
        throw new NomulError("io", `${path}: ${(cause as Error).message}`, { cause });
      });
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
