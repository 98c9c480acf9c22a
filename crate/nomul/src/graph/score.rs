//! What vectors are for: how likely an edge is, which nodes are alike, how all lie in a plane.

use alloc::{string::String, vec, vec::Vec};

use sha2::{Digest as _, Sha256};

use super::merge::Vectors;
use crate::{
    Result, bail,
    search::{Index, Kind, Metric, Shape, Vector},
    team::Team,
};

/// Nodes whose vectors are made at a time.
const PART: usize = 1 << 12;

impl Vectors {
    /// Link prediction: the cosine of both ends' vectors, for each pair.
    pub fn link_scores(&self, pairs: &[[u32; 2]]) -> Result<Vec<f32>> {
        let (mut a, mut b) = (vec![0; self.dimensions()], vec![0; self.dimensions()]);
        pairs
            .iter()
            .map(|&[from, to]| {
                if from.max(to) as usize >= self.nodes() {
                    bail!(Input, "node {} of {}", from.max(to), self.nodes());
                }
                self.row(from as usize, &mut a);
                self.row(to as usize, &mut b);
                Ok(cosine(&a, &b))
            })
            .collect()
    }

    /// An index of all vectors by node: sign codes first, then exact.
    pub fn index(&self, team: &dyn Team) -> Result<Index> {
        let mut index = Index::new(Shape::new(Kind::I16, self.dimensions(), Metric::Cosine)?, "nomul graph")?;
        self.for_each(team, |node, row| index.insert(node as u64, Vector::I16(row)))?;
        Ok(index)
    }

    /// Calls `take(node, vector)` for each node.
    pub fn for_each(&self, team: &dyn Team, mut take: impl FnMut(usize, &[i16]) -> Result<()>) -> Result<()> {
        let dimensions = self.dimensions();
        let mut part = super::memory::zeroed(PART.min(self.nodes()) * dimensions, "vectors")?;
        for first in (0..self.nodes()).step_by(PART) {
            let rows = &mut part[..PART.min(self.nodes() - first) * dimensions];
            self.write(team, first, rows);
            for (i, row) in rows.chunks(dimensions).enumerate() {
                take(first + i, row)?;
            }
        }
        Ok(())
    }

    /// Principal components by power iteration: places of all nodes along the two (or `count`) directions in which they differ most,
    /// (node, component). For drawing; this one multiplies.
    pub fn project(&self, team: &dyn Team, count: usize) -> Result<Vec<f32>> {
        let dimensions = self.dimensions();
        if !(1..=dimensions).contains(&count) {
            bail!(Input, "{count} components of {dimensions} dimensions");
        }
        let mut means = vec![0f64; dimensions];
        self.for_each(team, |_, row| {
            means.iter_mut().zip(row).for_each(|(mean, &entry)| *mean += f64::from(entry));
            Ok(())
        })?;
        means.iter_mut().for_each(|mean| *mean /= self.nodes() as f64);
        // Deterministic and not orthogonal to anything in particular.
        let mut axes: Vec<Vec<f64>> =
            (0..count).map(|k| (0..dimensions).map(|i| libm::sin((1 + i * (k + 1) + k) as f64)).collect()).collect();
        orthonormal(&mut axes);
        for _ in 0..ITERATIONS {
            let mut next = vec![vec![0f64; dimensions]; count];
            self.for_each(team, |_, row| {
                for (axis, next) in axes.iter().zip(&mut next) {
                    let place: f64 = places(row, &means, axis);
                    for ((next, &entry), mean) in next.iter_mut().zip(row).zip(&means) {
                        *next += place * (f64::from(entry) - mean);
                    }
                }
                Ok(())
            })?;
            axes = next;
            orthonormal(&mut axes);
        }
        let mut out = super::memory::zeroed(self.nodes() * count, "projection")?;
        let unit = libm::ldexp(1.0, self.unit());
        self.for_each(team, |node, row| {
            for (place, axis) in out[node * count..].iter_mut().zip(&axes) {
                *place = (places(row, &means, axis) * unit) as f32;
            }
            Ok(())
        })?;
        Ok(out)
    }
}

/// An entry of a vector as a byte, in units of `2^(unit + 5)`, or of `2^(unit + 7)` where vectors are plain sums; the nearest where it is beyond.
pub fn to_byte(entry: i16, unit: i32) -> i8 {
    let drop = if unit == -super::merge::UNIT { 5 } else { 7 };
    ((i32::from(entry) + (1 << (drop - 1))) >> drop).clamp(-127, 127) as i8
}

/// The SHA-256 of vectors, 16 bits a number, low byte first: the same on every engine.
#[derive(Clone, Default)]
pub struct Digest(Sha256);

impl Digest {
    /// The next vector.
    pub fn add(&mut self, row: &[i16]) {
        for part in row.chunks(64) {
            let mut bytes = [0; 128];
            for (bytes, entry) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(part) {
                *bytes = entry.to_le_bytes();
            }
            self.0.update(&bytes[..2 * part.len()]);
        }
    }

    /// In hexadecimal digits.
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| crate::format!("{byte:02x}")).collect()
    }
}

/// Rounds of power iteration: a picture needs no more.
const ITERATIONS: usize = 12;

fn places(row: &[i16], means: &[f64], axis: &[f64]) -> f64 {
    row.iter().zip(means).zip(axis).map(|((&entry, mean), axis)| (f64::from(entry) - mean) * axis).sum()
}

/// Gram and Schmidt; what is left of nothing is nothing.
fn orthonormal(axes: &mut [Vec<f64>]) {
    for k in 0..axes.len() {
        let (before, rest) = axes.split_at_mut(k);
        let axis = &mut rest[0];
        for other in before {
            let along: f64 = axis.iter().zip(&*other).map(|(a, b)| a * b).sum();
            axis.iter_mut().zip(&*other).for_each(|(a, b)| *a -= along * b);
        }
        let length = libm::sqrt(axis.iter().map(|a| a * a).sum());
        if length > 0.0 {
            axis.iter_mut().for_each(|a| *a /= length);
        }
    }
}

/// The cosine of two vectors; 0 where one of them is nothing.
pub fn cosine(a: &[i16], b: &[i16]) -> f32 {
    let dot = |a: &[i16], b: &[i16]| -> i64 { a.iter().zip(b).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum() };
    let lengths = libm::sqrt(dot(a, a) as f64) * libm::sqrt(dot(b, b) as f64);
    if lengths > 0.0 { (dot(a, b) as f64 / lengths) as f32 } else { 0.0 }
}
