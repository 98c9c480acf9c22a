//! The norm of the mean square, and that of the variance.
//!
//! ```text
//! out = x * 2^((log2 n - log2(sum of x² + n eps)) / 2)
//! ```
//!
//! Squares come from a table, the root is a logarithm shifted by one, and the factor that all elements share becomes a sum
//! of powers of two. The factor is within 0.3 % of the exact one: half a logarithm's error (2^-11.4 ln 2), an
//! exponential's (2^-11 ln 2), the squares' mean (below 2^-11) and the terms of [`Factor`] (1/729).

use super::{
    factor::Factor,
    logarithm::{Logarithms, ONE},
    sum,
};

/// A norm over vectors of one length.
pub struct RmsNorm {
    /// `log2 n`.
    length: i32,
    /// `n eps`.
    floor: f32,
}

impl RmsNorm {
    /// For vectors of `length` elements.
    pub fn new(length: usize, eps: f32) -> RmsNorm {
        RmsNorm {
            length: libm::round(libm::log2(length as f64) * f64::from(ONE)) as i32,
            floor: (f64::from(eps) * length as f64) as f32,
        }
    }

    /// `out = x / sqrt(mean(x²) + eps)`. A vector of zeros stays one, whatever `eps` is.
    pub fn apply(&self, tables: &Logarithms, x: &[f32], out: &mut [f32]) {
        out.copy_from_slice(x);
        self.scale(tables, out);
    }

    /// The same in place.
    fn scale(&self, tables: &Logarithms, x: &mut [f32]) {
        let sum = sum(x, |x| tables.square(x)) + self.floor;
        Factor::new(tables.exp2((self.length - tables.log2(sum)) >> 1)).scale(x);
    }
}

/// The norm of the variance: the mean is taken off first.
pub struct LayerNorm {
    /// Of numbers whose mean is zero.
    centred: RmsNorm,
    /// `1 / n`, within 1/4000.
    share: Factor,
}

impl LayerNorm {
    /// For vectors of `length` elements.
    pub fn new(length: usize, eps: f32) -> LayerNorm {
        LayerNorm { centred: RmsNorm::new(length, eps), share: Factor::new(1.0 / length as f32) }
    }

    /// `x = (x - mean(x)) / sqrt(variance(x) + eps)`.
    pub fn apply(&self, tables: &Logarithms, x: &mut [f32]) {
        let mean = self.share.times(sum(x, |x| x));
        x.iter_mut().for_each(|x| *x -= mean);
        self.centred.scale(tables, x);
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;
    use crate::float::{layer_norm, rms_norm};

    #[test]
    fn equals_the_float_norm_within_its_bound() {
        let tables = Logarithms::new();
        for (length, size) in [(1, 1.0), (3, 1e-6), (64, 100.0), (77, 1e-3), (576, 3.0), (1536, 1e6)] {
            for case in 0..50u32 {
                let number = |i: u32| ((i * 7919 + case * 104_729) % 2003) as f32 / 1001.0 - 1.0;
                let x: Vec<f32> = (0..length).map(|i| number(i) * size).collect();
                let (mut exact, mut out) = (vec![0.0; x.len()], vec![0.0; x.len()]);
                rms_norm(&x, None, 1e-5, &mut exact);
                RmsNorm::new(x.len(), 1e-5).apply(&tables, &x, &mut out);
                for (out, exact) in out.iter().zip(&exact) {
                    assert!((out - exact).abs() <= 0.003 * exact.abs(), "{length} of {size}: {out}, not {exact}");
                }
            }
        }
    }

    #[test]
    fn equals_the_float_norm_of_the_variance_within_its_bound() {
        let tables = Logarithms::new();
        for (length, size, offset) in [(2, 1.0, 0.0), (64, 100.0, 30.0), (77, 1e-3, 1e-3), (384, 3.0, -1.0)] {
            for case in 0..50u32 {
                let number = |i: u32| ((i * 7919 + case * 104_729) % 2003) as f32 / 1001.0 - 1.0;
                let mut x: Vec<f32> = (0..length).map(|i| number(i) * size + offset).collect();
                let mut exact = x.clone();
                layer_norm(&mut exact, &vec![1.0; x.len()], &vec![0.0; x.len()], 1e-12);
                LayerNorm::new(x.len(), 1e-12).apply(&tables, &mut x);
                for (x, exact) in x.iter().zip(&exact) {
                    // The mean is as exact as the share of one.
                    let bound = 0.003 * exact.abs() + 0.001;
                    assert!((x - exact).abs() <= bound, "{length} of {size}: {x}, not {exact}");
                }
            }
        }
    }

    #[test]
    fn the_bounds_give_numbers() {
        let tables = Logarithms::new();
        for eps in [0.0, 1e-5] {
            for x in [0.0, 1e-45, 1e-30, 1e15, 1e30, f32::INFINITY, f32::NAN] {
                let mut out = [1.0; 40];
                RmsNorm::new(40, eps).apply(&tables, &[x; 40], &mut out);
                assert!(out.iter().all(|out| out.abs() < 1.01), "{x} became {}", out[0]);
            }
        }
    }
}
