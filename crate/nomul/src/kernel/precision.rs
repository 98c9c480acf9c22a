//! How finely the tables are kept, and what follows for each plane.
//!
//! All planes of a block share one unit. The first plane's entries take all bits of the precision; each later plane's
//! scales are about half those of the plane before, so its entries take one bit less. Where they are longer than a
//! byte, an entry is split; where they are shorter, several are added as bytes before the sum is widened:
//!
//! | bits | plane 0 | 1 | 2 | 3 | 4 and later |
//! |---|---|---|---|---|---|
//! | 8 | single | pairs | fours | fours | fours |
//! | 9 | split | single | pairs | fours | fours |
//! | 10 | split | split | single | pairs | fours |
//! | 11 | split | split | split | single | pairs, then fours |
//! | 12 | split | split | split | split | single, pairs, then fours |
//!
//! A bit costs 4 to 11 % of the time and divides the noise of the entries by four.

use crate::{address::times, plane::BLOCK_VECTORS};

/// Bits of the entries of the first plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precision {
    /// Bits beyond a byte.
    extra: u32,
}

/// How the entries of a plane are stored and added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entries {
    /// Two tables: seven low bits, and the rest. The low ones are added in pairs, the rest for a whole step.
    Split,
    /// One byte, widened by itself.
    Single,
    /// Two entries fit a byte.
    Pairs,
    /// Four entries fit a byte.
    Fours,
}

impl Precision {
    /// The coarsest: 8 bits.
    pub const LEAST: Precision = Precision { extra: 0 };
    /// The finest: 12 bits.
    pub const MOST: Precision = Precision { extra: 4 };

    /// Eleven bits.
    pub(crate) const ELEVEN: Precision = Precision { extra: 3 };

    /// Of so many bits: 8 to 12.
    pub fn new(bits: u32) -> Option<Precision> {
        (8..=12).contains(&bits).then(|| Precision { extra: bits - 8 })
    }

    /// Bits of the entries of the first plane.
    pub fn bits(self) -> u32 {
        8 + self.extra
    }

    /// The noise of the entries has to lie well under the noise of the planes, which each further plane quarters.
    pub fn for_planes(planes: usize) -> Precision {
        Precision { extra: if planes <= 6 { 3 } else { 4 } }
    }

    pub(super) fn entries(self, plane: usize) -> Entries {
        match plane as i32 - self.extra as i32 {
            ..0 => Entries::Split,
            0 => Entries::Single,
            1 => Entries::Pairs,
            _ => Entries::Fours,
        }
    }

    /// Planes of the first `planes` whose entries are split: these have two tables where others have one.
    pub(super) fn split(self, planes: usize) -> usize {
        planes.min(self.extra as usize)
    }

    /// By how many bits a plane's entries are to be shorter than the first plane's: the unit of a block is chosen such
    /// that they are. Fours ask for no more than two below a byte, but eight planes must not exceed 16 bits together:
    /// the limits are powers of two that add up to at most twice the first.
    pub(super) fn shorter(self, plane: usize) -> u32 {
        let most = self.extra + if plane < 6 { 2 } else { 3 };
        (plane as u32).min(most)
    }

    /// How far the sums of four activations, 16 bits with their sign, are shifted to become entries.
    pub(super) fn shift(self) -> u32 {
        8 - self.extra
    }

    /// What a plane's entries (of split ones the high parts) are raised by to be unsigned: half their range.
    pub(super) fn bias(self, plane: usize) -> u32 {
        match self.entries(plane) {
            Entries::Split => 1 << (self.extra - plane as u32),
            Entries::Single => 128,
            Entries::Pairs => 64,
            Entries::Fours => 32,
        }
    }

    /// Vectors whose entries are added in 16 bits: a block's, or half of them where entries have twelve bits.
    pub(super) fn step(self) -> usize {
        if self.extra <= 3 { BLOCK_VECTORS } else { BLOCK_VECTORS / 2 }
    }

    /// By how much the sums of a step of `planes` planes are too large: what entries were raised by, less the half
    /// unit that each of a group of columns (not of those that only fill up the block) stands for beyond its number.
    pub(super) fn excess(self, planes: usize, groups: usize) -> i16 {
        let raised = |plane| match self.entries(plane) {
            Entries::Split => self.bias(plane) << 7,
            _ => self.bias(plane),
        };
        let raised: usize = (0..planes).map(|plane| raised(plane) as usize).sum();
        let groups_of_step = if self.extra <= 3 { raised * (2 * BLOCK_VECTORS) } else { raised * BLOCK_VECTORS };
        (groups_of_step - times(planes, groups) / 2) as i16
    }

    /// How far apart the units of blocks may lie, in bits: no sum exceeds `13 + extra` bits in a block, nor 32 in all.
    pub(super) fn reach(self, blocks: usize) -> i32 {
        31 - (12 + self.extra as i32) - blocks.next_power_of_two().trailing_zeros() as i32
    }
}
