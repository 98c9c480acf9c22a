//! Numbers that multiply by shifting: three signed powers of two, and the tables that give them.
//!
//! One over a degree, one over a norm, a degree to a power: each is wanted once a row, never once an edge. A table of
//! a few hundred entries gives it from the leading bits of what it depends on.

/// `2^exponent * (1 ± 2^-a ± 2^-b)`: within 1/27 of any positive number, and mostly far closer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Factor {
    /// The power of two in front.
    pub exponent: i32,
    /// Distances `a` and `b` below it, 1 to 12; 0 where there is no such term.
    distances: [u8; 2],
    /// Which of the two are subtracted.
    negative: [bool; 2],
}

impl Factor {
    /// One.
    pub const ONE: Factor = Factor { exponent: 0, distances: [0; 2], negative: [false; 2] };

    /// The nearest, term by term, to a positive number.
    pub fn nearest(x: f64) -> Factor {
        let nearest_power = |x: f64| libm::floor(libm::log2(x / 0.75)) as i32;
        let mut factor = Factor { exponent: nearest_power(x), ..Factor::ONE };
        let unit = power(factor.exponent);
        let mut left = x / unit - 1.0;
        for term in 0..2 {
            let size = libm::fabs(left);
            let distance = if size > 0.0 { -nearest_power(size) } else { 0 };
            if !(1..=12).contains(&distance) {
                break;
            }
            factor.distances[term] = distance as u8;
            factor.negative[term] = left < 0.0;
            let power = power(-distance);
            left -= if left < 0.0 { -power } else { power };
        }
        factor
    }

    /// `x` times the factor without its power of two, rounded down; `x` stays below 2^30.
    #[inline(always)]
    pub fn apply(self, x: i32) -> i32 {
        x + self.term::<0>(x) + self.term::<1>(x)
    }

    #[inline(always)]
    fn term<const TERM: usize>(self, x: i32) -> i32 {
        let some = -i32::from(self.distances[TERM] != 0);
        let minus = -i32::from(self.negative[TERM]);
        (((x >> self.distances[TERM]) & some) ^ minus) - minus
    }

    /// The factor times `2^exponent`.
    pub fn shifted(self, exponent: i32) -> Factor {
        Factor { exponent: self.exponent + exponent, ..self }
    }

    /// The number it stands for.
    pub fn value(self) -> f64 {
        let term = |i: usize| match (self.distances[i], self.negative[i]) {
            (0, _) => 0.0,
            (distance, true) => -power(-i32::from(distance)),
            (distance, false) => power(-i32::from(distance)),
        };
        power(self.exponent) * (1.0 + term(0) + term(1))
    }
}

/// `2^exponent`.
pub fn power(exponent: i32) -> f64 {
    libm::ldexp(1.0, exponent)
}

/// Factors by the leading bits of what they depend on.
#[derive(Debug)]
pub struct Tables {
    /// `1 / (128 + i + 1/2)`.
    reciprocals: [Factor; 128],
    /// `1 / sqrt(64 + i + 1/2)`.
    roots: [Factor; 192],
    /// `64 * 2^(i / 64)`, rounded.
    powers: [i8; 64],
    /// `256 * log2(1 + (i + 1/2) / 256)`, rounded.
    logarithms: [u16; 256],
}

impl Default for Tables {
    fn default() -> Self {
        Tables::new()
    }
}

impl Tables {
    /// All tables.
    pub fn new() -> Tables {
        let middle = |i: usize| i as f64 + 0.5;
        Tables {
            reciprocals: core::array::from_fn(|i| Factor::nearest(1.0 / (128.0 + middle(i)))),
            roots: core::array::from_fn(|i| Factor::nearest(1.0 / libm::sqrt(64.0 + middle(i)))),
            powers: core::array::from_fn(|i| libm::round(64.0 * libm::exp2(i as f64 / 64.0)) as i8),
            logarithms: core::array::from_fn(|i| libm::round(256.0 * libm::log2(1.0 + middle(i) / 256.0)) as u16),
        }
    }

    /// `1 / x` for a positive `x` in units of `2^exponent`.
    pub fn one_over(&self, x: u128, exponent: i32) -> Factor {
        // 8 leading bits.
        let drop = 128 - x.leading_zeros() as i32 - 8;
        let leading = if drop >= 0 { x >> drop } else { x << -drop };
        let factor = self.reciprocals[(leading & 127) as usize];
        factor.shifted(-drop - exponent)
    }

    /// `1 / sqrt(x)` for a positive `x`.
    #[inline]
    pub fn one_over_root(&self, x: u32) -> Factor {
        // 7 or 8 leading bits, and an even number of others.
        let drop = (32 - x.leading_zeros() as i32 - 7) & !1;
        let leading = if drop >= 0 { x >> drop } else { x << -drop };
        let factor = self.roots[leading as usize - 64];
        factor.shifted(-drop / 2)
    }

    /// `256 * log2(x)` for a positive `x` in units of `2^exponent`.
    pub fn logarithm(&self, x: u128, exponent: i32) -> i32 {
        let whole = 127 - x.leading_zeros() as i32;
        let after = if whole >= 8 { x >> (whole - 8) } else { x << (8 - whole) };
        ((whole + exponent) << 8) + i32::from(self.logarithms[(after & 255) as usize])
    }

    /// `2^(x / 256)` as a mantissa between 64 and 127 and an exponent.
    pub fn power(&self, x: i32) -> (i8, i32) {
        (self.powers[(x >> 2 & 63) as usize], (x >> 8) - 6)
    }
}

/// `x * y / 256`, rounded down, by one shifted addition for each bit of `y`.
pub fn product256(x: i32, y: i32) -> i32 {
    let size = y.unsigned_abs();
    let sum = (0..32).filter(|bit| size >> bit & 1 == 1).fold(0i64, |sum, bit| sum + (i64::from(x) << bit));
    ((if y < 0 { -sum } else { sum }) >> 8).clamp(i32::MIN.into(), i32::MAX.into()) as i32
}
