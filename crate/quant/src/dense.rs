//! Weights as floats: the reference that planes are measured against, and what the quantiser calibrates on.

use std::collections::HashMap;

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use nomul::{
    Result,
    config::ModelConfig,
    float::Float,
    weights::{Kind, MatrixId, VectorId, Weights},
};

use crate::checkpoint::Checkpoint;

/// Matrices and vectors in single precision, any subset of a model's.
#[derive(Default)]
pub struct Dense {
    matrices: HashMap<MatrixId, Vec<f32>>,
    vectors: HashMap<VectorId, Vec<f32>>,
    hidden: usize,
    tied: bool,
}

impl Dense {
    /// No weights yet, for a model of this shape.
    pub fn new(config: &ModelConfig) -> Dense {
        Dense { hidden: config.hidden_size, tied: config.tie_word_embeddings, ..Dense::default() }
    }

    /// All weights of a checkpoint.
    pub fn load(checkpoint: &Checkpoint) -> Result<Dense> {
        let config = checkpoint.config();
        let mut dense = Dense::new(config);
        for id in MatrixId::all(config) {
            dense.insert(id, checkpoint.matrix(id)?.data);
        }
        for id in VectorId::all(config) {
            if let Some(vector) = checkpoint.vector(id)? {
                dense.insert_vector(id, vector);
            }
        }
        Ok(dense)
    }

    /// Puts a matrix in place, `(outputs, inputs)` row after row.
    pub fn insert(&mut self, id: MatrixId, weights: Vec<f32>) {
        self.matrices.insert(id, weights);
    }

    /// Takes a matrix out.
    pub fn remove(&mut self, id: MatrixId) -> Option<Vec<f32>> {
        self.matrices.remove(&id)
    }

    /// Puts a gain or a bias in place.
    pub fn insert_vector(&mut self, id: VectorId, vector: Vec<f32>) {
        self.vectors.insert(id, vector);
    }

    /// The stream of a window before the first block: `(tokens, hidden_size)`.
    pub(crate) fn embed(&self, tokens: &[u32]) -> Vec<f32> {
        let mut x = vec![0.0; tokens.len() * self.hidden];
        x.chunks_exact_mut(self.hidden)
            .zip(tokens)
            .for_each(|(x, &token)| self.view().row(Kind::Embedding, token as usize, x));
        x
    }

    /// A gain or a bias, if there is one.
    pub(crate) fn vector(&self, id: VectorId) -> Option<&[f32]> {
        self.vectors.get(&id).map(Vec::as_slice)
    }

    /// A view that [`nomul::forward`] can run; views share the weights, so several threads can have one each.
    pub fn view(&self) -> View<'_> {
        View(self)
    }

    /// A matrix, the embedding where a tied head is asked for.
    pub(crate) fn matrix(&self, id: MatrixId) -> &[f32] {
        let kind = if id.kind == Kind::Head && self.tied { Kind::Embedding } else { id.kind };
        &self.matrices[&MatrixId { kind, ..id }]
    }
}

/// See [`Dense::view`].
#[derive(Clone, Copy)]
pub struct View<'a>(&'a Dense);

impl Weights for View<'_> {
    type Arithmetic = Float;

    fn row(&self, table: Kind, row: usize, out: &mut [f32]) {
        let table = self.0.matrix(MatrixId { layer: 0, kind: table });
        out.copy_from_slice(&table[row * self.0.hidden..][..out.len()]);
    }

    fn product(&mut self, id: MatrixId, x: &[f32], tokens: usize, y: &mut [f32]) {
        let weights = self.0.matrix(id);
        let (columns, rows) = (x.len() / tokens, y.len() / tokens);
        matmul(
            MatMut::from_row_major_slice_mut(y, tokens, rows),
            Accum::Replace,
            MatRef::from_row_major_slice(x, tokens, columns),
            MatRef::from_row_major_slice(weights, rows, columns).transpose(),
            1.0,
            Par::Seq,
        );
    }

    fn bias(&self, bias: VectorId) -> Option<&[f32]> {
        self.0.vectors.get(&bias).map(Vec::as_slice)
    }

    fn gain(&self, norm: VectorId) -> Option<&Vec<f32>> {
        self.0.vectors.get(&norm)
    }
}
