//! A search in steps: over all rows in order, then over the best ones again.

use alloc::vec::Vec;

use super::{
    Index, Kind, Metric, Vector,
    best::{Best, Scored},
    numbers::Row,
    score,
};
use crate::{
    Result, bail,
    kernel::{
        best,
        bits::{self, Near},
    },
};

/// How thorough a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stages {
    /// Every row is scored.
    Exact,
    /// The codes choose so many candidates, which are then scored. Ternary vectors and signs are scored by their codes
    /// alone, so for them this is the same as [`Stages::Exact`].
    Two {
        /// Candidates for each query; no fewer than neighbours are looked for.
        candidates: usize,
    },
}

/// A neighbour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Its key.
    pub key: u64,
    /// The dot product (exact up to 2^53) or the cosine.
    pub score: f64,
}

/// Rows that are looked at together: their scores lie on the stack, their codes in the first or second cache.
const ROWS_AT_ONCE: usize = 256;

struct Query {
    row: Row,
    half_log: i64,
    best: Best,
}

/// A search in progress.
pub struct Search {
    queries: Vec<Query>,
    /// The neighbours of the queries that are finished.
    found: Vec<Vec<Hit>>,
    k: usize,
    two_stages: bool,
    /// The next row.
    row: usize,
    revision: u64,
}

impl Search {
    /// For the `k` nearest neighbours of each query. The index must not change before the search has ended.
    pub fn new(index: &Index, queries: &[Vector], k: usize, stages: Stages) -> Result<Search> {
        if k == 0 {
            bail!(Input, "k: no neighbours are asked for");
        }
        let shape = index.shape();
        let numbers = matches!(shape.kind(), Kind::I8 | Kind::I16);
        let (two_stages, wanted) = match stages {
            Stages::Two { candidates } if numbers => (true, candidates.max(k)),
            _ => (false, k),
        };
        let prepare = |(place, query): (usize, &Vector)| {
            let row = Row::new(shape, *query).map_err(|error| error.at(crate::format!("query {place}")))?;
            Ok(Query { half_log: row.half_log(shape), row, best: Best::new(wanted.min(index.len()))? })
        };
        let queries = queries.iter().enumerate().map(prepare).collect::<Result<Vec<Query>>>()?;
        Ok(Search { queries, found: Vec::new(), k, two_stages, row: 0, revision: index.revision })
    }

    /// How far it is: rows times queries looked at, and how many there are.
    pub fn progress(&self, index: &Index) -> (usize, usize) {
        let queries = self.queries.len() + self.found.len();
        (self.row.saturating_mul(queries), index.len().saturating_mul(queries))
    }

    /// Looks at about `rows` more rows for each query; true once all is done. Only keys that are `allowed` are found.
    pub fn step(&mut self, index: &Index, rows: usize, allowed: &dyn Fn(u64) -> bool) -> Result<bool> {
        if index.revision != self.revision {
            bail!(Input, "the index has changed during a search");
        }
        let end = self.row.saturating_add(rows.max(1)).min(index.len());
        while self.row < end {
            let mut most = ROWS_AT_ONCE.min(end - self.row);
            let code_bytes = index.shape.code_bytes();
            let codes = index.codes.run(self.row, most);
            most = codes.len() / code_bytes;
            for query in &mut self.queries {
                query.look_at(index, codes, self.row..self.row + most, self.two_stages, allowed);
            }
            self.row += most;
        }
        if self.row == index.len() {
            // Scoring the candidates again is short beside the scan, but many queries add up.
            let mut left = rows.max(1);
            while left > 0
                && let Some(query) = self.queries.pop()
            {
                left = left.saturating_sub(query.best.len().max(1));
                self.found.push(query.finish(index, self.k, self.two_stages));
            }
        }
        Ok(self.queries.is_empty() && self.row == index.len())
    }

    /// The neighbours of each query, best first, once `step` has said that all is done.
    pub fn hits(mut self) -> Vec<Vec<Hit>> {
        self.found.reverse();
        self.found
    }
}

impl Query {
    fn look_at(
        &mut self,
        index: &Index,
        codes: &[u8],
        rows: core::ops::Range<usize>,
        two_stages: bool,
        allowed: &dyn Fn(u64) -> bool,
    ) {
        let mut offer = |best: &mut Best, row: usize, score: i64| {
            let key = index.keys[row];
            if allowed(key) {
                best.offer(Scored { score, key, row: row as u32 });
            }
        };
        let kind = index.shape.kind();
        if kind == Kind::Signs || two_stages {
            let mut found = [Near::default(); ROWS_AT_ONCE];
            let found = &mut found[..rows.len()];
            // Scores are differences turned round; at the start all rows will do.
            let limit = u32::try_from(self.best.threshold().saturating_neg()).unwrap_or(u32::MAX);
            let count = bits::near(best(), codes, &self.row.planes, limit, found);
            for near in &found[..count] {
                offer(&mut self.best, rows.start + near.row as usize, -i64::from(near.differences));
            }
        } else if kind == Kind::Ternary {
            let mut products = [0; ROWS_AT_ONCE];
            let products = &mut products[..rows.len()];
            bits::ternary_products(best(), codes, &self.row.planes, products);
            for (row, product) in rows.zip(products) {
                offer_dot(index, &mut self.best, row, i64::from(*product), &mut offer);
            }
        } else {
            let numbers = &self.row.numbers;
            for row in rows {
                let dot = score::dot(kind, numbers, index.numbers.row(row));
                offer_dot(index, &mut self.best, row, dot, &mut offer);
            }
        }
    }

    fn finish(self, index: &Index, k: usize, two_stages: bool) -> Vec<Hit> {
        let mut best = self.best.finish();
        let kind = index.shape.kind();
        if two_stages {
            for scored in &mut best {
                let dot = score::dot(kind, &self.row.numbers, index.numbers.row(scored.row as usize));
                scored.score = exact(index, scored.row as usize, dot);
            }
            best.sort_unstable_by(Scored::order);
        }
        best.truncate(k);
        let dimensions = index.shape.dimensions() as f64;
        let hit = |scored: Scored| {
            let score = match (kind, index.shape.metric()) {
                (Kind::Signs, Metric::Dot) => dimensions + (scored.score << 1) as f64,
                (Kind::Signs, Metric::Cosine) => 1.0 + (scored.score << 1) as f64 / dimensions,
                (_, Metric::Dot) => scored.score as f64,
                (_, Metric::Cosine) => score::cosine(scored.score, self.half_log),
            };
            Hit { key: scored.key, score }
        };
        best.into_iter().map(hit).collect()
    }
}

/// The score of a row whose dot product with the query is known.
fn exact(index: &Index, row: usize, dot: i64) -> i64 {
    match index.shape.metric() {
        Metric::Dot => dot,
        Metric::Cosine => score::cosine_score(dot, index.half_logs[row]),
    }
}

/// Offers a row, unless a quick look at its dot product shows that it is not good enough.
#[inline]
fn offer_dot(index: &Index, best: &mut Best, row: usize, dot: i64, offer: &mut impl FnMut(&mut Best, usize, i64)) {
    let bound = match index.shape.metric() {
        Metric::Dot => dot,
        Metric::Cosine => score::cosine_bound(dot, index.half_logs[row]),
    };
    if bound < best.threshold() {
        return;
    }
    let score = exact(index, row, dot);
    if score >= best.threshold() {
        offer(best, row, score);
    }
}
