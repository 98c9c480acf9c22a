//! From powers to vectors: rows to length 1, their weighted sum, columns to mean 0 and deviation 1, rows to one length.
//!
//! Weights are rounded to powers of two, one over a length is looked up, squares are shifted additions, and the two
//! divisions of a column are long ones. Nothing is stored but a mean and a factor for each column: vectors are made from the powers
//! whenever they are asked for.

use alloc::vec::Vec;
use core::ops::Range;

use spin::Mutex;

use super::{
    factor::{Factor, Tables},
    fastrp::Powers,
    memory,
    options::{Finish, Options},
    rows::{Rows, ZERO, square},
};
use crate::{
    Result,
    kernel::{Kernel, Simd, on_best},
    team::Team,
};

/// Sums of powers are in units of 2^-14: a row of length 1 fits 16 bits whatever its shape.
const SUM_UNIT: i32 = 14;
/// Vectors are in units of 2^-10, up to 32 deviations.
pub const UNIT: i32 = 10;
/// Nodes that a worker takes at a time.
const PART: usize = 512;

/// Vectors of nodes, to be read in any order.
#[derive(Debug)]
pub struct Vectors {
    pub(super) powers: Powers,
    pub(super) options: Options,
    pub(super) tables: Tables,
    pub(super) merge: Merge,
}

impl Vectors {
    /// Takes the statistics of columns.
    pub(super) fn new(team: &dyn Team, powers: Powers, options: Options, tables: Tables) -> Result<Vectors> {
        let merge = Merge::new(team, &powers, &options, &tables)?;
        Ok(Vectors { powers, options, tables, merge })
    }

    /// Nodes.
    pub fn nodes(&self) -> usize {
        self.powers.nodes()
    }

    /// Columns.
    pub fn dimensions(&self) -> usize {
        self.options.dimensions
    }

    /// The options they were made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The rows of a power, if it was kept.
    pub fn power(&self, power: usize) -> Option<&Rows> {
        self.powers.rows.get(&power)
    }

    /// The exponent of the unit of [`Vectors::write`].
    pub fn unit(&self) -> i32 {
        match self.options.finish {
            Finish::Sum => -SUM_UNIT,
            Finish::Zscore | Finish::Sphere => -UNIT,
        }
    }

    /// Writes the vectors of nodes from `first` on, as many as `out` has room for: (node, column), in units of
    /// `2^`[`Vectors::unit`].
    pub fn write(&self, team: &dyn Team, first: usize, out: &mut [i16]) {
        let dimensions = self.options.dimensions;
        let parts = Mutex::new(out.chunks_mut(PART * dimensions).enumerate());
        team.run_all(&|_| {
            loop {
                let Some((part, out)) = parts.lock().next() else { break };
                let first = first + part * PART;
                on_best(WriteRows { vectors: self, first, out });
            }
        });
    }

    /// The vectors of one node.
    pub fn row(&self, node: usize, out: &mut [i16]) {
        on_best(WriteRows { vectors: self, first: node, out });
    }
}

struct WriteRows<'a> {
    vectors: &'a Vectors,
    first: usize,
    out: &'a mut [i16],
}

impl Kernel for WriteRows<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, _: S) {
        let Vectors { powers, options, tables, merge } = self.vectors;
        let mut sums = alloc::vec![0i32; powers.stride()];
        let mut one = sums.clone();
        for (node, out) in (self.first..).zip(self.out.chunks_exact_mut(options.dimensions)) {
            merge.sum(powers, tables, node, &mut one, &mut sums);
            merge.finish(options.finish, tables, &mut sums[..options.dimensions]);
            for (out, &sum) in out.iter_mut().zip(&sums) {
                *out = sum.clamp(-32_767, 32_767) as i16;
            }
        }
    }
}

/// What vectors are made with.
#[derive(Debug, Default)]
pub(super) struct Merge {
    /// Powers that count, with the exponent of their weight; together at most 1.
    weights: Vec<(usize, i32)>,
    unit_powers: bool,
    /// Of each of these powers, what its rows of length 1 have in common: (power, column), or nothing.
    common: Vec<i32>,
    /// Where rows keep their length: the exponent that is taken from all of them.
    exponent: i32,
    columns: Vec<Column>,
}

/// A column's mean, in units of 2^-14, and one over its deviation.
#[derive(Clone, Copy, Debug, Default)]
struct Column {
    mean: i32,
    scale: Factor,
}

impl Merge {
    pub(super) fn new(team: &dyn Team, powers: &Powers, options: &Options, tables: &Tables) -> Result<Merge> {
        let weights: Vec<(usize, i32)> = (0..)
            .zip(&options.weights)
            .filter(|(_, weight)| **weight > 0.0)
            .map(|(power, &weight)| (power, super::propagate::weight_exponent(weight)))
            .collect();
        let most = weights.iter().map(|&(_, exponent)| exponent).max().unwrap_or(0);
        // Together at most 1: as many of the largest as there are powers would need this much.
        let total: f64 = weights.iter().map(|&(_, exponent)| libm::ldexp(1.0, exponent - most)).sum();
        let lower = most + libm::ceil(libm::log2(total)) as i32;
        let weights: Vec<_> = weights.into_iter().map(|(power, exponent)| (power, exponent - lower)).collect();
        let exponents = |(power, weight): &(usize, i32)| {
            let rows = powers.rows.get(power)?;
            let most = (0..rows.nodes()).map(|node| rows.exponent(node)).filter(|&exponent| exponent != ZERO).max()?;
            Some(i32::from(most) + 7 + weight)
        };
        let exponent = if options.unit_powers { 0 } else { weights.iter().filter_map(exponents).max().unwrap_or(0) };
        let unit_powers = options.unit_powers;
        let mut merge = Merge { weights, unit_powers, exponent, common: Vec::new(), columns: Vec::new() };
        if options.is_centred() {
            let length = merge.weights.len() * powers.stride();
            let add = |nodes, total: &mut Moments| {
                on_best(AddPowers { merge: &merge, powers, tables, nodes, sums: &mut total.sums })
            };
            let total = moments(team, powers.nodes(), length, add)?;
            merge.common = total.sums.iter().map(|&sum| mean(sum, powers.nodes() as u64)).collect();
        }
        if options.finish != Finish::Sum {
            let add =
                |nodes, moments: &mut Moments| on_best(AddMoments { merge: &merge, powers, tables, nodes, moments });
            let total = moments(team, powers.nodes(), options.dimensions, add)?;
            merge.columns = total.columns(powers.nodes() as u64, tables);
        }
        Ok(merge)
    }

    /// The weighted sum of a node's rows, in units of 2^-14. `one` is scratch, as long as `sums`.
    #[inline(always)]
    fn sum(&self, powers: &Powers, tables: &Tables, node: usize, one: &mut [i32], sums: &mut [i32]) {
        sums.fill(0);
        for (place, &(power, weight)) in self.weights.iter().enumerate() {
            let Some(rows) = powers.rows.get(&power) else { continue };
            if rows.exponent(node) == ZERO {
                continue;
            }
            let mut drop = -weight;
            if !self.unit_powers {
                let exponent = i32::from(rows.exponent(node)) - self.exponent;
                scale(rows.row(node), Factor::ONE.shifted(exponent), one);
            } else {
                unit_row(rows.row(node), tables, one);
                if !self.common.is_empty() {
                    drop += self.centre(place, tables, one);
                }
            }
            let half = (1 << drop) >> 1;
            for (sum, &entry) in sums.iter_mut().zip(&*one) {
                *sum += (entry + half) >> drop;
            }
        }
    }

    /// Takes from a power's row what all have in common, and brings it to length 1 again, in units of 2^-14 and as many bits as it
    /// answers.
    #[inline(always)]
    fn centre(&self, place: usize, tables: &Tables, one: &mut [i32]) -> i32 {
        let mut most = 0;
        let common = &self.common[place * one.len()..];
        for (entry, &common) in one.iter_mut().zip(common) {
            *entry -= common;
            most = most.max(entry.unsigned_abs());
        }
        if most == 0 {
            return 0;
        }
        // To bytes for the squares.
        let up = most.leading_zeros() as i32 - 24;
        let (left, right) = (up.max(0), (-up).max(0));
        let mut squares = 0;
        for &entry in &*one {
            squares += square(((entry.unsigned_abs() << left) >> right) as u8);
        }
        let factor = tables.one_over_root(squares);
        // entry * 2^up / root is the row of length 1.
        for entry in one {
            *entry = shifted(factor.apply(*entry << 14), factor.exponent + up + 4);
        }
        4
    }

    /// Columns to mean 0 and deviation 1, rows to one length.
    #[inline(always)]
    fn finish(&self, finish: Finish, tables: &Tables, sums: &mut [i32]) {
        if finish == Finish::Sum {
            return;
        }
        for (sum, column) in sums.iter_mut().zip(&self.columns) {
            // At most 2^15 here, and 2^27 after; the factor's exponent brings it to units of 2^-10.
            let scaled = column.scale.apply((*sum - column.mean) << 12);
            *sum = shifted(scaled, column.scale.exponent + UNIT - SUM_UNIT - 12).clamp(-32_767, 32_767);
        }
        if finish == Finish::Zscore {
            return;
        }
        // The root of half the dimensions over the row's length, from squares of bytes, which reach to 8 deviations.
        let mut squares = 0;
        for &sum in &*sums {
            squares += square(((sum.unsigned_abs() + 16) >> 5).min(255) as u8);
        }
        if squares == 0 {
            return;
        }
        let wide = u64::from(squares) << 16;
        let factor = tables.one_over_root(divide(wide, (sums.len() as u64).div_ceil(2)).min(u32::MAX.into()) as u32);
        for sum in sums {
            // The squares are in units of 2^-10, then 2^16 more: a factor of 2^-13 too small.
            *sum = shifted(factor.apply(*sum << 10), factor.exponent + 13 - 10);
        }
    }
}

/// `mantissas * factor`, in units of 2^-14; the factor is below 1/64.
#[inline(always)]
fn scale(row: &[i8], factor: Factor, out: &mut [i32]) {
    let drop = (16 - SUM_UNIT - factor.exponent).clamp(1, 31);
    let half = 1 << (drop - 1);
    for (out, &mantissa) in out.iter_mut().zip(row) {
        *out = (factor.apply(i32::from(mantissa) << 16) + half) >> drop;
    }
}

/// A row brought to length 1, in units of 2^-14.
#[inline(always)]
fn unit_row(row: &[i8], tables: &Tables, out: &mut [i32]) {
    let mut squares = 0;
    for &mantissa in row {
        squares += square(mantissa.unsigned_abs());
    }
    scale(row, tables.one_over_root(squares), out);
}

/// Adds up over nodes what `add(nodes, sums)` adds.
fn moments(
    team: &dyn Team,
    nodes: usize,
    columns: usize,
    add: impl Fn(Range<usize>, &mut Moments) + Sync,
) -> Result<Moments> {
    let mut total = Moments::zeros(columns)?;
    let own = (0..team.size()).map(|_| Ok(Mutex::new(Moments::zeros(columns)?))).collect::<Result<Vec<_>>>()?;
    let firsts = Mutex::new((0..nodes).step_by(PART * 16));
    team.run_all(&|worker| {
        let Some(own) = own.get(worker as usize) else { return };
        loop {
            let Some(first) = firsts.lock().next() else { break };
            add(first..nodes.min(first + PART * 16), &mut own.lock());
        }
    });
    own.iter().for_each(|own| total.add(&own.lock()));
    Ok(total)
}

/// A mean, rounded.
fn mean(sum: i64, count: u64) -> i32 {
    let size = divide(sum.unsigned_abs() + count / 2, count) as i32;
    if sum < 0 { -size } else { size }
}

/// Sums over nodes, for each column.
struct Moments {
    /// Of the entries, in units of 2^-14.
    sums: Vec<i64>,
    /// Of the entries in units of 2^-8, signed and squared.
    coarse: Vec<i64>,
    squares: Vec<u64>,
}

/// Bits between both units.
const COARSER: i32 = 6;

impl Moments {
    fn zeros(dimensions: usize) -> Result<Moments> {
        let what = "statistics of columns";
        Ok(Moments {
            sums: memory::zeroed(dimensions, what)?,
            coarse: memory::zeroed(dimensions, what)?,
            squares: memory::zeroed(dimensions, what)?,
        })
    }

    fn add(&mut self, other: &Moments) {
        for (sum, other) in self.sums.iter_mut().zip(&other.sums) {
            *sum += other;
        }
        for (sum, other) in self.coarse.iter_mut().zip(&other.coarse) {
            *sum += other;
        }
        for (sum, other) in self.squares.iter_mut().zip(&other.squares) {
            *sum += other;
        }
    }

    fn columns(&self, nodes: u64, tables: &Tables) -> Vec<Column> {
        let columns = self.sums.iter().zip(&self.coarse).zip(&self.squares);
        columns
            .map(|((&sum, &coarse), &squares)| {
                // In units of 2^-8 and 2^-16, with 12 more bits; a mean is at most 2^8 of the former.
                let first = divide(coarse.unsigned_abs() << 12, nodes);
                let second = divide(squares << 12, nodes);
                let variance = second.saturating_sub(long_square(first) >> 12);
                let scale = match u32::try_from(variance).unwrap_or(u32::MAX) {
                    // All the same: there is nothing to scale.
                    0 => Factor::ONE,
                    // 2^-14 was the root's unit.
                    variance => tables.one_over_root(variance).shifted(14),
                };
                Column { mean: mean(sum, nodes), scale }
            })
            .collect()
    }
}

struct AddMoments<'a> {
    merge: &'a Merge,
    powers: &'a Powers,
    tables: &'a Tables,
    nodes: Range<usize>,
    moments: &'a mut Moments,
}

impl Kernel for AddMoments<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, _: S) {
        let AddMoments { merge, powers, tables, nodes, moments } = self;
        let dimensions = moments.sums.len();
        let mut row = alloc::vec![0i32; powers.stride()];
        let mut one = row.clone();
        // 32 bits hold what a part of at most 2^13 nodes adds up to: 2^15 and 2^16 for each.
        let (mut sums, mut coarse, mut squares) =
            (alloc::vec![0i32; dimensions], alloc::vec![0i32; dimensions], alloc::vec![0u32; dimensions]);
        for node in nodes {
            merge.sum(powers, tables, node, &mut one, &mut row);
            for (sum, &entry) in sums.iter_mut().zip(&row) {
                *sum += entry;
            }
            for ((coarse, squares), &entry) in coarse.iter_mut().zip(&mut squares).zip(&row) {
                let size = ((entry.unsigned_abs() + (1 << (COARSER - 1))) >> COARSER).min(255) as u8;
                *squares += square(size);
                *coarse += if entry < 0 { -i32::from(size) } else { i32::from(size) };
            }
        }
        moments.sums.iter_mut().zip(sums).for_each(|(total, sum)| *total += i64::from(sum));
        moments.coarse.iter_mut().zip(coarse).for_each(|(total, sum)| *total += i64::from(sum));
        moments.squares.iter_mut().zip(squares).for_each(|(total, sum)| *total += u64::from(sum));
    }
}

/// Adds the rows of length 1 of each power.
struct AddPowers<'a> {
    merge: &'a Merge,
    powers: &'a Powers,
    tables: &'a Tables,
    nodes: Range<usize>,
    /// (power, column).
    sums: &'a mut [i64],
}

impl Kernel for AddPowers<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, _: S) {
        let AddPowers { merge, powers, tables, nodes, sums } = self;
        let mut one = alloc::vec![0i32; powers.stride()];
        for (&(power, _), total) in merge.weights.iter().zip(sums.chunks_mut(powers.stride())) {
            let Some(rows) = powers.rows.get(&power) else { continue };
            let mut sums = alloc::vec![0i32; powers.stride()];
            for node in nodes.clone().filter(|&node| rows.exponent(node) != ZERO) {
                unit_row(rows.row(node), tables, &mut one);
                for (sum, &entry) in sums.iter_mut().zip(&one) {
                    *sum += entry;
                }
            }
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += i64::from(sum));
        }
    }
}

/// `x * 2^exponent`, rounded down.
#[inline(always)]
fn shifted(x: i32, exponent: i32) -> i32 {
    match exponent {
        0.. => x.checked_shl(exponent as u32).unwrap_or(0),
        ..0 => x >> (-exponent).min(31),
    }
}

/// The quotient, rounded down, by one subtraction for each of its bits.
pub(super) fn divide(mut dividend: u64, divisor: u64) -> u64 {
    let mut quotient = 0;
    let places = divisor.leading_zeros().saturating_sub(dividend.leading_zeros());
    for place in (0..=places).rev() {
        if dividend >> place >= divisor {
            dividend -= divisor << place;
            quotient |= 1 << place;
        }
    }
    quotient
}

/// The square of a number of up to 31 bits, by one shifted addition for each of them.
fn long_square(x: u64) -> u64 {
    (0..31).filter(|bit| x >> bit & 1 == 1).fold(0, |sum, bit| sum + (x << bit))
}
