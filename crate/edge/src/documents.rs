//! Documents as vectors.

use std::cell::RefCell;

use nomul::{
    Code, Error,
    json::{Encoder, Inference, Path, Schema, Space, Value, Vector, bits, bytes, parse},
    search::KeySet,
    vsa::Sums,
};

use crate::{
    Component,
    bindings::exports::nomul::runtime::documents::{self as wit, Guest, GuestInference, GuestSpace},
    convert::Result,
};

/// The resource `inference`.
#[derive(Default)]
pub struct Learner {
    inference: RefCell<Inference>,
}

/// The resource `space`.
pub struct Documents {
    space: RefCell<Space>,
}

impl Guest for Component {
    type Inference = Learner;
    type Space = Documents;
}

impl GuestInference for Learner {
    fn new() -> Learner {
        Learner::default()
    }

    fn observe(&self, document: String) -> Result<()> {
        let document = value(&document)?;
        self.inference.borrow_mut().observe(&document);
        Ok(())
    }

    fn complete(&self, schema: String) -> Result<String> {
        let mut schema = Schema::parse(schema.as_bytes())?;
        self.inference.borrow().complete(&mut schema);
        Ok(schema.text())
    }
}

fn value(text: &str) -> nomul::Result<Value> {
    parse(text.as_bytes())
}

fn text(value: &impl serde::Serialize) -> nomul::Result<String> {
    serde_json::to_string(value).map_err(|error| Error::new(Code::Value, error.to_string()))
}

impl Documents {
    fn resource(space: Space) -> wit::Space {
        wit::Space::new(Documents { space: RefCell::new(space) })
    }
}

fn sums(space: &Space, numbers: Vec<i16>) -> nomul::Result<Sums> {
    let (given, own) = (numbers.len(), space.encoder.schema().dimension);
    if given != own {
        return Err(Error::new(Code::Shape, format!("a vector of {given} numbers, the encoder's have {own}")));
    }
    Sums::from_values(numbers)
}

fn given(space: &Space, vector: wit::Vector) -> nomul::Result<Vector> {
    match vector {
        wit::Vector::Sums(numbers) => sums(space, numbers).map(Vector::Sums),
        wit::Vector::Signs(packed) => bits(space.encoder.schema().dimension, &packed).map(Vector::Signs),
    }
}

impl GuestSpace for Documents {
    fn open(schema: String, vocabulary: u32) -> Result<wit::Space> {
        let encoder = Encoder::new(Schema::parse(schema.as_bytes())?)?;
        Ok(Documents::resource(Space::new(encoder, vocabulary as usize)?))
    }

    fn load(bytes: Vec<u8>, identity: Option<String>) -> Result<wit::Space> {
        Ok(Documents::resource(Space::load(&bytes, identity.as_deref())?))
    }

    fn save(&self) -> Result<Vec<u8>> {
        Ok(self.space.borrow().save()?)
    }

    fn identity(&self) -> String {
        self.space.borrow().encoder.identity().into()
    }

    fn schema(&self) -> String {
        self.space.borrow().encoder.schema().text()
    }

    fn size(&self) -> u64 {
        self.space.borrow().len() as u64
    }

    fn names(&self) -> Vec<String> {
        self.space.borrow().names().map(String::from).collect()
    }

    fn encode(&self, document: String) -> Result<Vec<i16>> {
        let document = value(&document)?;
        Ok(self.space.borrow_mut().encoder.encode(&document)?.sums().values().to_vec())
    }

    fn encode_signs(&self, document: String) -> Result<Vec<u8>> {
        let document = value(&document)?;
        Ok(bytes(&self.space.borrow_mut().encoder.signs(&document)?))
    }

    fn insert(&self, name: String, document: String) -> Result<()> {
        let document = value(&document)?;
        Ok(self.space.borrow_mut().insert(&name, &document)?)
    }

    fn remove(&self, name: String) -> bool {
        self.space.borrow_mut().remove(&name)
    }

    fn vector(&self, name: String) -> Result<Vec<u8>> {
        Ok(bytes(&self.space.borrow().vector(&name)?))
    }

    fn similarity(&self, a: wit::Vector, b: wit::Vector) -> Result<f64> {
        let space = self.space.borrow();
        Ok(given(&space, a)?.similarity(&given(&space, b)?)?)
    }

    fn search(&self, query: wit::Vector, k: u32, allowed: Option<Vec<String>>) -> Result<Vec<wit::Hit>> {
        let space = self.space.borrow();
        let query = match given(&space, query)? {
            Vector::Signs(signs) => signs,
            Vector::Sums(sums) => sums.signs(space.encoder.ties()),
        };
        let keys = |names: Vec<String>| names.iter().filter_map(|name| space.key(name)).collect::<Vec<u64>>();
        let allowed = allowed.map(|names| KeySet::new(&keys(names))).transpose()?;
        let may = |key| allowed.as_ref().is_none_or(|keys| keys.contains(key));
        let mut search = space.start(&[query], k as usize)?;
        while !space.step(&mut search, usize::MAX, &may)? {}
        let hits = search.hits();
        let named = space.named(hits.first().map(Vec::as_slice).unwrap_or_default());
        Ok(named.map(|(id, similarity)| wit::Hit { id: id.into(), similarity }).collect())
    }

    fn get(&self, vector: wit::Vector, path: String) -> Result<String> {
        let mut space = self.space.borrow_mut();
        let vector = given(&space, vector)?;
        Ok(text(&space.get(&vector, &Path::parse(&path)?)?)?)
    }

    fn explain(&self, document: String, vector: wit::Vector) -> Result<String> {
        let document = value(&document)?;
        let mut space = self.space.borrow_mut();
        let vector = given(&space, vector)?;
        Ok(text(&space.encoder.explain(&document, &vector)?)?)
    }

    fn edit(&self, numbers: Vec<i16>, path: String, before: Option<String>, after: Option<String>) -> Result<Vec<i16>> {
        let mut space = self.space.borrow_mut();
        let mut sums = sums(&space, numbers)?;
        let path = Path::parse(&path)?;
        if let Some(before) = before {
            space.encoder.remove(&mut sums, &path, &value(&before)?)?;
        }
        if let Some(after) = after {
            space.encoder.add(&mut sums, &path, &value(&after)?)?;
        }
        Ok(sums.values().to_vec())
    }
}
