/** Options as callers give them: what is unknown, of the wrong type or at odds is told before anything is done. */
import { NomulError } from "./errors.js";

/** A kind of value: what it is called in errors, and which values are of it. */
export interface Kind {
  name: string;
  is(value: unknown): boolean;
}

const kind = (name: string, is: (value: never) => boolean): Kind => ({ name, is: is as Kind["is"] });
const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

export const flag = kind("true or false", (value: unknown) => typeof value === "boolean");
export const number = kind("a number", (value: unknown) => typeof value === "number" && !Number.isNaN(value));
export const text = kind("a text", (value: unknown) => typeof value === "string");
export const callback = kind("a function", (value: unknown) => typeof value === "function");
export const object = kind("an object", (value: unknown) => isObject(value) && !Array.isArray(value));
export const address = kind("a URL", (value: unknown) => typeof value === "string" || value instanceof URL);
export const abortSignal = kind(
  "an AbortSignal",
  (value: unknown) => isObject(value) && "aborted" in value && "addEventListener" in value,
);
export const listOf = (items: Kind, name: string): Kind =>
  kind(name, (value: unknown) => Array.isArray(value) && value.every(items.is));
export const whole = (from: number, to = Number.MAX_SAFE_INTEGER): Kind =>
  kind(
    to === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${from}` : `a whole number from ${from} to ${to}`,
    (value: unknown) => Number.isInteger(value) && Number(value) >= from && Number(value) <= to,
  );
export const oneOf = (...values: unknown[]): Kind =>
  kind(values.map((value) => JSON.stringify(value)).join(" or "), (value: unknown) => values.includes(value));
export const either = (...kinds: Kind[]): Kind =>
  kind(kinds.map(({ name }) => name).join(" or "), (value: unknown) => kinds.some(({ is }) => is(value)));

/**
 * Fails with code `input` unless `options` is an object with none but the known fields, each of its kind or left out. `what`
 * names it.
 */
export function check(what: string, options: unknown, known: Record<string, Kind>): void {
  if (!object.is(options)) throw new NomulError("input", `${what}: the options are ${shown(options)}, not an object`);
  for (const [name, value] of Object.entries(options as object)) {
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) throw new NomulError("input", `${what}: there is no option ${name}${hint(name, known)}`);
    mustBe(`${what}: ${name}`, value, kind);
  }
}

/** Fails with code `input` unless the value is of the kind or `undefined`. */
export function mustBe(what: string, value: unknown, kind: Kind): void {
  if (value !== undefined && !kind.is(value)) {
    throw new NomulError("input", `${what} is ${shown(value)}, not ${kind.name}`);
  }
}

/** Fails with code `input` where two options are at odds. */
export function refuse(what: string, isAtOdds: boolean, why: string): void {
  if (isAtOdds) throw new NomulError("input", `${what}: ${why}`);
}

/** A value in an error: short, whatever it is. */
function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "number") return String(value);
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // It goes round in circles.
  }
  if (text === undefined) return String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** The known name that is meant, if one is near. */
function hint(name: string, known: Record<string, Kind>): string {
  const bare = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  const near = Object.keys(known)
    .map((other) => ({ other, distance: distance(bare(name), bare(other)) }))
    .sort((a, b) => a.distance - b.distance)[0];
  if (near !== undefined && near.distance <= Math.max(1, name.length / 3)) return `; did you mean ${near.other}?`;
  return `; there are: ${Object.keys(known).join(", ")}`;
}

/** How many characters to insert, delete or replace (Levenshtein, 1966). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, x] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, y] of [...b].entries()) {
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (x === y ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1)!;
}
