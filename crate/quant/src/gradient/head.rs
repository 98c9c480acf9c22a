//! The last norm, the head and what the model is judged by.

use nomul::{
    config::ModelConfig,
    float::softmax_on_best,
    hadamard::Hadamard,
    weights::{Kind, MatrixId, VectorId},
};
use rayon::prelude::*;

use super::rows::{add_back, add_norm_back, norm, product};
use crate::dense::Dense;

/// Tokens whose scores are held at once.
const CHUNK: usize = 64;

/// The end of a model.
pub struct Head<'a> {
    config: &'a ModelConfig,
    weights: &'a Dense,
    residual: Option<Hadamard>,
}

/// What the scores of a window are compared to.
pub enum Loss<'a> {
    /// What another model says of the same tokens, given by its end and the stream that this reads. The loss is the
    /// divergence of the scores from it (Kullback and Leibler), but for what it holds for less likely than 1e-6.
    Towards {
        /// The end of the other model, of the same shape.
        head: &'a Head<'a>,
        /// Its stream after the last block: `(tokens, hidden_size)`.
        stream: &'a [f32],
    },
    /// For each token one drawn from the model's own prediction, by this seed. The mean square of the gradients is
    /// then the second derivative of the divergence from the model as it is (Fisher's information).
    Drawn(u64),
    /// The tokens that follow, one for each token of the window; what is no token of the vocabulary is not judged.
    Next(&'a [u32]),
}

/// What [`Head::backward`] tells of a window.
pub struct Judged {
    /// The mean loss of its tokens, in nats.
    pub loss: f64,
    /// The gradient of the loss times the number of tokens, for the stream: `(tokens, hidden_size)`.
    pub gradient: Vec<f32>,
    /// What the head read: `(tokens, hidden_size)`.
    pub input: Vec<f32>,
    /// For each token the square of the length of the scores' gradient.
    pub squares: Vec<f32>,
}

impl<'a> Head<'a> {
    /// The end of a model whose weights are at hand.
    pub fn new(config: &'a ModelConfig, weights: &'a Dense) -> Head<'a> {
        let residual = config.rotations().residual.map(|seed| Hadamard::new(config.hidden_size, seed));
        Head { config, weights, residual }
    }

    /// There and back for a window's stream `x` after the last block, `(tokens, hidden_size)`.
    pub fn backward(&self, x: &[f32], loss: &Loss) -> Judged {
        let (hidden, vocab) = (self.config.hidden_size, self.config.vocab_size);
        let table = self.weights.matrix(MatrixId { layer: 0, kind: Kind::Head });
        let mut gradient = vec![0.0; x.len()];
        let mut input = vec![0.0; x.len()];
        let mut squares = vec![0.0; x.len() / hidden];
        let there = x.par_chunks(CHUNK * hidden).zip(input.par_chunks_mut(CHUNK * hidden));
        let back = gradient.par_chunks_mut(CHUNK * hidden).zip(squares.par_chunks_mut(CHUNK));
        let losses: Vec<(f64, usize)> = there
            .zip(back)
            .enumerate()
            .map(|(chunk, ((x, input), (gradient, squares)))| {
                let tokens = x.len() / hidden;
                self.norm(x, input);
                let mut scores = vec![0.0; tokens * vocab];
                product(input, table, hidden, &mut scores);
                let (mut sum, mut judged) = (0.0, 0);
                let mut wanted = match loss {
                    Loss::Towards { head, stream } => head.scores(&stream[chunk * CHUNK * hidden..][..x.len()]),
                    _ => Vec::new(),
                };
                for (i, row) in scores.chunks_exact_mut(vocab).enumerate() {
                    softmax_on_best(row);
                    let token = chunk * CHUNK + i;
                    let target = match loss {
                        Loss::Towards { .. } => {
                            let wanted = &mut wanted[i * vocab..][..vocab];
                            softmax_on_best(wanted);
                            sum += approach(row, wanted);
                            judged += 1;
                            squares[i] = row.iter().map(|g| g * g).sum();
                            continue;
                        }
                        Loss::Drawn(seed) => draw(row, uniform(*seed, token as u64)),
                        Loss::Next(next) => next[token] as usize,
                    };
                    if target < vocab {
                        sum -= f64::from(row[target]).max(1e-30).ln();
                        judged += 1;
                        row[target] -= 1.0;
                    } else {
                        row.fill(0.0);
                    }
                    squares[i] = row.iter().map(|g| g * g).sum();
                }
                let mut back = vec![0.0; x.len()];
                add_back(&scores, table, hidden, &mut back);
                self.add_normed_back(x, &mut back, gradient);
                (sum, judged)
            })
            .collect();
        let (sum, judged) = losses.iter().fold((0.0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        Judged { loss: sum / judged.max(1) as f64, gradient, input, squares }
    }

    /// The scores of some tokens' streams after the last block: `(tokens, vocab_size)`.
    pub fn scores(&self, x: &[f32]) -> Vec<f32> {
        let (hidden, vocab) = (self.config.hidden_size, self.config.vocab_size);
        let mut input = vec![0.0; x.len()];
        self.norm(x, &mut input);
        let mut scores = vec![0.0; x.len() / hidden * vocab];
        product(&input, self.weights.matrix(MatrixId { layer: 0, kind: Kind::Head }), hidden, &mut scores);
        scores
    }

    /// See [`nomul::forward::normalize`].
    fn norm(&self, x: &[f32], out: &mut [f32]) {
        let (hidden, eps) = (self.config.hidden_size, self.config.rms_norm_eps);
        match &self.residual {
            None => norm(x, self.weights.vector(VectorId::FinalNorm), eps, hidden, out),
            Some(transform) => {
                norm(x, None, eps, hidden, out);
                self.gained(transform, out);
            }
        }
    }

    /// Out of the basis of the stream, the gain, and back in. Its own transpose.
    fn gained(&self, transform: &Hadamard, rows: &mut [f32]) {
        transform.inverse_rows(rows);
        let shrink = 1.0 / transform.order() as f32;
        let gain = self.weights.vector(VectorId::FinalNorm);
        for row in rows.chunks_exact_mut(self.config.hidden_size) {
            row.iter_mut().enumerate().for_each(|(i, x)| *x *= shrink * gain.map_or(1.0, |gain| gain[i]));
        }
        transform.forward_rows(rows);
    }

    fn add_normed_back(&self, x: &[f32], g: &mut [f32], out: &mut [f32]) {
        let (hidden, eps) = (self.config.hidden_size, self.config.rms_norm_eps);
        match &self.residual {
            None => add_norm_back(x, self.weights.vector(VectorId::FinalNorm), eps, hidden, g, out),
            Some(transform) => {
                self.gained(transform, g);
                add_norm_back(x, None, eps, hidden, g, out);
            }
        }
    }
}

/// Takes the wanted probabilities from those of a model, which leaves the slopes of the divergence along the scores; the
/// divergence.
fn approach(row: &mut [f32], wanted: &[f32]) -> f64 {
    let mut divergence = 0.0;
    for (q, &p) in row.iter_mut().zip(wanted) {
        if p > 1e-6 {
            divergence += f64::from(p) * f64::from(p / q.max(1e-30)).ln();
        }
        *q -= p;
    }
    divergence
}

/// A number in 0..1 from a seed and a place (splitmix64).
pub(crate) fn uniform(seed: u64, place: u64) -> f64 {
    let mut z = seed.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// The token at which the running sum of the probabilities passes `at`.
fn draw(probabilities: &[f32], at: f64) -> usize {
    let mut sum = 0.0;
    let found = probabilities.iter().position(|&p| {
        sum += f64::from(p);
        sum > at
    });
    found.unwrap_or(probabilities.len() - 1)
}
