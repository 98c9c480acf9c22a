//! Fitting the planes and scales of one column: binary coding with scales that are sums of powers of two.
//!
//! The planes of a column quantise its numbers to the nearest of 2^q levels `sum_b +-a_b`. Levels are symmetric, so a
//! number's level is that of its magnitude, with all signs flipped where it is negative; and the magnitudes that go to
//! one level follow each other in sorted order. A column is therefore sorted once, and whatever a round of fitting
//! needs (total weight and weighted sum a level) is a difference of two running sums: a round costs a few binary
//! searches and does not depend on the length of the column.

use super::MOST_PLANES;
use super::grid::Grid;
use super::normal::{Normal, PerPlane};
use super::problem::Problem;

/// Levels of non-negative value.
const MOST_LEVELS: usize = 1 << (MOST_PLANES - 1);

/// Steps of the optimal uniform quantisers of a Gaussian with deviation 1 at 1..=8 bits.
const UNIFORM_STEP: [f64; MOST_PLANES] = [1.596, 0.9957, 0.586, 0.3352, 0.1881, 0.1041, 0.0569, 0.0308];

/// A column's magnitudes in ascending order, with running sums. Reused from column to column.
#[derive(Default)]
pub(super) struct Column {
    /// Bits of the magnitude above the index of the row: sorts by magnitude.
    keys: Vec<u64>,
    magnitudes: Vec<f32>,
    /// Sum of the weights of the first n magnitudes; one entry more than magnitudes.
    weight: Vec<f64>,
    /// The same for weight times magnitude.
    moment: Vec<f64>,
    energy: f64,
}

/// The non-negative levels of a set of scales, ascending.
struct Levels {
    count: usize,
    value: [f64; MOST_LEVELS],
    /// Bit b set: plane b is +1.
    pattern: [u8; MOST_LEVELS],
}

impl Levels {
    fn of(scales: &[f64]) -> Levels {
        let mask = ((1u16 << scales.len()) - 1) as u8;
        let mut levels = Levels { count: 1, value: [0.0; MOST_LEVELS], pattern: [0; MOST_LEVELS] };
        (levels.value[0], levels.pattern[0]) = (scales[0], 1);
        // Each plane splits every level in two. Where scales fall by half or more, the order stays ascending.
        for (b, &scale) in scales.iter().enumerate().skip(1) {
            for i in (0..levels.count).rev() {
                let (value, pattern) = (levels.value[i], levels.pattern[i]);
                (levels.value[2 * i], levels.pattern[2 * i]) = (value - scale, pattern);
                (levels.value[2 * i + 1], levels.pattern[2 * i + 1]) = (value + scale, pattern | 1 << b);
            }
            levels.count *= 2;
        }
        for i in 0..levels.count {
            let (mut value, mut pattern) = (levels.value[i], levels.pattern[i]);
            if value < 0.0 {
                (value, pattern) = (-value, !pattern & mask);
            }
            let mut at = i;
            while at > 0 && levels.value[at - 1] > value {
                levels.value[at] = levels.value[at - 1];
                levels.pattern[at] = levels.pattern[at - 1];
                at -= 1;
            }
            (levels.value[at], levels.pattern[at]) = (value, pattern);
        }
        levels
    }
}

impl Column {
    /// Sorts the column `values`, each with its weight.
    pub fn load(&mut self, values: &[f32], weights: &[f64]) {
        self.keys.clear();
        self.keys.extend(values.iter().enumerate().map(|(row, v)| (v.abs().to_bits() as u64) << 32 | row as u64));
        self.keys.sort_unstable();
        self.magnitudes.clear();
        self.weight.clear();
        self.moment.clear();
        let (mut weight, mut moment, mut energy) = (0.0, 0.0, 0.0);
        for &key in &self.keys {
            let magnitude = f32::from_bits((key >> 32) as u32);
            let w = weights[key as u32 as usize];
            self.magnitudes.push(magnitude);
            self.weight.push(weight);
            self.moment.push(moment);
            weight += w;
            moment += w * magnitude as f64;
            energy += w * magnitude as f64 * magnitude as f64;
        }
        self.weight.push(weight);
        self.moment.push(moment);
        self.energy = energy;
    }

    /// Root of the weighted mean square; zero for a column of zeros.
    pub fn deviation(&self) -> f64 {
        let total = self.weight.last().copied().unwrap_or(0.0);
        if self.energy > 0.0 && total > 0.0 { (self.energy / total).sqrt() } else { 0.0 }
    }

    /// Sum of weight times squared number.
    pub fn energy(&self) -> f64 {
        self.energy
    }

    /// Calls `visit(level, first, end)` for each level with the range of sorted magnitudes that are nearest to it.
    fn ranges(&self, levels: &Levels, mut visit: impl FnMut(usize, usize, usize)) {
        let mut first = 0;
        for level in 0..levels.count {
            let end = if level + 1 == levels.count {
                self.magnitudes.len()
            } else {
                let middle = ((levels.value[level] + levels.value[level + 1]) * 0.5) as f32;
                first + self.magnitudes[first..].partition_point(|&m| m < middle)
            };
            visit(level, first, end);
            first = end;
        }
    }

    /// The weighted squared error of the scales, every number going to its nearest level.
    fn cost(&self, scales: &[f64]) -> f64 {
        let levels = Levels::of(scales);
        let mut cost = self.energy;
        self.ranges(&levels, |level, first, end| {
            let value = levels.value[level];
            let (weight, moment) = (self.weight[end] - self.weight[first], self.moment[end] - self.moment[first]);
            cost += value * (value * weight - 2.0 * moment);
        });
        cost
    }

    /// The least-squares problem for the scales, every number staying at the level nearest to it now.
    fn normal(&self, scales: &[f64]) -> Normal {
        let levels = Levels::of(scales);
        let mut normal = Normal::new(scales.len());
        self.ranges(&levels, |level, first, end| {
            if end > first {
                let (weight, moment) = (self.weight[end] - self.weight[first], self.moment[end] - self.moment[first]);
                normal.add(levels.pattern[level] as usize, weight, moment);
            }
        });
        normal
    }

    /// Greedy scales: each plane the sign of what the planes before it left over, its scale the mean size of that.
    fn greedy(&self, planes: usize) -> PerPlane {
        let mut scales = [0.0; MOST_PLANES];
        let total = self.weight[self.magnitudes.len()];
        for b in 0..planes {
            let mut left = 0.0;
            if b == 0 {
                left = self.moment[self.magnitudes.len()];
            } else {
                let levels = Levels::of(&scales[..b]);
                self.ranges(&levels, |level, first, end| {
                    let value = levels.value[level];
                    let middle = first + self.magnitudes[first..end].partition_point(|&m| (m as f64) < value);
                    let sum = |from: usize, to: usize| {
                        (self.moment[to] - self.moment[from]) - value * (self.weight[to] - self.weight[from])
                    };
                    left += sum(middle, end) - sum(first, middle);
                });
            }
            scales[b] = if total > 0.0 { left / total } else { 0.0 };
        }
        scales
    }

    /// Fits the scales of `planes` planes: from each start, rounds of least squares and re-assignment (first free,
    /// then on the grid), then single steps on the grid. Returns the best scales, in falling order, and their cost.
    pub fn fit(&self, planes: usize, rounds: usize, grid: &Grid, starts: &[PerPlane]) -> (PerPlane, f64) {
        if self.energy <= 0.0 {
            return ([0.0; MOST_PLANES], 0.0);
        }
        let mut best = ([0.0; MOST_PLANES], f64::INFINITY);
        for start in starts.iter().copied().chain(self.starts(planes, grid).into_iter().flatten()) {
            let free = self.alternate(start, planes, rounds, |x| x);
            let found = self.alternate(free.0, planes, rounds, |x| grid.nearest(x));
            if found.1 < best.1 {
                best = found;
            }
        }
        self.step(best, planes, rounds, grid)
    }

    /// Starts that depend on nothing but the column. The best scales of few planes are near to greedy ones, those of
    /// many to equally spaced levels: as far apart as is best for endless normal numbers, or so that they end at this
    /// column's largest. Rounds of least squares do not lead from the one to the other, and at 8 planes the second leaves
    /// a column of 100 numbers half of the error, one of 1000 four fifths.
    fn starts(&self, planes: usize, grid: &Grid) -> [Option<PerPlane>; 2] {
        let most = self.magnitudes.last().copied().unwrap_or(0.0) as f64;
        match planes {
            0..=3 => [Some(self.greedy(planes)), None],
            4 => [Some(self.greedy(planes)), Some(self.uniform(planes, grid))],
            _ => [Some(self.uniform(planes, grid)), Some(doubled(planes, most / (1u32 << planes) as f64))],
        }
    }

    /// Equally spaced levels for normal numbers; doubled scales all round alike.
    fn uniform(&self, planes: usize, grid: &Grid) -> PerPlane {
        doubled(planes, grid.nearest(self.deviation() * UNIFORM_STEP[planes - 1] * 0.5))
    }

    /// Least squares and re-assignment in turn, scales put through `round`, until nothing changes or gets better.
    fn alternate(&self, start: PerPlane, planes: usize, rounds: usize, round: impl Fn(f64) -> f64) -> (PerPlane, f64) {
        let mut scales = start;
        scales[..planes].iter_mut().for_each(|s| *s = round(*s));
        let mut best = (scales, self.cost(&scales[..planes]));
        for _ in 0..rounds {
            let mut next = self.normal(&scales[..planes]).solve(&round).map(f64::abs);
            next[..planes].sort_by(|a, b| b.total_cmp(a));
            if next == scales {
                break;
            }
            let cost = self.cost(&next[..planes]);
            let better = best.1 - cost;
            if better > 0.0 {
                best = (next, cost);
            }
            if better < self.energy * 1e-7 {
                break;
            }
            scales = next;
        }
        best
    }

    /// Moves one scale at a time to its neighbour on the grid while that helps.
    fn step(&self, start: (PerPlane, f64), planes: usize, rounds: usize, grid: &Grid) -> (PerPlane, f64) {
        let (mut best, mut cost) = start;
        for _ in 0..rounds {
            let before = cost;
            for b in 0..planes {
                for moved in [grid.below(best[b]), grid.above(best[b])] {
                    let mut trial = best;
                    trial[b] = moved;
                    let trial_cost = self.cost(&trial[..planes]);
                    if trial_cost < cost {
                        (best, cost) = (trial, trial_cost);
                    }
                }
            }
            if cost >= before - self.energy * 1e-9 {
                break;
            }
        }
        best[..planes].sort_by(|a, b| b.total_cmp(a));
        (best, cost)
    }

    /// [`Column::assign`] for rows that make up for each other: every number goes to the level nearest to what the rows before have
    /// made of it, times `drawn`.
    pub fn assign_together(problem: &Problem, values: &[f32], scales: &[f64], drawn: f32, patterns: &mut [u8]) {
        let Some((metric, row_scales)) = &problem.rows_together else { return };
        let table = table(scales);
        let mut levels: Vec<(f32, u8)> = (0..1usize << scales.len()).map(|p| (table[p], p as u8)).collect();
        levels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let middles: Vec<f32> = levels.windows(2).map(|two| 0.5 * (two[0].0 + two[1].0)).collect();
        metric.through([&mut values.to_vec()], row_scales, |row, [value]| {
            let (level, pattern) = levels[middles.partition_point(|&middle| middle <= drawn * value)];
            patterns[row] = pattern;
            [value - level]
        });
    }

    /// Writes the sign pattern (bit b set: plane b is +1) of every number of the column `values` that was loaded.
    pub fn assign(&self, values: &[f32], scales: &[f64], patterns: &mut [u8]) {
        let mask = ((1u16 << scales.len()) - 1) as u8;
        let levels = Levels::of(scales);
        self.ranges(&levels, |level, first, end| {
            for &key in &self.keys[first..end] {
                let row = key as u32 as usize;
                let pattern = levels.pattern[level];
                patterns[row] = if values[row] < 0.0 { !pattern & mask } else { pattern };
            }
        });
    }
}

/// Scales of which each is twice the next, the last being `least`.
pub(super) fn doubled(planes: usize, least: f64) -> PerPlane {
    std::array::from_fn(|b| if b < planes { least * (1u32 << (planes - 1 - b)) as f64 } else { 0.0 })
}

/// The value of each sign pattern under the given scales.
pub(super) fn table(scales: &[f64]) -> [f32; 1 << MOST_PLANES] {
    let mut table = [0.0; 1 << MOST_PLANES];
    for (pattern, value) in table[..1 << scales.len()].iter_mut().enumerate() {
        let signed = scales.iter().enumerate().map(|(b, &s)| if pattern >> b & 1 == 1 { s } else { -s });
        *value = signed.sum::<f64>() as f32;
    }
    table
}
