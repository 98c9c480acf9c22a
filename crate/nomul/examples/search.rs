//! How long a search takes natively, beside a plain sweep over as much memory.
//!
//! `cargo run --release -p nomul --example search -- [VECTORS] [BITS] [ROUNDS]` prints one line of JSON.

use std::{hint::black_box, time::Instant};

use nomul::search::{Index, Kind, Metric, Shape, Stages, Vector};

fn main() -> nomul::Result<()> {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let number = |place: usize, default: usize| numbers.get(place).copied().unwrap_or(default);
    let (vectors, bits, rounds) = (number(0, 1_000_000), number(1, 1024), number(2, 9).max(1));

    let mut state = 1u64;
    let mut random = || {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let mut vector = || -> Vec<u64> { (0..bits.div_ceil(64)).map(|_| random()).collect() };
    let mut index = Index::new(Shape::new(Kind::Signs, bits, Metric::Dot)?, "")?;
    for key in 0..vectors {
        index.insert(key as u64, Vector::Words(&vector()))?;
    }
    let plain: Vec<u64> = (0..vectors).flat_map(|_| vector()).collect();

    let (mut searches, mut sweeps) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let query = vector();
        let began = Instant::now();
        black_box(index.search(Vector::Words(&query), 10, Stages::Exact, &|_| true)?);
        searches.push(began.elapsed());
        let began = Instant::now();
        black_box(black_box(&plain).iter().fold(0u64, |sum, word| sum.wrapping_add(*word)));
        sweeps.push(began.elapsed());
    }
    let median = |times: &mut Vec<std::time::Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    println!(r#"{{"search_ms":{},"sweep_ms":{}}}"#, median(&mut searches), median(&mut sweeps));
    Ok(())
}
