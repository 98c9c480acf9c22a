//! `nomul json capacity`: theory beside measurement.

use nomul::{
    Result, bail,
    vsa::{
        Bundle, ItemMemory, Role, capacity, check_dimension,
        draw::{Draw, Kind},
    },
};
use serde_json::json;

use crate::progress::Bar;

#[derive(clap::Args)]
pub struct Arguments {
    /// Signs of a vector; several may be given, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = [4096])]
    dimension: Vec<usize>,
    /// Leaves of a document; several may be given, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = [20])]
    leaves: Vec<usize>,
    /// Values that a leaf can have
    #[arg(long, default_value_t = 1000)]
    candidates: usize,
    /// Also measures: random pairs of role and value, bundled and unbound again, so many times
    #[arg(long, value_name = "RUNS")]
    measure: Option<u64>,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

/// Random symbols that are kept for a measurement.
const MOST_CANDIDATES: usize = 1 << 20;

pub fn run(arguments: Arguments) -> Result<()> {
    if arguments.candidates == 0 || arguments.leaves.contains(&0) || arguments.measure == Some(0) {
        bail!(Input, "there has to be at least one leaf, one candidate and one run");
    }
    if arguments.measure.is_some() && arguments.candidates > MOST_CANDIDATES {
        bail!(Input, "--candidates {}: {MOST_CANDIDATES} are measured at most", arguments.candidates);
    }
    let bar = Bar::new();
    let points = (arguments.dimension.len() * arguments.leaves.len()) as u64;
    let mut rows = Vec::new();
    for &dimension in &arguments.dimension {
        check_dimension(dimension)?;
        let memory = arguments
            .measure
            .map(|_| ItemMemory::of_atoms(dimension, 0, (0..arguments.candidates).map(|item| item.to_string())));
        for &leaves in &arguments.leaves {
            bar.show("measuring", rows.len() as u64, points);
            let recall = |share: f64| capacity::recall(share * dimension as f64 / leaves as f64, arguments.candidates);
            let measured = match (&memory, arguments.measure) {
                (Some(memory), Some(runs)) => Some(measure(memory, dimension, leaves, runs)?),
                _ => None,
            };
            rows.push(json!({
                "dimension": dimension,
                "leaves": leaves,
                "candidates": arguments.candidates,
                "recall": recall(1.0),
                "recall_of_signs": recall(capacity::SIGNS),
                "measured": measured,
                "holds": capacity::terms(dimension, arguments.candidates, 0.99, false),
                "holds_as_signs": capacity::terms(dimension, arguments.candidates, 0.99, true),
            }));
        }
    }
    bar.finish();
    if arguments.json {
        println!("{}", json!({ "points": rows }));
        return Ok(());
    }
    println!("dimension  leaves  recall  of signs  measured  held with 99 %  as signs");
    for row in rows {
        let number = |name: &str| row[name].as_f64().map_or_else(|| "-".into(), |x| format!("{x:.4}"));
        println!(
            "{:>9}  {:>6}  {}    {}  {:>8}  {:>14}  {:>8}",
            row["dimension"],
            row["leaves"],
            number("recall"),
            number("recall_of_signs"),
            number("measured"),
            row["holds"],
            row["holds_as_signs"]
        );
    }
    Ok(())
}

/// How often the value of each of `leaves` pairs is the nearest one after unbinding.
fn measure(memory: &ItemMemory, dimension: usize, leaves: usize, runs: u64) -> Result<f64> {
    let mut right = 0u64;
    let mut bundle = Bundle::new(dimension);
    for run in 0..runs {
        let mut draw = Draw::new(run, Kind::Other, b"capacity");
        bundle.clear();
        let mut pairs = Vec::with_capacity(leaves);
        for leaf in 0..leaves {
            let role = Role::new(dimension, run, format!("role {leaf}").as_bytes());
            let item = draw.below(memory.len() as u64) as usize;
            bundle.add_bound(&role, memory.item(item), 1);
            pairs.push((role, item));
        }
        for (role, item) in &pairs {
            right += (memory.nearest(&bundle.unbind(role))?.item == *item) as u64;
        }
    }
    Ok(right as f64 / (runs * leaves as u64) as f64)
}
