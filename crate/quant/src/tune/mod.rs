//! Tuning of scales through the whole model.
//!
//! The fit brings the outputs of each matrix near to the checkpoint's; what the errors of all matrices do together shows at
//! the end only. Here the divergence of the model's predictions from the checkpoint's is followed back, piece by piece of
//! the calibration text, to every row and column scale, and these are moved a little each time (Adam, arXiv 1412.6980).
//! To tune what stays continuous end to end is the second phase of EfficientQAT (arXiv 2407.11062). Signs stay: weights
//! that move along their gradients until another level is nearer were tried; on so little text either some thousand of a
//! hundred million flip, or what error feedback has arranged is undone.
//!
//! First the scales of all planes are tuned, then those of the planes that a model starts with, rows being settled.

mod rest;
mod scales;
mod teacher;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use nomul::{Result, bail, config::ModelConfig, weights::MatrixId};

use crate::{
    checkpoint::Checkpoint,
    dense::Dense,
    fit::FittedMatrix,
    gradient::{Block, Head, Loss, Trace, product_of_gradients},
    journal::Journal,
    rotate::Rotation,
};
pub use rest::Rest;
use scales::{Scales, Step};
pub use teacher::{JUDGES, Teacher};

/// Tokens that a step judges.
pub const PIECE: usize = 512;

/// How far a scale moves in a step, about, as a share of its size, for each root of a nat that a model is away from its
/// checkpoint: what many small moves do by chance grows with their square. For SmolLM2 at 3 planes that is 3e-4; at three times as
/// much it is further from the checkpoint after 40 steps, at ten times further than before.
const RATE: f64 = 6e-4;

/// Steps in which the rate grows from nothing, before it falls again (half a cosine).
const WARM_UP: f32 = 10.0;

/// What is tuned towards, and on what.
pub struct Tuning<'a> {
    /// Its vectors are the model's.
    pub checkpoint: &'a Checkpoint,
    /// The shape of the rotated model.
    pub config: &'a ModelConfig,
    /// How it is rotated.
    pub rotation: &'a Rotation,
    /// Its predictions are aimed at.
    pub teacher: &'a Teacher<'a>,
    /// Steps for all planes, and for those that a model starts with; pieces are taken in turn.
    pub steps: [usize; 2],
    /// Decides which way a scale is rounded.
    pub seed: u64,
    /// Rounds that are done are kept here, and those of a stopped run taken from here.
    pub journal: Option<&'a Journal>,
}

/// A part of a window of text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece<'a> {
    /// Which window.
    pub window: usize,
    /// Its first token's place in the window.
    pub start: usize,
    /// Up to [`PIECE`] of them.
    pub tokens: &'a [u32],
}

/// Windows in pieces; rests that are shorter than half of [`PIECE`] are left out, unless they are all.
pub fn pieces(windows: &[Vec<u32>]) -> Vec<Piece<'_>> {
    let least = windows.iter().map(Vec::len).max().unwrap_or(0).clamp(2, PIECE / 2);
    let of = |(window, tokens): (usize, &'_ Vec<u32>)| -> Vec<(usize, usize)> {
        (0..tokens.len()).step_by(PIECE).map(|start| (window, start)).collect()
    };
    let all = windows.iter().enumerate().flat_map(of).map(|(window, start)| {
        let rest = &windows[window][start..];
        Piece { window, start, tokens: &rest[..rest.len().min(PIECE)] }
    });
    all.filter(|piece| piece.tokens.len() >= least).collect()
}

/// Mean divergence from the checkpoint's predictions, in nats a token, on text that was not tuned on.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tuned {
    /// With the scales of the fit.
    pub before: f64,
    /// With tuned ones. Where these were no nearer, those of the fit stay.
    pub after: f64,
}

impl Tuning<'_> {
    /// Tunes the scales of all matrices. `progress` is told which of how many steps is next. What came of both rounds;
    /// `None` where there was nothing to tune. Memory: the model in single precision, and a byte for each of its weights.
    ///
    /// Errors: [`nomul::Code::Value`] where a prediction is not finite, those of the checkpoint's files.
    pub fn run(
        &self,
        fitted: &mut HashMap<MatrixId, FittedMatrix>,
        progress: &dyn Fn(usize, usize),
    ) -> Result<[Option<Tuned>; 2]> {
        // Where all planes come at the start, nothing is left to tune for it.
        let has_start = fitted.iter().any(|(id, matrix)| !id.kind.is_table() && matrix.prefixes.len() > 1);
        let (all, start) = (self.steps[0], if has_start { self.steps[1] } else { 0 });
        let first = self.once("tuned.all", fitted, all, false, &|step| progress(step, all + start))?;
        let second = self.once("tuned.start", fitted, start, true, &|step| progress(all + step, all + start))?;
        Ok([first, second])
    }

    /// [`Tuning::round`], if a stopped run has not done it.
    fn once(
        &self,
        name: &str,
        fitted: &mut HashMap<MatrixId, FittedMatrix>,
        steps: usize,
        is_start: bool,
        progress: &dyn Fn(usize),
    ) -> Result<Option<Tuned>> {
        let Some(journal) = self.journal else { return self.round(fitted, steps, is_start, progress) };
        let ids = || MatrixId::all(self.config);
        if let Some((tuned, matrices)) = journal.get::<(Option<Tuned>, Vec<FittedMatrix>)>(name) {
            fitted.extend(ids().zip(matrices));
            return Ok(tuned);
        }
        let tuned = self.round(fitted, steps, is_start, progress)?;
        journal.put(name, &(tuned, ids().map(|id| &fitted[&id]).collect::<Vec<_>>()))?;
        Ok(tuned)
    }

    /// One round of steps: of all planes, or of those that a model starts with.
    fn round(
        &self,
        fitted: &mut HashMap<MatrixId, FittedMatrix>,
        steps: usize,
        is_start: bool,
        progress: &dyn Fn(usize),
    ) -> Result<Option<Tuned>> {
        let Tuning { config, seed, teacher, .. } = *self;
        if steps == 0 {
            return Ok(None);
        }
        let mut weights = self.rotation.vectors(self.checkpoint, config)?;
        let mut tuned = HashMap::new();
        for (&id, matrix) in &*fitted {
            let prefix = if is_start { matrix.prefixes[0] } else { matrix.planes.len() };
            weights.insert(id, matrix.dequantize(prefix));
            let is_tuned = !id.kind.is_table() && (!is_start || matrix.prefixes.len() > 1);
            if is_tuned {
                tuned.insert(id, Scales::new(matrix, prefix, !is_start)?);
            }
        }
        let judge = |weights: &Dense| -> Result<f64> {
            let each = teacher.judges().map(|piece| {
                let end = through(config, weights, weights.embed(teacher.piece(piece).tokens));
                let (head, stream) = (&teacher.head(), teacher.stream(piece));
                Head::new(config, weights).backward(&end, &Loss::Towards { head, stream }).loss
            });
            let mean = each.sum::<f64>() / teacher.judges().count() as f64;
            if mean.is_finite() { Ok(mean) } else { bail!(Value, "tuning: the predictions are not finite") }
        };
        let before = judge(&weights)?;
        let rate = (RATE * before.sqrt()) as f32;
        for step in 0..steps {
            progress(step);
            let piece = step % teacher.lessons();
            let decay = 0.5 * (1.0 + (std::f32::consts::PI * step as f32 / steps as f32).cos());
            let warm = ((step + 1) as f32 / WARM_UP).min(1.0);
            let now = Step { number: step + 1, rate: rate * decay * warm };
            let stream = weights.embed(teacher.piece(piece).tokens);
            step_through(&mut weights, (0, stream), (teacher, piece), |id, slopes, own| {
                tuned.get_mut(&id).map(|tuned| tuned.step(slopes, own, now))
            });
        }
        let mut found = HashMap::new();
        for (id, tuned) in tuned {
            let mut matrix = fitted[&id].clone();
            tuned.round_into(&mut matrix, seed.wrapping_add(((id.layer as u64) << 8) | id.kind as u64));
            weights.insert(id, matrix.dequantize(if is_start { matrix.prefixes[0] } else { matrix.planes.len() }));
            found.insert(id, matrix);
        }
        let after = judge(&weights)?;
        if after < before {
            fitted.extend(found);
        }
        Ok(Some(Tuned { before, after }))
    }
}

/// What a window's stream becomes after the last block.
fn through(config: &ModelConfig, weights: &Dense, stream: Vec<f32>) -> Vec<f32> {
    let tokens = stream.len() / config.hidden_size;
    (0..config.num_hidden_layers)
        .fold(stream, |stream, layer| Block::new(config, weights, layer, tokens).forward(stream).out)
}

/// One piece from the given stream before block `first` to the end and back. `tune` is given, for each matrix of these blocks,
/// the slopes of the mean loss and the weights, both (rows, columns), and gives new weights where there are. The mean loss before
/// that. Memory: what each of the blocks makes of the piece, which for SmolLM2 is 18 MB.
fn step_through(
    weights: &mut Dense,
    (first, stream): (usize, Vec<f32>),
    (teacher, piece): (&Teacher, usize),
    mut tune: impl FnMut(MatrixId, &[f32], &[f32]) -> Option<Vec<f32>>,
) -> f64 {
    let config = teacher.config();
    let tokens = stream.len() / config.hidden_size;
    let mut end = stream;
    let traces: Vec<Trace> = (first..config.num_hidden_layers)
        .map(|layer| {
            let mut trace = Block::new(config, weights, layer, tokens).forward(std::mem::take(&mut end));
            end = std::mem::take(&mut trace.out);
            trace
        })
        .collect();
    let aim = Loss::Towards { head: &teacher.head(), stream: teacher.stream(piece) };
    let judged = Head::new(config, weights).backward(&end, &aim);
    let mut gradient = judged.gradient;
    gradient.iter_mut().for_each(|g| *g /= tokens as f32);
    for (layer, trace) in (first..config.num_hidden_layers).zip(traces).rev() {
        let mut slopes: Vec<(MatrixId, Vec<f32>)> = Vec::new();
        let block = Block::new(config, weights, layer, tokens);
        gradient = block.backward(&trace, gradient, &mut |kind, x, g| {
            slopes.push((MatrixId { layer, kind }, product_of_gradients(g, x, kind.shape(config).1)));
        });
        drop(trace);
        for (id, slopes) in slopes {
            if let Some(fresh) = tune(id, &slopes, weights.matrix(id)) {
                weights.insert(id, fresh);
            }
        }
    }
    judged.loss
}
