//! Values on their way between Rust and JavaScript.

use js_sys::{Error as JsError, Reflect};
use nomul::Error;
use wasm_bindgen::JsValue;

/// An error as JavaScript throws it: an `Error` with a `code`.
pub fn throw(error: Error) -> JsValue {
    let thrown = JsError::new(&error.message);
    // Setting a property of a fresh object does not fail.
    let _ = Reflect::set(&thrown, &"code".into(), &error.code.as_str().into());
    thrown.into()
}
