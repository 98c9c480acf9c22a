/** The places that keep models here. */
import type { LoadOptions } from "../load-types.js";
import { cacheStore } from "./cache-api.js";
import { opfsStore } from "./opfs.js";
import type { Listed, Store } from "./store.js";

/** The places that a load may use, best first, and why there are no more. */
export interface Places {
  stores: Store[];
  reason: string;
}

export async function openStores(url: string, cache: LoadOptions["cache"]): Promise<Places> {
  if (cache === false) return { stores: [], reason: "storing is turned off" };
  if (!/^https?:/.test(url)) return { stores: [], reason: "only what comes over HTTP is stored" };
  const stores = (await allStores()).filter(({ kind }) => cache === undefined || cache === kind);
  const lack = {
    opfs: "no private file system",
    "cache-api": "no Cache API",
    any: "no private file system and no cache",
  };
  return { stores, reason: `there is ${lack[cache ?? "any"]} here` };
}

export async function allStores(): Promise<Store[]> {
  return (await Promise.all([opfsStore(), cacheStore()])).filter((store) => store !== undefined);
}

/** Every model that is kept, wherever. A place that cannot be looked into counts as empty. */
export async function listAll(): Promise<Listed[]> {
  const lists = (await allStores()).map((store) => store.list().catch(() => []));
  return (await Promise.all(lists)).flat();
}
