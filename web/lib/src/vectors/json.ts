/** `nomul/json` in a browser. */
import { browser } from "./browser.js";
import { jsonSpaces, type JsonSpace as Space, type JsonSpaces } from "./json/index.js";

export { NomulError } from "../errors.js";
export type { ErrorCode } from "../errors.js";
export type { StartOptions } from "./platform.js";
export type { JsonSpaces } from "./json/index.js";
export { JsonText } from "./json/text.js";
export type * from "./json/types.js";

/** Documents as vectors, in a worker of its own. */
export const JsonSpace: JsonSpaces = /* @__PURE__ */ jsonSpaces(browser);

/** A space; {@link JsonSpaces} makes it. */
export type JsonSpace = Space;
