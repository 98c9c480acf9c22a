/** `nomul/graph` in a browser. */
import { browser } from "./browser.js";
import { graphEmbedder, type EmbedGraph } from "./graph/index.js";

export { NomulError } from "../errors.js";
export type { ErrorCode } from "../errors.js";
export type { StartOptions } from "./platform.js";
export type { EmbedGraph, EmbedGraphOptions, GraphEmbedding, NodeRange } from "./graph/index.js";
export type * from "./graph/types.js";

/** Reads a graph and makes the vectors of its nodes. */
export const embedGraph: EmbedGraph = /* @__PURE__ */ graphEmbedder(browser);
