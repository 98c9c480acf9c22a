// What becomes of several measurements of one thing.

/** The middle of the numbers, or the mean of the two in the middle. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median with the least and the greatest, as fields `NAME`, `NAME_min` and `NAME_max`. */
export function spread(name, numbers) {
  return { [name]: median(numbers), [`${name}_min`]: Math.min(...numbers), [`${name}_max`]: Math.max(...numbers) };
}
