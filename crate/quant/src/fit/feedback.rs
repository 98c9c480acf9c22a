//! The GPTQ loop: columns are fitted one after the other, and what a column misses is made up for by the columns
//! that are still to come.

use nomul::Result;
use rayon::prelude::*;

use super::MOST_PLANES;
use super::Settings;
use super::column::{Column, table};
use super::even::Even;
use super::hessian::{Factor, zeros};
use super::linear::{add_outer, add_product};
use super::normal::PerPlane;
use super::problem::{Problem, Solution};

/// Numbers of the matrix that the common start of all columns is fitted to.
const SAMPLE: usize = 4096;

/// Scales for a typical column of deviation 1, as a start for the fit of each column.
fn typical_scales(problem: &Problem, settings: &Settings) -> PerPlane {
    let (values, weights) = problem.sample(SAMPLE);
    let mut column = Column::default();
    column.load(&values, &weights);
    column.fit(problem.planes, settings.rounds, &problem.grid, &[]).0
}

/// `scales` times `factor`.
fn scaled(scales: &PerPlane, factor: f64) -> PerPlane {
    scales.map(|s| s * factor)
}

/// Fits every column on its own: right where inputs are not correlated.
pub(super) fn fit_apart(problem: &Problem, settings: &Settings, progress: &dyn Fn(usize)) -> Result<Solution> {
    let rows = problem.rows;
    let typical = typical_scales(problem, settings);
    let mut patterns = zeros::<u8>(rows, problem.columns, "fit")?;
    let mut scales = vec![[0.0; MOST_PLANES]; problem.columns];
    for (group, (patterns, scales)) in patterns.chunks_mut(64 * rows).zip(scales.chunks_mut(64)).enumerate() {
        let columns = patterns.par_chunks_mut(rows).zip(scales.par_iter_mut()).enumerate();
        columns.for_each_init(Column::default, |column, (k, (patterns, scales))| {
            let target = problem.target_column(group * 64 + k);
            column.load(target, &problem.row_weights);
            let starts = [scaled(&typical, column.deviation())];
            *scales = column.fit(problem.planes, settings.rounds, &problem.grid, &starts).0;
            column.assign(target, &scales[..problem.planes], patterns);
        });
        progress(group * 64 + scales.len());
    }
    Ok(Solution { patterns, scales })
}

/// Fits the columns in order, each to what the errors of the ones before have made of it; on even levels where there are.
pub(super) fn fit_in_turn(
    problem: &Problem,
    settings: &Settings,
    factor: &Factor,
    even: Option<&Even>,
    progress: &dyn Fn(usize),
) -> Result<Solution> {
    let (rows, columns, planes) = (problem.rows, problem.columns, problem.planes);
    let typical = typical_scales(problem, settings);
    let mut work = problem.target.clone();
    let mut patterns = zeros::<u8>(rows, columns, "fit")?;
    let mut scales = vec![[0.0; MOST_PLANES]; columns];
    let mut errors = zeros::<f32>(rows, settings.block, "fit")?;
    let mut column = Column::default();
    let mut last = (typical, 1.0);
    for first in (0..columns).step_by(settings.block) {
        let end = (first + settings.block).min(columns);
        let (block, rest) = work[first * rows..].split_at_mut((end - first) * rows);
        for k in first..end {
            let (now, later) = block[(k - first) * rows..].split_at_mut(rows);
            let patterns = &mut patterns[k * rows..][..rows];
            if let Some(even) = even {
                scales[k] = even.scales[k];
                even.assign(problem, k, now, patterns);
            } else {
                column.load(now, &problem.row_weights);
                let deviation = column.deviation();
                let starts = [scaled(&typical, deviation), scaled(&last.0, deviation / last.1)];
                scales[k] = column.fit(planes, settings.rounds, &problem.grid, &starts).0;
                if deviation > 0.0 {
                    last = (scales[k], deviation);
                }
                match problem.rows_together {
                    Some(_) => Column::assign_together(problem, now, &scales[k][..planes], 1.0, patterns),
                    None => column.assign(now, &scales[k][..planes], patterns),
                }
            }
            let table = table(&scales[k][..planes]);
            let error = &mut errors[(k - first) * rows..][..rows];
            let pivot = factor.upper[k + k * columns];
            for ((e, &v), &pattern) in error.iter_mut().zip(&*now).zip(&*patterns) {
                *e = (v - table[pattern as usize]) / pivot;
            }
            add_outer(later, error, |j| -factor.upper[k + (k + 1 + j) * columns]);
        }
        if end < columns {
            let upper = &factor.upper[first + end * columns..];
            add_product(rest, -1.0, &errors[..(end - first) * rows], upper, columns, rows, end - first);
        }
        progress(end);
    }
    Ok(Solution { patterns, scales })
}
