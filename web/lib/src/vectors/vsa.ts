/** `nomul/vsa` in a browser. */
import { loadEngine } from "./engine.js";
import { Vsa } from "./vsa/index.js";
import type { VsaOptions } from "./vsa/types.js";

export { NomulError } from "../errors.js";
export type { ErrorCode } from "../errors.js";
export type { CentroidClassifier, Vsa } from "./vsa/index.js";
export type * from "./vsa/types.js";

/** An architecture, and its operations on vectors, in the calling thread. */
export const createVsa = (options: VsaOptions = {}): Promise<Vsa> =>
  Vsa.create((url) => loadEngine(url === undefined ? undefined : { module_or_path: url }), options);
