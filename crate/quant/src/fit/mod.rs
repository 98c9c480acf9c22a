//! Fitting sign planes and power-of-two scales to one matrix.
//!
//! A matrix W with N outputs and K inputs becomes `W[n,k] ~ r[n] * sum_b a_b[k] * B_b[n,k]` with B in {-1,+1} and all
//! scales r, a sums of signed powers of two. Each column has its own scales, and planes are nested: the scales are
//! fitted anew for every shorter prefix of the planes, so that a prefix is a usable matrix.
//!
//! Read in this order: [`hessian`] (what the inputs looked like), `problem` (what is to be met), `column` (fitting
//! one column), `feedback` (the loop over columns), `row_metric` (the same over
//! rows), `sweep` (what follows the loops), `nested` (all that for two prefixes).

pub mod bits;
mod column;
mod even;
mod feedback;
mod grid;
mod hessian;
mod linear;
mod nested;
mod normal;
mod predict;
mod problem;
mod row_metric;
mod sweep;
#[cfg(test)]
mod tests;

use nomul::Result;
use nomul::plane;
use nomul::scale::Scale;
use rayon::prelude::*;

pub(crate) use grid::Grid;
pub use hessian::Hessian;
pub(crate) use hessian::zeros;
pub use row_metric::{Gradients, RowMetric};

use even::Even;
use feedback::{fit_apart, fit_in_turn};
use nested::{Nested, fit_nested};
use normal::PerPlane;
use problem::{Problem, Solution};
use sweep::{fit_scales, refit_planes};

pub use nomul::kernel::MAX_PLANES as MOST_PLANES;

/// A matrix as it is stored.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FittedMatrix {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Signs, most significant plane first, each in the layout of [`nomul::plane`].
    pub planes: Vec<Vec<u8>>,
    /// A scale for each row; one for all that were fitted without row scales.
    pub row_scales: Vec<Scale>,
    /// Numbers of planes that have scales, ascending; the last is all of them.
    pub prefixes: Vec<usize>,
    /// For each prefix: for each plane of it: a scale for each column.
    pub column_scales: Vec<Vec<Vec<Scale>>>,
    /// Scales of a plane are twice those of the next.
    pub is_even: bool,
    /// For each of these prefixes, `tr(G E H E^T) / tr(G W H W^T)`: the share of the output's energy that is lost, the outputs being judged
    /// by the metric G of rows where there is one.
    pub errors: Vec<f64>,
}

impl FittedMatrix {
    /// The column scales of the first `prefix` planes, `None` if that prefix has none.
    pub fn scales(&self, prefix: usize) -> Option<&[Vec<Scale>]> {
        let at = self.prefixes.iter().position(|&own| own == prefix)?;
        self.column_scales.get(at).map(Vec::as_slice)
    }

    /// The share of the output's energy that is lost with all planes.
    pub fn error(&self) -> f64 {
        self.errors.last().copied().unwrap_or(f64::NAN)
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

/// By what errors of a matrix are judged.
#[derive(Clone, Copy, Debug)]
pub struct Metric<'a> {
    /// Second moments of its inputs.
    pub inputs: &'a Hessian,
    /// What errors of its rows do together; `None`: each row counts for itself.
    pub outputs: Option<&'a RowMetric>,
}

impl<'a> Metric<'a> {
    /// Each row for itself.
    pub fn of(inputs: &'a Hessian) -> Metric<'a> {
        Metric { inputs, outputs: None }
    }
}

/// What levels a matrix's weights are to lie on.
#[derive(Clone, Copy, Debug)]
pub struct Levels<'a> {
    /// Numbers of planes that are to have scales of their own, ascending; the last (1..=8) is all of them.
    pub prefixes: &'a [usize],
    /// Levels lie evenly, so far apart that a weight is coded in about so many bits; `None`: they lie where the weights are.
    pub bits: Option<f64>,
}

impl<'a> From<&'a [usize]> for Levels<'a> {
    fn from(prefixes: &'a [usize]) -> Levels<'a> {
        Levels { prefixes, bits: None }
    }
}

impl<'a, const N: usize> From<&'a [usize; N]> for Levels<'a> {
    fn from(prefixes: &'a [usize; N]) -> Levels<'a> {
        Levels { prefixes, bits: None }
    }
}

/// A way to fit planes to a matrix.
pub trait FitPlanes: std::fmt::Debug + Sync {
    /// Fits planes to `weights`, (rows, columns) row after row, `metric` telling what matters. `progress` is called now and then with
    /// a number of columns that grows to `columns`.
    ///
    /// Errors: [`nomul::Code::Input`] for levels that are none, [`nomul::Code::Value`] for weights that are not finite or
    /// larger than 1e12, [`nomul::Code::Shape`] for sizes that do not agree, [`nomul::Code::Capacity`] for too little memory.
    /// The result does not depend on the number of threads.
    fn fit(
        &self,
        weights: &[f32],
        size: (usize, usize),
        metric: Metric,
        levels: Levels,
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
    /// Row scales are fitted again before each sweep, before the first alone where a prefix counts, and never where errors of
    /// rows are judged together.
    pub refit_rows: bool,
    /// What a loss of the shortest prefix counts, a loss of all planes that is as large a part of what so many normal
    /// numbers lose counting 1. 0: all planes are fitted, and the prefixes take what they get. On blocks of SmolLM2, 3 of 4
    /// planes then lose 4.7 times as much as 3 alone; with 0.2, 2.4 times, at the price of 1.08 times the loss of all 4; with
    /// 1, 1.5 and 1.27; with 2, 1.25 and 1.40. What the first planes lose, tuning gets back a part of; the whole it does not.
    pub base_share: f64,
    /// Most rounds of least squares and re-assignment within a column where a prefix counts.
    pub nested_rounds: usize,
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
            sweeps: 4,
            prefix_sweeps: 1,
            refit_rows: true,
            base_share: 1.5,
            nested_rounds: 4,
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
        (rows, columns): (usize, usize),
        metric: Metric,
        levels: Levels,
        progress: &dyn Fn(usize),
    ) -> Result<FittedMatrix> {
        let settings = &Settings { block: self.0.block.clamp(1, columns.max(1)), ..self.0.clone() };
        let hessian = metric.inputs;
        let prefixes = levels.prefixes;
        let mut problem = Problem::new(settings, weights, (rows, columns), hessian, last(prefixes)?)?;
        if hessian.is_diagonal() && levels.bits.is_none() {
            let solution = fit_apart(&problem, settings, progress)?;
            return finish(&problem, settings, levels, solution, None);
        }
        let factor = hessian.factor(&problem.order, settings.damping)?;
        problem.hessian = Some(hessian.ordered(&problem.order, factor.ridge)?);
        problem.diagonal.iter_mut().for_each(|d| *d += factor.ridge);
        problem.ridge = factor.ridge;
        problem.count_rows_by(metric.outputs)?;
        let even = match levels.bits {
            Some(bits) => Some(Even::new(&mut problem, &factor, weights, bits)?),
            None => None,
        };
        let even = even.as_ref();
        // A table has so many rows that its columns are soon settled; where rows are judged together, a sweep takes long.
        let sweeps = match metric.outputs {
            _ if rows > 16 * columns => settings.sweeps.min(1),
            Some(_) => settings.sweeps.min(2),
            None => settings.sweeps,
        };
        let steps = Steps { columns, passes: 1 + sweeps, progress };
        let base = prefixes[0];
        if prefixes.len() > 1 && settings.base_share > 0.0 {
            let share = match even {
                Some(_) => 0.25f64.powi((problem.planes - base) as i32),
                None => predict::NORMAL[problem.planes] / predict::NORMAL[base],
            };
            let nested = Nested { base, weight: (settings.base_share * share) as f32, even };
            let (solution, scales) = fit_nested(&mut problem, settings, nested, &factor, weights, &steps)?;
            return finish(&problem, settings, levels, solution, Some(scales));
        }
        let mut solution = fit_in_turn(&problem, settings, &factor, even, &|done| steps.report(0, done))?;
        let error = problem.error(&solution.patterns, &solution.scales, problem.planes)?;
        let mut gradient = problem.times_hessian(&error)?;
        for pass in 1..=sweeps {
            if settings.refit_rows && settings.row_scales && metric.outputs.is_none() && even.is_none() {
                problem.refit_rows(&solution, &gradient, weights)?;
                let error = problem.error(&solution.patterns, &solution.scales, problem.planes)?;
                gradient = problem.times_hessian(&error)?;
            }
            refit_planes(&problem, settings, &mut solution, &mut gradient, even, &|done| steps.report(pass, done))?;
        }
        finish(&problem, settings, levels, solution, None)
    }
}

impl FitPlanes for RoundToNearest {
    fn fit(
        &self,
        weights: &[f32],
        (rows, columns): (usize, usize),
        metric: Metric,
        levels: Levels,
        progress: &dyn Fn(usize),
    ) -> Result<FittedMatrix> {
        let hessian = metric.inputs;
        if levels.bits.is_some() {
            nomul::bail!(Unsupported, "fit: levels that lie evenly are found with error feedback");
        }
        if hessian.columns() != columns {
            nomul::bail!(Shape, "fit: a Hessian of {} columns for {columns} columns", hessian.columns());
        }
        let settings = &Settings { prefix_sweeps: 0, ..self.0.clone() };
        let identity = Hessian::identity(columns)?;
        let mut problem = Problem::new(settings, weights, (rows, columns), &identity, last(levels.prefixes)?)?;
        let solution = fit_apart(&problem, settings, progress)?;
        let diagonal = hessian.diagonal();
        problem.diagonal = problem.order.iter().map(|&k| diagonal[k]).collect();
        if !hessian.is_diagonal() {
            problem.hessian = Some(hessian.ordered(&problem.order, 0.0)?);
        }
        finish(&problem, settings, levels, solution, None)
    }
}

/// All planes, given the prefixes that are to have scales.
fn last(prefixes: &[usize]) -> Result<usize> {
    match prefixes {
        [first, .., last] | [first @ last] if *first > 0 && prefixes.is_sorted_by(|a, b| a < b) => Ok(*last),
        _ => nomul::bail!(Input, "fit: {prefixes:?} are not ascending numbers of planes"),
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

/// Fits the shorter prefixes, the first from `base` where that is given, measures all errors and puts columns back into
/// their order.
fn finish(
    problem: &Problem,
    settings: &Settings,
    levels: Levels,
    solution: Solution,
    mut base: Option<Vec<PerPlane>>,
) -> Result<FittedMatrix> {
    let (rows, columns, planes) = (problem.rows, problem.columns, problem.planes);
    let whole = problem.energy(&problem.target, &problem.times_hessian(&problem.target)?)?;
    let prefixes = levels.prefixes;
    let mut place = vec![0; columns];
    problem.order.iter().enumerate().for_each(|(at, &column)| place[column] = at);
    let (mut column_scales, mut errors) = (Vec::new(), Vec::new());
    let mut shorter: Option<(Vec<PerPlane>, f64)> = None;
    for &prefix in prefixes {
        let (scales, lost) = if prefix < planes {
            let mut found =
                fit_scales(problem, settings, &solution.patterns, prefix, base.take(), levels.bits.is_some())?;
            // A plane can stand in the way of one that is yet to come. Then begin with the scales that do without it.
            if let Some((scales, _)) = shorter.filter(|(_, lost)| found.1 > *lost) {
                found = fit_scales(problem, settings, &solution.patterns, prefix, Some(scales), levels.bits.is_some())?;
            }
            found
        } else {
            let error = problem.error(&solution.patterns, &solution.scales, planes)?;
            let lost = problem.energy(&error, &problem.times_hessian(&error)?)?;
            (solution.scales.clone(), lost)
        };
        let plane = |b: usize| place.iter().map(|&at| problem.grid.scale(scales[at][b])).collect();
        column_scales.push((0..prefix).map(plane).collect());
        errors.push(if whole > 0.0 { lost / whole } else { 0.0 });
        shorter = Some((scales, lost));
    }
    if errors.iter().any(|error| !error.is_finite()) {
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
    let (prefixes, is_even) = (prefixes.to_vec(), levels.bits.is_some());
    Ok(FittedMatrix { rows, columns, planes, row_scales, prefixes, column_scales, is_even, errors })
}
