//! Fitting sign planes and power-of-two scales to one matrix.
//!
//! A matrix W with N outputs and K inputs becomes `W[n,k] ~ r[n] * sum_b a_b[k] * B_b[n,k]` with B in {-1,+1} and all
//! scales r, a sums of signed powers of two. Each column has its own scales, and planes are nested: the scales are
//! fitted anew for every shorter prefix of the planes, so that a prefix is a usable matrix.
//!
//! Read in this order: [`hessian`] (what the inputs looked like), `problem` (what is to be met), `column` (fitting
//! one column), `feedback` (the loop over columns), `sweep` (what follows the loop).

pub mod bits;
mod column;
mod feedback;
mod grid;
mod hessian;
mod linear;
mod normal;
mod predict;
mod problem;
mod sweep;
#[cfg(test)]
mod tests;

use nomul::Result;
use nomul::plane;
use nomul::scale::Scale;
use rayon::prelude::*;

pub use hessian::Hessian;

use feedback::{fit_apart, fit_in_turn};
use normal::PerPlane;
use problem::{Problem, Solution};
use sweep::{fit_scales, refit_planes};

pub use nomul::{index::first_prefix, kernel::MAX_PLANES as MOST_PLANES};

/// A matrix as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedMatrix {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Signs, most significant plane first, each in the layout of [`nomul::plane`].
    pub planes: Vec<Vec<u8>>,
    /// A scale for each row; one for all that were fitted without row scales.
    pub row_scales: Vec<Scale>,
    /// For each prefix of [`first_prefix`]`..=planes` planes: for each plane of it: a scale for each column.
    pub column_scales: Vec<Vec<Vec<Scale>>>,
    /// For each of these prefixes, `tr(E H E^T) / tr(W H W^T)`: the share of the output's energy that is lost.
    pub errors: Vec<f64>,
    /// The same for all planes.
    pub error: f64,
}

impl FittedMatrix {
    /// The column scales of the first `prefix` planes, `None` if that prefix has none.
    pub fn scales(&self, prefix: usize) -> Option<&[Vec<Scale>]> {
        let at = prefix.checked_sub(first_prefix(self.planes.len()))?;
        self.column_scales.get(at).map(Vec::as_slice)
    }

    /// The matrix that the first `prefix` planes stand for, (rows, columns) row after row. A prefix without scales of
    /// its own gives zeros.
    pub fn dequantize(&self, prefix: usize) -> Vec<f32> {
        let mut matrix = vec![0.0f32; self.rows * self.columns];
        let Some(scales) = self.scales(prefix) else { return matrix };
        let values: Vec<Vec<f32>> = scales.iter().map(|plane| plane.iter().map(|s| s.value()).collect()).collect();
        matrix.par_chunks_mut(self.columns.max(1)).enumerate().for_each(|(row, numbers)| {
            for (signs, values) in self.planes.iter().zip(&values) {
                for (column, (number, &value)) in numbers.iter_mut().zip(values).enumerate() {
                    *number += if plane::is_positive(signs, self.columns, row, column) { value } else { -value };
                }
            }
            let row_scale = self.row_scales[row].value();
            numbers.iter_mut().for_each(|n| *n *= row_scale);
        });
        matrix
    }
}

/// A way to fit planes to a matrix.
pub trait FitPlanes: Sync {
    /// Fits `planes` (1..=8) planes to `weights`, (rows, columns) row after row, `hessian` telling which inputs
    /// matter. `progress` is called now and then with a number of columns that grows to `columns`.
    ///
    /// Errors: [`nomul::Code::Value`] for weights that are not finite or larger than 1e12, [`nomul::Code::Shape`] for sizes that do not
    /// agree, [`nomul::Code::Capacity`] for too little memory. The result does not depend on the number of threads.
    fn fit(
        &self,
        weights: &[f32],
        rows: usize,
        columns: usize,
        hessian: &Hessian,
        planes: usize,
        progress: &dyn Fn(usize),
    ) -> Result<FittedMatrix>;
}

/// How a matrix is fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Share of the Hessian's mean diagonal that is added to its diagonal.
    pub damping: f64,
    /// Most rounds of least squares and re-assignment within a column, for each start.
    pub rounds: usize,
    /// Columns with large inputs first.
    pub activation_order: bool,
    /// Each row has a scale of its own.
    pub row_scales: bool,
    /// Powers of two in a scale, 1..=3.
    pub terms: usize,
    /// Columns between two updates of the whole matrix.
    pub block: usize,
    /// Times that all columns are fitted again after the loop, each given all the others.
    pub sweeps: usize,
    /// The same for the scales of shorter prefixes, the planes being fixed.
    pub prefix_sweeps: usize,
    /// Row scales are fitted again before each sweep.
    pub refit_rows: bool,
    /// The first planes, as many as this, are fitted as a matrix of their own, and the others to what these leave
    /// over. 0: all planes at once. On blocks of SmolLM2, a base of 2 planes loses a third of what 2 of 3 or of 4
    /// planes lose otherwise; the price is that all planes together lose 1.4 (of 3) to 1.9 (of 4) times as much.
    pub base_planes: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            damping: 0.05,
            rounds: 20,
            activation_order: true,
            row_scales: true,
            terms: 3,
            block: 64,
            sweeps: 2,
            prefix_sweeps: 1,
            refit_rows: true,
            base_planes: 0,
        }
    }
}

/// Error feedback over columns (GPTQ, arXiv 2210.17323, with binary-coded columns as in ShiftAddLLM), then coordinate
/// descent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gptq(pub Settings);

/// Every column on its own, the nearest planes to its weights: needs no data. The Hessian is used for the reported
/// error alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoundToNearest(pub Settings);

impl FitPlanes for Gptq {
    fn fit(
        &self,
        weights: &[f32],
        rows: usize,
        columns: usize,
        hessian: &Hessian,
        planes: usize,
        progress: &dyn Fn(usize),
    ) -> Result<FittedMatrix> {
        let settings = &Settings { block: self.0.block.clamp(1, columns.max(1)), ..self.0.clone() };
        let mut problem = Problem::new(settings, weights, (rows, columns), hessian, planes)?;
        let mut factor = None;
        if !hessian.is_diagonal() {
            let found = hessian.factor(&problem.order, settings.damping)?;
            problem.hessian = Some(hessian.ordered(&problem.order, found.ridge)?);
            problem.diagonal.iter_mut().for_each(|d| *d += found.ridge);
            problem.ridge = found.ridge;
            factor = Some(found);
        }
        let fit = |problem: &mut Problem, part: usize, parts: usize| {
            let progress = |done| progress((part * columns + done) / parts);
            let Some(factor) = &factor else { return fit_apart(problem, settings, &progress) };
            let steps = Steps { columns, passes: 1 + settings.sweeps, progress: &progress };
            let mut solution = fit_in_turn(problem, settings, factor, &|done| steps.report(0, done))?;
            let error = problem.error(&solution.patterns, &solution.scales, problem.planes)?;
            let mut gradient = problem.times_hessian(&error)?;
            for pass in 1..=settings.sweeps {
                // Only the planes that see the matrix itself may change its row scales.
                if settings.refit_rows && settings.row_scales && part == 0 {
                    problem.refit_rows(&solution, &gradient, weights)?;
                    let error = problem.error(&solution.patterns, &solution.scales, problem.planes)?;
                    gradient = problem.times_hessian(&error)?;
                }
                refit_planes(problem, settings, &mut solution, &mut gradient, &|done| steps.report(pass, done))?;
            }
            Ok(solution)
        };
        if settings.base_planes == 0 || settings.base_planes >= planes {
            let solution = fit(&mut problem, 0, 1)?;
            return finish(&problem, settings, solution);
        }
        problem.planes = settings.base_planes;
        let base = fit(&mut problem, 0, 2)?;
        let mut rest = problem.error(&base.patterns, &base.scales, settings.base_planes)?;
        rest.par_iter_mut().for_each(|e| *e = -*e);
        let target = std::mem::replace(&mut problem.target, rest);
        problem.planes = planes - settings.base_planes;
        let upper = fit(&mut problem, 1, 2)?;
        problem.target = target;
        problem.planes = planes;
        let solution = base.with(upper, settings.base_planes);
        let start = solution.scales.clone();
        let (scales, _) = fit_scales(&problem, settings, &solution.patterns, planes, Some(start))?;
        finish(&problem, settings, Solution { scales, ..solution })
    }
}

impl FitPlanes for RoundToNearest {
    fn fit(
        &self,
        weights: &[f32],
        rows: usize,
        columns: usize,
        hessian: &Hessian,
        planes: usize,
        progress: &dyn Fn(usize),
    ) -> Result<FittedMatrix> {
        if hessian.columns() != columns {
            nomul::bail!(Shape, "fit: a Hessian of {} columns for {columns} columns", hessian.columns());
        }
        let settings = &Settings { prefix_sweeps: 0, ..self.0.clone() };
        let mut problem = Problem::new(settings, weights, (rows, columns), &Hessian::identity(columns)?, planes)?;
        let solution = fit_apart(&problem, settings, progress)?;
        let diagonal = hessian.diagonal();
        problem.diagonal = problem.order.iter().map(|&k| diagonal[k]).collect();
        if !hessian.is_diagonal() {
            problem.hessian = Some(hessian.ordered(&problem.order, 0.0)?);
        }
        finish(&problem, settings, solution)
    }
}

/// Turns the progress of several passes into one.
struct Steps<'a> {
    columns: usize,
    passes: usize,
    progress: &'a dyn Fn(usize),
}

impl Steps<'_> {
    fn report(&self, pass: usize, done: usize) {
        (self.progress)((pass * self.columns + done) / self.passes);
    }
}

/// Fits the shorter prefixes, measures all errors and puts columns back into their order.
fn finish(problem: &Problem, settings: &Settings, solution: Solution) -> Result<FittedMatrix> {
    let (rows, columns, planes) = (problem.rows, problem.columns, problem.planes);
    let whole = problem.energy(&problem.target, &problem.times_hessian(&problem.target)?);
    let mut place = vec![0; columns];
    problem.order.iter().enumerate().for_each(|(at, &column)| place[column] = at);
    let (mut column_scales, mut errors) = (Vec::new(), Vec::new());
    let mut shorter: Option<(Vec<PerPlane>, f64)> = None;
    for prefix in first_prefix(planes)..=planes {
        let (scales, lost) = if prefix < planes {
            let mut found = fit_scales(problem, settings, &solution.patterns, prefix, None)?;
            // A plane can stand in the way of one that is yet to come. Then begin with the scales that do without it.
            if let Some((scales, _)) = shorter.filter(|(_, lost)| found.1 > *lost) {
                found = fit_scales(problem, settings, &solution.patterns, prefix, Some(scales))?;
            }
            found
        } else {
            let error = problem.error(&solution.patterns, &solution.scales, planes)?;
            let lost = problem.energy(&error, &problem.times_hessian(&error)?);
            (solution.scales.clone(), lost)
        };
        let plane = |b: usize| place.iter().map(|&at| problem.grid.scale(scales[at][b])).collect();
        column_scales.push((0..prefix).map(plane).collect());
        errors.push(if whole > 0.0 { lost / whole } else { 0.0 });
        shorter = Some((scales, lost));
    }
    let error = errors[errors.len() - 1];
    if !error.is_finite() {
        nomul::bail!(Value, "fit: weights or inputs are too large for single precision");
    }
    // Packing reads row after row.
    let mut patterns = hessian::zeros::<u8>(rows, columns, "fit")?;
    patterns.par_chunks_mut(8 * columns).enumerate().for_each(|(group, out)| {
        for (column, &at) in place.iter().enumerate() {
            let from = &solution.patterns[at * rows + group * 8..];
            for (row, out) in out.chunks_exact_mut(columns).enumerate() {
                out[column] = from[row];
            }
        }
    });
    let pack = |b: usize| plane::pack(rows, columns, |row, column| patterns[row * columns + column] >> b & 1 == 1);
    let planes = (0..planes).into_par_iter().map(pack).collect();
    let row_scales = problem.row_scales.clone();
    Ok(FittedMatrix { rows, columns, planes, row_scales, column_scales, errors, error })
}
