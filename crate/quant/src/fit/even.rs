//! Levels that lie evenly, as far apart as errors there cost little.
//!
//! Where planes are coded (see [`nomul::plane::coded`]), levels that are seldom met cost little, and what counts is how many bits
//! the levels hold: even ones, enough of them to reach all weights, lose least for these (entropy-coded scalar quantisation, 0.25
//! bits more than what is possible; Gish and Pierce, 1968). Then every weight's error should cost the same: steps are inverse to
//! the root of what an error of a column costs that later columns cannot make up for, and row scales the same for rows
//! (water-filling behind error feedback: WaterSIC, arXiv 2603.04956).

use nomul::Result;

use super::MOST_PLANES;
use super::column::{Column, doubled};
use super::hessian::Factor;
use super::normal::PerPlane;
use super::problem::Problem;

/// Weights that stand for all of a matrix while the steps are sought.
const SAMPLE: usize = 1 << 16;

/// The furthest that levels are apart, in deviations: none is zero, so that nothing is saved by more, and those beside zero lose least
/// so.
const COARSEST: f64 = 1.6;

/// Even levels of every column.
pub(super) struct Even {
    /// In the order in which columns are fitted.
    pub scales: Vec<PerPlane>,
    /// What weights are multiplied by before they go to the nearest level: a little less is coded in fewer bits.
    drawn: Vec<f32>,
}

impl Even {
    /// Chooses row scales, and steps with which a weight is coded in about `bits` bits.
    pub fn new(problem: &mut Problem, factor: &Factor, weights: &[f32], bits: f64) -> Result<Even> {
        let (rows, columns, planes) = (problem.rows, problem.columns, problem.planes);
        // What an error costs in each row, whatever its scale.
        let costs: Vec<f64> = match &problem.rows_together {
            Some((metric, _)) => metric.costs().collect(),
            None => vec![1.0; rows],
        };
        let mean = |numbers: &mut dyn Iterator<Item = f64>, count: usize| numbers.sum::<f64>() / count as f64;
        let size = mean(&mut weights.iter().map(|&w| f64::from(w).powi(2)), weights.len()).sqrt();
        let level = mean(&mut costs.iter().map(|cost| cost.ln()), rows).exp();
        for (scale, cost) in problem.row_scales.iter_mut().zip(&costs) {
            *scale = problem.grid.scale(problem.grid.nearest(size * (level / cost).sqrt()));
        }
        problem.set_target(weights);
        let metric = problem.rows_together.take().map(|(metric, _)| metric);
        problem.count_rows_by(metric)?;

        let deviation = |k: usize| {
            let squares = problem.target_column(k).iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
            (squares / rows as f64).sqrt()
        };
        let each: Vec<(f64, f64)> =
            (0..columns).map(|k| (f64::from(factor.upper[k * (columns + 1)]), deviation(k))).collect();
        let typical = mean(&mut each.iter().map(|(pivot, deviation)| deviation / pivot), columns);
        // Finer, levels would end within two deviations, and hold fewer bits again.
        let (mut fine, mut coarse) = (typical * 4.0 / f64::from(1u32 << planes), typical * 16.0);
        for _ in 0..24 {
            let middle = (fine * coarse).sqrt();
            if held(problem, &each, middle) > bits { fine = middle } else { coarse = middle }
        }
        let half = |step: f64| problem.grid.nearest(0.5 * step);
        let scales = each.iter().map(|&own| doubled(planes, half(step(coarse, own)))).collect();
        let drawn = each.iter().map(|&own| drawn(step(coarse, own), own.1)).collect();
        Ok(Even { scales, drawn })
    }

    /// Gives every number of column `k` its pattern.
    pub fn assign(&self, problem: &Problem, k: usize, values: &[f32], patterns: &mut [u8]) {
        let (scales, drawn) = (&self.scales[k][..problem.planes], self.drawn[k]);
        if problem.rows_together.is_some() {
            return Column::assign_together(problem, values, scales, drawn, patterns);
        }
        let (least, most) = (scales[scales.len() - 1] as f32, (1u32 << problem.planes) - 1);
        let step = if least > 0.0 { drawn / (2.0 * least) } else { 0.0 };
        for (pattern, value) in patterns.iter_mut().zip(values) {
            let level = (value * step + 0.5 * (most + 1) as f32).clamp(0.0, most as f32) as u32;
            // The first plane has the highest bit of a level.
            *pattern = (level.reverse_bits() >> (32 - problem.planes)) as u8;
        }
    }
}

/// How far apart a column's levels are, `times` its pivot, given that and the deviation of its numbers.
fn step(times: f64, (pivot, deviation): (f64, f64)) -> f64 {
    (times * pivot).min(COARSEST * deviation)
}

/// Bits a weight of even levels `times` the pivots apart.
fn held(problem: &Problem, each: &[(f64, f64)], times: f64) -> f64 {
    let taken = (SAMPLE / problem.rows).clamp(1, problem.columns);
    let most = (1i32 << problem.planes) - 1;
    let mut seen = [0u32; 1 << MOST_PLANES];
    for k in (0..taken).map(|i| i * problem.columns / taken) {
        let step = step(times, each[k]);
        let factor = if step > 0.0 { f64::from(drawn(step, each[k].1)) / step } else { 0.0 };
        for &value in problem.target_column(k) {
            let level = (f64::from(value) * factor).floor() as i32 + (most + 1) / 2;
            seen[level.clamp(0, most) as usize] += 1;
        }
    }
    let all: u32 = seen.iter().sum();
    let share = |n: u32| f64::from(n) / f64::from(all);
    seen.iter().filter(|&&n| n > 0).map(|&n| -share(n) * share(n).log2()).sum()
}

/// What numbers of this deviation are multiplied by, so that the nearest level then is the one with the least error and bits together.
/// A number x far from zero is rare: it is coded in x^2 / 2 deviation^2 nats more; and a nat less for all would cost a sixth of a
/// step's square.
fn drawn(step: f64, deviation: f64) -> f32 {
    if deviation > 0.0 { (1.0 / (1.0 + step * step / (12.0 * deviation * deviation))) as f32 } else { 1.0 }
}
