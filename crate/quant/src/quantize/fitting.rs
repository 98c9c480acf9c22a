//! Every matrix in its turn: the tables, then the blocks, stage by stage, and what is tuned last.

use std::{
    cell::Cell,
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use nomul::{
    Result,
    config::Architecture,
    index::names,
    plane::coded::{Part, encode},
    scale::Scale,
    weights::{Kind, MatrixId, VectorId},
};
use rayon::prelude::*;

use super::{MatrixReport, Work};
use crate::{
    calibrate::Calibration,
    dense::Dense,
    fit::{FittedMatrix, Hessian, Levels, Metric},
    folder::FolderWriter,
    levels::Plan,
    sensitivity::Sensitivity,
    tune::{Rest, Tuned},
};

/// A model while its matrices are fitted.
pub(super) struct Fitting<'a> {
    work: &'a Work<'a>,
    plans: HashMap<MatrixId, &'a Plan>,
    sensitivity: Option<&'a Sensitivity>,
    writer: &'a mut FolderWriter,
    /// What is fitted, and what is next.
    weights: Dense,
    /// Matrices that are yet to be tuned.
    held: HashMap<MatrixId, FittedMatrix>,
    reports: Vec<MatrixReport>,
    /// Units of the work.
    done: AtomicU64,
}

impl<'a> Fitting<'a> {
    /// Nothing is fitted yet; vectors are written.
    pub fn new(
        work: &'a Work<'a>,
        plans: &'a [Plan],
        sensitivity: Option<&'a Sensitivity>,
        writer: &'a mut FolderWriter,
    ) -> Result<Fitting<'a>> {
        let config = work.config;
        let mut weights = Dense::new(config);
        for id in VectorId::all(config) {
            if let Some(vector) = work.rotation.vector(work.checkpoint, id)? {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                writer.write(&id.name(config.architecture), &bytes)?;
                weights.insert_vector(id, vector);
            }
        }
        Ok(Fitting {
            work,
            plans: plans.iter().map(|plan| (plan.id, plan)).collect(),
            sensitivity,
            writer,
            weights,
            held: HashMap::new(),
            reports: Vec::new(),
            done: AtomicU64::new(work.measuring()),
        })
    }

    /// Fits every matrix, tunes them and writes them. What was tuned: all planes, and those of the first level.
    pub fn run(mut self) -> Result<(Vec<MatrixReport>, [Option<Tuned>; 2])> {
        let Work { config, options, .. } = *self.work;
        let embedding = MatrixId { layer: 0, kind: Kind::Embedding };
        let cost = match self.sensitivity.and_then(|s| s.table(Kind::Embedding)) {
            Some(table) => table.cost.clone(),
            None => Hessian::identity(config.hidden_size)?,
        };
        self.fit_table(embedding, &cost)?;
        drop(cost);
        if config.encoder.is_some() {
            self.fit_table(MatrixId { layer: 0, kind: Kind::Position }, &Hessian::identity(config.hidden_size)?)?;
        }
        let teacher = self.work.teacher()?;
        let mut rest = teacher.as_ref().filter(|_| self.work.adapted()).map(Rest::new);
        if rest.is_some() {
            for id in MatrixId::all(config).filter(|&id| id != embedding) {
                self.weights.insert(id, self.original(id)?);
            }
        }
        let mut calibration = Calibration::new(config, &self.weights, options.windows)?;
        for layer in 0..config.num_hidden_layers {
            self.fit_block(layer, &mut calibration, rest.as_mut())?;
        }
        if !config.tie_word_embeddings {
            let hessian = match options.windows.is_empty() {
                false => calibration.head_hessian(config, &self.weights)?,
                true => Hessian::identity(config.hidden_size)?,
            };
            self.fit_table(MatrixId { layer: 0, kind: Kind::Head }, &hessian)?;
        }
        drop((self.weights, calibration, rest));
        let Some(teacher) = teacher.filter(|_| !self.held.is_empty()) else {
            return Ok((self.reports, [None; 2]));
        };
        let tuned = self.work.tune(&mut self.held, &teacher)?;
        for id in MatrixId::all(config) {
            write_scales(self.writer, config.architecture, id, &self.held[&id])?;
        }
        Ok((self.reports, tuned))
    }

    /// A matrix as the checkpoint has it, rotated.
    fn original(&self, id: MatrixId) -> Result<Vec<f32>> {
        self.work.rotation.matrix(self.work.checkpoint, id)
    }

    fn fit_table(&mut self, id: MatrixId, cost: &Hessian) -> Result<()> {
        let fitted = match self.recall(id) {
            Some(known) => self.skip(&[id], known),
            None => self.fit(id, &self.original(id)?, Metric::of(cost))?,
        };
        self.keep(id, fitted)
    }

    fn fit_block(&mut self, layer: usize, calibration: &mut Calibration, mut rest: Option<&mut Rest>) -> Result<()> {
        let config = self.work.config;
        let block = Kind::of_block(config.architecture).iter().map(|&kind| MatrixId { layer, kind });
        if rest.is_none() {
            for id in block.clone() {
                self.weights.insert(id, self.original(id)?);
            }
        }
        let stages = calibration.stages(config);
        for (at, &stage) in stages.iter().enumerate() {
            if let Some(rest) = &mut rest {
                let steps = self.work.options.adapting;
                for step in steps * at / stages.len()..steps * (at + 1) / stages.len() {
                    let done = self.add(self.work.step(config.num_hidden_layers - layer));
                    self.work.tell(format!("adapting to block {layer}, step {} of {steps}", step + 1), done);
                    rest.step(&mut self.weights, layer, calibration, &stages[..at].concat())?;
                }
            }
            let own: Vec<MatrixId> = stage.iter().map(|&kind| MatrixId { layer, kind }).collect();
            let fitted = match own.iter().map(|&id| self.recall(id)).collect::<Option<Vec<_>>>() {
                Some(known) => self.skip(&own, known),
                None => self.fit_stage(&own, calibration)?,
            };
            own.into_iter().zip(fitted).try_for_each(|(id, fitted)| self.keep(id, fitted))?;
        }
        calibration.advance(config, &self.weights, layer)?;
        block.for_each(|id| drop(self.weights.remove(id)));
        Ok(())
    }

    /// Matrices that do not wait for each other.
    fn fit_stage(&self, own: &[MatrixId], calibration: &mut Calibration) -> Result<Vec<FittedMatrix>> {
        let layer = own[0].layer;
        let stage: Vec<Kind> = own.iter().map(|id| id.kind).collect();
        let inputs = calibration.inputs(self.work.config, &self.weights, (layer, &stage), self.sensitivity);
        let inputs = inputs.map_err(|e| e.at(format!("block {layer}")))?;
        let metric = |id: MatrixId| Metric {
            inputs: inputs.of(id.kind),
            outputs: self.sensitivity.and_then(|s| s.outputs(id)).map(|outputs| &outputs.gradients),
        };
        own.par_iter().map(|&id| self.fit(id, self.weights.matrix(id), metric(id))).collect()
    }

    fn fit(&self, id: MatrixId, matrix: &[f32], metric: Metric) -> Result<FittedMatrix> {
        let Work { config, options, journal, .. } = *self.work;
        let (rows, columns) = id.kind.shape(config);
        let name = id.name(config.architecture);
        let step = format!("fitting {name}");
        let known = Cell::new(0);
        let tell = |column: usize| {
            let now = column.min(columns);
            let fresh = now.saturating_sub(known.replace(now)) as u64 * rows as u64;
            self.work.tell(step.clone(), self.add(fresh));
        };
        let plan = self.plans[&id];
        let levels = Levels { prefixes: &plan.prefixes(), bits: plan.bits };
        let fitted = options.fit.fit(matrix, (rows, columns), metric, levels, &tell);
        tell(columns);
        let fitted = fitted.map_err(|e| e.at(&name))?;
        journal.map_or(Ok(()), |journal| journal.put(&name, &fitted))?;
        Ok(fitted)
    }

    /// What a stopped run has fitted.
    fn recall(&self, id: MatrixId) -> Option<FittedMatrix> {
        self.work.journal?.get(&id.name(self.work.config.architecture))
    }

    /// What is known of some matrices, which count as done.
    fn skip<T>(&self, ids: &[MatrixId], known: T) -> T {
        let shapes = ids.iter().map(|id| id.kind.shape(self.work.config));
        self.add(shapes.map(|(rows, columns)| rows as u64 * columns as u64).sum());
        known
    }

    fn keep(&mut self, id: MatrixId, fitted: FittedMatrix) -> Result<()> {
        let plan = self.plans[&id];
        let architecture = self.work.config.architecture;
        let name = id.name(architecture);
        self.weights.insert(id, fitted.dequantize(plan.planes));
        self.reports.push(MatrixReport {
            name,
            planes: plan.planes,
            prefixes: fitted.prefixes.clone(),
            // Tuning leaves signs as they are.
            bytes: write_planes(self.writer, architecture, id, &fitted)?,
            errors: fitted.errors.clone(),
            is_even: fitted.is_even,
            expected: plan.expected,
            reason: plan.reason.clone(),
        });
        if self.work.tuned() {
            self.held.insert(id, fitted);
            return Ok(());
        }
        write_scales(self.writer, architecture, id, &fitted)
    }

    /// More units of the work that are done, and how many that makes.
    fn add(&self, fresh: u64) -> u64 {
        self.done.fetch_add(fresh, Ordering::Relaxed) + fresh
    }
}

/// The bytes that each prefix then takes, scales included.
fn write_planes(
    writer: &mut FolderWriter,
    architecture: Architecture,
    id: MatrixId,
    fitted: &FittedMatrix,
) -> Result<Vec<u64>> {
    let FittedMatrix { rows, columns, planes, prefixes, is_even, .. } = fitted;
    let (mut from, mut bytes) = (0, 2 * rows);
    let levels = prefixes.iter().map(|&to| {
        let coded = encode(Part { rows: *rows, columns: *columns, from, to }, planes);
        writer.write(&names::planes(architecture, id, to), &coded)?;
        from = to;
        bytes += coded.len() + 2 * columns * if *is_even { 1 } else { to };
        Ok(bytes as u64)
    });
    levels.collect()
}

fn write_scales(
    writer: &mut FolderWriter,
    architecture: Architecture,
    id: MatrixId,
    fitted: &FittedMatrix,
) -> Result<()> {
    let codes = |scales: &mut dyn Iterator<Item = &Scale>| -> Vec<u8> {
        scales.flat_map(|scale| scale.0.to_le_bytes()).collect()
    };
    writer.write(&names::rows(architecture, id), &codes(&mut fitted.row_scales.iter()))?;
    for (set, prefix) in fitted.column_scales.iter().zip(&fitted.prefixes) {
        let stored = if fitted.is_even { &set[set.len() - 1..] } else { &set[..] };
        writer.write(&names::columns(architecture, id, *prefix), &codes(&mut stored.iter().flatten()))?;
    }
    Ok(())
}
