//! The product of a matrix in sign planes with activations, by shifts, table look-ups and additions.
//!
//! The definition, for one output row `n` of a matrix with planes `b`, columns `k`, column scales `a`, row scales `r`
//! (all scales are sums of powers of two, see [`crate::scale`]):
//!
//! ```text
//! y[n] = r[n] * sum over b, k of  sign[b][n][k] * (a[b][k] * x[k])
//! ```
//!
//! 1. [`tables`]: `a[b][k] * x[k]` is formed by shifting (adding to exponent fields), becomes an integer with a
//!    power-of-two unit per block of 64 columns, and every four columns of a plane become a table of the 16 signed sums
//!    that a row can pick from them.
//! 2. [`lookup`]: a row's four signs are the index into such a table; all planes and columns add into one integer.
//! 3. [`rows`]: the integer becomes a float again and is shifted by the row's scale.
//!
//! From the integer tables on, everything is integer addition and so free of order: every back end gives the same bits.
//! Before and after it, floats are only added, compared and shifted, in an order that is fixed here.
//!
//! This is the scheme of LUT-GEMM and T-MAC (groups of four columns, 16 entries, one 128-bit register) with the scales
//! of ShiftAddLLM's column-wise variant folded into the tables, so that no scale is left to apply per plane or group.

pub mod lookup;
mod precision;
pub mod rows;
mod simd;
pub mod tables;

pub use precision::Precision;
pub use simd::{BACK_ENDS, BackEnd, best};
pub(crate) use simd::{Kernel, Simd, on_best};

use crate::scale::Scale;
use alloc::{vec, vec::Vec};

/// The most planes a matrix can have: the 16-bit sums of a block's look-ups hold exactly as much.
pub const MAX_PLANES: usize = 8;
/// Tokens that share one reading of the weights: their tables have to stay in a second-level cache.
const TOKENS_AT_ONCE: usize = 16;

/// The column scales of a matrix in the form that [`tables`] adds to floats: `[term][plane][column]`, columns padded
/// to whole vectors with zero scales.
#[derive(Clone, Debug, Default)]
pub struct ColumnScales {
    planes: usize,
    stride: usize,
    patterns: Vec<u16>,
}

impl ColumnScales {
    /// From scales `(plane, column)`.
    pub fn new(planes: usize, columns: usize, scales: impl Fn(usize, usize) -> Scale) -> Self {
        let stride = columns.div_ceil(crate::plane::VECTOR_COLUMNS) * crate::plane::VECTOR_COLUMNS;
        let mut patterns = vec![0; 3 * planes * stride];
        for plane in 0..planes {
            for column in 0..stride {
                let scale = if column < columns { scales(plane, column) } else { Scale::ZERO };
                for (term, pattern) in scale.patterns().into_iter().enumerate() {
                    patterns[(term * planes + plane) * stride + column] = pattern;
                }
            }
        }
        ColumnScales { planes, stride, patterns }
    }

    /// Planes.
    pub fn planes(&self) -> usize {
        self.planes
    }

    /// Columns, padded to whole vectors.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// One term of one plane's scales.
    fn term(&self, term: usize, plane: usize) -> &[u16] {
        &self.patterns[(term * self.planes + plane) * self.stride..][..self.stride]
    }
}

/// The row scales of a matrix: `[term][row]`, rows padded to whole tiles with zero scales.
#[derive(Clone, Debug, Default)]
pub struct RowScales {
    stride: usize,
    patterns: Vec<u16>,
}

impl RowScales {
    /// From one scale a row.
    pub fn new(rows: usize, scales: impl Fn(usize) -> Scale) -> Self {
        let stride = rows.div_ceil(crate::plane::TILE_ROWS) * crate::plane::TILE_ROWS;
        let mut patterns = vec![0; 3 * stride];
        for row in 0..stride {
            let scale = if row < rows { scales(row) } else { Scale::ZERO };
            for (term, pattern) in scale.patterns().into_iter().enumerate() {
                patterns[term * stride + row] = pattern;
            }
        }
        RowScales { stride, patterns }
    }
}

/// A matrix as the kernel sees it.
#[derive(Clone, Copy)]
pub struct Planes<'a> {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Planes that are stored.
    pub stored: usize,
    /// The stored planes, laid out as [`crate::plane::Layout`] says.
    pub signs: &'a [u8],
    /// Scales of columns, for the planes in use: the first of the stored ones.
    pub column_scales: &'a ColumnScales,
    /// Scales of rows.
    pub row_scales: &'a RowScales,
    /// How finely the tables are kept.
    pub precision: Precision,
}

/// Room for the intermediate results of [`product`], kept between calls so that nothing is allocated per token.
#[derive(Default)]
pub struct Scratch {
    /// Scaled activations of one token: `(plane, column)`.
    scaled: Vec<f32>,
    /// Tables of groups of tokens.
    tables: Vec<tables::Tables>,
    /// Sums of look-ups: `(token, row)`.
    sums: Vec<i32>,
}

/// `y[t] = W x[t]` for each of `tokens` inputs: `x` is `(tokens, columns)`, `y` is `(tokens, rows)`.
pub fn product(back_end: BackEnd, matrix: Planes, x: &[f32], tokens: usize, y: &mut [f32], scratch: &mut Scratch) {
    let (rows, columns) = (matrix.rows, matrix.columns);
    assert_eq!(x.len(), tokens * columns, "activations");
    assert_eq!(y.len(), tokens * rows, "outputs");
    let layout = crate::plane::Layout::new(rows, columns, matrix.stored);
    assert!(matrix.column_scales.planes() <= matrix.stored, "scales of more planes than there are");
    assert_eq!(Some(matrix.signs.len()), layout.bytes(), "signs");
    let parts = x.chunks(TOKENS_AT_ONCE * columns).zip(y.chunks_mut(TOKENS_AT_ONCE * rows));
    for (x, y) in parts {
        let groups = tables::build(back_end, &matrix, x, &mut scratch.scaled, &mut scratch.tables);
        lookup::sum(back_end, &matrix, groups, &mut scratch.sums);
        rows::finish(back_end, &matrix, groups, &scratch.sums, y);
    }
}

#[cfg(test)]
mod tests;
