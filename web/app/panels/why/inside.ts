/**
 * What is stored of a matrix, read back from its first rows: signs, scales, and the weights that they stand for. The format
 * is described in ARCHITECTURE.md; crate/nomul/src/scale.rs reads the same scales.
 */

/** Rows that are looked at: those that are coded first. */
export const ROWS = 64;
/** Columns of the picture of the signs. */
export const PICTURE = 64;

export interface Inside {
  /** Planes that are in use. */
  planes: number;
  /** For each plane, of the first rows and columns, row after row: 1 where a weight is +1, 0 where it is -1. */
  signs: { width: number; height: number; planes: Uint8Array[] };
  /** For each plane, the scale of each column. */
  columns: Float64Array[];
  /** The scale of each row. */
  rows: Float64Array;
  /** Weights of the first rows, as the planes give them. */
  weights: Float64Array;
}

/** A scale: a sum of at most three signed powers of two, in 16 bits. */
export function scale(code: number): number {
  const exponent = (code >> 8) & 0x7f;
  if (exponent === 0) return 0;
  let sum = 2 ** (exponent - 64);
  let power = exponent - 64;
  for (const field of [(code >> 4) & 15, code & 15]) {
    const distance = field & 7;
    if (distance === 0) break;
    power -= distance;
    sum += field & 8 ? -(2 ** power) : 2 ** power;
  }
  return code & 0x8000 ? -sum : sum;
}

/** Scales as they lie in a file: 16-bit numbers, little end first. */
export function scales(bytes: Uint8Array): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float64Array.from({ length: bytes.length >> 1 }, (_, place) => scale(view.getUint16(2 * place, true)));
}

/**
 * Puts together what was read: of each plane the first rows, 1 for +1; the column scales of all of them, or of the last where
 * those of each plane are twice those of the next; the row scales.
 */
export function inside(
  shape: { rows: number; columns: number },
  planes: readonly Uint8Array[],
  columnScales: Float64Array,
  rowScales: Float64Array,
): Inside {
  const [height, width] = [Math.min(ROWS, shape.rows), Math.min(PICTURE, shape.columns)];
  const isEven = columnScales.length === shape.columns;
  const columns = planes.map((_, plane) => {
    if (isEven) return columnScales.map((least) => least * 2 ** (planes.length - 1 - plane));
    return columnScales.subarray(plane * shape.columns, (plane + 1) * shape.columns);
  });
  const weights = new Float64Array(height * shape.columns);
  planes.forEach((plane, number) => {
    const scaleOf = columns[number]!;
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < shape.columns; column++) {
        const size = rowScales[row]! * scaleOf[column]!;
        weights[row * shape.columns + column]! += plane[row * shape.columns + column] === 1 ? size : -size;
      }
    }
  });
  const signs = planes.map((plane) =>
    Uint8Array.from(
      { length: height * width },
      (_, at) => plane[Math.floor(at / width) * shape.columns + (at % width)]!,
    ),
  );
  return { planes: planes.length, signs: { width, height, planes: signs }, columns, rows: rowScales, weights };
}

/** How many numbers fall into each of `count` bins of equal width between `from` and `to`; those outside count at the ends. */
export function histogram(numbers: Iterable<number>, from: number, to: number, count: number): number[] {
  const bins = new Array<number>(count).fill(0);
  for (const number of numbers) {
    const bin = Math.floor(((number - from) / (to - from)) * count);
    bins[Math.min(Math.max(bin, 0), count - 1)]!++;
  }
  return bins;
}
