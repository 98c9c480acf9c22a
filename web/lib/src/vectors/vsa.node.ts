/** `nomul/vsa` in Node. */
import { loadEngineFile } from "./engine.node.js";
import { Vsa } from "./vsa/index.js";
import type { VsaOptions } from "./vsa/types.js";

export { NomulError } from "../errors.js";
export type { ErrorCode } from "../errors.js";
export type { CentroidClassifier, Vsa } from "./vsa/index.js";
export type * from "./vsa/types.js";

/** See the browser's entry. */
export const createVsa = (options: VsaOptions = {}): Promise<Vsa> => Vsa.create(loadEngineFile, options);
