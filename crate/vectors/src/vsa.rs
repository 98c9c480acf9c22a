//! Vector symbolic architectures. Vectors cross as typed arrays: packed signs, or sums. Lists of signs lie one behind
//! the other.

use js_sys::{Int16Array, Uint8Array};
use nomul::{
    Code, Error,
    json::{Vector, bits, bytes},
    vsa::{
        Bits, Bundle, Classifier, ItemMemory, Model, Sums, check_dimension,
        draw::{Draw, Kind},
        levels, resonator, structure,
    },
};
use wasm_bindgen::{JsCast, prelude::*};

use crate::convert::throw;

/// An architecture, and what is random in it.
#[wasm_bindgen]
pub struct Vsa {
    model: Model,
    dimension: usize,
    seed: u64,
    ties: Bits,
    drawn: u64,
}

#[wasm_bindgen]
impl Vsa {
    /// `"MAP"`, `"BSC"` or `"MBAT"`.
    #[wasm_bindgen(constructor)]
    pub fn new(model: &str, dimension: u32, seed: f64) -> Result<Vsa, JsValue> {
        let (dimension, seed) = (dimension as usize, seed as u64);
        let model = check_dimension(dimension).and_then(|()| model.parse()).map_err(throw)?;
        Ok(Vsa { model, dimension, seed, ties: Bits::ties(dimension, seed), drawn: 0 })
    }

    /// The symbol of a name.
    pub fn atom(&self, name: &str) -> Vec<u8> {
        bytes(&Bits::atom(self.dimension, self.seed, name.as_bytes()))
    }

    /// Symbols that were not there before.
    pub fn random(&mut self, count: u32) -> Vec<u8> {
        let mut draw = || {
            self.drawn += 1;
            Bits::random(self.dimension, &mut Draw::new(self.seed, Kind::Other, &self.drawn.to_le_bytes()))
        };
        (0..count).flat_map(|_| bytes(&draw())).collect()
    }

    /// What binding leaves alone.
    pub fn identity(&self) -> Vec<u8> {
        bytes(&Bits::identity(self.dimension))
    }

    /// See `nomul::vsa::levels::level`.
    pub fn level(&self, count: u32) -> Vec<u8> {
        all(levels::level(self.dimension, self.seed, count as usize))
    }

    /// See `nomul::vsa::levels::circular`.
    pub fn circular(&self, count: u32) -> Vec<u8> {
        all(levels::circular(self.dimension, self.seed, count as usize))
    }

    /// See `nomul::vsa::levels::thermometer`.
    pub fn thermometer(&self, count: u32) -> Vec<u8> {
        all(levels::thermometer(self.dimension, count as usize))
    }

    /// Symbols at right angles.
    pub fn equiangular(&self, count: u32) -> Result<Vec<u8>, JsValue> {
        let memory = ItemMemory::equiangular(self.dimension, self.seed, count as usize).map_err(throw)?;
        Ok(all(memory.items().iter().cloned()))
    }

    /// A vector bound to a key.
    pub fn bind(&self, key: &[u8], x: JsValue) -> Result<JsValue, JsValue> {
        self.with_key(key, &x, Model::bind, Model::bind_sums)
    }

    /// Takes it back.
    pub fn unbind(&self, key: &[u8], x: JsValue) -> Result<JsValue, JsValue> {
        self.with_key(key, &x, Model::unbind, Model::unbind_sums)
    }

    /// What unbinds when it is bound.
    pub fn inverse(&self, x: &[u8]) -> Result<Vec<u8>, JsValue> {
        self.signs(x).and_then(|x| self.model.inverse(&x)).map(|x| bytes(&x)).map_err(throw)
    }

    /// All signs turned.
    pub fn negative(&self, x: JsValue) -> Result<JsValue, JsValue> {
        self.turned(&x, Bits::negative, |sums| sums.bind(&Bits::identity(self.dimension).negative()))
    }

    /// Shifted cyclically.
    pub fn permute(&self, x: JsValue, shifts: i32) -> Result<JsValue, JsValue> {
        self.turned(&x, |bits| bits.permute(shifts as isize), |sums| sums.permute(shifts as isize))
    }

    /// The sum of signs, and of sums too.
    pub fn bundle(&self, signs: &[u8], sums: &[i16]) -> Result<JsValue, JsValue> {
        let made = self.list(signs).and_then(|list| {
            let bundle = structure::multiset(self.dimension, &list);
            if sums.is_empty() {
                return Ok(self.vector(&bundle));
            }
            let mut all = bundle.sums();
            for part in sums.chunks(self.dimension) {
                all.add(&self.sums(part)?);
            }
            Ok(sums_out(&all))
        });
        made.map_err(throw)
    }

    /// See `nomul::vsa::Model`.
    pub fn multibind(&self, list: &[u8]) -> Result<Vec<u8>, JsValue> {
        self.list(list).map(|list| bytes(&self.model.multibind(self.dimension, &list))).map_err(throw)
    }

    /// See `nomul::vsa::Model`.
    #[wasm_bindgen(js_name = hashTable)]
    pub fn hash_table(&self, keys: &[u8], values: &[u8]) -> Result<JsValue, JsValue> {
        self.pairs(keys, values, |keys, values| self.model.hash_table(self.dimension, keys, values))
    }

    /// See `nomul::vsa::Model`.
    #[wasm_bindgen(js_name = crossProduct)]
    pub fn cross_product(&self, first: &[u8], second: &[u8]) -> Result<JsValue, JsValue> {
        self.pairs(first, second, |first, second| Ok(self.model.cross_product(self.dimension, first, second)))
    }

    /// See `nomul::vsa::structure`.
    #[wasm_bindgen(js_name = bundleSequence)]
    pub fn bundle_sequence(&self, list: &[u8]) -> Result<JsValue, JsValue> {
        let list = self.list(list).map_err(throw)?;
        Ok(self.vector(&structure::bundle_sequence(self.dimension, &list)))
    }

    /// See `nomul::vsa::Model`.
    #[wasm_bindgen(js_name = bindSequence)]
    pub fn bind_sequence(&self, list: &[u8]) -> Result<Vec<u8>, JsValue> {
        self.list(list).map(|list| bytes(&self.model.bind_sequence(self.dimension, &list))).map_err(throw)
    }

    /// See `nomul::vsa::Model`.
    pub fn ngrams(&self, list: &[u8], n: u32) -> Result<JsValue, JsValue> {
        let list = self.list(list).map_err(throw)?;
        Ok(self.vector(&self.model.ngrams(self.dimension, &list, n as usize)))
    }

    /// See `nomul::vsa::Model`.
    pub fn graph(&self, from: &[u8], to: &[u8], directed: bool) -> Result<JsValue, JsValue> {
        self.pairs(from, to, |from, to| self.model.graph(self.dimension, from, to, directed))
    }

    /// The signs of a vector.
    #[wasm_bindgen(js_name = hardQuantize)]
    pub fn hard_quantize(&self, x: JsValue) -> Result<Vec<u8>, JsValue> {
        Ok(bytes(&match self.given(&x).map_err(throw)? {
            Vector::Signs(signs) => signs,
            Vector::Sums(sums) => sums.signs(&self.ties),
        }))
    }

    /// The dot product.
    pub fn dot(&self, a: JsValue, b: JsValue) -> Result<f64, JsValue> {
        let (a, b) = (self.given(&a).map_err(throw)?, self.given(&b).map_err(throw)?);
        Ok(match (a, b) {
            (Vector::Signs(a), Vector::Signs(b)) => a.dot(&b),
            (Vector::Sums(a), Vector::Sums(b)) => a.dot(&b),
            (Vector::Sums(sums), Vector::Signs(signs)) | (Vector::Signs(signs), Vector::Sums(sums)) => {
                sums.dot_bits(&signs)
            }
        } as f64)
    }

    /// The cosine.
    pub fn cosine(&self, a: JsValue, b: JsValue) -> Result<f64, JsValue> {
        let (a, b) = (self.given(&a).map_err(throw)?, self.given(&b).map_err(throw)?);
        a.similarity(&b).map_err(throw)
    }

    /// In how many places two vectors of signs differ.
    pub fn hamming(&self, a: &[u8], b: &[u8]) -> Result<u32, JsValue> {
        let both = self.signs(a).and_then(|a| Ok(a.hamming(&self.signs(b)?)));
        both.map_err(throw)
    }

    /// The nearest of a list, and its dot product: two numbers.
    pub fn cleanup(&self, x: JsValue, memory: &[u8]) -> Result<Vec<f64>, JsValue> {
        let found = self.given(&x).and_then(|x| {
            let memory = self.memory(memory)?;
            match x {
                Vector::Signs(signs) => memory.nearest_bits(&signs),
                // A bundle that is made of sums is twice as large.
                Vector::Sums(sums) => memory
                    .nearest(&Bundle::from_sums(&sums))
                    .map(|found| nomul::vsa::Match { dot: found.dot / 2, ..found }),
            }
        });
        found.map(|found| vec![found.item as f64, found.dot as f64]).map_err(throw)
    }

    /// The factors of a product of signs, one of each list, and 1 behind them if their product is exactly it.
    pub fn resonator(&self, product: &[u8], lists: Vec<Uint8Array>, rounds: u32) -> Result<Vec<u32>, JsValue> {
        if self.model == Model::Mbat {
            return Err(throw(Error::new(Code::Unsupported, "a resonator network takes products of MAP or BSC")));
        }
        let books: nomul::Result<Vec<ItemMemory>> = lists.iter().map(|list| self.memory(&list.to_vec())).collect();
        let found = books.and_then(|books| {
            let books: Vec<&ItemMemory> = books.iter().collect();
            resonator(&self.signs(product)?, &books, &self.ties, rounds as usize)
        });
        let found = found.map_err(throw)?;
        Ok(found.items.iter().map(|item| *item as u32).chain([found.exact as u32]).collect())
    }
}

impl Vsa {
    fn signs(&self, packed: &[u8]) -> nomul::Result<Bits> {
        bits(self.dimension, packed)
    }

    fn sums(&self, numbers: &[i16]) -> nomul::Result<Sums> {
        if numbers.len() != self.dimension {
            let line = format!("a vector of {} numbers, those here have {}", numbers.len(), self.dimension);
            return Err(Error::new(Code::Shape, line));
        }
        Sums::from_values(numbers.to_vec())
    }

    fn list(&self, packed: &[u8]) -> nomul::Result<Vec<Bits>> {
        packed.chunks(self.dimension.div_ceil(8)).map(|signs| self.signs(signs)).collect()
    }

    fn memory(&self, packed: &[u8]) -> nomul::Result<ItemMemory> {
        let mut memory = ItemMemory::new(self.dimension);
        for signs in self.list(packed)? {
            memory.push("", signs)?;
        }
        Ok(memory)
    }

    fn given(&self, x: &JsValue) -> nomul::Result<Vector> {
        if let Some(numbers) = x.dyn_ref::<Int16Array>() {
            return self.sums(&numbers.to_vec()).map(Vector::Sums);
        }
        if let Some(packed) = x.dyn_ref::<Uint8Array>() {
            return self.signs(&packed.to_vec()).map(Vector::Signs);
        }
        Err(Error::new(Code::Input, "a vector is a Uint8Array of signs or an Int16Array of sums"))
    }

    /// A bundle as the model keeps it.
    fn vector(&self, bundle: &Bundle) -> JsValue {
        match self.model {
            Model::Bsc => signs_out(&bundle.majority(&self.ties)),
            _ => sums_out(&bundle.sums()),
        }
    }

    fn with_key(
        &self,
        key: &[u8],
        x: &JsValue,
        signs: impl Fn(Model, &Bits, &Bits) -> Bits,
        sums: impl Fn(Model, &Bits, &Sums) -> Sums,
    ) -> Result<JsValue, JsValue> {
        let key = self.signs(key).map_err(throw)?;
        self.turned(x, |x| signs(self.model, &key, x), |x| sums(self.model, &key, x))
    }

    fn turned(
        &self,
        x: &JsValue,
        signs: impl Fn(&Bits) -> Bits,
        sums: impl Fn(&Sums) -> Sums,
    ) -> Result<JsValue, JsValue> {
        Ok(match self.given(x).map_err(throw)? {
            Vector::Signs(x) => signs_out(&signs(&x)),
            Vector::Sums(x) => sums_out(&sums(&x)),
        })
    }

    fn pairs(
        &self,
        first: &[u8],
        second: &[u8],
        bundle: impl Fn(&[Bits], &[Bits]) -> nomul::Result<Bundle>,
    ) -> Result<JsValue, JsValue> {
        let made = self.list(first).and_then(|first| bundle(&first, &self.list(second)?));
        made.map(|bundle| self.vector(&bundle)).map_err(throw)
    }
}

fn all(list: impl IntoIterator<Item = Bits>) -> Vec<u8> {
    list.into_iter().flat_map(|signs| bytes(&signs)).collect()
}

fn signs_out(signs: &Bits) -> JsValue {
    Uint8Array::from(&bytes(signs)[..]).into()
}

fn sums_out(sums: &Sums) -> JsValue {
    Int16Array::from(sums.values()).into()
}

/// Learns classes from examples.
#[wasm_bindgen]
pub struct CentroidClassifier {
    dimension: usize,
    classifier: Classifier,
}

#[wasm_bindgen]
impl CentroidClassifier {
    /// Without classes.
    #[wasm_bindgen(constructor)]
    pub fn new(dimension: u32) -> Result<CentroidClassifier, JsValue> {
        check_dimension(dimension as usize).map_err(throw)?;
        Ok(CentroidClassifier { dimension: dimension as usize, classifier: Classifier::new(dimension as usize) })
    }

    /// Adds an example to its class.
    pub fn add(&mut self, class: &str, example: &[u8]) -> Result<(), JsValue> {
        let example = bits(self.dimension, example).map_err(throw)?;
        self.classifier.add(class, &example);
        Ok(())
    }

    /// Learns from an example only if it is taken for another class; says whether it was.
    pub fn refine(&mut self, class: &str, example: &[u8]) -> Result<bool, JsValue> {
        let example = bits(self.dimension, example).map_err(throw)?;
        Ok(self.classifier.refine(class, &example))
    }

    /// The class of an example, and its cosine.
    pub fn predict(&self, example: &[u8]) -> Result<Vec<JsValue>, JsValue> {
        let example = bits(self.dimension, example).map_err(throw)?;
        let (class, cosine) = self.classifier.predict(&example).map_err(throw)?;
        Ok(vec![class.into(), cosine.into()])
    }
}
