//! How many threads a command works with.

use std::{num::NonZero, sync::Arc, thread::available_parallelism};

use nomul::{
    Code, Error, Result, bail,
    team::{Alone, MOST_WORKERS, Team},
};
use nomul_team::Pool;

#[derive(clap::Args)]
pub struct Threads {
    /// Threads that work at once: 1 to 32; without it one for each core
    #[arg(long)]
    threads: Option<usize>,
}

impl Threads {
    /// How many.
    pub fn count(&self) -> Result<NonZero<usize>> {
        let count = self.threads.map_or_else(cores, NonZero::new);
        match count {
            Some(count) if count.get() <= MOST_WORKERS => Ok(count),
            _ => bail!(Input, "--threads {}: 1 to {MOST_WORKERS} are possible", self.threads.unwrap_or(0)),
        }
    }

    /// As many as were asked for, started.
    pub fn team(&self) -> Result<Arc<dyn Team>> {
        let count = self.count()?;
        if count.get() == 1 {
            return Ok(Arc::new(Alone));
        }
        match Pool::spawn(count) {
            Ok(threads) => Ok(Arc::new(threads)),
            Err(error) => Err(Error::new(Code::Io, format!("--threads {count}: {error}"))),
        }
    }
}

/// Cores that this process may use. Two threads of one core would wait for the same registers and caches.
fn cores() -> Option<NonZero<usize>> {
    let available = available_parallelism().map_or(1, usize::from);
    #[cfg(not(target_family = "wasm"))]
    let available = available.min(num_cpus::get_physical());
    NonZero::new(available.clamp(1, MOST_WORKERS))
}
