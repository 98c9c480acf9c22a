//! Values on their way between Rust and JavaScript.

use js_sys::{Error as JsError, Reflect};
use nomul::{Code, Error, Model, model};
use serde::{Serialize, de::DeserializeOwned};
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;

/// An error as JavaScript throws it: an `Error` with a `code`.
pub fn throw(error: Error) -> JsValue {
    let thrown = JsError::new(&error.message);
    // Setting a property of a fresh object does not fail.
    let _ = Reflect::set(&thrown, &"code".into(), &error.code.as_str().into());
    thrown.into()
}

/// A value as a plain object: maps are objects, absent is `null`.
pub fn to_js(value: &impl Serialize) -> Result<JsValue, JsValue> {
    value.serialize(&Serializer::json_compatible()).map_err(JsValue::from)
}

/// A plain object as a value; `what` names it in the error.
pub fn from_js<T: DeserializeOwned>(value: JsValue, what: &str) -> Result<T, JsValue> {
    serde_wasm_bindgen::from_value(value).map_err(|error| throw(Error::new(Code::Input, format!("{what}: {error}"))))
}

/// A file of weights.
#[derive(Serialize)]
pub struct Shard {
    file: String,
    bytes: u64,
    sha256: String,
}

impl From<&model::Shard> for Shard {
    fn from(shard: &model::Shard) -> Shard {
        let sha256 = shard.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        Shard { file: shard.file.clone(), bytes: shard.bytes, sha256 }
    }
}

/// How much of a model has come.
#[derive(Serialize)]
pub struct Progress {
    received: u64,
    total: u64,
    level: usize,
    levels: usize,
    usable: bool,
    layers: Vec<usize>,
}

impl From<&Model> for Progress {
    fn from(model: &Model) -> Progress {
        Progress {
            received: model.received(),
            total: model.total(),
            level: model.level(),
            levels: model.levels(),
            usable: model.is_usable(),
            layers: model.planes_by_layer(),
        }
    }
}
