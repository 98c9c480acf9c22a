//! Taking a product apart: which symbols, one of each code book, were bound together?
//!
//! A resonator network (Frady, Kent, Olshausen and Sommer, Neural Computation 32(12), 2020) starts with all symbols of
//! every book at once and lets each factor's guess clean the others: `x ← sign(X Xᵀ (s · other guesses))`.

use alloc::vec::Vec;

use super::{Bits, Bundle, ItemMemory};
use crate::{Result, bail};

/// What [`resonator`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factors {
    /// The symbol of each book.
    pub items: Vec<usize>,
    /// Whether their product is the vector: true means that the answer is right.
    pub exact: bool,
    /// Rounds that it took.
    pub rounds: usize,
}

/// The symbols, one of each book, whose product of signs is `product`; `rounds` is the most that are tried.
pub fn resonator(product: &Bits, books: &[&ItemMemory], ties: &Bits, rounds: usize) -> Result<Factors> {
    let dimension = product.dimension();
    for (b, book) in books.iter().enumerate() {
        if book.is_empty() {
            bail!(Input, "code book {b} is empty");
        }
        if book.item(0).dimension() != dimension {
            bail!(Shape, "code book {b} is of {} signs, the product of {dimension}", book.item(0).dimension());
        }
    }
    let all = |book: &&ItemMemory| super::structure::multiset(dimension, book.items()).majority(ties);
    let mut guesses: Vec<Bits> = books.iter().map(all).collect();
    let mut items = alloc::vec![0; books.len()];
    let mut bundle = Bundle::new(dimension);
    for round in 1..=rounds {
        let before = guesses.clone();
        for (b, book) in books.iter().enumerate() {
            let others = guesses.iter().enumerate().filter(|(other, _)| *other != b);
            let rest = others.fold(product.clone(), |rest, (_, guess)| rest.bind(guess));
            bundle.clear();
            let mut best = i64::MIN;
            for (i, item) in book.items().iter().enumerate() {
                let dot = rest.dot(item);
                let weight = dot.unsigned_abs() as u32;
                if dot < 0 {
                    bundle.remove(item, weight)
                } else {
                    bundle.add(item, weight)
                }
                if dot > best {
                    (best, items[b]) = (dot, i);
                }
            }
            guesses[b] = bundle.majority(ties);
        }
        let found = books.iter().zip(&items).fold(product.clone(), |rest, (book, item)| rest.bind(book.item(*item)));
        if found == Bits::identity(dimension) || guesses == before || round == rounds {
            return Ok(Factors { items, exact: found == Bits::identity(dimension), rounds: round });
        }
    }
    bail!(Input, "a resonator network of no rounds")
}
