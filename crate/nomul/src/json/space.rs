//! Documents with names, their vectors, and what is known of them: all that a file holds.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use super::{Encoder, Header, Value, Vector, Vocabulary};
use crate::{
    Result, bail,
    search::{self, Hit, Image, Index, Kind, Metric, Search, Shape, Stages, Values},
    vsa::{Bits, Bundle},
};

/// Named documents as sign vectors, searchable.
pub struct Space {
    /// What makes the vectors.
    pub encoder: Encoder,
    vocabulary: Vocabulary,
    index: Index,
    names: BTreeMap<u64, String>,
    keys: BTreeMap<String, u64>,
    next: u64,
    bundle: Bundle,
    signs: Bits,
}

impl Space {
    /// Without documents; [`Space::get`] will choose from at most `vocabulary` different values.
    pub fn new(encoder: Encoder, vocabulary: usize) -> Result<Space> {
        let dimension = encoder.schema().dimension;
        Ok(Space {
            index: Index::new(Shape::new(Kind::Signs, dimension, Metric::Cosine)?, encoder.identity())?,
            encoder,
            vocabulary: Vocabulary::new(vocabulary),
            names: BTreeMap::new(),
            keys: BTreeMap::new(),
            next: 0,
            bundle: Bundle::new(dimension),
            signs: Bits::identity(dimension),
        })
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Bytes of memory that the vectors take.
    pub fn memory(&self) -> u64 {
        self.index.memory()
    }

    /// What is known of the documents.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The names, oldest first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.values().map(String::as_str)
    }

    /// The number under which a name is searched.
    pub fn key(&self, name: &str) -> Option<u64> {
        self.keys.get(name).copied()
    }

    /// Adds a document under a new name.
    pub fn insert(&mut self, name: &str, document: &Value) -> Result<()> {
        if self.keys.contains_key(name) {
            bail!(Input, "the name {name:?} came before");
        }
        self.encoder.encode_into(document, &mut self.bundle)?;
        self.bundle.majority_into(self.encoder.ties(), &mut self.signs);
        self.index.insert(self.next, search::Vector::Words(self.signs.words()))?;
        self.vocabulary.observe(document);
        self.keys.insert(name.into(), self.next);
        self.names.insert(self.next, name.into());
        self.next += 1;
        Ok(())
    }

    /// Takes a document out; false if there was none. Its values stay known.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(key) = self.keys.remove(name) else { return false };
        self.names.remove(&key);
        self.index.remove(key)
    }

    /// The vector of a document.
    pub fn vector(&self, name: &str) -> Result<Bits> {
        let Some(key) = self.key(name) else {
            bail!(Missing, "no document {name:?}: there are {}", self.names.len());
        };
        let Some(Values::Bits(bytes)) = self.index.get(key) else {
            bail!(Format, "no vector of the document {name:?}");
        };
        bits(self.encoder.schema().dimension, &bytes)
    }

    /// Begins a search for the `k` documents that are most similar to each query; [`Space::step`] does it.
    pub fn start(&self, queries: &[Bits], k: usize) -> Result<Search> {
        let vectors: Vec<search::Vector> = queries.iter().map(|signs| search::Vector::Words(signs.words())).collect();
        Search::new(&self.index, &vectors, k, Stages::Exact)
    }

    /// Looks at some more documents; true once all is done.
    pub fn step(&self, search: &mut Search, rows: usize, allowed: &dyn Fn(u64) -> bool) -> Result<bool> {
        search.step(&self.index, rows, allowed)
    }

    /// The names of what was found, with the cosines.
    pub fn named<'a>(&'a self, hits: &'a [Hit]) -> impl Iterator<Item = (&'a str, f64)> {
        hits.iter().filter_map(|hit| Some((self.names.get(&hit.key)?.as_str(), hit.score)))
    }

    /// See [`Encoder::get`].
    pub fn get(&mut self, vector: &Vector, path: &super::Path) -> Result<super::Answer> {
        self.encoder.get(vector, path, &self.vocabulary)
    }

    /// See [`Encoder::analogy`].
    pub fn analogy(&mut self, value: &Value, first: &Vector, second: &Vector) -> Result<(super::Path, super::Answer)> {
        self.encoder.analogy(value, first, second, &self.vocabulary)
    }

    /// The file: a [`Header`], then the image of the index.
    pub fn save(&self) -> Result<Vec<u8>> {
        let image = Image::new(&self.index);
        let header = Header::new(&self.encoder, self.vocabulary.clone(), self.names.clone());
        let mut bytes = header.write(image.bytes());
        bytes.extend_from_slice(&image.to_vec()?);
        Ok(bytes)
    }

    /// Reads a file that [`Space::save`] made, on whatever machine. With `identity`, one of another encoder is refused.
    pub fn load(bytes: &[u8], identity: Option<&str>) -> Result<Space> {
        let (header, image) = Header::read(bytes)?;
        if let Some(identity) = identity
            && identity != header.identity
        {
            bail!(Unsupported, "an index of the encoder {}, not {identity}", header.identity);
        }
        let index = Index::load(image, Some(&header.identity))?;
        let dimension = header.schema.dimension;
        let known = index.keys().iter().all(|key| header.names.contains_key(key));
        if index.len() != header.names.len()
            || !known
            || index.shape() != &Shape::new(Kind::Signs, dimension, Metric::Cosine)?
        {
            bail!(Format, "{} vectors do not fit the names of {} documents", index.len(), header.names.len());
        }
        let keys: BTreeMap<String, u64> = header.names.iter().map(|(key, name)| (name.clone(), *key)).collect();
        if keys.len() != header.names.len() {
            bail!(Format, "two documents of one name");
        }
        let mut space = Space::new(Encoder::new(header.schema)?, 0)?;
        let last = header.names.last_key_value().map(|(key, _)| *key);
        space.next = match last {
            Some(u64::MAX) => bail!(Format, "a document of number {}", u64::MAX),
            Some(last) => last + 1,
            None => 0,
        };
        Ok(Space { vocabulary: header.vocabulary, index, names: header.names, keys, ..space })
    }
}

/// Signs from packed bytes.
pub fn bits(dimension: usize, bytes: &[u8]) -> Result<Bits> {
    if bytes.len() != dimension.div_ceil(8) {
        bail!(Shape, "{} bytes of signs: {dimension} signs take {}", bytes.len(), dimension.div_ceil(8));
    }
    let word = |part: &[u8]| part.iter().rev().fold(0, |word, byte| word << 8 | *byte as u64);
    Bits::from_words(dimension, bytes.chunks(8).map(word).collect())
}

/// Packed bytes of signs.
pub fn bytes(bits: &Bits) -> Vec<u8> {
    let mut bytes: Vec<u8> = bits.words().iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.truncate(bits.dimension().div_ceil(8));
    bytes
}
