// What becomes of several measurements of one thing.

/** The middle of the numbers, or the mean of the two in the middle. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Four digits: more than measurements are good for. */
export const rounded = (number) => Number(number.toPrecision(4));

/** The median with the least and the greatest, as fields `NAME`, `NAME_min` and `NAME_max`. */
export function spread(name, numbers) {
  return {
    [name]: rounded(median(numbers)),
    [`${name}_min`]: rounded(Math.min(...numbers)),
    [`${name}_max`]: rounded(Math.max(...numbers)),
  };
}
