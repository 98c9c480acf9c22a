//! Planes of which the first few are a matrix of their own: fitted so that both the whole and that base are near the
//! target, each with its scales.
//!
//! The planes that serve the whole best leave a base that is no better than rounding to the nearest: error feedback has
//! made up for what all planes miss, not for what the base misses. Here every column weighs the two errors against each
//! other.

use nomul::Result;

use super::column::{Column, table};
use super::even::Even;
use super::hessian::{Factor, zeros};
use super::linear::{add_outer, add_product};
use super::normal::{Normal, PerPlane};
use super::problem::{Problem, Solution};
use super::sweep::sweep;
use super::{MOST_PLANES, Settings, Steps};

/// What is to be met twice.
#[derive(Clone, Copy)]
pub(super) struct Nested<'a> {
    /// Planes of the base.
    pub base: usize,
    /// What an error of the base counts, an error of the whole counting 1.
    pub weight: f32,
    /// Where levels lie evenly: those of the whole.
    pub even: Option<&'a Even>,
}

/// The work on one column.
struct Work<'a> {
    problem: &'a Problem<'a>,
    nested: Nested<'a>,
    rounds: usize,
    column: Column,
    best: Vec<f32>,
    fresh: Vec<u32>,
}

/// Scales of the whole, and of the base.
type Both = [PerPlane; 2];

impl<'a> Work<'a> {
    fn new(problem: &'a Problem<'a>, nested: Nested<'a>, rounds: usize) -> Result<Work<'a>> {
        let (best, fresh) = (zeros(problem.rows, 1, "fit")?, zeros(problem.rows, 1, "fit")?);
        Ok(Work { problem, nested, rounds, column: Column::default(), best, fresh })
    }

    /// Gives every row the pattern that meets both aims best; the cost of that.
    fn assign(&mut self, aims: [&[f32]; 2], scales: &Both) -> f64 {
        let Work { problem, nested: Nested { base, weight, .. }, best, fresh, .. } = self;
        let (whole, part) = (table(&scales[0][..problem.planes]), table(&scales[1][..*base]));
        best.fill(f32::INFINITY);
        for pattern in 0..1usize << problem.planes {
            let (w, p) = (whole[pattern], part[pattern & ((1 << *base) - 1)]);
            let rows = best.iter_mut().zip(fresh.iter_mut()).zip(aims[0].iter().zip(aims[1]));
            for ((best, fresh), (&a, &b)) in rows {
                let cost = (w - a) * (w - a) + *weight * ((p - b) * (p - b));
                let better = cost < *best;
                *best = if better { cost } else { *best };
                *fresh = if better { pattern as u32 } else { *fresh };
            }
        }
        best.iter().zip(&problem.row_weights).map(|(&cost, weight)| f64::from(cost) * weight).sum()
    }

    /// [`Work::assign`] for rows that make up for each other, if they do.
    fn assign_together(&mut self, aims: [&[f32]; 2], scales: &Both) -> f64 {
        let Work { problem, nested: Nested { base, weight, .. }, fresh, .. } = self;
        let Some((metric, row_scales)) = &problem.rows_together else { return self.assign(aims, scales) };
        let (whole, part) = (table(&scales[0][..problem.planes]), table(&scales[1][..*base]));
        let part: [f32; 1 << MOST_PLANES] = std::array::from_fn(|pattern| part[pattern & ((1 << *base) - 1)]);
        let count = 1usize << problem.planes;
        let mut sum = 0.0;
        let [mut a, mut b] = aims.map(<[f32]>::to_vec);
        metric.through([&mut a, &mut b], row_scales, |row, [a, b]| {
            let mut best = (f32::INFINITY, 0);
            for (pattern, (&w, &p)) in whole[..count].iter().zip(&part).enumerate() {
                let cost = (w - a) * (w - a) + *weight * ((p - b) * (p - b));
                best = if cost < best.0 { (cost, pattern) } else { best };
            }
            fresh[row] = best.1 as u32;
            sum += f64::from(best.0) * problem.row_weights[row];
            [a - whole[best.1], b - part[best.1]]
        });
        sum
    }

    /// The best scales for the patterns that were assigned, but for those of the whole where they are given.
    fn solve(&self, aims: [&[f32]; 2], whole: Option<PerPlane>) -> Both {
        let Work { problem, nested, fresh, .. } = self;
        let solve = |planes: usize, aim: &[f32]| {
            let mask = (1u32 << planes) - 1;
            let (mut total, mut moment) = ([0.0f64; 1 << MOST_PLANES], [0.0f64; 1 << MOST_PLANES]);
            for ((&pattern, &aim), weight) in fresh.iter().zip(aim).zip(&problem.row_weights) {
                total[(pattern & mask) as usize] += weight;
                moment[(pattern & mask) as usize] += weight * f64::from(aim);
            }
            let mut normal = Normal::new(planes);
            (0..1 << planes).for_each(|pattern| normal.add(pattern, total[pattern], moment[pattern]));
            if nested.even.is_some() { normal.solve_evenly(&problem.grid) } else { normal.solve_on(&problem.grid) }
        };
        [whole.unwrap_or_else(|| solve(problem.planes, aims[0])), solve(nested.base, aims[1])]
    }

    /// Fits from the given scales in rounds of assignment and least squares; the scales and their cost. The patterns are
    /// in `fresh`.
    fn fit(&mut self, aims: [&[f32]; 2], start: Both) -> (Both, f64) {
        let mut best = (start, self.assign(aims, &start));
        for _ in 0..self.rounds {
            let scales = self.solve(aims, self.nested.even.map(|_| start[0]));
            let cost = self.assign(aims, &scales);
            let better = best.1 - cost;
            if better > 0.0 {
                best = (scales, cost);
            }
            if better <= best.1 * 1e-3 {
                break;
            }
        }
        let cost = self.assign_together(aims, &best.0);
        (best.0, cost)
    }

    /// Scales of column `k` to start from: those that meet the whole best, and what is best for the base then.
    fn start(&mut self, k: usize, aims: [&[f32]; 2], starts: &[PerPlane], rounds: usize) -> Both {
        let Work { problem, column, nested, .. } = self;
        column.load(aims[0], &problem.row_weights);
        let whole = match nested.even {
            Some(even) => even.scales[k],
            None => column.fit(problem.planes, rounds, &problem.grid, starts).0,
        };
        let mut patterns = vec![0u8; problem.rows];
        column.assign(aims[0], &whole[..problem.planes], &mut patterns);
        self.fresh.iter_mut().zip(&patterns).for_each(|(f, &p)| *f = p.into());
        self.solve(aims, Some(whole))
    }
}

/// Fits the columns in order, then over and over; the solution, and the scales of the base.
pub(super) fn fit_nested(
    problem: &mut Problem,
    settings: &Settings,
    nested: Nested,
    factor: &Factor,
    weights: &[f32],
    steps: &Steps,
) -> Result<(Solution, Vec<PerPlane>)> {
    let (mut solution, mut base) = fit_in_turn(problem, settings, nested, factor, &|done| steps.report(0, done))?;
    let gradients = |problem: &Problem, solution: &Solution, base: &[PerPlane]| -> Result<[Vec<f32>; 2]> {
        let whole = problem.error(&solution.patterns, &solution.scales, problem.planes)?;
        let part = problem.error(&solution.patterns, base, nested.base)?;
        Ok([problem.times_hessian(&whole)?, problem.times_hessian(&part)?])
    };
    let [mut whole, mut part] = gradients(problem, &solution, &base)?;
    for pass in 1..=steps.passes - 1 {
        // Once: row scales serve both, and go by the whole alone.
        if settings.refit_rows && settings.row_scales && pass == 1 && problem.rows_together.is_none() {
            problem.refit_rows(&solution, &whole, weights)?;
            [whole, part] = gradients(problem, &solution, &base)?;
        }
        let both = (&mut solution, &mut base[..]);
        refit(problem, settings, nested, both, [&mut whole, &mut part], &|done| steps.report(pass, done))?;
    }
    Ok((solution, base))
}

/// Fits the columns in order, as [`super::feedback::fit_in_turn`] does, each to what two kinds of errors have made of it.
fn fit_in_turn(
    problem: &Problem,
    settings: &Settings,
    nested: Nested,
    factor: &Factor,
    progress: &dyn Fn(usize),
) -> Result<(Solution, Vec<PerPlane>)> {
    let (rows, columns, planes) = (problem.rows, problem.columns, problem.planes);
    let mut work = Work::new(problem, nested, settings.nested_rounds)?;
    let mut targets = [problem.target.clone(), problem.target.clone()];
    let mut errors = [zeros::<f32>(rows, settings.block, "fit")?, zeros::<f32>(rows, settings.block, "fit")?];
    let mut patterns = zeros::<u8>(rows, columns, "fit")?;
    let (mut scales, mut base) = (Vec::with_capacity(columns), Vec::with_capacity(columns));
    let mut starts: Vec<PerPlane> = Vec::new();
    for first in (0..columns).step_by(settings.block) {
        let end = (first + settings.block).min(columns);
        for k in first..end {
            let [a, b] = targets.each_ref().map(|target| &target[k * rows..][..rows]);
            let start = work.start(k, [a, b], &starts, settings.rounds);
            let (found, _) = work.fit([a, b], start);
            starts = vec![found[0]];
            let tables = [table(&found[0][..planes]), table(&found[1][..nested.base])];
            let masks = [(1usize << planes) - 1, (1usize << nested.base) - 1];
            patterns[k * rows..][..rows].iter_mut().zip(&work.fresh).for_each(|(p, &f)| *p = f as u8);
            let pivot = factor.upper[k + k * columns];
            for i in 0..2 {
                let (now, later) = targets[i][k * rows..end * rows].split_at_mut(rows);
                let error = &mut errors[i][(k - first) * rows..][..rows];
                for ((e, &v), &pattern) in error.iter_mut().zip(&*now).zip(&work.fresh) {
                    *e = (v - tables[i][pattern as usize & masks[i]]) / pivot;
                }
                add_outer(later, error, |j| -factor.upper[k + (k + 1 + j) * columns]);
            }
            scales.push(found[0]);
            base.push(found[1]);
        }
        if end < columns {
            let upper = &factor.upper[first + end * columns..];
            for (target, errors) in targets.iter_mut().zip(&errors) {
                let rest = &mut target[end * rows..];
                add_product(rest, -1.0, &errors[..(end - first) * rows], upper, columns, rows, end - first);
            }
        }
        progress(end);
    }
    Ok((Solution { patterns, scales }, base))
}

/// Fits every column once more, the others being as they are; see [`super::sweep::refit_planes`].
fn refit(
    problem: &Problem,
    settings: &Settings,
    nested: Nested,
    (solution, base): (&mut Solution, &mut [PerPlane]),
    [whole, part]: [&mut [f32]; 2],
    progress: &dyn Fn(usize),
) -> Result<()> {
    let (rows, planes) = (problem.rows, problem.planes);
    let mut work = Work::new(problem, nested, settings.nested_rounds)?;
    let mut aims = [zeros::<f32>(rows, 1, "fit")?, zeros::<f32>(rows, 1, "fit")?];
    let masks = [(1usize << planes) - 1, (1usize << nested.base) - 1];
    let mut offsets = [zeros::<f32>(rows, 1, "fit")?, zeros::<f32>(rows, 1, "fit")?];
    let refit = |k: usize, slopes: [&[f32]; 2], changes: [&mut [f32]; 2]| {
        let patterns = &mut solution.patterns[k * rows..][..rows];
        let old = [table(&solution.scales[k][..planes]), table(&base[k][..nested.base])];
        let step = 1.0 / problem.diagonal[k] as f32;
        for i in 0..2 {
            for row in 0..rows {
                offsets[i][row] = slopes[i][row] * step;
                aims[i][row] = old[i][patterns[row] as usize & masks[i]] - offsets[i][row];
            }
        }
        let aims = [&aims[0][..], &aims[1][..]];
        let (scales, found) = work.fit(aims, [solution.scales[k], base[k]]);
        // To know what the present planes of rows together cost takes as long as to find others, which are seldom worse.
        let cost = || problem.cost(&offsets[0]) + f64::from(nested.weight) * problem.cost(&offsets[1]);
        if problem.rows_together.is_none() && found >= cost() {
            return false;
        }
        let new = [table(&scales[0][..planes]), table(&scales[1][..nested.base])];
        for (i, change) in changes.into_iter().enumerate() {
            for ((c, &f), &p) in change.iter_mut().zip(&work.fresh).zip(&*patterns) {
                *c = new[i][f as usize & masks[i]] - old[i][p as usize & masks[i]];
            }
        }
        patterns.iter_mut().zip(&work.fresh).for_each(|(p, &f)| *p = f as u8);
        (solution.scales[k], base[k]) = (scales[0], scales[1]);
        true
    };
    sweep(problem, settings.block, [whole, part], refit, progress)
}
