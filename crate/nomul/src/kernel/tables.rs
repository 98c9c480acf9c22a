//! From activations to tables of signed sums.
//!
//! For one token, with `s[b][k] = a[b][k] * x[k]` formed by shifts and `bits`, `shorter` of the [`Precision`]:
//!
//! ```text
//! unit of a block of 64 columns:  2^-e, the finest in which every sum of four neighbours' |s[b]| in plane b stays
//!                                 below 2^(15 - shorter[b])
//! fine[b][k]     = s[b][k] in units, rounded to nearest even; then made odd for the first of four columns, even for
//!                  the others, by setting or clearing the last bit
//! sum[b][j][i]   = sum over c in 0..4 of  (bit c of i set ? +1 : -1) * fine[b][4j + c]
//! entry[b][j][i] = sum >> (16 - bits), rounded down; it stands for entry + 1/2
//! ```
//!
//! An entry is stored as one unsigned byte, raised by half its range, or as two: seven low bits and the rest. Rounding
//! down to the middle of a step is as fine as rounding to nearest. Sums are odd, so that the middle of what a step holds
//! is the middle of the step: an error that all rows share, however small, would not average out.
//! Quantising after summing keeps more than quantising activations would (T-MAC does the same). Blocks have units of
//! their own; their sums are shifted to the finest one when blocks are added, as far as 31 bits reach.

use alloc::vec::Vec;

use super::{
    BackEnd, MAX_PLANES, Planes, Worker,
    precision::{Entries, Precision},
    scales::Patterns,
    simd::{Kernel, Simd, run},
};
use crate::{
    address::{divide, rows, rows_mut, times},
    plane::{BLOCK_COLUMNS, BLOCK_VECTORS},
    team::{Crew, split_with},
};

/// The finest unit is 2^-50: activations below are noise, and exponents stay in range when rows are scaled.
const FINEST: i32 = 50;
/// Bits of the activations' magnitude are kept within 2^-50..2^50, see [`crate::scale::Scale::patterns`].
const SMALLEST: i32 = (127 - 50) << 23;
const LARGEST: i32 = (127 + 50) << 23;

/// The tables of a few tokens, in memory that was taken before.
#[derive(Default)]
pub struct Tables {
    /// Tables interleaved: one for each token; a power of two.
    pub(super) streams: usize,
    /// Blocks of columns.
    blocks: usize,
    /// Tables of a block of one token.
    pub(super) of_block: usize,
    entries: Vec<[u8; 16]>,
    shifts: Vec<u32>,
    exponents: [i32; MOST_STREAMS],
}

/// The most tokens whose tables are interleaved.
const MOST_STREAMS: usize = 4;

/// Builds the tables of the inputs `x`, `(tokens, columns)`, in groups as large as the back end looks up at once.
/// `scaled` is scratch.
pub(super) fn build<'a>(
    back_end: BackEnd,
    matrix: &Planes,
    x: &[f32],
    scaled: &mut [f32],
    groups: &'a mut [Tables],
) -> &'a [Tables] {
    let (mut used, mut rest) = (0, x);
    while !rest.is_empty() {
        // The look-up is compiled for one, two and four at once.
        let fits = |log: &u32| 1 << log <= back_end.streams() && matrix.columns << log <= rest.len();
        let log = [2, 1].into_iter().find(fits).unwrap_or(0);
        let (x, others) = rest.split_at(matrix.columns << log);
        rest = others;
        let tables = &mut groups[used];
        used += 1;
        tables.shape(matrix, log);
        for (token, x) in rows(x, matrix.columns).enumerate() {
            let of = Stream { log, token };
            let (shifts, entries, exponent) = tables.parts(token);
            run(back_end, Measure { matrix, x, first: 0, of, scaled, shifts });
            let highest = settle(matrix, of, shifts);
            *exponent = highest - matrix.precision.shift() as i32;
            run(back_end, Fill { matrix, first: 0, of, scaled, shifts, highest, entries });
        }
    }
    &groups[..used]
}

/// Builds the tables of one token like [`build`], each worker those of some blocks.
pub(super) fn build_together<'a>(
    back_end: BackEnd,
    crew: Crew<'_>,
    matrix: &Planes,
    x: &[f32],
    workers: &mut [Worker],
    groups: &'a mut [Tables],
) -> &'a [Tables] {
    let tables = &mut groups[0];
    let of = Stream { log: 0, token: 0 };
    tables.shape(matrix, 0);
    let of_block = tables.of_block;
    let (shifts, entries, exponent) = tables.parts(0);
    split_with(crew, shifts, 1, workers, |first, shifts, worker| {
        run(back_end, Measure { matrix, x, first, of, scaled: &mut worker.scaled, shifts });
    });
    let highest = settle(matrix, of, shifts);
    *exponent = highest - matrix.precision.shift() as i32;
    let shifts = &*shifts;
    // As many units as before: every worker gets the blocks that it has scaled.
    split_with(crew, entries, of_block, workers, |start, entries, worker| {
        let first = divide(start, of_block);
        let shifts = &shifts[first..][..divide(entries.len(), of_block)];
        run(back_end, Fill { matrix, first, of, scaled: &worker.scaled, shifts, highest, entries });
    });
    &groups[..1]
}

/// Takes the memory for the tables of some tokens.
pub(super) fn reserve(back_end: BackEnd, groups: &mut Vec<Tables>, columns: usize, planes: usize, tokens: usize) {
    let blocks = columns.div_ceil(BLOCK_COLUMNS);
    let of_block = entries_of_block(planes, Precision::MOST);
    // Whole groups, then what may be left over: two and one.
    let most = back_end.streams();
    let sizes = core::iter::repeat_n(most, tokens / most).chain([2, 1].into_iter().filter(|left| *left < most));
    for (place, streams) in sizes.enumerate() {
        if groups.len() == place {
            groups.push(Tables::default());
        }
        let tables = &mut groups[place];
        let entries = blocks * of_block * streams;
        tables.entries.resize(tables.entries.len().max(entries), [0; 16]);
        tables.shifts.resize(tables.shifts.len().max(blocks * streams), 0);
    }
}

impl Tables {
    /// For a matrix and two to the power of `log` tokens.
    fn shape(&mut self, matrix: &Planes, log: u32) {
        self.streams = 1 << log;
        self.blocks = matrix.columns.div_ceil(BLOCK_COLUMNS);
        self.of_block = entries_of_block(matrix.columns_by.planes(), matrix.precision);
    }

    /// `(block, plane, vector of the block, half of the vector, low and high part where split, stream)`, 16 entries each.
    pub(super) fn entries(&self) -> &[[u8; 16]] {
        &self.entries[..times(self.blocks, self.of_block) << self.streams.trailing_zeros()]
    }

    /// How far the sums of a block are shifted: `(block, stream)`.
    pub(super) fn shifts(&self) -> &[u32] {
        &self.shifts[..self.blocks << self.streams.trailing_zeros()]
    }

    /// Each stream's finest unit is two to the power of minus this.
    pub(super) fn exponents(&self) -> &[i32] {
        &self.exponents[..self.streams]
    }

    /// Shifts and entries of all streams, and a token's exponent, to be written.
    fn parts(&mut self, token: usize) -> (&mut [u32], &mut [[u8; 16]], &mut i32) {
        let log = self.streams.trailing_zeros();
        (
            &mut self.shifts[..self.blocks << log],
            &mut self.entries[..times(self.blocks, self.of_block) << log],
            &mut self.exponents[token],
        )
    }
}

/// Tables of a block of one token.
fn entries_of_block(planes: usize, precision: Precision) -> usize {
    2 * BLOCK_VECTORS * (planes + precision.split(planes))
}

/// One of the tokens whose tables are interleaved.
#[derive(Clone, Copy)]
struct Stream {
    /// How many they are: two to this power.
    log: u32,
    token: usize,
}

/// Scales the activations of some blocks and finds the unit of each: its exponent, in place of its shift.
struct Measure<'a> {
    matrix: &'a Planes<'a>,
    /// Activations of the whole token.
    x: &'a [f32],
    /// The first block.
    first: usize,
    of: Stream,
    /// Becomes `(bounded, then each plane that has scales of its own; column)`.
    scaled: &'a mut [f32],
    /// Those of the blocks.
    shifts: &'a mut [u32],
}

impl Kernel for Measure<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Measure { matrix, x, first, of, scaled, shifts } = self;
        let blocks = shifts.len() >> of.log;
        let stride = blocks * BLOCK_COLUMNS;
        let columns = first * BLOCK_COLUMNS..first * BLOCK_COLUMNS + stride;
        let (bounded, scaled) = scaled.split_at_mut(stride);
        let scaled = &mut scaled[..times(matrix.columns_by.kept(), stride)];
        bound(s, &x[columns.start..columns.end.min(x.len())], bounded);
        for (plane, scaled) in rows_mut(scaled, stride).enumerate() {
            scale(s, matrix.columns_by.of(plane, columns.clone()), bounded, scaled);
        }
        for block in 0..blocks {
            let largest = largest_sum(s, matrix.precision, scaled, stride, block);
            shifts[(block << of.log) + of.token] = to_exponent(largest) as u32;
        }
    }
}

/// From the exponents of all blocks to their shifts: no block gets finer than its sums can be shifted to meet the
/// coarsest. The exponent of the finest.
fn settle(matrix: &Planes, of: Stream, shifts: &mut [u32]) -> i32 {
    let blocks = shifts.len() >> of.log;
    let exponents = || (0..blocks).map(|block| shifts[(block << of.log) + of.token] as i32);
    let lowest = exponents().min().unwrap_or(0);
    let most = lowest + matrix.precision.reach(blocks);
    let highest = exponents().max().unwrap_or(0).min(most);
    for block in 0..blocks {
        let shift = &mut shifts[(block << of.log) + of.token];
        *shift = (highest - (*shift as i32).min(most)) as u32;
    }
    highest
}

/// Writes the tables of blocks that were measured and settled.
struct Fill<'a> {
    matrix: &'a Planes<'a>,
    /// The first block.
    first: usize,
    of: Stream,
    /// As [`Measure`] left it.
    scaled: &'a [f32],
    /// Those of the blocks.
    shifts: &'a [u32],
    /// The exponent of the finest unit.
    highest: i32,
    /// Those of the blocks.
    entries: &'a mut [[u8; 16]],
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Fill { matrix, first, of: Stream { log, token }, scaled, shifts, highest, mut entries } = self;
        let (planes, precision) = (matrix.columns_by.planes(), matrix.precision);
        let blocks = shifts.len() >> log;
        let stride = blocks * BLOCK_COLUMNS;
        let scaled = &scaled[stride..][..times(matrix.columns_by.kept(), stride)];
        let mut places = [Place::default(); MAX_PLANES];
        let mut next = 0;
        for (plane, place) in places[..planes].iter_mut().enumerate() {
            let is_split = precision.entries(plane) == Entries::Split;
            *place = Place { first: next, is_split, bias: precision.bias(plane) as u8 };
            next += GROUPS << u32::from(is_split);
        }
        let each = matrix.columns_by.kept() == planes;
        for block in 0..blocks {
            let exponent = highest - shifts[(block << log) + token] as i32;
            let (these, others) = entries.split_at_mut(next << log);
            entries = others;
            let mut out = Out { entries: these, log, token };
            let real = (matrix.columns.div_ceil(4) - (first + block) * GROUPS).min(GROUPS);
            for (plane, scaled) in rows(scaled, stride).enumerate() {
                let columns = scaled[block * BLOCK_COLUMNS..][..BLOCK_COLUMNS].as_chunks::<4>().0;
                for (group, columns) in columns[..real].iter().enumerate() {
                    let sums = signed_sums(s, to_fine(s, columns, exponent));
                    if each {
                        out.put(s, places[plane], group, sums, precision.shift());
                    } else {
                        // The first plane's sums serve all; a bit is dropped from each plane to the next.
                        for (plane, place) in places[..planes].iter().enumerate() {
                            out.put(s, *place, group, sums, precision.shift() + plane as u32);
                        }
                    }
                }
            }
            // What only fills up the last block adds nothing.
            let zero = s.splat16(0);
            for (place, group) in
                places[..planes].iter().flat_map(|place| (real..GROUPS).map(move |group| (place, group)))
            {
                out.put(s, *place, group, (zero, zero), 0);
            }
        }
    }
}

/// Groups of four columns in a block.
const GROUPS: usize = BLOCK_COLUMNS / 4;

/// Where the entries of a plane lie in a block.
#[derive(Clone, Copy, Default)]
struct Place {
    first: usize,
    /// Whether entries are split: then there are two for each group.
    is_split: bool,
    bias: u8,
}

/// The entries of a block, of which one token's are written.
struct Out<'a> {
    entries: &'a mut [[u8; 16]],
    log: u32,
    token: usize,
}

impl Out<'_> {
    /// Writes the entries of a group: its sums without their last `shift` bits.
    #[inline(always)]
    fn put<S: Simd>(&mut self, s: S, place: Place, group: usize, (low, high): (S::V, S::V), shift: u32) {
        let (low, high) = (s.sar16(low, shift), s.sar16(high, shift));
        let at = ((place.first + (group << u32::from(place.is_split))) << self.log) + self.token;
        if place.is_split {
            let mask = s.splat16(127);
            let rest = s.narrow16(s.sar16(low, 7), s.sar16(high, 7));
            s.store(s.narrow16(s.and(low, mask), s.and(high, mask)), &mut self.entries[at]);
            s.store(s.add8(rest, s.splat8(place.bias)), &mut self.entries[at + (1 << self.log)]);
        } else {
            s.store(s.add8(s.narrow16(low, high), s.splat8(place.bias)), &mut self.entries[at]);
        }
    }
}

/// Keeps the magnitude of each activation in 2^-50..2^50 and its sign, and fills up with the smallest number.
#[inline(always)]
pub(super) fn bound<S: Simd>(s: S, x: &[f32], bounded: &mut [f32]) {
    let (full, rest) = x.as_chunks::<4>();
    let mut last = [0.0; 4];
    last[..rest.len()].copy_from_slice(rest);
    let sources = full.iter().chain(core::iter::once(&last)).chain(core::iter::repeat(&[0.0; 4]));
    let sign = s.splat32(i32::MIN);
    for (to, from) in bounded.as_chunks_mut::<4>().0.iter_mut().zip(sources) {
        let bits = s.load_f32(from);
        let magnitude = s.and(bits, s.splat32(i32::MAX));
        let magnitude = s.min32(s.max32(magnitude, s.splat32(SMALLEST)), s.splat32(LARGEST));
        s.store_f32(s.or(magnitude, s.and(bits, sign)), to);
    }
}

/// `a[k] * x[k]`: three additions to the bits of `x[k]`, two additions of floats.
#[inline(always)]
fn scale<S: Simd>(s: S, scales: Option<&[Patterns]>, x: &[f32], scaled: &mut [f32]) {
    let Some(scales) = scales else {
        scaled.copy_from_slice(x);
        return;
    };
    for ((x, scaled), scales) in x.as_chunks::<4>().0.iter().zip(scaled.as_chunks_mut::<4>().0).zip(scales) {
        s.store_f32(shift_add(s, s.load_f32(x), scales), scaled);
    }
}

/// Four floats times four scales, given as the patterns of their three terms.
#[inline(always)]
pub(super) fn shift_add<S: Simd>(s: S, x: S::V, patterns: &Patterns) -> S::V {
    let first = s.add32(x, s.load_upper_halves(&patterns[0]));
    let second = s.add32(x, s.load_upper_halves(&patterns[1]));
    let third = s.add32(x, s.load_upper_halves(&patterns[2]));
    s.add_f32(s.add_f32(first, second), third)
}

/// The bits of the largest sum of four neighbours' magnitudes in a block of columns, over all planes, each doubled as
/// often as its entries are to be shorter.
#[inline(always)]
fn largest_sum<S: Simd>(s: S, precision: Precision, scaled: &[f32], stride: usize, block: usize) -> i32 {
    let mut largest = s.splat32(0);
    for (plane, scaled) in rows(scaled, stride).enumerate() {
        let mut of_plane = s.splat32(0);
        for group in scaled[block * BLOCK_COLUMNS..][..BLOCK_COLUMNS].as_chunks::<4>().0 {
            let magnitude = s.and(s.load_f32(group), s.splat32(i32::MAX));
            let pairs = s.add_f32(magnitude, s.swap_halves(magnitude));
            of_plane = s.max32(of_plane, s.add_f32(pairs, s.swap_pairs(pairs)));
        }
        largest = s.max32(largest, s.add32(of_plane, s.splat32((precision.shorter(plane) << 23) as i32)));
    }
    let mut lanes = [0; 4];
    s.store_i32(largest, &mut lanes);
    lanes[0]
}

/// The exponent of a block's unit from the bits of its largest sum.
pub(super) fn to_exponent(largest: i32) -> i32 {
    // Becoming integers can lengthen a sum of four by six units: less than 2^-11 of it, which this adds.
    let largest = largest + (1 << 13);
    (14 - ((largest >> 23) - 127)).min(FINEST)
}

/// Floats as integers in units of 2^-exponent, the first odd, the others even. Adding 1.5 * 2^(23 - exponent) leaves the
/// rounded integer in the low bits of the sum.
#[inline(always)]
fn to_fine<S: Simd>(s: S, group: &[f32; 4], exponent: i32) -> [i16; 4] {
    let anchor = s.splat32(((23 - exponent + 127) << 23) | 0x40_0000);
    let whole = s.add_f32(s.load_f32(group), anchor);
    let mut fine = [0; 4];
    s.store_lower_halves(s.or(s.and(whole, s.load_i32(&[-1, -2, -2, -2])), s.load_i32(&[1, 0, 0, 0])), &mut fine);
    fine
}

/// The sixteen signed sums of four integers: indices 0..8 and 8..16.
#[inline(always)]
fn signed_sums<S: Simd>(s: S, fine: [i16; 4]) -> (S::V, S::V) {
    // Lane i of mask c is all ones, that is minus one, where bit c of i is clear: (x ^ m) - m negates there.
    const MASKS: [[u8; 16]; 3] = [
        [255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0],
        [255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0],
        [255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    // The number of cleared bits of each lane's index: what the three subtractions of m add up to.
    const CLEARED: [u8; 16] = [3, 0, 2, 0, 2, 0, 1, 0, 2, 0, 1, 0, 1, 0, 0, 0];
    let first = s.xor(s.splat16(fine[0]), s.load(&MASKS[0]));
    let second = s.xor(s.splat16(fine[1]), s.load(&MASKS[1]));
    let third = s.xor(s.splat16(fine[2]), s.load(&MASKS[2]));
    let three = s.add16(s.add16(first, second), s.add16(third, s.load(&CLEARED)));
    let last = s.splat16(fine[3]);
    (s.sub16(three, last), s.add16(three, last))
}
