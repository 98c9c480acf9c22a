/**
 * Reads the first rows of sign planes out of their coded form, which crate/nomul/src/plane/coded.rs describes and reads
 * whole: each weight's signs in the planes of a level are one symbol, and asymmetric numeral systems take these one by one.
 */

const TILE_ROWS = 16;
const VECTOR_COLUMNS = 8;
/** Tiles that are coded together. */
const TILES = 4;
/** Decoders that take turns. */
const STATES = 4;

interface Shape {
  rows: number;
  columns: number;
}

const vectorsOf = ({ columns }: Shape) => Math.ceil(columns / VECTOR_COLUMNS);
const tilesOf = ({ rows }: Shape) => Math.min(TILES, Math.ceil(rows / TILE_ROWS));
/** log2 of the places of a table. */
const bitsOf = (from: number) => (from === 0 ? 12 : 10);

/** The most bytes that the first rows of planes `from..to` take, with what stands before them. */
export function mostBytes(shape: Shape, from: number, to: number): number {
  const weights = tilesOf(shape) * TILE_ROWS * vectorsOf(shape) * VECTOR_COLUMNS;
  return (2 << to) + 8 + 2 * 2 * STATES + Math.ceil((weights * bitsOf(from)) / 8);
}

/** A place of a table: the state that it leads to, less what bits add; how many bits; the symbol. */
interface Place {
  state: number;
  length: number;
  symbol: number;
}

/** The table of a pattern. */
function table(counts: readonly number[], bits: number): Place[] {
  const size = 1 << bits;
  const symbols = new Array<number>(size);
  let turn = 0;
  counts.forEach((count, symbol) => {
    for (let i = 0; i < count; i++) symbols[(turn++ * ((size >> 1) + (size >> 3) + 3)) & (size - 1)] = symbol;
  });
  const numbers = [...counts];
  return symbols.map((symbol) => {
    const number = numbers[symbol]!++;
    const length = bits - Math.floor(Math.log2(number));
    return { state: (number << length) - size, length, symbol };
  });
}

/**
 * Signs of the first rows, 1 for +1, row after row: the planes `known`, and those up to `to` that `bytes` begins with. Rows that
 * fill up the last tile are there as well. Throws where the bytes do not come out even.
 */
export function decode(bytes: Uint8Array, shape: Shape, known: readonly Uint8Array[], to: number): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [from, bits, tiles, vectors] = [known.length, bitsOf(known.length), tilesOf(shape), vectorsOf(shape)];
  const counts = (pattern: number) =>
    Array.from({ length: 1 << (to - from) }, (_, symbol) => view.getUint16(2 * ((symbol << from) | pattern), true));
  const tables = Array.from({ length: 1 << from }, (_, pattern) => table(counts(pattern), bits));
  const planes = Array.from({ length: to }, (_, plane) => {
    return known[plane] ?? new Uint8Array(tiles * TILE_ROWS * shape.columns);
  });
  const strand = (start: number, first: number, end: number) => {
    const states = Array.from({ length: STATES }, (_, i) => view.getUint16(start + 2 * i, true));
    let at = 8 * (start + 2 * STATES);
    const take = (count: number) => {
      let taken = 0;
      for (let i = 0; i < count; i++, at++) taken |= ((bytes[at >> 3]! >> (at & 7)) & 1) << i;
      return taken;
    };
    const weights = (end - first) * vectors * VECTOR_COLUMNS * TILE_ROWS;
    for (let i = 0; i < weights; i++) {
      const lane = i % TILE_ROWS;
      const place = Math.floor(i / TILE_ROWS);
      const column = place % (vectors * VECTOR_COLUMNS);
      const tile = first + Math.floor(place / (vectors * VECTOR_COLUMNS));
      const at = (tile * TILE_ROWS + (lane >> 1) + (lane & 1) * 8) * shape.columns + column;
      // Columns that fill up the last vector are -1, and stand nowhere.
      const isFilling = column >= shape.columns;
      const pattern = isFilling ? 0 : known.reduce((sum, plane, bit) => sum | (plane[at]! << bit), 0);
      const { state, length, symbol } = tables[pattern]![states[i % STATES]!]!;
      states[i % STATES] = state + take(length);
      if (!isFilling) for (let plane = from; plane < to; plane++) planes[plane]![at] = (symbol >> (plane - from)) & 1;
    }
    if (states.some((state) => state !== 0)) throw new Error("the planes of this matrix are damaged");
  };
  const start = 2 << to;
  const middle = Math.ceil(tiles / 2);
  strand(start + 8, 0, middle);
  if (tiles > middle) strand(start + 8 + view.getUint32(start, true), middle, tiles);
  return planes;
}
