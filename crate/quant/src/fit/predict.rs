//! What a matrix will lose at each number of planes, guessed from a sample instead of fitted.

use nomul::Result;

use super::column::Column;
use super::hessian::Hessian;
use super::problem::Problem;
use super::{MOST_PLANES, Settings};

/// Numbers of a matrix that stand for all of them.
const SAMPLE: usize = 4096;

/// Share of the energy of normally distributed numbers that 0..=8 planes lose, by this module's own fit.
pub(super) const NORMAL: [f64; MOST_PLANES + 1] =
    [1.0, 0.3634, 0.1188, 0.0353, 0.0105, 0.0033, 0.0011, 0.00035, 0.00012];

/// Bits a weight that 0..=8 planes are coded in (see [`nomul::plane::coded`]), as measured on SmolLM2.
pub(super) const CODED: [f64; MOST_PLANES + 1] = [0.0, 1.0, 1.92, 2.79, 3.67, 4.51, 5.47, 6.38, 7.28];

/// What the fit loses of what is predicted from the sample: it adapts to each column and sweeps. Measured on blocks
/// of SmolLM2, where it lay between 0.6 and 0.95.
const FITTED: f64 = 0.8;

/// What [`predict_calibrated`] expects.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Expected {
    /// Share of the output's energy that will be lost with 0..=8 planes.
    pub error_at: [f64; MOST_PLANES + 1],
    /// Energy of the output: the mean over tokens of its squared length.
    pub energy: f64,
}

/// A guess of the share of its energy that a matrix, (rows, columns) row after row, loses with 0..=8 planes when it is
/// rounded without regard to its inputs. For weights that cannot be fitted, the shares of normal numbers.
pub fn predict(weights: &[f32], rows: usize, columns: usize) -> [f64; MOST_PLANES + 1] {
    let problem = Hessian::identity(columns)
        .and_then(|h| Problem::new(&Settings::default(), weights, (rows, columns), &h, MOST_PLANES));
    problem.map_or(NORMAL, |problem| shares(&problem))
}

/// A guess of what [`super::Gptq`] will report as the matrix's errors. The price is a factorisation of the Hessian.
pub fn predict_calibrated(weights: &[f32], rows: usize, columns: usize, hessian: &Hessian) -> Result<Expected> {
    let settings = Settings::default();
    let mut problem = Problem::new(&settings, weights, (rows, columns), hessian, MOST_PLANES)?;
    let factor = hessian.factor(&problem.order, settings.damping)?;
    problem.hessian = Some(hessian.ordered(&problem.order, 0.0)?);
    let energy = problem.energy(&problem.target, &problem.times_hessian(&problem.target)?)?;
    // With error feedback, an error in a column costs only what the later columns cannot make up for: the variance of
    // its input given theirs, which is the inverse square of the factor's diagonal.
    let mut open = 0.0;
    for k in 0..columns {
        let squares = problem.target_column(k).iter().zip(&problem.row_weights).map(|(&v, w)| v as f64 * v as f64 * w);
        open += squares.sum::<f64>() / (factor.upper[k * (columns + 1)] as f64).powi(2);
    }
    let ratio = if energy > 0.0 { FITTED * open / energy } else { 1.0 };
    let mut error_at = shares(&problem).map(|share| (share * ratio).min(1.0));
    error_at[0] = 1.0;
    Ok(Expected { error_at, energy })
}

/// The loss of each number of planes on a sample of columns, each brought to the same size.
fn shares(problem: &Problem) -> [f64; MOST_PLANES + 1] {
    let (values, weights) = problem.sample(SAMPLE);
    let mut column = Column::default();
    column.load(&values, &weights);
    let energy = column.energy();
    std::array::from_fn(|planes| match planes {
        0 => 1.0,
        _ if energy <= 0.0 => 0.0,
        _ => (column.fit(planes, Settings::default().rounds, &problem.grid, &[]).1 / energy).clamp(0.0, 1.0),
    })
}
