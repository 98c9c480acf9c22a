//! For the page: flat lists in and out.

use wasm_bindgen::prelude::*;

use crate::{Polygon, partition};

/// See [`partition`]. The outline is a rectangle. Of each node: how many corners, then their x and y.
#[wasm_bindgen(js_name = partition)]
pub fn partition_rectangle(parents: &[u32], weights: &[f64], width: f64, height: f64) -> Result<Vec<f64>, JsError> {
    let polygons =
        partition(parents, weights, Polygon::rectangle(width, height)).map_err(|error| JsError::new(&error))?;
    let mut flat = Vec::new();
    for polygon in polygons {
        flat.push(polygon.corners.len() as f64);
        flat.extend(polygon.corners.into_iter().flatten());
    }
    Ok(flat)
}
