//! Randomised Hadamard transforms: rotations made of additions and sign flips.
//!
//! Rotating the inputs and the outputs of a matrix by a random orthogonal transform spreads outliers evenly over all
//! weights ("incoherence", QuIP, arXiv 2307.13304), which is worth more to a quantiser than any other single step. A
//! Hadamard matrix has entries of one absolute value, so `n log n` additions apply it.
//!
//! The definition, for a vector of length `n = blocks * order`:
//!
//! ```text
//! forward(x) = H (sign .* x)       per block; H is order x order with entries +1 and -1, H Hᵀ = order * I
//! inverse(x) = sign .* (Hᵀ x)      so that inverse(forward(x)) = order * x
//! ```
//!
//! `order` is the largest `12^a * 2^b` that divides `n` with `a` the number of factors three that find two factors two
//! each: 576 = 12 * 12 * 4, 1536 = 12 * 128, 64 = 2^6. What is left over (a factor five, say) is the number of blocks.
//! Nothing is normalised here; whoever folds the transform into weights divides by `order` there.

use alloc::vec::Vec;

use crate::{
    address::rows_mut,
    kernel::{Kernel, Simd, on_best},
};

/// A transform of vectors of one length.
#[derive(Clone, Debug)]
pub struct Hadamard {
    /// +1 or -1 for each element, from the seed.
    signs: Vec<f32>,
    order: usize,
    /// A twelfth of what each step of order twelve runs over.
    twelfths: Vec<usize>,
    twos: usize,
}

impl Hadamard {
    /// The transform of length `n` (at least 1) whose signs come from `seed`.
    pub fn new(n: usize, seed: u64) -> Self {
        let twos = n.trailing_zeros() as usize;
        let mut threes = 0;
        while n.is_multiple_of(3usize.pow(threes as u32 + 1)) {
            threes += 1;
        }
        let twelves = threes.min(twos / 2);
        let twos = twos - 2 * twelves;
        let power = |exponent: usize| 12usize.pow(exponent as u32) << twos;
        Hadamard {
            signs: signs(n, seed),
            order: power(twelves),
            twelfths: (0..twelves).rev().map(power).collect(),
            twos,
        }
    }

    /// The length of a vector.
    pub fn length(&self) -> usize {
        self.signs.len()
    }

    /// The length of a block, which is also the factor that a round trip multiplies by.
    pub fn order(&self) -> usize {
        self.order
    }

    /// `H (sign .* x)` for each vector of `rows`, in place.
    pub fn forward_rows(&self, rows: &mut [f32]) {
        on_best(Rows::<false> { transform: self, rows });
    }

    /// `sign .* (Hᵀ x)` for each vector of `rows`, in place.
    pub fn inverse_rows(&self, rows: &mut [f32]) {
        on_best(Rows::<true> { transform: self, rows });
    }

    /// `H (sign .* x)`, in place.
    pub fn forward(&self, x: &mut [f32]) {
        assert_eq!(x.len(), self.signs.len(), "length of the transform");
        self.forward_rows(x);
    }

    /// `sign .* (Hᵀ x)`, in place.
    pub fn inverse(&self, x: &mut [f32]) {
        assert_eq!(x.len(), self.signs.len(), "length of the transform");
        self.inverse_rows(x);
    }

    #[inline(always)]
    fn flip(&self, x: &mut [f32]) {
        for (x, sign) in x.iter_mut().zip(&self.signs) {
            // The sign of a float is one bit; no multiplication.
            *x = f32::from_bits(x.to_bits() ^ (sign.to_bits() & 0x8000_0000));
        }
    }

    /// The Kronecker product of `twelves` matrices of order 12 and `twos` of order 2, block by block.
    #[inline(always)]
    fn spread<S: Simd, const TRANSPOSED: bool>(&self, s: S, x: &mut [f32]) {
        let mut length = self.order;
        for &twelfth in &self.twelfths {
            for part in rows_mut(x, length) {
                twelfths::<S, TRANSPOSED>(s, part, twelfth);
            }
            length = twelfth;
        }
        // The last two steps stay within four neighbours.
        while length > if self.twos >= 2 { 4 } else { 1 } {
            for part in rows_mut(x, length) {
                halves(part);
            }
            length /= 2;
        }
        if length == 4 {
            x.as_chunks_mut::<4>().0.iter_mut().for_each(|four| fourths(s, four));
        }
    }
}

/// Many vectors, one after the other.
struct Rows<'a, const INVERSE: bool> {
    transform: &'a Hadamard,
    rows: &'a mut [f32],
}

impl<const INVERSE: bool> Kernel for Rows<'_, INVERSE> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Rows { transform, rows } = self;
        for row in rows_mut(rows, transform.signs.len()) {
            if INVERSE {
                transform.spread::<S, true>(s, row);
                transform.flip(row);
            } else {
                transform.flip(row);
                transform.spread::<S, false>(s, row);
            }
        }
    }
}

/// Signs of a seed: bit `i % 64` of the `i / 64`-th number of SplitMix64.
fn signs(n: usize, seed: u64) -> Vec<f32> {
    let word = |index: usize| {
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(index as u64 + 1));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..n).map(|i| if word(i / 64) >> (i % 64) & 1 == 1 { -1.0 } else { 1.0 }).collect()
}

/// `[a, b]` becomes `[a + b, a - b]`.
#[inline(always)]
fn halves(x: &mut [f32]) {
    let (a, b) = x.split_at_mut(x.len() / 2);
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = (*a + *b, *a - *b);
    }
}

/// The transform of order four: [`halves`] of the four, then of each two.
#[inline(always)]
fn fourths<S: Simd>(s: S, x: &mut [f32; 4]) {
    const SIGN: i32 = i32::MIN;
    let v = s.load_f32(x);
    let v = s.add_f32(s.swap_halves(v), s.xor(v, s.load_i32(&[0, 0, SIGN, SIGN])));
    let v = s.add_f32(s.swap_pairs(v), s.xor(v, s.load_i32(&[0, SIGN, 0, SIGN])));
    s.store_f32(v, x);
}

/// Row 0 of Paley's matrix is all +1; row r > 0 has -1 in column 0 and at column c > 0 the quadratic character of
/// r - c modulo 11, with +1 on the diagonal. (R. Paley, On orthogonal matrices, 1933, construction I.)
const fn paley12(row: usize, column: usize) -> bool {
    if row == 0 {
        return true;
    }
    if column == 0 {
        return false;
    }
    let difference = (row + 11 - column) % 11;
    // Zero and the squares 1, 3, 4, 5, 9.
    matches!(difference, 0 | 1 | 3 | 4 | 5 | 9)
}

const PALEY12: [[bool; 12]; 12] = {
    let mut matrix = [[false; 12]; 12];
    let mut i = 0;
    while i < 144 {
        matrix[i / 12][i % 12] = paley12(i / 12, i % 12);
        i += 1;
    }
    matrix
};

/// Twelve equal parts, of `length` elements each, become their signed sums.
#[inline(always)]
fn twelfths<S: Simd, const TRANSPOSED: bool>(s: S, mut x: &mut [f32], length: usize) {
    let mut parts: [&mut [f32]; 12] = core::array::from_fn(|_| {
        let (part, rest) = core::mem::take(&mut x).split_at_mut(length);
        x = rest;
        part
    });
    if length.is_multiple_of(4) {
        for lane in (0..length).step_by(4) {
            let mut fours = [s.splat32(0); 12];
            for (four, part) in fours.iter_mut().zip(&parts) {
                *four = s.load_f32(&part[lane..].as_chunks().0[0]);
            }
            // One call for each row, so that every sign is known to the compiler.
            macro_rules! rows {
                ($($row:literal)*) => { $(
                    let sum = signed_sum::<S, $row, TRANSPOSED>(s, &fours);
                    s.store_f32(sum, &mut parts[$row][lane..].as_chunks_mut().0[0]);
                )* };
            }
            rows!(0 1 2 3 4 5 6 7 8 9 10 11);
        }
    } else {
        for lane in 0..length {
            let numbers: [f32; 12] = core::array::from_fn(|p| parts[p][lane]);
            for (row, part) in parts.iter_mut().enumerate() {
                let sign = |column: usize| sign::<TRANSPOSED>(row, column);
                part[lane] = (0..12).map(|c| if sign(c) { numbers[c] } else { -numbers[c] }).sum();
            }
        }
    }
}

/// True for +1.
#[inline(always)]
const fn sign<const TRANSPOSED: bool>(row: usize, column: usize) -> bool {
    if TRANSPOSED { PALEY12[column][row] } else { PALEY12[row][column] }
}

/// The sum of twelve numbers with the signs of a row, in order.
#[inline(always)]
fn signed_sum<S: Simd, const ROW: usize, const TRANSPOSED: bool>(s: S, parts: &[S::V; 12]) -> S::V {
    let minus = s.splat32(i32::MIN);
    let mut sum = s.splat32(0);
    for (column, part) in parts.iter().enumerate() {
        sum = s.add_f32(sum, if sign::<TRANSPOSED>(ROW, column) { *part } else { s.xor(*part, minus) });
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{BACK_ENDS, run};
    use alloc::vec;

    /// The matrix itself: one column per unit vector.
    fn matrix(transform: &Hadamard, n: usize) -> Vec<Vec<f32>> {
        (0..n)
            .map(|i| {
                let mut x = vec![0.0; n];
                x[i] = 1.0;
                transform.forward(&mut x);
                x
            })
            .collect()
    }

    #[test]
    fn columns_are_orthogonal_and_entries_are_signs() {
        for n in [1, 2, 3, 12, 16, 24, 48, 64, 96, 144, 160, 192, 288, 576] {
            let transform = Hadamard::new(n, 42);
            let order = transform.order();
            let columns = matrix(&transform, n);
            for i in 0..n {
                for j in 0..n {
                    let dot: f32 = columns[i].iter().zip(&columns[j]).map(|(a, b)| a * b).sum();
                    assert_eq!(dot, if i == j { order as f32 } else { 0.0 }, "{n}: columns {i}, {j}");
                }
                let size = |x: &f32| x.abs() == 1.0 || *x == 0.0 && order < n;
                assert!(columns[i].iter().all(size), "{n}");
            }
        }
        assert_eq!(Hadamard::new(576, 0).order(), 576);
        assert_eq!(Hadamard::new(1536, 0).order(), 1536);
        assert_eq!(Hadamard::new(160, 0).order(), 32);
    }

    #[test]
    fn a_round_trip_multiplies_by_the_order() {
        for n in [5, 12, 64, 160, 576, 1536] {
            let transform = Hadamard::new(n, 7);
            let x: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37) % 3.0 - 1.0).collect();
            let mut y = x.clone();
            transform.forward(&mut y);
            transform.inverse(&mut y);
            for (y, x) in y.iter().zip(&x) {
                assert!((y / transform.order() as f32 - x).abs() < 1e-4, "{n}");
            }
        }
    }

    /// One sign of the matrix: a product of signs of its factors, each of which reads a digit of row and column.
    fn entry(transform: &Hadamard, row: usize, column: usize) -> f32 {
        let (mut place, mut sign) = (transform.order(), transform.signs[column]);
        if row / place != column / place {
            return 0.0;
        }
        for factor in core::iter::repeat_n(12, transform.twelfths.len()).chain(core::iter::repeat_n(2, transform.twos))
        {
            place /= factor;
            let (r, c) = (row / place % factor, column / place % factor);
            let positive = if factor == 12 { PALEY12[r][c] } else { r & c == 0 };
            sign = if positive { sign } else { -sign };
        }
        sign
    }

    /// Whole numbers add up exactly, whatever the order.
    #[test]
    fn every_back_end_equals_the_matrix() {
        for n in [1, 2, 3, 4, 5, 8, 12, 24, 48, 64, 80, 144, 160, 288, 576] {
            let transform = Hadamard::new(n, 11);
            let x: Vec<f32> = (0..2 * n).map(|i| (i * 37 % 101) as f32 - 50.0).collect();
            let product = |x: &[f32], entry: &dyn Fn(usize, usize) -> f32| -> Vec<f32> {
                (0..n).map(|row| (0..n).map(|column| entry(row, column) * x[column]).sum()).collect()
            };
            let rows = |entry: &dyn Fn(usize, usize) -> f32| -> Vec<f32> {
                x.chunks_exact(n).flat_map(|x| product(x, entry)).collect()
            };
            let forward = rows(&|row, column| entry(&transform, row, column));
            let inverse = rows(&|row, column| entry(&transform, column, row));
            for back_end in BACK_ENDS {
                let mut y = x.clone();
                run(back_end, Rows::<false> { transform: &transform, rows: &mut y });
                assert_eq!(y, forward, "{n}, {}", back_end.name());
                let mut y = x.clone();
                run(back_end, Rows::<true> { transform: &transform, rows: &mut y });
                assert_eq!(y, inverse, "{n}, inverse, {}", back_end.name());
            }
        }
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(signs(576, 1), signs(576, 2));
        assert_eq!(signs(576, 1), signs(576, 1));
    }
}
