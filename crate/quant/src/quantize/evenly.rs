//! How many bits each matrix's planes are coded in, where levels lie evenly: any number, not whole planes alone.
//!
//! A bit then saves the same everywhere, which is where every weight's error costs the same (reverse water-filling).

use std::ops::RangeInclusive;

use nomul::{Result, bail, weights::MatrixId};

use super::{START, START_TABLE_PLANES, TABLE_PLANES, Work};
use crate::{
    fit::{
        MOST_PLANES,
        bits::{Budget, MatrixStats},
    },
    levels::{self, Plan},
};

/// How much more of a normal number's energy even levels lose than what is possible with as many bits (Gish and Pierce, 1968).
const OVER: f64 = std::f64::consts::PI * std::f64::consts::E / 6.0;

/// Bits that are worth while: levels hold no fewer, and more cannot be told from the matrix.
const BITS: RangeInclusive<f64> = 1.3..=7.0;

/// Planes that even levels take beyond their bits, so that they reach as far as the weights.
const BEYOND: f64 = 0.95;

impl Work<'_> {
    /// Planes for every matrix, and when they come, those of blocks being on even levels; those of tables lie where their numbers
    /// are.
    pub(super) fn choose_evenly(&self, blocks: &[MatrixStats], tables: &[MatrixStats]) -> Result<Vec<Plan>> {
        let options = self.options;
        if blocks.iter().any(|stats| stats.sensitivity.is_none()) {
            bail!(Input, "even levels: nothing was measured that would say how much each matrix matters");
        }
        let measured = |stats: &MatrixStats, worth: f64| match options.choose.is_uniform() {
            true => TABLE_PLANES,
            false => table_planes(stats, worth),
        };
        let all = |stats: &MatrixStats, worth: f64| options.table_planes.unwrap_or_else(|| measured(stats, worth));
        let others = |worth: f64| tables.iter().map(|table| table.bytes(all(table, worth)) as f64).sum();
        let cost = |stats: &MatrixStats| if options.choose.is_uniform() { 1.0 } else { weight_cost(stats) };
        let (bits, worth) = share_out(blocks, &options.budget, &cost, &others)?;
        let total = |bits: &[f64]| blocks.iter().zip(bits).map(|(stats, bits)| weights(stats) * bits).sum::<f64>();
        let average = total(&bits) / total(&vec![1.0; bits.len()]);
        let fewer = options.start.map_or(START, |start| (average - start).max(0.0));
        let most: Vec<usize> = bits.iter().map(|&bits| planes(bits)).collect();
        let mut found = Vec::new();
        for (((stats, &bits), &planes), start) in blocks.iter().zip(&bits).zip(&most).zip(start(blocks, &most, fewer)) {
            let (share, first) = (lost(bits), lost(bits - (planes - start) as f64));
            let saved = stats.cost_evenly(first) - stats.cost_evenly(share);
            let (expected, reason) = (Some(stats.share_evenly(share)), stats.reason_evenly(planes, bits, share));
            found.push((
                Plan { id: stats.id, planes, start, level: 1, bits: Some(bits), expected, reason },
                stats,
                saved,
            ));
        }
        for stats in tables {
            let planes = all(stats, worth);
            let start = options.start_table_planes.unwrap_or_else(|| match options.table_planes {
                Some(_) => START_TABLE_PLANES,
                // Bits that are worth as much as those of the blocks.
                None => measured(stats, worth * 4f64.powf(fewer)),
            });
            let start = start.clamp(2.min(planes), planes);
            let (saved, expected, reason) =
                (stats.gain(start, planes), Some(stats.error_at[planes]), stats.reason(planes));
            found.push((Plan { id: stats.id, planes, start, level: 1, bits: None, expected, reason }, stats, saved));
        }
        let place = |id: MatrixId| MatrixId::all(self.config).position(|other| other == id);
        found.sort_by_key(|(plan, ..)| place(plan.id));
        let later = |plan: &Plan, stats: &MatrixStats| weights(stats) * (plan.planes - plan.start).max(1) as f64;
        let gains: Vec<f64> = found.iter().map(|(plan, stats, saved)| saved / later(plan, stats)).collect();
        let mut plans: Vec<Plan> = found.into_iter().map(|(plan, ..)| plan).collect();
        levels::share_out(self.config, &mut plans, &gains);
        Ok(plans)
    }
}

fn weights(stats: &MatrixStats) -> f64 {
    stats.rows as f64 * stats.columns as f64
}

/// Planes of a table of which each saves no less for a bit.
fn table_planes(stats: &MatrixStats, worth: f64) -> usize {
    let saved = |planes: &usize| stats.gain(planes - 1, *planes) / (weights(stats) * stats.bits(*planes));
    (2..=MOST_PLANES).take_while(|planes| saved(planes) >= worth).last().unwrap_or(2)
}

/// The share of their energy that normal numbers lose on even levels that hold so many bits; nearly so from one bit on.
fn lost(bits: f64) -> f64 {
    (OVER * 0.25f64.powf(bits)).min(1.0)
}

/// Planes for so many bits.
fn planes(bits: f64) -> usize {
    ((bits + BEYOND).ceil() as usize).clamp(2, MOST_PLANES)
}

/// What losing all would cost each weight of a matrix, by the share that small losses cost.
fn weight_cost(matrix: &MatrixStats) -> f64 {
    matrix.cost_evenly(1.0) / weights(matrix)
}

/// Bits for each matrix, and what the last of them saves a weight. A budget of bits counts those that planes are coded in, one of
/// bytes everything: `others` says what tables take where a bit of a weight saves so much. `cost`: what losing all would cost each
/// weight of a matrix ([`weight_cost`], or as much everywhere).
///
/// Errors: [`nomul::Code::Input`] for a budget that cannot be met; it names the nearest that can.
fn share_out(
    matrices: &[MatrixStats],
    budget: &Budget,
    cost: &dyn Fn(&MatrixStats) -> f64,
    others: &dyn Fn(f64) -> f64,
) -> Result<(Vec<f64>, f64)> {
    // What one bit more for a weight saves where its error costs so much.
    let worth = |error: f64| 2.0 * std::f64::consts::LN_2 * error;
    // `error`: what a weight's error is to cost.
    let bits = |matrix: &MatrixStats, error: f64| {
        (0.5 * (OVER * cost(matrix) / error).log2()).clamp(*BITS.start(), *BITS.end())
    };
    let all: f64 = matrices.iter().map(weights).sum();
    let taken = |error: f64| -> f64 {
        let coded: f64 = matrices.iter().map(|matrix| weights(matrix) * bits(matrix, error)).sum();
        if let Budget::BitsPerWeight(_) = budget {
            return coded / all;
        }
        // Scales of a prefix and of all planes.
        let scales: usize = matrices.iter().map(|matrix| 2 * (2 * matrix.columns + matrix.rows)).sum();
        coded / 8.0 + scales as f64 + others(worth(error))
    };
    let most_cost = matrices.iter().map(cost).fold(f64::MIN_POSITIVE, f64::max);
    // From where all have the most bits to where all have the fewest.
    let (mut least, mut most) = (most_cost * 1e-12, most_cost * OVER);
    let (limit, unit, nearest) = match *budget {
        Budget::BitsPerWeight(limit) => (limit, "bits a weight", BITS),
        Budget::Bytes(limit) => (limit as f64, "bytes", taken(most).ceil()..=f64::INFINITY),
        Budget::Milliseconds { .. } => bail!(Input, "even levels take more planes than others, which run faster"),
    };
    if !nearest.contains(&limit) {
        let nearest = if limit > *nearest.end() { nearest.end() } else { nearest.start() };
        bail!(Input, "{limit} {unit} on even levels cannot be met; the nearest that can is {nearest}");
    }
    for _ in 0..64 {
        let middle = (least * most).sqrt();
        if taken(middle) > limit { least = middle } else { most = middle }
    }
    Ok((matrices.iter().map(|matrix| bits(matrix, most)).collect(), worth(most)))
}

/// Planes of the first level, `fewer` bits a weight on average than all; at least two.
fn start(matrices: &[MatrixStats], planes: &[usize], fewer: f64) -> Vec<usize> {
    let mut owed = 0.0;
    let each = matrices.iter().zip(planes).map(|(matrix, &planes)| {
        let weights = weights(matrix);
        owed += fewer * weights;
        // A bit costs the same everywhere, so it goes where it is owed.
        let dropped = ((owed / weights).round().max(0.0) as usize).min(planes.saturating_sub(2));
        owed -= dropped as f64 * weights;
        planes - dropped
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use nomul::{
        Code,
        weights::{Kind, MatrixId},
    };

    use super::*;

    fn stats(rows: usize, sensitivity: f64) -> MatrixStats {
        let error_at = [1.0, 0.36, 0.12, 0.035, 0.0105, 0.0033, 0.0011, 0.00035, 0.00012];
        let id = MatrixId { layer: 0, kind: Kind::Query };
        MatrixStats { id, rows, columns: 64, rows_read: rows, error_at, sensitivity: Some(sensitivity) }
    }

    #[test]
    fn a_bit_is_worth_the_same_everywhere() {
        let matrices = [stats(64, 1.0), stats(128, 1.0), stats(64, 16.0)];
        let (bits, _) = share_out(&matrices, &Budget::BitsPerWeight(3.0), &weight_cost, &|_| 0.0).unwrap();
        // Twice the weights for as much: half a bit less. Sixteen times as much: two bits more.
        assert!((bits[0] - bits[1] - 0.5).abs() < 1e-6 && (bits[2] - bits[0] - 2.0).abs() < 1e-6, "{bits:?}");
        let average = (bits[0] + 2.0 * bits[1] + bits[2]) / 4.0;
        assert!((average - 3.0).abs() < 1e-6, "{average}");
    }

    #[test]
    fn bytes_count_scales_and_tables() {
        let matrices = [stats(64, 1.0), stats(128, 2.0)];
        let (bits, _) = share_out(&matrices, &Budget::Bytes(8000), &weight_cost, &|_| 1000.0).unwrap();
        let coded = 64.0 * (64.0 * bits[0] + 128.0 * bits[1]) / 8.0;
        let scales = 2.0 * (4.0 * 64.0 + 64.0 + 128.0);
        assert!((coded + scales + 1000.0 - 8000.0).abs() < 1.0, "{coded}");
    }

    #[test]
    fn impossible_budgets_name_the_nearest() {
        let matrices = [stats(64, 1.0)];
        let refused = |budget| share_out(&matrices, &budget, &weight_cost, &|_| 100.0).unwrap_err();
        assert_eq!(refused(Budget::BitsPerWeight(9.0)).code, Code::Input);
        assert!(refused(Budget::BitsPerWeight(9.0)).message.ends_with("the nearest that can is 7"));
        assert!(refused(Budget::BitsPerWeight(0.1)).message.ends_with("the nearest that can is 1.3"));
        let least = (64.0 * 64.0 * 1.3 / 8.0f64).ceil() as u64 + 2 * (128 + 64) + 100;
        assert!(refused(Budget::Bytes(9)).message.ends_with(&format!("the nearest that can is {least}")));
        let milliseconds = Budget::Milliseconds { most: 1.0, signs_per_millisecond: 1.0 };
        assert_eq!(refused(milliseconds).code, Code::Input);
    }

    #[test]
    fn the_first_level_has_as_many_bits_fewer_as_it_is_to() {
        let matrices: Vec<MatrixStats> = (0..40).map(|i| stats(64 + 64 * (i % 3), 1.0)).collect();
        let planes = vec![5; 40];
        let first = start(&matrices, &planes, 1.3);
        let weights: usize = matrices.iter().map(|m| m.rows).sum();
        let dropped: usize = matrices.iter().zip(&first).map(|(m, &first)| m.rows * (5 - first)).sum();
        assert!((dropped as f64 / weights as f64 - 1.3).abs() < 0.05, "{dropped} of {weights}");
        assert!(start(&matrices, &[2; 40], 1.3).iter().all(|&planes| planes == 2));
        assert_eq!(start(&matrices, &planes, 0.0), planes);
    }
}
