/** NumPy's file of an array: rows of 32-bit floats. (NEP 1: magic, version 1.0, the header padded to 64 bytes.) */
export function npy(values: Float32Array<ArrayBuffer>, columns: number): Blob {
  const shape = `(${values.length / columns}, ${columns})`;
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`;
  const length = Math.ceil((10 + dictionary.length + 1) / 64) * 64 - 10;
  const header = dictionary.padEnd(length - 1) + "\n";
  const head = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, length & 255, length >> 8);
  return new Blob([head, header, values], { type: "application/octet-stream" });
}

/** A line for each node: its key and its numbers. */
export function csv(keys: string[], values: Float32Array, columns: number): Blob {
  const quoted = (key: string) => (/[",\r\n]/.test(key) ? `"${key.replaceAll('"', '""')}"` : key);
  const lines = keys.map((key, node) => [quoted(key), ...values.subarray(node * columns, (node + 1) * columns)].join());
  return new Blob([lines.join("\n"), "\n"], { type: "text/csv" });
}
