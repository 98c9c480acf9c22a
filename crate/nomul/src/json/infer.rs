//! What documents say about themselves: hints for a schema, and which values there are.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use super::{
    date,
    path::{self, Step},
    schema::{ArrayMode, Hint, NumberMode, Schema, StringMode},
    value::Value,
};

/// Paths that are looked at; documents with more of them have keys that are data.
const MOST_PATHS: usize = 10_000;
/// Numbers that are kept of a path, evenly over all that came.
const MOST_NUMBERS: usize = 1_024;
/// The share of the places that tell equal numbers from near ones, and the same of dates and texts.
const EXACT_NUMBER: f64 = 0.75;
const EXACT_DATE: f64 = 0.5;
const EXACT_TEXT: f64 = 0.25;
/// What the words of a text weigh, over the root of how many there are.
const WORDS: f64 = 0.7;
/// Strings from which a path's are held to be free text, not a choice.
const CHOICES: usize = 64;

/// Calls `found` for every value, the containers first, with its path.
fn visit(value: &Value, pattern: &mut String, found: &mut dyn FnMut(&str, &Value)) {
    found(pattern, value);
    let length = pattern.len();
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                path::push(pattern, &Step::Key(key.clone()));
                visit(value, pattern, found);
                pattern.truncate(length);
            }
        }
        Value::Array(items) => {
            path::push(pattern, &Step::Item);
            items.iter().for_each(|item| visit(item, pattern, found));
            pattern.truncate(length);
        }
        _ => {}
    }
}

/// Learns a schema from documents, in memory that does not grow with their number.
#[derive(Default)]
pub struct Inference {
    paths: BTreeMap<String, Seen>,
}

#[derive(Default)]
struct Seen {
    numbers: Sample,
    dates: Sample,
    strings: u64,
    words: u64,
    distinct: BTreeSet<String>,
    /// Of an array: where some of its strings stood first, and how often these came again there and elsewhere.
    places: BTreeMap<String, usize>,
    stayed: u64,
    moved: u64,
}

/// Every `2^stride`-th of what came.
#[derive(Default)]
struct Sample {
    kept: Vec<f64>,
    stride: u32,
    count: u64,
}

impl Sample {
    fn push(&mut self, x: f64) {
        if self.count.trailing_zeros() >= self.stride {
            self.kept.push(x);
        }
        self.count += 1;
        if self.kept.len() == MOST_NUMBERS {
            let mut place = 0;
            self.kept.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.stride += 1;
        }
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.kept.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl Inference {
    /// Having seen nothing.
    pub fn new() -> Inference {
        Inference::default()
    }

    /// Looks at a document.
    pub fn observe(&mut self, document: &Value) {
        visit(document, &mut String::new(), &mut |pattern, value| {
            if !self.paths.contains_key(pattern) {
                let tells = match value {
                    Value::Number(_) | Value::String(_) => true,
                    Value::Array(items) => items.iter().any(|item| matches!(item, Value::String(_))),
                    _ => false,
                };
                if self.paths.len() == MOST_PATHS || !tells {
                    return;
                }
                self.paths.insert(pattern.into(), Seen::default());
            }
            let Some(seen) = self.paths.get_mut(pattern) else { return };
            match value {
                Value::Number(number) => seen.numbers.push(*number),
                Value::String(text) => {
                    seen.strings += 1;
                    seen.words += text.split_whitespace().count() as u64;
                    if let Some(seconds) = date::seconds(text) {
                        seen.dates.push(seconds);
                    }
                    if seen.distinct.len() <= CHOICES && !seen.distinct.contains(text) {
                        seen.distinct.insert(text.clone());
                    }
                }
                Value::Array(items) => {
                    for (place, item) in items.iter().enumerate() {
                        let Value::String(text) = item else { continue };
                        match seen.places.get(text) {
                            Some(first) if *first == place => seen.stayed += 1,
                            Some(_) => seen.moved += 1,
                            None if seen.places.len() < CHOICES => drop(seen.places.insert(text.clone(), place)),
                            None => {}
                        }
                    }
                }
                _ => {}
            }
        });
    }

    /// Adds hints to a schema for the paths that it has none for:
    ///
    /// - numbers are linear, and similar within a quarter of the range that nine of ten lie in; if all are over zero and
    ///   spread over a factor of 20, ratios count instead;
    /// - strings are dates if nearly all are, words if there are two or more in most and the strings differ, else whole;
    ///   words weigh 0.7 times the root of how many there are (a sum of so many vectors weighs that root), in quarters;
    /// - of the places of dates, half tell whether two are equal and most of the others whether they are as near as dates
    ///   that follow each other are here; the rest reaches over a quarter of the time that nine of ten lie in;
    /// - three quarters of the places of numbers and a quarter of those of texts tell whether two are equal at all, since
    ///   most that are near each other belong to different things, and what is equal mostly to one (measured: `npm run
    ///   bench -- json`);
    /// - arrays are bags if strings that come again come in other places as well, else ordered.
    pub fn complete(&self, schema: &mut Schema) {
        for (pattern, seen) in &self.paths {
            if schema.paths.contains_key(pattern) {
                continue;
            }
            let mut hint = Hint::default();
            let numbers = seen.numbers.sorted();
            if let (Some(least), Some(largest)) = (numbers.first(), numbers.last()) {
                hint.number = number_mode(&numbers);
                hint.range = Some([*least, *largest]);
            }
            if seen.strings > 0 && seen.dates.count * 20 >= seen.strings * 19 {
                let dates = seen.dates.sorted();
                let unit = (quantile(&dates, 0.95) - quantile(&dates, 0.05)) / 4.0;
                let near = (dates[dates.len() - 1] - dates[0]) / seen.dates.count as f64;
                hint.string = Some(StringMode::Date {
                    unit: if unit > 0.0 { unit } else { 86_400.0 },
                    near: (near > 0.0).then_some(near),
                });
                hint.exact = Some(EXACT_DATE);
                if numbers.is_empty() {
                    hint.range = Some([dates[0], dates[dates.len() - 1]]);
                }
            } else if seen.words * 2 >= seen.strings * 3 && seen.distinct.len() > CHOICES {
                hint.string = Some(StringMode::Words);
                let words = seen.words as f64 / seen.strings as f64;
                hint.weight = Some(libm::round((WORDS * libm::sqrt(words)).clamp(1.0, 8.0) * 4.0) / 4.0);
                hint.exact = Some(EXACT_TEXT);
            }
            if hint.number.is_some() {
                hint.exact = Some(EXACT_NUMBER);
            }
            if seen.moved * 2 > seen.stayed {
                hint.array = Some(ArrayMode::Bag);
            }
            if hint != Hint::default() {
                schema.paths.insert(pattern.clone(), hint);
            }
        }
    }
}

/// The `q`-th part of sorted numbers, which are not none.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[libm::round(q * (sorted.len() - 1) as f64) as usize]
}

fn number_mode(sorted: &[f64]) -> Option<NumberMode> {
    let (low, high) = (quantile(sorted, 0.05), quantile(sorted, 0.95));
    // Half of each, because the difference of two large numbers can be more than a float holds.
    let unit = (high / 2.0 - low / 2.0) / 2.0;
    if low > 0.0 && high / low > 20.0 {
        return Some(NumberMode::Log { small: low, octaves: 1.0 });
    }
    (unit > 0.0).then_some(NumberMode::Linear { unit })
}

/// Which values there are at each path: what [`Encoder::get`](super::Encoder::get) chooses from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabulary {
    /// Strings that may still be added.
    room: usize,
    paths: BTreeMap<String, Known>,
}

/// The values of a path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub strings: BTreeSet<String>,
    /// The least and the largest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<[f64; 2]>,
    /// Numbers whose symbols have no order.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub exact: BTreeSet<u64>,
    /// Others: `null`, `true`, `false`, `[]`, `{}`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub constants: BTreeSet<String>,
}

impl Default for Vocabulary {
    fn default() -> Self {
        Vocabulary::new(1_000_000)
    }
}

impl Vocabulary {
    /// Without values; it takes `most` different ones.
    pub fn new(most: usize) -> Vocabulary {
        Vocabulary { room: most, paths: BTreeMap::new() }
    }

    /// Takes in the values of a document.
    pub fn observe(&mut self, document: &Value) {
        visit(document, &mut String::new(), &mut |pattern, value| {
            let leaf = match value {
                Value::Object(fields) => fields.is_empty(),
                Value::Array(items) => items.is_empty(),
                _ => true,
            };
            if !leaf {
                return;
            }
            if !self.paths.contains_key(pattern) {
                if self.paths.len() == MOST_PATHS {
                    return;
                }
                self.paths.insert(pattern.into(), Known::default());
            }
            let (Some(known), room) = (self.paths.get_mut(pattern), &mut self.room) else { return };
            match value {
                Value::String(text) if *room > 0 && !known.strings.contains(text) => {
                    known.strings.insert(text.clone());
                    *room -= 1;
                }
                Value::String(_) => {}
                Value::Number(number) => {
                    let [least, largest] = known.numbers.unwrap_or([*number; 2]);
                    known.numbers = Some([least.min(*number), largest.max(*number)]);
                    if *room > 0 && known.exact.len() < MOST_NUMBERS && known.exact.insert((number + 0.0).to_bits()) {
                        *room -= 1;
                    }
                }
                other => {
                    known.constants.insert(alloc::format!("{other}"));
                }
            }
        });
    }

    /// The paths, with `[]` for items.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.keys().map(String::as_str)
    }

    pub(super) fn at(&self, pattern: &str) -> Option<&Known> {
        self.paths.get(pattern)
    }
}
