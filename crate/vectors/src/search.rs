//! The index.

use js_sys::{Float64Array, Int8Array, Int16Array, Object, Reflect, Uint8Array};
use nomul::{
    Code, Error,
    search::{Index, KeySet, Loader, Search, Shape, Stages, Values, Vector, Writer},
};
use wasm_bindgen::{JsCast, prelude::*};

use crate::convert::throw;

/// The largest key: a whole number that JavaScript's numbers hold exactly.
const MAX_KEY: u64 = (1 << 53) - 1;

/// The bytes of memory that an index of so many vectors takes.
#[wasm_bindgen(js_name = indexMemory)]
pub fn index_memory(kind: &str, dimensions: u32, metric: &str, vectors: u32) -> Result<f64, JsValue> {
    let bytes = shape(kind, dimensions, metric).and_then(|shape| shape.memory(vectors as usize));
    Ok(bytes.map_err(throw)? as f64)
}

fn shape(kind: &str, dimensions: u32, metric: &str) -> nomul::Result<Shape> {
    Shape::new(kind.parse()?, dimensions as usize, metric.parse()?)
}

/// Vectors with keys, and what is going on with them.
#[wasm_bindgen]
pub struct VectorIndex {
    index: Index,
    search: Option<(Search, Option<KeySet>)>,
    writer: Option<Writer>,
}

#[wasm_bindgen]
impl VectorIndex {
    /// An empty index.
    #[wasm_bindgen(constructor)]
    pub fn new(kind: &str, dimensions: u32, metric: &str, encoder: &str) -> Result<VectorIndex, JsValue> {
        let index = shape(kind, dimensions, metric).and_then(|shape| Index::new(shape, encoder));
        Ok(VectorIndex { index: index.map_err(throw)?, search: None, writer: None })
    }

    /// `"signs"`, `"ternary"`, `"i8"` or `"i16"`.
    #[wasm_bindgen(getter)]
    pub fn kind(&self) -> String {
        self.index.shape().kind().as_str().into()
    }

    /// Numbers of a vector.
    #[wasm_bindgen(getter)]
    pub fn dimensions(&self) -> u32 {
        // At most 65,536.
        self.index.shape().dimensions() as u32
    }

    /// `"dot"` or `"cosine"`.
    #[wasm_bindgen(getter)]
    pub fn metric(&self) -> String {
        self.index.shape().metric().as_str().into()
    }

    /// What made the vectors.
    #[wasm_bindgen(getter)]
    pub fn encoder(&self) -> String {
        self.index.encoder().into()
    }

    /// How many vectors there are.
    #[wasm_bindgen(getter)]
    pub fn size(&self) -> u32 {
        u32::try_from(self.index.len()).unwrap_or(u32::MAX)
    }

    /// The bytes of memory that they take.
    #[wasm_bindgen(getter)]
    pub fn memory(&self) -> f64 {
        self.index.memory() as f64
    }

    /// All keys.
    pub fn keys(&self) -> Vec<f64> {
        self.index.keys().iter().map(|key| *key as f64).collect()
    }

    /// Puts vectors, one behind the other, under their keys. `mode` is `"insert"`, `"update"` or `"put"`. An error names
    /// the vector; those before it are in.
    pub fn put(
        &mut self,
        keys: &[f64],
        #[wasm_bindgen(unchecked_param_type = "Uint8Array | Int8Array | Int16Array")] vectors: JsValue,
        mode: &str,
    ) -> Result<(), JsValue> {
        let vectors = Vectors::new(self.index.shape(), &vectors).map_err(throw)?;
        if vectors.count() != keys.len() {
            let line = format!("vectors: {} for {} keys", vectors.count(), keys.len());
            return Err(throw(Error::new(Code::Input, line)));
        }
        for (place, (key, vector)) in keys.iter().zip(vectors.iter()).enumerate() {
            let done = whole_key(*key).and_then(|key| match mode {
                "insert" => self.index.insert(key, vector),
                "update" => self.index.update(key, vector),
                _ => self.index.put(key, vector),
            });
            done.map_err(|error| throw(error.at(format!("vector {place}"))))?;
        }
        Ok(())
    }

    /// Takes vectors out; answers with how many there were.
    pub fn remove(&mut self, keys: &[f64]) -> Result<u32, JsValue> {
        let mut removed = 0;
        for key in keys {
            removed += u32::from(self.index.remove(whole_key(*key).map_err(throw)?));
        }
        Ok(removed)
    }

    /// A vector; `undefined` where there is none.
    #[wasm_bindgen(unchecked_return_type = "Uint8Array | Int8Array | Int16Array | undefined")]
    pub fn get(&self, key: f64) -> Result<JsValue, JsValue> {
        Ok(match self.index.get(whole_key(key).map_err(throw)?) {
            None => JsValue::UNDEFINED,
            Some(Values::Bits(bits)) => Uint8Array::from(bits.as_slice()).into(),
            Some(Values::I8(numbers)) => Int8Array::from(numbers.as_slice()).into(),
            Some(Values::I16(numbers)) => Int16Array::from(numbers.as_slice()).into(),
        })
    }

    /// Begins a search for the `k` nearest of each query among the allowed keys, or all; without candidates an exact one.
    #[wasm_bindgen(js_name = startSearch)]
    pub fn start_search(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "Uint8Array | Int8Array | Int16Array")] queries: JsValue,
        k: u32,
        candidates: Option<u32>,
        allowed: Option<Vec<f64>>,
    ) -> Result<(), JsValue> {
        let queries = Vectors::new(self.index.shape(), &queries).map_err(throw)?;
        let queries: Vec<Vector> = queries.iter().collect();
        let stages = match candidates {
            Some(candidates) => Stages::Two { candidates: candidates as usize },
            None => Stages::Exact,
        };
        let allowed = allowed.map(|keys| {
            let keys = keys.iter().map(|key| whole_key(*key)).collect::<nomul::Result<Vec<u64>>>()?;
            KeySet::new(&keys)
        });
        let allowed = allowed.transpose().map_err(throw)?;
        self.search = Some((Search::new(&self.index, &queries, k as usize, stages).map_err(throw)?, allowed));
        Ok(())
    }

    /// Looks at some more rows; true once all is done.
    #[wasm_bindgen(js_name = stepSearch)]
    pub fn step_search(&mut self, rows: u32) -> Result<bool, JsValue> {
        let Some((search, allowed)) = &mut self.search else { return Ok(true) };
        let step = match allowed {
            Some(keys) => search.step(&self.index, rows as usize, &|key| keys.contains(key)),
            None => search.step(&self.index, rows as usize, &|_| true),
        };
        step.map_err(throw)
    }

    /// Ends the search: the neighbours of all queries, one after the other, and how many each has.
    #[wasm_bindgen(
        js_name = endSearch,
        unchecked_return_type = "{ keys: Float64Array<ArrayBuffer>; scores: Float64Array<ArrayBuffer>; counts: Uint32Array<ArrayBuffer> }"
    )]
    pub fn end_search(&mut self) -> JsValue {
        let found = self.search.take().map(|(search, _)| search.hits()).unwrap_or_default();
        let hits = || found.iter().flatten();
        let keys: Vec<f64> = hits().map(|hit| hit.key as f64).collect();
        let scores: Vec<f64> = hits().map(|hit| hit.score).collect();
        let counts: Vec<u32> = found.iter().map(|hits| hits.len() as u32).collect();
        let answer = Object::new();
        for (name, array) in [
            ("keys", JsValue::from(Float64Array::from(keys.as_slice()))),
            ("scores", Float64Array::from(scores.as_slice()).into()),
            ("counts", js_sys::Uint32Array::from(counts.as_slice()).into()),
        ] {
            // Setting a property of a fresh object does not fail.
            let _ = Reflect::set(&answer, &name.into(), &array);
        }
        answer.into()
    }

    /// Begins an image of the index.
    #[wasm_bindgen(js_name = startImage)]
    pub fn start_image(&mut self) {
        self.writer = Some(Writer::new(&self.index));
    }

    /// The image's next part, of about so many bytes; `undefined` at its end.
    #[wasm_bindgen(js_name = nextPart)]
    pub fn next_part(&mut self, bytes: u32) -> Result<Option<Vec<u8>>, JsValue> {
        let Some(writer) = &mut self.writer else { return Ok(None) };
        let mut part = Vec::new();
        let more = writer.part(&self.index, bytes as usize, &mut part).map_err(throw)?;
        Ok(more.then_some(part))
    }
}

/// Reads an image that comes in parts.
#[wasm_bindgen]
pub struct IndexLoader {
    loader: Loader,
}

#[wasm_bindgen]
impl IndexLoader {
    /// With an encoder, images of others are refused.
    #[wasm_bindgen(constructor)]
    pub fn new(encoder: Option<String>) -> IndexLoader {
        IndexLoader { loader: Loader::new(encoder.as_deref()) }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), JsValue> {
        self.loader.push(bytes).map_err(throw)
    }

    /// The index, once all has come.
    pub fn finish(self) -> Result<VectorIndex, JsValue> {
        let index = self.loader.finish().map_err(throw)?;
        if let Some(key) = index.keys().iter().find(|key| **key > MAX_KEY) {
            return Err(throw(Error::new(Code::Unsupported, format!("image: key {key} is larger than {MAX_KEY}"))));
        }
        Ok(VectorIndex { index, search: None, writer: None })
    }
}

fn whole_key(key: f64) -> nomul::Result<u64> {
    if (0.0..=MAX_KEY as f64).contains(&key) && key == key.trunc() {
        return Ok(key as u64);
    }
    Err(Error::new(Code::Input, format!("key {key} is not a whole number from 0 to {MAX_KEY}")))
}

/// Vectors one behind the other.
struct Vectors {
    values: Values,
    /// Elements of one of them.
    each: usize,
}

impl Vectors {
    fn new(shape: &Shape, array: &JsValue) -> nomul::Result<Vectors> {
        let numbers = shape.dimensions();
        let (values, length, each) = if let Some(array) = array.dyn_ref::<Uint8Array>() {
            (Values::Bits(array.to_vec()), array.length(), numbers.div_ceil(8))
        } else if let Some(array) = array.dyn_ref::<Int8Array>() {
            (Values::I8(array.to_vec()), array.length(), numbers)
        } else if let Some(array) = array.dyn_ref::<Int16Array>() {
            (Values::I16(array.to_vec()), array.length(), numbers)
        } else {
            return Err(Error::new(Code::Input, "vectors: no Uint8Array, Int8Array or Int16Array"));
        };
        if !(length as usize).is_multiple_of(each) {
            let line = format!("vectors: {length} elements are no whole number of vectors of {each}");
            return Err(Error::new(Code::Input, line));
        }
        Ok(Vectors { values, each })
    }

    fn count(&self) -> usize {
        self.iter().count()
    }

    fn iter(&self) -> Box<dyn Iterator<Item = Vector<'_>> + '_> {
        match &self.values {
            Values::Bits(bits) => Box::new(bits.chunks(self.each).map(Vector::Bits)),
            Values::I8(numbers) => Box::new(numbers.chunks(self.each).map(Vector::I8)),
            Values::I16(numbers) => Box::new(numbers.chunks(self.each).map(Vector::I16)),
        }
    }
}
