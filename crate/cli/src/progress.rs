//! A progress bar on a terminal, a line now and then elsewhere, always on standard error.

#[cfg(not(target_family = "wasm"))]
use std::io::{IsTerminal, stderr};
use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// Progress of one long piece of work.
pub struct Bar {
    #[cfg(not(target_family = "wasm"))]
    bar: Option<indicatif::ProgressBar>,
    started: Instant,
    last: Mutex<Option<Instant>>,
}

/// Lines come at most this often where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

impl Bar {
    /// Starts at zero.
    pub fn new() -> Bar {
        Bar {
            #[cfg(not(target_family = "wasm"))]
            bar: stderr().is_terminal().then(|| {
                let style = indicatif::ProgressStyle::with_template(
                    "{bar:30} {percent:>3}%  {elapsed} elapsed, {eta} left  {msg}",
                );
                let bar = indicatif::ProgressBar::new(0);
                if let Ok(style) = style {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(Duration::from_millis(250));
                bar
            }),
            started: Instant::now(),
            last: Mutex::new(None),
        }
    }

    /// Shows how far the work has come.
    pub fn show(&self, step: &str, done: u64, total: u64) {
        #[cfg(not(target_family = "wasm"))]
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(step.to_owned());
            return;
        }
        let Ok(mut last) = self.last.lock() else { return };
        if last.is_none_or(|last| last.elapsed() >= EVERY) {
            *last = Some(Instant::now());
            let percent = 100.0 * done as f64 / total.max(1) as f64;
            eprintln!("{percent:3.0}%  {:4.0} s  {step}", self.started.elapsed().as_secs_f64());
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        #[cfg(not(target_family = "wasm"))]
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
