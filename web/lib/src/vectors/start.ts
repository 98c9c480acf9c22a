/** Starts a worker for a feature. */
import { Client } from "../client.js";
import { detectFor } from "../detect.js";
import { NomulError, abortError } from "../errors.js";
import type { CallMap } from "../protocol.js";
import type { Platform, StartOptions } from "./platform.js";
import type { Feature, Opening } from "./serve.js";

/** A worker that answers the feature's calls; `client.end` ends it and frees all of its memory. */
export async function start<C extends CallMap<C>>(
  platform: Platform,
  feature: Feature,
  { signal, wasmUrl, workerUrl }: StartOptions,
): Promise<Client<C>> {
  if (signal?.aborted) throw abortError(signal);
  const { simd, reason } = detectFor(1);
  if (!simd) throw new NomulError("unsupported", `${reason} nomul needs it.`);
  const client = new Client<Opening>(platform.connect(workerUrl));
  try {
    const place = wasmUrl === undefined ? undefined : platform.resolve(wasmUrl).href;
    await client.call("open", { feature, wasmUrl: place }, { signal });
  } catch (error) {
    client.end(new NomulError("disposed", "the worker could not be started"));
    throw error;
  }
  // From here on the worker answers the feature's calls.
  return client as unknown as Client<C>;
}
