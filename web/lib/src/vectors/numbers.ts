/** Numbers on their way into the engine, which would silently bend what does not fit. */
import { NomulError } from "../errors.js";

/** A whole number that fits 32 bits; `what` names it in the error. */
export function count(value: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= 0xffffffff) return value;
  throw new NomulError("input", `${what}: ${value} is not a whole number from 0 to 4294967295`);
}
