//! Nearest neighbours among vectors of signs and small integers, found by counting bits.
//!
//! ```
//! use nomul::search::{Index, Kind, Metric, Shape, Stages, Vector};
//!
//! let mut index = Index::new(Shape::new(Kind::I8, 3, Metric::Cosine)?, "an encoder")?;
//! index.insert(7, Vector::I8(&[1, 2, 3]))?;
//! index.insert(8, Vector::I8(&[-3, 0, 1]))?;
//! let hits = index.search(Vector::I8(&[2, 4, 7]), 1, Stages::Exact, &|_| true)?;
//! assert_eq!(hits[0].key, 7);
//! assert!(hits[0].score > 0.99);
//! # Ok::<(), nomul::Error>(())
//! ```
//!
//! A row of the index is a code of signs, one bit a number, and the numbers themselves where bits do not say all. An exact
//! search scores every row. A search in two stages counts in how many bits a row's code differs from the query's, which
//! reads an eighth of the bytes or less, and scores only the closest rows exactly. Scores are integers and free of
//! multiplications: counts of bits, products by a table of squares, cosines as differences of logarithms (`score.rs`), so a search gives the same keys in the same order on every engine. Rows of equal score come in the order
//! of their keys.
//!
//! Read it in this order: [`Shape`], [`Vector`], [`Index`], [`Search`], [`Image`] and [`Loader`].

mod best;
mod blocks;
mod image;
mod keys;
mod numbers;
mod scan;
mod score;
mod shape;

pub use image::{Image, Loader, MAX_ENCODER_BYTES, Writer};
pub use keys::KeySet;
pub use numbers::{Values, Vector};
pub use scan::{Hit, Search, Stages};
pub use shape::{Kind, MAX_DIMENSIONS, MAX_VECTORS, Metric, Shape};

use alloc::{string::String, vec::Vec};

use crate::{Code, Error, Result, bail};
use blocks::Blocks;
use keys::KeyTable;
use numbers::Row;

/// Vectors with keys.
#[derive(Clone)]
pub struct Index {
    shape: Shape,
    encoder: String,
    /// A row's planes of bits.
    codes: Blocks,
    /// A row's numbers, where bits do not say all.
    numbers: Blocks,
    /// Half the logarithm of each row's squared length, where lengths matter.
    half_logs: Vec<i64>,
    keys: Vec<u64>,
    table: KeyTable,
    /// Grows with every change, so that a search in progress notices.
    revision: u64,
}

impl Index {
    /// An empty index. `encoder` says what made the vectors, in at most [`MAX_ENCODER_BYTES`] bytes; it goes with every
    /// image, so that vectors of different makers are never compared unnoticed.
    pub fn new(shape: Shape, encoder: &str) -> Result<Index> {
        if encoder.len() > MAX_ENCODER_BYTES {
            bail!(Input, "encoder: its name has {} bytes, {MAX_ENCODER_BYTES} are allowed", encoder.len());
        }
        Ok(Index {
            shape,
            encoder: encoder.into(),
            codes: Blocks::new(shape.code_bytes()),
            numbers: Blocks::new(shape.number_bytes()),
            half_logs: Vec::new(),
            keys: Vec::new(),
            table: KeyTable::default(),
            revision: 0,
        })
    }

    /// What it holds.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// What made its vectors.
    pub fn encoder(&self) -> &str {
        &self.encoder
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys, in no particular order.
    pub fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// Whether there is a vector of that key.
    pub fn contains(&self, key: u64) -> bool {
        self.row_of(key).is_some()
    }

    /// The bytes of memory that its vectors take; see [`Shape::memory`] for an index that is yet to be built.
    pub fn memory(&self) -> u64 {
        // An index never holds more than its limit.
        self.shape.memory(self.len()).unwrap_or(u64::MAX)
    }

    /// Adds a vector under a new key.
    pub fn insert(&mut self, key: u64, vector: Vector) -> Result<()> {
        if self.contains(key) {
            bail!(Input, "key {key} is there already");
        }
        self.push(key, Row::new(&self.shape, vector)?)
    }

    /// Puts another vector under a key that is there.
    pub fn update(&mut self, key: u64, vector: Vector) -> Result<()> {
        let Some(row) = self.row_of(key) else { bail!(Missing, "key {key} is not there") };
        self.replace(row, &Row::new(&self.shape, vector)?);
        Ok(())
    }

    /// Adds a vector or takes the place of the one of that key.
    pub fn put(&mut self, key: u64, vector: Vector) -> Result<()> {
        let new = Row::new(&self.shape, vector)?;
        match self.row_of(key) {
            Some(row) => {
                self.replace(row, &new);
                Ok(())
            }
            None => self.push(key, new),
        }
    }

    /// Takes a vector out; false if there was none.
    pub fn remove(&mut self, key: u64) -> bool {
        let keys = &self.keys;
        let Some(row) = self.table.take(key, |row| keys[row as usize]) else { return false };
        let last = self.keys.len() - 1;
        if row as usize != last {
            self.table.moved(self.keys[last], last as u32, row);
        }
        self.keys.swap_remove(row as usize);
        if self.shape.has_lengths() {
            self.half_logs.swap_remove(row as usize);
        }
        self.codes.swap_remove(row as usize);
        self.numbers.swap_remove(row as usize);
        self.revision += 1;
        true
    }

    /// A vector.
    pub fn get(&self, key: u64) -> Option<Values> {
        let row = self.row_of(key)?;
        Some(Values::of_row(&self.shape, self.codes.row(row), self.numbers.row(row)))
    }

    /// The `k` nearest neighbours of a vector among those whose keys are allowed, best first. For a search of many steps,
    /// or of several vectors at once, see [`Search`].
    pub fn search(&self, query: Vector, k: usize, stages: Stages, allowed: &dyn Fn(u64) -> bool) -> Result<Vec<Hit>> {
        let mut search = Search::new(self, &[query], k, stages)?;
        while !search.step(self, usize::MAX, allowed)? {}
        Ok(search.hits().pop().unwrap_or_default())
    }

    fn row_of(&self, key: u64) -> Option<usize> {
        self.table.find(key, |row| self.keys[row as usize]).map(|row| row as usize)
    }

    fn record(&self, row: usize, out: &mut Vec<u8>) {
        numbers::write_record(&self.shape, self.codes.row(row), self.numbers.row(row), out);
    }

    /// Adds a row under a key that is not there. Memory is taken before anything changes.
    fn push(&mut self, key: u64, row: Row) -> Result<()> {
        let place = self.keys.len();
        if place == MAX_VECTORS {
            bail!(Capacity, "an index holds {MAX_VECTORS} vectors at most");
        }
        let no_memory = |_| Error::new(Code::Capacity, crate::format!("no memory for vector {place}"));
        let keys = &self.keys;
        self.table.reserve(1, |row| keys[row as usize])?;
        self.keys.try_reserve(1).map_err(no_memory)?;
        self.half_logs.try_reserve(usize::from(self.shape.has_lengths())).map_err(no_memory)?;
        self.codes.push(&row.planes)?;
        if let Err(error) = self.numbers.push(&row.numbers) {
            self.codes.swap_remove(place);
            return Err(error);
        }
        if self.shape.has_lengths() {
            self.half_logs.push(row.half_log(&self.shape));
        }
        self.keys.push(key);
        let keys = &self.keys;
        self.table.put(key, place as u32, |row| keys[row as usize]);
        self.revision += 1;
        Ok(())
    }

    fn replace(&mut self, place: usize, row: &Row) {
        self.codes.row_mut(place).copy_from_slice(&row.planes);
        self.numbers.row_mut(place).copy_from_slice(&row.numbers);
        if self.shape.has_lengths() {
            self.half_logs[place] = row.half_log(&self.shape);
        }
        self.revision += 1;
    }
}

#[cfg(test)]
mod tests;
