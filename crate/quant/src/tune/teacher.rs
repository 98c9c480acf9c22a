//! What a checkpoint says of the calibration text.

use std::ops::Range;

use nomul::{
    Result,
    config::ModelConfig,
    weights::{Kind, MatrixId},
};

use super::{PIECE, Piece};
use crate::{
    checkpoint::Checkpoint,
    dense::Dense,
    gradient::{Block, Head},
    rotate::Rotation,
};

/// Pieces on which what was tuned is judged.
pub const JUDGES: usize = 4;

/// A checkpoint's head and the streams that it reads, for pieces of a text: first those to learn from, then those to judge by.
pub struct Teacher<'a> {
    config: &'a ModelConfig,
    /// Vectors, the embedding and the head.
    weights: Dense,
    pieces: Vec<Piece<'a>>,
    lessons: usize,
    streams: Vec<Vec<f32>>,
}

impl<'a> Teacher<'a> {
    /// The last of the pieces are there to judge by. `None` for less than two.
    /// Memory: the embedding and the head, and a stream for each piece.
    pub fn new(
        checkpoint: &Checkpoint,
        config: &'a ModelConfig,
        rotation: &Rotation,
        pieces: &[Piece<'a>],
    ) -> Result<Option<Teacher<'a>>> {
        if pieces.len() < 2 {
            return Ok(None);
        }
        let lessons = pieces.len() - (pieces.len() / 8).clamp(1, JUDGES);
        let mut weights = rotation.vectors(checkpoint, config)?;
        for id in MatrixId::all(config).filter(|id| id.kind.is_table()) {
            weights.insert(id, rotation.matrix(checkpoint, id)?);
        }
        let mut streams: Vec<Vec<f32>> = pieces.iter().map(|piece| weights.embed(piece.tokens)).collect();
        for layer in 0..config.num_hidden_layers {
            let block = Kind::BLOCK.map(|kind| MatrixId { layer, kind });
            for id in block {
                weights.insert(id, rotation.matrix(checkpoint, id)?);
            }
            let own = Block::new(config, &weights, layer, PIECE);
            streams.iter_mut().for_each(|stream| *stream = own.forward(std::mem::take(stream)).out);
            block.iter().for_each(|&id| drop(weights.remove(id)));
        }
        Ok(Some(Teacher { config, weights, lessons, pieces: pieces.to_vec(), streams }))
    }

    /// The shape of the model.
    pub fn config(&self) -> &'a ModelConfig {
        self.config
    }

    /// How many pieces there are to learn from: the first.
    pub fn lessons(&self) -> usize {
        self.lessons
    }

    /// Those that judge.
    pub fn judges(&self) -> Range<usize> {
        self.lessons..self.pieces.len()
    }

    /// A piece of the text.
    pub fn piece(&self, piece: usize) -> Piece<'a> {
        self.pieces[piece]
    }

    /// What reads a piece's stream.
    pub fn head(&self) -> Head<'_> {
        Head::new(self.config, &self.weights)
    }

    /// A piece's stream after the last block: (tokens, hidden_size).
    pub fn stream(&self, piece: usize) -> &[f32] {
        &self.streams[piece]
    }
}
