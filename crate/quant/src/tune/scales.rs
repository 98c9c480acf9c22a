//! The scales of one matrix while they are tuned.

use nomul::{Result, plane, scale::Scale};
use rayon::prelude::*;

use crate::{
    fit::{FittedMatrix, Grid, zeros},
    gradient::uniform,
};

/// Rows that one task adds up, whatever the number of threads.
const ROWS: usize = 64;

/// How much of the means of slopes and of their squares stays from one step to the next.
const KEEP: [f32; 2] = [0.9, 0.99];

/// Steps between scales, as shares of these, that are narrow enough to be rounded by chance: three of five numbers lie in such.
const CHANCED: f64 = 0.02;

/// A step: how many there were with it, and how far it goes.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub number: usize,
    pub rate: f32,
}

/// A matrix whose signs are settled.
pub(super) struct Scales {
    columns: usize,
    planes: usize,
    /// Signs of each weight, bit b for plane b: (rows, columns).
    patterns: Vec<u8>,
    row_scales: Vec<f32>,
    /// (planes, columns)
    column_scales: Vec<f32>,
    /// Scales of a plane are twice those of the next, and stay so.
    is_even: bool,
    /// `None` where row scales stay.
    rows: Option<Means>,
    /// Of what moves by itself: each scale, or all of a column.
    cells: Means,
}

/// Running means of slopes and of their squares.
struct Means([Vec<f32>; 2]);

impl Means {
    fn new(count: usize) -> Means {
        Means([vec![0.0; count], vec![0.0; count]])
    }

    /// How far each number goes against its slope: about one at the most, times the rate.
    fn moves(&mut self, slopes: &[f32], step: Step) -> Vec<f32> {
        let [means, squares] = &mut self.0;
        let [first, second] = KEEP.map(|keep| 1.0 - keep.powi(step.number as i32));
        let each = slopes.iter().zip(means).zip(squares);
        each.map(|((&slope, mean), square)| {
            *mean += (1.0 - KEEP[0]) * (slope - *mean);
            *square += (1.0 - KEEP[1]) * (slope * slope - *square);
            let size = (*square / second).sqrt();
            if size > 0.0 { -step.rate * (*mean / first) / size } else { 0.0 }
        })
        .collect()
    }
}

impl Scales {
    /// The first `planes` planes of a matrix, which have scales of their own.
    pub fn new(matrix: &FittedMatrix, planes: usize, with_rows: bool) -> Result<Scales> {
        let (rows, columns) = (matrix.rows, matrix.columns);
        let mut patterns = zeros::<u8>(rows, columns, "tuning")?;
        patterns.par_chunks_mut(columns).enumerate().for_each(|(row, out)| {
            for (column, out) in out.iter_mut().enumerate() {
                for (b, signs) in matrix.planes[..planes].iter().enumerate() {
                    *out |= u8::from(plane::is_positive(signs, columns, row, column)) << b;
                }
            }
        });
        let scales = matrix.scales(planes).unwrap_or_default();
        let column_scales: Vec<f32> = scales.iter().flatten().map(|scale| scale.value()).collect();
        Ok(Scales {
            columns,
            planes,
            patterns,
            row_scales: matrix.row_scales.iter().map(|scale| scale.value()).collect(),
            rows: with_rows.then(|| Means::new(rows)),
            cells: Means::new(if matrix.is_even { columns } else { column_scales.len() }),
            is_even: matrix.is_even,
            column_scales,
        })
    }

    /// The matrix that these signs and scales stand for: (rows, columns).
    pub fn weights(&self) -> Vec<f32> {
        let Scales { columns, planes, .. } = *self;
        let mut values = vec![0.0f32; columns << planes];
        for (column, values) in values.chunks_exact_mut(1 << planes).enumerate() {
            for (pattern, value) in values.iter_mut().enumerate() {
                let scale = |b: usize| self.column_scales[b * columns + column];
                *value = (0..planes).map(|b| if pattern >> b & 1 == 1 { scale(b) } else { -scale(b) }).sum();
            }
        }
        let mut weights = vec![0.0f32; self.patterns.len()];
        let rows = weights.par_chunks_mut(columns).zip(self.patterns.par_chunks(columns)).zip(&self.row_scales);
        rows.for_each(|((weights, patterns), scale)| {
            for ((weight, &pattern), values) in weights.iter_mut().zip(patterns).zip(values.chunks_exact(1 << planes)) {
                *weight = scale * values[pattern as usize];
            }
        });
        weights
    }

    /// Moves the scales against the slopes of the loss along the weights, which are given: (rows, columns) both. The new
    /// weights.
    pub fn step(&mut self, slopes: &[f32], weights: &[f32], step: Step) -> Vec<f32> {
        let along_columns = self.along_columns(slopes);
        if let Some(means) = &mut self.rows {
            // What the loss does when a row grows by a share of itself.
            let rows = slopes.par_chunks(self.columns).zip(weights.par_chunks(self.columns));
            let along: Vec<f32> = rows.map(|(slopes, weights)| nomul::float::dot(slopes, weights)).collect();
            let moves = means.moves(&along, step);
            self.row_scales.iter_mut().zip(moves).for_each(|(scale, share)| *scale *= 1.0 + share);
        }
        let columns = self.columns;
        if self.is_even {
            // What the loss does when the scales of a column grow by a share of themselves.
            let along = |column: usize| {
                let of = |numbers: &[f32]| numbers.iter().skip(column).step_by(columns).copied().collect::<Vec<f32>>();
                nomul::float::dot(&of(&self.column_scales), &of(&along_columns))
            };
            let along: Vec<f32> = (0..columns).map(along).collect();
            let moves = self.cells.moves(&along, step);
            for scales in self.column_scales.chunks_exact_mut(columns) {
                scales.iter_mut().zip(&moves).for_each(|(scale, share)| *scale *= 1.0 + share);
            }
            return self.weights();
        }
        let size = |column: usize| self.column_scales.iter().skip(column).step_by(columns).sum::<f32>();
        let sizes: Vec<f32> = (0..columns).map(size).collect();
        let moves = self.cells.moves(&along_columns, step);
        for (scales, moves) in self.column_scales.chunks_exact_mut(columns).zip(moves.chunks_exact(columns)) {
            // All planes of a column move alike, by half of what they are together; a scale has no sign of its own.
            let each = scales.iter_mut().zip(moves).zip(&sizes);
            each.for_each(|((scale, share), size)| *scale = (*scale + 0.5 * size * share).max(0.0));
        }
        self.weights()
    }

    /// The slopes of the loss along the column scales: (planes, columns).
    fn along_columns(&self, slopes: &[f32]) -> Vec<f32> {
        let Scales { columns, planes, .. } = *self;
        let tasks = slopes.par_chunks(ROWS * columns).zip(self.patterns.par_chunks(ROWS * columns));
        let parts: Vec<Vec<f32>> = tasks
            .zip(self.row_scales.par_chunks(ROWS))
            .map(|((slopes, patterns), scales)| {
                let mut sums = vec![0.0f32; planes * columns];
                let rows = slopes.chunks_exact(columns).zip(patterns.chunks_exact(columns)).zip(scales);
                for ((slopes, patterns), scale) in rows {
                    for (b, sums) in sums.chunks_exact_mut(columns).enumerate() {
                        for ((sum, slope), pattern) in sums.iter_mut().zip(slopes).zip(patterns) {
                            let scaled = scale * slope;
                            *sum += if pattern >> b & 1 == 1 { scaled } else { -scaled };
                        }
                    }
                }
                sums
            })
            .collect();
        let mut sums = vec![0.0f32; planes * columns];
        parts.iter().for_each(|part| sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part));
        sums
    }

    /// Puts the scales into a matrix, on the grid of what can be stored. Most have moved by less than a step of it, so each goes
    /// to the one or the other side by chance, as often as it lies near to that side: what many scales gain together stays. Where
    /// steps are wide, this would cost more than it keeps, and the nearest is taken.
    pub fn round_into(self, matrix: &mut FittedMatrix, seed: u64) {
        let grid = Grid::new(3);
        let mut places = 0..;
        let mut round = |x: f32| -> Scale {
            let chance = uniform(seed, places.next().unwrap_or_default());
            let (below, above) = grid.around(f64::from(x));
            let chance = if above - below < CHANCED * below { chance } else { 0.5 };
            grid.scale(if f64::from(x) - below > chance * (above - below) { above } else { below })
        };
        if self.rows.is_some() {
            matrix.row_scales = self.row_scales.iter().map(|&scale| round(scale)).collect();
        }
        let at = matrix.prefixes.iter().position(|&prefix| prefix == self.planes);
        if let Some(set) = at.and_then(|at| matrix.column_scales.get_mut(at)) {
            if self.is_even {
                let least = self.column_scales.chunks_exact(self.columns).next_back().unwrap_or_default();
                let least: Vec<Scale> = least.iter().map(|&scale| round(scale)).collect();
                for (scales, times) in set.iter_mut().rev().zip(0..) {
                    *scales = least.iter().map(|scale| scale.doubled(times)).collect();
                }
                return;
            }
            for (scales, tuned) in set.iter_mut().zip(self.column_scales.chunks_exact(self.columns)) {
                *scales = tuned.iter().map(|&scale| round(scale)).collect();
            }
        }
    }
}
