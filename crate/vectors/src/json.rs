//! Documents as vectors. Values cross as JSON text.

use js_sys::{Float64Array, Int16Array, Uint8Array};
use nomul::{
    Code, Error,
    json::{Encoder, Inference, Path, Schema, Space, Value, Vector, bits, bytes, parse, parse_line},
    search::{KeySet, Search},
    vsa::{Bits, Sums, capacity},
};
use wasm_bindgen::{JsCast, prelude::*};

use crate::convert::throw;

/// Learns a schema from documents.
#[wasm_bindgen]
#[derive(Default)]
pub struct JsonInference {
    inference: Inference,
}

#[wasm_bindgen]
impl JsonInference {
    /// Having seen nothing.
    #[wasm_bindgen(constructor)]
    pub fn new() -> JsonInference {
        JsonInference::default()
    }

    /// Looks at a document.
    pub fn observe(&mut self, document: &str) -> Result<(), JsValue> {
        self.inference.observe(&value(document)?);
        Ok(())
    }

    /// The schema, as text, with hints for the paths that it had none for.
    pub fn complete(&self, schema: &str) -> Result<String, JsValue> {
        let mut schema = Schema::parse(schema.as_bytes()).map_err(throw)?;
        self.inference.complete(&mut schema);
        Ok(schema.text())
    }
}

/// An encoder and named documents.
#[wasm_bindgen]
pub struct JsonSpace {
    space: Space,
    search: Option<(Search, Option<KeySet>)>,
}

#[wasm_bindgen]
impl JsonSpace {
    /// Without documents.
    #[wasm_bindgen(constructor)]
    pub fn new(schema: &str, vocabulary: u32) -> Result<JsonSpace, JsValue> {
        let schema = Schema::parse(schema.as_bytes()).map_err(throw)?;
        let space = Encoder::new(schema).and_then(|encoder| Space::new(encoder, vocabulary as usize));
        Ok(JsonSpace { space: space.map_err(throw)?, search: None })
    }

    /// From a file; with an identity, one of another encoder is refused.
    pub fn load(bytes: &[u8], identity: Option<String>) -> Result<JsonSpace, JsValue> {
        let space = Space::load(bytes, identity.as_deref()).map_err(throw)?;
        Ok(JsonSpace { space, search: None })
    }

    /// The file.
    pub fn save(&self) -> Result<Vec<u8>, JsValue> {
        self.space.save().map_err(throw)
    }

    /// What marks vectors.
    #[wasm_bindgen(getter)]
    pub fn identity(&self) -> String {
        self.space.encoder.identity().into()
    }

    /// The schema, as text.
    #[wasm_bindgen(getter)]
    pub fn schema(&self) -> String {
        self.space.encoder.schema().text()
    }

    /// How many documents there are.
    #[wasm_bindgen(getter)]
    pub fn size(&self) -> u32 {
        u32::try_from(self.space.len()).unwrap_or(u32::MAX)
    }

    /// Bytes of memory that the vectors take.
    #[wasm_bindgen(getter)]
    pub fn memory(&self) -> f64 {
        self.space.memory() as f64
    }

    /// The names of all documents.
    pub fn names(&self) -> Vec<String> {
        self.space.names().map(String::from).collect()
    }

    /// The vector of a document, exactly.
    pub fn encode(&mut self, document: &str) -> Result<Int16Array, JsValue> {
        let sums = self.space.encoder.encode(&value(document)?).map_err(throw)?.sums();
        Ok(Int16Array::from(sums.values()))
    }

    /// The signs of the vector of a document.
    #[wasm_bindgen(js_name = encodeSigns)]
    pub fn encode_signs(&mut self, document: &str) -> Result<Vec<u8>, JsValue> {
        self.space.encoder.signs(&value(document)?).map(|signs| bytes(&signs)).map_err(throw)
    }

    /// The signs of exact vectors.
    pub fn signs(&self, sums: &[i16]) -> Result<Vec<u8>, JsValue> {
        let sums = self.sums(sums).map_err(throw)?;
        Ok(bytes(&sums.signs(self.space.encoder.ties())))
    }

    /// Adds a document under a new name.
    pub fn insert(&mut self, name: &str, document: &str) -> Result<(), JsValue> {
        self.space.insert(name, &value(document)?).map_err(throw)
    }

    /// Adds a document that stands in a line of a file, under the number of the line.
    #[wasm_bindgen(js_name = insertLine)]
    pub fn insert_line(&mut self, line: u32, document: &[u8]) -> Result<(), JsValue> {
        let inserted = parse_line(document, line as usize)
            .and_then(|value| self.space.insert(&line.to_string(), &value).map_err(|e| e.at(format!("line {line}"))));
        inserted.map_err(throw)
    }

    /// Takes a document out.
    pub fn remove(&mut self, name: &str) -> bool {
        self.space.remove(name)
    }

    /// The signs of a document's vector.
    pub fn vector(&self, name: &str) -> Result<Vec<u8>, JsValue> {
        self.space.vector(name).map(|signs| bytes(&signs)).map_err(throw)
    }

    /// The cosine of two vectors.
    pub fn similarity(&self, a: JsValue, b: JsValue) -> Result<f64, JsValue> {
        let (a, b) = (self.given(&a).map_err(throw)?, self.given(&b).map_err(throw)?);
        a.similarity(&b).map_err(throw)
    }

    /// Begins a search among the documents of these names, or all.
    #[wasm_bindgen(js_name = startSearch)]
    pub fn start_search(&mut self, query: JsValue, k: u32, allowed: Option<Vec<String>>) -> Result<(), JsValue> {
        let query = match self.given(&query).map_err(throw)? {
            Vector::Signs(signs) => signs,
            Vector::Sums(sums) => sums.signs(self.space.encoder.ties()),
        };
        let allowed = allowed.map(|names| {
            let keys: Vec<u64> = names.iter().filter_map(|name| self.space.key(name)).collect();
            KeySet::new(&keys)
        });
        let allowed = allowed.transpose().map_err(throw)?;
        self.search = Some((self.space.start(&[query], k as usize).map_err(throw)?, allowed));
        Ok(())
    }

    /// Looks at some more documents; true once all is done.
    #[wasm_bindgen(js_name = stepSearch)]
    pub fn step_search(&mut self, rows: u32) -> Result<bool, JsValue> {
        let Some((search, allowed)) = &mut self.search else { return Ok(true) };
        let step = match allowed {
            Some(keys) => self.space.step(search, rows as usize, &|key| keys.contains(key)),
            None => self.space.step(search, rows as usize, &|_| true),
        };
        step.map_err(throw)
    }

    /// Ends the search: `[{ id, similarity }]`, as text.
    #[wasm_bindgen(js_name = endSearch)]
    pub fn end_search(&mut self) -> Result<String, JsValue> {
        let found = self.search.take().map(|(search, _)| search.hits()).unwrap_or_default();
        let hits = found.first().map(Vec::as_slice).unwrap_or_default();
        let list: Vec<Value> = self
            .space
            .named(hits)
            .map(|(id, similarity)| {
                let field = |name: &str, value| (String::from(name), value);
                Value::Object(vec![
                    field("id", Value::String(id.into())),
                    field("similarity", Value::Number(similarity)),
                ])
            })
            .collect();
        Ok(Value::Array(list).to_string())
    }

    /// What a vector holds at a path: an answer, as text.
    pub fn get(&mut self, vector: JsValue, path: &str) -> Result<String, JsValue> {
        let answer = self.given(&vector).and_then(|vector| self.space.get(&vector, &Path::parse(path)?));
        text(&answer.map_err(throw)?)
    }

    /// Which leaves of a document a vector has too: a list, as text.
    pub fn explain(&mut self, document: &str, vector: JsValue) -> Result<String, JsValue> {
        let document = value(document)?;
        let leaves = self.given(&vector).and_then(|vector| self.space.encoder.explain(&document, &vector));
        text(&leaves.map_err(throw)?)
    }

    /// Where the first vector holds a value, and what the second has there: `[path, answer]`, as text.
    pub fn analogy(&mut self, value_text: &str, first: JsValue, second: JsValue) -> Result<String, JsValue> {
        let value = value(value_text)?;
        let (first, second) = (self.given(&first).map_err(throw)?, self.given(&second).map_err(throw)?);
        let (path, answer) = self.space.analogy(&value, &first, &second).map_err(throw)?;
        text(&(path.to_string(), answer))
    }

    /// The exact vector with a value added at a path (`before` absent), removed (`after` absent), or replaced.
    pub fn edit(
        &mut self,
        sums: &[i16],
        path: &str,
        before: Option<String>,
        after: Option<String>,
    ) -> Result<Int16Array, JsValue> {
        let mut sums = self.sums(sums).map_err(throw)?;
        let path = Path::parse(path).map_err(throw)?;
        let encoder = &mut self.space.encoder;
        if let Some(before) = before {
            encoder.remove(&mut sums, &path, &value(&before)?).map_err(throw)?;
        }
        if let Some(after) = after {
            encoder.add(&mut sums, &path, &value(&after)?).map_err(throw)?;
        }
        Ok(Int16Array::from(sums.values()))
    }

    /// Gives a text the vector of a text encoder.
    pub fn attach(&mut self, text: &str, vector: &[f32]) -> Result<(), JsValue> {
        self.space.encoder.attach(text, vector).map_err(throw)
    }

    /// The texts of a document that still need one.
    #[wasm_bindgen(js_name = missingTexts)]
    pub fn missing_texts(&mut self, document: &str) -> Result<Vec<String>, JsValue> {
        self.space.encoder.missing_texts(&value(document)?).map_err(throw)
    }

    /// How many leaves a document has for the encoder, and what their weights add up to when squared, in units of one
    /// leaf.
    pub fn leaves(&mut self, document: &str) -> Result<Float64Array, JsValue> {
        let (count, squares) = self.space.encoder.leaves(&value(document)?).map_err(throw)?;
        Ok(Float64Array::from(&[count as f64, squares][..]))
    }
}

impl JsonSpace {
    fn sums(&self, numbers: &[i16]) -> nomul::Result<Sums> {
        let sums = Sums::from_values(numbers.to_vec())?;
        self.fits(sums.dimension())?;
        Ok(sums)
    }

    fn fits(&self, dimension: usize) -> nomul::Result<()> {
        let own = self.space.encoder.schema().dimension;
        if dimension != own {
            return Err(Error::new(Code::Shape, format!("a vector of {dimension} numbers, the encoder's have {own}")));
        }
        Ok(())
    }

    /// A vector as it crosses: numbers, or packed signs.
    fn given(&self, vector: &JsValue) -> nomul::Result<Vector> {
        if let Some(numbers) = vector.dyn_ref::<Int16Array>() {
            return self.sums(&numbers.to_vec()).map(Vector::Sums);
        }
        if let Some(packed) = vector.dyn_ref::<Uint8Array>() {
            let signs: Bits = bits(self.space.encoder.schema().dimension, &packed.to_vec())?;
            return Ok(Vector::Signs(signs));
        }
        Err(Error::new(Code::Input, "a vector is an Int16Array of sums or a Uint8Array of signs"))
    }
}

/// The probability that a leaf is found again: `ratio` is how large its share of the vector is, see `nomul::vsa::capacity`.
#[wasm_bindgen(js_name = jsonRecall)]
pub fn recall(dimension: u32, squares: f64, candidates: u32, signs: bool) -> f64 {
    let share = if signs { capacity::SIGNS } else { 1.0 };
    capacity::recall(share * dimension as f64 / squares.max(1e-9), candidates as usize)
}

/// How many leaves a vector holds so that each is found with a probability.
#[wasm_bindgen(js_name = jsonHolds)]
pub fn holds(dimension: u32, candidates: u32, wanted: f64, signs: bool) -> u32 {
    capacity::terms(dimension as usize, candidates as usize, wanted, signs) as u32
}

fn value(text: &str) -> Result<Value, JsValue> {
    parse(text.as_bytes()).map_err(throw)
}

fn text(value: &impl serde::Serialize) -> Result<String, JsValue> {
    serde_json::to_string(value).map_err(|error| throw(Error::new(Code::Value, error.to_string())))
}
