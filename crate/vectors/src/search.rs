//! The index.

use nomul::search::Shape;
use wasm_bindgen::prelude::*;

use crate::convert::throw;

/// The bytes of memory that an index of so many vectors takes.
#[wasm_bindgen(js_name = indexMemory)]
pub fn index_memory(kind: &str, dimensions: u32, metric: &str, vectors: u32) -> Result<f64, JsValue> {
    let shape = Shape::new(kind.parse().map_err(throw)?, dimensions as usize, metric.parse().map_err(throw)?);
    let bytes = shape.and_then(|shape| shape.memory(vectors as usize)).map_err(throw)?;
    Ok(bytes as f64)
}
