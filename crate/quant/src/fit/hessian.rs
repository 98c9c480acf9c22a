//! Second moments of a matrix's inputs, and the triangular factor that error feedback runs on.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::{Accum, MatMut, MatRef, Par, Spec};
use nomul::{Code, Error, Result, bail};
use rayon::prelude::*;

/// Tokens whose products are added up in single precision before they enter the double-precision sums.
const CHUNK_TOKENS: usize = 1024;
/// Columns that one task of [`Hessian::accumulate`] owns. Fixed, so that sums do not depend on the number of threads.
const PANEL: usize = 96;
/// Inputs beyond this size are refused: the sum of a chunk's squares has to fit into a float.
const LARGEST: f32 = 1e15;

/// The sum of `x x^T` over the inputs `x` (one per token) that a matrix met during calibration: the Hessian of its
/// output error, up to a factor.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Hessian {
    columns: usize,
    tokens: u64,
    /// (columns, columns), column after column; only the entries on and below the diagonal are kept up to date.
    sum: Vec<f64>,
}

impl Hessian {
    /// No tokens yet, for a matrix with `columns` inputs. Errors: [`Code::Input`] for zero columns,
    /// [`Code::Capacity`] where the sums do not fit into memory.
    pub fn new(columns: usize) -> Result<Hessian> {
        if columns == 0 {
            bail!(Input, "hessian: a matrix without columns");
        }
        let sum = zeros(columns, columns, "hessian")?;
        Ok(Hessian { columns, tokens: 0, sum })
    }

    /// Inputs without correlation, all of the same size: no calibration data.
    pub fn identity(columns: usize) -> Result<Hessian> {
        let mut hessian = Hessian::new(columns)?;
        hessian.tokens = 1;
        hessian.sum.iter_mut().step_by(columns + 1).for_each(|d| *d = 1.0);
        Ok(hessian)
    }

    /// Takes sums made elsewhere, for example after a change of basis: `sum` is (columns, columns) and symmetric.
    pub fn from_sum(columns: usize, tokens: u64, sum: Vec<f64>) -> Result<Hessian> {
        if columns == 0 || columns.checked_mul(columns) != Some(sum.len()) {
            bail!(Shape, "hessian: {} sums for {columns} columns", sum.len());
        }
        if let Some(at) = sum.iter().position(|s| !s.is_finite()) {
            bail!(Value, "hessian: entry ({}, {}) is not finite", at % columns, at / columns);
        }
        if let Some(at) = (0..columns).find(|i| sum[i * (columns + 1)] < 0.0) {
            bail!(Value, "hessian: entry ({at}, {at}) is negative");
        }
        Ok(Hessian { columns, tokens, sum })
    }

    /// Adds the inputs `x`, (tokens, columns) row after row. Nothing is added if one of them is not finite or is
    /// larger than 1e15 ([`Code::Value`]).
    pub fn accumulate(&mut self, x: &[f32]) -> Result<()> {
        let columns = self.columns;
        if !x.len().is_multiple_of(columns) {
            bail!(Shape, "hessian: {} inputs are not a multiple of {columns} columns", x.len());
        }
        if let Some(at) = x.iter().position(|v| v.is_nan() || v.abs() > LARGEST) {
            bail!(Value, "hessian: input {} of token {} is {}", at % columns, at / columns, x[at]);
        }
        for chunk in x.chunks(CHUNK_TOKENS * columns) {
            let x = MatRef::from_column_major_slice(chunk, columns, chunk.len() / columns); // (columns, tokens)
            self.sum.par_chunks_mut(PANEL * columns).enumerate().for_each_init(Vec::new, |partial, (panel, sum)| {
                let first = panel * PANEL;
                let (height, width) = (columns - first, sum.len() / columns);
                partial.resize(height * width, 0.0f32);
                let left = x.subrows(first, height);
                let right = x.subrows(first, width).transpose();
                let product = MatMut::from_column_major_slice_mut(&mut partial[..], height, width);
                matmul(product, Accum::Replace, left, right, 1.0, Par::Seq);
                for (sum, partial) in sum.chunks_exact_mut(columns).zip(partial.chunks_exact(height)) {
                    sum[first..].iter_mut().zip(partial).for_each(|(s, &p)| *s += p as f64);
                }
            });
            self.tokens += (chunk.len() / columns) as u64;
        }
        Ok(())
    }

    /// [`Hessian::accumulate`] of inputs that are multiplied by a factor for each token first.
    pub fn accumulate_scaled(&mut self, x: &[f32], factors: &[f32]) -> Result<()> {
        let mut x = x.to_vec();
        let rows = x.chunks_exact_mut(self.columns).zip(factors);
        rows.for_each(|(row, factor)| row.iter_mut().for_each(|x| *x *= factor));
        self.accumulate(&x)
    }

    /// Adds what another one has seen.
    pub fn merge(&mut self, other: &Hessian) -> Result<()> {
        if self.columns != other.columns {
            bail!(Shape, "hessian: {} columns cannot take in {}", self.columns, other.columns);
        }
        self.sum.iter_mut().zip(&other.sum).for_each(|(s, o)| *s += o);
        self.tokens += other.tokens;
        Ok(())
    }

    /// Inputs of the matrix.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Tokens seen.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Entry (i, j) of the mean over tokens.
    pub fn mean(&self, i: usize, j: usize) -> f64 {
        self.sum[i.max(j) + i.min(j) * self.columns] / self.tokens.max(1) as f64
    }

    /// The mean square of each input.
    pub fn diagonal(&self) -> Vec<f64> {
        (0..self.columns).map(|i| self.mean(i, i)).collect()
    }

    /// True if no two inputs are correlated, so that there is no error to feed forward.
    pub fn is_diagonal(&self) -> bool {
        let n = self.columns;
        (0..n).all(|j| self.sum[j * n + j + 1..(j + 1) * n].iter().all(|&s| s == 0.0))
    }

    /// The mean in the given order of columns, `ridge` added to the diagonal: (columns, columns).
    pub(super) fn ordered(&self, order: &[usize], ridge: f64) -> Result<Vec<f32>> {
        let n = self.columns;
        let mut matrix = zeros(n, n, "hessian")?;
        matrix.par_chunks_mut(n).enumerate().for_each(|(j, column)| {
            for (i, entry) in column.iter_mut().enumerate() {
                *entry = self.mean(order[i], order[j]) as f32;
            }
            column[j] = (self.mean(order[j], order[j]) + ridge) as f32;
        });
        Ok(matrix)
    }

    /// Factors the mean, damped by `damping` times its mean diagonal, in the given order of columns.
    ///
    /// A Hessian that is singular in spite of its damping is damped more, tenfold each time.
    pub(super) fn factor(&self, order: &[usize], damping: f64) -> Result<Factor> {
        let n = self.columns;
        let level = self.diagonal().iter().sum::<f64>() / n as f64;
        if level == 0.0 {
            // Nothing was seen: all inputs count alike.
            let mut upper = zeros(n, n, "hessian")?;
            upper.iter_mut().step_by(n + 1).for_each(|d| *d = 1.0);
            return Ok(Factor { upper, ridge: 1.0 });
        }
        let mut flipped = zeros::<f64>(n, n, "hessian factor")?;
        let mut inverse = zeros::<f64>(n, n, "hessian factor")?;
        let mut scratch = MemBuffer::new(cholesky_in_place_scratch::<f64>(n, Par::Seq, Spec::default()));
        let mut damping = damping.max(0.0);
        while damping <= 1.0 {
            let ridge = damping * level;
            // Cholesky of the reversed matrix, reversed again, is H = R R^T with R upper; U = R^-1 then satisfies
            // H^-1 = U^T U. The inverse of H itself is never formed.
            for (j, column) in flipped.chunks_exact_mut(n).enumerate() {
                for (i, entry) in column.iter_mut().enumerate().skip(j) {
                    *entry = self.mean(order[n - 1 - i], order[n - 1 - j]);
                }
                column[j] += ridge;
            }
            let matrix = MatMut::from_column_major_slice_mut(&mut flipped, n, n);
            let stack = MemStack::new(&mut scratch);
            let made = cholesky_in_place(matrix, LltRegularization::default(), Par::Seq, stack, Spec::default());
            // Roundoff can leave a positive but meaningless pivot; without damping such a matrix counts as singular.
            let smallest = flipped.iter().step_by(n + 1).fold(f64::INFINITY, |a, &b| a.min(b));
            if made.is_ok() && smallest * smallest > level * 1e-12 {
                let lower = MatRef::from_column_major_slice(&flipped, n, n);
                invert_lower_triangular(MatMut::from_column_major_slice_mut(&mut inverse, n, n), lower, Par::Seq);
                let mut upper = zeros::<f32>(n, n, "hessian factor")?;
                for j in 0..n {
                    for i in 0..=j {
                        upper[i + j * n] = inverse[(n - 1 - i) + (n - 1 - j) * n] as f32;
                    }
                }
                return Ok(Factor { upper, ridge });
            }
            damping = (damping * 10.0).max(1e-8);
        }
        bail!(Value, "hessian: not positive, even with its mean diagonal added")
    }
}

/// What [`Hessian::factor`] gives.
pub(super) struct Factor {
    /// U, upper triangular with `U^T U` the inverse of the damped Hessian: (columns, columns), column after column.
    pub upper: Vec<f32>,
    /// What was added to the diagonal.
    pub ridge: f64,
}

/// A matrix of zeros, or an error that names it.
pub(crate) fn zeros<T: Clone + Default>(rows: usize, columns: usize, what: &str) -> Result<Vec<T>> {
    let failed = || Error::new(Code::Capacity, format!("{what}: no memory for {rows} x {columns} numbers"));
    let size = rows.checked_mul(columns).ok_or_else(failed)?;
    let mut matrix = Vec::new();
    matrix.try_reserve_exact(size).map_err(|_| failed())?;
    matrix.resize(size, T::default());
    Ok(matrix)
}
