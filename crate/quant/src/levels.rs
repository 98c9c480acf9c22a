//! When planes come: what is in which file of a model folder.
//!
//! The base shard has what is not a plane. The first level has for every matrix the planes that a model starts with; each
//! further level completes some matrices, those first that gain most by it for their bytes.

use nomul::{
    config::ModelConfig,
    index::names,
    plane::coded::Part,
    weights::{MatrixId, VectorId},
};

use crate::folder::{Planned, PlannedShard};

/// Levels of a model, where it has enough matrices: a step every few seconds of a slow download.
const LEVELS: usize = 6;

/// The planes of one matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Which matrix.
    pub id: MatrixId,
    /// All its planes.
    pub planes: usize,
    /// Those in the first level.
    pub start: usize,
    /// The level that completes it.
    pub level: usize,
    /// Bits a weight that its planes are to be coded in, on levels that lie evenly; `None`: levels lie where the weights are.
    pub bits: Option<f64>,
    /// The share of its output's energy that all its planes are expected to lose, if something is known of it.
    pub expected: Option<f64>,
    /// Why it has so many, for people.
    pub reason: String,
}

impl Plan {
    /// The numbers of planes that it is used with.
    pub fn prefixes(&self) -> Vec<usize> {
        if self.start < self.planes { vec![self.start, self.planes] } else { vec![self.planes] }
    }

    fn bytes_later(&self, config: &ModelConfig) -> usize {
        let (rows, columns) = self.id.kind.shape(config);
        (self.planes - self.start) * rows * columns / 8
    }
}

/// Chooses the level that completes each matrix: the larger its gain for a byte, the sooner; levels of about the same size.
pub fn share_out(config: &ModelConfig, plans: &mut [Plan], gains: &[f64]) {
    let mut order: Vec<usize> = (0..plans.len()).filter(|&i| plans[i].start < plans[i].planes).collect();
    // Of equals, in the order of the forward pass.
    order.sort_by(|&a, &b| gains[b].total_cmp(&gains[a]));
    let total: usize = order.iter().map(|&i| plans[i].bytes_later(config)).sum();
    let mut before = 0;
    for i in order {
        let bytes = plans[i].bytes_later(config);
        plans[i].level = 2 + (before + bytes / 2) * (LEVELS - 1) / total.max(1);
        before += bytes;
    }
    // A large matrix can leave a level empty.
    let mut used: Vec<usize> = plans.iter().map(|plan| plan.level).collect();
    used.sort_unstable();
    used.dedup();
    for plan in plans.iter_mut().filter(|plan| plan.level > 1) {
        plan.level = 2 + used.iter().filter(|&&level| level > 1 && level < plan.level).count();
    }
}

/// The files: the base, then one for each level.
pub fn shards(config: &ModelConfig, plans: &[Plan]) -> Vec<PlannedShard> {
    let mut base: Vec<Planned> = Vec::new();
    let architecture = config.architecture;
    let vectors = VectorId::all(config).filter(|id| !id.is_folded(architecture));
    base.extend(vectors.map(|id| Planned::exact(id.name(architecture), "F32", vec![id.len(config)])));
    base.extend(
        plans.iter().map(|Plan { id, .. }| {
            Planned::exact(names::rows(architecture, *id), "U16", vec![id.kind.shape(config).0])
        }),
    );
    let mut shards = vec![PlannedShard { file: "model-base.safetensors".into(), tensors: base }];
    let levels = plans.iter().map(|plan| plan.level).max().unwrap_or(1);
    for level in 1..=levels {
        let mut tensors = Vec::new();
        for plan in plans {
            let (rows, columns) = plan.id.kind.shape(config);
            let (from, to) = match level {
                1 => (0, plan.start),
                _ if level == plan.level => (plan.start, plan.planes),
                _ => continue,
            };
            let planes = if plan.bits.is_some() { 1 } else { to };
            tensors.push(Planned::exact(names::columns(architecture, plan.id, to), "U16", vec![planes, columns]));
            let most = Part { rows, columns, from, to }.most_bytes().unwrap_or(usize::MAX);
            tensors.push(Planned::coded(names::planes(architecture, plan.id, to), most));
        }
        shards.push(PlannedShard { file: format!("model-level-{level}-of-{levels}.safetensors"), tensors });
    }
    shards
}
