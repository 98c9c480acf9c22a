/** The worker's side of an index. */
import type { HandlersOf } from "../../calls.js";
import type { Engine } from "../engine.js";
import { count } from "../numbers.js";
import type { SearchCalls } from "./protocol.js";

export function handlers(engine: Engine): HandlersOf<SearchCalls> {
  return {
    memory: async ({ kind, dimensions, metric = "cosine", vectors }) =>
      engine.indexMemory(kind, count(dimensions, "dimensions"), metric, count(vectors, "vectors")),
  };
}
