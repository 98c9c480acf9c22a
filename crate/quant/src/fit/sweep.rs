//! Coordinate descent after the GPTQ loop. The loop lets a column answer only for the columns before it; a sweep lets
//! each column answer for all the others. No step makes the error larger, where rows count for themselves on levels of their own.

use nomul::Result;

use super::column::{Column, table};
use super::even::Even;
use super::hessian::zeros;
use super::linear::{add_outer, add_product};
use super::normal::{Normal, PerPlane};
use super::problem::{Problem, Solution};
use super::{MOST_PLANES, Settings};

/// Goes once over all columns. A gradient is the product of an error with the Hessian, (rows, columns), and is kept up to
/// date. `refit(k, slopes, changes)` is given column k of each gradient, may replace column k of the solution, and then
/// writes by how much the numbers of each error changed and returns true.
pub(super) fn sweep<const N: usize>(
    problem: &Problem,
    block: usize,
    mut gradients: [&mut [f32]; N],
    mut refit: impl FnMut(usize, [&[f32]; N], [&mut [f32]; N]) -> bool,
    progress: &dyn Fn(usize),
) -> Result<()> {
    let (rows, columns) = (problem.rows, problem.columns);
    let Some(hessian) = &problem.hessian else { return Ok(()) };
    let mut changes: [Vec<f32>; N] = std::array::from_fn(|_| Vec::new());
    for changes in &mut changes {
        *changes = zeros::<f32>(rows, block, "fit")?;
    }
    let mut inner = vec![0.0f32; block * block];
    for first in (0..columns).step_by(block) {
        let end = (first + block).min(columns);
        let width = end - first;
        for k in first..end {
            let parts = gradients.each_mut().map(|gradient| gradient[k * rows..end * rows].split_at_mut(rows));
            let mut change = changes.each_mut().map(|changes| &mut changes[(k - first) * rows..][..rows]);
            let slopes = parts.each_ref().map(|(slope, _)| &**slope);
            if refit(k, slopes, change.each_mut().map(|change| &mut **change)) {
                for ((_, later), change) in parts.into_iter().zip(&change) {
                    add_outer(later, change, |j| hessian[k + (k + 1 + j) * columns]);
                }
            } else {
                change.into_iter().for_each(|change| change.fill(0.0));
            }
        }
        // The rest of the gradient follows at once. Within the block that is what each change does to its own column
        // and to those before it.
        for j in 0..width {
            for i in 0..width {
                inner[i + j * width] = if i < j { 0.0 } else { hessian[first + i + (first + j) * columns] };
            }
        }
        for (gradient, changes) in gradients.iter_mut().zip(&changes) {
            let changes = &changes[..width * rows];
            let (before, others) = gradient.split_at_mut(first * rows);
            let (within, after) = others.split_at_mut(width * rows);
            add_product(before, 1.0, changes, &hessian[first..], columns, rows, width);
            add_product(within, 1.0, changes, &inner, width, rows, width);
            if end < columns {
                add_product(after, 1.0, changes, &hessian[first + end * columns..], columns, rows, width);
            }
        }
        progress(end);
    }
    Ok(())
}

/// Fits planes and scales of every column once more, the others being as they are; on even levels where there are.
pub(super) fn refit_planes(
    problem: &Problem,
    settings: &Settings,
    solution: &mut Solution,
    gradient: &mut [f32],
    even: Option<&Even>,
    progress: &dyn Fn(usize),
) -> Result<()> {
    let (rows, planes) = (problem.rows, problem.planes);
    let mut column = Column::default();
    let (mut aim, mut offset) = (vec![0.0f32; rows], vec![0.0f32; rows]);
    let mut fresh = vec![0u8; rows];
    let refit = |k: usize, [slope]: [&[f32]; 1], [change]: [&mut [f32]; 1]| {
        let patterns = &mut solution.patterns[k * rows..][..rows];
        let (old, step) = (table(&solution.scales[k][..planes]), 1.0 / problem.diagonal[k] as f32);
        for row in 0..rows {
            offset[row] = slope[row] * step;
            aim[row] = old[patterns[row] as usize] - offset[row];
        }
        let mut scales = solution.scales[k];
        if let Some(even) = even {
            even.assign(problem, k, &aim, &mut fresh);
        } else {
            column.load(&aim, &problem.row_weights);
            let fitted = column.fit(planes, settings.rounds, &problem.grid, &[scales]);
            scales = fitted.0;
            match problem.rows_together {
                // To know what the present planes cost takes as long as to find others, which are seldom worse.
                Some(_) => Column::assign_together(problem, &aim, &scales[..planes], 1.0, &mut fresh),
                None if fitted.1 >= problem.cost(&offset) => return false,
                None => column.assign(&aim, &scales[..planes], &mut fresh),
            }
        }
        let new = table(&scales[..planes]);
        for ((c, &f), p) in change.iter_mut().zip(&fresh).zip(patterns) {
            *c = new[f as usize] - old[*p as usize];
            *p = f;
        }
        solution.scales[k] = scales;
        true
    };
    sweep(problem, settings.block, [gradient], refit, progress)
}

/// Scales for the first `planes` planes of `patterns`, better than `start` where that is given, and the energy of the
/// error that they leave. Even ones, where they are to be that, are the start's.
pub(super) fn fit_scales(
    problem: &Problem,
    settings: &Settings,
    patterns: &[u8],
    planes: usize,
    start: Option<Vec<PerPlane>>,
    is_even: bool,
) -> Result<(Vec<PerPlane>, f64)> {
    let rows = problem.rows;
    let mask = ((1usize << planes) - 1) as u8;
    let mut normals = vec![Normal::new(planes); problem.columns];
    for (k, normal) in normals.iter_mut().enumerate() {
        let mut total = [0.0f64; 1 << MOST_PLANES];
        let patterns = &patterns[k * rows..][..rows];
        patterns.iter().zip(&problem.row_weights).for_each(|(&p, w)| total[(p & mask) as usize] += w);
        total[..1 << planes].iter().enumerate().for_each(|(p, &w)| normal.add(p, w, 0.0));
    }
    let is_given = start.is_some();
    let mut scales = start.unwrap_or_else(|| {
        let fit = |(k, normal)| {
            let patterns = &patterns[k * rows..][..rows];
            best_scales(problem, normal, patterns, problem.target_column(k), planes, is_even)
        };
        normals.iter_mut().enumerate().map(fit).collect()
    });
    let error = problem.error(patterns, &scales, planes)?;
    let mut gradient = problem.times_hessian(&error)?;
    let mut aim = vec![0.0f32; rows];
    // Scales that were found for rows together are not to be fitted to each row for itself.
    let sweeps = if is_even || is_given && problem.rows_together.is_some() { 0 } else { settings.prefix_sweeps };
    for _ in 0..sweeps {
        let refit = |k: usize, [slope]: [&[f32]; 1], [change]: [&mut [f32]; 1]| {
            let patterns = &patterns[k * rows..][..rows];
            let (old, step) = (table(&scales[k][..planes]), 1.0 / problem.diagonal[k] as f32);
            for ((a, &p), &g) in aim.iter_mut().zip(patterns).zip(slope) {
                *a = old[(p & mask) as usize] - g * step;
            }
            let found = best_scales(problem, &mut normals[k], patterns, &aim, planes, is_even);
            if normals[k].cost(&found) >= normals[k].cost(&scales[k]) {
                return false;
            }
            let new = table(&found[..planes]);
            for (c, &p) in change.iter_mut().zip(patterns) {
                *c = new[(p & mask) as usize] - old[(p & mask) as usize];
            }
            scales[k] = found;
            true
        };
        sweep(problem, settings.block, [&mut gradient], refit, &|_| ())?;
    }
    let error = problem.error(patterns, &scales, planes)?;
    let energy = problem.energy(&error, &gradient)?;
    Ok((scales, energy))
}

/// The best scales for planes that are fixed; `normal` holds their Gram matrix.
fn best_scales(
    problem: &Problem,
    normal: &mut Normal,
    patterns: &[u8],
    aim: &[f32],
    planes: usize,
    is_even: bool,
) -> PerPlane {
    let mask = ((1usize << planes) - 1) as u8;
    let mut moments = [0.0f64; 1 << MOST_PLANES];
    for ((&pattern, &a), w) in patterns.iter().zip(aim).zip(&problem.row_weights) {
        moments[(pattern & mask) as usize] += a as f64 * w;
    }
    normal.set_right(&moments[..1 << planes]);
    if is_even { normal.solve_evenly(&problem.grid) } else { normal.solve_on(&problem.grid) }
}
