/** What the budget panel shows, worked out of the list of matrices. */
import { curve, greedy, priced, uniform, type Plan, type Priced } from "../../allocation/allocate.ts";
import { costOfPrefix } from "../../allocation/costs.ts";
import type { Matrix } from "../bits/cells.ts";

/** The same planes everywhere, for comparison. */
export const UNIFORM = [2, 3, 4] as const;

/** One of the sets of planes that the model can be run with: those of its first levels. */
export interface Level {
  level: number;
  /** Of planes and scales in use, as they are stored. */
  bytes: number;
  /** Predicted by the errors that were measured, in nats a token; `undefined` where nothing is known. */
  cost: number | undefined;
  planes: Map<string, number>;
}

/** What a budget can be chosen from. */
export interface Offer {
  matrices: Priced[];
  line: { bytes: number; cost: number }[];
  uniform: Plan[];
  least: number;
  most: number;
}

/** `undefined` where the quantiser measured no sensitivities. */
export function offer(all: readonly Matrix[]): Offer | undefined {
  const matrices = priced(all);
  if (matrices === undefined) return undefined;
  const [least, most] = [uniform(matrices, 2).bytes, uniform(matrices, 6).bytes];
  const line = curve(matrices, least, most, 48);
  return { matrices, line, uniform: UNIFORM.map((planes) => uniform(matrices, planes)), least, most };
}

/** The allocator's choice for so many bytes. */
export const plan = ({ matrices }: Offer, budget: number): Plan => greedy(matrices, budget);

/** Predicted perplexity over that of the checkpoint: costs are divergences in nats a token, and add up. */
export const ratio = (cost: number): number => Math.exp(cost);

/**
 * The sets of planes that the model can be run with, by level. `completes` says which level brings the last plane of a matrix;
 * before it, the first prefix is used.
 */
export function levels(
  matrices: readonly Matrix[],
  count: number,
  completes: (matrix: Matrix) => number | undefined,
): Level[] {
  return Array.from({ length: count }, (_, before) => {
    const found: Level = { level: before + 1, bytes: 0, cost: 0, planes: new Map() };
    for (const matrix of matrices) {
      const isWhole = (completes(matrix) ?? 1) <= found.level;
      const planes = isWhole ? matrix.planes : matrix.prefixes[0]!;
      const cost = costOfPrefix(matrix, planes);
      found.planes.set(matrix.name, planes);
      found.bytes += matrix.prefix_bytes[matrix.prefixes.indexOf(planes)]!;
      found.cost = found.cost === undefined || cost === undefined ? undefined : found.cost + cost;
    }
    return found;
  });
}
