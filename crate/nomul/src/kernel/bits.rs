//! Rows of bits against one row of bits, by exclusive or and counting.
//!
//! A row is whole registers of sixteen bytes; rows lie one behind the other. Counts are integers, so every back end gives
//! the same.

use super::{BackEnd, Kernel, Simd, simd::run};

/// Byte lanes hold the counts of so many registers: 31 times 8 ones are below 256.
const REGISTERS_A_SUM: usize = 31;

/// In how many bits each row differs from the query: `rows` is `(counts.len(), query.len())` bytes. With `a` a row and
/// `b` the query, `counts[i]` is the sum over all bits of `a xor b`.
pub fn differences(back_end: BackEnd, rows: &[u8], query: &[u8], counts: &mut [u32]) {
    check(rows, query.len(), counts.len());
    run(back_end, Differences { rows, query, counts });
}

/// The dot product of each row of ternary numbers with the query. A row is a plane of signs and a plane that says which
/// numbers are not zero; `rows` is `(products.len(), query.len())` bytes. Where both numbers are not zero their product
/// is +1 if the signs agree and -1 if they differ.
pub fn ternary_products(back_end: BackEnd, rows: &[u8], query: &[u8], products: &mut [i32]) {
    check(rows, query.len(), products.len());
    assert!(query.len().is_multiple_of(32), "two planes");
    run(back_end, TernaryProducts { rows, query, products });
}

fn check(rows: &[u8], row_bytes: usize, count: usize) {
    assert!(row_bytes > 0 && row_bytes.is_multiple_of(16), "whole registers");
    assert_eq!(rows.len() / row_bytes, count, "rows");
    assert!(rows.len().is_multiple_of(row_bytes), "whole rows");
}

struct Differences<'a> {
    rows: &'a [u8],
    query: &'a [u8],
    counts: &'a mut [u32],
}

impl Kernel for Differences<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        // For sizes in common use the query stays in registers.
        match self.query.len() {
            16 => fixed::<S, 1>(s, self),
            32 => fixed::<S, 2>(s, self),
            64 => fixed::<S, 4>(s, self),
            128 => fixed::<S, 8>(s, self),
            _ => any(s, self),
        }
    }
}

#[inline(always)]
fn fixed<S: Simd, const REGISTERS: usize>(s: S, Differences { rows, query, counts }: Differences) {
    let mut wanted = [s.splat8(0); REGISTERS];
    for (wanted, bytes) in wanted.iter_mut().zip(query.as_chunks::<16>().0) {
        *wanted = s.load(bytes);
    }
    let rows = rows.as_chunks::<16>().0.as_chunks::<REGISTERS>().0;
    for (count, row) in counts.iter_mut().zip(rows) {
        let mut sum = s.splat8(0);
        for register in 0..REGISTERS {
            let different = s.xor(s.load(&row[register]), wanted[register]);
            sum = s.add8(sum, s.popcount8(different));
        }
        *count = s.sum8(sum);
    }
}

#[inline(always)]
fn any<S: Simd>(s: S, Differences { rows, query, counts }: Differences) {
    let query = query.as_chunks::<16>().0;
    let rows = rows.as_chunks::<16>().0.chunks_exact(query.len());
    for (count, row) in counts.iter_mut().zip(rows) {
        *count = 0;
        for (row, query) in row.chunks(REGISTERS_A_SUM).zip(query.chunks(REGISTERS_A_SUM)) {
            let mut sum = s.splat8(0);
            for (row, query) in row.iter().zip(query) {
                let different = s.xor(s.load(row), s.load(query));
                sum = s.add8(sum, s.popcount8(different));
            }
            *count += s.sum8(sum);
        }
    }
}

struct TernaryProducts<'a> {
    rows: &'a [u8],
    query: &'a [u8],
    products: &'a mut [i32],
}

impl Kernel for TernaryProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let query = self.query.as_chunks::<16>().0;
        let (signs, sizes) = query.split_at(query.len() / 2);
        let rows = self.rows.as_chunks::<16>().0.chunks_exact(query.len());
        for (product, row) in self.products.iter_mut().zip(rows) {
            let (row_signs, row_sizes) = row.split_at(row.len() / 2);
            *product = 0;
            let parts = (0..signs.len()).step_by(REGISTERS_A_SUM);
            for part in parts.map(|from| from..(from + REGISTERS_A_SUM).min(signs.len())) {
                let (mut both, mut differing) = (s.splat8(0), s.splat8(0));
                for i in part {
                    let sizes = s.and(s.load(&sizes[i]), s.load(&row_sizes[i]));
                    let signs = s.xor(s.load(&signs[i]), s.load(&row_signs[i]));
                    both = s.add8(both, s.popcount8(sizes));
                    differing = s.add8(differing, s.popcount8(s.and(signs, sizes)));
                }
                *product += s.sum8(both) as i32 - (s.sum8(differing) << 1) as i32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::BACK_ENDS;
    use alloc::{vec, vec::Vec};

    /// Bytes of a small generator (xorshift).
    fn bytes(count: usize, seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..count).map(|_| next()).collect()
    }

    fn bit(bytes: &[u8], i: usize) -> bool {
        bytes[i / 8] >> (i % 8) & 1 == 1
    }

    /// The textbook: bit for bit. Row sizes cross the ones that are compiled apart and the sums' limit.
    #[test]
    fn every_back_end_counts_differences() {
        for row_bytes in [16, 32, 48, 64, 80, 128, 144, 31 * 16, 32 * 16, 70 * 16] {
            for rows in [0, 1, 2, 5] {
                for fill in [None, Some((0x00, 0xff)), Some((0xff, 0xff))] {
                    let (mut data, mut query) = (bytes(rows * row_bytes, 1), bytes(row_bytes, 2));
                    if let Some((a, b)) = fill {
                        data.fill(a);
                        query.fill(b);
                    }
                    let textbook: Vec<u32> = (0..rows)
                        .map(|row| {
                            let row = &data[row * row_bytes..][..row_bytes];
                            (0..8 * row_bytes).filter(|&i| bit(row, i) != bit(&query, i)).count() as u32
                        })
                        .collect();
                    for back_end in BACK_ENDS {
                        let mut counts = vec![7; rows];
                        differences(back_end, &data, &query, &mut counts);
                        assert_eq!(counts, textbook, "{row_bytes} bytes, {rows} rows, {}", back_end.name());
                    }
                }
            }
        }
    }

    #[test]
    fn every_back_end_multiplies_ternary_numbers() {
        for plane in [16, 32, 128, 31 * 16, 32 * 16, 65 * 16] {
            for (rows, fill) in [(0, None), (1, None), (3, None), (2, Some(0xff))] {
                let (mut data, mut query) = (bytes(rows * 2 * plane, 3), bytes(2 * plane, 4));
                if let Some(byte) = fill {
                    data.fill(byte);
                    query.fill(byte);
                }
                let number = |row: &[u8], i: usize| match (bit(row, i), bit(&row[plane..], i)) {
                    (_, false) => 0,
                    (false, true) => 1,
                    (true, true) => -1,
                };
                let textbook: Vec<i32> = (0..rows)
                    .map(|row| {
                        let row = &data[row * 2 * plane..][..2 * plane];
                        (0..8 * plane).map(|i| number(row, i) * number(&query, i)).sum()
                    })
                    .collect();
                for back_end in BACK_ENDS {
                    let mut products = vec![7; rows];
                    ternary_products(back_end, &data, &query, &mut products);
                    assert_eq!(products, textbook, "{plane} bytes, {rows} rows, {}", back_end.name());
                }
            }
        }
    }
}
