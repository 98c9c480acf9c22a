//! nomul runs language models without multiplying: weights are sign planes with power-of-two scales, so a layer is
//! shifts, table look-ups and additions.
//!
//! This crate is the core: `no_std` with `alloc`, no I/O, no clock, no globals. Read it in this order: [`config`] (the
//! shape of a model), [`scale`] and [`plane`] (how weights are written down), [`kernel`] (the product), [`shift`] (what
//! runs beside the products), [`weights`] and [`forward`] (the model, told straight through;
//! [`encoder`] for sentence encoders), [`model`] (streamed in and
//! run). Beside the language models stand [`graph`], [`json`] on [`vsa`], and [`search`]; language models know none of them.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[doc(hidden)]
pub use alloc::format;

pub mod address;
pub mod arithmetic;
pub mod cache;
pub mod config;
pub mod encoder;
mod error;
pub mod float;
pub mod forward;
pub mod graph;
pub mod hadamard;
pub mod index;
pub mod json;
pub mod kernel;
pub mod model;
pub mod plane;
pub mod random;
pub mod sample;
pub mod scale;
pub mod search;
pub mod shift;
pub mod state;
mod stream;
pub mod team;
pub mod vsa;
pub mod weights;

pub use config::ModelConfig;
pub use error::{Code, Error, Result};
pub use model::Model;
pub use state::State;
