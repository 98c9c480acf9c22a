//! The small least-squares problem behind every scale: which `a` makes `sum_b a_b B_b` nearest to a column.

use super::MOST_PLANES;
use super::column::doubled;
use super::grid::Grid;

/// One number a plane, the most significant plane first; those beyond the planes in use are zero.
pub(super) type PerPlane = [f64; MOST_PLANES];

/// The normal equations `gram a = right` of up to eight planes.
#[derive(Clone, Debug)]
pub(super) struct Normal {
    planes: usize,
    gram: [PerPlane; MOST_PLANES],
    right: PerPlane,
}

impl Normal {
    pub fn new(planes: usize) -> Normal {
        Normal { planes, gram: [[0.0; MOST_PLANES]; MOST_PLANES], right: [0.0; MOST_PLANES] }
    }

    /// Adds weights that share one sign pattern (bit b set: plane b is +1), given their total weight and their
    /// weighted sum.
    pub fn add(&mut self, pattern: usize, weight: f64, moment: f64) {
        let sign = |b: usize| if pattern >> b & 1 == 1 { 1.0 } else { -1.0 };
        for b in 0..self.planes {
            self.right[b] += sign(b) * moment;
            for c in 0..=b {
                self.gram[b][c] += sign(b) * sign(c) * weight;
            }
        }
    }

    /// Replaces the right-hand side, given the weighted sum of each sign pattern.
    pub fn set_right(&mut self, moments: &[f64]) {
        self.right = [0.0; MOST_PLANES];
        for (pattern, &moment) in moments.iter().enumerate() {
            for b in 0..self.planes {
                self.right[b] += if pattern >> b & 1 == 1 { moment } else { -moment };
            }
        }
    }

    /// `a^T gram a - 2 right a`: the squared error of the scales `a`, less that of zero scales.
    pub fn cost(&self, a: &PerPlane) -> f64 {
        (0..self.planes)
            .map(|b| {
                let cross: f64 = (0..b).map(|c| self.gram[b][c] * a[c]).sum();
                a[b] * (2.0 * (cross - self.right[b]) + self.gram[b][b] * a[b])
            })
            .sum()
    }

    /// Solves for the scales one after the other, the most significant first, and puts each through `round` before
    /// the next: every scale is the best one for the rounded ones before it, the later ones being free.
    ///
    /// A plane that says nothing new gets the scale zero.
    pub fn solve(&self, round: impl Fn(f64) -> f64) -> PerPlane {
        // Cholesky with the planes reversed: back substitution then begins with plane 0.
        let n = self.planes;
        let entry = |i: usize, j: usize| self.gram[n - 1 - j][n - 1 - i];
        let mut lower = [[0.0; MOST_PLANES]; MOST_PLANES];
        let mut half = [0.0; MOST_PLANES];
        for i in 0..n {
            for j in 0..=i {
                let left: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
                let value = entry(i, j) - left;
                lower[i][j] = if i == j {
                    if value > entry(i, i) * 1e-10 { value.sqrt() } else { 0.0 }
                } else if lower[j][j] > 0.0 {
                    value / lower[j][j]
                } else {
                    0.0
                };
            }
            let known: f64 = (0..i).map(|k| lower[i][k] * half[k]).sum();
            half[i] = if lower[i][i] > 0.0 { (self.right[n - 1 - i] - known) / lower[i][i] } else { 0.0 };
        }
        let mut scales = [0.0; MOST_PLANES];
        for i in (0..n).rev() {
            if lower[i][i] > 0.0 {
                let known: f64 = (i + 1..n).map(|k| lower[k][i] * scales[n - 1 - k]).sum();
                scales[n - 1 - i] = round((half[i] - known) / lower[i][i]);
            }
        }
        scales
    }

    /// The best scales of which each is twice the next.
    pub fn solve_evenly(&self, grid: &Grid) -> PerPlane {
        let each = doubled(self.planes, 1.0);
        let right: f64 = (0..self.planes).map(|b| each[b] * self.right[b]).sum();
        // A cost of a^2 square - 2 a right.
        let square = self.cost(&each) + 2.0 * right;
        doubled(self.planes, if square > 0.0 { grid.nearest(right / square) } else { 0.0 })
    }

    /// The best scales of the grid that solving in turn and then stepping one scale at a time finds.
    pub fn solve_on(&self, grid: &Grid) -> PerPlane {
        let mut best = self.solve(|x| grid.nearest(x).copysign(x));
        let mut cost = self.cost(&best);
        loop {
            let before = cost;
            for b in 0..self.planes {
                let size = best[b].abs();
                for step in [grid.below(size), grid.above(size)] {
                    let mut trial = best;
                    trial[b] = step.copysign(best[b]);
                    let trial_cost = self.cost(&trial);
                    if trial_cost < cost {
                        (best, cost) = (trial, trial_cost);
                    }
                }
            }
            if cost >= before - before.abs() * 1e-12 {
                return best;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_what_was_made_from_known_scales() {
        let truth = [1.5, 0.75, 0.25];
        let mut normal = Normal::new(3);
        for pattern in 0..8 {
            let value: f64 = (0..3).map(|b| if pattern >> b & 1 == 1 { truth[b] } else { -truth[b] }).sum();
            let weight = 1.0 + pattern as f64;
            normal.add(pattern, weight, weight * value);
        }
        for found in [normal.solve(|x| x), normal.solve_on(&Grid::new(3))] {
            for b in 0..3 {
                assert!((found[b] - truth[b]).abs() < 1e-9, "{found:?}");
            }
        }
    }

    #[test]
    fn a_plane_that_repeats_another_gets_nothing() {
        let mut normal = Normal::new(2);
        normal.add(0b11, 4.0, 8.0);
        normal.add(0b00, 4.0, -8.0);
        let found = normal.solve(|x| x);
        assert!((found[0] + found[1] - 2.0).abs() < 1e-12, "{found:?}");
        assert_eq!(Normal::new(3).solve(|x| x), [0.0; MOST_PLANES]);
    }
}
