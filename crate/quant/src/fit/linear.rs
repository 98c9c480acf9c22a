//! The few matrix operations of a fit. All matrices are column after column; work is cut into fixed pieces, so that
//! results do not depend on the number of threads.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Columns of a product that one task makes.
const PANEL: usize = 96;
/// Numbers below which handing work to other threads costs more than it saves.
const WORTH_SHARING: usize = 1 << 17;

/// `out += alpha * left * right`: `left` is (rows, inner), `out` is (rows, columns), and `right` is the (inner,
/// columns) matrix that begins at its first number, its columns `stride` apart.
pub(super) fn add_product(
    out: &mut [f32],
    alpha: f32,
    left: &[f32],
    right: &[f32],
    stride: usize,
    rows: usize,
    inner: usize,
) {
    if rows == 0 || inner == 0 {
        return;
    }
    let left = MatRef::from_column_major_slice(left, rows, inner);
    out.par_chunks_mut(PANEL * rows).enumerate().for_each(|(panel, out)| {
        let width = out.len() / rows;
        let right = &right[panel * PANEL * stride..];
        let right = MatRef::from_column_major_slice_with_stride(right, inner, width, stride);
        let out = MatMut::from_column_major_slice_mut(out, rows, width);
        matmul(out, Accum::Add, left, right, alpha, Par::Seq);
    });
}

/// `out[:, j] += factor(j) * column` for each of the columns that `out` holds.
pub(super) fn add_outer(out: &mut [f32], column: &[f32], factor: impl Fn(usize) -> f32 + Sync) {
    let add = |(j, out): (usize, &mut [f32])| {
        let factor = factor(j);
        if factor != 0.0 {
            out.iter_mut().zip(column).for_each(|(o, c)| *o += factor * c);
        }
    };
    if out.len() >= WORTH_SHARING {
        out.par_chunks_mut(column.len()).enumerate().for_each(add);
    } else {
        out.chunks_mut(column.len()).enumerate().for_each(add);
    }
}

/// The (columns, rows) matrix of a (rows, columns) one, columns taken in the given order and each number put through
/// `map(row, number)`.
pub(super) fn transpose(
    matrix: &[f32],
    columns: usize,
    order: &[usize],
    out: &mut [f32],
    map: impl Fn(usize, f32) -> f32 + Sync,
) {
    let rows = matrix.len() / columns;
    // Eight columns at a time share the cache lines of a row.
    out.par_chunks_mut(8 * rows).enumerate().for_each(|(group, out)| {
        for row in 0..rows {
            let numbers = &matrix[row * columns..][..columns];
            for (j, out) in out.chunks_exact_mut(rows).enumerate() {
                out[row] = map(row, numbers[order[group * 8 + j]]);
            }
        }
    });
}
