/** What both entry points export beside `load`. */
export type { Build, Capabilities } from "./detect.js";
export { storage, persistStorage } from "./storage/inventory.js";
export { NomulError } from "./errors.js";
export type { ErrorCode } from "./errors.js";
export type { Conversation } from "./conversation.js";
export type { Model } from "./model.js";
export type { ModelPlace } from "./open.js";
export type * from "./load-types.js";
export type * from "./reply-types.js";
export type * from "./types.js";
