//! How much the model's predictions depend on each matrix, and on which tokens.
//!
//! A matrix W that is off by E changes the outputs of token t by `E x_t`, and the divergence of the predictions from the
//! model's own by about `1/2 (g_t · E x_t)²`, where g_t is the gradient of the loss of tokens drawn from the predictions
//! (Fisher's information; for quantising: GuidedQuant, arXiv 2505.07004). With `|g_t|²` shared out evenly among the
//! outputs, that is half the mean of `|g_t|² |E x_t|² / rows`: a divergence in nats, the same unit for all matrices.

use std::collections::HashMap;

use nomul::{
    Result,
    config::ModelConfig,
    weights::{Kind, MatrixId},
};
use rayon::prelude::*;

use crate::{
    checkpoint::Checkpoint,
    dense::Dense,
    fit::{
        Gradients, Hessian, RowMetric,
        bits::{Expected, predict_calibrated},
    },
    gradient::{Block, Head, Loss},
    journal::Journal,
    rotate::Rotation,
};

/// What is known of one matrix.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Outputs {
    /// For each window: for each token the square of the gradient's length.
    pub tokens: Vec<Vec<f32>>,
    /// What the matrix is expected to lose at each number of planes; `energy` is in nats a token, so that energy times a
    /// share is the divergence that the share costs.
    pub expected: Expected,
    /// What errors of its outputs do together.
    pub gradients: RowMetric,
}

impl Outputs {
    /// The mean over the tokens of the square of the gradient's length.
    fn energy(&self) -> f64 {
        let count: usize = self.tokens.iter().map(Vec::len).sum();
        self.tokens.iter().flatten().map(|&w| f64::from(w)).sum::<f64>() / count.max(1) as f64
    }
}

/// The embedding or the head; where they are one, both at once.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Table {
    /// What an error costs, in nats a token: that of the head by what it reads, that of the embedding by its size alone.
    pub cost: Hessian,
    /// As [`Outputs::expected`].
    pub expected: Expected,
}

/// All matrices of a model.
#[derive(Debug, Default)]
pub struct Sensitivity {
    blocks: HashMap<MatrixId, Outputs>,
    tables: HashMap<Kind, Table>,
}

impl Sensitivity {
    /// Measures it on windows of a calibration text, in the basis of the rotated model. `progress` is told which of how
    /// many steps is next. Memory: the weights of one block, the embedding and the head in single precision, and the
    /// streams before each block.
    pub fn measure(
        checkpoint: &Checkpoint,
        config: &ModelConfig,
        rotation: &Rotation,
        windows: &[Vec<u32>],
        seed: u64,
        progress: &dyn Fn(usize, usize),
    ) -> Result<Sensitivity> {
        let layers = config.num_hidden_layers;
        let longest = windows.iter().map(Vec::len).max().unwrap_or(0);
        let mut weights = rotation.vectors(checkpoint, config)?;
        for id in MatrixId::all(config).filter(|id| matches!(id.kind, Kind::Embedding | Kind::Head)) {
            weights.insert(id, rotation.matrix(checkpoint, id)?);
        }
        let load = |weights: &mut Dense, layer: usize| -> Result<()> {
            Kind::BLOCK.into_iter().try_for_each(|kind| {
                let id = MatrixId { layer, kind };
                weights.insert(id, rotation.matrix(checkpoint, id)?);
                Ok(())
            })
        };
        let unload = |weights: &mut Dense, layer: usize| {
            Kind::BLOCK.into_iter().for_each(|kind| drop(weights.remove(MatrixId { layer, kind })));
        };

        let mut streams: Vec<Vec<Vec<f32>>> = vec![windows.iter().map(|tokens| weights.embed(tokens)).collect()];
        for layer in 0..layers {
            progress(layer, 2 * layers);
            load(&mut weights, layer)?;
            let block = Block::new(config, &weights, layer, longest);
            let next = streams[layer].iter().map(|x| block.forward(x.clone()).out).collect();
            streams.push(next);
            unload(&mut weights, layer);
        }
        let head = Head::new(config, &weights);
        let ends = streams.pop().unwrap_or_default();
        let mut read = Seen::new(config, Kind::Head)?;
        let mut gradients: Vec<Vec<f32>> = Vec::new();
        for (window, x) in ends.iter().enumerate() {
            let judged = head.backward(x, &Loss::Drawn(seed.wrapping_add(window as u64)));
            read.add_squares(&judged.input, judged.squares)?;
            gradients.push(judged.gradient);
        }
        drop(ends);

        let mut blocks = HashMap::new();
        let mut starts = Vec::new();
        for layer in (0..layers).rev() {
            progress(2 * layers - 1 - layer, 2 * layers);
            load(&mut weights, layer)?;
            let block = Block::new(config, &weights, layer, longest);
            let mut seen = Kind::BLOCK.into_iter().map(|kind| Seen::new(config, kind)).collect::<Result<Vec<_>>>()?;
            let before = streams.pop().unwrap_or_default();
            if layer == 0 {
                starts = before.clone();
            }
            for (x, gradient) in before.into_iter().zip(&mut gradients) {
                let mut failed = None;
                let visit = &mut |kind: Kind, x: &[f32], g: &[f32]| {
                    let seen = seen.iter_mut().find(|seen| seen.kind == kind).expect("every matrix has a place");
                    if let Err(error) = seen.add(x, g) {
                        failed.get_or_insert(error.at(MatrixId { layer, kind }.name(config.architecture)));
                    }
                };
                *gradient = block.backward(&block.forward(x), std::mem::take(gradient), visit);
                failed.map_or(Ok(()), Err)?;
            }
            let outputs = |seen: Seen| {
                let id = MatrixId { layer, kind: seen.kind };
                let (rows, columns) = seen.kind.shape(config);
                let mut expected = predict_calibrated(weights.matrix(id), rows, columns, &seen.inputs)?;
                // Half of the mean square of `g · E x`; the inputs were given the whole length of g.
                expected.energy *= 0.5 / rows as f64;
                Ok((id, Outputs { tokens: seen.tokens, expected, gradients: RowMetric::new(&seen.outputs)? }))
            };
            let found: Vec<Result<(MatrixId, Outputs)>> = seen.into_par_iter().map(outputs).collect();
            for found in found {
                let (id, outputs) = found?;
                blocks.insert(id, outputs);
            }
            unload(&mut weights, layer);
        }
        let tables = tables(config, &weights, &read.inputs, &starts, &gradients)?;
        Ok(Sensitivity { blocks, tables })
    }

    /// What a stopped run found out, if it found out all.
    pub fn recall(journal: &Journal, config: &ModelConfig) -> Option<Sensitivity> {
        let mut found = Sensitivity::default();
        for id in MatrixId::all(config) {
            let name = part(config, id);
            match id.kind {
                kind if kind.is_table() => drop(found.tables.insert(kind, journal.get(&name)?)),
                _ => drop(found.blocks.insert(id, journal.get(&name)?)),
            }
        }
        Some(found)
    }

    /// For the next run, if this one is stopped.
    pub fn keep(&self, journal: &Journal, config: &ModelConfig) -> Result<()> {
        let tables = self.tables.iter().map(|(&kind, table)| (MatrixId { layer: 0, kind }, table));
        tables.into_iter().try_for_each(|(id, table)| journal.put(&part(config, id), table))?;
        self.blocks.iter().try_for_each(|(&id, outputs)| journal.put(&part(config, id), outputs))
    }

    /// What was found for the embedding or the head; for both where they are one, under the embedding's name.
    pub fn table(&self, kind: Kind) -> Option<&Table> {
        self.tables.get(&kind)
    }

    /// What was found for a matrix.
    pub fn outputs(&self, id: MatrixId) -> Option<&Outputs> {
        self.blocks.get(&id)
    }

    /// What the inputs of a matrix are multiplied by, token by token of a window, so that in their second moments tokens
    /// count as much as they matter. The mean square over all tokens is 1.
    pub fn factors(&self, id: MatrixId, window: usize) -> Option<Vec<f32>> {
        let outputs = self.blocks.get(&id)?;
        let energy = outputs.energy() as f32;
        if energy <= 0.0 {
            return None;
        }
        Some(outputs.tokens.get(window)?.iter().map(|&square| (square / energy).sqrt()).collect())
    }
}

/// The name of a matrix's part of a journal.
fn part(config: &ModelConfig, id: MatrixId) -> String {
    format!("measured.{}", id.name(config.architecture))
}

/// What errors of the embedding and of the head cost. `read`: what the head read, each times the length of its token's
/// gradient; `starts` and `gradients`: the streams after the embedding, and theirs.
fn tables(
    config: &ModelConfig,
    weights: &Dense,
    read: &Hessian,
    starts: &[Vec<f32>],
    gradients: &[Vec<f32>],
) -> Result<HashMap<Kind, Table>> {
    let (rows, hidden) = (config.vocab_size, config.hidden_size);
    // A row that is off by a share of its square moves the stream by that much, shared out evenly among the outputs.
    let square = |x: &[f32]| x.iter().map(|&x| f64::from(x * x)).sum::<f64>();
    let tokens = || starts.iter().zip(gradients).flat_map(|(x, g)| x.chunks_exact(hidden).zip(g.chunks_exact(hidden)));
    let count = tokens().count().max(1) as f64;
    let moved = 0.5 * tokens().map(|(x, g)| square(x) * square(g)).sum::<f64>() / (count * hidden as f64);
    let of = |kind: Kind, is_embedding: bool, is_head: bool| -> Result<Table> {
        let matrix = weights.matrix(MatrixId { layer: 0, kind });
        let alone = if is_embedding { moved / square(matrix).max(f64::MIN_POSITIVE) } else { 0.0 };
        let scored = if is_head { 0.5 / rows as f64 } else { 0.0 };
        let entry = |i: usize, j: usize| scored * read.mean(i, j) + if i == j { alone } else { 0.0 };
        let sum = (0..hidden).flat_map(|j| (0..hidden).map(move |i| (i, j))).map(|(i, j)| entry(i, j)).collect();
        let cost = Hessian::from_sum(hidden, 1, sum)?;
        let expected = predict_calibrated(matrix, rows, hidden, &cost)?;
        Ok(Table { cost, expected })
    };
    let tied = config.tie_word_embeddings;
    let mut tables = HashMap::from([(Kind::Embedding, of(Kind::Embedding, true, tied)?)]);
    if !tied {
        tables.insert(Kind::Head, of(Kind::Head, false, true)?);
    }
    Ok(tables)
}

/// What a matrix has met on the way back.
struct Seen {
    kind: Kind,
    tokens: Vec<Vec<f32>>,
    /// Inputs, each times the length of its token's gradient.
    inputs: Hessian,
    /// Gradients at its outputs; none are added to those of the head.
    outputs: Gradients,
}

impl Seen {
    fn new(config: &ModelConfig, kind: Kind) -> Result<Seen> {
        let rows = if kind.is_table() { 0 } else { kind.shape(config).0 };
        Ok(Seen {
            kind,
            tokens: Vec::new(),
            inputs: Hessian::new(kind.shape(config).1)?,
            outputs: Gradients::new(rows)?,
        })
    }

    fn add(&mut self, x: &[f32], g: &[f32]) -> Result<()> {
        let columns = self.inputs.columns();
        let rows = g.len() / (x.len() / columns);
        self.outputs.accumulate(g)?;
        self.add_squares(x, g.chunks_exact(rows).map(|g| g.iter().map(|g| g * g).sum()).collect())
    }

    fn add_squares(&mut self, x: &[f32], squares: Vec<f32>) -> Result<()> {
        let lengths: Vec<f32> = squares.iter().map(|square| square.sqrt()).collect();
        self.inputs.accumulate_scaled(x, &lengths)?;
        self.tokens.push(squares);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use nomul::{State, config::Quantization};

    use super::*;
    use crate::perplexity::compare;

    /// Disturbs one matrix and compares the divergence with what its energy says of such a disturbance.
    #[test]
    fn energies_foresee_divergences() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/checkpoints/llama");
        let checkpoint = Checkpoint::open(&folder).expect("a checkpoint");
        let rotation = Rotation::new(checkpoint.config(), 1);
        let config = ModelConfig {
            quantization: Some(Quantization { rotations: rotation.stored }),
            ..checkpoint.config().clone()
        };
        let vocab = config.vocab_size as u32;
        let windows: Vec<Vec<u32>> =
            (0..12).map(|w| (0..48).map(|i| (i * i * 31 + i * 17 + w * 101) % vocab).collect()).collect();
        let sensitivity =
            Sensitivity::measure(&checkpoint, &config, &rotation, &windows, 5, &|_, _| ()).expect("a measurement");
        let load = || {
            let mut dense = rotation.vectors(&checkpoint, &config).expect("vectors");
            for id in MatrixId::all(&config) {
                dense.insert(id, rotation.matrix(&checkpoint, id).expect("a matrix"));
            }
            dense
        };
        let exact = load();
        let mut total = (0.0, 0.0);
        for id in MatrixId::all(&config).filter(|id| id.kind != Kind::Embedding && id.kind != Kind::Head) {
            // Every weight is off by 3 % of itself, up or down. That loses 9e-4 of the output's energy, as far as inputs are
            // not correlated.
            let mut seed = 1u64;
            let mut disturb = |weight: f32| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                weight * if seed >> 63 == 1 { 1.03 } else { 0.97 }
            };
            let mut other = load();
            let disturbed = other.remove(id).expect("a matrix").into_iter().map(&mut disturb).collect();
            other.insert(id, disturbed);
            let mut divergence = 0.0;
            for window in &windows {
                let (mut a, mut b) = (State::new(&config, 48).expect("room"), State::new(&config, 48).expect("room"));
                let (mut left, mut right) = (other.view(), exact.view());
                let (disturbed, exact) = ((&config, &mut left, &mut a), (&config, &mut right, &mut b));
                divergence += compare(disturbed, exact, window).expect("scores").1.divergence;
            }
            let measured = divergence / (windows.len() * 47) as f64;
            let foreseen = 9e-4 * sensitivity.outputs(id).expect("every matrix").expected.energy;
            total = (total.0 + measured, total.1 + foreseen);
            let ratio = measured / foreseen;
            assert!((0.2..5.0).contains(&ratio), "{id:?}: {measured:.3e} measured, {foreseen:.3e} foreseen");
        }
        let ratio = total.0 / total.1;
        assert!((0.5..2.0).contains(&ratio), "{total:?}");
    }
}
