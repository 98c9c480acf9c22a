//! From a checkpoint to a model folder: rotate, choose bits, calibrate, fit, block by block.

use std::path::Path;

use nomul::{
    Result, bail,
    config::ModelConfig,
    index::{first_prefix, names, stored_bytes},
    plane,
    scale::Scale,
    weights::{Kind, MatrixId, VectorId},
};
use serde_json::{Value, json};

use crate::{
    calibrate::{Calibration, RECORDED, recorded_as},
    checkpoint::Checkpoint,
    dense::Dense,
    fit::{
        FitPlanes, FittedMatrix, Hessian,
        bits::{Budget, Choice, ChooseBits, MatrixStats, predict},
    },
    folder::{FolderWriter, Planned, PlannedShard},
    rotate::Rotation,
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
    /// Seeds the rotations.
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
/// calibration text, and the second moments of one block's inputs.
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
    let choices = work.choose()?;
    let shards = work.shards(&choices);
    let mut writer = FolderWriter::new(place, options.replace, &shards)?;
    let matrices = work.fit_all(&choices, &mut writer)?;
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
    /// Weights to fit, in multiples of a column of the hidden size: the unit of progress.
    fn units(&self, ids: impl Iterator<Item = MatrixId>) -> u64 {
        ids.map(|id| id.kind.shape(self.config).0 as u64 * id.kind.shape(self.config).1 as u64).sum()
    }

    fn tell(&self, step: String, done: u64) {
        let total = self.units(MatrixId::all(self.config));
        (self.progress)(&Progress { step, done, total });
    }

    /// Planes for every matrix.
    fn choose(&self) -> Result<Vec<(MatrixId, Choice)>> {
        let mut stats = Vec::new();
        for id in MatrixId::all(self.config).filter(|id| is_linear(id.kind)) {
            let (rows, columns) = id.kind.shape(self.config);
            let error_at = if self.options.choose.needs_errors(&self.options.budget) {
                self.tell(format!("looking at {}", id.name()), 0);
                // Not `predict_calibrated`, though it foresees the errors far better (on SmolLM2 a correlation of 0.97
                // instead of 0.10): a few tokens with very large outputs make up most of a matrix's energy, so matrices
                // that matter for all the others seem to lose nothing. Shared out by it, 3 planes a weight brought the
                // probabilities three times as far from the checkpoint's (1.45 nats instead of 0.49).
                predict(&self.rotation.matrix(self.checkpoint, id)?, rows, columns)
            } else {
                [0.0; 9]
            };
            stats.push(MatrixStats { id, rows, columns, error_at, sensitivity: 1.0 });
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
    fn fit_all(&self, choices: &[(MatrixId, Choice)], writer: &mut FolderWriter) -> Result<Vec<MatrixReport>> {
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
        let mut reports = Vec::new();
        let mut done = 0;
        let planes_of = |id: MatrixId| choices.iter().find(|choice| choice.0 == id).expect("every matrix was chosen");
        let mut fit = |id: MatrixId, hessian: &Hessian, writer: &mut FolderWriter, weights: &mut Dense| {
            let (_, choice) = planes_of(id);
            let (rows, columns) = id.kind.shape(config);
            let matrix = self.rotation.matrix(self.checkpoint, id)?;
            let step = format!("fitting {}", id.name());
            self.tell(step.clone(), done);
            let tell = |column: usize| self.tell(step.clone(), done + (column.min(columns) * rows) as u64);
            let fitted = self
                .options
                .fit
                .fit(&matrix, rows, columns, hessian, choice.planes, &tell)
                .map_err(|e| e.at(id.name()))?;
            done += (rows * columns) as u64;
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
        fit(embedding, &Hessian::identity(config.hidden_size)?, writer, &mut weights)?;
        let mut calibration = Calibration::new(config, &weights, self.options.windows);
        for layer in 0..config.num_hidden_layers {
            let block = Kind::BLOCK.map(|kind| MatrixId { layer, kind });
            let hessians = if calibrated {
                for id in block {
                    weights.insert(id, self.rotation.matrix(self.checkpoint, id)?);
                }
                calibration.hessians(config, &weights, layer).map_err(|e| e.at(format!("block {layer}")))?
            } else {
                let sizes = RECORDED.map(|kind| kind.shape(config).1);
                sizes.into_iter().map(Hessian::identity).collect::<Result<_>>()?
            };
            for id in block {
                let position = RECORDED.iter().position(|&kind| kind == recorded_as(id.kind));
                fit(id, &hessians[position.expect("every input is recorded")], writer, &mut weights)?;
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
            fit(MatrixId { layer: 0, kind: Kind::Head }, &hessian, writer, &mut weights)?;
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
