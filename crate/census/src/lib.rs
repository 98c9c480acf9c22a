//! A census of the instructions that a WebAssembly module can reach, and of those that it executes.

mod count;
mod instrument;
mod lower;
mod module;

pub use count::{Counts, count};
pub use instrument::instrument;
pub use lower::lower;
pub use module::{Function, Module};

#[cfg(test)]
mod tests;
