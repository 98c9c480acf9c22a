//! What the inputs of each matrix look like on a calibration text.

mod encoder;

use std::borrow::Cow;

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

/// What of a block is fitted at once. Those that follow read what these give, so that they can make up for what these miss.
const STAGES: [&[Kind]; 4] =
    [&[Kind::Query, Kind::Key, Kind::Value], &[Kind::Output], &[Kind::Gate, Kind::Up], &[Kind::Down]];

/// The residual streams of a calibration text, on their way through the blocks.
pub struct Calibration {
    /// One stream for each window before the block: `(tokens, hidden_size)`.
    streams: Vec<Vec<f32>>,
    /// How far into the block each has been taken.
    within: Vec<Within>,
}

/// How far into a block a window has been taken.
#[derive(Clone, Default)]
enum Within {
    #[default]
    Before,
    /// What the output matrix reads.
    Mixed(Vec<f32>),
    /// The stream between attention and the gated layer.
    Middle(Vec<f32>),
}

impl Within {
    /// What the matrices of the stage that begins with `first` read. Those of the stages before are fitted.
    fn read(&mut self, block: &Block, first: Kind, stream: &[f32]) -> Cow<'_, [f32]> {
        match first {
            Kind::Output => Cow::Borrowed(self.mixed(block, stream)),
            Kind::Gate => Cow::Owned(block.normed_middle(self.middle(block, stream))),
            Kind::Down => Cow::Owned(block.gates(self.middle(block, stream)).gated),
            _ => Cow::Owned(block.normed_stream(stream)),
        }
    }

    fn mixed(&mut self, block: &Block, stream: &[f32]) -> &[f32] {
        if !matches!(self, Within::Mixed(_)) {
            *self = Within::Mixed(block.attention(stream).mixed);
        }
        let Within::Mixed(mixed) = self else { unreachable!("it has just been taken there") };
        mixed
    }

    fn middle(&mut self, block: &Block, stream: &[f32]) -> &[f32] {
        if !matches!(self, Within::Middle(_)) {
            *self = Within::Middle(block.middle(stream, self.mixed(block, stream)));
        }
        let Within::Middle(middle) = self else { unreachable!("it has just been taken there") };
        middle
    }
}

impl Calibration {
    /// In which order the matrices of a block are fitted. Without a text nothing would be learned on the way, and encoders are not
    /// taken apart.
    pub fn stages(&self, config: &ModelConfig) -> Vec<&'static [Kind]> {
        match config.encoder.is_some() || self.streams.is_empty() {
            true => vec![Kind::of_block(config.architecture)],
            false => STAGES.to_vec(),
        }
    }

    /// Embeds the windows.
    pub fn new(config: &ModelConfig, weights: &Dense, windows: &[Vec<u32>]) -> Result<Calibration> {
        let streams = match config.encoder {
            Some(_) => encoder::embed(config, weights, windows)?,
            None => windows.iter().map(|tokens| weights.embed(tokens)).collect(),
        };
        Ok(Calibration { streams, within: Vec::new() })
    }

    /// The first `tokens` rows of a window's stream, as it is now.
    pub fn beginning(&self, config: &ModelConfig, window: usize, tokens: usize) -> &[f32] {
        &self.streams[window][..tokens * config.hidden_size]
    }

    /// The second moments of what the matrices of a stage read; each token counts as much as the matrix's outputs matter at it,
    /// or all alike. The stages of a block come in their order, those before being fitted.
    pub fn inputs(
        &mut self,
        config: &ModelConfig,
        weights: &Dense,
        (layer, stage): (usize, &[Kind]),
        sensitivity: Option<&Sensitivity>,
    ) -> Result<Inputs> {
        if self.streams.is_empty() {
            return Inputs::unknown(config);
        }
        if config.encoder.is_some() {
            return encoder::inputs(config, weights, layer, &self.streams);
        }
        let block = self.block(config, weights, layer);
        self.within.resize(self.streams.len(), Within::Before);
        let size = self.streams.len().div_ceil(GROUPS);
        let new = |kinds: &[Kind]| Inputs::new(kinds, |kind| Hessian::new(kind.shape(config).1));
        // Where tokens count the same for all matrices of a stage, these read the same.
        let both = || Ok((new(stage)?, new(&stage[..1])?));
        let groups: Vec<Result<(Inputs, Inputs)>> = self
            .streams
            .par_chunks(size)
            .zip(self.within.par_chunks_mut(size))
            .enumerate()
            .map(|(group, (streams, within))| {
                let (mut weighed, mut plain) = both()?;
                for (i, (stream, within)) in streams.iter().zip(within).enumerate() {
                    let input = within.read(&block, stage[0], stream);
                    let factors = |kind| sensitivity?.factors(MatrixId { layer, kind }, group * size + i);
                    let is_plain = stage.iter().all(|&kind| factors(kind).is_none());
                    for (kind, hessian) in &mut (if is_plain { &mut plain } else { &mut weighed }).0 {
                        let added = match factors(*kind) {
                            Some(factors) => hessian.accumulate_scaled(&input, &factors),
                            None => hessian.accumulate(&input),
                        };
                        let name = || MatrixId { layer, kind: *kind }.name(config.architecture);
                        added.map_err(|e| e.at(format!("input of {}", name())))?;
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
        weighed.merge(&plain)?;
        Ok(weighed)
    }

    /// Takes the streams to the end of a block whose matrices are all fitted.
    pub fn advance(&mut self, config: &ModelConfig, weights: &Dense, layer: usize) -> Result<()> {
        if config.encoder.is_some() {
            return encoder::advance(config, weights, layer, &mut self.streams);
        }
        let mut within = std::mem::take(&mut self.within);
        within.resize(self.streams.len(), Within::Before);
        let block = self.block(config, weights, layer);
        self.streams.par_iter_mut().zip(within).for_each(|(stream, mut within)| {
            let middle = within.middle(&block, stream);
            *stream = block.out(middle, &block.gates(middle).gated);
        });
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
