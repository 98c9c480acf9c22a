//! What it costs to hand out a job that does nothing, beside rayon's `broadcast`: the median of several rounds.
//!
//! `cargo bench -p nomul-team -- 2` measures with two workers; without a number, with one for each processor.

use std::{hint::black_box, num::NonZero, thread, time::Instant};

use nomul::team::{Number, Team};
use nomul_team::Pool;

const ROUNDS: usize = 21;
const JOBS: u32 = 10_000;

fn microseconds(mut job: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            (0..JOBS).for_each(|_| job());
            started.elapsed().as_secs_f64() * 1e6 / f64::from(JOBS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn main() {
    let size = std::env::args().find_map(|word| word.parse().ok());
    let size: NonZero<usize> = size.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN));
    let nothing = |worker: Number| {
        black_box(worker);
    };
    let pool = Pool::spawn(size).unwrap();
    println!("{size} workers, microseconds a job");
    println!("nomul-team      {:.2}", microseconds(|| pool.run_all(&nothing)));
    drop(pool);
    let rayon = rayon::ThreadPoolBuilder::new().num_threads(size.get()).build().unwrap();
    println!(
        "rayon broadcast {:.2}",
        microseconds(|| drop(rayon.broadcast(|context| nothing(context.index() as Number))))
    );
    rayon.install(|| {
        println!(
            "the same within {:.2}",
            microseconds(|| drop(rayon.broadcast(|context| nothing(context.index() as Number))))
        );
    });
}
