//! The product for many tokens at once: the same integers as [`super::lookup`], sooner.
//!
//! There a byte shuffle looks up sixteen rows for one token. Here a row's byte of signs, those of eight columns, picks one of
//! 256 entries, and each entry holds the sums of sixteen tokens, 16 bits each: whole registers are loaded and added, nothing
//! is split into bytes, and an entry is the sum of two that the definition has for four columns:
//!
//! ```text
//! table[b][j][i][t] = entry[b][2j][i % 16][t] + entry[b][2j + 1][i / 16][t]
//! sum[row][t]       = sum over blocks of  (sum over planes b and vectors j of
//!                                            table[b][j][signs of the row][t] + 1/2 + 1/2) << shift[block][t]
//! ```
//!
//! That is the method of the four Russians (Arlazarov, Dinic, Kronrod, Faradzhev, 1970), whose tables pay where there are about
//! as many rows as entries. Tables are made when they are needed, and stay in the first-level cache while all rows pass. In
//! WebAssembly a prompt is read twice as fast by it (SmolLM2), with AVX2, whose shuffle is twice as wide, 1.2 times.

use alloc::vec::Vec;

use super::{
    BackEnd, Columns, PAIR_ROWS, Patterns, Planes,
    lookup::padded_rows,
    simd::{Kernel, Lanes, Simd, bytes_of, run},
    tables::{bound, to_exponent},
};
use crate::{
    address::{rows_mut, times},
    plane::{BLOCK_COLUMNS, BLOCK_VECTORS, Layout},
};

/// Tokens of a batch.
pub(super) const TOKENS: usize = 16;
/// From so many rows on tables of 256 entries pay.
pub(super) const LEAST_ROWS: usize = 128;
/// Up to so many rows there is room for the sums of a block: those of a vocabulary do not fit a cache.
const MOST_ROWS: usize = 1 << 14;
/// Tables that rows pass at a time: as many as a first-level cache holds.
const AT_ONCE: usize = 4;

/// A register's sums of all tokens.
type Entry = [u8; 2 * TOKENS];
/// Of the signs of eight columns.
type Table = [Entry; 256];

/// Room for a batch, taken before.
pub(super) struct Batch {
    /// The least rows that it is used for.
    pub(super) least_rows: usize,
    /// Activations, kept within range: `(column, token)`.
    x: Vec<[f32; TOKENS]>,
    /// Exponents of the blocks' units, then how far their sums are shifted: `(block, token)`.
    shifts: Vec<[i32; TOKENS]>,
    tables: Vec<Table>,
    /// Sums of a block: `(row in the order of lanes)`.
    sums: Vec<Entry>,
    exponents: [i32; TOKENS],
}

impl Default for Batch {
    fn default() -> Batch {
        Batch {
            least_rows: LEAST_ROWS,
            x: Vec::new(),
            shifts: Vec::new(),
            tables: Vec::new(),
            sums: Vec::new(),
            exponents: [0; TOKENS],
        }
    }
}

impl Batch {
    /// Takes the memory, where a product of this size is done here; answers whether it is.
    pub(super) fn reserve(&mut self, back_end: BackEnd, rows: usize, columns: usize, tokens: usize) -> bool {
        if tokens < back_end.least_batch() || !(self.least_rows..=MOST_ROWS).contains(&rows) {
            return false;
        }
        let columns = columns.next_multiple_of(BLOCK_COLUMNS);
        self.x.resize(self.x.len().max(columns), [0.0; TOKENS]);
        self.shifts.resize(self.shifts.len().max(columns / BLOCK_COLUMNS), [0; TOKENS]);
        self.tables.resize(AT_ONCE, [[0; 2 * TOKENS]; 256]);
        self.sums.resize(self.sums.len().max(padded_rows(rows)), [0; 2 * TOKENS]);
        true
    }

    /// Whether it takes the product with so many tokens.
    pub(super) fn takes(&self, back_end: BackEnd, matrix: &Planes, tokens: usize) -> bool {
        (back_end.least_batch()..=TOKENS).contains(&tokens)
            && matrix.rows >= self.least_rows
            && padded_rows(matrix.rows) <= self.sums.len()
            && matrix.columns.div_ceil(BLOCK_COLUMNS) <= self.shifts.len()
            && matches!(matrix.columns_by, Columns::Each(_))
    }

    /// Sums like [`super::lookup::sum`], with room for those of [`TOKENS`], and the tokens' exponents. `x` is
    /// `(tokens, columns)`; `scaled` is scratch.
    pub(super) fn sum(
        &mut self,
        back_end: BackEnd,
        matrix: &Planes,
        x: &[f32],
        scaled: &mut [f32],
        sums: &mut [i32],
    ) -> &[i32] {
        let mut tokens = 0;
        let padded = matrix.columns.div_ceil(BLOCK_COLUMNS) * BLOCK_COLUMNS;
        let scaled = &mut scaled[..padded];
        self.x[..padded].fill([0.0; TOKENS]);
        for x in crate::address::rows(x, matrix.columns) {
            run(back_end, Bound { x, bounded: scaled });
            for (to, &from) in self.x.iter_mut().zip(&*scaled) {
                to[tokens] = from;
            }
            tokens += 1;
        }
        run(back_end, Sum { matrix, batch: self, sums });
        &self.exponents[..tokens]
    }
}

struct Bound<'a> {
    x: &'a [f32],
    bounded: &'a mut [f32],
}

impl Kernel for Bound<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        bound(s, self.x, self.bounded);
    }
}

struct Sum<'a> {
    matrix: &'a Planes<'a>,
    batch: &'a mut Batch,
    /// `(token, row)`.
    sums: &'a mut [i32],
}

impl Kernel for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Sum { matrix, batch, sums } = self;
        let Batch { x, shifts, tables, sums: of_block, exponents, .. } = batch;
        let blocks = matrix.columns.div_ceil(BLOCK_COLUMNS);
        let shifts = &mut shifts[..blocks];
        for (block, (x, exponents)) in x.as_chunks::<BLOCK_COLUMNS>().0.iter().zip(&mut *shifts).enumerate() {
            measure(s, matrix, block, x, exponents);
        }
        settle(matrix, shifts, exponents);
        let highest = *exponents;
        for exponent in exponents {
            *exponent -= matrix.precision.shift() as i32;
        }

        let stride = padded_rows(matrix.rows);
        let of_block = &mut of_block[..stride];
        let sums = &mut sums[..stride << TOKENS.trailing_zeros()];
        sums.fill(0);
        let block_bytes = Layout::new(matrix.rows, matrix.columns, matrix.stored).block_bytes();
        let (planes, step) = (matrix.columns_by.planes(), matrix.precision.step());
        let groups = matrix.columns.div_ceil(4);
        let mut signs = matrix.signs;
        for (block, (x, shifts)) in x.as_chunks::<BLOCK_COLUMNS>().0.iter().zip(&*shifts).enumerate() {
            let groups = (groups - block * GROUPS).min(GROUPS);
            let anchors = anchors(&highest, shifts);
            for first in [0, step] {
                let vectors = first..groups.div_ceil(2).min(first + step);
                if first == BLOCK_VECTORS || vectors.is_empty() {
                    continue;
                }
                // A half for each entry.
                let groups = groups.min(2 * (first + step)) - 2 * first;
                let halves = s.splat16((times(planes, groups) / 2) as i16);
                for entry in of_block.as_flattened_mut().as_chunks_mut::<16>().0 {
                    s.store(halves, entry);
                }
                for plane in 0..planes {
                    let scales = scales_of(matrix, plane, block);
                    let make = Make { s, x, scales, anchors: &anchors, shift: matrix.precision.shift() };
                    let mut vector = first;
                    while vector < vectors.end {
                        let count = (vectors.end - vector).min(AT_ONCE);
                        for (at, table) in tables[..count].iter_mut().enumerate() {
                            let is_half = 2 * (vector + at - first) + 1 == groups;
                            make.table(table, vector + at, is_half);
                        }
                        let signs = &signs[(plane * BLOCK_VECTORS + vector) * PAIR_ROWS..];
                        pass(s, &tables[..count], signs, matrix.pair_stride, of_block);
                        vector += count;
                    }
                }
                add_up(s, of_block, shifts, sums);
            }
            signs = &signs[block_bytes.min(signs.len())..];
        }
    }
}

/// Groups of four columns in a block.
const GROUPS: usize = BLOCK_COLUMNS / 4;

/// The scales of a block's columns.
fn scales_of<'a>(matrix: &'a Planes, plane: usize, block: usize) -> &'a [Patterns] {
    let columns = block * BLOCK_COLUMNS..(block + 1) * BLOCK_COLUMNS;
    matrix.columns_by.of(plane, columns).expect("planes with scales of their own")
}

/// A scale's terms in every lane.
#[inline(always)]
fn terms<S: Simd>(s: S, scales: &Patterns, column: usize) -> [S::V; 3] {
    scales.map(|term| s.splat32(i32::from(term[column]) << 16))
}

/// Four tokens' activations of a column times its scale.
#[inline(always)]
fn scaled<S: Simd>(s: S, x: &[f32; 4], terms: [S::V; 3]) -> S::V {
    let x = s.load_f32(x);
    let [first, second, third] = terms.map(|term| s.add32(x, term));
    s.add_f32(s.add_f32(first, second), third)
}

/// The exponents of the units of a block.
#[inline(always)]
fn measure<S: Simd>(
    s: S,
    matrix: &Planes,
    block: usize,
    x: &[[f32; TOKENS]; BLOCK_COLUMNS],
    exponents: &mut [i32; TOKENS],
) {
    let mut largest = [s.splat32(0); TOKENS / 4];
    for plane in 0..matrix.columns_by.planes() {
        let mut of_plane = [s.splat32(0); TOKENS / 4];
        for (x, scales) in x.as_chunks::<4>().0.iter().zip(scales_of(matrix, plane, block)) {
            let terms: [_; 4] = core::array::from_fn(|column| terms(s, scales, column));
            for (four, largest) in of_plane.iter_mut().enumerate() {
                let size = |column: usize| {
                    let x = &x[column].as_chunks::<4>().0[four];
                    s.and(scaled(s, x, terms[column]), s.splat32(i32::MAX))
                };
                let sum = s.add_f32(s.add_f32(size(0), size(2)), s.add_f32(size(1), size(3)));
                *largest = s.max32(*largest, sum);
            }
        }
        let shorter = s.splat32((matrix.precision.shorter(plane) << 23) as i32);
        for (largest, of_plane) in largest.iter_mut().zip(of_plane) {
            *largest = s.max32(*largest, s.add32(of_plane, shorter));
        }
    }
    for (largest, exponents) in largest.into_iter().zip(exponents.as_chunks_mut::<4>().0) {
        s.store_i32(largest, exponents);
        *exponents = exponents.map(to_exponent);
    }
}

/// From the exponents of all blocks to their shifts, and the exponents of the finest: see [`super::tables`].
fn settle(matrix: &Planes, shifts: &mut [[i32; TOKENS]], highest: &mut [i32; TOKENS]) {
    let reach = matrix.precision.reach(shifts.len());
    for (token, highest) in highest.iter_mut().enumerate() {
        let exponents = || shifts.iter().map(|of_block| of_block[token]);
        let most = exponents().min().unwrap_or(0) + reach;
        *highest = exponents().max().unwrap_or(0).min(most);
        for of_block in &mut *shifts {
            of_block[token] = *highest - of_block[token].min(most);
        }
    }
}

/// What is added to a token's activations of a block, so that their integers are the low bits.
#[inline(always)]
fn anchors(highest: &[i32; TOKENS], shifts: &[i32; TOKENS]) -> [i32; TOKENS] {
    core::array::from_fn(|token| ((23 - (highest[token] - shifts[token]) + 127) << 23) | 0x40_0000)
}

/// What a table is made from.
struct Make<'a, S> {
    s: S,
    x: &'a [[f32; TOKENS]; BLOCK_COLUMNS],
    scales: &'a [Patterns],
    anchors: &'a [i32; TOKENS],
    shift: u32,
}

impl<S: Simd> Make<'_, S> {
    /// The table of a vector's eight columns, or of its first four where that `is_half` there.
    #[inline(always)]
    fn table(&self, table: &mut Table, vector: usize, is_half: bool) {
        let (s, lanes) = (self.s, S::Both::default());
        let low = self.entries(2 * vector);
        let high = if is_half { [[0; 2 * TOKENS]; 16] } else { self.entries(2 * vector + 1) };
        for (entries, high) in table.as_chunks_mut::<16>().0.iter_mut().zip(&high) {
            let high = lanes.load(s, high);
            for (entry, low) in entries.iter_mut().zip(&low) {
                lanes.store(s, lanes.add16(s, lanes.load(s, low), high), entry);
            }
        }
    }

    /// The entries of four columns.
    #[inline(always)]
    fn entries(&self, group: usize) -> [Entry; 16] {
        let (s, lanes) = (self.s, S::Both::default());
        let (x, scales) = (&self.x.as_chunks::<4>().0[group], &self.scales[group]);
        let mut fine = [[0i16; TOKENS]; 4];
        for (column, fine) in fine.iter_mut().enumerate() {
            let terms = terms(s, scales, column);
            let fours = x[column].as_chunks::<4>().0.iter().zip(self.anchors.as_chunks::<4>().0);
            for ((x, anchor), fine) in fours.zip(fine.as_chunks_mut::<4>().0) {
                let whole = s.add_f32(scaled(s, x, terms), s.load_i32(anchor));
                let even = s.and(whole, s.splat32(-2));
                s.store_lower_halves(if column == 0 { s.or(even, s.splat32(1)) } else { even }, fine);
            }
        }
        let [a, b, c, d] = fine.map(|fine| lanes.load(s, bytes_of(&fine).as_chunks().0.first().expect("all tokens")));
        let zero = lanes.splat8(s, 0);
        let signed = |a, b| {
            let (sum, difference) = (lanes.add16(s, a, b), lanes.sub16(s, a, b));
            [lanes.sub16(s, zero, sum), difference, lanes.sub16(s, zero, difference), sum]
        };
        let (first, second) = (signed(a, b), signed(c, d));
        let mut entries = [[0; 2 * TOKENS]; 16];
        for (entries, second) in entries.as_chunks_mut::<4>().0.iter_mut().zip(second) {
            for (entry, first) in entries.iter_mut().zip(first) {
                lanes.store(s, lanes.sar16(s, lanes.add16(s, first, second), self.shift), entry);
            }
        }
        entries
    }
}

/// All rows pass the tables of neighbouring vectors, whose signs in the first pair of tiles come first.
#[inline(always)]
fn pass<S: Simd>(s: S, tables: &[Table], signs: &[u8], pair_stride: usize, sums: &mut [Entry]) {
    match tables.as_chunks::<AT_ONCE>() {
        ([tables], []) => pass_together(s, tables, signs, pair_stride, sums),
        (_, tables) => {
            for (at, table) in tables.iter().enumerate() {
                pass_together(s, core::array::from_ref(table), &signs[at * PAIR_ROWS..], pair_stride, sums);
            }
        }
    }
}

#[inline(always)]
fn pass_together<S: Simd, const N: usize>(
    s: S,
    tables: &[Table; N],
    signs: &[u8],
    pair_stride: usize,
    sums: &mut [Entry],
) {
    let lanes = S::Both::default();
    let mut at = 0;
    for sums in sums.as_chunks_mut::<PAIR_ROWS>().0 {
        let signs: &[[u8; PAIR_ROWS]; N] = signs[at..].as_chunks().0.first_chunk().expect("the signs of a pair");
        for (lane, entry) in sums.iter_mut().enumerate() {
            let mut sum = lanes.load(s, entry);
            for (table, signs) in tables.iter().zip(signs) {
                sum = lanes.add16(s, sum, lanes.load(s, &table[usize::from(signs[lane])]));
            }
            lanes.store(s, sum, entry);
        }
        at += pair_stride;
    }
}

/// Shifts a block's sums and adds them to those of all.
#[inline(always)]
fn add_up<S: Simd>(s: S, of_block: &[Entry], shifts: &[i32; TOKENS], sums: &mut [i32]) {
    let stride = of_block.len();
    let mut rows_of = rows_mut(sums, stride);
    let sums: [&mut [i32]; TOKENS] = core::array::from_fn(|_| rows_of.next().unwrap_or_default());
    // Even lanes are rows 0..8 of a tile, odd ones the other eight.
    for (tile, entries) in of_block.as_chunks::<16>().0.iter().enumerate() {
        for odd in 0..2 {
            let first = 16 * tile + 8 * odd;
            for half in 0..2 {
                let eight = core::array::from_fn(|row| s.load(&entries[2 * row + odd].as_chunks().0[half]));
                for (token, of_token) in transposed(s, eight).into_iter().enumerate() {
                    let token = 8 * half + token;
                    add_eight(s, of_token, shifts[token] as u32, &mut sums[token][first..first + 8]);
                }
            }
        }
    }
}

/// Adds eight rows of a token.
#[inline(always)]
fn add_eight<S: Simd>(s: S, rows: S::V, shift: u32, sums: &mut [i32]) {
    let [low, high] = sums.as_chunks_mut::<4>().0 else { unreachable!("eight rows") };
    s.store_i32(s.add32(s.load_i32(low), s.shl32(s.extend_low(rows), shift)), low);
    s.store_i32(s.add32(s.load_i32(high), s.shl32(s.extend_high(rows), shift)), high);
}

/// Eight rows of eight 16-bit numbers, as columns.
#[inline(always)]
fn transposed<S: Simd>(s: S, rows: [S::V; 8]) -> [S::V; 8] {
    // Interleaving the first half with the second moves the highest bit of a number's place to the end: three times, and row
    // and column have changed places.
    let interleaved = |[a, b, c, d, e, f, g, h]: [S::V; 8]| {
        let ([a, b], [c, d], [e, f], [g, h]) = (s.zip16(a, e), s.zip16(b, f), s.zip16(c, g), s.zip16(d, h));
        [a, b, c, d, e, f, g, h]
    };
    interleaved(interleaved(interleaved(rows)))
}
