//! What can be asked of an embedding.

use alloc::{vec, vec::Vec};
use serde::{Deserialize, Serialize};

use super::{project::Sparsity, propagate::Step};
use crate::{Result, bail};

/// How powers become vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The weighted sum of powers.
    Sum,
    /// Every column of it with mean 0 and standard deviation 1, as in the paper's code.
    Zscore,
    /// Every row of that scaled to the same length, the square root of half the dimensions. Nodes that look like many others are short
    /// otherwise, and count for little in whatever learns from the vectors.
    #[default]
    Sphere,
}

/// Options of FastRP. The defaults of `weights` and `beta` were chosen by the quality on BlogCatalog, and are kept by that of the splits of
/// `nomul graph classify --seed 100 --splits 3`, which are others than those that `npm run bench -- graph` scores: micro-F1 at 10 and 50 %
/// is 38.5 and 42.4, 36.9 and 41.7 with weights 0, 0, 1, 4, 4, and 35.3 and 40.0 with 0, 0, 1, 4 (512 dimensions).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Options {
    /// Columns of the vectors.
    pub dimensions: usize,
    /// Weights of powers 0, 1, 2…: of the start (Neo4j's node self-influence), of neighbours, of their neighbours. The
    /// longest path is one shorter than there are weights. Rounded to powers of two; 0 leaves a power out.
    pub weights: Vec<f32>,
    /// The power of its degree by which a node's start is scaled (the paper's beta, Neo4j's normalisation strength).
    pub beta: f32,
    /// How many entries of the start are not zero.
    pub sparsity: Sparsity,
    /// What a propagation is: [`Step::Mean`] and [`Step::Sum`] as in the paper's code, [`Step::Unit`] as in Neo4j.
    pub step: Step,
    /// Scale every power's rows to length 1 before they are added, as in the paper's tuned settings.
    pub unit_powers: bool,
    /// Take from the rows of each power what they have in common, after they were scaled to length 1, and scale them anew.
    /// High powers all lean to one direction, which says nothing about a node.
    pub centre: bool,
    /// How powers become vectors.
    pub finish: Finish,
    /// Where random numbers start.
    pub seed: u64,
    /// The part of the dimensions, counted from the last, in which a node starts with its properties.
    pub property_ratio: f32,
    /// Keep powers of weight 0 too, so that any weights can be tried without propagating anew.
    pub keep: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            dimensions: 128,
            weights: vec![0.0, 0.0, 0.0, 1.0, 4.0, 4.0],
            beta: -0.4,
            sparsity: Sparsity::Three,
            step: Step::Mean,
            unit_powers: true,
            centre: true,
            finish: Finish::Sphere,
            seed: 0,
            property_ratio: 0.0,
            keep: false,
        }
    }
}

impl Options {
    /// The most columns.
    pub const MOST_DIMENSIONS: usize = 1 << 16;
    /// The most propagations.
    pub const MOST_POWERS: usize = 64;

    /// Refuses what cannot be meant.
    pub fn check(&self) -> Result<()> {
        if !(1..=Self::MOST_DIMENSIONS).contains(&self.dimensions) {
            bail!(Input, "dimensions: {} is not within 1 to {}", self.dimensions, Self::MOST_DIMENSIONS);
        }
        check_weights(&self.weights)?;
        if !(-4.0..=4.0).contains(&self.beta) {
            bail!(Input, "beta: {} is not within -4 to 4", self.beta);
        }
        if let Sparsity::OneIn(s) = self.sparsity
            && !(1.0..=32_768.0).contains(&s)
        {
            bail!(Input, "sparsity: {s} is not within 1 to 32768");
        }
        if !(0.0..=1.0).contains(&self.property_ratio) {
            bail!(Input, "property ratio: {} is not within 0 to 1", self.property_ratio);
        }
        Ok(())
    }

    /// True if powers are centred: only rows of one length can be.
    pub(super) fn is_centred(&self) -> bool {
        self.centre && self.unit_powers
    }

    /// Propagations.
    pub fn propagations(&self) -> usize {
        self.weights.len().saturating_sub(1)
    }

    /// Columns in which a node starts with its properties.
    pub fn property_columns(&self) -> usize {
        libm::roundf(self.dimensions as f32 * self.property_ratio) as usize
    }
}

/// Refuses weights of powers that cannot be meant.
pub fn check_weights(weights: &[f32]) -> Result<()> {
    if weights.is_empty() || weights.len() > Options::MOST_POWERS + 1 {
        bail!(Input, "weights: {} given, 1 to {} are possible", weights.len(), Options::MOST_POWERS + 1);
    }
    if let Some(weight) = weights.iter().find(|weight| !(0.0..=1e9).contains(*weight)) {
        bail!(Input, "weights: {weight} is not within 0 to 1e9");
    }
    if weights.iter().all(|&weight| weight == 0.0) {
        bail!(Input, "weights: one has to be above 0");
    }
    Ok(())
}
