//! From sums of look-ups back to floats, scaled row by row.
//!
//! ```text
//! y[row] = r[row] * (sum[row] as f32 * 2^-exponent)
//! ```
//!
//! Both the power of two and the three terms of `r` are additions to the float's exponent field. A sum of zero has no
//! exponent to add to and is masked.

use super::{
    BackEnd, Patterns, Planes,
    lookup::padded_rows,
    simd::{Kernel, Simd, run},
    tables::shift_add,
};
use crate::address;

/// Writes `(tokens, rows)`, given the exponent of each token.
pub(super) fn finish<'a>(
    back_end: BackEnd,
    matrix: &Planes,
    exponents: impl IntoIterator<Item = &'a i32>,
    sums: &[i32],
    y: &mut [f32],
) {
    let sums = address::rows(sums, padded_rows(matrix.rows));
    for ((y, sums), &exponent) in address::rows_mut(y, matrix.rows).zip(sums).zip(exponents) {
        run(back_end, Finish { matrix, sums, exponent, y });
    }
}

struct Finish<'a> {
    matrix: &'a Planes<'a>,
    sums: &'a [i32],
    exponent: i32,
    y: &'a mut [f32],
}

impl Kernel for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Finish { matrix, sums, exponent, y } = self;
        let sums = sums.as_chunks::<4>().0;
        let (full, rest) = y.as_chunks_mut::<4>();
        match matrix.rows_by {
            Some(scales) => {
                for ((y, sums), scales) in full.iter_mut().zip(sums).zip(scales) {
                    s.store_f32(four_rows(s, sums, exponent, Some(scales)), y);
                }
            }
            None => {
                for (y, sums) in full.iter_mut().zip(sums) {
                    s.store_f32(four_rows(s, sums, exponent, None), y);
                }
            }
        }
        if !rest.is_empty() {
            let (group, mut last) = (full.len(), [0.0; 4]);
            let scales = matrix.rows_by.map(|scales| &scales[group]);
            s.store_f32(four_rows(s, &sums[group], exponent, scales), &mut last);
            rest.copy_from_slice(&last[..rest.len()]);
        }
    }
}

/// The results of four rows.
#[inline(always)]
fn four_rows<S: Simd>(s: S, sums: &[i32; 4], exponent: i32, scales: Option<&Patterns>) -> S::V {
    let sums = in_units(s, s.load_i32(sums), exponent);
    match scales {
        Some(scales) => keep_nonzero(s, sums, shift_add(s, sums, scales)),
        None => sums,
    }
}

/// `sum * 2^-exponent`.
#[inline(always)]
fn in_units<S: Simd>(s: S, sum: S::V, exponent: i32) -> S::V {
    let float = s.to_f32(sum);
    keep_nonzero(s, float, s.add32(float, s.splat32(-(exponent << 23))))
}

/// `y` where `x` is not zero, else zero.
#[inline(always)]
fn keep_nonzero<S: Simd>(s: S, x: S::V, y: S::V) -> S::V {
    let ones = s.splat32(-1);
    s.and(y, s.xor(s.is_zero32(s.and(x, s.splat32(i32::MAX))), ones))
}
