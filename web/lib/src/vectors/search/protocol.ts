/** What callers and the worker of an index say to each other. */
import type { IndexInfo, Shape, VectorData } from "./types.js";

/** The neighbours of all queries, one after the other, and how many each query has. */
export interface Found {
  keys: Float64Array<ArrayBuffer>;
  scores: Float64Array<ArrayBuffer>;
  counts: Uint32Array<ArrayBuffer>;
}

/** Every call upon an index. */
export interface SearchCalls {
  memory: { arguments: Shape & { vectors: number }; event: never; result: number };
  create: { arguments: Shape & { encoder: string }; event: never; result: IndexInfo };
  load: {
    arguments: { image: ArrayBuffer; encoder: string | undefined };
    event: { bytes: number };
    result: IndexInfo;
  };
  open: { arguments: { name: string; encoder: string | undefined }; event: { bytes: number }; result: IndexInfo };
  info: { arguments: undefined; event: never; result: IndexInfo };
  put: {
    arguments: { keys: Float64Array<ArrayBuffer>; vectors: VectorData; mode: "insert" | "update" | "put" };
    event: never;
    result: undefined;
  };
  remove: { arguments: Float64Array<ArrayBuffer>; event: never; result: number };
  get: { arguments: number; event: never; result: VectorData | undefined };
  keys: { arguments: undefined; event: never; result: Float64Array<ArrayBuffer> };
  search: {
    arguments: {
      queries: VectorData;
      k: number;
      candidates: number | undefined;
      allowed: Float64Array<ArrayBuffer> | undefined;
      /** Whether somebody listens to the events. */
      tell: boolean;
    };
    event: { done: number; total: number };
    result: Found;
  };
  image: { arguments: undefined; event: { bytes: number }; result: ArrayBuffer };
  save: { arguments: string; event: { bytes: number }; result: undefined };
  delete: { arguments: string; event: never; result: boolean };
}
