//! Vectors of nodes: FastRP (Chen et al., "Fast and Accurate Network Embeddings via Very Sparse Random Projection",
//! CIKM 2019) by signed sums, shifts and look-ups.
//!
//! Read it in this order: [`keys`] (what callers call their nodes), [`reader`] and [`build`] (edges to a graph), [`csr`],
//! [`options`], [`project`] and [`start`] (power 0), [`rows`] and [`propagate`] (powers), [`merge`] (powers to vectors),
//! [`fastrp`] (the whole of it, in steps), [`float`] (its twin in floats).
//!
//! ```
//! use nomul::{graph::{Embedder, Format, Given, GraphOptions, Options, Reader}, team::Alone};
//!
//! let mut reader = Reader::new(GraphOptions::default(), Some(Format::Edges));
//! reader.push(b"ada\tbyron\nada\tbabbage\n")?;
//! let graph = reader.finish()?;
//! let vectors = Embedder::new(&graph, Given::default(), Options { dimensions: 64, ..Options::default() })?.run(&Alone)?;
//! let mut row = [0; 64];
//! vectors.row(0, &mut row); // in units of 2^-10: the vector of "ada"
//! # nomul::Result::Ok(())
//! ```

mod arrays;
pub mod build;
pub mod csr;
pub mod evaluate;
pub mod factor;
pub mod fastrp;
pub mod float;
mod json;
pub mod keys;
pub mod memory;
pub mod merge;
pub mod options;
pub mod project;
pub mod propagate;
pub mod reader;
pub mod rows;
pub mod score;
pub mod start;
pub mod state;
#[cfg(test)]
mod tests;
mod update;

pub use build::{Builder, Duplicates, Graph, GraphOptions};
pub use csr::{Csr, Direction};
pub use fastrp::{Embedder, Progress, bytes_for, check_memory};
pub use keys::{Key, Keys};
pub use merge::Vectors;
pub use options::{Finish, Options};
pub use project::Sparsity;
pub use propagate::Step;
pub use reader::{Format, Reader};
pub use score::{Digest, to_byte};
pub use start::{Given, Table};
pub use update::Change;

pub use build::check_weight;
