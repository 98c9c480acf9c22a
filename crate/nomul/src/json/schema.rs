//! How values become symbols: for the whole encoder, and for each path.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{path::Path, path::Step};
use crate::{Code, Error, Result, bail, vsa};

/// The version of the encoder: of what it makes of one and the same schema.
pub const VERSION: u32 = 1;

/// All that an encoder depends on. Two encoders with equal schemas give equal vectors on every engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// [`VERSION`] of the encoder it was written for.
    pub version: u32,
    /// Signs of a vector.
    pub dimension: usize,
    /// Everything random follows from it.
    #[serde(default)]
    pub seed: u64,
    /// What weighs the same.
    #[serde(default)]
    pub balance: Balance,
    /// What each level further down weighs, against the one above: over 0, at most 1.
    #[serde(default = "one")]
    pub depth: f64,
    /// Hints by path, with `[]` for the items of an array: `"items[].price"`.
    #[serde(default)]
    pub paths: BTreeMap<String, Hint>,
}

fn one() -> f64 {
    1.0
}

/// What weighs the same in a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Balance {
    /// Every leaf, wherever it is. Only then can fields be added and removed without encoding again.
    #[default]
    Leaves,
    /// Every child of one container: a long array weighs as much as a number beside it.
    Levels,
}

/// What is to be done at a path. What is left out is as in [`Hint::default`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    /// How much it weighs against others, itself and all below: over 0, at most 64. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Leaves it out, itself and all below.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore: bool,
    /// What an array is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<ArrayMode>,
    /// What a string is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string: Option<StringMode>,
    /// What a number is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<NumberMode>,
    /// The share of the places that tell whether two numbers, dates or texts are equal at all; the others tell how near
    /// they are. 0 to 1, in steps of 64 places; 0 by default. Equal values are then more similar than all near ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<f64>,
    /// The least and the largest number, or date in seconds, that came: where [`Encoder::get`](super::Encoder::get)
    /// looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What an array is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase", deny_unknown_fields)]
pub enum ArrayMode {
    /// Every item has its position; an item elsewhere is another one.
    #[default]
    Ordered,
    /// Positions that are near each other are similar, up to `reach` places.
    Near {
        /// Where similarity ends: 1 to 1,000,000.
        reach: f64,
    },
    /// Items without positions, as often as they come.
    Bag,
    /// Items without positions, each once.
    Set,
}

/// What a string is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase", deny_unknown_fields)]
pub enum StringMode {
    /// One symbol: equal or different.
    #[default]
    Whole,
    /// Its words, in any order and either case: similar as far as words are common.
    Words,
    /// Its runs of characters, in either case: similar in spelling.
    Ngrams {
        /// Characters of a run: 1 to 8.
        size: usize,
    },
    /// A date of ISO 8601, a point in time; anything else is taken whole.
    Date {
        /// Seconds after which similarity ends: over 0.
        unit: f64,
        /// The same for three quarters of the places that do not tell whether two dates are equal, which then tell those
        /// of an hour from those of a month: over 0. By default there are none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        near: Option<f64>,
    },
    /// A vector that a text encoder gave, see [`Encoder::attach`](super::Encoder::attach).
    Embedding,
}

/// What a number is: how it becomes a level. Similarity falls from 1 to 0 over one level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase", deny_unknown_fields)]
pub enum NumberMode {
    /// One symbol: equal or different.
    Exact,
    /// Differences count.
    Linear {
        /// The difference at which similarity ends: over 0.
        unit: f64,
    },
    /// Ratios count, for negative numbers too; linear below `small`.
    Log {
        /// Around where lines turn into ratios: over 0.
        small: f64,
        /// Doublings after which similarity ends: over 0.
        octaves: f64,
    },
    /// Ranks count: levels lie evenly between these numbers, which ascend.
    Quantiles {
        /// At least two.
        at: Vec<f64>,
    },
    /// Hours, weekdays, angles: `period` is 0 again.
    Circular {
        /// Over 0.
        period: f64,
        /// Levels of one turn: 2 to 1,024.
        marks: u32,
    },
}

impl Default for NumberMode {
    fn default() -> Self {
        NumberMode::Log { small: 1.0, octaves: 1.0 }
    }
}

impl Schema {
    /// Without hints.
    pub fn new(dimension: usize) -> Schema {
        let paths = BTreeMap::new();
        Schema { version: VERSION, dimension, seed: 0, balance: Balance::Leaves, depth: 1.0, paths }
    }

    /// Reads and checks one. Errors say where: a line and a column, or a path and a field.
    pub fn parse(text: &[u8]) -> Result<Schema> {
        let schema: Schema = serde_json::from_slice(text).map_err(|error| {
            let what = error.to_string();
            let what = what.rfind(" at line ").map_or(what.as_str(), |end| &what[..end]);
            let (line, column) = (error.line(), error.column());
            Error::new(Code::Format, format!("schema: line {line}, column {column}: {what}"))
        })?;
        schema.check()?;
        Ok(schema)
    }

    /// The schema as JSON with line ends, for people to read and change.
    pub fn text(&self) -> String {
        // Writing to memory does not fail, and keys are strings.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Refuses what no encoder takes.
    pub fn check(&self) -> Result<()> {
        if self.version != VERSION {
            bail!(Unsupported, "schema: version {}, this encoder is version {VERSION}", self.version);
        }
        vsa::check_dimension(self.dimension).map_err(|error| error.at("schema"))?;
        if !(self.depth > 0.0 && self.depth <= 1.0) {
            bail!(Value, "schema: depth {} is not over 0 and at most 1", self.depth);
        }
        for (text, hint) in &self.paths {
            let path = Path::parse(text).map_err(|error| error.at(format!("schema: paths: {text:?}")))?;
            if path.0.iter().any(|step| matches!(step, Step::Index(_))) {
                bail!(Input, "schema: paths: {text:?}: items of an array are written []");
            }
            if path.to_string() != *text {
                bail!(Input, "schema: paths: {text:?}: is written {:?}", path.to_string());
            }
            hint.check().map_err(|error| error.at(format!("schema: paths: {text:?}")))?;
        }
        Ok(())
    }

    /// What files are marked with, so that vectors of different encoders are never compared: the version and a digest of
    /// everything that the encoder depends on.
    pub fn identity(&self) -> String {
        let digest = Sha256::digest(serde_json::to_string(self).unwrap_or_default().as_bytes());
        let hex: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("nomul-json/{VERSION}/{}/{hex}", self.dimension)
    }
}

impl Hint {
    /// The words of a vector whose places tell equal values from all others.
    pub(super) fn exact_words(&self, dimension: usize) -> usize {
        libm::floor(self.exact.unwrap_or(0.0) * dimension as f64 / 64.0) as usize
    }

    /// The word from which on the places of a date follow its `unit`.
    pub(super) fn coarse_words(&self, dimension: usize) -> usize {
        let exact = self.exact_words(dimension);
        match self.string {
            Some(StringMode::Date { near: Some(_), .. }) => exact + 3 * (dimension.div_ceil(64) - exact) / 4,
            _ => exact,
        }
    }

    fn check(&self) -> Result<()> {
        let over_zero = |field: &str, x: f64, most: f64| {
            if !(x > 0.0 && x <= most) {
                let bound = if most < f64::MAX { format!("over 0 and at most {most}") } else { "over 0".into() };
                bail!(Value, "{field} {x} is not {bound}");
            }
            Ok(())
        };
        over_zero("weight", self.weight.unwrap_or(1.0), 64.0)?;
        if !(0.0..=1.0).contains(&self.exact.unwrap_or(0.0)) {
            bail!(Value, "exact {} is not 0 to 1", self.exact.unwrap_or(0.0));
        }
        match &self.number {
            Some(NumberMode::Linear { unit }) => over_zero("number: unit", *unit, f64::MAX)?,
            Some(NumberMode::Log { small, octaves }) => {
                over_zero("number: small", *small, f64::MAX)?;
                over_zero("number: octaves", *octaves, 1e4)?;
            }
            Some(NumberMode::Quantiles { at }) => {
                if at.len() < 2 || at.iter().any(|x| !x.is_finite()) || at.windows(2).any(|pair| pair[0] >= pair[1]) {
                    bail!(Value, "number: at has to hold at least two numbers, each larger than the one before");
                }
            }
            Some(NumberMode::Circular { period, marks }) => {
                over_zero("number: period", *period, f64::MAX)?;
                if !(2..=1_024).contains(marks) {
                    bail!(Value, "number: marks {marks} is not 2 to 1024");
                }
            }
            Some(NumberMode::Exact) | None => {}
        }
        match self.string {
            Some(StringMode::Ngrams { size }) if !(1..=8).contains(&size) => {
                bail!(Value, "string: size {size} is not 1 to 8")
            }
            Some(StringMode::Date { unit, near }) => {
                over_zero("string: unit", unit, f64::MAX)?;
                over_zero("string: near", near.unwrap_or(1.0), f64::MAX)?;
            }
            _ => {}
        }
        match self.array {
            Some(ArrayMode::Near { reach }) if !(1.0..=1e6).contains(&reach) => {
                bail!(Value, "array: reach {reach} is not 1 to 1000000")
            }
            _ => {}
        }
        if let Some([least, largest]) = self.range
            && !(least.is_finite() && largest.is_finite() && least <= largest)
        {
            bail!(Value, "range [{least}, {largest}] does not ascend");
        }
        Ok(())
    }
}

impl NumberMode {
    /// The level of a number; none where numbers have no order.
    pub(super) fn level(&self, x: f64) -> Option<f64> {
        match self {
            NumberMode::Exact => None,
            NumberMode::Linear { unit } => Some(x / unit),
            NumberMode::Log { small, octaves } => {
                let size = libm::log2(1.0 + libm::fabs(x) / small) / octaves;
                Some(libm::copysign(size, x))
            }
            NumberMode::Quantiles { at } => {
                // Beyond the ends the line goes on with the last slope.
                let i = at.partition_point(|knot| *knot <= x).clamp(1, at.len() - 1) - 1;
                Some(i as f64 + (x - at[i]) / (at[i + 1] - at[i]))
            }
            NumberMode::Circular { period, marks } => {
                let turn = x / period;
                Some((turn - libm::floor(turn)) * *marks as f64)
            }
        }
    }

    /// The number of a level.
    pub(super) fn number(&self, level: f64) -> f64 {
        match self {
            NumberMode::Exact => 0.0,
            NumberMode::Linear { unit } => level * unit,
            NumberMode::Log { small, octaves } => {
                libm::copysign((libm::exp2(libm::fabs(level) * octaves) - 1.0) * small, level)
            }
            NumberMode::Quantiles { at } => {
                let i = libm::floor(level).clamp(0.0, (at.len() - 2) as f64) as usize;
                at[i] + (level - i as f64) * (at[i + 1] - at[i])
            }
            NumberMode::Circular { period, marks } => {
                let turn = level / *marks as f64;
                (turn - libm::floor(turn)) * period
            }
        }
    }
}
