//! From checkpoints to models in sign planes.
//!
//! Read it in this order: [`checkpoint`] (what comes in), [`rotate`] and [`calibrate`] (what is done to it first),
//! [`fit`] (planes and scales of one matrix, and how many planes each gets), [`quantize`](mod@quantize) (all of it, block
//! by block), [`folder`] (what comes out). [`dense`] and [`perplexity`] are for comparing.

pub mod calibrate;
pub mod checkpoint;
pub mod dense;
pub mod fit;
pub mod folder;
pub mod perplexity;
pub mod quantize;
pub mod rotate;

pub use quantize::quantize;
