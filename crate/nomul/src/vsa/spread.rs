//! Letting vectors of real numbers in: embeddings of graphs or texts become symbols.

use alloc::{vec, vec::Vec};

use super::{Bits, check_dimension, draw::Draw, draw::Kind};
use crate::{Result, bail, hadamard::Hadamard};

/// Walsh-Hadamard transforms with random signs, of which the signs are taken: vectors at an angle θ get sign vectors
/// that differ in about θ/π of their places (Charikar 2002, with the structured projections of Andoni and others,
/// arXiv 1509.02897). Additions alone.
#[derive(Clone, Debug)]
pub struct Spreader {
    inputs: usize,
    dimension: usize,
    /// For each block of the result: three rotations, one after the other.
    blocks: Vec<[Hadamard; 3]>,
    /// A power of two that holds the inputs.
    size: usize,
}

impl Spreader {
    /// From `inputs` numbers, 1 to 65,536, to `dimension` signs.
    pub fn new(inputs: usize, dimension: usize, seed: u64) -> Result<Spreader> {
        check_dimension(dimension)?;
        if !(1..=65_536).contains(&inputs) {
            bail!(Input, "vectors of {inputs} numbers: 1 to 65536");
        }
        let size = inputs.next_power_of_two();
        let mut draw = Draw::new(seed, Kind::Spread, b"");
        let mut block = || [(); 3].map(|()| Hadamard::new(size, draw.word()));
        let blocks = (0..dimension.div_ceil(size)).map(|_| block()).collect();
        Ok(Spreader { inputs, dimension, blocks, size })
    }

    /// The symbol of a vector. Its length does not matter, only its direction.
    pub fn spread(&self, numbers: &[f32]) -> Result<Bits> {
        if numbers.len() != self.inputs {
            bail!(Shape, "{} numbers: the spreader takes {}", numbers.len(), self.inputs);
        }
        if let Some(place) = numbers.iter().position(|x| !x.is_finite()) {
            bail!(Value, "number {place} is {}", numbers[place]);
        }
        // Three transforms make sums of up to 2^48 numbers: large exponents are lowered, which changes no sign.
        let largest = numbers.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        let lower = (largest.to_bits() >> 23).saturating_sub(127 + 40) << 23;
        let lowered = |x: f32| {
            let size = x.to_bits() & 0x7fff_ffff;
            if size < lower + 0x80_0000 { 0.0 } else { f32::from_bits(x.to_bits() - lower) }
        };
        let mut signs = Vec::with_capacity(self.blocks.len() * self.size);
        for block in &self.blocks {
            let mut x = vec![0.0; self.size];
            for (x, number) in x.iter_mut().zip(numbers) {
                *x = if lower == 0 { *number } else { lowered(*number) };
            }
            block.iter().for_each(|rotation| rotation.forward(&mut x));
            signs.extend_from_slice(&x);
        }
        Bits::from_signs(&signs[..self.dimension])
    }
}
