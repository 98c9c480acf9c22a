/** What a matrix loses with each number of planes, and what that costs the model. */
import { MOST_PLANES, NORMAL, costs } from "../../allocation/costs.ts";
import type { Matrix } from "../bits/cells.ts";

export interface Loss {
  planes: number;
  /** Share of the output's energy that is lost; not a number where nothing is known. */
  error: number;
  /** The quantiser measured it on the planes that are stored; else it is predicted for a matrix made anew. */
  isMeasured: boolean;
  /** What that costs the model, in nats a token; `undefined` where no sensitivity was measured. */
  cost: number | undefined;
}

/** For 1 to 8 planes. Predictions go from the error of all planes, in the proportions of the predicted costs. */
export function losses(matrix: Matrix): Loss[] {
  const predicted = costs(matrix);
  const shares: readonly number[] = predicted ?? NORMAL;
  const scale = matrix.error / shares[matrix.planes]!;
  return Array.from({ length: MOST_PLANES }, (_, before) => {
    const planes = before + 1;
    const measured = matrix.errors[matrix.prefixes.indexOf(planes)];
    const isMeasured = measured !== undefined && !Number.isNaN(measured);
    const error = isMeasured ? measured : Math.min(1, scale * shares[planes]!);
    const cost = predicted && matrix.error > 0 ? (predicted[matrix.planes]! * error) / matrix.error : undefined;
    return { planes, error, isMeasured, cost };
  });
}
