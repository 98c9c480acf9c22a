// Comparing vectors: how near the ones are to the others, and whether they find the same texts alike.

import { readFile } from "node:fs/promises";
import { Failure } from "../../shared/command.mjs";

/** The rows of an array of floats of two dimensions in NumPy's format. */
export async function readArray(file) {
  const bytes = await readFile(file);
  const begin = 10 + bytes.readUInt16LE(8);
  const [, rows, columns] = /'<f4'.*False.*\((\d+), (\d+)\)/.exec(bytes.toString("latin1", 10, begin)) ?? [];
  if (bytes.length !== begin + 4 * rows * columns) throw new Failure(`${file}: not two dimensions of floats`);
  const numbers = new Float32Array(bytes.buffer.slice(bytes.byteOffset + begin, bytes.byteOffset + bytes.length));
  return Array.from({ length: Number(rows) }, (_, row) => numbers.subarray(row * columns, (row + 1) * columns));
}

const dot = (a, b) => a.reduce((sum, x, place) => sum + x * b[place], 0);

/** The cosine of each vector and its counterpart. */
export const cosines = (ours, theirs) =>
  ours.map((a, place) => dot(a, theirs[place]) / Math.sqrt(dot(a, a) * dot(theirs[place], theirs[place])));

/** The greatest difference of two elements. */
export const farthest = (ours, theirs) =>
  Math.max(...ours.map((a, row) => a.reduce((most, x, place) => Math.max(most, Math.abs(x - theirs[row][place])), 0)));

/** Of every pair of vectors. */
export const similarities = (vectors) =>
  vectors.flatMap((a, place) => vectors.slice(place + 1).map((b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))));

/** The places of numbers in their order; equal ones share the middle of theirs. */
function ranks(numbers) {
  const order = numbers.map((_, place) => place).sort((a, b) => numbers[a] - numbers[b]);
  const result = new Array(numbers.length);
  for (let first = 0, last; first < order.length; first = last + 1) {
    last = first;
    while (last + 1 < order.length && numbers[order[last + 1]] === numbers[order[first]]) last++;
    for (let at = first; at <= last; at++) result[order[at]] = (first + last) / 2;
  }
  return result;
}

/** Spearman's correlation: that of the ranks. */
export function spearman(a, b) {
  const centred = (numbers) => {
    const all = ranks(numbers);
    const mean = all.reduce((sum, x) => sum + x, 0) / all.length;
    return all.map((x) => x - mean);
  };
  const [x, y] = [centred(a), centred(b)];
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}
