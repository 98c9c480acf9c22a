//! The numbers that a [`Scale`] can stand for, in order, so that a fit can step from one to the next.

use nomul::scale::{MAX_EXPONENT, MIN_EXPONENT, Scale};

/// The values of scales with a given number of terms. They repeat from octave to octave.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    terms: usize,
    /// The values with first term 1, ascending, within 0.75..1.5.
    octave: Vec<f64>,
}

impl Grid {
    /// `terms` is 1..=3.
    pub fn new(terms: usize) -> Grid {
        let mut octave = Vec::new();
        for low in 0..=0xffu16 {
            let scale = Scale(64 << 8 | low);
            if scale.is_valid() && Scale::nearest_with(scale.value(), terms) == scale {
                octave.push(scale.value() as f64);
            }
        }
        octave.sort_by(f64::total_cmp);
        Grid { terms, octave }
    }

    /// The value nearest to |x|; zero for what is too small, the largest value for what is too large.
    pub fn nearest(&self, x: f64) -> f64 {
        let x = x.abs();
        let (below, above) = (self.below(x * (1.0 + 1e-12)), self.above(x * (1.0 - 1e-12)));
        if x - below <= above - x { below } else { above }
    }

    /// The values on both sides of |x|; the same twice where it is one.
    pub fn around(&self, x: f64) -> (f64, f64) {
        let near = self.nearest(x);
        match x.abs() {
            x if x > near => (near, self.above(near)),
            x if x < near => (self.below(near), near),
            _ => (near, near),
        }
    }

    /// The largest value under x > 0, zero if there is none.
    pub fn below(&self, x: f64) -> f64 {
        let Some((unit, mantissa)) = split(x) else { return 0.0 };
        if unit < power(MIN_EXPONENT) {
            return 0.0;
        }
        if unit > power(MAX_EXPONENT) {
            return self.octave[self.octave.len() - 1] * power(MAX_EXPONENT);
        }
        match self.octave.partition_point(|&v| v < mantissa) {
            0 if unit <= power(MIN_EXPONENT) => 0.0,
            0 => self.octave[self.octave.len() - 1] * unit * 0.5,
            n => self.octave[n - 1] * unit,
        }
    }

    /// The smallest value over x >= 0, the largest of all if there is none.
    pub fn above(&self, x: f64) -> f64 {
        let least = self.octave[0] * power(MIN_EXPONENT);
        if x < least {
            return least;
        }
        let most = self.octave[self.octave.len() - 1] * power(MAX_EXPONENT);
        let Some((unit, mantissa)) = split(x) else { return most };
        match self.octave.partition_point(|&v| v <= mantissa) {
            n if n == self.octave.len() => (self.octave[0] * unit * 2.0).min(most),
            n => (self.octave[n] * unit).min(most),
        }
    }

    /// The scale of a value of this grid, or of its negative.
    pub fn scale(&self, value: f64) -> Scale {
        Scale::nearest_with(value as f32, self.terms)
    }
}

/// x as a power of two times a number within 0.75..1.5; `None` unless x is a normal positive number.
fn split(x: f64) -> Option<(f64, f64)> {
    if !(f64::MIN_POSITIVE..=f64::MAX / 4.0).contains(&x) {
        return None;
    }
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i32 - 1023 + (bits >> 51 & 1) as i32;
    Some((power(exponent), x / power(exponent)))
}

fn power(exponent: i32) -> f64 {
    2f64.powi(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_a_scale_and_steps_meet_each_of_them() {
        for (terms, octave) in [(1, 1), (2, 13), (3, 157)] {
            let grid = Grid::new(terms);
            assert_eq!(grid.octave.len(), octave);
            let mut x = grid.nearest(0.75);
            for _ in 0..3 * octave {
                let next = grid.above(x);
                assert!(next > x);
                assert_eq!(grid.below(next), x);
                assert_eq!(grid.nearest(next), next);
                assert_eq!(grid.nearest(x + 0.51 * (next - x)), next);
                assert_eq!(grid.scale(next).value() as f64, next);
                x = next;
            }
            assert_eq!(x, grid.nearest(0.75) * 8.0);
        }
    }

    #[test]
    fn nearest_is_at_least_as_near_as_term_by_term() {
        for terms in 1..=3 {
            let grid = Grid::new(terms);
            for i in 0..20_000 {
                let x = 0.01 * (1.0 + i as f64 * 1e-3);
                let greedy = Scale::nearest_with(x as f32, terms).value() as f64;
                let (below, above) = grid.around(x);
                assert!(below <= x && x <= above && (below == above || grid.above(below) == above), "{x}");
                assert!((grid.nearest(x) - x).abs() <= (greedy - x).abs() + 1e-7 * x, "{x}");
            }
        }
    }

    #[test]
    fn the_ends_are_met_without_panic() {
        let grid = Grid::new(3);
        assert_eq!(grid.nearest(0.0), 0.0);
        assert_eq!(grid.nearest(1e-30), 0.0);
        assert_eq!(grid.nearest(1e30), grid.nearest(1e20));
        assert_eq!(grid.above(f64::MAX), grid.nearest(1e20));
        assert!(grid.nearest(f64::NAN).is_finite());
    }
}
