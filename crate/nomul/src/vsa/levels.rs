//! Symbols for quantities: the nearer two numbers, the more similar their vectors.
//!
//! A line is marked at every whole number with a random vector of its own, drawn when it is asked for. Between two marks
//! the first places come from the upper mark and the rest from the lower one, in proportion:
//!
//! ```text
//! at(k + t) = mark(k + 1) in the first t D places, mark(k) in the others        0 <= t < 1
//! similarity of at(x) and at(y), on average = max(0, 1 - |x - y|)
//! ```
//!
//! So the line has no ends, nothing is stored, and how far similarity reaches is a matter of the unit. (Level vectors of
//! the literature flip signs from one end to the other; this is a chain of them.)
//!
//! A line may share a vector with something else and take the places of some of its words: D is then what these have.

use alloc::{vec, vec::Vec};
use core::ops::Range;

use super::{
    Bits,
    draw::{Draw, Kind},
};
use crate::{Result, bail};

/// A line of levels, or a circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    dimension: usize,
    seed: u64,
    name: Vec<u8>,
    /// Marks of a circle, 0 for a line.
    around: u64,
}

impl Line {
    /// A line without ends.
    pub fn new(dimension: usize, seed: u64, name: &[u8]) -> Line {
        Line { dimension, seed, name: name.into(), around: 0 }
    }

    /// A circle of `marks`, at least 2: level `marks` is level 0 again.
    pub fn circle(dimension: usize, seed: u64, name: &[u8], marks: u32) -> Result<Line> {
        if marks < 2 {
            bail!(Input, "a circle of {marks} marks: it takes 2");
        }
        Ok(Line { around: marks as u64, ..Line::new(dimension, seed, name) })
    }

    /// The random vector at a whole number.
    pub fn mark(&self, at: i64) -> Bits {
        Bits::random(self.dimension, &mut self.draw(at))
    }

    fn draw(&self, at: i64) -> Draw {
        let at = if self.around > 0 { at.rem_euclid(self.around as i64) } else { at };
        let mut name = self.name.clone();
        name.extend_from_slice(&at.to_le_bytes());
        Draw::new(self.seed, Kind::Level, &name)
    }

    /// The vector of a level.
    pub fn at(&self, level: f64) -> Bits {
        let mut out = Bits::identity(self.dimension);
        self.put(level, 0..out.words().len(), &mut out);
        out
    }

    /// The level's signs in the places of some words; the others stay.
    pub fn put(&self, level: f64, words: Range<usize>, out: &mut Bits) {
        super::bits::same(self.dimension, out.dimension());
        let (below, upper) = place(level, self.dimension.min(64 * words.end) - 64 * words.start);
        let words = &mut out.words_mut()[words];
        let mut lower_mark = self.draw(below);
        words.iter_mut().for_each(|word| *word = lower_mark.word());
        let (whole, part) = (upper / 64, upper % 64);
        if upper > 0 {
            let mut upper_mark = self.draw(below + 1);
            words[..whole].iter_mut().for_each(|word| *word = upper_mark.word());
            if part > 0 {
                let mask = (1 << part) - 1;
                words[whole] = words[whole] & !mask | upper_mark.word() & mask;
            }
        }
        out.trim();
    }

    /// The level from the marks `first..=last` that fits numbers best in the places from the word `from` on, and its dot
    /// product with them.
    pub fn nearest(&self, numbers: &super::Sums, from: usize, first: i64, last: i64) -> (f64, i64) {
        super::bits::same(self.dimension, numbers.dimension());
        let numbers = &numbers.values()[64 * from..];
        let signed = |mark: &[u64], i: usize| {
            let value = numbers[i] as i64;
            if mark[i / 64] >> (i % 64) & 1 == 1 { -value } else { value }
        };
        let marked = |at: i64| -> Vec<u64> {
            let mut mark = vec![0; numbers.len().div_ceil(64)];
            let mut draw = self.draw(at);
            mark.iter_mut().for_each(|word| *word = draw.word());
            mark
        };
        let dot = |mark: &[u64]| (0..numbers.len()).map(|i| signed(mark, i)).sum::<i64>();
        let mut lower = marked(first);
        let mut best = (first as f64, dot(&lower));
        for below in first..last {
            let upper = marked(below + 1);
            let mut dot = dot(&lower);
            // One place after the other changes from the lower to the upper mark.
            for i in 0..numbers.len() {
                dot += signed(&upper, i) - signed(&lower, i);
                if dot > best.1 {
                    best = (below as f64 + (i + 1) as f64 / numbers.len() as f64, dot);
                }
            }
            lower = upper;
        }
        best
    }
}

/// The mark below a level and how many of the first places come from the one above. Numbers that are not finite or far out
/// (over 2^52) count as the nearest that is not.
fn place(level: f64, places: usize) -> (i64, usize) {
    const FAR: f64 = (1u64 << 52) as f64;
    let level = if level.is_nan() { 0.0 } else { level.clamp(-FAR, FAR) };
    let below = libm::floor(level);
    let upper = libm::floor((level - below) * places as f64 + 0.5) as usize;
    (below as i64, upper.min(places))
}

/// torchhd's `level`: `count` vectors from one random vector to an unrelated one in even steps.
pub fn level(dimension: usize, seed: u64, count: usize) -> Vec<Bits> {
    let line = Line::new(dimension, seed, b"level");
    (0..count).map(|i| line.at(i as f64 / count.saturating_sub(1).max(1) as f64)).collect()
}

/// torchhd's `circular`: `count` vectors around a circle, opposite ones unrelated.
pub fn circular(dimension: usize, seed: u64, count: usize) -> Vec<Bits> {
    // Four quarters: levels reach over one mark, a half circle is two.
    let circle = Line { around: 4, ..Line::new(dimension, seed, b"circular") };
    (0..count).map(|i| circle.at(4.0 * i as f64 / count.max(1) as f64)).collect()
}

/// torchhd's `thermometer`: `count` vectors from all -1 to all +1 in even steps.
pub fn thermometer(dimension: usize, count: usize) -> Vec<Bits> {
    let plus = Bits::identity(dimension);
    let minus = plus.negative();
    let steps = count.saturating_sub(1).max(1);
    (0..count).map(|i| plus.spliced(&minus, dimension * i / steps)).collect()
}
