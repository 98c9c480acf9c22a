//! Scales that multiply by shifting: a sum of at most three signed powers of two.
//!
//! ShiftAddLLM (arXiv 2406.05981, section 4.1) writes a scale as `sum_k s_k * 2^p_k` with `s_k` a sign. Three
//! terms, each rounded to the nearest power of two of what the earlier ones leave over, are within 1/27 of any
//! number. Such a scale fits into 16 bits, and multiplying a float by a term of it is one integer addition to the
//! float's bits (see [`Scale::patterns`]).

/// A scale in its stored form.
///
/// Bits, high to low: sign (1), exponent of the first term plus 64 (7, zero means that the whole scale is zero),
/// second term (4), third term (4). A later term is a sign bit and a distance of 1..=7 below the term before it;
/// distance 0 means that there is no such term and none after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Scale(pub u16);

/// Exponents of first terms stay within this range, so that shifted floats neither overflow nor become denormal.
pub const MIN_EXPONENT: i32 = -40;
/// See [`MIN_EXPONENT`].
pub const MAX_EXPONENT: i32 = 23;

impl Scale {
    /// The number zero.
    pub const ZERO: Scale = Scale(0);

    /// The nearest scale, term by term. Numbers beyond the range of exponents saturate or become zero.
    pub fn nearest(x: f32) -> Scale {
        Self::nearest_with(x, 3)
    }

    /// Like [`Scale::nearest`] with at most `terms` (1..=3) powers of two.
    pub fn nearest_with(x: f32, terms: usize) -> Scale {
        let Some(first) = nearest_power(x) else { return Scale::ZERO };
        if first < MIN_EXPONENT {
            return Scale::ZERO;
        }
        let first = first.min(MAX_EXPONENT);
        let negative = x < 0.0;
        let mut code = (negative as u16) << 15 | ((first + 64) as u16) << 8;
        let mut left = x.abs() - power(first);
        let mut previous = first;
        for position in 1..terms {
            let Some(p) = nearest_power(left) else { break };
            let distance = previous - p;
            if !(1..=7).contains(&distance) {
                break;
            }
            // The sign is relative to the first term's, so that negating a scale is one bit.
            let field = ((left < 0.0) as u16) << 3 | distance as u16;
            code |= field << (8 - 4 * position);
            left -= if left < 0.0 { -power(p) } else { power(p) };
            previous = p;
        }
        Scale(code)
    }

    /// The terms as (is negative, exponent); `None` where there is no such term.
    pub fn terms(self) -> [Option<(bool, i32)>; 3] {
        let exponent = (self.0 >> 8 & 0x7f) as i32;
        if exponent == 0 {
            return [None; 3];
        }
        let negative = self.0 >> 15 == 1;
        let first = exponent - 64;
        let mut terms = [Some((negative, first)), None, None];
        let mut previous = first;
        for (position, term) in terms.iter_mut().enumerate().skip(1) {
            let field = self.0 >> (8 - 4 * position) & 15;
            let distance = (field & 7) as i32;
            if distance == 0 {
                break;
            }
            previous -= distance;
            *term = Some((negative ^ (field >> 3 == 1), previous));
        }
        terms
    }

    /// The number this scale stands for. Exact: the terms span at most 14 binary places.
    pub fn value(self) -> f32 {
        self.terms().into_iter().flatten().map(|(negative, p)| if negative { -power(p) } else { power(p) }).sum()
    }

    /// The number times two, so many times over; [`Scale::is_valid`] says whether it can be kept.
    pub fn doubled(self, times: usize) -> Scale {
        if self == Scale::ZERO { self } else { Scale(self.0 + ((times as u16) << 8)) }
    }

    /// True if the code is one that [`Scale::nearest`] can make; anything else in a file is damage.
    pub fn is_valid(self) -> bool {
        let exponent = (self.0 >> 8 & 0x7f) as i32;
        if exponent == 0 {
            return self.0 == 0;
        }
        let second = self.0 >> 4 & 7;
        let third = self.0 & 7;
        (MIN_EXPONENT..=MAX_EXPONENT).contains(&(exponent - 64))
            && (second != 0 || self.0 & 0xff == 0)
            && (third != 0 || self.0 & 15 == 0)
    }

    /// The three terms as the upper halves of the numbers to add to a float's bits.
    ///
    /// Adding `(pattern as u32) << 16` to the bits of a float adds the exponent to its exponent field and flips its
    /// sign if the term is negative: the float is multiplied by the term without a multiplication. A missing term
    /// becomes one 2^-30 times the first, which float addition rounds away; a zero scale becomes three terms of 2^-63.
    /// The float must be within 2^-50..2^50 (see `kernel::tables`).
    pub fn patterns(self) -> [u16; 3] {
        let terms = self.terms();
        let first = terms[0].map_or(-63, |(_, p)| p);
        core::array::from_fn(|i| match terms[i] {
            Some((negative, p)) => ((p as u16) << 7) ^ ((negative as u16) << 15),
            None if terms[0].is_none() => (-63i16 as u16) << 7,
            None => ((first - 30) as u16) << 7,
        })
    }
}

/// 2^p as a float, for -126 <= p <= 127.
pub fn power(p: i32) -> f32 {
    debug_assert!((-126..=127).contains(&p));
    f32::from_bits(((p + 127) as u32) << 23)
}

/// The exponent of the power of two nearest to |x| on the number line (from 1.5 on, upwards), `None` for zero and
/// for what is not finite. The linear rule keeps the error of a term within 1/3 where the logarithmic one allows 0.414.
fn nearest_power(x: f32) -> Option<i32> {
    let bits = x.abs().to_bits();
    if !(0x0080_0000..0x7f80_0000).contains(&bits) {
        return None;
    }
    Some((bits >> 23) as i32 - 127 + ((bits >> 22) & 1) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_terms_come_within_a_twenty_seventh() {
        for i in 0..100_000u32 {
            let x = f32::from_bits(0x3000_0000 + i * 0x2000);
            if x > 2.0e6 {
                break;
            }
            let scale = Scale::nearest(x);
            assert!(scale.is_valid(), "{x}");
            assert!((scale.value() - x).abs() <= x / 27.0 + 1e-12, "{x} became {}", scale.value());
            assert_eq!(Scale::nearest(-x).value(), -scale.value());
            assert_eq!(scale.doubled(2).value(), 4.0 * scale.value());
        }
        assert_eq!(Scale::nearest(0.0), Scale::ZERO);
        assert_eq!(Scale::nearest(f32::NAN), Scale::ZERO);
        assert_eq!(Scale::nearest(1e-30), Scale::ZERO);
    }

    #[test]
    fn adding_patterns_to_bits_multiplies() {
        for (x, s) in [(1.5f32, 0.37f32), (-2.25, 0.013), (1e-9, -5.5), (3.0, 1.0), (7.0, -0.5)] {
            let scale = Scale::nearest(s);
            let product: f32 =
                scale.patterns().iter().map(|&p| f32::from_bits(x.to_bits().wrapping_add((p as u32) << 16))).sum();
            let exact = x as f64 * scale.value() as f64;
            assert!((product as f64 - exact).abs() <= exact.abs() * 1.2e-7, "{x} times {}", scale.value());
        }
    }
}
