//! The product of a matrix in sign planes with activations, by shifts, table look-ups and additions.
//!
//! The definition, for one output row `n` of a matrix with planes `b`, columns `k`, column scales `a`, row scales `r`
//! (all scales are sums of powers of two, see [`crate::scale`]):
//!
//! ```text
//! y[n] = r[n] * sum over b, k of  sign[b][n][k] * (a[b][k] * x[k])
//! ```
//!
//! 1. [`tables`]: `a[b][k] * x[k]` is formed by shifting (adding to exponent fields), becomes an integer with a
//!    power-of-two unit per block of 64 columns, and every four columns of a plane become a table of the 16 signed sums
//!    that a row can pick from them.
//! 2. [`lookup`]: a row's four signs are the index into such a table; all planes and columns add into one integer.
//!    Where many tokens meet many rows, `batch` sums the same entries of sixteen tokens at a time.
//! 3. [`rows`]: the integer becomes a float again and is shifted by the row's scale.
//!
//! From the integer tables on, everything is integer addition and so free of order: every back end gives the same bits.
//! Before and after it, floats are only added, compared and shifted, in an order that is fixed here.
//!
//! This is the scheme of LUT-GEMM and T-MAC (groups of four columns, 16 entries, one 128-bit register) with the scales
//! of ShiftAddLLM's column-wise variant folded into the tables, so that no scale is left to apply per plane or group.

mod batch;
pub(crate) mod bits;
pub mod lookup;
mod precision;
pub mod rows;
mod scales;
mod simd;
pub mod tables;

pub use precision::Precision;
pub use scales::{ColumnScales, Columns, Patterns, Scales, value};
pub use simd::{BACK_ENDS, BackEnd, best};
pub(crate) use simd::{Kernel, Simd, on_best, run};

use alloc::{sync::Arc, vec::Vec};

use crate::{
    address::{divide, rows, rows_mut, times},
    plane::{BLOCK_COLUMNS, TILE_ROWS},
    team::{Alone, Crew, MOST_WORKERS, Team, split_with},
};
use batch::Batch;
use tables::Tables;

/// The most planes a matrix can have: the 16-bit sums of a block's look-ups hold exactly as much.
pub const MAX_PLANES: usize = 8;
/// Tokens that share one reading of the weights: their tables have to stay in a second-level cache.
const TOKENS_AT_ONCE: usize = batch::TOKENS;
/// Rows of a pair of tiles.
const PAIR_ROWS: usize = 2 * TILE_ROWS;
/// Bits of rows, columns, planes and tokens together from which on a product is shared out: that of 2^16 weights or more.
const WORTH_SHARING: u32 = 19;

/// A matrix as the kernel sees it.
#[derive(Clone, Copy)]
pub struct Planes<'a> {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Planes that are stored.
    pub stored: usize,
    /// The stored planes, laid out as [`crate::plane::Layout`] says.
    pub signs: &'a [u8],
    /// Bytes from one pair of tiles to the next: at least those of a pair.
    pub pair_stride: usize,
    /// Scales of columns, for the planes in use: the first of the stored ones.
    pub columns_by: Columns<'a>,
    /// Scales of rows, `None` for ones.
    pub rows_by: Option<&'a [Patterns]>,
    /// How finely the tables are kept.
    pub precision: Precision,
}

impl<'a> Planes<'a> {
    /// Checks that the parts fit each other.
    fn check(&self) {
        let layout = crate::plane::Layout::new(self.rows, self.columns, self.stored);
        assert!(self.columns_by.planes() <= self.stored.min(MAX_PLANES), "planes");
        let last = times(self.rows.div_ceil(PAIR_ROWS).saturating_sub(1), self.pair_stride);
        assert!(self.pair_stride >= layout.pair_bytes(), "pairs of tiles overlap");
        assert!(self.signs.len() >= last + layout.pair_bytes(), "signs");
    }

    /// Some rows, from the first of a pair of tiles on.
    fn part(&self, first: usize, rows: usize) -> Planes<'a> {
        let signs = &self.signs[times(first / PAIR_ROWS, self.pair_stride)..];
        Planes { rows, signs, rows_by: self.rows_by.map(|scales| &scales[first / 4..]), ..*self }
    }
}

/// Who works on products, with room for what each works out on the way, kept between calls so that nothing is allocated
/// per token.
pub struct Scratch {
    pub(crate) team: Arc<dyn Team>,
    pub(crate) workers: Vec<Worker>,
}

/// Room for the intermediate results of one worker. It only grows, when [`Worker::reserve`] is called: a product takes no
/// memory, since making lists longer multiplies.
#[derive(Default)]
pub struct Worker {
    /// Scores over the context of the heads that share a key and value head.
    pub(crate) scores: Vec<f32>,
    /// Scaled activations of one token: `(plane, column)`.
    scaled: Vec<f32>,
    /// Tables of groups of tokens.
    tables: Vec<Tables>,
    /// Room for many tokens at once.
    batch: Batch,
    /// Sums of look-ups: `(token, row)`.
    sums: Vec<i32>,
}

/// A product that there has to be room for.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Planes in use, at most.
    pub planes: usize,
    /// Planes that have column scales of their own.
    pub scaled: usize,
    /// Tokens, at most.
    pub tokens: usize,
}

impl Need {
    /// What a product of this matrix with so many tokens needs.
    pub fn of(matrix: &Planes, tokens: usize) -> Need {
        let Planes { rows, columns, columns_by, .. } = *matrix;
        Need { rows, columns, planes: columns_by.planes(), scaled: columns_by.kept(), tokens }
    }
}

impl Scratch {
    /// For a team, of which at most [`crate::team::MOST_WORKERS`] work.
    pub fn new(team: Arc<dyn Team>) -> Scratch {
        let size = team.size().clamp(1, MOST_WORKERS);
        Scratch { team, workers: (0..size).map(|_| Worker::default()).collect() }
    }

    /// The team, as many of it as there are workers here, and those.
    pub(crate) fn crew(&mut self) -> (Crew<'_>, &mut [Worker]) {
        (Crew::of(&*self.team, self.workers.len()), &mut self.workers)
    }

    /// Takes the memory of a product, for each worker.
    pub fn reserve(&mut self, back_end: BackEnd, need: Need) {
        self.workers.iter_mut().for_each(|worker| worker.reserve(back_end, need));
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch::new(Arc::new(Alone))
    }
}

impl Worker {
    /// Takes the memory of a product.
    pub fn reserve(&mut self, back_end: BackEnd, Need { rows, columns, planes, scaled, tokens }: Need) {
        let tokens = tokens.min(TOKENS_AT_ONCE);
        let grow = |list: &mut Vec<_>, length: usize| list.resize(list.len().max(length), 0.0);
        grow(&mut self.scaled, (scaled + 1) * columns.next_multiple_of(BLOCK_COLUMNS));
        let together = if self.batch.reserve(back_end, rows, columns, tokens) { TOKENS_AT_ONCE } else { tokens };
        self.sums.resize(self.sums.len().max(together * lookup::padded_rows(rows)), 0);
        tables::reserve(back_end, &mut self.tables, columns, planes, tokens);
    }
}

/// `y[t] = W x[t]` for each of `tokens` inputs: `x` is `(tokens, columns)`, `y` is `(tokens, rows)`.
///
/// Workers share out the tokens, or, where there are not enough, the blocks and the rows of one after the other. Sums are
/// the same whoever forms them.
pub fn product(back_end: BackEnd, matrix: Planes, x: &[f32], tokens: usize, y: &mut [f32], scratch: &mut Scratch) {
    assert_eq!(x.len(), times(tokens, matrix.columns), "activations");
    assert_eq!(y.len(), times(tokens, matrix.rows), "outputs");
    matrix.check();
    // Compared in bits, each size rounded up to a power of two: no product is formed.
    let bits = |n: usize| usize::BITS - n.leading_zeros();
    let sizes = [matrix.rows, matrix.columns, matrix.columns_by.planes(), tokens];
    if sizes.map(bits).iter().sum::<u32>() < WORTH_SHARING {
        scratch.workers[0].product(back_end, matrix, x, y);
    } else {
        shared(back_end, matrix, x, tokens, y, scratch);
    }
}

/// [`product`], however small.
fn shared(back_end: BackEnd, matrix: Planes, x: &[f32], tokens: usize, y: &mut [f32], scratch: &mut Scratch) {
    let (crew, workers) = scratch.crew();
    if tokens >= workers.len() {
        split_with(crew, y, matrix.rows, workers, |start, y, worker| {
            let (first, tokens) = (divide(start, matrix.rows), divide(y.len(), matrix.rows));
            let x = &x[times(first, matrix.columns)..][..times(tokens, matrix.columns)];
            worker.product(back_end, matrix, x, y);
        });
    } else {
        for (x, y) in rows(x, matrix.columns).zip(rows_mut(y, matrix.rows)) {
            together(back_end, matrix, x, y, crew, workers);
        }
    }
}

/// The product for one token, by all workers.
fn together(back_end: BackEnd, matrix: Planes, x: &[f32], y: &mut [f32], crew: Crew<'_>, workers: &mut [Worker]) {
    let mut tables = core::mem::take(&mut workers[0].tables);
    let groups = tables::build_together(back_end, crew, &matrix, x, workers, &mut tables);
    split_with(crew, y, PAIR_ROWS, workers, |first, y, worker| {
        let part = matrix.part(first, y.len());
        lookup::sum(back_end, &part, groups, &mut worker.sums);
        rows::finish(back_end, &part, groups.iter().flat_map(Tables::exponents), &worker.sums, y);
    });
    workers[0].tables = tables;
}

impl Worker {
    /// [`product`] by one worker.
    pub(crate) fn product(&mut self, back_end: BackEnd, matrix: Planes, mut x: &[f32], mut y: &mut [f32]) {
        matrix.check();
        // As many tokens at once as there is room for their sums.
        let most = divide(self.sums.len(), lookup::padded_rows(matrix.rows)).min(TOKENS_AT_ONCE);
        assert!(most > 0, "room for the sums of a token");
        let (of_x, of_y) = (times(most, matrix.columns), times(most, matrix.rows));
        while !x.is_empty() {
            let (these, others) = x.split_at(of_x.min(x.len()));
            let (results, rest) = y.split_at_mut(of_y.min(y.len()));
            (x, y) = (others, rest);
            if self.batch.takes(back_end, &matrix, divide(these.len(), matrix.columns)) {
                let exponents = self.batch.sum(back_end, &matrix, these, &mut self.scaled, &mut self.sums);
                rows::finish(back_end, &matrix, exponents, &self.sums, results);
                continue;
            }
            let groups = tables::build(back_end, &matrix, these, &mut self.scaled, &mut self.tables);
            lookup::sum(back_end, &matrix, groups, &mut self.sums);
            let exponents = groups.iter().flat_map(Tables::exponents);
            rows::finish(back_end, &matrix, exponents, &self.sums, results);
        }
    }
}

#[cfg(test)]
mod tests;
