//! Vectors of nodes as rows of bytes that share an exponent (block floating point).

use alloc::vec::Vec;
use core::ops::Range;

use super::{
    factor::{Factor, Tables},
    memory,
};
use crate::Result;

/// Columns are padded with zeros to a multiple of this.
pub const COLUMNS: usize = 32;
/// The exponent of a row of zeros.
pub const ZERO: i16 = i16::MIN;

/// `value[node][column] = mantissa[node][column] * 2^exponent[node]`. In every row that is not zero, the largest
/// mantissa is between 64 and 127 in size.
#[derive(Debug, Default)]
pub struct Rows {
    dimensions: usize,
    /// (node, column), columns padded, from `offset` on.
    mantissas: Vec<i8>,
    /// Rows begin at a boundary of [`LINE`] in memory: half a line more to fetch for each would cost a third of the speed.
    offset: usize,
    exponents: Vec<i16>,
}

/// Bytes that come from memory together.
const LINE: usize = 64;

impl Rows {
    /// Rows of zeros.
    pub fn zeros(nodes: usize, dimensions: usize) -> Result<Rows> {
        let stride = dimensions.next_multiple_of(COLUMNS);
        let Some(size) = nodes.checked_mul(stride).and_then(|size| size.checked_add(LINE)) else {
            return Err(memory::refused(u64::MAX, "vectors"));
        };
        let mut exponents = memory::zeroed(nodes, "exponents of vectors")?;
        exponents.fill(ZERO);
        let mut mantissas: Vec<i8> = memory::zeroed(size, "vectors")?;
        let offset = mantissas.as_ptr().align_offset(LINE).min(LINE);
        mantissas.truncate(offset + size - LINE);
        Ok(Rows { dimensions, mantissas, offset, exponents })
    }

    /// Nodes.
    pub fn nodes(&self) -> usize {
        self.exponents.len()
    }

    /// Columns without padding.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Columns with padding.
    pub fn stride(&self) -> usize {
        self.dimensions.next_multiple_of(COLUMNS)
    }

    /// Mantissas of a row, padded.
    #[inline(always)]
    pub fn row(&self, node: usize) -> &[i8] {
        let stride = self.stride();
        &self.mantissas[self.offset + node * stride..][..stride]
    }

    /// The exponent of a row, [`ZERO`] for a row of zeros.
    #[inline(always)]
    pub fn exponent(&self, node: usize) -> i16 {
        self.exponents[node]
    }

    /// Bytes taken by so many rows.
    pub fn bytes_for(nodes: usize, dimensions: usize) -> u64 {
        nodes as u64 * (dimensions.next_multiple_of(COLUMNS) as u64 + 2)
    }

    /// Parts of `rows` consecutive rows of these nodes: the first one's number, mantissas, exponents.
    pub(super) fn parts_mut(
        &mut self,
        nodes: Range<usize>,
        rows: usize,
    ) -> impl Iterator<Item = (usize, &mut [i8], &mut [i16])> {
        let stride = self.stride();
        let exponents = self.exponents[nodes.clone()].chunks_mut(rows);
        let mantissas = &mut self.mantissas[self.offset..][nodes.start * stride..nodes.end * stride];
        let parts = mantissas.chunks_mut(rows * stride).zip(exponents).enumerate();
        parts.map(move |(part, (mantissas, exponents))| (nodes.start + part * rows, mantissas, exponents))
    }

    /// One row, to be written.
    pub(super) fn row_mut(&mut self, node: usize) -> (&mut [i8], &mut i16) {
        let stride = self.stride();
        (&mut self.mantissas[self.offset + node * stride..][..stride], &mut self.exponents[node])
    }

    /// The same rows and more rows of zeros after them.
    pub(super) fn grown(&self, nodes: usize) -> Result<Rows> {
        let mut grown = Rows::zeros(nodes.max(self.nodes()), self.dimensions)?;
        let mantissas = &self.mantissas[self.offset..];
        grown.mantissas[grown.offset..][..mantissas.len()].copy_from_slice(mantissas);
        grown.exponents[..self.nodes()].copy_from_slice(&self.exponents);
        Ok(grown)
    }
}

impl PartialEq for Rows {
    fn eq(&self, other: &Rows) -> bool {
        self.dimensions == other.dimensions
            && self.exponents == other.exponents
            && self.mantissas[self.offset..] == other.mantissas[other.offset..]
    }
}

/// How a row of sums is scaled before it is rounded to bytes.
#[derive(Clone, Copy)]
pub enum Scaling<'a> {
    /// By a factor of the row's own: one over the degree, say.
    By(Factor),
    /// To Euclidean length 1.
    Unit(&'a Tables),
}

/// Writes `sums[column] * 2^exponent`, scaled, as a row. `sums` is scratch.
///
/// Sums are rounded twice: to 16 bits and, scaled, to bytes.
#[inline(always)]
pub fn write_row(sums: &mut [i32], mut exponent: i32, scaling: Scaling, row: &mut [i8], row_exponent: &mut i16) {
    let size = largest(sums);
    if size == 0 {
        row.fill(0);
        *row_exponent = ZERO;
        return;
    }
    // The largest then has 15 bits, or is 2^15.
    let drop = bits(size) - 15;
    shift(sums, drop);
    exponent += drop;
    let factor = match scaling {
        Scaling::By(factor) => factor,
        Scaling::Unit(tables) => {
            exponent = -8;
            let mut squares = 0;
            for &sum in &*sums {
                squares += square(((sum + 128) >> 8).unsigned_abs() as u8);
            }
            tables.one_over_root(squares)
        }
    };
    for sum in &mut *sums {
        *sum = factor.apply(*sum << 12);
    }
    exponent += factor.exponent - 12;
    let size = largest(sums);
    let mut drop = bits(size) - 7;
    // What rounds up to 128 does not fit.
    if (size + (1 << (drop - 1))) >> drop > 127 {
        drop += 1;
    }
    let half = 1 << (drop - 1);
    for (byte, &sum) in row.iter_mut().zip(&*sums) {
        *byte = ((sum + half) >> drop) as i8;
    }
    *row_exponent = (exponent + drop).clamp(-MOST_EXPONENT, MOST_EXPONENT) as i16;
}

/// Exponents stay within this, so that a few more powers of a graph with heavy edges saturate and do not wrap.
const MOST_EXPONENT: i32 = 16_000;

/// Bits of a number without its leading zeros.
#[inline(always)]
fn bits(x: u32) -> i32 {
    32 - x.leading_zeros() as i32
}

/// The largest size of a number.
#[inline(always)]
fn largest(sums: &[i32]) -> u32 {
    let mut most = 0;
    for &sum in sums {
        most = most.max(sum.unsigned_abs());
    }
    most
}

/// Divides by `2^drop`, rounding halves up; multiplies where `drop` is negative.
#[inline(always)]
fn shift(sums: &mut [i32], drop: i32) {
    match drop {
        1.. => {
            for sum in sums {
                *sum = (*sum >> drop) + ((*sum >> (drop - 1)) & 1);
            }
        }
        ..0 => {
            for sum in sums {
                *sum <<= -drop;
            }
        }
        0 => {}
    }
}

/// Squares of bytes.
pub static SQUARES: [u16; 256] = squares();

const fn squares() -> [u16; 256] {
    let mut table = [0; 256];
    let mut i = 1;
    while i < 256 {
        // The odd numbers add up to squares.
        table[i] = table[i - 1] + (2 * i - 1) as u16;
        i += 1;
    }
    table
}

/// The square of a byte.
#[inline(always)]
pub fn square(x: u8) -> u32 {
    u32::from(SQUARES[usize::from(x)])
}
