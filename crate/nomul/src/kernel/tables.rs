//! From activations to tables of signed sums.
//!
//! For one token, with `s[b][k] = a[b][k] * x[k]` formed by shifts:
//!
//! ```text
//! unit of a block of 64 columns:  2^-e, e such that the largest |s| sum of four neighbours is in 2^13..2^14 units
//! fine[b][k]   = s[b][k] in units, rounded to nearest even
//! sum[b][j][i] = sum over c in 0..4 of  (bit c of i set ? +1 : -1) * fine[b][4j + c]
//! Byte:  entry = clamp((sum + 64) >> 7, -128, 127)           in units of 2^7
//! Wide:  low = signed low byte of sum,  high = (sum + 128) >> 8, so that sum = 256 high + low
//! ```
//!
//! Entries are stored plus 128, as unsigned bytes. Quantising after summing keeps more than quantising activations would
//! (T-MAC does the same). Blocks have units of their own; their sums are shifted to the finest one when blocks are
//! added, as far as 31 bits reach.

use alloc::vec::Vec;

use super::{
    BLOCK_VECTORS, BackEnd, Planes, Precision,
    simd::{Kernel, Simd, run},
};
use crate::plane::VECTOR_COLUMNS;

/// The finest unit is 2^-50: activations below are noise, and exponents stay in range when rows are scaled.
const FINEST: i32 = 50;
/// Bits of the activations' magnitude are kept within 2^-50..2^50, see [`crate::scale::Scale::patterns`].
const SMALLEST: i32 = (127 - 50) << 23;
const LARGEST: i32 = (127 + 50) << 23;

/// The tables of a few tokens.
#[derive(Default)]
pub struct Tables {
    /// Tables interleaved: one for each token, or two with wide entries (low, high).
    pub(super) streams: usize,
    /// `(block, plane, vector of the block, half of the vector, stream)`, 16 entries each.
    pub(super) entries: Vec<[u8; 16]>,
    /// How far the sums of a block are shifted: `(block, stream)`.
    pub(super) shifts: Vec<u32>,
    /// Each stream's finest unit is two to the power of minus this.
    pub(super) exponents: Vec<i32>,
}

/// Builds the tables of `tokens` inputs `(tokens, columns)`. `scaled` is scratch.
pub(super) fn build(
    back_end: BackEnd,
    matrix: &Planes,
    x: &[f32],
    tokens: usize,
    scaled: &mut Vec<f32>,
    tables: &mut Tables,
) {
    let (planes, stride) = (matrix.planes.len(), matrix.column_scales.stride());
    assert_eq!(matrix.column_scales.planes(), planes, "scales for exactly these planes");
    let vectors = stride / VECTOR_COLUMNS;
    let blocks = vectors.div_ceil(BLOCK_VECTORS);
    tables.streams = tokens * matrix.precision.streams();
    scaled.resize((planes + 1) * stride, 0.0);
    tables.entries.resize(vectors * planes * 2 * tables.streams, [0; 16]);
    tables.shifts.resize(blocks * tables.streams, 0);
    tables.exponents.resize(tables.streams, 0);
    for (token, x) in x.chunks_exact(matrix.columns).enumerate() {
        run(back_end, Build { matrix, x, token, scaled, tables });
    }
}

struct Build<'a> {
    matrix: &'a Planes<'a>,
    x: &'a [f32],
    token: usize,
    scaled: &'a mut [f32],
    tables: &'a mut Tables,
}

impl Kernel for Build<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Build { matrix, x, token, scaled, tables } = self;
        let (planes, stride) = (matrix.planes.len(), matrix.column_scales.stride());
        let vectors = stride / VECTOR_COLUMNS;
        let streams = tables.streams;
        let first_stream = token * matrix.precision.streams();
        let (bounded, scaled) = scaled.split_at_mut(stride);
        bound(s, x, bounded);
        scale(s, matrix, bounded, scaled);

        // A unit per block; then no block finer than the sums can be shifted to meet the coarsest.
        let block_columns = BLOCK_VECTORS * VECTOR_COLUMNS;
        let coarsest = i32::MAX;
        let mut lowest = coarsest;
        for (block, shift) in tables.shifts.chunks_exact_mut(streams).enumerate() {
            let columns = block * block_columns..stride.min((block + 1) * block_columns);
            let largest = largest_sum(s, scaled, stride, planes, columns);
            let exponent = (13 - ((largest >> 23) - 127)).min(FINEST);
            lowest = lowest.min(exponent);
            shift[first_stream] = exponent as u32;
        }
        let reach = reach(vectors * planes * 2);
        let mut highest = i32::MIN;
        for shift in tables.shifts.chunks_exact_mut(streams) {
            let exponent = (shift[first_stream] as i32).min(lowest + reach);
            highest = highest.max(exponent);
            shift[first_stream] = exponent as u32;
        }

        for (block, shift) in tables.shifts.chunks_exact_mut(streams).enumerate() {
            let exponent = shift[first_stream] as i32;
            let first_vector = block * BLOCK_VECTORS;
            let count = BLOCK_VECTORS.min(vectors - first_vector);
            for plane in 0..planes {
                let columns = &scaled[plane * stride + first_vector * VECTOR_COLUMNS..][..count * VECTOR_COLUMNS];
                let first_table = (first_vector * planes + plane * count) * 2;
                let entries = &mut tables.entries[first_table * streams..][..count * 2 * streams];
                for (group, entries) in columns.as_chunks::<4>().0.iter().zip(entries.chunks_exact_mut(streams)) {
                    let fine = to_fine(s, group, exponent);
                    let (low, high) = signed_sums(s, fine);
                    match matrix.precision {
                        Precision::Byte => s.store(byte_entries(s, low, high), &mut entries[first_stream]),
                        Precision::Wide => {
                            let [coarse, rest] = wide_entries(s, low, high);
                            s.store(rest, &mut entries[first_stream]);
                            s.store(coarse, &mut entries[first_stream + 1]);
                        }
                    }
                }
            }
            let steps = (highest - exponent) as u32;
            shift[first_stream..first_stream + matrix.precision.streams()].fill(steps);
        }
        match matrix.precision {
            Precision::Byte => tables.exponents[first_stream] = highest - 7,
            Precision::Wide => {
                tables.exponents[first_stream] = highest;
                tables.exponents[first_stream + 1] = highest - 8;
            }
        }
    }
}

/// How far sums of so many bytes may be shifted within 31 bits.
fn reach(lookups: usize) -> i32 {
    31 - 7 - (lookups.next_power_of_two().trailing_zeros() as i32)
}

/// Keeps the magnitude of each activation in 2^-50..2^50 and its sign, and fills up with the smallest number.
#[inline(always)]
fn bound<S: Simd>(s: S, x: &[f32], bounded: &mut [f32]) {
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

/// `a[b][k] * x[k]` for all planes and columns: three additions to the bits of `x[k]`, two additions of floats.
#[inline(always)]
fn scale<S: Simd>(s: S, matrix: &Planes, x: &[f32], scaled: &mut [f32]) {
    for (plane, scaled) in scaled.chunks_exact_mut(x.len()).enumerate() {
        let terms: [&[[u16; 4]]; 3] =
            core::array::from_fn(|term| matrix.column_scales.term(term, plane).as_chunks::<4>().0);
        let columns = x.as_chunks::<4>().0.iter().zip(scaled.as_chunks_mut::<4>().0);
        for (((x, scaled), first), (second, third)) in columns.zip(terms[0]).zip(terms[1].iter().zip(terms[2])) {
            s.store_f32(shift_add(s, s.load_f32(x), [first, second, third]), scaled);
        }
    }
}

/// Four floats times four scales, given as the patterns of their three terms.
#[inline(always)]
pub(super) fn shift_add<S: Simd>(s: S, x: S::V, patterns: [&[u16; 4]; 3]) -> S::V {
    let first = s.add32(x, s.load_upper_halves(patterns[0]));
    let second = s.add32(x, s.load_upper_halves(patterns[1]));
    let third = s.add32(x, s.load_upper_halves(patterns[2]));
    s.add_f32(s.add_f32(first, second), third)
}

/// The bits of the largest sum of four neighbours' magnitudes in a range of columns, over all planes.
#[inline(always)]
fn largest_sum<S: Simd>(s: S, scaled: &[f32], stride: usize, planes: usize, columns: core::ops::Range<usize>) -> i32 {
    let mut largest = s.splat32(0);
    for plane in 0..planes {
        for group in scaled[plane * stride..][columns.clone()].as_chunks::<4>().0 {
            let magnitude = s.and(s.load_f32(group), s.splat32(i32::MAX));
            let pairs = s.add_f32(magnitude, s.swap_halves(magnitude));
            largest = s.max32(largest, s.add_f32(pairs, s.swap_pairs(pairs)));
        }
    }
    let mut lanes = [0; 4];
    s.store_i32(largest, &mut lanes);
    lanes[0]
}

/// Floats as integers in units of 2^-exponent. Adding 1.5 * 2^(23 - exponent) leaves the rounded integer in the low
/// bits of the sum.
#[inline(always)]
fn to_fine<S: Simd>(s: S, group: &[f32; 4], exponent: i32) -> [i16; 4] {
    let anchor = s.splat32(((23 - exponent + 127) << 23) | 0x40_0000);
    let mut fine = [0; 4];
    s.store_lower_halves(s.add_f32(s.load_f32(group), anchor), &mut fine);
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

/// Sums rounded to bytes, plus 128.
#[inline(always)]
fn byte_entries<S: Simd>(s: S, low: S::V, high: S::V) -> S::V {
    let half = s.splat16(64);
    let (low, high) = (s.sar16::<7>(s.add16(low, half)), s.sar16::<7>(s.add16(high, half)));
    s.xor(s.narrow16(low, high), s.splat8(128))
}

/// Sums split into high and low bytes, each plus 128.
#[inline(always)]
fn wide_entries<S: Simd>(s: S, low: S::V, high: S::V) -> [S::V; 2] {
    let (half, bias) = (s.splat16(128), s.splat8(128));
    let coarse = s.narrow16(s.sar16::<8>(s.add16(low, half)), s.sar16::<8>(s.add16(high, half)));
    [s.xor(coarse, bias), s.xor(s.low_bytes(low, high), bias)]
}
