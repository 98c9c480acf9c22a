//! `nomul inspect`.

use std::path::PathBuf;

use nomul::Result;
use serde_json::json;

use crate::folder;

#[derive(clap::Args)]
pub struct Arguments {
    /// A model folder
    folder: PathBuf,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> Result<()> {
    let model = folder::model(&arguments.folder, None)?;
    let matrices = model.inspect();
    let bytes: u64 = matrices.iter().map(|matrix| matrix.bytes).sum();
    let weights: u64 = matrices.iter().map(|matrix| (matrix.rows * matrix.columns) as u64).sum();
    let bits = 8.0 * bytes as f64 / weights as f64;
    if arguments.json {
        println!(
            "{}",
            json!({
                "architecture": model.config().architecture.class_name(),
                "weights": weights,
                "bytes": bytes,
                "total_bytes": model.total(),
                "bits_per_weight": bits,
                "levels": model.levels(),
                "back_end": model.back_end().name(),
                "matrices": matrices,
            })
        );
        return Ok(());
    }
    println!("{:<44} {:>13} {:>6} {:>10} {:>18}  why", "matrix", "shape", "planes", "bytes", "error");
    for matrix in &matrices {
        let shape = format!("{} x {}", matrix.rows, matrix.columns);
        println!(
            "{:<44} {shape:>13} {:>6} {:>10} {:>18}  {}",
            matrix.name,
            each(&mut matrix.prefixes.iter().map(ToString::to_string)),
            matrix.bytes,
            each(&mut matrix.errors.iter().map(|error| format!("{:.3}%", 100.0 * error))),
            matrix.reason
        );
    }
    println!("{weights} weights, {bytes} bytes, {bits:.2} bits a weight with scales");
    Ok(())
}

/// What is there at the start, and in the end.
fn each(values: &mut dyn Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join(", ")
}
