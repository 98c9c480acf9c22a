//! What the inputs of each matrix look like on a calibration text.

mod encoder;

use nomul::{
    Result,
    config::ModelConfig,
    forward,
    state::Scratch,
    weights::{Kind, MatrixId},
};
use rayon::prelude::*;

use crate::{dense::Dense, fit::Hessian, gradient::Block, sensitivity::Sensitivity};

/// Windows are split into this many groups whatever the number of threads, so that sums come out the same.
const GROUPS: usize = 4;

/// The second moments of the inputs of a block's matrices.
pub struct Inputs(Vec<(Kind, Hessian)>);

impl Inputs {
    /// Without calibration text: every input counts the same.
    pub fn unknown(config: &ModelConfig) -> Result<Inputs> {
        Inputs::new(Kind::of_block(config.architecture), |kind| Hessian::identity(kind.shape(config).1))
    }

    fn new(kinds: &[Kind], make: impl Fn(Kind) -> Result<Hessian>) -> Result<Inputs> {
        Ok(Inputs(kinds.iter().map(|&kind| Ok((kind, make(kind)?))).collect::<Result<_>>()?))
    }

    /// Adds what others have seen.
    fn merge(&mut self, other: &Inputs) -> Result<()> {
        self.0.iter_mut().try_for_each(|(kind, sum)| sum.merge(other.of(*kind)))
    }

    /// Adds the inputs of a matrix, `(tokens, inputs)`, if they are recorded.
    fn add(&mut self, kind: Kind, x: &[f32]) -> Result<()> {
        let found = self.0.iter_mut().find(|(recorded, _)| *recorded == kind);
        found.map_or(Ok(()), |(_, hessian)| hessian.accumulate(x))
    }

    /// Those of a matrix. Where tokens count the same for all matrices, keys and values share the queries', up the gate's.
    pub fn of(&self, kind: Kind) -> &Hessian {
        let shared = match kind {
            Kind::Key | Kind::Value => Kind::Query,
            Kind::Up => Kind::Gate,
            other => other,
        };
        let found = |wanted: Kind| self.0.iter().find(|(kind, _)| *kind == wanted);
        &found(kind).or_else(|| found(shared)).expect("every input is recorded").1
    }
}

/// The residual streams of a calibration text, on their way through the blocks.
pub struct Calibration {
    /// One stream for each window: `(tokens, hidden_size)`.
    streams: Vec<Vec<f32>>,
}

impl Calibration {
    /// Embeds the windows.
    pub fn new(config: &ModelConfig, weights: &Dense, windows: &[Vec<u32>]) -> Result<Calibration> {
        let streams = match config.encoder {
            Some(_) => encoder::embed(config, weights, windows)?,
            None => windows.iter().map(|tokens| weights.embed(tokens)).collect(),
        };
        Ok(Calibration { streams })
    }

    /// The first `tokens` rows of a window's stream, as it is now.
    pub fn beginning(&self, config: &ModelConfig, window: usize, tokens: usize) -> &[f32] {
        &self.streams[window][..tokens * config.hidden_size]
    }

    /// The second moments of a block's inputs; each token counts as much as the matrix's outputs matter at it, or all
    /// alike. The streams stay before the block.
    pub fn inputs(
        &self,
        config: &ModelConfig,
        weights: &Dense,
        layer: usize,
        sensitivity: Option<&Sensitivity>,
    ) -> Result<Inputs> {
        if config.encoder.is_some() {
            return encoder::inputs(config, weights, layer, &self.streams);
        }
        let block = self.block(config, weights, layer);
        let size = self.streams.len().div_ceil(GROUPS).max(1);
        let new = |kinds: &[Kind]| Inputs::new(kinds, |kind| Hessian::new(kind.shape(config).1));
        // Where tokens count the same for all, some matrices read the same.
        let both = || Ok((new(&Kind::BLOCK)?, new(&[Kind::Query, Kind::Output, Kind::Gate, Kind::Down])?));
        let groups: Vec<Result<(Inputs, Inputs)>> = self
            .streams
            .par_chunks(size)
            .enumerate()
            .map(|(group, streams)| {
                let (mut weighed, mut plain) = both()?;
                for (i, stream) in streams.iter().enumerate() {
                    let trace = block.forward(stream.clone());
                    let factors = |kind| sensitivity?.factors(MatrixId { layer, kind }, group * size + i);
                    let named = |kind, added: Result<()>| {
                        added.map_err(|e| {
                            e.at(format!("input of {}", MatrixId { layer, kind }.name(config.architecture)))
                        })
                    };
                    let is_plain = Kind::BLOCK.iter().all(|&kind| factors(kind).is_none());
                    for (kind, hessian) in &mut (if is_plain { &mut plain } else { &mut weighed }).0 {
                        let input = trace.input(*kind);
                        named(
                            *kind,
                            match factors(*kind) {
                                Some(factors) => hessian.accumulate_scaled(input, &factors),
                                None => hessian.accumulate(input),
                            },
                        )?;
                    }
                }
                Ok((weighed, plain))
            })
            .collect();
        let (mut weighed, mut plain) = both()?;
        for group in groups {
            let group = group?;
            weighed.merge(&group.0)?;
            plain.merge(&group.1)?;
        }
        if self.streams.is_empty() {
            return Inputs::unknown(config);
        }
        weighed.merge(&plain)?;
        Ok(weighed)
    }

    /// Takes the streams through a block.
    pub fn advance(&mut self, config: &ModelConfig, weights: &Dense, layer: usize) -> Result<()> {
        if config.encoder.is_some() {
            return encoder::advance(config, weights, layer, &mut self.streams);
        }
        let block = self.block(config, weights, layer);
        self.streams.par_iter_mut().for_each(|stream| *stream = block.forward(std::mem::take(stream)).out);
        Ok(())
    }

    fn block<'a>(&self, config: &'a ModelConfig, weights: &'a Dense, layer: usize) -> Block<'a> {
        let longest = self.streams.iter().map(|stream| stream.len() / config.hidden_size).max();
        Block::new(config, weights, layer, longest.unwrap_or(0))
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
