//! The same for encoders. Nothing goes back through them, so the core's own forward pass runs, over weights that take down
//! what each product reads.

use nomul::{
    Result,
    config::ModelConfig,
    encoder::{EncoderState, block, embed as look_up},
    float::Float,
    weights::{Kind, MatrixId, VectorId, Weights},
};
use rayon::prelude::*;

use super::{GROUPS, Inputs};
use crate::{
    dense::{Dense, View},
    fit::Hessian,
};

/// Weights that take down what each product reads.
struct Recorder<'a> {
    weights: View<'a>,
    inputs: Inputs,
    failed: Result<()>,
}

impl Weights for Recorder<'_> {
    type Arithmetic = Float;

    fn row(&self, table: Kind, row: usize, out: &mut [f32]) {
        self.weights.row(table, row, out);
    }

    fn product(&mut self, matrix: MatrixId, x: &[f32], tokens: usize, y: &mut [f32]) {
        if self.failed.is_ok() {
            self.failed = self.inputs.add(matrix.kind, x).map_err(|e| e.at(format!("input of {:?}", matrix.kind)));
        }
        self.weights.product(matrix, x, tokens, y);
    }

    fn bias(&self, bias: VectorId) -> Option<&[f32]> {
        self.weights.bias(bias)
    }

    fn gain(&self, norm: VectorId) -> Option<&Vec<f32>> {
        self.weights.gain(norm)
    }
}

fn state(config: &ModelConfig, streams: &[Vec<f32>]) -> Result<EncoderState<Float>> {
    let longest = streams.iter().map(|stream| stream.len() / config.hidden_size).max();
    EncoderState::new(config, longest.unwrap_or(0).max(1))
}

/// The streams of some texts before the first block: `(tokens, hidden_size)` each.
pub fn embed(config: &ModelConfig, weights: &Dense, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
    let mut state = EncoderState::new(config, texts.iter().map(Vec::len).max().unwrap_or(0).max(1))?;
    let embedded = texts.iter().map(|tokens| {
        look_up(config, &weights.view(), &mut state, tokens);
        state.stream().to_vec()
    });
    Ok(embedded.collect())
}

/// The second moments of the inputs of a block's matrices. Every token counts the same, so keys and values share the
/// queries'.
pub fn inputs(config: &ModelConfig, weights: &Dense, layer: usize, streams: &[Vec<f32>]) -> Result<Inputs> {
    let new =
        || Inputs::new(&[Kind::Query, Kind::Output, Kind::Up, Kind::Down], |kind| Hessian::new(kind.shape(config).1));
    let groups: Vec<Result<Inputs>> = streams
        .par_chunks(streams.len().div_ceil(GROUPS).max(1))
        .map(|streams| {
            let mut recorder = Recorder { weights: weights.view(), inputs: new()?, failed: Ok(()) };
            let mut state = state(config, streams)?;
            for stream in streams {
                state.set_stream(stream);
                block(config, &mut recorder, layer, &mut state);
            }
            recorder.failed.map(|()| recorder.inputs)
        })
        .collect();
    let mut all = new()?;
    groups.into_iter().try_for_each(|group| all.merge(&group?))?;
    Ok(all)
}

/// Takes the streams through a block.
pub fn advance(config: &ModelConfig, weights: &Dense, layer: usize, streams: &mut [Vec<f32>]) -> Result<()> {
    let size = streams.len().div_ceil(GROUPS).max(1);
    streams.par_chunks_mut(size).try_for_each(|streams| {
        let mut state = state(config, streams)?;
        for stream in streams {
            state.set_stream(stream);
            block(config, &mut weights.view(), layer, &mut state);
            stream.copy_from_slice(state.stream());
        }
        Ok(())
    })
}
