//! How many planes each matrix gets.

use nomul::weights::MatrixId;
use nomul::{Result, bail};

use super::MOST_PLANES;
use super::predict::{CODED, NORMAL};
pub use super::predict::{Expected, predict, predict_calibrated};

/// What is known of a matrix before it is fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixStats {
    /// Which matrix.
    pub id: MatrixId,
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Rows that are read for a token: all but where one is looked up.
    pub rows_read: usize,
    /// Share of the output's energy that is expected to be lost with 0..=8 planes (see [`predict`]).
    pub error_at: [f64; MOST_PLANES + 1],
    /// What losing all of its output's energy would cost the model, by the share that small losses cost: divergence of its
    /// predictions, in nats a token. `None`: not measured, all matrices count the same.
    pub sensitivity: Option<f64>,
}

impl MatrixStats {
    /// The bytes that `planes` planes are expected to take in a folder, with the scales of all of them and of a shorter prefix.
    pub fn bytes(&self, planes: usize) -> u64 {
        let weights = self.rows as f64 * self.columns as f64;
        let shorter = if planes > 2 { planes - 1 } else { 0 };
        (weights * CODED[planes] / 8.0).ceil() as u64 + 2 * ((planes + shorter) * self.columns + self.rows) as u64
    }

    /// Bits that the last of so many planes is expected to be coded in.
    pub(crate) fn bits(&self, planes: usize) -> f64 {
        CODED[planes] - CODED[planes - 1]
    }

    /// What the planes from the first number of them to the second are expected to save the model.
    pub fn gain(&self, from: usize, to: usize) -> f64 {
        self.sensitivity.unwrap_or(1.0) * (self.error_at[from] - self.error_at[to])
    }

    /// What even levels that lose this share of normal numbers' energy are expected to cost the model.
    pub(crate) fn cost_evenly(&self, share: f64) -> f64 {
        self.sensitivity.unwrap_or(1.0) * self.share_evenly(share)
    }

    /// The share of the output's energy that they are expected to lose.
    pub(crate) fn share_evenly(&self, share: f64) -> f64 {
        self.error_at[4] / NORMAL[4] * share
    }

    /// What so many planes cost, and what one more would, for people.
    pub fn reason(&self, planes: usize) -> String {
        let next = self.error_at.get(planes + 1).copied();
        self.reason_for(planes, self.error_at[planes], next)
    }

    /// The same on even levels that are coded in `bits` bits a weight and lose this share of normal numbers' energy.
    pub(crate) fn reason_evenly(&self, planes: usize, bits: f64, share: f64) -> String {
        let next = (planes < MOST_PLANES).then_some(0.25 * self.share_evenly(share));
        format!("{}; even levels, in {bits:.2} bits", self.reason_for(planes, self.share_evenly(share), next))
    }

    fn reason_for(&self, planes: usize, lost: f64, next: Option<f64>) -> String {
        let cost = |lost: f64| match self.sensitivity {
            Some(nats) => format!("{:.2} millinats a token", 1e3 * nats * lost),
            None => format!("{:.2} % of its output", 100.0 * lost),
        };
        let next = next.map_or(String::new(), |lost| format!("; one more would leave {}", cost(lost)));
        format!("{} lose {}{next}", count(planes), cost(lost))
    }
}

/// What there is to share out.
#[derive(Clone, Debug, PartialEq)]
pub enum Budget {
    /// Planes a weight, on average over the matrices.
    BitsPerWeight(f64),
    /// Bytes of planes and scales.
    Bytes(u64),
    /// Milliseconds that a token is predicted to take.
    Milliseconds {
        /// No more than this.
        most: f64,
        /// Signs that are read in that time, all that a token takes beside being shared out among them.
        signs_per_millisecond: f64,
    },
}

impl Budget {
    /// What a matrix takes of this budget.
    fn price(&self, matrix: &MatrixStats, planes: usize) -> f64 {
        match self {
            Budget::BitsPerWeight(_) => matrix.rows as f64 * matrix.columns as f64 * planes as f64,
            Budget::Bytes(_) => matrix.bytes(planes) as f64,
            Budget::Milliseconds { signs_per_millisecond, .. } => {
                matrix.rows_read as f64 * matrix.columns as f64 * planes as f64 / signs_per_millisecond
            }
        }
    }

    /// What all of them may take together.
    pub(crate) fn limit(&self, matrices: &[MatrixStats]) -> f64 {
        match *self {
            // Half a weight of tolerance: the budget is a decimal fraction.
            Budget::BitsPerWeight(bits) => {
                bits * matrices.iter().map(|m| self.price(m, 1)).sum::<f64>() + if bits > 0.0 { 0.5 } else { 0.0 }
            }
            Budget::Bytes(bytes) => bytes as f64,
            Budget::Milliseconds { most, .. } => most,
        }
    }

    /// Refuses a budget that no choice can meet, and says which is the nearest that one can. More bytes than all
    /// planes take are no mistake; an average above the most planes is.
    fn check(&self, matrices: &[MatrixStats]) -> Result<()> {
        match *self {
            Budget::BitsPerWeight(bits) if !(1.0..=MOST_PLANES as f64).contains(&bits) => {
                let nearest = if bits > 1.0 { MOST_PLANES } else { 1 };
                bail!(Input, "{bits} bits a weight cannot be met; the nearest that can is {nearest}")
            }
            Budget::Bytes(bytes) => {
                let least = matrices.iter().fold(0u64, |sum, m| sum.saturating_add(m.bytes(1)));
                if bytes < least {
                    bail!(Input, "{bytes} bytes cannot be met; the nearest that can is {least}, one plane a matrix")
                }
                Ok(())
            }
            Budget::Milliseconds { most, .. } => {
                let least: f64 = matrices.iter().map(|m| self.price(m, 1)).sum();
                if most.is_nan() || most < least {
                    // Rounded up, so that it can be met.
                    let nearest = (1e3 * least).ceil() / 1e3;
                    bail!(
                        Input,
                        "{most} milliseconds a token cannot be met; the nearest that can is {nearest}, one plane a matrix"
                    )
                }
                Ok(())
            }
            Budget::BitsPerWeight(_) => Ok(()),
        }
    }

    /// The same without what some matrices, of `planes` planes each, take of it; where that is more than all, what they take. Averages
    /// are over others.
    pub(crate) fn without(&self, matrices: &[MatrixStats], planes: usize) -> std::result::Result<Budget, f64> {
        let taken: f64 = matrices.iter().map(|m| self.price(m, planes)).sum();
        let left = self.limit(matrices) - taken;
        match *self {
            Budget::BitsPerWeight(_) => Ok(self.clone()),
            _ if left < 0.0 => Err(taken),
            Budget::Bytes(_) => Ok(Budget::Bytes(left as u64)),
            Budget::Milliseconds { signs_per_millisecond, .. } => {
                Ok(Budget::Milliseconds { most: left, signs_per_millisecond })
            }
        }
    }
}

/// A matrix's planes and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Planes, 1..=8.
    pub planes: usize,
    /// The reason, for people.
    pub reason: String,
}

/// A way to share out a budget.
pub trait ChooseBits: std::fmt::Debug + Sync {
    /// One choice for each matrix, in order. A budget that cannot be met is an error that names the nearest that can.
    fn choose(&self, matrices: &[MatrixStats], budget: Budget) -> Result<Vec<Choice>>;

    /// True if the choice depends on [`MatrixStats::error_at`].
    fn needs_errors(&self, budget: &Budget) -> bool;

    /// True if all matrices are to get the same, whatever each of them loses.
    fn is_uniform(&self) -> bool;
}

/// The same number of planes everywhere; what that leaves over goes to the matrices that gain most by one more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uniform;

/// One plane at a time to the matrix that gains most for what it takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Greedy;

impl ChooseBits for Uniform {
    fn choose(&self, matrices: &[MatrixStats], budget: Budget) -> Result<Vec<Choice>> {
        budget.check(matrices)?;
        let limit = budget.limit(matrices);
        let total = |planes: usize| matrices.iter().map(|m| budget.price(m, planes)).sum::<f64>();
        let level = (1..=MOST_PLANES).rev().find(|&planes| total(planes) <= limit).unwrap_or(1);
        let plain = Choice { planes: level, reason: format!("{} everywhere", count(level)) };
        let mut choices = vec![plain; matrices.len()];
        if level < MOST_PLANES {
            let step = |m: &MatrixStats| budget.price(m, level + 1) - budget.price(m, level);
            let worth = |i: usize| matrices[i].gain(level, level + 1) / step(&matrices[i]);
            let mut order: Vec<usize> = (0..matrices.len()).collect();
            order.sort_by(|&a, &b| worth(b).total_cmp(&worth(a)));
            let mut spare = limit - total(level);
            for (place, &i) in order.iter().enumerate() {
                if step(&matrices[i]) <= spare {
                    spare -= step(&matrices[i]);
                    let reason = format!(
                        "{} everywhere, one more here: number {} of {} in gain",
                        count(level),
                        place + 1,
                        order.len()
                    );
                    choices[i] = Choice { planes: level + 1, reason };
                }
            }
        }
        Ok(choices)
    }

    fn needs_errors(&self, budget: &Budget) -> bool {
        !matches!(budget, Budget::BitsPerWeight(bits) if bits.fract() == 0.0)
    }

    fn is_uniform(&self) -> bool {
        true
    }
}

impl ChooseBits for Greedy {
    fn choose(&self, matrices: &[MatrixStats], budget: Budget) -> Result<Vec<Choice>> {
        budget.check(matrices)?;
        let mut planes = vec![1; matrices.len()];
        let mut left = budget.limit(matrices) - matrices.iter().map(|m| budget.price(m, 1)).sum::<f64>();
        // The gain of each next plane falls, so taking the best one each time is the optimum up to the last plane.
        loop {
            let step = |i: usize| budget.price(&matrices[i], planes[i] + 1) - budget.price(&matrices[i], planes[i]);
            let worth = |i: usize| matrices[i].gain(planes[i], planes[i] + 1) / step(i);
            let open = (0..matrices.len()).filter(|&i| planes[i] < MOST_PLANES && step(i) <= left);
            // Of equals, the first: the order of the forward pass.
            let Some(best) = open.reduce(|a, b| if worth(b) > worth(a) { b } else { a }) else { break };
            left -= step(best);
            planes[best] += 1;
        }
        let choice = |(m, planes): (&MatrixStats, usize)| Choice { planes, reason: m.reason(planes) };
        Ok(matrices.iter().zip(planes).map(choice).collect())
    }

    fn needs_errors(&self, _: &Budget) -> bool {
        true
    }

    fn is_uniform(&self) -> bool {
        false
    }
}

fn count(planes: usize) -> String {
    if planes == 1 { "1 plane".into() } else { format!("{planes} planes") }
}
