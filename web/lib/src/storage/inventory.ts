/** What a page may ask about the models that are kept, and do with them. */
import { NomulError } from "../errors.js";
import type { StorageInfo } from "../load-types.js";
import { allStores, listAll } from "./stores.js";

/** Tells what is kept here: the models of this site, how much they take up, and how much may be stored. */
export async function storage(): Promise<StorageInfo> {
  const manager = (globalThis as { navigator?: Navigator }).navigator?.storage;
  const [stores, listed, estimate, persisted] = await Promise.all([
    allStores(),
    listAll(),
    manager?.estimate?.().catch(() => undefined),
    manager?.persisted?.().catch(() => false),
  ]);
  const models = listed.flatMap(({ record, bytes, complete }) => {
    if (record === undefined) return [];
    const { url, shards, lastUsed } = record;
    const total = shards.reduce((sum, { bytes }) => sum + bytes, 0);
    return [{ url, bytes, total, complete, lastUsed: new Date(lastUsed) }];
  });
  models.sort((one, other) => other.lastUsed.getTime() - one.lastUsed.getTime());
  const { usage, quota } = estimate ?? {};
  return { kind: stores[0]?.kind ?? "none", usage, quota, persisted: persisted ?? false, models };
}

/** Answers whether anything was there. */
export async function forget(url: string): Promise<boolean> {
  const found = (await listAll()).filter(({ record }) => record?.url === url);
  for (const model of found) {
    await model.remove().catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new NomulError("io", `${url}: cannot be removed while it is being stored: ${why}`, { cause });
    });
  }
  return found.length > 0;
}

/**
 * Asks the browser to keep what is stored even when the disk is full; some ask the visitor. Answers whether it agrees.
 */
export async function persistStorage(): Promise<boolean> {
  const manager = (globalThis as { navigator?: Navigator }).navigator?.storage;
  return (await manager?.persist?.().catch(() => false)) ?? false;
}
