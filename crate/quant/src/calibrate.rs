//! What the inputs of each matrix look like on a calibration text.

use nomul::{
    Result,
    cache::FloatCache,
    config::ModelConfig,
    float::Float,
    forward,
    state::Scratch,
    weights::{Kind, MatrixId, VectorId, Weights},
};
use rayon::prelude::*;

use crate::{
    dense::{Dense, View},
    fit::Hessian,
};

/// Windows are split into this many groups whatever the number of threads, so that sums come out the same.
const GROUPS: usize = 4;

/// The matrices whose inputs are recorded. Keys and values read what queries read, up reads what gate reads.
pub const RECORDED: [Kind; 4] = [Kind::Query, Kind::Output, Kind::Gate, Kind::Down];

/// The recorded matrix that has the same inputs.
pub fn recorded_as(kind: Kind) -> Kind {
    match kind {
        Kind::Key | Kind::Value => Kind::Query,
        Kind::Up => Kind::Gate,
        other => other,
    }
}

/// The residual streams of a calibration text, on their way through the blocks.
pub struct Calibration {
    /// One stream for each window: `(tokens, hidden_size)`.
    streams: Vec<Vec<f32>>,
}

impl Calibration {
    /// Embeds the windows.
    pub fn new(config: &ModelConfig, weights: &Dense, windows: &[Vec<u32>]) -> Calibration {
        let embed = |tokens: &Vec<u32>| {
            let mut x = vec![0.0; tokens.len() * config.hidden_size];
            forward::embed(config, &weights.view(), tokens, &mut x);
            x
        };
        Calibration { streams: windows.iter().map(embed).collect() }
    }

    /// The inputs' second moments of a block's recorded matrices, in the order of [`RECORDED`]. The streams stay
    /// before the block.
    pub fn hessians(&self, config: &ModelConfig, weights: &Dense, layer: usize) -> Result<Vec<Hessian>> {
        let size = self.streams.len().div_ceil(GROUPS).max(1);
        let groups: Vec<Result<Vec<Hessian>>> = self
            .streams
            .par_chunks(size)
            .map(|streams| {
                let mut recorder = Recorder::new(config, weights.view())?;
                for stream in streams {
                    run(config, &mut recorder, layer, stream);
                    recorder.failed.take().map_or(Ok(()), Err)?;
                }
                Ok(recorder.hessians)
            })
            .collect();
        let mut sum: Option<Vec<Hessian>> = None;
        for group in groups {
            let group = group?;
            match &mut sum {
                None => sum = Some(group),
                Some(sum) => {
                    for (sum, part) in sum.iter_mut().zip(&group) {
                        sum.merge(part)?;
                    }
                }
            }
        }
        sum.map_or_else(|| Ok(Recorder::new(config, weights.view())?.hessians), Ok)
    }

    /// Takes the streams through a block.
    pub fn advance(&mut self, config: &ModelConfig, weights: &Dense, layer: usize) {
        self.streams.par_iter_mut().for_each(|stream| {
            *stream = run(config, &mut weights.view(), layer, stream);
        });
    }

    /// The inputs' second moments of the head.
    pub fn head_hessian(&self, config: &ModelConfig, weights: &Dense) -> Result<Hessian> {
        let mut hessian = Hessian::new(config.hidden_size)?;
        for stream in &self.streams {
            let tokens = stream.len() / config.hidden_size;
            let mut scratch = Scratch::new(config, tokens);
            scratch.stream().copy_from_slice(stream);
            hessian.accumulate(forward::normalize(config, &weights.view(), &mut scratch, tokens))?;
        }
        Ok(hessian)
    }
}

/// One window through one block; the stream after it.
fn run<W: Weights<Arithmetic = Float>>(
    config: &ModelConfig,
    weights: &mut W,
    layer: usize,
    stream: &[f32],
) -> Vec<f32> {
    let tokens = stream.len() / config.hidden_size;
    let mut scratch = Scratch::new(config, tokens);
    scratch.stream().copy_from_slice(stream);
    forward::block(config, weights, layer, &mut FloatCache::default(), &mut scratch, tokens, 0);
    scratch.stream().to_vec()
}

/// Float weights that remember what they were given.
struct Recorder<'a> {
    weights: View<'a>,
    hessians: Vec<Hessian>,
    failed: Option<nomul::Error>,
}

impl<'a> Recorder<'a> {
    fn new(config: &ModelConfig, weights: View<'a>) -> Result<Self> {
        let hessians = RECORDED.map(|kind| Hessian::new(kind.shape(config).1)).into_iter().collect::<Result<_>>()?;
        Ok(Recorder { weights, hessians, failed: None })
    }
}

impl Weights for Recorder<'_> {
    type Arithmetic = Float;

    fn embed(&self, token: u32, out: &mut [f32]) {
        self.weights.embed(token, out);
    }

    fn product(&mut self, id: MatrixId, x: &[f32], tokens: usize, y: &mut [f32]) {
        if let Some(position) = RECORDED.iter().position(|&kind| kind == id.kind)
            && let Err(error) = self.hessians[position].accumulate(x)
        {
            self.failed.get_or_insert(error.at(format!("input of {}", id.name())));
        }
        self.weights.product(id, x, tokens, y);
    }

    fn bias(&self, matrix: MatrixId) -> Option<&[f32]> {
        self.weights.bias(matrix)
    }

    fn gain(&self, norm: VectorId) -> Option<&Vec<f32>> {
        self.weights.gain(norm)
    }
}
