//! From a checkpoint to a model folder: rotate, measure, choose bits, calibrate, fit, block by block.

mod choose;

use std::{
    cell::Cell,
    collections::HashMap,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use nomul::{
    Result, bail,
    config::{Architecture, ModelConfig},
    index::{names, stored_bytes},
    scale::Scale,
    weights::{Kind, MatrixId, VectorId},
};
use rayon::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    calibrate::Calibration,
    checkpoint::Checkpoint,
    dense::Dense,
    fit::{
        FitPlanes, FittedMatrix, Hessian, Metric,
        bits::{Budget, ChooseBits},
    },
    folder::{FolderWriter, hex},
    journal::Journal,
    levels::{self, Plan},
    rotate::Rotation,
    sensitivity::Sensitivity,
    tune::{JUDGES, Piece, Rest, Teacher, Tuned, Tuning, pieces},
};

/// What to make.
pub struct Options<'a> {
    /// How planes are fitted.
    pub fit: &'a dyn FitPlanes,
    /// How planes are shared out among the matrices of the blocks.
    pub choose: &'a dyn ChooseBits,
    /// How many there are to share out.
    pub budget: Budget,
    /// Planes a weight, on average, that the first level has, by which a model answers before the others have come; `None`:
    /// [`START`] fewer than all, of an encoder all.
    pub start: Option<f64>,
    /// Planes of the embedding and of the head; `None`: as many as gain no less for a bit than those of the blocks, or
    /// [`TABLE_PLANES`] where nothing was measured.
    pub table_planes: Option<usize>,
    /// Token windows of the calibration text; without any, every input counts the same.
    pub windows: &'a [Vec<u32>],
    /// The first windows, as many as this, tell how much each matrix and each token of a decoder matters; without any, all
    /// alike, as they are in an encoder, which predicts nothing.
    pub measured: usize,
    /// Steps that the blocks of a decoder which are yet to be fitted take before each block, to make up for what those before
    /// miss. Without calibration text there are none.
    pub adapting: usize,
    /// Steps by which the scales of a decoder are tuned through the whole model: of all planes, and of those in the first
    /// level. Without calibration text there are none.
    pub tuning: [usize; 2],
    /// Seeds the rotations, how scales are rounded, and the tokens that are drawn to measure what matters.
    pub seed: u64,
    /// Replace what is there.
    pub replace: bool,
    /// Keep parts that are done beside the folder until it is made, and go on from those of a run with the same options that
    /// was stopped: what was measured, fitted and tuned. The steps that blocks adapt by are taken anew.
    pub resume: bool,
}

impl Options<'_> {
    /// All that decides about the result, for [`Journal::open`].
    fn key(&self, checkpoint: &Checkpoint) -> String {
        let Options { fit, choose, budget, start, table_planes, windows, measured, adapting, tuning, seed, .. } = self;
        let decided = (checkpoint.identity(), fit, choose, budget, start, table_planes);
        let all = format!("{decided:?} {measured} {adapting} {tuning:?} {seed} {windows:?}");
        format!("{} {} {}", env!("CARGO_PKG_VERSION"), program(), hex(&Sha256::digest(all)))
    }
}

/// What tells this program from one that was built of other sources.
fn program() -> String {
    let file = std::env::current_exe().and_then(std::fs::metadata);
    file.map_or(String::new(), |file| format!("{} {:?}", file.len(), file.modified().ok()))
}

/// Planes a weight that the first level lacks, unless it is told.
pub const START: f64 = 1.29;

/// Planes of the embedding and of the head, unless they are told or measured.
pub const TABLE_PLANES: usize = 6;

/// A step of the work, for progress bars.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What is being done, for people.
    pub step: String,
    /// Units of the whole that are done.
    pub done: u64,
    /// Units of the whole.
    pub total: u64,
}

/// What was made.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// Planes a weight of the blocks' matrices, on average.
    pub bits: f64,
    /// Bits a weight of the blocks' matrices, scales of every prefix included.
    pub bits_with_scales: f64,
    /// Bytes of all tensors.
    pub bytes: u64,
    /// Matrices, with their errors.
    pub matrices: Vec<MatrixReport>,
    /// Kendall's tau between what matrices were expected to lose, when planes were shared out, and what they lost: 1 where one is
    /// expected to lose more than another whenever it does. `None` where nothing was expected.
    pub kendall_tau: Option<f64>,
    /// What tuning came to: of all planes, and of those in the first level.
    pub tuning: [Option<Tuned>; 2],
}

/// One matrix of a [`Report`].
#[derive(Clone, Debug, serde::Serialize)]
pub struct MatrixReport {
    /// Its name in the checkpoint.
    pub name: String,
    /// Planes.
    pub planes: usize,
    /// Planes in the first level, and all; one number where these are the same.
    pub prefixes: Vec<usize>,
    /// Share of the output's energy that is lost with each of these prefixes, as far as it matters and before scales were tuned.
    pub errors: Vec<f64>,
    /// What the last of them was expected to be.
    pub expected: Option<f64>,
    /// Why it got its planes.
    pub reason: String,
}

/// The checkpoint's text files, and the compact form of its tokenizer where that is of a kind that runs here.
fn text_files(checkpoint: &Checkpoint) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = checkpoint.text_files()?;
    let json = files.iter().find(|(name, _)| name == "tokenizer.json");
    if let Some(compact) = json.and_then(|(_, json)| nomul_text::tokenizer::compact(json).ok()) {
        files.push((nomul_text::tokenizer::COMPACT_FILE.into(), compact));
    }
    Ok(files)
}

/// Quantises a checkpoint into the folder `place`. Memory: one block and the embedding in floats, the streams of the
/// calibration text (of the measured windows: before every block), and the second moments of one block's inputs; where matrices are
/// measured, a byte for each pair of rows of each; where blocks adapt, all that are left in floats, twice; where scales are tuned, the
/// planes of all matrices and what [`Tuning::run`] says.
pub fn quantize(
    checkpoint: &Checkpoint,
    place: &Path,
    options: &Options,
    progress: &(dyn Fn(&Progress) + Sync),
) -> Result<Report> {
    let source = checkpoint.config();
    if source.quantization.is_some() {
        bail!(Unsupported, "config.json: this checkpoint is quantised already");
    }
    let rotation = Rotation::new(source, options.seed);
    let config = ModelConfig {
        quantization: Some(nomul::config::Quantization { rotations: rotation.stored }),
        ..source.clone()
    };
    let journal = options.resume.then(|| Journal::open(place, &options.key(checkpoint))).transpose()?;
    let work = Work { checkpoint, config: &config, rotation: &rotation, options, journal: journal.as_ref(), progress };
    if let Some(found) = journal.as_ref().map(Journal::found).filter(|&found| found > 0) {
        work.tell(format!("going on from {found} parts of a run that was stopped"), 0);
    }
    let sensitivity = work.measure()?;
    let plans = work.choose(sensitivity.as_ref())?;
    let mut writer = FolderWriter::new(place, options.replace, &levels::shards(&config, &plans))?;
    let (matrices, tuning) = work.fit_all(&plans, sensitivity.as_ref(), &mut writer)?;
    writer.finish(&work.config_json(&matrices), &text_files(checkpoint)?)?;
    if let Some(journal) = journal {
        journal.finish();
    }

    let linear = || plans.iter().filter(|plan| !plan.id.kind.is_table());
    let weights = |plan: &Plan| (plan.id.kind.shape(&config).0 * plan.id.kind.shape(&config).1) as f64;
    let bytes = |plan: &Plan| bytes(&config, plan.id, &plan.prefixes());
    let all: f64 = linear().map(weights).sum();
    let signs: f64 = linear().map(|plan| weights(plan) * plan.planes as f64).sum();
    let stored: u64 = linear().map(bytes).sum();
    Ok(Report {
        bits: signs / all,
        bits_with_scales: 8.0 * stored as f64 / all,
        bytes: plans.iter().map(bytes).sum(),
        kendall_tau: kendall_tau(matrices.iter().filter_map(|m| Some((m.expected?, *m.errors.last()?)))),
        matrices,
        tuning,
    })
}

/// Kendall's tau-b of pairs: by how much more of them agree with each other in order than disagree. `None` for pairs that are all
/// alike in one of the two.
fn kendall_tau(pairs: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = pairs.collect();
    let (mut agree, mut first, mut second) = (0.0, 0.0, 0.0);
    for (at, &(a, b)) in pairs.iter().enumerate() {
        for &(c, d) in &pairs[..at] {
            let sign = |x: f64, y: f64| f64::from(x.total_cmp(&y) as i8);
            agree += sign(a, c) * sign(b, d);
            first += sign(a, c).abs();
            second += sign(b, d).abs();
        }
    }
    let both = f64::sqrt(first * second);
    (both > 0.0).then(|| agree / both)
}

fn bytes(config: &ModelConfig, id: MatrixId, prefixes: &[usize]) -> u64 {
    let (rows, columns) = id.kind.shape(config);
    stored_bytes(rows, columns, prefixes)
}

struct Work<'a> {
    checkpoint: &'a Checkpoint,
    config: &'a ModelConfig,
    rotation: &'a Rotation,
    options: &'a Options<'a>,
    journal: Option<&'a Journal>,
    progress: &'a (dyn Fn(&Progress) + Sync),
}

impl Work<'_> {
    /// Weights to fit.
    fn weights(&self) -> u64 {
        MatrixId::all(self.config).map(|id| id.kind.shape(self.config)).map(|(r, c)| r as u64 * c as u64).sum()
    }

    /// What measuring takes, in weights fitted in that time.
    fn measuring(&self) -> u64 {
        if self.measured().is_empty() { 0 } else { self.weights() / 3 }
    }

    fn measured(&self) -> &[Vec<u32>] {
        let measured = if self.config.encoder.is_some() { 0 } else { self.options.measured };
        &self.options.windows[..measured.min(self.options.windows.len())]
    }

    /// What a step of `blocks` blocks takes, in weights fitted in that time.
    fn step(&self, blocks: usize) -> u64 {
        self.weights() / 100 * blocks as u64 / self.config.num_hidden_layers.max(1) as u64
    }

    /// The same for tuning.
    fn tuning(&self) -> u64 {
        let steps = if self.tuned() { self.options.tuning.iter().sum() } else { 0 };
        self.step(self.config.num_hidden_layers) * steps as u64
    }

    /// The same for what the rest of the blocks learn.
    fn adapting(&self) -> u64 {
        let steps = if self.adapted() { self.options.adapting } else { 0 };
        (1..=self.config.num_hidden_layers).map(|blocks| self.step(blocks) * steps as u64).sum()
    }

    fn tuned(&self) -> bool {
        self.options.tuning.iter().any(|&steps| steps > 0) && self.teaches()
    }

    fn adapted(&self) -> bool {
        self.options.adapting > 0 && self.teaches()
    }

    /// There is a text to learn from, and something to say about it.
    fn teaches(&self) -> bool {
        self.config.encoder.is_none() && pieces(self.options.windows).len() > 1
    }

    /// `done` in weights.
    fn tell(&self, step: String, done: u64) {
        (self.progress)(&Progress {
            step,
            done,
            total: self.measuring() + self.weights() + self.adapting() + self.tuning(),
        });
    }

    /// How much each matrix and each token matters.
    fn measure(&self) -> Result<Option<Sensitivity>> {
        let Work { checkpoint, config, rotation, options, .. } = self;
        let windows = self.measured();
        if windows.is_empty() {
            return Ok(None);
        }
        if let Some(known) = self.journal.and_then(|journal| Sensitivity::recall(journal, config)) {
            return Ok(Some(known));
        }
        let tell = |step: usize, steps: usize| {
            self.tell("measuring what matters".into(), self.measuring() * step as u64 / steps as u64);
        };
        let found = Sensitivity::measure(checkpoint, config, rotation, windows, options.seed, &tell)?;
        self.journal.map_or(Ok(()), |journal| found.keep(journal, config))?;
        Ok(Some(found))
    }

    /// What the model is to say, where it is adapted or tuned.
    fn teacher(&self) -> Result<Option<Teacher<'_>>> {
        if !self.adapted() && !self.tuned() {
            return Ok(None);
        }
        let Work { checkpoint, config, rotation, options, .. } = *self;
        // Each piece is read by the whole checkpoint, so only those that serve: to tune, the first; to adapt, windows' beginnings.
        let tuning = options.tuning.into_iter().max().unwrap_or_default();
        let mut adapting = options.adapting * config.num_hidden_layers;
        let mut pieces: Vec<Piece> = pieces(options.windows);
        let mut place = 0..;
        pieces.retain(|piece| {
            let is_beginning = piece.start == 0 && adapting > 0;
            adapting -= usize::from(is_beginning);
            place.next() < Some(tuning + JUDGES) || is_beginning
        });
        Teacher::new(checkpoint, config, rotation, &pieces)
    }

    /// Tunes the scales of all matrices.
    fn tune(&self, fitted: &mut HashMap<MatrixId, FittedMatrix>, teacher: &Teacher) -> Result<[Option<Tuned>; 2]> {
        let Work { checkpoint, config, rotation, options, journal, .. } = *self;
        let tuning =
            Tuning { checkpoint, config, rotation, teacher, steps: options.tuning, seed: options.seed, journal };
        let before = self.measuring() + self.weights() + self.adapting();
        let tell = |step: usize, steps: usize| {
            self.tell(
                format!("tuning, step {} of {steps}", step + 1),
                before + self.tuning() * step as u64 / steps as u64,
            );
        };
        tuning.run(fitted, &tell)
    }

    /// Fits every matrix, tunes them and writes them.
    fn fit_all(
        &self,
        plans: &[Plan],
        sensitivity: Option<&Sensitivity>,
        writer: &mut FolderWriter,
    ) -> Result<(Vec<MatrixReport>, [Option<Tuned>; 2])> {
        let config = self.config;
        let calibrated = !self.options.windows.is_empty();
        let mut weights = Dense::new(config);
        for id in VectorId::all(config) {
            if let Some(vector) = self.rotation.vector(self.checkpoint, id)? {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                writer.write(&id.name(config.architecture), &bytes)?;
                weights.insert_vector(id, vector);
            }
        }
        let done = AtomicU64::new(self.measuring());
        let plan_of = |id: MatrixId| plans.iter().find(|plan| plan.id == id).expect("every matrix has a plan");
        let fit = |id: MatrixId, matrix: &[f32], metric: Metric| -> Result<(MatrixId, FittedMatrix)> {
            let (rows, columns) = id.kind.shape(config);
            let name = id.name(config.architecture);
            let step = format!("fitting {name}");
            let known = Cell::new(0);
            let tell = |column: usize| {
                let now = column.min(columns);
                let fresh = now.saturating_sub(known.replace(now)) as u64 * rows as u64;
                self.tell(step.clone(), done.fetch_add(fresh, Ordering::Relaxed) + fresh);
            };
            let prefixes = plan_of(id).prefixes();
            let fitted = self.options.fit.fit(matrix, (rows, columns), metric, &prefixes, &tell);
            tell(columns);
            let fitted = fitted.map_err(|e| e.at(&name))?;
            self.journal.map_or(Ok(()), |journal| journal.put(&name, &fitted))?;
            Ok((id, fitted))
        };
        // What a stopped run has fitted.
        let recall = |id: MatrixId| -> Option<(MatrixId, FittedMatrix)> {
            let (rows, columns) = id.kind.shape(config);
            let fitted = self.journal?.get(&id.name(config.architecture))?;
            done.fetch_add(rows as u64 * columns as u64, Ordering::Relaxed);
            Some((id, fitted))
        };
        let fit_alone =
            |id: MatrixId, matrix: &[f32], metric: Metric| recall(id).map_or_else(|| fit(id, matrix, metric), Ok);
        let mut reports = Vec::new();
        // Those that are yet to be tuned.
        let mut held: HashMap<MatrixId, FittedMatrix> = HashMap::new();
        let from_checkpoint = |id: MatrixId| self.rotation.matrix(self.checkpoint, id);
        let mut keep = |(id, fitted): (MatrixId, FittedMatrix), writer: &mut FolderWriter, weights: &mut Dense| {
            let plan = plan_of(id);
            weights.insert(id, fitted.dequantize(plan.planes));
            if self.tuned() {
                held.insert(id, fitted.clone());
            } else {
                write(writer, config.architecture, id, &fitted)?;
            }
            reports.push(MatrixReport {
                name: id.name(config.architecture),
                planes: plan.planes,
                prefixes: fitted.prefixes,
                errors: fitted.errors,
                expected: plan.expected,
                reason: plan.reason.clone(),
            });
            Ok(())
        };

        let embedding = MatrixId { layer: 0, kind: Kind::Embedding };
        let cost = match sensitivity.and_then(|s| s.table(Kind::Embedding)) {
            Some(table) => table.cost.clone(),
            None => Hessian::identity(config.hidden_size)?,
        };
        keep(fit_alone(embedding, &from_checkpoint(embedding)?, Metric::of(&cost))?, writer, &mut weights)?;
        drop(cost);
        if config.encoder.is_some() {
            let positions = MatrixId { layer: 0, kind: Kind::Position };
            let cost = Hessian::identity(config.hidden_size)?;
            keep(fit_alone(positions, &from_checkpoint(positions)?, Metric::of(&cost))?, writer, &mut weights)?;
        }
        let teacher = self.teacher()?;
        let mut rest = teacher.as_ref().filter(|_| self.adapted()).map(Rest::new);
        if rest.is_some() {
            for id in MatrixId::all(config).filter(|&id| id != embedding) {
                weights.insert(id, from_checkpoint(id)?);
            }
        }
        let mut calibration = Calibration::new(config, &weights, self.options.windows)?;
        for layer in 0..config.num_hidden_layers {
            let kinds = Kind::of_block(config.architecture);
            let block: Vec<MatrixId> = kinds.iter().map(|&kind| MatrixId { layer, kind }).collect();
            if rest.is_none() {
                for &id in &block {
                    weights.insert(id, from_checkpoint(id)?);
                }
            }
            let stages = calibration.stages(config);
            for (at, &stage) in stages.iter().enumerate() {
                if let Some(rest) = &mut rest {
                    let steps = self.options.adapting;
                    for step in steps * at / stages.len()..steps * (at + 1) / stages.len() {
                        let fresh = self.step(config.num_hidden_layers - layer);
                        let done = done.fetch_add(fresh, Ordering::Relaxed) + fresh;
                        self.tell(format!("adapting to block {layer}, step {} of {steps}", step + 1), done);
                        rest.step(&mut weights, layer, &calibration, &stages[..at].concat())?;
                    }
                }
                let own: Vec<MatrixId> = stage.iter().map(|&kind| MatrixId { layer, kind }).collect();
                if let Some(known) = own.iter().map(|&id| recall(id)).collect::<Option<Vec<_>>>() {
                    for fitted in known {
                        keep(fitted, writer, &mut weights)?;
                    }
                    continue;
                }
                let inputs = calibration.inputs(config, &weights, (layer, stage), sensitivity);
                let inputs = inputs.map_err(|e| e.at(format!("block {layer}")))?;
                let metric = |id: MatrixId| Metric {
                    inputs: inputs.of(id.kind),
                    outputs: sensitivity.and_then(|s| s.outputs(id)).map(|outputs| &outputs.gradients),
                };
                let fitted: Vec<Result<(MatrixId, FittedMatrix)>> =
                    own.par_iter().map(|&id| fit(id, weights.matrix(id), metric(id))).collect();
                for fitted in fitted {
                    keep(fitted?, writer, &mut weights)?;
                }
            }
            calibration.advance(config, &weights, layer)?;
            for id in block {
                weights.remove(id);
            }
        }
        if !config.tie_word_embeddings {
            let hessian = if calibrated {
                calibration.head_hessian(config, &weights)?
            } else {
                Hessian::identity(config.hidden_size)?
            };
            let head = MatrixId { layer: 0, kind: Kind::Head };
            keep(fit_alone(head, &from_checkpoint(head)?, Metric::of(&hessian))?, writer, &mut weights)?;
        }
        drop((weights, calibration, rest));
        let Some(teacher) = teacher.filter(|_| !held.is_empty()) else {
            return Ok((reports, [None; 2]));
        };
        let tuned = self.tune(&mut held, &teacher)?;
        for id in MatrixId::all(config) {
            write(writer, config.architecture, id, &held[&id])?;
        }
        Ok((reports, tuned))
    }

    /// The checkpoint's configuration with what the runtime and a reader need to know.
    fn config_json(&self, reports: &[MatrixReport]) -> Value {
        let mut json = self.checkpoint.config_json().clone();
        let matrices: serde_json::Map<String, Value> = reports
            .iter()
            .map(|report| {
                let value = json!({ "prefixes": report.prefixes, "errors": report.errors, "reason": report.reason });
                (report.name.clone(), value)
            })
            .collect();
        let Rotation { stored, .. } = self.rotation;
        let planes: usize = reports.iter().map(|report| report.planes).max().unwrap_or(0);
        json["quantization_config"] = json!({
            "quant_method": "nomul",
            "version": 2,
            "most_planes": planes,
            "calibration_tokens": self.options.windows.iter().map(Vec::len).sum::<usize>(),
            "rotations": {
                "residual": stored.residual,
                "query_key": stored.query_key,
                "gate_up": stored.gate_up,
                "down": stored.down,
            },
            "matrices": matrices,
        });
        json
    }
}

fn write(writer: &mut FolderWriter, architecture: Architecture, id: MatrixId, fitted: &FittedMatrix) -> Result<()> {
    let codes = |scales: &mut dyn Iterator<Item = &Scale>| -> Vec<u8> {
        scales.flat_map(|scale| scale.0.to_le_bytes()).collect()
    };
    writer.write(&names::rows(architecture, id), &codes(&mut fitted.row_scales.iter()))?;
    for (set, prefix) in fitted.column_scales.iter().zip(&fitted.prefixes) {
        writer.write(&names::columns(architecture, id, *prefix), &codes(&mut set.iter().flatten()))?;
    }
    for (plane, signs) in fitted.planes.iter().enumerate() {
        writer.write(&names::plane(architecture, id, plane), signs)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::kendall_tau;

    /// Against scipy.stats.kendalltau.
    #[test]
    fn tau_tells_how_far_two_orders_agree() {
        let tau = |a: &[f64], b: &[f64]| kendall_tau(a.iter().copied().zip(b.iter().copied()));
        assert_eq!(tau(&[1.0, 2.0, 3.0, 4.0], &[10.0, 20.0, 30.0, 40.0]), Some(1.0));
        assert_eq!(tau(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), Some(-1.0));
        assert_eq!(tau(&[1.0, 1.0], &[1.0, 2.0]), None);
        let found = tau(&[12.0, 2.0, 1.0, 12.0, 2.0], &[1.0, 4.0, 7.0, 1.0, 0.0]).expect("a number");
        assert!((found + 0.471_404_520_791_031_7).abs() < 1e-12, "{found}");
    }
}
