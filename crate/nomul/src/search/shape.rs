//! What an index holds: numbers of which kind, how many to a vector, compared how; and the bytes that takes.

use super::{blocks::Blocks, keys::table_bytes};
use crate::{Result, bail};

/// The most numbers of a vector.
pub const MAX_DIMENSIONS: usize = 65_536;
/// The most vectors of an index: rows are numbered in 32 bits.
pub const MAX_VECTORS: usize = u32::MAX as usize;

/// The numbers that vectors are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// -1 and +1, one bit each.
    Signs,
    /// -1, 0 and +1, two bits each.
    Ternary,
    /// One signed byte each.
    I8,
    /// Two signed bytes each.
    I16,
}

impl Kind {
    /// Every kind, in the order of their numbers in an image.
    pub const ALL: [Kind; 4] = [Kind::Signs, Kind::Ternary, Kind::I8, Kind::I16];

    /// The stable spelling, for example `"i8"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Signs => "signs",
            Kind::Ternary => "ternary",
            Kind::I8 => "i8",
            Kind::I16 => "i16",
        }
    }
}

impl core::str::FromStr for Kind {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Kind> {
        match Kind::ALL.into_iter().find(|kind| kind.as_str() == text) {
            Some(kind) => Ok(kind),
            None => bail!(Input, "kind: {text:?} is none of signs, ternary, i8, i16"),
        }
    }
}

/// How vectors are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The sum of products.
    Dot,
    /// The sum of products over both lengths.
    Cosine,
}

impl Metric {
    /// Every metric, in the order of their numbers in an image.
    pub const ALL: [Metric; 2] = [Metric::Dot, Metric::Cosine];

    /// The stable spelling, for example `"cosine"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Metric::Dot => "dot",
            Metric::Cosine => "cosine",
        }
    }
}

impl core::str::FromStr for Metric {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Metric> {
        match Metric::ALL.into_iter().find(|metric| metric.as_str() == text) {
            Some(metric) => Ok(metric),
            None => bail!(Input, "metric: {text:?} is neither dot nor cosine"),
        }
    }
}

/// What an index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    kind: Kind,
    dimensions: usize,
    metric: Metric,
}

impl Shape {
    /// Vectors of `dimensions` numbers, 1 to [`MAX_DIMENSIONS`].
    pub fn new(kind: Kind, dimensions: usize, metric: Metric) -> Result<Shape> {
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            bail!(Input, "dimensions: {dimensions} is not between 1 and {MAX_DIMENSIONS}");
        }
        Ok(Shape { kind, dimensions, metric })
    }

    /// The numbers of a vector.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How many numbers a vector has.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How vectors are compared.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Bytes of a vector as the caller gives it: packed bits, two planes of them, or little-endian numbers.
    pub fn vector_bytes(&self) -> usize {
        let bits = self.dimensions.div_ceil(8);
        match self.kind {
            Kind::Signs => bits,
            Kind::Ternary => 2 * bits,
            Kind::I8 => self.dimensions,
            Kind::I16 => 2 * self.dimensions,
        }
    }

    /// Bytes of one plane of bits in memory: whole registers, padded with zeros.
    pub(super) fn plane_bytes(&self) -> usize {
        self.dimensions.div_ceil(128) * 16
    }

    /// Bytes of a row's planes: signs, and for ternary numbers which of them are not zero.
    pub(super) fn code_bytes(&self) -> usize {
        if self.kind == Kind::Ternary { 2 * self.plane_bytes() } else { self.plane_bytes() }
    }

    /// Bytes of a row's numbers, where bits do not say all.
    pub(super) fn number_bytes(&self) -> usize {
        match self.kind {
            Kind::Signs | Kind::Ternary => 0,
            Kind::I8 | Kind::I16 => self.vector_bytes(),
        }
    }

    /// Whether rows have a length of their own that matters.
    pub(super) fn has_lengths(&self) -> bool {
        self.metric == Metric::Cosine && self.kind != Kind::Signs
    }

    /// The bytes of memory that an index of `vectors` vectors takes, to be known before it is built.
    pub fn memory(&self, vectors: usize) -> Result<u64> {
        if vectors as u64 > MAX_VECTORS as u64 {
            bail!(Capacity, "{vectors} vectors: an index holds {MAX_VECTORS} at most");
        }
        let rows = vectors as u64;
        let tables = [self.code_bytes(), self.number_bytes()].map(|bytes| Blocks::memory(bytes, rows));
        let words = if self.has_lengths() { 16 } else { 8 };
        Ok(tables[0] + tables[1] + words * rows + table_bytes(vectors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn sizes() {
        let shape = |kind, dimensions| Shape::new(kind, dimensions, Metric::Cosine).unwrap();
        assert_eq!(shape(Kind::Signs, 1000).vector_bytes(), 125);
        assert_eq!(shape(Kind::Signs, 1000).code_bytes(), 128);
        assert_eq!(shape(Kind::Ternary, 9).vector_bytes(), 4);
        assert_eq!(shape(Kind::Ternary, 9).code_bytes(), 32);
        assert_eq!(shape(Kind::I16, 100).number_bytes(), 200);
        // A million vectors of 1,024 bits: 128 MB of bits, 8 MB of keys, and the table of keys.
        let bytes = shape(Kind::Signs, 1024).memory(1_000_000).unwrap();
        assert!((136_000_000..150_000_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn what_cannot_be_is_told() {
        for dimensions in [0, MAX_DIMENSIONS + 1, usize::MAX] {
            let error = Shape::new(Kind::I8, dimensions, Metric::Dot).unwrap_err();
            assert_eq!(error.to_string(), alloc::format!("dimensions: {dimensions} is not between 1 and 65536"));
        }
        assert!("bits".parse::<Kind>().is_err());
        assert!("euclid".parse::<Metric>().is_err());
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
    }
}
