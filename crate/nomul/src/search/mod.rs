//! Nearest neighbours among vectors of signs and small integers, found by counting bits.

mod keys;
mod shape;

pub use shape::{Kind, MAX_DIMENSIONS, MAX_VECTORS, Metric, Shape};
