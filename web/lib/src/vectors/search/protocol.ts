/** What callers and the worker of an index say to each other. */
import type { Shape } from "./types.js";

/** Every call upon an index. */
export interface SearchCalls {
  memory: { arguments: Shape & { vectors: number }; event: never; result: number };
}
