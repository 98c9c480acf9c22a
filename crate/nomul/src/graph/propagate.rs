//! One propagation: every node's new row is the sum of its neighbours' rows, by shifts and additions alone.
//!
//! ```text
//! next[node] = scaling(node) * sum over neighbours u of 2^weight(node, u) * row[u]
//! ```
//!
//! Rows differ in their exponents. A row is added to its node's sum with [`HEADROOM`] bits more than the row of the
//! largest exponent has; what lies below is rounded off. Sixteen rows add up in 16-bit lanes, and these into 32-bit
//! ones. There is no overflow: a mantissa has 7 bits, so a sum of n neighbours has `7 + headroom + log2 n`, and the
//! headroom gives way for nodes of more than 2^20 neighbours, down to less than nothing for 2^31.
//!
//! The sums are integers, so neither the order of neighbours nor that of nodes, nor who computes them, changes a bit.

use serde::{Deserialize, Serialize};
use spin::Mutex;

use super::{
    csr::Csr,
    factor::Tables,
    rows::{COLUMNS, Rows, Scaling, ZERO, write_row},
};
use crate::{
    kernel::{BackEnd, Kernel, Simd, run},
    team::Team,
};

/// Bits that a sum has below those of the largest neighbour.
const HEADROOM: i32 = 4;
/// Neighbours that add up in 16 bits: 16 numbers of 7 + 4 bits.
const AT_ONCE: usize = 16;
/// Columns whose sums are kept in registers.
const BLOCK: usize = 64;
/// Nodes that a worker takes at a time.
const PART: usize = 512;
/// How many neighbours ahead rows are called for.
const AHEAD: usize = 24;

/// How sums become rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The mean over neighbours: the transition matrix.
    #[default]
    Mean,
    /// The sum over neighbours: the adjacency matrix.
    Sum,
    /// The sum over neighbours, scaled to length 1.
    Unit,
}

/// An edge's weight as an exponent of 2: the nearest power of two, by ratio. Weights are positive and finite.
#[inline(always)]
pub fn weight_exponent(weight: f32) -> i32 {
    // The exponent field counts up at the square root of two (0x3fb504f3), half-way between two powers.
    let bits = weight.to_bits() as i32;
    let exponent = ((bits + (0x3f80_0000 + 0x80_0000 - 0x3fb5_04f3)) >> 23) - 127;
    exponent.clamp(-LIGHTEST, HEAVIEST)
}

/// Weights lie between 2^-40 and 2^40; what is beyond counts as the nearest.
const LIGHTEST: i32 = 40;
const HEAVIEST: i32 = 40;

/// The degree of a node in units of 2^-40, weights rounded as they are when rows are added.
pub fn degree(csr: &Csr, node: usize) -> u128 {
    if csr.is_weighted() {
        csr.weights(node).iter().map(|&weight| 1 << (weight_exponent(weight) + LIGHTEST)).sum()
    } else {
        (csr.neighbours(node).len() as u128) << LIGHTEST
    }
}

/// The exponent of the unit of [`degree`].
pub const DEGREE_UNIT: i32 = -LIGHTEST;

/// Computes the rows of these nodes.
pub fn propagate(team: &dyn Team, by: &Propagation, from: &Rows, to: &mut Rows, nodes: core::ops::Range<usize>) {
    let parts = Mutex::new(to.parts_mut(nodes, PART));
    team.run_all(&|_| {
        loop {
            let Some((first, mantissas, exponents)) = parts.lock().next() else { break };
            let nodes = first..first + exponents.len();
            run(by.back_end, Propagate { by, from, nodes, mantissas, exponents });
        }
    });
}

/// Computes one node's row.
pub fn propagate_one(by: &Propagation, from: &Rows, to: &mut Rows, node: usize) {
    let (mantissas, exponent) = to.row_mut(node);
    let exponents = core::slice::from_mut(exponent);
    run(by.back_end, Propagate { by, from, nodes: node..node + 1, mantissas, exponents });
}

/// What a propagation goes by.
#[derive(Clone, Copy)]
pub struct Propagation<'a> {
    /// The instructions.
    pub back_end: BackEnd,
    /// The graph.
    pub csr: &'a Csr,
    /// Factors.
    pub tables: &'a Tables,
    /// How sums become rows.
    pub step: Step,
}

struct Propagate<'a> {
    by: &'a Propagation<'a>,
    from: &'a Rows,
    nodes: core::ops::Range<usize>,
    mantissas: &'a mut [i8],
    exponents: &'a mut [i16],
}

impl Kernel for Propagate<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Propagate { by: &Propagation { csr, tables, step, .. }, from, nodes, mantissas, exponents } = self;
        let stride = from.stride();
        let mut sums = alloc::vec![0i32; stride];
        let places = csr.starts()[nodes.start] as usize..csr.starts()[nodes.end] as usize;
        let mut coming = csr.targets()[places].iter();
        for &target in coming.by_ref().take(AHEAD) {
            s.prefetch_row(from.row(target as usize));
        }
        let rows = mantissas.chunks_exact_mut(stride).zip(exponents);
        for (node, (row, exponent)) in nodes.zip(rows) {
            let (neighbours, weights) = (csr.neighbours(node), csr.weights(node));
            for &target in coming.by_ref().take(neighbours.len()) {
                s.prefetch_row(from.row(target as usize));
            }
            let unit = add(s, from, neighbours, weights, &mut sums);
            let scaling = match step {
                Step::Mean if !neighbours.is_empty() => Scaling::By(tables.one_over(degree(csr, node), DEGREE_UNIT)),
                Step::Mean | Step::Sum => Scaling::By(super::factor::Factor::ONE),
                Step::Unit => Scaling::Unit(tables),
            };
            write_row(&mut sums, unit, scaling, row, exponent);
        }
    }
}

/// Sums of rows, in units of a power of two whose exponent is answered.
#[inline(always)]
fn add<S: Simd>(s: S, from: &Rows, neighbours: &[u32], weights: &[f32], sums: &mut [i32]) -> i32 {
    sums.fill(0);
    let mut most = i32::from(ZERO);
    for (i, &neighbour) in neighbours.iter().enumerate() {
        most = most.max(exponent_at(from, neighbour, weights.get(i)));
    }
    if most == i32::from(ZERO) {
        return 0;
    }
    let headroom = HEADROOM.min(24 - (usize::BITS - neighbours.len().leading_zeros()) as i32);
    let unit = most - headroom;
    let mut rows = [(0u32, 0i32); AT_ONCE];
    for (chunk, neighbours) in neighbours.chunks(AT_ONCE).enumerate() {
        let rows = &mut rows[..neighbours.len()];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = (neighbours[i], exponent_at(from, neighbours[i], weights.get(chunk * AT_ONCE + i)) - unit);
        }
        // Those that are shifted furthest come first.
        rows.sort_unstable_by_key(|&(_, shift)| core::cmp::Reverse(shift));
        let mut blocks = sums.chunks_exact_mut(BLOCK);
        let mut column = 0;
        for sums in &mut blocks {
            add_block::<S, { BLOCK / 8 }>(s, from, rows, column, sums);
            column += BLOCK;
        }
        // Half a block may be left.
        for sums in blocks.into_remainder().chunks_exact_mut(COLUMNS) {
            add_block::<S, { COLUMNS / 8 }>(s, from, rows, column, sums);
        }
    }
    unit
}

/// The exponent with which a neighbour's row is added.
#[inline(always)]
fn exponent_at(from: &Rows, neighbour: u32, weight: Option<&f32>) -> i32 {
    match (i32::from(from.exponent(neighbour as usize)), weight) {
        (exponent, Some(&weight)) if exponent != i32::from(ZERO) => exponent + weight_exponent(weight),
        (exponent, _) => exponent,
    }
}

/// Adds `8 * V` columns of at most [`AT_ONCE`] rows, each shifted left by its number, in falling order of these.
///
/// What several rows are shifted by is applied to their sum (Horner's scheme), one bit at a time: left shifts lose nothing, so it
/// is the same, and shifting each row by a number that only it knows costs as much as all the rest.
#[inline(always)]
fn add_block<S: Simd, const V: usize>(s: S, from: &Rows, rows: &[(u32, i32)], column: usize, sums: &mut [i32]) {
    let mut small = [s.splat16(0); V];
    let columns = |node: u32| from.row(node as usize)[column..column + 8 * V].as_chunks::<8>().0;
    let left = rows.iter().take_while(|&&(_, shift)| shift >= 0).count();
    let (left, right) = rows.split_at(left);
    // How far what has been added is still to be shifted.
    let mut pending = left.first().map_or(0, |&(_, shift)| shift);
    for &(node, shift) in left {
        let row = columns(node);
        while pending > shift {
            small.iter_mut().for_each(|small| *small = s.add16(*small, *small));
            pending -= 1;
        }
        for i in 0..V {
            small[i] = s.add16(small[i], s.load_extended(&row[i]));
        }
    }
    for _ in 0..pending {
        small.iter_mut().for_each(|small| *small = s.add16(*small, *small));
    }
    // What is further to the right is less than half a unit.
    for &(node, shift) in right.iter().filter(|&&(_, shift)| shift >= -8) {
        let (row, half) = (columns(node), s.splat16(1 << (-shift - 1)));
        for i in 0..V {
            small[i] = s.add16(small[i], s.sar16(s.add16(s.load_extended(&row[i]), half), -shift as u32));
        }
    }
    let sums = sums.as_chunks_mut::<4>().0;
    for i in 0..V {
        let (low, high) = (s.extend_low(small[i]), s.extend_high(small[i]));
        s.store_i32(s.add32(s.load_i32(&sums[2 * i]), low), &mut sums[2 * i]);
        s.store_i32(s.add32(s.load_i32(&sums[2 * i + 1]), high), &mut sums[2 * i + 1]);
    }
}
