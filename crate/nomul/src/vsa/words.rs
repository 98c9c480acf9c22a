//! The loops over packed words, compiled for each back end: nothing but and, or, exclusive or, shifts, additions and
//! population counts. `dimension` bits lie in `words[i / 64] >> (i % 64)`; bits past the last one are zero.
//!
//! The textbook of each, one place at a time, stands in `tests.rs`.

use crate::kernel::{BackEnd, Kernel, Simd, run};

/// The number of words that hold `dimension` bits.
pub const fn words(dimension: usize) -> usize {
    dimension.div_ceil(64)
}

/// The bits of the last word that are in use.
pub const fn last_mask(dimension: usize) -> u64 {
    u64::MAX >> (dimension.wrapping_neg() % 64)
}

/// Functions over slices, run with the instructions of a back end: a `Kernel` each.
macro_rules! kernels {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $output:ty $body:block)*) => { $(
        $(#[$doc])*
        #[inline]
        #[allow(clippy::too_many_arguments)]
        pub fn $name<'a>(back_end: BackEnd, $($argument: $type),*) -> $output {
            struct Call<'a> { $($argument: $type),* }
            impl<'a> Kernel for Call<'a> {
                type Output = $output;
                #[inline(always)]
                fn call<S: Simd>(self, _: S) -> $output {
                    let Call { $($argument),* } = self;
                    $body
                }
            }
            run(back_end, Call { $($argument),* })
        }
    )* };
}

/// `out[i + by] ^= x[i]`, places counted modulo `dimension`; `by` is below it.
#[inline(always)]
fn xor_shifted(x: &[u64], by: usize, dimension: usize, out: &mut [u64]) {
    let count = words(dimension);
    let (x, out) = (&x[..count], &mut out[..count]);
    // Upwards by `by`: word w is made of the words w - whole and w - whole - 1.
    let (whole, part) = (by / 64, by % 64);
    if part == 0 {
        for (out, x) in out[whole..].iter_mut().zip(x) {
            *out ^= x;
        }
    } else {
        out[whole] ^= x[0] << part;
        for (out, pair) in out[whole + 1..].iter_mut().zip(x.windows(2)) {
            *out ^= pair[1] << part | pair[0] >> (64 - part);
        }
    }
    // What has left at the top comes in at the bottom: downwards by the rest.
    if by > 0 {
        let rest = dimension - by;
        let (whole, part) = (rest / 64, rest % 64);
        if part == 0 {
            for (out, x) in out.iter_mut().zip(&x[whole..]) {
                *out ^= x;
            }
        } else {
            for (out, pair) in out.iter_mut().zip(x[whole..].windows(2)) {
                *out ^= pair[0] >> part | pair[1] << (64 - part);
            }
            out[count - 1 - whole] ^= x[count - 1] >> part;
        }
    }
    out[count - 1] &= last_mask(dimension);
}

/// Adds `1 << plane` to the counter of every place whose bit is set in `carry`, which is used up. The counters lie in
/// planes of `carry.len()` words, the lowest first, and have room for the sum.
#[inline(always)]
fn count(planes: &mut [u64], plane: usize, carry: &mut [u64]) {
    for plane in planes.chunks_exact_mut(carry.len()).skip(plane) {
        for (sum, carry) in plane.iter_mut().zip(carry.iter_mut()) {
            let next = *sum & *carry;
            *sum ^= *carry;
            *carry = next;
        }
    }
}

kernels! {
    /// `out[i] = signs[i] ^ x[i - by]`: a signed permutation, or a shift alone where the signs are zeros.
    fn permute(x: &'a [u64], by: usize, signs: &'a [u64], dimension: usize, out: &'a mut [u64]) -> () {
        out.copy_from_slice(signs);
        xor_shifted(x, by, dimension, out);
    }

    /// Adds `weight` to the counter of every place where `signs[i] ^ x[i - by]` is set. `scratch` holds as many words.
    fn count_bound(
        x: &'a [u64],
        by: usize,
        signs: &'a [u64],
        weight: u32,
        dimension: usize,
        planes: &'a mut [u64],
        scratch: &'a mut [u64],
    ) -> () {
        let mut left = weight;
        while left != 0 {
            scratch.copy_from_slice(signs);
            xor_shifted(x, by, dimension, scratch);
            count(planes, left.trailing_zeros() as usize, scratch);
            left &= left - 1;
        }
    }

    /// Adds `weight` to the counter of every place that is set.
    fn count_plain(x: &'a [u64], weight: u32, planes: &'a mut [u64], scratch: &'a mut [u64]) -> () {
        let mut left = weight;
        while left != 0 {
            scratch.copy_from_slice(x);
            count(planes, left.trailing_zeros() as usize, scratch);
            left &= left - 1;
        }
    }

    /// `out[i]` is set where the counter is over half of `total`, and where it is exactly half and `ties[i]` is set.
    fn over_half(planes: &'a [u64], total: u32, ties: &'a [u64], out: &'a mut [u64]) -> () {
        let count = ties.len();
        for (w, (out, tie)) in out.iter_mut().zip(ties).enumerate() {
            let (mut greater, mut equal) = (0u64, u64::MAX);
            for p in (0..planes.len() / count).rev() {
                let plane = planes[p * count + w];
                let half = 0u64.wrapping_sub((total >> 1 >> p & 1) as u64);
                greater |= equal & plane & !half;
                equal &= !(plane ^ half);
            }
            let tie = if total & 1 == 0 { *tie } else { 0 };
            *out = greater | equal & tie;
        }
    }

    /// Counters of places where `flips` is set become `total - counter`.
    fn complement(planes: &'a mut [u64], total: u32, flips: &'a [u64]) -> () {
        let count = flips.len();
        let rows = planes.len() / count;
        for (w, flip) in flips.iter().enumerate() {
            // total - c = (total + 1) + !c, modulo a power of two that is over total.
            let mut carry = 0u64;
            for p in 0..rows {
                let plane = planes[p * count + w] ^ flip;
                let bit = 0u64.wrapping_sub((total as u64 + 1) >> p & 1) & flip;
                planes[p * count + w] = plane ^ bit ^ carry;
                carry = plane & bit | carry & (plane ^ bit);
            }
        }
    }

    /// How many places are set in both.
    fn common(a: &'a [u64], b: &'a [u64]) -> u32 {
        a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum()
    }

    /// How many places differ.
    fn different(a: &'a [u64], b: &'a [u64]) -> u32 {
        a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// The counters themselves: `out[i]` for each place.
    fn counters(planes: &'a [u64], words: usize, out: &'a mut [u32]) -> () {
        for (w, out) in out.chunks_mut(64).enumerate() {
            for (byte, out) in out.chunks_mut(8).enumerate() {
                // Eight counters side by side in the bytes of a word, eight planes at a time.
                out.fill(0);
                for (group, planes) in planes.chunks(8 * words).enumerate() {
                    let mut lanes = 0u64;
                    for (p, plane) in planes.chunks_exact(words).enumerate() {
                        lanes |= SPREAD[(plane[w] >> (8 * byte) & 0xff) as usize] << p;
                    }
                    for (out, lane) in out.iter_mut().zip(lanes.to_le_bytes()) {
                        *out |= (lane as u32) << (8 * group);
                    }
                }
            }
        }
    }
}

/// The bits of a byte, each in a byte of its own.
static SPREAD: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut bit = 0;
        while bit < 8 {
            table[byte] |= (byte as u64 >> bit & 1) << (8 * bit);
            bit += 1;
        }
        byte += 1;
    }
    table
};
