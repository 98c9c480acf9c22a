//! Asking vectors: what lies at a path, and where two agree.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::f64::consts::{FRAC_1_SQRT_2, PI};

use super::{
    date,
    encode::{Encoder, Node, Visitor},
    infer::{Known, Vocabulary},
    path::{Path, Step},
    schema::{NumberMode, StringMode},
    value::{Value, parse},
};
use crate::{
    Result, bail,
    vsa::{Against, Bits, Bundle, Sums, levels::Line},
};

/// A vector as it is kept: the sums themselves, or their signs alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Vector {
    /// Exact, 16 bits a place.
    Sums(Sums),
    /// The majority, one bit a place: holds 2/π as much.
    Signs(Bits),
}

impl Vector {
    /// D.
    pub fn dimension(&self) -> usize {
        match self {
            Vector::Sums(sums) => sums.dimension(),
            Vector::Signs(signs) => signs.dimension(),
        }
    }

    /// The numbers.
    pub fn sums(&self) -> Sums {
        match self {
            Vector::Sums(sums) => sums.clone(),
            Vector::Signs(signs) => {
                let mut sums = Sums::new(signs.dimension());
                sums.add_bits(signs, 1);
                sums
            }
        }
    }

    /// The cosine of the angle between two vectors of one dimension: 1 for the same, about 0 for unrelated ones.
    pub fn similarity(&self, other: &Vector) -> Result<f64> {
        if self.dimension() != other.dimension() {
            bail!(Shape, "vectors of {} and of {} numbers", self.dimension(), other.dimension());
        }
        Ok(match (self, other) {
            (Vector::Signs(a), Vector::Signs(b)) => a.similarity(b),
            (Vector::Sums(a), Vector::Sums(b)) => a.similarity(b),
            (Vector::Sums(sums), Vector::Signs(signs)) | (Vector::Signs(signs), Vector::Sums(sums)) => {
                let size = libm::sqrt(sums.dot(sums) as f64 * signs.dimension() as f64);
                if size == 0.0 { 0.0 } else { sums.dot_bits(signs) as f64 / size }
            }
        })
    }
}

/// What [`Encoder::get`] found.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Answer {
    /// The most similar of the values that the path can have. For a container, what was found below it.
    pub value: Value,
    /// The cosine of its symbol with what the vector holds at the path.
    pub similarity: f64,
    /// The probability that chance alone gives no candidate this similarity: near 1 where the value is really there,
    /// anything below about 0.9 is a guess.
    pub confidence: f64,
    /// How many candidates there were.
    pub candidates: usize,
}

/// One leaf of a value, held against another vector.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Agreement {
    /// Where it is.
    pub path: String,
    /// What it is.
    pub value: Value,
    /// Its weight, 1 for a leaf that no hint changes.
    pub weight: f64,
    /// About 1 if the other vector has the same there, about 0 if it has something unrelated or nothing, between if it
    /// has something similar.
    pub agreement: f64,
}

/// The best candidate so far.
struct Best {
    value: Option<Value>,
    dot: i64,
    candidates: usize,
}

impl Best {
    fn offer(&mut self, dot: i64, value: impl FnOnce() -> Value) {
        self.candidates += 1;
        if self.value.is_none() || dot > self.dot {
            (self.dot, self.value) = (dot, Some(value()));
        }
    }

    /// The level of a line or circle between two numbers that fits best, in the places from the word `behind` on.
    fn offer_line(
        &mut self,
        line: &Line,
        numbers: &Sums,
        behind: usize,
        [from, to]: [f64; 2],
        value: impl FnOnce(f64) -> Value,
    ) {
        /// Levels that are searched at most.
        const MOST: f64 = 4_096.0;
        let first = libm::floor(from);
        let last = libm::ceil(to).min(first + MOST).max(first);
        let (level, dot) = line.nearest(numbers, behind, first as i64, last as i64);
        // Fewer places are less noise: as many standard deviations are as good.
        let places = numbers.dimension() as f64;
        let dot = (dot as f64 * libm::sqrt(places / (places - 64.0 * behind as f64).max(1.0))) as i64;
        // Between two marks lie about four independent places.
        self.candidates += 4 * (last - first) as usize;
        self.offer(dot, || value(level.clamp(from, to.max(from))));
    }
}

impl Encoder {
    /// What a vector holds at a path, chosen from the values that the vocabulary knows there. At a path of which only
    /// longer ones are known, the value is put together from those that are found with a confidence over 0.9.
    ///
    /// Fails if nothing is known at or below the path.
    pub fn get(&mut self, vector: &Vector, path: &Path, vocabulary: &Vocabulary) -> Result<Answer> {
        if vector.dimension() != self.schema().dimension {
            bail!(Shape, "a vector of {} numbers, the encoder's have {}", vector.dimension(), self.schema().dimension);
        }
        let pattern = path.pattern();
        let Some(known) = vocabulary.at(&pattern) else {
            return self.get_container(vector, path, vocabulary);
        };
        let node = self.node(path)?;
        let numbers = node.role.unbind_sums(&vector.sums());
        let size = libm::sqrt(numbers.dot(&numbers) as f64);
        let best = self.best(&node, known, &numbers)?;
        let Some(value) = best.value else { bail!(Missing, "path {path}: no value is known there") };
        if size == 0.0 {
            return Ok(Answer { value, similarity: 0.0, confidence: 0.0, candidates: best.candidates });
        }
        // Unrelated symbols give normal numbers.
        let normal = best.dot as f64 / size;
        let below = 0.5 * libm::erfc(-normal * FRAC_1_SQRT_2);
        Ok(Answer {
            value,
            similarity: normal / libm::sqrt(vector.dimension() as f64),
            confidence: libm::pow(below, best.candidates as f64),
            candidates: best.candidates,
        })
    }

    fn best(&mut self, node: &Arc<Node>, known: &Known, numbers: &Sums) -> Result<Best> {
        let mut best = Best { value: None, dot: i64::MIN, candidates: 0 };
        let sliced = Bundle::from_sums(numbers);
        let sliced = sliced.against();
        let mut symbol = Bits::identity(numbers.dimension());
        // A bundle made of sums is twice as large.
        let mut offer = |encoder: &mut Encoder, best: &mut Best, value: Value| -> Result<()> {
            encoder.symbols.symbol(&value, &node.hint, &mut symbol)?;
            best.offer(sliced.dot(&symbol) / 2, || value);
            Ok(())
        };
        let exact = node.hint.exact_words(numbers.dimension());
        for constant in &known.constants {
            offer(self, &mut best, parse(constant.as_bytes())?)?;
        }
        let dates = if let Some(StringMode::Date { unit, .. }) = node.hint.string { Some(unit) } else { None };
        let (mut first, mut last) = (f64::INFINITY, f64::NEG_INFINITY);
        for text in &known.strings {
            match dates.and_then(|unit| Some(date::seconds(text)? / unit)) {
                Some(level) => {
                    (first, last) = (first.min(level), last.max(level));
                    if exact > 0 {
                        offer(self, &mut best, Value::String(text.clone()))?;
                    }
                }
                None if node.hint.string == Some(StringMode::Embedding) && !self.symbols.is_attached(text) => {}
                None => offer(self, &mut best, Value::String(text.clone()))?,
            }
        }
        if let Some(unit) = dates.filter(|_| first <= last) {
            let value = |level: f64| Value::String(date::text(level * unit));
            let coarse = node.hint.coarse_words(numbers.dimension());
            best.offer_line(self.symbols.dates(), numbers, coarse, [first, last], value);
        }
        if let Some([least, largest]) = known.numbers {
            let standard = NumberMode::default();
            let mode = node.hint.number.as_ref().unwrap_or(&standard);
            let ordered = mode.level(least).is_some();
            if exact > 0 || !ordered {
                for bits in &known.exact {
                    offer(self, &mut best, Value::Number(f64::from_bits(*bits)))?;
                }
            }
            match (mode, mode.level(least), mode.level(largest)) {
                (NumberMode::Circular { marks, .. }, ..) => {
                    let value = |level: f64| Value::Number(mode.number(level));
                    best.offer_line(&self.symbols.line(mode), numbers, exact, [0.0, *marks as f64], value);
                }
                (_, Some(from), Some(to)) => {
                    let value = |level: f64| Value::Number(mode.number(level).clamp(least, largest));
                    best.offer_line(&self.symbols.line(mode), numbers, exact, [from, to], value);
                }
                _ => {}
            }
        }
        Ok(best)
    }

    /// All paths that are known below one, each with what was found there.
    fn get_container(&mut self, vector: &Vector, path: &Path, vocabulary: &Vocabulary) -> Result<Answer> {
        let pattern = path.pattern();
        let mut found: Vec<(String, Value)> = Vec::new();
        let (mut sum, mut least, mut candidates) = (0.0, 1.0f64, 0);
        let below: Vec<Path> = vocabulary
            .paths()
            .filter_map(|known| known.strip_prefix(pattern.as_str()).map(|rest| (known, rest)))
            // Only object keys: how many items an array has, nothing says.
            .filter(|(_, rest)| (pattern.is_empty() || rest.starts_with(['.', '['])) && !rest.contains("[]"))
            .map(|(_, rest)| {
                let mut full = path.clone();
                full.0.extend(Path::parse(rest).unwrap_or_default().0);
                full
            })
            .collect();
        if below.is_empty() {
            bail!(Missing, "path {path}: nothing is known there");
        }
        for full in below {
            let answer = match self.get(vector, &full, vocabulary) {
                Ok(answer) => answer,
                // What the schema ignores is not to be found.
                Err(error) if error.code == crate::Code::Input => continue,
                Err(error) => return Err(error),
            };
            candidates += answer.candidates;
            if answer.confidence >= CONFIDENT {
                (sum, least) = (sum + answer.similarity, least.min(answer.confidence));
                put(&mut found, &full.0[path.0.len()..], answer.value);
            }
        }
        let confidence = if found.is_empty() { 0.0 } else { least };
        let similarity = sum / libm::sqrt(found.len().max(1) as f64);
        Ok(Answer { value: Value::Object(found), similarity, confidence, candidates })
    }

    /// Which leaves of a value another vector has too.
    pub fn explain(&mut self, value: &Value, other: &Vector) -> Result<Vec<Agreement>> {
        if other.dimension() != self.schema().dimension {
            bail!(Shape, "a vector of {} numbers, the encoder's have {}", other.dimension(), self.schema().dimension);
        }
        struct Explain<'a> {
            other: Against<'a>,
            steps: Vec<Step>,
            dots: Vec<(Agreement, i64)>,
            squares: f64,
        }
        impl Visitor for Explain<'_> {
            fn enter(&mut self, step: &dyn Fn() -> Step) {
                self.steps.push(step());
            }
            fn leave(&mut self) {
                self.steps.pop();
            }
            fn leaf(&mut self, node: &Node, value: &Value, symbol: &Bits, weight: u32) -> Result<()> {
                let dot = self.other.dot(&node.role.bind(symbol)) / 2;
                let path = alloc::format!("{}", Path(self.steps.clone()));
                let weight = weight as f64 / super::UNIT as f64;
                self.squares += weight * weight;
                self.dots.push((Agreement { path, value: value.clone(), weight, agreement: 0.0 }, dot));
                Ok(())
            }
        }
        let other_sums = Bundle::from_sums(&other.sums());
        let mut explain = Explain { other: other_sums.against(), steps: Vec::new(), dots: Vec::new(), squares: 0.0 };
        let root = self.root();
        self.walk(&root, value, 1.0, &mut explain)?;
        let dimension = other.dimension() as f64;
        let expected = |weight: f64| match other {
            Vector::Sums(_) => dimension * weight * super::UNIT as f64,
            // The share that a leaf has in the signs of a sum of many.
            Vector::Signs(_) => dimension * libm::sqrt(2.0 / PI) * weight / libm::sqrt(explain.squares),
        };
        let agreement = |(leaf, dot): (Agreement, i64)| {
            let agreement = (dot as f64 / expected(leaf.weight)).clamp(-1.0, 1.0);
            Agreement { agreement, ..leaf }
        };
        Ok(explain.dots.into_iter().map(agreement).collect())
    }

    /// "What is the dollar of Mexico?": where does `first` hold `value`, and what has `second` there? The path and what
    /// [`Encoder::get`] finds (Kanerva, AAAI Fall Symposium 2010). Only paths without arrays are looked at.
    pub fn analogy(
        &mut self,
        value: &Value,
        first: &Vector,
        second: &Vector,
        vocabulary: &Vocabulary,
    ) -> Result<(Path, Answer)> {
        if first.dimension() != self.schema().dimension {
            bail!(Shape, "a vector of {} numbers, the encoder's have {}", first.dimension(), self.schema().dimension);
        }
        let sliced = Bundle::from_sums(&first.sums());
        let sliced = sliced.against();
        let mut best: Option<(i64, Path)> = None;
        let patterns: Vec<&str> = vocabulary.paths().filter(|path| !path.contains("[]")).collect();
        for pattern in patterns {
            let path = Path::parse(pattern)?;
            let Ok(node) = self.node(&path) else { continue };
            let mut symbol = Bits::identity(first.dimension());
            self.symbols.symbol(value, &node.hint, &mut symbol)?;
            let dot = sliced.dot(&node.role.bind(&symbol));
            if best.as_ref().is_none_or(|(other, _)| dot > *other) {
                best = Some((dot, path));
            }
        }
        let Some((_, path)) = best else { bail!(Missing, "no path is known in which to look for {value}") };
        let answer = self.get(second, &path, vocabulary)?;
        Ok((path, answer))
    }
}

/// From here on, a value is held to be there.
const CONFIDENT: f64 = 0.9;

/// Puts a value into objects within objects.
fn put(fields: &mut Vec<(String, Value)>, steps: &[Step], value: Value) {
    let [Step::Key(key), rest @ ..] = steps else { return };
    if rest.is_empty() {
        fields.push((key.clone(), value));
        return;
    }
    let place = match fields.iter().position(|(other, _)| other == key) {
        Some(place) => place,
        None => {
            fields.push((key.clone(), Value::Object(Vec::new())));
            fields.len() - 1
        }
    };
    if let Value::Object(inner) = &mut fields[place].1 {
        put(inner, rest, value);
    }
}
