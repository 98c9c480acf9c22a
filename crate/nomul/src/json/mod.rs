//! Any JSON value as one vector, so that similar values have similar vectors.
//!
//! Every leaf (a string, a number, true, false, null, an empty container) is a sign vector of its own; the path to it is
//! a signed permutation, the product of one [`Role`](crate::vsa::Role) for each step; the value is the weighted sum:
//!
//! ```text
//! { "a": { "b": "x" }, "c": ["y", 5] }   is   Ma Mb x + Mc M[0] y + Mc M[1] level(5)
//! ```
//!
//! After "orthogonal MBAT" (Gallant, arXiv 2202.04771). "Soft" means that near numbers, texts with common words and
//! arrays in nearly the same order have similar vectors: how near, a [`Schema`] says for each path.
//!
//! Read [`parse`] (text to [`Value`]), [`Schema`], [`Encoder`], then what vectors are good for: [`Encoder::get`],
//! [`Encoder::explain`], [`Encoder::add`].

mod date;
mod decode;
mod edit;
mod encode;
mod file;
mod infer;
mod leaf;
mod path;
mod schema;
mod space;
mod value;

pub use decode::{Agreement, Answer, Vector};
pub use encode::{Encoder, UNIT};
pub use file::{Header, MAGIC};
pub use infer::{Inference, Vocabulary};
pub use path::{Path, Step};
pub use schema::{ArrayMode, Balance, Hint, NumberMode, Schema, StringMode, VERSION};
pub use space::{Space, bits, bytes};
pub use value::{MAX_DEPTH, Value, parse, parse_line};

#[cfg(test)]
mod tests;
