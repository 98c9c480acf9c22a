/** Whether a model may be stored: what the browser allows this site, and what could be deleted for it. */
import type { Listed, Shelf } from "./store.js";
import { listAll } from "./stores.js";

/**
 * Sees to it that so many bytes can be stored; answers with the reason where they cannot. With the shelf of the model,
 * older versions of it are deleted for that, and then other models, the least recently used first; none of these where
 * all of them would not be enough.
 */
export async function makeRoom(bytes: number, url: string, shelf: Shelf | undefined): Promise<string | undefined> {
  const { usage, quota } = (await navigator.storage?.estimate?.().catch(() => undefined)) ?? {};
  if (usage === undefined || quota === undefined || quota - usage >= bytes) return undefined;
  let free = quota - usage;
  const lack = `${bytes} bytes are missing, and the browser lets this site store ${Math.max(0, free)} more`;
  if (shelf === undefined) return lack;
  free += await shelf.tidy();
  const others = await othersThan(url);
  if (others.reduce((sum, { bytes }) => sum + bytes, free) < bytes) return lack;
  for (const other of others) {
    if (free >= bytes) break;
    if (await removed(other)) free += other.bytes;
  }
  return free >= bytes ? undefined : lack;
}

/** Deletes the model that was used least recently, but not this one; answers whether there was one. */
export async function removeOldest(url: string): Promise<boolean> {
  for (const other of await othersThan(url)) if (await removed(other)) return true;
  return false;
}

/** The other models that are kept, the least recently used first. */
async function othersThan(url: string): Promise<Listed[]> {
  const others = (await listAll()).filter(({ record }) => record?.url !== url);
  return others.sort((one, other) => (one.record?.lastUsed ?? 0) - (other.record?.lastUsed ?? 0));
}

/** One that another tab is storing stays. */
function removed(model: Listed): Promise<boolean> {
  return model.remove().then(
    () => true,
    () => false,
  );
}
