/**
 * How long matrices take. The engine does not time them one by one: a clock inside a token would cost more than a small matrix.
 * What is measured is a whole token, and it is shared out by what a matrix makes the kernel read.
 */
import type { Matrix } from "./panels/bits/cells.ts";

/** A token that was timed, and what was read for it. */
export interface Speed {
  /** Of a token. */
  milliseconds: number;
  /** For sixteen bytes of signs. */
  nanoseconds: number;
  /** What was timed: an answer, or a few tokens written for nothing else. */
  from: "answer" | "trial";
}

type Shape = Pick<Matrix, "kind" | "rows" | "columns">;

/** Vectors of sixteen bytes that a token reads of a matrix; `alone`: there is no head, so that the embedding serves as one. */
function vectors({ kind, rows, columns }: Shape, planes: number, alone: boolean): number {
  // An embedding that is no head is looked up: one row of it.
  const tiles = kind === "embedding" && !alone ? 1 : Math.ceil(rows / 16);
  return planes * tiles * Math.ceil(columns / 8);
}

const isAlone = (matrices: readonly Matrix[]) => matrices.every(({ kind }) => kind !== "head");

/** What a token that took so long says about each vector, with the planes that were in use. */
export function speedOf(matrices: readonly Matrix[], milliseconds: number, from: Speed["from"]): Speed | undefined {
  const alone = isAlone(matrices);
  const all = matrices.reduce((sum, matrix) => sum + vectors(matrix, matrix.planes_ready, alone), 0);
  return all > 0 && milliseconds > 0 ? { milliseconds, nanoseconds: (milliseconds * 1e6) / all, from } : undefined;
}

/** Predicts the milliseconds that a matrix takes of a token, by its planes; `undefined` where nothing has been timed. */
export function predictor(
  matrices: readonly Matrix[],
  speed: Speed | undefined,
): ((matrix: Shape, planes: number) => number) | undefined {
  if (speed === undefined) return undefined;
  const alone = isAlone(matrices);
  return (matrix, planes) => (vectors(matrix, planes, alone) * speed.nanoseconds) / 1e6;
}
