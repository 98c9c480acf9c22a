/**
 * What each number of planes is predicted to cost, out of what the quantiser wrote down of a matrix: the sentence that says
 * what its planes lose and what one more would leave (crate/quant, `MatrixStats::reason`). Everything here is a prediction;
 * what was measured are the errors of the prefixes that are stored.
 */
import type { Matrix } from "../panels/bits/cells.ts";

export const MOST_PLANES = 8;

/**
 * Share of the energy of normally distributed numbers that 0..=8 planes lose, by the quantiser's own fit
 * (`NORMAL` in crate/quant/src/fit/predict.rs). Rotations make the weights of every matrix all but normal, so the costs of
 * numbers of planes that the sentence does not name keep these proportions.
 */
export const NORMAL = [1.0, 0.3634, 0.1188, 0.0353, 0.0105, 0.0033, 0.0011, 0.00035, 0.00012] as const;

/** The sentence has two decimals: what is told as 0.00 lies below half of the last. */
const SMALLEST = 0.0025;

/** Nats a token that 0..=8 planes of the matrix are predicted to lose; `undefined` where the quantiser measured no sensitivity. */
export function costs({ reason }: Pick<Matrix, "reason">): number[] | undefined {
  const found = /^(\d) planes? loses? ([\d.]+) millinats a token(?:; one more would leave ([\d.]+) millinats)?/.exec(
    reason,
  );
  if (found === null) return undefined;
  const planes = Number(found[1]);
  const here = Math.max(Number(found[2]), SMALLEST) / 1000;
  const next = found[3] === undefined ? undefined : Math.max(Number(found[3]), SMALLEST / 2) / 1000;
  return NORMAL.map((share, count) => {
    if (count <= planes || next === undefined) return (here * share) / NORMAL[planes]!;
    return (next * share) / NORMAL[planes + 1]!;
  });
}

/** Bits a weight that 0..=8 planes are coded in (`CODED` in crate/quant/src/fit/predict.rs). */
const CODED = [0, 1.0, 1.92, 2.79, 3.67, 4.51, 5.47, 6.38, 7.28] as const;

/** Bytes of a matrix with so many planes and the scales of them and of a shorter prefix; as `MatrixStats::bytes` counts. */
export function storedBytes({ rows, columns }: Pick<Matrix, "rows" | "columns">, planes: number): number {
  const shorter = planes > 2 ? planes - 1 : 0;
  return Math.ceil((rows * columns * CODED[planes]!) / 8) + 2 * ((planes + shorter) * columns + rows);
}

/**
 * What a matrix loses with the planes of one of its prefixes, in nats a token: its predicted cost, by the proportion of the
 * errors that were measured.
 */
export function costOfPrefix(matrix: Matrix, planes: number): number | undefined {
  const whole = costs(matrix)?.[matrix.planes];
  const error = matrix.errors[matrix.prefixes.indexOf(planes)];
  if (whole === undefined || planes === matrix.planes) return whole;
  return error === undefined || !(matrix.error > 0) ? undefined : (whole * error) / matrix.error;
}
