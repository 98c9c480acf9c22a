//! nomul-wasm
