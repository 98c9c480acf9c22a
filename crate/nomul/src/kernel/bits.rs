//! Rows of bits against one row of bits, by exclusive or and counting.
//!
//! A row is whole registers of sixteen bytes; rows lie one behind the other. Counts are integers, so every back end gives
//! the same.

pub mod counters;

use super::{BackEnd, Kernel, Simd, simd::run};

/// Byte lanes hold the counts of so many registers: 31 times 8 ones are below 256.
const REGISTERS_A_SUM: usize = 31;

/// A row and in how many bits it differs from the query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Near {
    /// Its place among the rows.
    pub row: u32,
    /// The sum over all bits of `row xor query`.
    pub differences: u32,
}

/// The rows that differ from the query in `limit` bits at most, in order: the first so many of `found`, as the answer
/// says. `rows` is `(found.len(), query.len())` bytes.
pub fn near(back_end: BackEnd, rows: &[u8], query: &[u8], limit: u32, found: &mut [Near]) -> usize {
    check(rows, query.len(), found.len());
    run(back_end, NearRows { rows, query, limit, found })
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

struct NearRows<'a> {
    rows: &'a [u8],
    query: &'a [u8],
    limit: u32,
    found: &'a mut [Near],
}

impl Kernel for NearRows<'_> {
    type Output = usize;

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> usize {
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
fn fixed<S: Simd, const REGISTERS: usize>(s: S, NearRows { rows, query, limit, found }: NearRows) -> usize {
    let mut wanted = [s.splat8(0); REGISTERS];
    for (wanted, bytes) in wanted.iter_mut().zip(query.as_chunks::<16>().0) {
        *wanted = s.load(bytes);
    }
    let rows = rows.as_chunks::<16>().0.as_chunks::<REGISTERS>().0;
    let mut count = 0;
    for (place, row) in (0..).zip(rows) {
        let mut sum = s.splat8(0);
        for register in 0..REGISTERS {
            let different = s.xor(s.load(&row[register]), wanted[register]);
            sum = s.add8(sum, s.popcount8(different));
        }
        let differences = s.sum8(sum);
        if differences <= limit {
            found[count] = Near { row: place, differences };
            count += 1;
        }
    }
    count
}

#[inline(always)]
fn any<S: Simd>(s: S, NearRows { rows, query, limit, found }: NearRows) -> usize {
    let query = query.as_chunks::<16>().0;
    let rows = rows.as_chunks::<16>().0.chunks_exact(query.len());
    let mut count = 0;
    for (place, row) in (0..).zip(rows) {
        let mut differences = 0;
        for (row, query) in row.chunks(REGISTERS_A_SUM).zip(query.chunks(REGISTERS_A_SUM)) {
            let mut sum = s.splat8(0);
            for (row, query) in row.iter().zip(query) {
                let different = s.xor(s.load(row), s.load(query));
                sum = s.add8(sum, s.popcount8(different));
            }
            differences += s.sum8(sum);
        }
        if differences <= limit {
            found[count] = Near { row: place, differences };
            count += 1;
        }
    }
    count
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
    fn every_back_end_finds_what_is_near() {
        for row_bytes in [16, 32, 48, 64, 80, 128, 144, 31 * 16, 32 * 16, 70 * 16] {
            for rows in [0, 1, 2, 5] {
                for fill in [None, Some((0x00, 0xff)), Some((0xff, 0xff))] {
                    let (mut data, mut query) = (bytes(rows * row_bytes, 1), bytes(row_bytes, 2));
                    if let Some((a, b)) = fill {
                        data.fill(a);
                        query.fill(b);
                    }
                    let differences = |row: usize| {
                        let row = &data[row * row_bytes..][..row_bytes];
                        (0..8 * row_bytes).filter(|&i| bit(row, i) != bit(&query, i)).count() as u32
                    };
                    for limit in [0, 4 * row_bytes as u32, u32::MAX] {
                        let all = (0..rows).map(|row| Near { row: row as u32, differences: differences(row) });
                        let textbook: Vec<Near> = all.filter(|near| near.differences <= limit).collect();
                        for back_end in BACK_ENDS {
                            let mut found = vec![Near::default(); rows];
                            let count = near(back_end, &data, &query, limit, &mut found);
                            let what = back_end.name();
                            assert_eq!(found[..count], textbook, "{row_bytes} bytes, {rows} rows, {limit}, {what}");
                        }
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
