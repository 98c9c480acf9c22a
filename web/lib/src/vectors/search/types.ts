/** What an index holds. */
export interface Shape {
  /**
   * The numbers of a vector: `"signs"` are -1 and +1 in a bit each, `"ternary"` numbers -1, 0 and +1 in two bits, `"i8"`
   * and `"i16"` signed integers.
   */
  kind: "signs" | "ternary" | "i8" | "i16";
  /** How many numbers a vector has, 1 to 65,536. */
  dimensions: number;
  /** How vectors are compared: by `"cosine"` (the default) or by the `"dot"` product. */
  metric?: "cosine" | "dot" | undefined;
}
