//! How many planes each matrix gets, and which of them a model starts with.

use std::collections::HashMap;

use nomul::{Result, bail, kernel::MAX_PLANES, weights::MatrixId};

use super::{START, START_TABLE_PLANES, TABLE_PLANES, Work};
use crate::{
    fit::bits::{Budget, Choice, MatrixStats, predict},
    levels::{self, Plan},
    sensitivity::Sensitivity,
};

impl Work<'_> {
    /// Planes for every matrix, and when they come.
    pub(super) fn choose(&self, sensitivity: Option<&Sensitivity>) -> Result<Vec<Plan>> {
        let (config, options) = (self.config, self.options);
        let stats = |linear: bool| -> Result<Vec<MatrixStats>> {
            let ids = MatrixId::all(config).filter(|id| id.kind.is_table() != linear);
            ids.map(|id| self.stats(id, sensitivity)).collect()
        };
        let (mut blocks, mut tables) = (stats(true)?, stats(false)?);
        if options.is_even {
            return self.choose_evenly(&blocks, &tables);
        }
        let is_compared = sensitivity.is_some() && !options.choose.is_uniform();
        let fixed = options.table_planes.or(if is_compared { None } else { Some(TABLE_PLANES) });
        let mut budget = options.budget.clone();
        match (&budget, fixed) {
            (Budget::BitsPerWeight(_), _) => (),
            // Nothing sets them apart from the others.
            (_, None) => blocks.append(&mut tables),
            (_, Some(planes)) => {
                budget = match budget.without(&tables, planes) {
                    Ok(rest) => rest,
                    Err(taken) => {
                        let (all, unit) = match budget {
                            Budget::Milliseconds { most, .. } => (most, "milliseconds"),
                            _ => (budget.limit(&[]), "bytes"),
                        };
                        bail!(
                            Input,
                            "{all} {unit}: the tables (embedding, head, positions) alone take {taken} at {planes} planes"
                        )
                    }
                }
            }
        }
        let chosen = options.choose.choose(&blocks, budget)?;
        let weights = |stats: &MatrixStats| (stats.rows * stats.columns) as f64;
        let start = options.start.unwrap_or_else(|| {
            let planes: f64 = blocks.iter().zip(&chosen).map(|(s, choice)| weights(s) * choice.planes as f64).sum();
            let average = planes / blocks.iter().map(weights).sum::<f64>();
            // Vectors made with other planes are not to be compared, so an encoder comes whole.
            if config.encoder.is_some() { average } else { average - START }
        });
        let start = Budget::BitsPerWeight(start.clamp(1.0, MAX_PLANES as f64));
        let first = options.choose.choose(&blocks, start)?;

        let mut found: HashMap<MatrixId, (Plan, f64)> = HashMap::new();
        let mut keep = |stats: &MatrixStats, choice: &Choice, start: usize| {
            // One plane alone says nothing useful.
            let start = start.max(2).min(choice.planes);
            let bytes = (stats.bytes(choice.planes) - stats.bytes(start)).max(1) as f64;
            let Choice { planes, reason } = choice.clone();
            let gain = stats.gain(start, planes) / bytes;
            // Nothing is known where nothing is said to be lost without planes.
            let expected = (stats.error_at[0] > 0.0).then_some(stats.error_at[planes]);
            found
                .insert(stats.id, (Plan { id: stats.id, planes, start, level: 1, bits: None, expected, reason }, gain));
        };
        for (stats, (choice, first)) in blocks.iter().zip(chosen.iter().zip(&first)) {
            keep(stats, choice, first.planes);
        }
        for table in &tables {
            match fixed {
                Some(planes) => {
                    let reason = format!("every word passes through it: {planes} planes");
                    keep(table, &Choice { planes, reason }, options.start_table_planes.unwrap_or(START_TABLE_PLANES));
                }
                None => {
                    let start = options.start_table_planes.unwrap_or_else(|| as_worthy(table, &blocks, &first).planes);
                    keep(table, &as_worthy(table, &blocks, &chosen), start);
                }
            }
        }
        let (mut plans, gains): (Vec<Plan>, Vec<f64>) =
            MatrixId::all(config).filter_map(|id| found.remove(&id)).unzip();
        levels::share_out(config, &mut plans, &gains);
        Ok(plans)
    }

    /// What is known of a matrix before it is fitted.
    fn stats(&self, id: MatrixId, sensitivity: Option<&Sensitivity>) -> Result<MatrixStats> {
        let (rows, columns) = id.kind.shape(self.config);
        let expected = sensitivity.and_then(|s| match id.kind.is_table() {
            true => s.table(id.kind).map(|table| &table.expected),
            false => s.outputs(id).map(|outputs| &outputs.expected),
        });
        let (error_at, sensitivity) = match expected {
            Some(expected) => (expected.error_at, Some(expected.energy)),
            None if !id.kind.is_table() && self.options.choose.needs_errors(&self.options.budget) => {
                self.tell(format!("looking at {}", id.name(self.config.architecture)), self.measuring());
                (predict(&self.rotation.matrix(self.checkpoint, id)?, rows, columns), None)
            }
            None => ([0.0; 9], None),
        };
        let rows_read = id.kind.rows_read(self.config);
        Ok(MatrixStats { id, rows, columns, rows_read, error_at, sensitivity })
    }
}

/// Planes for a matrix outside the budget: as many as gain no less for a bit than the last that others got.
fn as_worthy(stats: &MatrixStats, others: &[MatrixStats], chosen: &[Choice]) -> Choice {
    let worth = |stats: &MatrixStats, planes: usize| {
        stats.gain(planes - 1, planes) / (stats.rows as f64 * stats.columns as f64)
    };
    let last =
        others.iter().zip(chosen).map(|(other, choice)| worth(other, choice.planes)).fold(f64::INFINITY, f64::min);
    let planes = (2..=MAX_PLANES).take_while(|&planes| worth(stats, planes) >= last).last().unwrap_or(1);
    Choice { planes, reason: stats.reason(planes) }
}
