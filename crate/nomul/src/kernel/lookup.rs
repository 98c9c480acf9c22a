//! Sums of table entries picked by sign planes: where nearly all the time of a token goes.
//!
//! The definition, for a row and a stream of tables (a token's):
//!
//! ```text
//! sum[row] = sum over blocks of  (sum over planes and groups of four columns of
//!                                  entry[plane][group][index of the row's four signs] + 1/2) << shift[block]
//! ```
//!
//! Sixteen rows are looked up by one byte shuffle. Entries are unsigned bytes, raised by half their range, which is
//! taken off at the end of a block; short ones are added as bytes before they are widened (see [`super::Precision`]). Two
//! bytes share a 16-bit lane: adding whole lanes sums `even + 256 odd`, adding lanes shifted right by eight sums `odd`;
//! their difference at the end of a block gives `even`, modulo 2^16, which is enough for a block's sum.

use super::{
    BackEnd, MAX_PLANES, PAIR_ROWS, Planes,
    precision::Entries,
    simd::{Kernel, Lanes, One, Simd, run},
    tables::Tables,
};
use crate::{
    address::rows_mut,
    plane::{BLOCK_COLUMNS, BLOCK_VECTORS, Layout, TILE_ROWS},
};

/// How far ahead signs are asked for: about as long as main memory takes.
const AHEAD: usize = 4096;

/// Rows, filled up to whole pairs of tiles.
pub(super) fn padded_rows(rows: usize) -> usize {
    rows.div_ceil(PAIR_ROWS) * PAIR_ROWS
}

/// Sums for all rows, filled up to whole pairs of tiles, and all tokens of the groups: `(token, row)`. There is room for
/// them in `sums`.
pub(super) fn sum(back_end: BackEnd, matrix: &Planes, groups: &[Tables], sums: &mut [i32]) {
    run(back_end, Sum { matrix, groups, sums });
}

struct Sum<'a> {
    matrix: &'a Planes<'a>,
    groups: &'a [Tables],
    sums: &'a mut [i32],
}

impl Kernel for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Sum { matrix, groups, sums } = self;
        let stride = padded_rows(matrix.rows);
        let shape = Shape::new(matrix);
        let layout = Layout::new(matrix.rows, matrix.columns, matrix.stored);
        let pair_bytes = layout.pair_bytes();
        let mut at = 0;
        for pair in 0..stride / PAIR_ROWS {
            let signs = &matrix.signs[at..][..pair_bytes];
            at += matrix.pair_stride;
            // All tokens while the signs are in the first-level cache.
            let mut rest = &mut sums[..];
            for tables in groups {
                let (sums, others) = rest.split_at_mut(stride << tables.streams.trailing_zeros());
                rest = others;
                let both = S::Both::default();
                match (tables.streams, S::BOTH) {
                    (1, _) => sum_tiles::<S, S::Both, 1>(s, both, shape, tables, signs, pair, sums),
                    (2, true) => sum_tiles::<S, S::Both, 2>(s, both, shape, tables, signs, pair, sums),
                    (4, true) => sum_tiles::<S, S::Both, 4>(s, both, shape, tables, signs, pair, sums),
                    (2, false) => {
                        sum_tiles::<S, One<0>, 2>(s, One, shape, tables, signs, pair, sums);
                        sum_tiles::<S, One<1>, 2>(s, One, shape, tables, signs, pair, sums);
                    }
                    (streams, _) => unreachable!("{streams} tokens at once are not compiled"),
                }
            }
        }
    }
}

/// What is the same for all rows.
#[derive(Clone, Copy)]
struct Shape {
    blocks: usize,
    planes: usize,
    stored: usize,
    kinds: [Entries; MAX_PLANES],
    /// Steps of a block, one or two, after each of which 16-bit sums are added to 32-bit ones.
    steps: usize,
    /// What is to be taken off the sums of the steps of each block but the last, and of the last.
    excess: [[i16; 2]; 2],
}

impl Shape {
    fn new(matrix: &Planes) -> Shape {
        let (planes, precision) = (matrix.columns_by.planes(), matrix.precision);
        let blocks = matrix.columns.div_ceil(BLOCK_COLUMNS);
        let step = precision.step();
        let last = matrix.columns - (blocks - 1) * BLOCK_COLUMNS;
        let before = |step_number| if step_number == 0 { 0 } else { 2 * step };
        Shape {
            blocks,
            planes,
            stored: matrix.stored,
            kinds: core::array::from_fn(|plane| precision.entries(plane)),
            steps: if step == BLOCK_VECTORS { 1 } else { 2 },
            excess: [BLOCK_COLUMNS, last].map(|columns| {
                let groups = |step_number| columns.div_ceil(4).saturating_sub(before(step_number)).min(2 * step);
                [0, 1].map(|step_number| precision.excess(planes, groups(step_number)))
            }),
        }
    }
}

#[inline(always)]
fn sum_tiles<S: Simd, L: Lanes<S>, const STREAMS: usize>(
    s: S,
    lanes: L,
    shape: Shape,
    tables: &Tables,
    signs: &[u8],
    pair: usize,
    out: &mut [i32],
) {
    let Shape { blocks, planes, stored, kinds, steps, excess } = shape;
    let zero = s.splat32(0);
    // Of each tile [even rows 0..4, even rows 4..8, odd ...]: its rows 0..16 in order.
    let mut totals = [[[zero; 4]; 2]; STREAMS];
    let step = BLOCK_VECTORS >> (steps - 1);
    let of_block = tables.of_block;
    let mut entries = tables.entries().as_chunks::<STREAMS>().0;
    let mut signs = signs.as_chunks::<PAIR_ROWS>().0;
    for (block, shifts) in tables.shifts().as_chunks::<STREAMS>().0.iter().enumerate() {
        let (of_this, others) = entries.split_at(of_block);
        entries = others;
        let (these_signs, others) = signs.split_at(stored * BLOCK_VECTORS);
        signs = others;
        for number in 0..steps {
            let first = if number == 0 { 0 } else { step };
            let walk = Plane { s, lanes };
            let mut sums: Sums<L::W, STREAMS> = walk.zero();
            let mut entries = of_this;
            for (plane, kind) in kinds[..planes].iter().enumerate() {
                let these = &these_signs[plane * BLOCK_VECTORS + first..][..step];
                s.prefetch(these, AHEAD);
                let tables = if *kind == Entries::Split { 4 } else { 2 };
                let (of_plane, others) = entries.split_at(tables * BLOCK_VECTORS);
                entries = others;
                let of_plane = &of_plane[tables * first..][..tables * step];
                let of_plane = match kind {
                    Entries::Split => walk.split(these, of_plane.as_chunks().0),
                    Entries::Single => walk.single(these, of_plane.as_chunks().0),
                    Entries::Pairs => walk.pairs(these, of_plane.as_chunks().0),
                    Entries::Fours => walk.fours(these, of_plane.as_chunks().0),
                };
                for stream in 0..STREAMS {
                    sums.whole[stream] = lanes.add16(s, sums.whole[stream], of_plane.whole[stream]);
                    sums.odd[stream] = lanes.add16(s, sums.odd[stream], of_plane.odd[stream]);
                }
            }
            let excess = s.splat16(excess[usize::from(block + 1 == blocks)][number]);
            for stream in 0..STREAMS {
                let odd = sums.odd[stream];
                let even = lanes.sub16(s, sums.whole[stream], lanes.shl16::<8>(s, odd));
                for (tile, totals) in totals[stream][..L::TILES.len()].iter_mut().enumerate() {
                    let (even, odd) = (lanes.tile(s, even, tile), lanes.tile(s, odd, tile));
                    let (even, odd) = (s.sub16(even, excess), s.sub16(odd, excess));
                    let parts = [s.extend_low(even), s.extend_high(even), s.extend_low(odd), s.extend_high(odd)];
                    for (total, part) in totals.iter_mut().zip(parts) {
                        *total = s.add32(*total, s.shl32(part, shifts[stream]));
                    }
                }
            }
        }
    }
    let stride = out.len() / STREAMS;
    let first = pair * PAIR_ROWS + L::TILES.start * TILE_ROWS;
    for (totals, out) in totals.iter().zip(rows_mut(out, stride)) {
        let out = out[first..][..L::TILES.len() * TILE_ROWS].as_chunks_mut::<4>().0;
        for (total, out) in totals.as_flattened().iter().zip(out) {
            s.store_i32(*total, out);
        }
    }
}

/// Sums of bytes, two to a 16-bit lane.
struct Sums<W, const STREAMS: usize> {
    /// Even byte lanes plus 256 times odd ones, modulo 2^16.
    whole: [W; STREAMS],
    /// Odd byte lanes.
    odd: [W; STREAMS],
}

/// The table of one half of a vector, for each stream.
type Table<const STREAMS: usize> = [[u8; 16]; STREAMS];
/// The signs of a vector of both tiles.
type Signs = [u8; PAIR_ROWS];

/// Adds up the entries that the signs of one plane and one block pick.
#[derive(Clone, Copy)]
struct Plane<S, L, const STREAMS: usize> {
    s: S,
    lanes: L,
}

impl<S: Simd, L: Lanes<S>, const STREAMS: usize> Plane<S, L, STREAMS> {
    #[inline(always)]
    fn zero(self) -> Sums<L::W, STREAMS> {
        let zeros = [self.lanes.splat8(self.s, 0); STREAMS];
        Sums { whole: zeros, odd: zeros }
    }

    /// Tables: low bits and high bits of the first half, of the second half.
    #[inline(always)]
    fn split(self, signs: &[Signs], tables: &[[Table<STREAMS>; 4]]) -> Sums<L::W, STREAMS> {
        let Plane { s, lanes } = self;
        let mut sums = self.zero();
        // At most four bits an entry and sixteen entries, or five and eight: a byte holds the sum of a step.
        let mut high = sums.odd;
        for (signs, [low_a, high_a, low_b, high_b]) in signs.iter().zip(tables) {
            let index = self.nibbles(signs);
            for stream in 0..STREAMS {
                self.add(&mut sums, stream, self.look_up(index, &low_a[stream], &low_b[stream]));
                let rest = self.look_up(index, &high_a[stream], &high_b[stream]);
                high[stream] = lanes.add8(s, high[stream], rest);
            }
        }
        for (stream, high) in high.into_iter().enumerate() {
            let odd = lanes.shl16::<7>(s, lanes.shr16::<8>(s, high));
            sums.whole[stream] = lanes.add16(s, sums.whole[stream], lanes.shl16::<7>(s, high));
            sums.odd[stream] = lanes.add16(s, sums.odd[stream], odd);
        }
        sums
    }

    #[inline(always)]
    fn single(self, signs: &[Signs], tables: &[[Table<STREAMS>; 2]]) -> Sums<L::W, STREAMS> {
        let mut sums = self.zero();
        for (signs, [first, second]) in signs.iter().zip(tables) {
            let [a, b] = self.nibbles(signs);
            for stream in 0..STREAMS {
                self.add(&mut sums, stream, self.lanes.swizzle(self.s, &first[stream], a));
                self.add(&mut sums, stream, self.lanes.swizzle(self.s, &second[stream], b));
            }
        }
        sums
    }

    #[inline(always)]
    fn pairs(self, signs: &[Signs], tables: &[[Table<STREAMS>; 2]]) -> Sums<L::W, STREAMS> {
        let mut sums = self.zero();
        for (signs, [first, second]) in signs.iter().zip(tables) {
            let index = self.nibbles(signs);
            for stream in 0..STREAMS {
                self.add(&mut sums, stream, self.look_up(index, &first[stream], &second[stream]));
            }
        }
        sums
    }

    #[inline(always)]
    fn fours(self, signs: &[Signs], tables: &[[Table<STREAMS>; 2]]) -> Sums<L::W, STREAMS> {
        let ((signs, last_signs), (tables, last)) = (signs.as_chunks::<2>(), tables.as_chunks::<2>());
        let mut sums = self.pairs(last_signs, last);
        for ([these, next], [[first, second], [third, fourth]]) in signs.iter().zip(tables) {
            let (these, next) = (self.nibbles(these), self.nibbles(next));
            for stream in 0..STREAMS {
                let one = self.look_up(these, &first[stream], &second[stream]);
                let other = self.look_up(next, &third[stream], &fourth[stream]);
                self.add(&mut sums, stream, self.lanes.add8(self.s, one, other));
            }
        }
        sums
    }

    /// Adds bytes, widened.
    #[inline(always)]
    fn add(self, sums: &mut Sums<L::W, STREAMS>, stream: usize, bytes: L::W) {
        let Plane { s, lanes } = self;
        sums.whole[stream] = lanes.add16(s, sums.whole[stream], bytes);
        sums.odd[stream] = lanes.add16(s, sums.odd[stream], lanes.shr16::<8>(s, bytes));
    }

    /// The indices of a vector's two halves.
    #[inline(always)]
    fn nibbles(self, signs: &Signs) -> [L::W; 2] {
        let Plane { s, lanes } = self;
        let (signs, nibble) = (lanes.load(s, signs), lanes.splat8(s, 15));
        [lanes.and(s, signs, nibble), lanes.and(s, lanes.shr16::<4>(s, signs), nibble)]
    }

    /// The entries of a vector's two halves, added as bytes.
    #[inline(always)]
    fn look_up(self, [a, b]: [L::W; 2], first: &[u8; 16], second: &[u8; 16]) -> L::W {
        let Plane { s, lanes } = self;
        lanes.add8(s, lanes.swizzle(s, first, a), lanes.swizzle(s, second, b))
    }
}
