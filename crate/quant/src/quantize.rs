//! From a checkpoint to a model folder: rotate, measure, choose bits, calibrate, fit, block by block.

mod choose;
mod evenly;
mod fitting;
mod kendall;

use std::{collections::HashMap, path::Path};

use nomul::{Result, bail, config::ModelConfig, weights::MatrixId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    checkpoint::Checkpoint,
    fit::{
        FitPlanes, FittedMatrix,
        bits::{Budget, ChooseBits},
    },
    folder::{FolderWriter, hex},
    journal::Journal,
    levels::{self, Plan},
    rotate::Rotation,
    sensitivity::Sensitivity,
    tune::{JUDGES, Piece, Teacher, Tuned, Tuning, pieces},
};
use fitting::Fitting;
use kendall::kendall_tau;

/// What to make.
pub struct Options<'a> {
    /// How planes are fitted.
    pub fit: &'a dyn FitPlanes,
    /// How planes are shared out among the matrices of the blocks.
    pub choose: &'a dyn ChooseBits,
    /// How many there are to share out.
    pub budget: Budget,
    /// Levels of the matrices of the blocks lie evenly, and budgets count the bits that planes are coded in, not planes: fewest bytes,
    /// for more planes. Not without measuring, nor for a budget of milliseconds.
    pub is_even: bool,
    /// Planes a weight, on average, that the first level has, by which a model answers before the others have come; `None`:
    /// [`START`] fewer than all, of an encoder all.
    pub start: Option<f64>,
    /// Planes of the embedding and of the head; `None`: as many as gain no less for a bit than those of the blocks, or
    /// [`TABLE_PLANES`] where nothing was measured.
    pub table_planes: Option<usize>,
    /// The same in the first level; `None`: as measured, or [`START_TABLE_PLANES`] where nothing was or `table_planes` is given.
    pub start_table_planes: Option<usize>,
    /// Token windows of the calibration text; without any, every input counts the same.
    pub windows: &'a [Vec<u32>],
    /// The first windows, as many as this, tell how much each matrix and each token of a decoder matters; without any, all
    /// alike, as they are in an encoder, which predicts nothing.
    pub measured: usize,
    /// Steps that the matrices of a decoder which are yet to be fitted take while each block is, to make up for what those before
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
        let Options { fit, choose, budget, is_even, start, windows, measured, adapting, tuning, seed, .. } = self;
        let tables = (self.table_planes, self.start_table_planes);
        let decided = (checkpoint.identity(), fit, choose, budget, is_even, start, tables);
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

/// The same in the first level.
pub const START_TABLE_PLANES: usize = 4;

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
    /// Bits a weight of the blocks' matrices in the folder, scales of every prefix included.
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
    /// Bytes in the folder of the planes and scales up to each of these prefixes, row scales included.
    pub bytes: Vec<u64>,
    /// Share of the output's energy that is lost with each of these prefixes, as far as it matters and before scales were tuned.
    pub errors: Vec<f64>,
    /// Its levels lie evenly.
    pub is_even: bool,
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
/// calibration text, before a block and within it (of the measured windows: before every block), and the second moments of one block's inputs; where matrices are
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
    let mut writer = FolderWriter::new(place, options.replace, levels::shards(&config, &plans))?;
    let (matrices, tuning) = Fitting::new(&work, &plans, sensitivity.as_ref(), &mut writer)?.run()?;
    writer.finish(&work.config_json(&matrices), &text_files(checkpoint)?)?;
    if let Some(journal) = journal {
        journal.finish();
    }

    let linear = || plans.iter().filter(|plan| !plan.id.kind.is_table());
    let weights = |plan: &Plan| (plan.id.kind.shape(&config).0 * plan.id.kind.shape(&config).1) as f64;
    let bytes = |plan: &Plan| {
        let name = plan.id.name(config.architecture);
        matrices.iter().find(|m| m.name == name).and_then(|m| m.bytes.last()).copied().unwrap_or(0)
    };
    let all: f64 = linear().map(weights).sum();
    let signs: f64 = linear().map(|plan| weights(plan) * plan.planes as f64).sum();
    let stored: u64 = linear().map(bytes).sum();
    Ok(Report {
        bits: signs / all,
        bits_with_scales: 8.0 * stored as f64 / all,
        bytes: matrices.iter().filter_map(|m| m.bytes.last()).sum(),
        kendall_tau: kendall_tau(matrices.iter().filter_map(|m| Some((m.expected?, *m.errors.last()?)))),
        matrices,
        tuning,
    })
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

    /// The checkpoint's configuration with what the runtime and a reader need to know.
    fn config_json(&self, reports: &[MatrixReport]) -> Value {
        let mut json = self.checkpoint.config_json().clone();
        let matrices: serde_json::Map<String, Value> = reports
            .iter()
            .map(|report| {
                let MatrixReport { prefixes, bytes, errors, reason, .. } = report;
                let mut value = json!({ "prefixes": prefixes, "bytes": bytes, "errors": errors, "reason": reason });
                if report.is_even {
                    value["spacing"] = "even".into();
                }
                (report.name.clone(), value)
            })
            .collect();
        let Rotation { stored, .. } = self.rotation;
        let planes: usize = reports.iter().map(|report| report.planes).max().unwrap_or(0);
        json["quantization_config"] = json!({
            "quant_method": "nomul",
            "version": 3,
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
