//! From sums of look-ups back to floats, scaled row by row.
//!
//! ```text
//! y[row] = r[row] * (sum[row] as f32 * 2^-exponent)            Byte
//! y[row] = r[row] * (low as f32 * 2^-e + high as f32 * 2^(8-e))   Wide
//! ```
//!
//! Both the power of two and the three terms of `r` are additions to the float's exponent field. A sum of zero has no
//! exponent to add to and is masked.

use super::{
    BackEnd, Planes, Precision,
    simd::{Kernel, Simd, run},
    tables::{Tables, shift_add},
};
use crate::plane::TILE_ROWS;

/// Writes `(tokens, rows)`.
pub(super) fn finish(back_end: BackEnd, matrix: &Planes, tables: &Tables, sums: &[i32], y: &mut [f32]) {
    let per_token = matrix.precision.streams();
    let stride = matrix.rows.div_ceil(TILE_ROWS) * TILE_ROWS;
    let sums = sums.chunks_exact(stride * per_token);
    let exponents = tables.exponents.chunks_exact(per_token);
    for ((y, sums), exponents) in y.chunks_exact_mut(matrix.rows).zip(sums).zip(exponents) {
        run(back_end, Finish { matrix, sums, exponents, y });
    }
}

struct Finish<'a> {
    matrix: &'a Planes<'a>,
    sums: &'a [i32],
    exponents: &'a [i32],
    y: &'a mut [f32],
}

impl Kernel for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Finish { matrix, sums, exponents, y } = self;
        let scales = &matrix.row_scales;
        let stride = scales.stride;
        let terms: [&[[u16; 4]]; 3] =
            core::array::from_fn(|term| scales.patterns[term * stride..][..stride].as_chunks::<4>().0);
        let (first, second) = sums.split_at(stride);
        let (first, second) = (first.as_chunks::<4>().0, second.as_chunks::<4>().0);
        let mut out = [0.0; 4];
        for (group, y) in y.chunks_mut(4).enumerate() {
            let sum = match matrix.precision {
                Precision::Byte => in_units(s, s.load_i32(&first[group]), exponents[0]),
                Precision::Wide => s.add_f32(
                    in_units(s, s.load_i32(&first[group]), exponents[0]),
                    in_units(s, s.load_i32(&second[group]), exponents[1]),
                ),
            };
            let patterns = [&terms[0][group], &terms[1][group], &terms[2][group]];
            s.store_f32(keep_nonzero(s, sum, shift_add(s, sum, patterns)), &mut out);
            y.copy_from_slice(&out[..y.len()]);
        }
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
