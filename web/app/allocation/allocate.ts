/**
 * Shares a budget of bytes out among matrices: one plane at a time to the one that gains most for what it takes. The same
 * steps as `Greedy` in crate/quant/src/fit/bits.rs.
 */
import { MOST_PLANES, costs, storedBytes } from "./costs.ts";
import type { Matrix } from "../panels/bits/cells.ts";

/** A matrix as the allocator sees it: predicted cost and bytes of 0..=8 planes. */
export interface Priced {
  name: string;
  weights: number;
  costs: readonly number[];
  bytes: readonly number[];
}

/** An allocation: planes by position, and what they come to. */
export interface Plan {
  planes: number[];
  bytes: number;
  /** Predicted, in nats a token: the sum over all matrices. */
  cost: number;
}

/** `undefined` where a matrix has no costs: then there is nothing to go by. */
export function priced(matrices: readonly Matrix[]): Priced[] | undefined {
  const all = matrices.flatMap((matrix) => {
    const found = costs(matrix);
    if (found === undefined) return [];
    const bytes = Array.from({ length: MOST_PLANES + 1 }, (_, planes) => storedBytes(matrix, planes));
    return [{ name: matrix.name, weights: matrix.rows * matrix.columns, costs: found, bytes }];
  });
  return all.length > 0 && all.length === matrices.length ? all : undefined;
}

/** The same number of planes everywhere. */
export function uniform(matrices: readonly Priced[], planes: number): Plan {
  return total(
    matrices,
    matrices.map(() => planes),
  );
}

/** What so many planes of each matrix come to. */
export function total(matrices: readonly Priced[], planes: number[]): Plan {
  let [bytes, cost] = [0, 0];
  matrices.forEach((matrix, position) => {
    bytes += matrix.bytes[planes[position]!]!;
    cost += matrix.costs[planes[position]!]!;
  });
  return { planes, bytes, cost };
}

/**
 * The allocator's steps within `budget` bytes, from one plane each. Every step is told before it is taken; `planes` is the
 * allocator's own list.
 */
function* steps(matrices: readonly Priced[], budget: number): Generator<Plan, void, void> {
  const planes = matrices.map(() => 1);
  let { bytes, cost } = total(matrices, planes);
  // Worth and price of the next plane of each: only those of the matrix that got one change.
  const price = matrices.map(({ bytes }) => bytes[2]! - bytes[1]!);
  const worth = matrices.map(({ costs }, at) => (costs[1]! - costs[2]!) / price[at]!);
  for (;;) {
    yield { planes, bytes, cost };
    let best = -1;
    for (let at = 0; at < planes.length; at++) {
      // Of equals, the first: the order of the forward pass.
      if (planes[at]! < MOST_PLANES && price[at]! <= budget - bytes && (best < 0 || worth[at]! > worth[best]!))
        best = at;
    }
    if (best < 0) return;
    const matrix = matrices[best]!;
    const now = ++planes[best]!;
    bytes += price[best]!;
    cost += matrix.costs[now]! - matrix.costs[now - 1]!;
    price[best] = (matrix.bytes[now + 1] ?? Infinity) - matrix.bytes[now]!;
    worth[best] = (matrix.costs[now]! - (matrix.costs[now + 1] ?? 0)) / price[best]!;
  }
}

/** Planes for every matrix within `budget` bytes; one each where that is too little for more. */
export function greedy(matrices: readonly Priced[], budget: number): Plan {
  let last: Plan | undefined;
  for (const step of steps(matrices, budget)) last = step;
  return total(matrices, last!.planes);
}

/** What the allocator passes by on its way from `from` to `to` bytes: about so many points of it. */
export function curve(
  matrices: readonly Priced[],
  from: number,
  to: number,
  points: number,
): { bytes: number; cost: number }[] {
  const found: { bytes: number; cost: number }[] = [];
  for (const { bytes, cost } of steps(matrices, to)) {
    if (bytes >= from + (found.length * (to - from)) / points) found.push({ bytes, cost });
  }
  return found;
}
