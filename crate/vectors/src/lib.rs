//! nomul's vectors for JavaScript: conversions between the two languages, and nothing else. A feature is a file here and a
//! folder in `web/lib/src/vectors/`. The glue that wasm-bindgen writes beside the module is used by its worker, and, for the
//! small operations of `vsa`, by the caller's thread.

mod convert;
mod graph;
mod json;
mod search;
mod vsa;
