/** `nomul/search` in a browser. */
import { browser } from "./browser.js";
import { vectorIndexes, type VectorIndex as Index, type VectorIndexes } from "./search/index.js";

export { NomulError } from "../errors.js";
export type { ErrorCode } from "../errors.js";
export type { StartOptions } from "./platform.js";
export type { VectorIndexes } from "./search/index.js";
export type * from "./search/types.js";

/** An index of vectors in a worker of its own. */
export const VectorIndex: VectorIndexes = /* @__PURE__ */ vectorIndexes(browser);

/** An index; {@link VectorIndexes} makes it. */
export type VectorIndex = Index;
