//! The index.

use std::cell::RefCell;

use nomul::{
    Code, Error,
    search::{Index, KeySet, Kind, Metric, Search, Shape, Stages, Values, Vector},
};

use crate::{
    Component,
    bindings::exports::nomul::runtime::search::{self as wit, Guest, GuestVectorIndex},
    convert::{Result, count},
};

/// Rows that are looked at before the search is asked whether it is done: all of them.
const ROWS: usize = usize::MAX;

/// The resource `vector-index`.
pub struct VectorIndex {
    index: RefCell<Index>,
}

impl Guest for Component {
    type VectorIndex = VectorIndex;
}

fn kind(kind: wit::Kind) -> Kind {
    match kind {
        wit::Kind::Signs => Kind::Signs,
        wit::Kind::Ternary => Kind::Ternary,
        wit::Kind::Int8 => Kind::I8,
        wit::Kind::Int16 => Kind::I16,
    }
}

fn metric(metric: wit::Metric) -> Metric {
    match metric {
        wit::Metric::Dot => Metric::Dot,
        wit::Metric::Cosine => Metric::Cosine,
    }
}

/// Vectors that lie one behind the other.
fn split<'a>(shape: &Shape, vectors: &'a wit::Vectors) -> nomul::Result<Vec<Vector<'a>>> {
    let numbers = shape.dimensions();
    let (length, each) = match vectors {
        wit::Vectors::Bits(bytes) => (bytes.len(), numbers.div_ceil(8)),
        wit::Vectors::Int8(numbers_) => (numbers_.len(), numbers),
        wit::Vectors::Int16(numbers_) => (numbers_.len(), numbers),
    };
    if !length.is_multiple_of(each) {
        let line = format!("vectors: {length} elements are no whole number of vectors of {each}");
        return Err(Error::new(Code::Input, line));
    }
    Ok(match vectors {
        wit::Vectors::Bits(all) => all.chunks(each).map(Vector::Bits).collect(),
        wit::Vectors::Int8(all) => all.chunks(each).map(Vector::I8).collect(),
        wit::Vectors::Int16(all) => all.chunks(each).map(Vector::I16).collect(),
    })
}

fn stages(candidates: Option<u32>) -> Stages {
    match candidates {
        Some(candidates) => Stages::Two { candidates: candidates as usize },
        None => Stages::Exact,
    }
}

impl VectorIndex {
    fn resource(index: Index) -> wit::VectorIndex {
        wit::VectorIndex::new(VectorIndex { index: RefCell::new(index) })
    }
}

impl GuestVectorIndex for VectorIndex {
    fn open(of: wit::Kind, dimensions: u32, by: wit::Metric, encoder: String) -> Result<wit::VectorIndex> {
        let shape = Shape::new(kind(of), dimensions as usize, metric(by))?;
        Ok(VectorIndex::resource(Index::new(shape, &encoder)?))
    }

    fn load(image: Vec<u8>, encoder: Option<String>) -> Result<wit::VectorIndex> {
        Ok(VectorIndex::resource(Index::load(&image, encoder.as_deref())?))
    }

    fn save(&self) -> Result<Vec<u8>> {
        Ok(self.index.borrow().save()?)
    }

    fn kind(&self) -> wit::Kind {
        match self.index.borrow().shape().kind() {
            Kind::Signs => wit::Kind::Signs,
            Kind::Ternary => wit::Kind::Ternary,
            Kind::I8 => wit::Kind::Int8,
            Kind::I16 => wit::Kind::Int16,
        }
    }

    fn dimensions(&self) -> u32 {
        count(self.index.borrow().shape().dimensions())
    }

    fn metric(&self) -> wit::Metric {
        match self.index.borrow().shape().metric() {
            Metric::Dot => wit::Metric::Dot,
            Metric::Cosine => wit::Metric::Cosine,
        }
    }

    fn encoder(&self) -> String {
        self.index.borrow().encoder().into()
    }

    fn size(&self) -> u64 {
        self.index.borrow().len() as u64
    }

    fn memory(&self) -> u64 {
        self.index.borrow().memory()
    }

    fn keys(&self) -> Vec<u64> {
        self.index.borrow().keys().to_vec()
    }

    fn put(&self, keys: Vec<u64>, vectors: wit::Vectors, mode: wit::Mode) -> Result<()> {
        let mut index = self.index.borrow_mut();
        let vectors = split(index.shape(), &vectors)?;
        if vectors.len() != keys.len() {
            let line = format!("vectors: {} for {} keys", vectors.len(), keys.len());
            return Err(Error::new(Code::Input, line).into());
        }
        for (place, (key, vector)) in keys.into_iter().zip(vectors).enumerate() {
            let done = match mode {
                wit::Mode::Insert => index.insert(key, vector),
                wit::Mode::Update => index.update(key, vector),
                wit::Mode::Put => index.put(key, vector),
            };
            done.map_err(|error| error.at(format!("vector {place}")))?;
        }
        Ok(())
    }

    fn remove(&self, keys: Vec<u64>) -> u64 {
        let mut index = self.index.borrow_mut();
        keys.into_iter().filter(|key| index.remove(*key)).count() as u64
    }

    fn get(&self, key: u64) -> Option<wit::Vectors> {
        self.index.borrow().get(key).map(|values| match values {
            Values::Bits(bits) => wit::Vectors::Bits(bits),
            Values::I8(numbers) => wit::Vectors::Int8(numbers),
            Values::I16(numbers) => wit::Vectors::Int16(numbers),
        })
    }

    fn search(
        &self,
        queries: wit::Vectors,
        k: u32,
        candidates: Option<u32>,
        allowed: Option<Vec<u64>>,
    ) -> Result<Vec<Vec<wit::Hit>>> {
        let index = self.index.borrow();
        let queries = split(index.shape(), &queries)?;
        let allowed = allowed.map(|keys| KeySet::new(&keys)).transpose()?;
        let may = |key| allowed.as_ref().is_none_or(|keys| keys.contains(key));
        let mut search = Search::new(&index, &queries, k as usize, stages(candidates))?;
        while !search.step(&index, ROWS, &may)? {}
        let hit = |hit: nomul::search::Hit| wit::Hit { key: hit.key, score: hit.score };
        Ok(search.hits().into_iter().map(|hits| hits.into_iter().map(hit).collect()).collect())
    }
}
