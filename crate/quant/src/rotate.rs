//! Folding norms into matrices and rotating their inputs and outputs.
//!
//! With `R` the orthogonal form of a [`Hadamard`] transform (divided by the root of its order), a checkpoint's matrices
//! become, in the order of the forward pass:
//!
//! ```text
//! embedding   E Rᵣᵀ                 the stream lives in basis Rᵣ; a tied head reads the same table
//! q, k        Q W g Rᵣᵀ             g: gain of the norm before; Q: each head, turned back after the product
//! v           V W g Rᵣᵀ             V: each head, never turned back, because o takes its inputs so
//! o           Rᵣ W Vᵀ
//! gate, up    M W g Rᵣᵀ             M: turned back before the nonlinearity
//! down        Rᵣ W Dᵀ               D: applied to the input
//! head        W Rᵣᵀ                 the last gain is applied in the model's own basis
//! ```
//!
//! An encoder's norms stand behind the residual addition, so gains keep the stream in its own basis: it is turned before each
//! product and what o and down give is turned back. Nothing stands between queries and keys and their product but biases,
//! which turn along. `P`: each head.
//!
//! ```text
//! tables      E Rᵣᵀ, turned back after the look-up
//! q, k        P W Rᵣᵀ, never turned back
//! v           V W Rᵣᵀ
//! o           Rᵣ W Vᵀ, turned back
//! up          M W Rᵣᵀ, turned back
//! down        Rᵣ W Dᵀ, turned back
//! ```
//!
//! Transforms that stay in the running model are applied there without normalisation; `Q`, `M` and `D` are therefore
//! divided by their whole order here, where it costs nothing; so is an encoder's `Rᵣ`.

use nomul::{
    Result,
    config::{Architecture, ModelConfig, Rotations},
    hadamard::Hadamard,
    weights::{Kind, MatrixId, VectorId},
};
use rayon::prelude::*;

use crate::{checkpoint::Checkpoint, dense::Dense};

/// The transforms of a model that is being quantised.
pub struct Rotation {
    /// What goes into `config.json`.
    pub stored: Rotations,
    residual: Option<Hadamard>,
    value: Option<Hadamard>,
    query_key: Option<Hadamard>,
    gate_up: Option<Hadamard>,
    down: Option<Hadamard>,
}

impl Rotation {
    /// All transforms, with signs from `seed`.
    pub fn new(config: &ModelConfig, seed: u64) -> Rotation {
        // JSON numbers are exact up to 2^53.
        let seed = |n: u64| seed.wrapping_mul(8).wrapping_add(n) & ((1 << 53) - 1);
        let stored = Rotations {
            residual: Some(seed(0)),
            query_key: (config.architecture != Architecture::Bert).then(|| seed(1)),
            gate_up: Some(seed(2)),
            down: Some(seed(3)),
        };
        let transform = |n: usize, seed: Option<u64>| seed.map(|seed| Hadamard::new(n, seed));
        Rotation {
            stored,
            residual: transform(config.hidden_size, stored.residual),
            value: transform(config.head_dim, Some(seed(4))),
            query_key: transform(config.head_dim, Some(seed(1))),
            gate_up: transform(config.intermediate_size, stored.gate_up),
            down: transform(config.intermediate_size, stored.down),
        }
    }

    /// A matrix of the checkpoint as it is to be quantised: norm folded in, rotated on both sides.
    pub fn matrix(&self, checkpoint: &Checkpoint, id: MatrixId) -> Result<Vec<f32>> {
        let mut weights = checkpoint.matrix(id)?.data;
        let (rows, columns) = id.kind.shape(checkpoint.config());
        let is_encoder = checkpoint.config().encoder.is_some();
        let norm = match id.kind {
            _ if is_encoder => None,
            Kind::Query | Kind::Key | Kind::Value => Some(VectorId::AttentionNorm(id.layer)),
            Kind::Gate | Kind::Up => Some(VectorId::FeedForwardNorm(id.layer)),
            _ => None,
        };
        if let Some(gain) = norm.map(|norm| checkpoint.vector(norm)).transpose()?.flatten() {
            weights.par_chunks_mut(columns).for_each(|row| row.iter_mut().zip(&gain).for_each(|(w, g)| *w *= g));
        }
        // (transform, factor): rows of W are turned like inputs, columns like outputs.
        let orthogonal = |h: &Hadamard| 1.0 / (h.order() as f32).sqrt();
        let whole = |h: &Hadamard| 1.0 / h.order() as f32;
        let input = match id.kind {
            Kind::Output => (&self.value, orthogonal as fn(&Hadamard) -> f32),
            Kind::Down => (&self.down, whole as fn(&Hadamard) -> f32),
            _ if is_encoder => (&self.residual, whole as fn(&Hadamard) -> f32),
            _ => (&self.residual, orthogonal as fn(&Hadamard) -> f32),
        };
        let output = match id.kind {
            Kind::Query | Kind::Key if is_encoder => (&self.query_key, orthogonal as fn(&Hadamard) -> f32),
            Kind::Query | Kind::Key => (&self.query_key, whole as fn(&Hadamard) -> f32),
            Kind::Value => (&self.value, orthogonal as fn(&Hadamard) -> f32),
            Kind::Gate | Kind::Up => (&self.gate_up, whole as fn(&Hadamard) -> f32),
            Kind::Output | Kind::Down if is_encoder => (&self.residual, whole as fn(&Hadamard) -> f32),
            Kind::Output | Kind::Down => (&self.residual, orthogonal as fn(&Hadamard) -> f32),
            Kind::Embedding | Kind::Head | Kind::Position => (&None, whole as fn(&Hadamard) -> f32),
        };
        if let (Some(transform), factor) = input {
            turn_rows(
                &mut weights,
                columns,
                id.kind == Kind::Output,
                transform,
                factor(transform),
                checkpoint.config(),
            );
        }
        if let (Some(transform), factor) = output {
            let per_head = matches!(id.kind, Kind::Query | Kind::Key | Kind::Value);
            let mut transposed = transpose(&weights, rows, columns);
            turn_rows(&mut transposed, rows, per_head, transform, factor(transform), checkpoint.config());
            weights = transpose(&transposed, columns, rows);
        }
        Ok(weights)
    }

    /// All vectors of the checkpoint that [`Rotation::vector`] leaves, and no matrices yet.
    pub fn vectors(&self, checkpoint: &Checkpoint, config: &ModelConfig) -> Result<Dense> {
        let mut weights = Dense::new(config);
        for id in VectorId::all(config) {
            if let Some(vector) = self.vector(checkpoint, id)? {
                weights.insert_vector(id, vector);
            }
        }
        Ok(weights)
    }

    /// A vector of the checkpoint in the basis of the quantised model; `None` where it was folded into a matrix.
    ///
    /// Biases of a decoder's queries and keys are added after their heads were turned back. Values are never turned back, so
    /// their bias is turned here; so are those of an encoder's queries and keys.
    pub fn vector(&self, checkpoint: &Checkpoint, id: VectorId) -> Result<Option<Vec<f32>>> {
        let architecture = checkpoint.config().architecture;
        if id.is_folded(architecture) {
            return Ok(None);
        }
        let mut vector = checkpoint.vector(id)?;
        let transform = match id {
            VectorId::Bias(MatrixId { kind: Kind::Value, .. }) => &self.value,
            VectorId::Bias(MatrixId { kind: Kind::Query | Kind::Key, .. }) if architecture == Architecture::Bert => {
                &self.query_key
            }
            _ => &None,
        };
        if let (Some(bias), Some(transform)) = (&mut vector, transform) {
            let factor = 1.0 / (transform.order() as f32).sqrt();
            let length = bias.len();
            turn_rows(bias, length, true, transform, factor, checkpoint.config());
        }
        Ok(vector)
    }
}

/// Applies the transform to each row, or to each head of each row.
fn turn_rows(
    weights: &mut [f32],
    length: usize,
    per_head: bool,
    transform: &Hadamard,
    factor: f32,
    config: &ModelConfig,
) {
    let part = if per_head { config.head_dim } else { length };
    weights.par_chunks_mut(part).for_each(|x| {
        transform.forward(x);
        x.iter_mut().for_each(|x| *x *= factor);
    });
}

fn transpose(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = vec![0.0; matrix.len()];
    out.par_chunks_mut(rows).enumerate().for_each(|(column, out)| {
        out.iter_mut().enumerate().for_each(|(row, out)| *out = matrix[row * columns + column]);
    });
    out
}
