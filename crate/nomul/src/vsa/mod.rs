//! A vector symbolic architecture of signs and permutations: MBAT with orthogonal binding, and its relatives MAP and BSC.
//!
//! A symbol is a random vector of D signs ([`Bits`], one bit a sign). Symbols are put together by adding them up
//! ([`Bundle`]), and are told apart in the sum by what they were bound with ([`Role`]):
//!
//! ```text
//! bind      y = M x        M = diag(s) P:  P the cyclic shift by one place, s the D signs that a hash of the role's name gives
//! unbind    x = Mᵀ y       exactly, because M is a signed permutation and so orthogonal
//! bundle    v = x1 + x2 + …
//! compare   <v, x>         counted by exclusive or and population count
//! ```
//!
//! MBAT (Gallant and Okaywe, Neural Computation 25(8), 2013) binds with random matrices; orthogonal ones keep every norm
//! and every angle however deep they are nested (Gallant, arXiv 2202.04771). A signed permutation is the cheapest of
//! them: nothing is stored but the seed, and binding is one shift and one exclusive or of packed words.
//!
//! # Why one shift for all roles is enough
//!
//! `Ma Mb x = (sa · P sb) · P² x`, where `·` is the product of signs: position `j` of a path contributes the signs of its
//! role, shifted by `j`. Two different paths of at most D roles therefore use different sets of (role, shift), and what
//! they do to a symbol differs by a product of independent fair signs in every place. So the dot product of `Ma Mb x` and
//! `Mb Ma x` has mean 0 and variance D, as that of two unrelated symbols: binding does not commute. (A shift drawn for
//! each role would prove less: two paths could then meet in the same sets by chance.)
//!
//! Read [`draw`] (signs from names), [`Bits`], [`Role`], [`Bundle`], then what is built on them.

mod bits;
mod bundle;
pub mod capacity;
mod classifier;
pub mod draw;
pub mod levels;
mod memory;
mod model;
mod resonator;
mod role;
mod spread;
pub mod structure;
mod sums;
mod ternary;
mod words;

pub use bits::Bits;
pub use bundle::{Against, Bundle, MAX_TOTAL};
pub use classifier::Classifier;
pub use memory::{ItemMemory, Match};
pub use model::Model;
pub use resonator::{Factors, resonator};
pub use role::Role;
pub use spread::Spreader;
pub use sums::{Bytes, Sums};
pub use ternary::Ternary;

use crate::{Result, bail};

/// The lengths that vectors can have. Any number in the range will do, not only powers of two.
pub const DIMENSIONS: core::ops::RangeInclusive<usize> = 256..=65_536;

/// Refuses lengths outside [`DIMENSIONS`].
pub fn check_dimension(dimension: usize) -> Result<()> {
    if !DIMENSIONS.contains(&dimension) {
        bail!(Input, "dimension {dimension}: vectors have {} to {} signs", DIMENSIONS.start(), DIMENSIONS.end());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
