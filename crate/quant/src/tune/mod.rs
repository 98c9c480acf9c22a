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

mod scales;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use nomul::{
    Result, bail,
    config::ModelConfig,
    weights::{Kind, MatrixId},
};

use crate::{
    checkpoint::Checkpoint,
    dense::Dense,
    fit::FittedMatrix,
    gradient::{Block, Head, Loss, product_of_gradients},
    rotate::Rotation,
};
use scales::{Scales, Step};

/// Tokens that a step judges.
pub const PIECE: usize = 512;

/// How far a scale moves in a step, about, as a share of its size, for each root of a nat that a model is away from its
/// checkpoint: what many small moves do by chance grows with their square. For SmolLM2 at 3 planes that is 3e-4; at three times as
/// much it is further from the checkpoint after 40 steps, at ten times further than before.
const RATE: f64 = 6e-4;

/// Pieces on which what was tuned is judged.
const JUDGES: usize = 4;

/// Steps in which the rate grows from nothing, before it falls again (half a cosine).
const WARM_UP: f32 = 10.0;

/// What is tuned towards, and on what.
pub struct Tuning<'a> {
    /// Its predictions are aimed at.
    pub checkpoint: &'a Checkpoint,
    /// The shape of the rotated model.
    pub config: &'a ModelConfig,
    /// How it is rotated.
    pub rotation: &'a Rotation,
    /// Calibration text, see [`pieces`].
    pub pieces: &'a [&'a [u32]],
    /// Steps for all planes, and for those that a model starts with; pieces are taken in turn.
    pub steps: [usize; 2],
    /// Decides which way a scale is rounded.
    pub seed: u64,
}

/// Windows as pieces of [`PIECE`] tokens; rests that are shorter than half of that are left out, unless they are all.
pub fn pieces(windows: &[Vec<u32>]) -> Vec<&[u32]> {
    let least = windows.iter().map(Vec::len).max().unwrap_or(0).clamp(2, PIECE / 2);
    windows.iter().flat_map(|window| window.chunks(PIECE)).filter(|piece| piece.len() >= least).collect()
}

/// Mean divergence from the checkpoint's predictions, in nats a token, on text that was not tuned on.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Tuned {
    /// With the scales of the fit.
    pub before: f64,
    /// With tuned ones. Where these were no nearer, those of the fit stay.
    pub after: f64,
}

impl Tuning<'_> {
    /// Tunes the scales of all matrices. `progress` is told which of how many steps is next. What came of both rounds;
    /// `None` where there was nothing to tune, or less than two pieces. Memory: the model in single precision, a byte for
    /// each of its weights, the embedding and the head of the checkpoint, and the streams of the pieces.
    ///
    /// Errors: [`nomul::Code::Value`] where a prediction is not finite, those of the checkpoint's files.
    pub fn run(
        &self,
        fitted: &mut HashMap<MatrixId, FittedMatrix>,
        progress: &dyn Fn(usize, usize),
    ) -> Result<[Option<Tuned>; 2]> {
        if self.pieces.len() < 2 {
            return Ok([None; 2]);
        }
        // Where all planes come at the start, nothing is left to tune for it.
        let has_start = fitted.iter().any(|(id, matrix)| !id.kind.is_table() && matrix.prefixes.len() > 1);
        let (all, start) = (self.steps[0], if has_start { self.steps[1] } else { 0 });
        let (teacher, aims) = self.teacher()?;
        let first = self.round(fitted, (&teacher, &aims), all, false, &|step| progress(step, all + start))?;
        let second = self.round(fitted, (&teacher, &aims), start, true, &|step| progress(all + step, all + start))?;
        Ok([first, second])
    }

    /// How many of the pieces are for judging: the last.
    fn judges(&self) -> usize {
        (self.pieces.len() / 8).clamp(1, JUDGES)
    }

    /// The head of the checkpoint, and the streams that it reads: one for each piece that is used, those that judge last.
    fn teacher(&self) -> Result<(Dense, Vec<Vec<f32>>)> {
        let Tuning { checkpoint, config, rotation, .. } = *self;
        let used = self.used();
        let mut weights = rotation.vectors(checkpoint, config)?;
        for id in MatrixId::all(config).filter(|id| id.kind.is_table()) {
            weights.insert(id, rotation.matrix(checkpoint, id)?);
        }
        let mut streams: Vec<Vec<f32>> = used.iter().map(|tokens| weights.embed(tokens)).collect();
        for layer in 0..config.num_hidden_layers {
            let block = Kind::BLOCK.map(|kind| MatrixId { layer, kind });
            for id in block {
                weights.insert(id, rotation.matrix(checkpoint, id)?);
            }
            let own = Block::new(config, &weights, layer, PIECE);
            streams.iter_mut().for_each(|stream| *stream = own.forward(std::mem::take(stream)).out);
            block.iter().for_each(|&id| drop(weights.remove(id)));
        }
        Ok((weights, streams))
    }

    /// One round of steps: of all planes, or of those that a model starts with.
    fn round(
        &self,
        fitted: &mut HashMap<MatrixId, FittedMatrix>,
        (teacher, aims): (&Dense, &[Vec<f32>]),
        steps: usize,
        is_start: bool,
        progress: &dyn Fn(usize),
    ) -> Result<Option<Tuned>> {
        let Tuning { config, seed, .. } = *self;
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
        let head = Head::new(config, teacher);
        let used = self.used();
        let (pieces, judges) = used.split_at(used.len() - self.judges());
        let (aims, judged) = aims.split_at(pieces.len());
        let judge = |weights: &Dense| -> Result<f64> {
            let each = judges.iter().zip(judged).map(|(tokens, stream)| {
                let end = through(config, weights, tokens).pop().unwrap_or_default();
                Head::new(config, weights).backward(&end, &Loss::Towards { head: &head, stream }).loss
            });
            let mean = each.sum::<f64>() / judges.len() as f64;
            if mean.is_finite() { Ok(mean) } else { bail!(Value, "tuning: the predictions are not finite") }
        };
        let before = judge(&weights)?;
        let rate = (RATE * before.sqrt()) as f32;
        for step in 0..steps {
            progress(step);
            let piece = step % pieces.len();
            let decay = 0.5 * (1.0 + (std::f32::consts::PI * step as f32 / steps as f32).cos());
            let warm = ((step + 1) as f32 / WARM_UP).min(1.0);
            let now = Step { number: step + 1, rate: rate * decay * warm };
            let aim = Loss::Towards { head: &head, stream: &aims[piece] };
            step_through(config, &mut weights, pieces[piece], &aim, |id, slopes, own| {
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

    /// The pieces that are tuned on, as many as there are steps, and those that judge.
    fn used(&self) -> Vec<&[u32]> {
        let (pieces, judges) = self.pieces.split_at(self.pieces.len() - self.judges());
        let steps = self.steps[0].max(self.steps[1]).min(pieces.len());
        pieces[..steps].iter().chain(judges).copied().collect()
    }
}

/// The streams of a window before each block, and after the last.
fn through(config: &ModelConfig, weights: &Dense, tokens: &[u32]) -> Vec<Vec<f32>> {
    let mut streams = vec![weights.embed(tokens)];
    for layer in 0..config.num_hidden_layers {
        let next = Block::new(config, weights, layer, tokens.len()).forward(streams[layer].clone()).out;
        streams.push(next);
    }
    streams
}

/// One piece there and back. `tune` is given, for each matrix of the blocks, the slopes of the mean loss and the weights, both
/// (rows, columns), and gives new weights where there are. The mean loss before that.
fn step_through(
    config: &ModelConfig,
    weights: &mut Dense,
    tokens: &[u32],
    loss: &Loss,
    mut tune: impl FnMut(MatrixId, &[f32], &[f32]) -> Option<Vec<f32>>,
) -> f64 {
    let mut streams = through(config, weights, tokens);
    let end = streams.pop().unwrap_or_default();
    let judged = Head::new(config, weights).backward(&end, loss);
    let mut gradient = judged.gradient;
    gradient.iter_mut().for_each(|g| *g /= tokens.len() as f32);
    for layer in (0..config.num_hidden_layers).rev() {
        let mut slopes: Vec<(MatrixId, Vec<f32>)> = Vec::new();
        let block = Block::new(config, weights, layer, tokens.len());
        let trace = block.forward(streams.pop().unwrap_or_default());
        gradient = block.backward(&trace, gradient, &mut |kind, x, g| {
            slopes.push((MatrixId { layer, kind }, product_of_gradients(g, x, kind.shape(config).1)));
        });
        for (id, slopes) in slopes {
            if let Some(fresh) = tune(id, &slopes, weights.matrix(id)) {
                weights.insert(id, fresh);
            }
        }
    }
    judged.loss
}
