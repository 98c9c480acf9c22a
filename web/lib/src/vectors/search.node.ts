/** `nomul/search` in Node. */
import { node } from "./node.js";
import { vectorIndexes, type VectorIndex as Index, type VectorIndexes } from "./search/index.js";

export { NomulError } from "../errors.js";
export type { ErrorCode } from "../errors.js";
export type { StartOptions } from "./platform.js";
export type { VectorIndexes } from "./search/index.js";
export type * from "./search/types.js";

/** See the browser's entry. */
export const VectorIndex: VectorIndexes = /* @__PURE__ */ vectorIndexes(node);

/** An index; {@link VectorIndexes} makes it. */
export type VectorIndex = Index;
