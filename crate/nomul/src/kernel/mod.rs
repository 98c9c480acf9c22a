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
mod scales;
mod simd;
pub mod tables;

pub use precision::Precision;
pub use scales::{ColumnScales, Columns, Patterns, Scales};
#[cfg(test)]
pub(crate) use simd::run;
pub use simd::{BACK_ENDS, BackEnd, best};
pub(crate) use simd::{Kernel, Simd, on_best};

use alloc::vec::Vec;

/// The most planes a matrix can have: the 16-bit sums of a block's look-ups hold exactly as much.
pub const MAX_PLANES: usize = 8;
/// Tokens that share one reading of the weights: their tables have to stay in a second-level cache.
const TOKENS_AT_ONCE: usize = 16;

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
    /// Bytes from one pair of tiles to the next: at least those of a pair.
    pub pair_stride: usize,
    /// Scales of columns, for the planes in use: the first of the stored ones.
    pub columns_by: Columns<'a>,
    /// Scales of rows, `None` for ones.
    pub rows_by: Option<&'a [Patterns]>,
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
    assert!(matrix.columns_by.planes() <= matrix.stored.min(MAX_PLANES), "planes");
    let pairs = rows.div_ceil(2 * crate::plane::TILE_ROWS);
    let last = pairs.saturating_sub(1) * matrix.pair_stride;
    assert!(matrix.pair_stride >= layout.pair_bytes(), "pairs of tiles overlap");
    assert!(matrix.signs.len() >= last + layout.pair_bytes(), "signs");
    let parts = x.chunks(TOKENS_AT_ONCE * columns).zip(y.chunks_mut(TOKENS_AT_ONCE * rows));
    for (x, y) in parts {
        let groups = tables::build(back_end, &matrix, x, &mut scratch.scaled, &mut scratch.tables);
        lookup::sum(back_end, &matrix, groups, &mut scratch.sums);
        rows::finish(back_end, &matrix, groups, &scratch.sums, y);
    }
}

#[cfg(test)]
mod tests;
