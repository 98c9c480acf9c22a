//! Places of things in memory without multiplying or dividing.
//!
//! What is known when a model is loaded is computed then, in the usual way. What depends on the text, such as how many
//! positions there are, is computed here on the way from a token to the next, and so by shifts and additions.

/// `a * b`, as far as it fits: an addition for each bit of the smaller of them.
#[inline]
pub const fn times(a: usize, b: usize) -> usize {
    let (mut shifted, mut bits) = if a < b { (b, a) } else { (a, b) };
    let mut product = 0usize;
    while bits != 0 {
        if bits & 1 == 1 {
            product = product.wrapping_add(shifted);
        }
        shifted <<= 1;
        bits >>= 1;
    }
    product
}

/// `a / b` for `b` over zero, rounded down: a comparison for each bit of it.
#[inline]
pub const fn divide(a: usize, b: usize) -> usize {
    assert!(b > 0, "division by zero");
    let (mut left, mut quotient) = (a, 0);
    while left >= b {
        let mut bit = left.ilog2() - b.ilog2();
        if left >> bit < b {
            bit -= 1;
        }
        left -= b << bit;
        quotient |= 1 << bit;
    }
    quotient
}

/// The whole rows of `length` elements, one after the other. (`chunks_exact` divides to find where the last one ends.)
#[inline]
pub fn rows<T>(mut all: &[T], length: usize) -> impl Iterator<Item = &[T]> {
    assert!(length > 0, "rows without elements");
    core::iter::from_fn(move || {
        let (row, rest) = all.split_at_checked(length)?;
        all = rest;
        Some(row)
    })
}

/// Like [`rows`], to write to.
#[inline]
pub fn rows_mut<T>(mut all: &mut [T], length: usize) -> impl Iterator<Item = &mut [T]> {
    assert!(length > 0, "rows without elements");
    core::iter::from_fn(move || {
        let (row, rest) = core::mem::take(&mut all).split_at_mut_checked(length)?;
        all = rest;
        Some(row)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_quotients_are_right() {
        let numbers = (0..70).chain([127, 128, 1000, 4095, 65_535, 1 << 20, (1 << 31) - 1]);
        for a in numbers.clone() {
            for b in numbers.clone() {
                assert_eq!(times(a, b), a.wrapping_mul(b), "{a} times {b}");
                if b > 0 {
                    assert_eq!(divide(a, b), a / b, "{a} by {b}");
                }
            }
        }
    }
}
