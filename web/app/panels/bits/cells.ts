/** What the grid of bits shows, worked out of the list of matrices. */

export interface Matrix {
  name: string;
  layer: number;
  kind: string;
  rows: number;
  columns: number;
  planes: number;
  planes_ready: number;
  bytes: number;
  /** Numbers of planes that it can be used with, and bytes and the error of each. */
  prefixes: number[];
  prefix_bytes: number[];
  errors: number[];
  error: number;
  reason: string;
}

/** The matrices of a block, in the order in which the model uses them. */
export const KINDS = ["q", "k", "v", "o", "gate", "up", "down"] as const;

export interface Grid {
  /** One row a block; `undefined` where the model has no such matrix. */
  layers: (Matrix | undefined)[][];
  embedding: Matrix | undefined;
  /** `undefined` where the embedding serves as head. */
  head: Matrix | undefined;
}

export function grid(matrices: readonly Matrix[]): Grid {
  const blocks = matrices.filter(({ kind }) => (KINDS as readonly string[]).includes(kind));
  const count = blocks.reduce((most, { layer }) => Math.max(most, layer + 1), 0);
  const layers = Array.from({ length: count }, () => new Array<Matrix | undefined>(KINDS.length).fill(undefined));
  for (const matrix of blocks) layers[matrix.layer]![KINDS.findIndex((kind) => kind === matrix.kind)] = matrix;
  const end = (kind: string) => matrices.find((matrix) => matrix.kind === kind);
  return { layers, embedding: end("embedding"), head: end("head") };
}

export interface Summary {
  bytes: number;
  weights: number;
  /** Mean bits a weight: planes alone, and with the scales that belong to them. */
  planes: number;
  stored: number;
}

export function summary(matrices: readonly Matrix[]): Summary {
  let [bytes, weights, signs] = [0, 0, 0];
  for (const matrix of matrices) {
    const size = matrix.rows * matrix.columns;
    bytes += matrix.bytes;
    weights += size;
    signs += size * matrix.planes;
  }
  return { bytes, weights, planes: signs / weights, stored: (bytes * 8) / weights };
}

/** A relative error: `4.31 %`. It is not a number where the quantiser did not write it down. */
export function percent(fraction: number): string {
  return Number.isNaN(fraction) ? "unknown" : `${(fraction * 100).toFixed(2)}\u00a0%`;
}

/** `error 4.31 % with 3 planes, 1.02 % with 4`. */
export function errors({ prefixes, errors }: Matrix): string {
  if (prefixes.length === 1) return `error ${percent(errors[0]!)}`;
  const each = prefixes.map((planes, i) => `${percent(errors[i]!)} with ${planes}${i === 0 ? " planes" : ""}`);
  return `error ${each.join(", ")}`;
}

/** A matrix in one sentence, for those who hear the grid. */
export function describe(matrix: Matrix, planned = matrix.planes): string {
  const { name, rows, columns, planes, planes_ready, bytes, reason } = matrix;
  return [
    planned === planes ? `${planes} ${planes === 1 ? "bit" : "bits"}` : `${planned} planned, ${planes} stored`,
    name,
    planes_ready < planes ? `${planes_ready} here` : "",
    `${rows} by ${columns}`,
    `${bytes} bytes`,
    errors(matrix),
    reason,
  ]
    .filter((part) => part !== "")
    .join(", ");
}

/** The list after a change: what has not changed stays the same object, so that it is not drawn anew. */
export function renewed<M extends Matrix>(before: readonly M[], now: readonly M[]): M[] {
  const known = new Map(before.map((matrix) => [matrix.name, matrix]));
  return now.map((matrix) => {
    const old = known.get(matrix.name);
    return old?.planes_ready === matrix.planes_ready && old.reason === matrix.reason && old.bytes === matrix.bytes
      ? old
      : matrix;
  });
}
