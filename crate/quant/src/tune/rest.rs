//! Weights that are yet to be quantised make up for what the quantised ones miss.
//!
//! Error feedback (GPTQ) does so among the columns of one matrix. Here it goes on through the model: before a block is fitted,
//! the blocks from there on take a few small steps towards the checkpoint's predictions, reading what the quantised blocks
//! before them give. To tune what is not quantised yet is a part of QuIP# (arXiv 2402.04396), there within a block.

use std::collections::HashMap;

use nomul::{
    Result, bail,
    weights::{Kind, MatrixId},
};
use rayon::prelude::*;

use super::{Piece, Teacher, step_through};
use crate::{calibrate::Calibration, dense::Dense};

/// How far a weight moves in a step, about, as a share of its matrix's root mean square. All weights of a matrix move together
/// along few directions, so this is little: for SmolLM2 at 3 planes 1e-5 and 5e-5 gain less than 2e-5, and 3e-4 does harm. Steps that
/// grow with the root of the divergence, to as much where the middle blocks are, leave 1.09 times as much after ten blocks.
const RATE: f32 = 2e-5;

/// How much of the means of slopes and of their squares stays from one step to the next.
const KEEP: [f32; 2] = [0.9, 0.98];

/// Steps in which the rate grows from nothing.
const WARM_UP: f32 = 10.0;

/// The blocks that are yet to be quantised, while they learn.
pub struct Rest<'a> {
    teacher: &'a Teacher<'a>,
    /// The pieces that a window begins with: what comes before a token in them is all that it has read.
    beginnings: Vec<usize>,
    steps: usize,
    moments: HashMap<MatrixId, Moments>,
}

/// Of a matrix's slopes: a running mean for each weight, one of the squares for each row (Adam-mini, arXiv 2406.16793).
struct Moments {
    means: Vec<f32>,
    squares: Vec<f32>,
    /// The root mean square of the weights.
    size: f32,
}

impl<'a> Rest<'a> {
    /// Blocks that have not learned yet.
    pub fn new(teacher: &'a Teacher<'a>) -> Rest<'a> {
        let beginnings = (0..teacher.lessons()).filter(|&piece| teacher.piece(piece).start == 0).collect();
        Rest { teacher, beginnings, steps: 0, moments: HashMap::new() }
    }

    /// One step of block `layer`, but for its matrices that are `fitted`, and of those after it, whose matrices are in `weights` with
    /// the head, on the beginning of a window whose stream before that block is in `streams`.
    ///
    /// Errors: [`nomul::Code::Value`] where a prediction is not finite.
    pub fn step(&mut self, weights: &mut Dense, layer: usize, streams: &Calibration, fitted: &[Kind]) -> Result<()> {
        let piece = self.beginnings[self.steps % self.beginnings.len()];
        let Piece { window, tokens, .. } = self.teacher.piece(piece);
        let stream = streams.beginning(self.teacher.config(), window, tokens.len()).to_vec();
        self.steps += 1;
        let is_fitted = |id: &MatrixId| id.layer < layer || id.layer == layer && fitted.contains(&id.kind);
        self.moments.retain(|id, _| !is_fitted(id));
        let Rest { teacher, steps, moments, .. } = self;
        let loss = step_through(weights, (layer, stream), (teacher, piece), |id, slopes, weights| {
            if is_fitted(&id) {
                return None;
            }
            let columns = id.kind.shape(teacher.config()).1;
            let moments = moments.entry(id).or_insert_with(|| Moments::new(weights, columns));
            Some(moments.moved(slopes, weights, columns, *steps))
        });
        if loss.is_finite() { Ok(()) } else { bail!(Value, "adapting: the predictions are not finite") }
    }
}

impl Moments {
    fn new(weights: &[f32], columns: usize) -> Moments {
        let square = weights.iter().map(|&w| f64::from(w) * f64::from(w)).sum::<f64>() / weights.len() as f64;
        let (means, squares) = (vec![0.0; weights.len()], vec![0.0; weights.len() / columns]);
        Moments { means, squares, size: square.sqrt() as f32 }
    }

    /// The weights after a step.
    fn moved(&mut self, slopes: &[f32], weights: &[f32], columns: usize, step: usize) -> Vec<f32> {
        let [first, second] = KEEP.map(|keep| 1.0 - keep.powi(step as i32));
        let rate = RATE * self.size * (step as f32 / WARM_UP).min(1.0) / first;
        let mut moved = weights.to_vec();
        let rows = moved.par_chunks_mut(columns).zip(slopes.par_chunks(columns));
        rows.zip(self.means.par_chunks_mut(columns)).zip(&mut self.squares).for_each(
            |(((moved, slopes), means), square)| {
                let now = slopes.iter().map(|slope| slope * slope).sum::<f32>() / columns as f32;
                *square += (1.0 - KEEP[1]) * (now - *square);
                let size = (*square / second).sqrt();
                let rate = if size > 0.0 { rate / size } else { 0.0 };
                for ((weight, slope), mean) in moved.iter_mut().zip(slopes).zip(means) {
                    *mean += (1.0 - KEEP[0]) * (slope - *mean);
                    *weight -= rate * *mean;
                }
            },
        );
        moved
    }
}
