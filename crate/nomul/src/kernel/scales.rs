//! Scales in the form that is added to floats.

use alloc::{vec, vec::Vec};
use core::ops::Range;

use crate::{address::times, plane::BLOCK_COLUMNS, scale::Scale};

/// The three terms of four neighbouring scales, see [`Scale::patterns`].
pub type Patterns = [[u16; 4]; 3];

/// A list of scales, filled up with zeros to whole groups of four.
#[derive(Clone, Debug, Default)]
pub struct Scales {
    groups: Vec<Patterns>,
}

impl Scales {
    /// Room for at least `count` scales, all zero.
    pub fn zeros(count: usize) -> Scales {
        let zero = Scale::ZERO.patterns().map(|pattern| [pattern; 4]);
        Scales { groups: vec![zero; count.div_ceil(4)] }
    }

    /// One scale for each of `count` rows.
    pub fn new(count: usize, scale: impl Fn(usize) -> Scale) -> Scales {
        let mut scales = Scales::zeros(count);
        (0..count).for_each(|index| scales.set(index, scale(index)));
        scales
    }

    /// Changes one.
    pub fn set(&mut self, index: usize, scale: Scale) {
        for (term, pattern) in self.groups[index / 4].iter_mut().zip(scale.patterns()) {
            term[index % 4] = pattern;
        }
    }

    /// The three terms of one.
    pub fn terms(&self, index: usize) -> [u16; 3] {
        self.groups[index / 4].map(|term| term[index % 4])
    }

    /// Changes one to what [`Scales::terms`] told.
    pub fn set_terms(&mut self, index: usize, terms: [u16; 3]) {
        for (term, value) in self.groups[index / 4].iter_mut().zip(terms) {
            term[index % 4] = value;
        }
    }

    /// The scales from one on whose number four divides.
    pub fn from(&self, index: usize) -> &[Patterns] {
        &self.groups[index / 4..]
    }
}

/// The column scales of a matrix: those of each plane fill whole blocks of columns.
#[derive(Clone, Debug, Default)]
pub struct ColumnScales {
    planes: usize,
    stride: usize,
    scales: Scales,
}

impl ColumnScales {
    /// From scales `(plane, column)`.
    pub fn new(planes: usize, columns: usize, scale: impl Fn(usize, usize) -> Scale) -> ColumnScales {
        let stride = columns.div_ceil(BLOCK_COLUMNS) * BLOCK_COLUMNS;
        let mut scales = Scales::zeros(planes * stride);
        for (plane, column) in (0..planes).flat_map(|plane| (0..columns).map(move |column| (plane, column))) {
            scales.set(plane * stride + column, scale(plane, column));
        }
        ColumnScales { planes, stride, scales }
    }
}

impl ColumnScales {
    /// The scales of a plane in use, filled up to whole blocks.
    pub fn plane(&self, plane: usize) -> &[Patterns] {
        &self.scales.from(times(plane, self.stride))[..self.stride / 4]
    }
}

/// One of four scales as a number.
pub fn value(patterns: &Patterns, lane: usize) -> f32 {
    let one = 1.0f32.to_bits();
    patterns.iter().map(|term| f32::from_bits(one.wrapping_add(u32::from(term[lane]) << 16))).sum()
}

/// The scales of a matrix's columns and planes.
#[derive(Clone, Copy)]
pub enum Columns<'a> {
    /// Each plane has scales of its own.
    Each(&'a ColumnScales),
    /// Each plane has half of the scales of the plane before; the first plane's are these, or one.
    Halved {
        /// Planes in use.
        planes: usize,
        /// One for each column.
        first: Option<&'a [Patterns]>,
    },
}

impl Columns<'_> {
    /// Planes in use.
    pub fn planes(self) -> usize {
        match self {
            Columns::Each(scales) => scales.planes,
            Columns::Halved { planes, .. } => planes,
        }
    }

    /// Planes whose scales are kept.
    pub(super) fn kept(self) -> usize {
        match self {
            Columns::Each(scales) => scales.planes,
            Columns::Halved { .. } => 1,
        }
    }

    /// The scales of some columns, whole groups of four, of a plane that is kept; `None` for ones.
    pub(super) fn of(&self, plane: usize, columns: Range<usize>) -> Option<&[Patterns]> {
        let groups = columns.start / 4..columns.end / 4;
        match self {
            Columns::Each(scales) => Some(&scales.plane(plane)[groups]),
            Columns::Halved { first, .. } => first.map(|scales| &scales[groups]),
        }
    }
}
