//! Sums of table entries picked by sign planes: where nearly all the time of a token goes.
//!
//! The definition, for a row and a stream of tables:
//!
//! ```text
//! sum[row] = sum over blocks of  (sum over planes and groups of four columns of
//!                                  entry[plane][group][index of the row's four signs] - 128) << shift[block]
//! ```
//!
//! Sixteen rows are looked up by one byte shuffle. Entries are unsigned bytes; two of them share a 16-bit lane. Adding
//! whole lanes sums `even + 256 odd`, adding lanes shifted right by eight sums `odd`; their difference at the end of a
//! block gives `even`. A block has at most 16 groups of each of 8 planes, so a sum stays below 128 * 255 < 2^15.

use alloc::vec::Vec;

use super::{
    BLOCK_VECTORS, BackEnd, Planes,
    simd::{Kernel, Simd, run},
    tables::Tables,
};
use crate::plane::{TILE_ROWS, VECTOR_COLUMNS};

/// Sums for all rows, padded to whole tiles, and all streams: `(stream, row)`.
pub(super) fn sum(back_end: BackEnd, matrix: &Planes, tables: &Tables, sums: &mut Vec<i32>) {
    let tiles = matrix.rows.div_ceil(TILE_ROWS);
    sums.resize(tables.streams * tiles * TILE_ROWS, 0);
    match tables.streams {
        1 => run(back_end, Sum::<2, 1> { matrix, tables, sums }),
        2 => run(back_end, Sum::<2, 2> { matrix, tables, sums }),
        4 => run(back_end, Sum::<1, 4> { matrix, tables, sums }),
        streams => unreachable!("{streams} streams are not compiled"),
    }
}

/// `TILES` tiles share each load of a table, `STREAMS` streams share each load of indices.
struct Sum<'a, const TILES: usize, const STREAMS: usize> {
    matrix: &'a Planes<'a>,
    tables: &'a Tables,
    sums: &'a mut [i32],
}

impl<const TILES: usize, const STREAMS: usize> Kernel for Sum<'_, TILES, STREAMS> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Sum { matrix, tables, sums } = self;
        let tiles = matrix.rows.div_ceil(TILE_ROWS);
        let mut tile = 0;
        while tile + TILES <= tiles {
            sum_tiles::<S, TILES, STREAMS>(s, matrix, tables, tile, sums);
            tile += TILES;
        }
        while tile < tiles {
            sum_tiles::<S, 1, STREAMS>(s, matrix, tables, tile, sums);
            tile += 1;
        }
    }
}

#[inline(always)]
fn sum_tiles<S: Simd, const TILES: usize, const STREAMS: usize>(
    s: S,
    matrix: &Planes,
    tables: &Tables,
    first_tile: usize,
    sums: &mut [i32],
) {
    let vectors = matrix.columns.div_ceil(VECTOR_COLUMNS);
    let planes = matrix.planes.len();
    let nibble = s.splat8(15);
    let zero = s.splat32(0);
    // [even rows 0..4, even rows 4..8, odd ...]: rows 0..16 of the tile in order.
    let mut totals = [[[zero; 4]; STREAMS]; TILES];
    let mut entries = tables.entries.as_chunks::<STREAMS>().0.as_chunks::<2>().0;
    for (block, shifts) in tables.shifts.as_chunks::<STREAMS>().0.iter().enumerate() {
        let first = block * BLOCK_VECTORS;
        let count = BLOCK_VECTORS.min(vectors - first);
        let mut whole = [[zero; STREAMS]; TILES];
        let mut odd = [[zero; STREAMS]; TILES];
        for plane in matrix.planes {
            let plane = plane.as_chunks::<16>().0;
            // Loops, not `array::from_fn`: that one is not always inlined, and a call here spills every register.
            let mut indices: [&[[u8; 16]]; TILES] = [&[]; TILES];
            for (tile, indices) in indices.iter_mut().enumerate() {
                *indices = &plane[(first_tile + tile) * vectors + first..][..count];
            }
            let (these, rest) = entries.split_at(count);
            entries = rest;
            for (vector, [low, high]) in these.iter().enumerate() {
                let mut first_half = [zero; TILES];
                let mut second_half = [zero; TILES];
                for tile in 0..TILES {
                    let index = s.load(&indices[tile][vector]);
                    first_half[tile] = s.and(index, nibble);
                    second_half[tile] = s.and(s.shr16::<4>(index), nibble);
                }
                for stream in 0..STREAMS {
                    let (low, high) = (s.load(&low[stream]), s.load(&high[stream]));
                    for tile in 0..TILES {
                        let a = s.swizzle(low, first_half[tile]);
                        let b = s.swizzle(high, second_half[tile]);
                        whole[tile][stream] = s.add16(s.add16(whole[tile][stream], a), b);
                        odd[tile][stream] = s.add16(s.add16(odd[tile][stream], s.shr16::<8>(a)), s.shr16::<8>(b));
                    }
                }
            }
        }
        let bias = s.splat16((128 * 2 * count * planes) as i16);
        for tile in 0..TILES {
            for stream in 0..STREAMS {
                let even = s.sub16(whole[tile][stream], s.shl16::<8>(odd[tile][stream]));
                let (even, odd) = (s.sub16(even, bias), s.sub16(odd[tile][stream], bias));
                let parts = [s.extend_low(even), s.extend_high(even), s.extend_low(odd), s.extend_high(odd)];
                for (total, part) in totals[tile][stream].iter_mut().zip(parts) {
                    *total = s.add32(*total, s.shl32(part, shifts[stream]));
                }
            }
        }
    }
    let stride = sums.len() / STREAMS;
    for (tile, totals) in totals.iter().enumerate() {
        for (stream, totals) in totals.iter().enumerate() {
            let first = stride * stream + (first_tile + tile) * TILE_ROWS;
            let out = sums[first..first + TILE_ROWS].as_chunks_mut::<4>().0;
            for (total, out) in totals.iter().zip(out) {
                s.store_i32(*total, out);
            }
        }
    }
}
