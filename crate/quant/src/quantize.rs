//! From a checkpoint to a model folder: rotate, measure, choose bits, calibrate, fit, block by block.

use std::{
    cell::Cell,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use nomul::{
    Result, bail,
    config::ModelConfig,
    index::{first_prefix, names, stored_bytes},
    plane,
    scale::Scale,
    weights::{Kind, MatrixId, VectorId},
};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::{
    calibrate::{Calibration, Inputs},
    checkpoint::Checkpoint,
    dense::Dense,
    fit::{
        FitPlanes, FittedMatrix, Hessian,
        bits::{Budget, Choice, ChooseBits, MatrixStats, predict},
    },
    folder::{FolderWriter, Planned, PlannedShard},
    rotate::Rotation,
    sensitivity::Sensitivity,
};

/// What to make.
pub struct Options<'a> {
    /// How planes are fitted.
    pub fit: &'a dyn FitPlanes,
    /// How planes are shared out among the matrices of the blocks.
    pub choose: &'a dyn ChooseBits,
    /// How many there are to share out.
    pub budget: Budget,
    /// Planes of the embedding and of the head.
    pub table_planes: usize,
    /// Token windows of the calibration text; without any, every input counts the same.
    pub windows: &'a [Vec<u32>],
    /// The first windows, as many as this, tell how much each matrix and each token matters; without any, all alike.
    pub measured: usize,
    /// Seeds the rotations, and the tokens that are drawn to measure what matters.
    pub seed: u64,
    /// Replace what is there.
    pub replace: bool,
}

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
}

/// One matrix of a [`Report`].
#[derive(Clone, Debug, serde::Serialize)]
pub struct MatrixReport {
    /// Its name in the checkpoint.
    pub name: String,
    /// Planes.
    pub planes: usize,
    /// Share of the output's energy that is lost.
    pub error: f64,
    /// Why it got its planes.
    pub reason: String,
}

/// Quantises a checkpoint into the folder `place`. Memory: one block and the embedding in floats, the streams of the
/// calibration text (of the measured windows: before every block), and the second moments of one block's inputs.
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
    let work = Work { checkpoint, config: &config, rotation: &rotation, options, progress };
    let sensitivity = work.measure()?;
    let choices = work.choose(sensitivity.as_ref())?;
    let shards = work.shards(&choices);
    let mut writer = FolderWriter::new(place, options.replace, &shards)?;
    let matrices = work.fit_all(&choices, sensitivity.as_ref(), &mut writer)?;
    writer.finish(&work.config_json(&choices, &matrices), &checkpoint.text_files()?)?;

    let linear = |choice: &&(MatrixId, Choice)| is_linear(choice.0.kind);
    let weights = |id: MatrixId| (id.kind.shape(&config).0 * id.kind.shape(&config).1) as f64;
    let all: f64 = choices.iter().filter(linear).map(|(id, _)| weights(*id)).sum();
    let signs: f64 = choices.iter().filter(linear).map(|(id, choice)| weights(*id) * choice.planes as f64).sum();
    let stored: u64 = choices.iter().filter(linear).map(|(id, choice)| bytes(&config, *id, choice.planes)).sum();
    let tables = choices.iter().filter(|choice| !is_linear(choice.0.kind));
    let tables: u64 = tables.map(|(id, choice)| bytes(&config, *id, choice.planes)).sum();
    Ok(Report { bits: signs / all, bits_with_scales: 8.0 * stored as f64 / all, bytes: stored + tables, matrices })
}

fn is_linear(kind: Kind) -> bool {
    !matches!(kind, Kind::Embedding | Kind::Head)
}

fn bytes(config: &ModelConfig, id: MatrixId, planes: usize) -> u64 {
    let (rows, columns) = id.kind.shape(config);
    stored_bytes(rows, columns, planes)
}

struct Work<'a> {
    checkpoint: &'a Checkpoint,
    config: &'a ModelConfig,
    rotation: &'a Rotation,
    options: &'a Options<'a>,
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
        &self.options.windows[..self.options.measured.min(self.options.windows.len())]
    }

    /// `done` in weights.
    fn tell(&self, step: String, done: u64) {
        (self.progress)(&Progress { step, done, total: self.measuring() + self.weights() });
    }

    /// How much each matrix and each token matters.
    fn measure(&self) -> Result<Option<Sensitivity>> {
        let Work { checkpoint, config, rotation, options, .. } = self;
        let windows = self.measured();
        if windows.is_empty() {
            return Ok(None);
        }
        let tell = |step: usize, steps: usize| {
            self.tell("measuring what matters".into(), self.measuring() * step as u64 / steps as u64);
        };
        Sensitivity::measure(checkpoint, config, rotation, windows, options.seed, &tell).map(Some)
    }

    /// Planes for every matrix.
    fn choose(&self, sensitivity: Option<&Sensitivity>) -> Result<Vec<(MatrixId, Choice)>> {
        let mut stats = Vec::new();
        for id in MatrixId::all(self.config).filter(|id| is_linear(id.kind)) {
            let (rows, columns) = id.kind.shape(self.config);
            let (error_at, sensitivity) = match sensitivity.and_then(|s| s.outputs(id)) {
                Some(outputs) => (outputs.expected.error_at, Some(outputs.expected.energy)),
                None if self.options.choose.needs_errors(&self.options.budget) => {
                    self.tell(format!("looking at {}", id.name()), self.measuring());
                    (predict(&self.rotation.matrix(self.checkpoint, id)?, rows, columns), None)
                }
                None => ([0.0; 9], None),
            };
            stats.push(MatrixStats { id, rows, columns, error_at, sensitivity });
        }
        let tables: Vec<MatrixId> = MatrixId::all(self.config).filter(|id| !is_linear(id.kind)).collect();
        let budget = match self.options.budget {
            Budget::Bytes(all) => {
                let fixed: u64 = tables.iter().map(|&id| bytes(self.config, id, self.options.table_planes)).sum();
                match all.checked_sub(fixed) {
                    Some(rest) => Budget::Bytes(rest),
                    None => bail!(
                        Input,
                        "{all} bytes: the embedding and the head alone take {fixed} at {} planes",
                        self.options.table_planes
                    ),
                }
            }
            ref other => other.clone(),
        };
        let chosen = self.options.choose.choose(&stats, budget)?;
        let mut choices: Vec<(MatrixId, Choice)> = Vec::new();
        let mut chosen = stats.iter().map(|stats| stats.id).zip(chosen);
        for id in MatrixId::all(self.config) {
            if is_linear(id.kind) {
                choices.extend(chosen.next());
            } else {
                let reason = format!("every word passes through it: {} planes", self.options.table_planes);
                choices.push((id, Choice { planes: self.options.table_planes, reason }));
            }
        }
        Ok(choices)
    }

    /// The files: the base, then one for each level of planes. The tables run ahead of the blocks, because a model
    /// needs four planes of them before two of the blocks are of use.
    fn shards(&self, choices: &[(MatrixId, Choice)]) -> Vec<PlannedShard> {
        let mut base: Vec<Planned> = Vec::new();
        let vectors = VectorId::all(self.config).filter(|id| !is_folded(*id));
        base.extend(vectors.map(|id| Planned { name: id.name(), dtype: "F32", shape: vec![id.len(self.config)] }));
        for (id, choice) in choices {
            let (rows, columns) = id.kind.shape(self.config);
            base.push(Planned { name: names::rows(*id), dtype: "U16", shape: vec![rows] });
            base.extend((first_prefix(choice.planes)..=choice.planes).map(|prefix| Planned {
                name: names::columns(*id, prefix),
                dtype: "U16",
                shape: vec![prefix, columns],
            }));
        }
        let linear = choices.iter().filter(|(id, _)| is_linear(id.kind));
        let levels = linear.map(|(_, choice)| choice.planes).max().unwrap_or(1);
        let level_of = |id: MatrixId, plane: usize| {
            if is_linear(id.kind) { plane } else { plane.saturating_sub(2).min(levels - 1) }
        };
        let mut shards = vec![PlannedShard { file: "model-base.safetensors".into(), tensors: base }];
        for level in 0..levels {
            let planes = choices.iter().flat_map(|(id, choice)| (0..choice.planes).map(move |plane| (*id, plane)));
            let here = planes.filter(|(id, plane)| level_of(*id, *plane) == level);
            let planned = here.map(|(id, plane)| {
                let (rows, columns) = id.kind.shape(self.config);
                let shape = plane::shape(rows, columns).to_vec();
                Planned { name: names::plane(id, plane), dtype: "U8", shape }
            });
            let file = format!("model-plane-{}-of-{levels}.safetensors", level + 1);
            shards.push(PlannedShard { file, tensors: planned.collect() });
        }
        shards
    }

    /// Fits every matrix and writes it.
    fn fit_all(
        &self,
        choices: &[(MatrixId, Choice)],
        sensitivity: Option<&Sensitivity>,
        writer: &mut FolderWriter,
    ) -> Result<Vec<MatrixReport>> {
        let config = self.config;
        let calibrated = !self.options.windows.is_empty();
        let mut weights = Dense::new(config);
        for id in VectorId::all(config) {
            if let Some(vector) = self.rotation.vector(self.checkpoint, id)? {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                writer.write(&id.name(), &bytes)?;
                weights.insert_vector(id, vector);
            }
        }
        let done = AtomicU64::new(self.measuring());
        let planes_of = |id: MatrixId| choices.iter().find(|choice| choice.0 == id).expect("every matrix was chosen");
        let fit = |id: MatrixId, hessian: &Hessian| -> Result<(MatrixId, FittedMatrix)> {
            let (rows, columns) = id.kind.shape(config);
            let matrix = self.rotation.matrix(self.checkpoint, id)?;
            let step = format!("fitting {}", id.name());
            let known = Cell::new(0);
            let tell = |column: usize| {
                let now = column.min(columns);
                let fresh = now.saturating_sub(known.replace(now)) as u64 * rows as u64;
                self.tell(step.clone(), done.fetch_add(fresh, Ordering::Relaxed) + fresh);
            };
            let planes = planes_of(id).1.planes;
            let fitted = self.options.fit.fit(&matrix, rows, columns, hessian, planes, &tell);
            tell(columns);
            Ok((id, fitted.map_err(|e| e.at(id.name()))?))
        };
        let mut reports = Vec::new();
        let mut keep = |(id, fitted): (MatrixId, FittedMatrix), writer: &mut FolderWriter, weights: &mut Dense| {
            let choice = &planes_of(id).1;
            write(writer, id, &fitted)?;
            weights.insert(id, fitted.dequantize(choice.planes));
            reports.push(MatrixReport {
                name: id.name(),
                planes: choice.planes,
                error: fitted.error,
                reason: choice.reason.clone(),
            });
            Ok(())
        };

        let embedding = MatrixId { layer: 0, kind: Kind::Embedding };
        keep(fit(embedding, &Hessian::identity(config.hidden_size)?)?, writer, &mut weights)?;
        let mut calibration = Calibration::new(&weights, self.options.windows);
        for layer in 0..config.num_hidden_layers {
            let block = Kind::BLOCK.map(|kind| MatrixId { layer, kind });
            let inputs = if calibrated {
                for id in block {
                    weights.insert(id, self.rotation.matrix(self.checkpoint, id)?);
                }
                let inputs = calibration.inputs(config, &weights, layer, sensitivity);
                inputs.map_err(|e| e.at(format!("block {layer}")))?
            } else {
                Inputs::unknown(config)?
            };
            let fitted: Vec<Result<(MatrixId, FittedMatrix)>> =
                block.into_par_iter().map(|id| fit(id, inputs.of(id.kind))).collect();
            for fitted in fitted {
                keep(fitted?, writer, &mut weights)?;
            }
            calibration.advance(config, &weights, layer);
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
            keep(fit(head, &hessian)?, writer, &mut weights)?;
        }
        Ok(reports)
    }

    /// The checkpoint's configuration with what the runtime and a reader need to know.
    fn config_json(&self, choices: &[(MatrixId, Choice)], reports: &[MatrixReport]) -> Value {
        let mut json = self.checkpoint.config_json().clone();
        let matrices: serde_json::Map<String, Value> = reports
            .iter()
            .map(|report| {
                let value = json!({ "planes": report.planes, "error": report.error, "reason": report.reason });
                (report.name.clone(), value)
            })
            .collect();
        let Rotation { stored, .. } = self.rotation;
        let planes: usize = choices.iter().map(|(_, choice)| choice.planes).max().unwrap_or(0);
        json["quantization_config"] = json!({
            "quant_method": "nomul",
            "version": 1,
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

/// Norms before matrices are part of the matrices afterwards.
fn is_folded(id: VectorId) -> bool {
    matches!(id, VectorId::AttentionNorm(_) | VectorId::FeedForwardNorm(_))
}

fn write(writer: &mut FolderWriter, id: MatrixId, fitted: &FittedMatrix) -> Result<()> {
    let codes = |scales: &mut dyn Iterator<Item = &Scale>| -> Vec<u8> {
        scales.flat_map(|scale| scale.0.to_le_bytes()).collect()
    };
    writer.write(&names::rows(id), &codes(&mut fitted.row_scales.iter()))?;
    for (set, prefix) in fitted.column_scales.iter().zip(first_prefix(fitted.planes.len())..) {
        writer.write(&names::columns(id, prefix), &codes(&mut set.iter().flatten()))?;
    }
    for (plane, signs) in fitted.planes.iter().enumerate() {
        writer.write(&names::plane(id, plane), signs)?;
    }
    Ok(())
}
