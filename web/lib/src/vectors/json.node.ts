/** `nomul/json` in Node. */
import { node } from "./node.js";
import { jsonSpaces, type JsonSpace as Space, type JsonSpaces } from "./json/index.js";

export { NomulError } from "../errors.js";
export type { ErrorCode } from "../errors.js";
export type { StartOptions } from "./platform.js";
export type { JsonSpaces } from "./json/index.js";
export { JsonText } from "./json/text.js";
export type * from "./json/types.js";

/** See the browser's entry. */
export const JsonSpace: JsonSpaces = /* @__PURE__ */ jsonSpaces(node);

/** A space; {@link JsonSpaces} makes it. */
export type JsonSpace = Space;
