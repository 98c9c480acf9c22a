//! From checkpoints to models in sign planes.
//!
//! Read it in this order: [`checkpoint`] (what comes in), [`rotate`] (what is done to it first), [`gradient`] and
//! [`sensitivity`] (how much each matrix matters), [`calibrate`] (what it reads; on text that [`own_text`] makes, too), [`fit`] (planes and scales of one matrix,
//! and how many planes each gets), [`tune`] (their scales, through the whole model), [`levels`] (in which file), [`quantize`](mod@quantize) (all of it, block by block),
//! [`folder`] (what comes out). [`dense`] and [`perplexity`] are for comparing.

pub mod calibrate;
pub mod checkpoint;
pub mod dense;
pub mod fit;
pub mod folder;
pub mod gradient;
pub mod journal;
pub mod levels;
pub mod own_text;
pub mod perplexity;
pub mod quantize;
pub mod rotate;
pub mod sensitivity;
pub mod tune;

pub use quantize::quantize;
