//! One harness: every back end equals the textbook, bit for bit.

use alloc::{vec, vec::Vec};

use super::*;
use crate::{
    plane,
    scale::{Scale, power},
};

/// The whole product as its definition says, one number at a time. No layout, no vectors. Where planes are `halved`, the
/// sums of all are those of the first, of which each further plane drops one more bit.
pub(super) fn textbook(
    signs: &dyn Fn(usize, usize, usize) -> bool,
    column_scales: &dyn Fn(usize, usize) -> Scale,
    row_scales: &dyn Fn(usize) -> Scale,
    (rows, columns, planes): (usize, usize, usize),
    precision: Precision,
    halved: bool,
    x: &[f32],
) -> Vec<f32> {
    let shift = |x: f32, scale: Scale| {
        let [a, b, c] = scale.patterns().map(|p| f32::from_bits(x.to_bits().wrapping_add((p as u32) << 16)));
        (a + b) + c
    };
    let padded = columns.div_ceil(4) * 4;
    let bounded: Vec<f32> = (0..padded)
        .map(|k| {
            let x = if k < columns { x[k] } else { 0.0 };
            let size = x.to_bits() & 0x7fff_ffff;
            f32::from_bits(size.clamp((127 - 50) << 23, (127 + 50) << 23) | x.to_bits() & 0x8000_0000)
        })
        .collect();
    let scaled = |b: usize, k: usize| match column_scales(b, k.min(columns - 1)) {
        _ if k >= columns => shift(bounded[k], Scale::ZERO),
        scale => shift(bounded[k], scale),
    };
    let blocks = padded.div_ceil(64);
    let groups = |block: usize| block * 16..((block + 1) * 16).min(padded / 4);
    let mut units: Vec<i32> = (0..blocks)
        .map(|block| {
            let scaled_planes = if halved { 1 } else { planes };
            let sizes = groups(block).flat_map(|g| (0..scaled_planes).map(move |b| (b, g))).map(|(b, g)| {
                let s: [f32; 4] = core::array::from_fn(|c| scaled(b, 4 * g + c).abs());
                ((s[0] + s[2]) + (s[1] + s[3])) * power(precision.shorter(b) as i32)
            });
            let largest = sizes.fold(0.0, f32::max);
            // A little more than the largest sum, for what rounding adds.
            (14 - (((largest.to_bits() + 0x2000) >> 23) as i32 - 127)).min(50)
        })
        .collect();
    let reach = 19 - (precision.bits() as i32 - 8) - blocks.next_power_of_two().trailing_zeros() as i32;
    let lowest = *units.iter().min().unwrap();
    units.iter_mut().for_each(|e| *e = (*e).min(lowest + reach));
    let highest = *units.iter().max().unwrap();
    let dropped = 16 - precision.bits() as i32;
    let fine: Vec<Vec<i32>> = (0..if halved { 1 } else { planes })
        .map(|b| {
            let in_units = |k: usize| (scaled(b, k) as f64 * 2f64.powi(units[k / 64])).round_ties_even() as i32;
            (0..padded).map(|k| if k % 4 == 0 { in_units(k) | 1 } else { in_units(k) & !1 }).collect()
        })
        .collect();
    (0..rows)
        .map(|n| {
            let mut total = 0i64;
            for (block, &exponent) in units.iter().enumerate() {
                // A half for each entry, rounded down for each step of 16-bit sums.
                let step = if precision.bits() == 12 { 8 } else { 16 };
                let steps = groups(block).len().div_ceil(step);
                let of_step = |i: usize| (groups(block).len() - i * step).min(step) * planes / 2;
                let mut block_sum = (0..steps).map(of_step).sum::<usize>() as i64;
                for (b, g) in groups(block).flat_map(|g| (0..planes).map(move |b| (b, g))) {
                    let sum: i32 = (0..4)
                        .map(|c| {
                            let fine = fine[if halved { 0 } else { b }][4 * g + c];
                            if 4 * g + c < columns && signs(b, n, 4 * g + c) { fine } else { -fine }
                        })
                        .sum();
                    block_sum += (sum >> (dropped + if halved { b as i32 } else { 0 })) as i64;
                }
                total += block_sum << (highest - exponent);
            }
            let sum = i32::try_from(total).unwrap() as f32 * power(dropped - highest);
            if sum == 0.0 { 0.0 } else { shift(sum, row_scales(n)) }
        })
        .collect()
}

/// A small generator, so that a case is a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Every precision.
fn precisions() -> impl Iterator<Item = Precision> {
    (8..=12).filter_map(Precision::new)
}

struct Case {
    rows: usize,
    columns: usize,
    planes: Vec<Vec<u8>>,
    column_scales: Vec<Vec<Scale>>,
    row_scales: Vec<Scale>,
}

impl Case {
    fn new(rows: usize, columns: usize, planes: usize, seed: u64) -> Case {
        let mut random = Random(seed);
        let mut bits: Vec<u64> = Vec::new();
        bits.resize_with(planes * rows * columns / 64 + 1, || random.next());
        let bit = |i: usize| bits[i / 64] >> (i % 64) & 1 == 1;
        Case {
            rows,
            columns,
            planes: (0..planes).map(|b| plane::pack(rows, columns, |r, c| bit((b * rows + r) * columns + c))).collect(),
            column_scales: (0..planes)
                .map(|b| (0..columns).map(|_| Scale::nearest((1.2 + random.float()) * power(-(b as i32)))).collect())
                .collect(),
            row_scales: (0..rows).map(|_| Scale::nearest(random.float())).collect(),
        }
    }

    /// With scales for each plane, with halved ones, and with ones.
    fn check(&self, precision: Precision, x: &[f32]) {
        let planes = self.planes.len();
        let columns = ColumnScales::new(planes, self.columns, |b, k| self.column_scales[b][k]);
        let rows = Scales::new(self.rows, |n| self.row_scales[n]);
        let first = Scales::new(self.columns.div_ceil(64) * 64, |k| match self.column_scales[0].get(k) {
            Some(scale) => *scale,
            None => Scale::ZERO,
        });
        let one = Scale::nearest(1.0);
        let each = |b: usize, k: usize| self.column_scales[b][k];
        let row = |n: usize| self.row_scales[n];
        self.check_with(precision, x, Columns::Each(&columns), Some(rows.from(0)), &each, &row);
        let halved = Columns::Halved { planes, first: Some(first.from(0)) };
        self.check_with(precision, x, halved, None, &|_, k| self.column_scales[0][k], &|_| one);
        self.check_with(precision, x, Columns::Halved { planes, first: None }, None, &|_, _| one, &|_| one);
    }

    fn check_with(
        &self,
        precision: Precision,
        x: &[f32],
        columns_by: Columns,
        rows_by: Option<&[Patterns]>,
        column_scale: &dyn Fn(usize, usize) -> Scale,
        row_scale: &dyn Fn(usize) -> Scale,
    ) {
        let planes = self.planes.len();
        // One plane more is stored than used, and pairs of tiles lie apart.
        let layout = plane::Layout::new(self.rows, self.columns, planes + 1);
        let pairs = self.rows.div_ceil(32);
        let pair_stride = layout.pair_bytes() + 32;
        let mut close = vec![0x5a; layout.bytes().unwrap()];
        for (b, plane) in self.planes.iter().enumerate() {
            layout.place(&mut close, b, 0, plane);
        }
        let mut signs = vec![0x77; pairs * pair_stride];
        for (apart, close) in signs.chunks_mut(pair_stride).zip(close.chunks(layout.pair_bytes())) {
            apart[..close.len()].copy_from_slice(close);
        }
        let matrix = Planes {
            rows: self.rows,
            columns: self.columns,
            stored: planes + 1,
            signs: &signs,
            pair_stride,
            columns_by,
            rows_by,
            precision,
        };
        let halved = matches!(columns_by, Columns::Halved { .. });
        let tokens = x.len() / self.columns;
        let expected: Vec<u32> = x
            .chunks_exact(self.columns)
            .flat_map(|x| {
                let sign = |b: usize, n: usize, k: usize| plane::is_positive(&self.planes[b], self.columns, n, k);
                let shape = (self.rows, self.columns, planes);
                textbook(&sign, column_scale, row_scale, shape, precision, halved, x)
            })
            .map(f32::to_bits)
            .collect();
        // Batches from one row on, or from none.
        let ways = [(1, usize::MAX), (2, usize::MAX), (3, usize::MAX), (5, usize::MAX), (1, 1), (2, 1)];
        for (back_end, (workers, least_rows)) in BACK_ENDS.into_iter().flat_map(|each| ways.map(|way| (each, way))) {
            let mut y = vec![f32::NAN; tokens * self.rows];
            let mut scratch = Scratch::new(Arc::new(Turns(workers)));
            scratch.workers.iter_mut().for_each(|worker| worker.batch.least_rows = least_rows);
            scratch.reserve(back_end, Need::of(&matrix, tokens));
            shared(back_end, matrix, x, tokens, &mut y, &mut scratch);
            let y: Vec<u32> = y.into_iter().map(f32::to_bits).collect();
            assert_eq!(
                y,
                expected,
                "{} rows, {} columns, {planes} planes, {tokens} tokens, {precision:?}, halved: {halved}, {}, {workers}, batches: {}",
                self.rows,
                self.columns,
                back_end.name(),
                least_rows == 1
            );
        }
    }
}

/// Workers that take turns, the last first.
struct Turns(usize);

impl Team for Turns {
    fn size(&self) -> usize {
        self.0
    }

    fn run(&self, workers: crate::team::Number, job: &crate::team::Job<'_>) {
        (0..workers).rev().for_each(job);
    }
}

fn activations(count: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    (0..count).map(|_| random.float() * random.float() * 3.0).collect()
}

#[test]
fn every_back_end_equals_the_textbook_at_every_length_and_plane_count() {
    for columns in 1..=515 {
        let planes = 1 + columns % MAX_PLANES;
        let case = Case::new(1 + columns * 7 % 37, columns, planes, columns as u64);
        let x = activations(columns, 99 + columns as u64);
        case.check(Precision::new(8 + columns as u32 % 5).unwrap(), &x);
    }
}

#[test]
fn every_back_end_equals_the_textbook_at_every_row_count() {
    for rows in 1..=515 {
        let planes = 1 + rows % MAX_PLANES;
        let case = Case::new(rows, 8 + rows % 5, planes, rows as u64);
        let x = activations(case.columns, 7 + rows as u64);
        case.check(Precision::new(8 + rows as u32 % 5).unwrap(), &x);
    }
}

#[test]
fn any_number_of_tokens_equals_one_after_the_other() {
    for planes in 1..=MAX_PLANES {
        for tokens in [1, 2, 3, 4, 5, 9, 15, 16, 17, 33] {
            for precision in precisions() {
                let case = Case::new(33, 130, planes, planes as u64);
                case.check(precision, &activations(tokens * 130, tokens as u64));
            }
        }
    }
}

#[test]
fn extremes_stay_in_range() {
    let case = Case::new(40, 320, 8, 5);
    let mut x = activations(320, 6);
    for precision in precisions() {
        case.check(precision, &[0.0; 320]);
        case.check(precision, &[f32::MAX; 320]);
        case.check(precision, &[f32::MIN_POSITIVE; 320]);
        x[7] = 1e30;
        case.check(precision, &x);
        x[7] = -1e-30;
        x[100] = 3e5;
        case.check(precision, &x);
    }
    let largest = Case {
        column_scales: vec![vec![Scale::nearest(1e30); 320]; 8],
        row_scales: vec![Scale::nearest(-1e30); 40],
        ..Case::new(40, 320, 8, 5)
    };
    largest.check(Precision::MOST, &[1e30; 320]);
    let smallest = Case {
        column_scales: vec![vec![Scale::nearest(power(-40)); 320]; 8],
        row_scales: vec![Scale::nearest(power(-40)); 40],
        ..Case::new(40, 320, 8, 5)
    };
    smallest.check(Precision::LEAST, &[1e-30; 320]);
    smallest.check(Precision::MOST, &activations(320, 1));
}

#[test]
fn tokens_of_a_batch_have_units_of_their_own() {
    let case = Case::new(40, 200, 8, 3);
    let mut x = activations(16 * 200, 4);
    for (token, x) in x.chunks_mut(200).enumerate() {
        let size = power(6 * token as i32 - 45);
        x.iter_mut().enumerate().for_each(|(k, x)| *x *= if k % 64 == token { 1e4 * size } else { size });
    }
    x[..200].fill(0.0);
    x[200..400].fill(f32::MAX);
    x[400..600].fill(f32::MIN_POSITIVE);
    for precision in precisions() {
        case.check(precision, &x);
    }
}

#[test]
fn the_integers_are_close_to_the_floats() {
    let (rows, columns, planes) = (64, 576, 3);
    let case = Case::new(rows, columns, planes, 11);
    let x = activations(columns, 12);
    let exact: Vec<f64> = (0..rows)
        .map(|n| {
            let sum: f64 = (0..planes)
                .flat_map(|b| (0..columns).map(move |k| (b, k)))
                .map(|(b, k)| {
                    let sign = if plane::is_positive(&case.planes[b], columns, n, k) { 1.0 } else { -1.0 };
                    sign * case.column_scales[b][k].value() as f64 * x[k] as f64
                })
                .sum();
            sum * case.row_scales[n].value() as f64
        })
        .collect();
    for (precision, bound) in precisions().zip([0.03, 0.015, 0.0075, 0.004, 0.003]) {
        let y = textbook(
            &|b, n, k| plane::is_positive(&case.planes[b], columns, n, k),
            &|b, k| case.column_scales[b][k],
            &|n| case.row_scales[n],
            (rows, columns, planes),
            precision,
            false,
            &x,
        );
        let error: f64 = y.iter().zip(&exact).map(|(&y, e)| (y as f64 - e).powi(2)).sum();
        let size: f64 = exact.iter().map(|e| e * e).sum();
        assert!((error / size).sqrt() < bound, "{precision:?}: {}", (error / size).sqrt());
    }
}
