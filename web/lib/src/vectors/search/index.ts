/** The index, for whatever a worker is made of. */
import { NomulError } from "../../errors.js";
import type { Platform, StartOptions } from "../platform.js";
import { start } from "../start.js";
import type { SearchCalls } from "./protocol.js";
import type { Shape } from "./types.js";

/** What `VectorIndex` offers. */
export interface VectorIndexes {
  /** The bytes of memory that an index of so many vectors takes, to be known before it is built. */
  memory(shape: Shape & { vectors: number }, options?: StartOptions): Promise<number>;
}

export function vectorIndexes(platform: Platform): VectorIndexes {
  return {
    async memory({ kind, dimensions, metric, vectors }, options = {}) {
      const client = await start<SearchCalls>(platform, "search", options);
      try {
        return await client.call("memory", { kind, dimensions, metric, vectors }, { signal: options.signal });
      } finally {
        client.end(new NomulError("disposed", "the worker has ended"));
      }
    },
  };
}
