//! One matrix of a model: how far its planes and scales have come, and which of them are in use.

use alloc::{string::String, vec::Vec};
use core::ops::Range;
use serde::Serialize;

use crate::{
    index::MatrixPlan,
    kernel::{self, ColumnScales, Scales},
    plane::{Layout, coded::Part},
    scale::Scale,
    weights::MatrixId,
};

/// One matrix.
pub(super) struct Matrix {
    pub id: MatrixId,
    pub plan: MatrixPlan,
    pub rows: usize,
    pub columns: usize,
    /// The place of its planes in the arena, and how they lie there.
    pub place: Range<usize>,
    pub layout: Layout,
    /// Planes it has.
    pub planes: usize,
    /// What has come of each prefix.
    pub prefixes: Vec<Prefix>,
    pub row_codes: Vec<u16>,
    /// The scales in use, for the planes in use.
    pub column_scales: ColumnScales,
    pub row_scales: Scales,
    pub planes_in_use: usize,
}

/// What has come of a prefix of a matrix's planes.
#[derive(Clone)]
pub(super) struct Prefix {
    /// The shard that completed its planes, those of shorter prefixes being there; `usize::MAX` while they are missing.
    pub planes_came: usize,
    /// Codes of its column scales as they came, `(plane, column)`; where levels lie evenly, those of the last plane.
    pub codes: Vec<u16>,
    /// The same for them.
    pub codes_came: usize,
}

impl Matrix {
    /// The most planes that can be used within the first `level` plane shards; 0 where none can.
    pub fn planes_at(&self, level: usize) -> usize {
        let here = self.plan.prefixes.iter().zip(&self.prefixes).take_while(|(_, came)| came.planes_came <= level);
        here.filter(|(_, came)| came.codes_came <= level).map(|(&prefix, _)| prefix).max().unwrap_or(0)
    }

    /// The planes of a prefix that are not of a shorter one.
    pub fn part(&self, set: usize) -> Part {
        let from = if set > 0 { self.plan.prefixes[set - 1] } else { 0 };
        Part { rows: self.rows, columns: self.columns, from, to: self.plan.prefixes[set] }
    }

    /// Its part of the arena.
    pub fn signs<'a>(&self, arena: &'a [u8]) -> &'a [u8] {
        &arena[self.place.clone()]
    }

    /// What its product with so many tokens needs.
    pub fn need(&self, tokens: usize) -> kernel::Need {
        let planes = self.planes;
        kernel::Need { rows: self.rows, columns: self.columns, planes, scaled: planes, tokens }
    }

    /// Switches to the first `planes` planes and their scales, where there are such.
    pub fn use_planes(&mut self, planes: usize) {
        let set = self.plan.prefixes.iter().position(|&prefix| prefix == planes);
        if let Some(set) = set.filter(|_| planes != self.planes_in_use) {
            let (codes, columns) = (&self.prefixes[set].codes, self.columns);
            self.column_scales = ColumnScales::new(planes, columns, |plane, column| match self.plan.is_even {
                true => Scale(codes[column]).doubled(planes - 1 - plane),
                false => Scale(codes[plane * columns + column]),
            });
            self.planes_in_use = planes;
        }
    }
}

/// What a matrix is and how far it has come, for people and pages.
#[derive(Clone, Debug, Serialize)]
pub struct MatrixInfo {
    /// Its name in the checkpoint.
    pub name: String,
    /// Its block, 0 for tables.
    pub layer: usize,
    /// `q`, `k`, `v`, `o`, `gate`, `up`, `down`, `embedding`, `positions` or `head`.
    pub kind: &'static str,
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Planes it has.
    pub planes: usize,
    /// Planes that are in use now.
    pub planes_ready: usize,
    /// Bytes of its planes and scales in the folder.
    pub bytes: u64,
    /// The same of each of its prefixes.
    pub prefix_bytes: Vec<u64>,
    /// Numbers of planes that it can be used with.
    pub prefixes: Vec<usize>,
    /// The relative error against the checkpoint of each, weighted by the activations of the calibration text.
    pub errors: Vec<f64>,
    /// That of all planes.
    pub error: f64,
    /// Why it got this many planes.
    pub reason: String,
}
