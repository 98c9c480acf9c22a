//! nomul's vectors for JavaScript: conversions between the two languages, and nothing else. A feature is a file here and a
//! folder in `web/lib/src/vectors/`, whose worker alone uses the glue that wasm-bindgen writes beside the module.

mod convert;
mod graph;
mod json;
mod search;
