//! One set of operations, named as in torchhd, for each architecture.

use alloc::vec::Vec;

use super::{Bits, Bundle, Role, Sums, structure};
use crate::{Code, Error, Result, bail};

/// An architecture: how vectors are bound, and what a sum of them becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Multiply-add-permute (Gayler, 1998): signs are bound by their product, which is its own inverse, and added up.
    Map,
    /// Binary spatter code (Kanerva, 1996): the same with bits, of sums the majority.
    Bsc,
    /// Matrix binding of additive terms (Gallant and Okaywe, 2013) with signed permutations: a vector `a` stands for the
    /// [`Role`] `diag(a) P`. Binding does not commute, so structures of any depth are told apart.
    Mbat,
}

impl core::str::FromStr for Model {
    type Err = Error;

    fn from_str(name: &str) -> Result<Model> {
        match name {
            "MAP" => Ok(Model::Map),
            "BSC" => Ok(Model::Bsc),
            "MBAT" => Ok(Model::Mbat),
            _ => Err(Error::new(Code::Input, alloc::format!("model {name:?}: there are MAP, BSC and MBAT"))),
        }
    }
}

impl Model {
    /// `x` bound to `key`.
    pub fn bind(self, key: &Bits, x: &Bits) -> Bits {
        match self {
            Model::Mbat => Role::from_signs(key.clone()).bind(x),
            _ => key.bind(x),
        }
    }

    /// Takes [`Model::bind`] back, exactly: torchhd's `bind(inverse(key), x)`.
    pub fn unbind(self, key: &Bits, x: &Bits) -> Bits {
        match self {
            Model::Mbat => Role::from_signs(key.clone()).unbind(x),
            _ => key.bind(x),
        }
    }

    /// [`Model::bind`] for sums.
    pub fn bind_sums(self, key: &Bits, x: &Sums) -> Sums {
        match self {
            Model::Mbat => Role::from_signs(key.clone()).bind_sums(x),
            _ => x.bind(key),
        }
    }

    /// [`Model::unbind`] for sums.
    pub fn unbind_sums(self, key: &Bits, x: &Sums) -> Sums {
        match self {
            Model::Mbat => Role::from_signs(key.clone()).unbind_sums(x),
            _ => x.bind(key),
        }
    }

    /// What unbinds when it is bound: the vector itself. MBAT has none, because the inverse of a role is no role.
    pub fn inverse(self, x: &Bits) -> Result<Bits> {
        match self {
            Model::Mbat => bail!(Unsupported, "MBAT has no vector that unbinds another one: unbind does"),
            _ => Ok(x.clone()),
        }
    }

    /// `x1 bound to x2 bound to …`, from the left; of nothing, the identity. MBAT's is that of a path.
    pub fn multibind(self, dimension: usize, items: &[Bits]) -> Bits {
        match self {
            Model::Mbat => {
                let mut items = items.iter().rev();
                let last = items.next().cloned().unwrap_or_else(|| Bits::identity(dimension));
                items.fold(last, |path, key| self.bind(key, &path))
            }
            _ => structure::multibind(dimension, items),
        }
    }

    /// The sum of every value bound to its key. Fails unless there are as many of both.
    pub fn hash_table(self, dimension: usize, keys: &[Bits], values: &[Bits]) -> Result<Bundle> {
        if keys.len() != values.len() {
            bail!(Input, "{} keys for {} values", keys.len(), values.len());
        }
        Ok(self.sum(dimension, keys.iter().zip(values)))
    }

    /// The sum of every one of `first` bound with every one of `second`.
    pub fn cross_product(self, dimension: usize, first: &[Bits], second: &[Bits]) -> Bundle {
        self.sum(dimension, first.iter().flat_map(|a| second.iter().map(move |b| (a, b))))
    }

    fn sum<'a>(self, dimension: usize, pairs: impl Iterator<Item = (&'a Bits, &'a Bits)>) -> Bundle {
        match self {
            Model::Mbat => {
                let mut bundle = Bundle::new(dimension);
                pairs.for_each(|(key, value)| bundle.add_bound(&Role::from_signs(key.clone()), value, 1));
                bundle
            }
            _ => structure::hash_table(dimension, pairs),
        }
    }

    /// See [`structure::bind_sequence`]; MBAT's binding tells order already, so it is [`Model::multibind`] there.
    pub fn bind_sequence(self, dimension: usize, items: &[Bits]) -> Bits {
        match self {
            Model::Mbat => self.multibind(dimension, items),
            _ => structure::bind_sequence(dimension, items),
        }
    }

    /// The sum of all runs of `n` neighbours, each a [`Model::bind_sequence`]; nothing where there are fewer.
    pub fn ngrams(self, dimension: usize, items: &[Bits], n: usize) -> Bundle {
        match self {
            Model::Mbat if n > 0 => {
                let runs: Vec<Bits> = items.windows(n).map(|run| self.multibind(dimension, run)).collect();
                structure::multiset(dimension, &runs)
            }
            _ => structure::ngrams(dimension, items, n),
        }
    }

    /// See [`structure::graph`]. With MBAT every edge has a direction: one without counts in both.
    pub fn graph(self, dimension: usize, from: &[Bits], to: &[Bits], directed: bool) -> Result<Bundle> {
        if from.len() != to.len() {
            bail!(Input, "edges from {} nodes to {}", from.len(), to.len());
        }
        let edges = from.iter().zip(to);
        Ok(match self {
            Model::Mbat if directed => self.sum(dimension, edges),
            Model::Mbat => self.sum(dimension, edges.clone().chain(edges.map(|(from, to)| (to, from)))),
            _ => structure::graph(dimension, edges, directed),
        })
    }
}
