//! The few operations on rows of numbers that a forward and a backward pass are made of. Work is cut into fixed pieces,
//! so that results do not depend on the number of threads.

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

/// Rows that one task makes.
pub const ROWS: usize = 128;

/// With fewer tokens than this, work on a product is cut by its outputs.
const FEW: usize = if cfg!(test) { 4 } else { 64 };

/// `out (tokens, rows) = x (tokens, columns) Wᵀ`, W being (rows, columns) row after row.
pub fn product(x: &[f32], weights: &[f32], columns: usize, out: &mut [f32]) {
    if x.len() / columns < FEW {
        return product_of_few(x, weights, columns, out);
    }
    let rows = weights.len() / columns;
    out.par_chunks_mut(ROWS * rows).zip(x.par_chunks(ROWS * columns)).for_each(|(out, x)| {
        let tokens = out.len() / rows;
        matmul(
            MatMut::from_row_major_slice_mut(out, tokens, rows),
            Accum::Replace,
            MatRef::from_row_major_slice(x, tokens, columns),
            MatRef::from_row_major_slice(weights, rows, columns).transpose(),
            1.0,
            Par::Seq,
        );
    });
}

/// [`product`] for few tokens.
fn product_of_few(x: &[f32], weights: &[f32], columns: usize, out: &mut [f32]) {
    let (tokens, rows) = (x.len() / columns, weights.len() / columns);
    let mut turned = vec![0.0; out.len()]; // (rows, tokens)
    turned.par_chunks_mut(ROWS * tokens).zip(weights.par_chunks(ROWS * columns)).for_each(|(out, weights)| {
        let count = out.len() / tokens;
        matmul(
            MatMut::from_row_major_slice_mut(out, count, tokens),
            Accum::Replace,
            MatRef::from_row_major_slice(weights, count, columns),
            MatRef::from_row_major_slice(x, tokens, columns).transpose(),
            1.0,
            Par::Seq,
        );
    });
    out.par_chunks_mut(rows).enumerate().for_each(|(token, out)| {
        out.iter_mut().zip(turned[token..].iter().step_by(tokens)).for_each(|(out, &x)| *out = x);
    });
}

/// `out (tokens, columns) += g (tokens, rows) W`: the way back through [`product`].
pub fn add_back(g: &[f32], weights: &[f32], columns: usize, out: &mut [f32]) {
    let rows = weights.len() / columns;
    out.par_chunks_mut(ROWS * columns).zip(g.par_chunks(ROWS * rows)).for_each(|(out, g)| {
        let tokens = out.len() / columns;
        matmul(
            MatMut::from_row_major_slice_mut(out, tokens, columns),
            Accum::Add,
            MatRef::from_row_major_slice(g, tokens, rows),
            MatRef::from_row_major_slice(weights, rows, columns),
            1.0,
            Par::Seq,
        );
    });
}

/// `gᵀ x`, (rows, columns): the slopes of a loss along the weights of [`product`], given its inputs `x (tokens, columns)` and
/// the slopes `g (tokens, rows)` along its outputs.
pub fn product_of_gradients(g: &[f32], x: &[f32], columns: usize) -> Vec<f32> {
    let tokens = x.len() / columns;
    let rows = g.len() / tokens;
    let mut slopes = vec![0.0; rows * columns];
    slopes.par_chunks_mut(ROWS * columns).enumerate().for_each(|(chunk, slopes)| {
        let count = slopes.len() / columns;
        matmul(
            MatMut::from_row_major_slice_mut(slopes, count, columns),
            Accum::Replace,
            MatRef::from_row_major_slice_with_stride(&g[chunk * ROWS..], tokens, count, rows).transpose(),
            MatRef::from_row_major_slice(x, tokens, columns),
            1.0,
            Par::Seq,
        );
    });
    slopes
}

/// `y = x / sqrt(mean(x²) + eps)`, times `gain` if there is one, for each row of `length` numbers.
pub fn norm(x: &[f32], gain: Option<&[f32]>, eps: f32, length: usize, out: &mut [f32]) {
    x.par_chunks(ROWS * length).zip(out.par_chunks_mut(ROWS * length)).for_each(|(x, out)| {
        for (x, out) in x.chunks_exact(length).zip(out.chunks_exact_mut(length)) {
            nomul::float::rms_norm(x, gain, eps, out);
        }
    });
}

/// The way back through [`norm`]: adds to `out` what the gradient `g` of its results is for its arguments.
pub fn add_norm_back(x: &[f32], gain: Option<&[f32]>, eps: f32, length: usize, g: &[f32], out: &mut [f32]) {
    // y_i = s x_i gain_i with s = (mean(x²) + eps)^-1/2, so ds/dx_j = -s³ x_j / n.
    let rows = x.par_chunks_exact(length).zip(g.par_chunks_exact(length)).zip(out.par_chunks_exact_mut(length));
    rows.with_min_len(ROWS).for_each(|((x, g), out)| {
        let gained = |i: usize| g[i] * gain.map_or(1.0, |gain| gain[i]);
        let mean_square = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / length as f64;
        let scale = 1.0 / (mean_square + f64::from(eps)).sqrt();
        let along: f64 = x.iter().enumerate().map(|(i, &x)| f64::from(x) * f64::from(gained(i))).sum();
        let pull = (scale.powi(3) * along / length as f64) as f32;
        let scale = scale as f32;
        for (i, (out, &x)) in out.iter_mut().zip(x).enumerate() {
            *out += scale * gained(i) - pull * x;
        }
    });
}
