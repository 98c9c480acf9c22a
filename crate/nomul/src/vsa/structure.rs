//! Structures of symbols under the names that torchhd gives them.
//!
//! Each takes sign vectors and gives a [`Bundle`]: its [`Bundle::sums`] are the vector of MAP, its [`Bundle::majority`]
//! that of BSC. Binding here is [`Bits::bind`], which commutes; with [`mbat`] it is a [`Role`]'s, which does not.
//!
//! Shapes: all vectors of one call have the same dimension; empty lists give an empty bundle.

use alloc::vec::Vec;

use super::{Bits, Bundle, Role};

/// `x1 + x2 + …`
pub fn multiset<'a>(dimension: usize, items: impl IntoIterator<Item = &'a Bits>) -> Bundle {
    let mut bundle = Bundle::new(dimension);
    bundle.add_all(&items.into_iter().collect::<Vec<_>>());
    bundle
}

/// `x1 · x2 · …`, with `·` the product of signs; of nothing, the identity.
pub fn multibind<'a>(dimension: usize, items: impl IntoIterator<Item = &'a Bits>) -> Bits {
    items.into_iter().fold(Bits::identity(dimension), |product, item| product.bind(item))
}

/// `key1 · value1 + key2 · value2 + …`; binding the bundle with a key gives its value, and noise.
pub fn hash_table<'a>(dimension: usize, pairs: impl IntoIterator<Item = (&'a Bits, &'a Bits)>) -> Bundle {
    let mut bundle = Bundle::new(dimension);
    bundle.add_products(&pairs.into_iter().collect::<Vec<_>>());
    bundle
}

/// Every one of `first` with every one of `second`: `sum of a · b`.
pub fn cross_product(dimension: usize, first: &[Bits], second: &[Bits]) -> Bundle {
    hash_table(dimension, first.iter().flat_map(|a| second.iter().map(move |b| (a, b))))
}

/// `P^(m-1) x1 + P^(m-2) x2 + … + xm`, with `P` the cyclic shift.
pub fn bundle_sequence(dimension: usize, items: &[Bits]) -> Bundle {
    let mut bundle = Bundle::new(dimension);
    for (i, item) in items.iter().rev().enumerate() {
        bundle.add(&item.permute(i as isize), 1);
    }
    bundle
}

/// `P^(m-1) x1 · P^(m-2) x2 · … · xm`
pub fn bind_sequence(dimension: usize, items: &[Bits]) -> Bits {
    items.iter().fold(Bits::identity(dimension), |product, item| product.permute(1).bind(item))
}

/// The sum of all runs of `n` neighbours, each a [`bind_sequence`]; of fewer than `n` items, or for an `n` of 0, nothing.
pub fn ngrams(dimension: usize, items: &[Bits], n: usize) -> Bundle {
    let mut bundle = Bundle::new(dimension);
    if n > 0 {
        items.windows(n).for_each(|run| bundle.add(&bind_sequence(dimension, run), 1));
    }
    bundle
}

/// `from · to` for every edge, and `from · P to` where the edges have a direction.
pub fn graph<'a>(dimension: usize, edges: impl IntoIterator<Item = (&'a Bits, &'a Bits)>, directed: bool) -> Bundle {
    let mut bundle = Bundle::new(dimension);
    for (from, to) in edges {
        bundle.add(&if directed { from.bind(&to.permute(1)) } else { from.bind(to) }, 1);
    }
    bundle
}

/// The same with the signed permutations of MBAT.
pub mod mbat {
    use super::*;

    /// `M1 x1 + M2 x2 + …`
    pub fn hash_table<'a>(dimension: usize, pairs: impl IntoIterator<Item = (&'a Role, &'a Bits)>) -> Bundle {
        let mut bundle = Bundle::new(dimension);
        pairs.into_iter().for_each(|(role, value)| bundle.add_bound(role, value, 1));
        bundle
    }

    /// `M x1 + M² x2 + …`, with the powers of one role.
    pub fn sequence(role: &Role, items: &[Bits]) -> Bundle {
        let mut bundle = Bundle::new(role.dimension());
        let mut power = Role::identity(role.dimension());
        for item in items {
            power = role.compose(&power);
            bundle.add_bound(&power, item, 1);
        }
        bundle
    }

    /// `Ma b`, where `a is to b as c is to ?`: the role that takes `a` to `b` keeps the shift and turns the signs.
    /// Applied to `c` it gives `?`.
    pub fn analogy(a: &Bits, b: &Bits) -> Role {
        // (M x)[i] = s[i] x[i - 1]: s = b · P a.
        Role::from_signs(b.bind(&a.permute(1)))
    }
}
