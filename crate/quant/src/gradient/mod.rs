//! Derivatives of a model in floats: what a change of a matrix's outputs does to the model's predictions.
//!
//! The forward pass here is [`nomul::forward`] once more, for a whole window at a time, keeping what the way back needs;
//! a test holds the two together. Weights of checkpoints and of rotated models both run.

mod block;
mod head;
mod rows;
#[cfg(test)]
mod tests;

pub use block::{Block, Past, Trace, Visit};
pub(crate) use head::uniform;
pub use head::{Head, Loss};
pub(crate) use rows::product_of_gradients;
