//! Classes as bundles of their members.

use alloc::{collections::BTreeMap, string::String};

use super::{Bits, Sums, bits::same};
use crate::{Code, Error, Result};

/// A centroid classifier: a class is the sum of its examples, an example belongs to the class of the largest cosine.
///
/// [`Classifier::refine`] improves it online: an example that is taken for another class is added to its own and taken
/// from the other (as in OnlineHD, Hernández-Cano and others 2021, with steps of one).
#[derive(Clone, Debug)]
pub struct Classifier {
    dimension: usize,
    classes: BTreeMap<String, Sums>,
}

impl Classifier {
    /// Without classes.
    pub fn new(dimension: usize) -> Classifier {
        Classifier { dimension, classes: BTreeMap::new() }
    }

    /// The classes by name.
    pub fn classes(&self) -> impl Iterator<Item = (&str, &Sums)> {
        self.classes.iter().map(|(name, sums)| (name.as_str(), sums))
    }

    /// Adds an example to its class, which may be new.
    pub fn add(&mut self, class: &str, example: &Bits) {
        same(self.dimension, example.dimension());
        if !self.classes.contains_key(class) {
            self.classes.insert(class.into(), Sums::new(self.dimension));
        }
        if let Some(sums) = self.classes.get_mut(class) {
            sums.add_bits(example, 1);
        }
    }

    /// The class of an example and its cosine. Fails while there are no classes.
    pub fn predict(&self, example: &Bits) -> Result<(&str, f64)> {
        same(self.dimension, example.dimension());
        let own = example.dimension() as i64;
        let mut best: Option<(&str, f64)> = None;
        for (name, sums) in self.classes() {
            let cosine = super::sums::cosine(sums.dot_bits(example), sums.dot(sums), own);
            if best.is_none_or(|(_, other)| cosine > other) {
                best = Some((name, cosine));
            }
        }
        best.ok_or_else(|| Error::new(Code::Input, "a classifier without classes"))
    }

    /// Learns from an example only if it is taken for another class; says whether it was.
    pub fn refine(&mut self, class: &str, example: &Bits) -> bool {
        let taken_for = match self.predict(example) {
            Ok((name, _)) if name == class => return false,
            Ok((name, _)) => Some(String::from(name)),
            Err(_) => None,
        };
        if let Some(other) = taken_for.and_then(|name| self.classes.get_mut(&name)) {
            other.add_bits(example, -1);
        }
        self.add(class, example);
        true
    }
}
