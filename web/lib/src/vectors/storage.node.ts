/** In Node a name is a path. */
import { open, rename, rm } from "node:fs/promises";
import type { Bytes, Storage } from "./storage.js";

const PART = 1 << 20;

export const fileStorage: Storage = {
  async write(path, parts) {
    const temporary = `${path}.${process.pid}.part`;
    try {
      const file = await open(temporary, "w");
      try {
        for await (const part of parts) await file.writeFile(part);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  },
  async read(path) {
    const file = await open(path, "r").catch(absent);
    return file && parts(file);
  },
  async remove(path) {
    return (await rm(path).then(() => true, absent)) ?? false;
  },
};

async function* parts(file: Awaited<ReturnType<typeof open>>): AsyncGenerator<Bytes> {
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(PART), 0, PART);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
