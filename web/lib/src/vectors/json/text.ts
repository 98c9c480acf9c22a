/** Documents as JSON text. */
import { NomulError } from "../../errors.js";
import type { Json } from "./types.js";

/**
 * JSON as text, in the place of a document. It is read by the engine's own parser: errors say line and column, and what
 * `JSON.parse` lets pass (a key that comes twice) is refused.
 */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A document as it travels. */
export function textOf(document: Json | JsonText, what: string): string {
  if (document instanceof JsonText) return document.text;
  const written = JSON.stringify(document) as string | undefined;
  if (written === undefined) throw new NomulError("input", `${what} is nothing that JSON can say`);
  return written;
}
