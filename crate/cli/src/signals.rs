//! Ctrl-C and a polite kill: what is in the making is removed, and the process ends as if nobody had listened.

/// Listens from now on. Where that is refused, and on systems without these signals, the next run to the same place
/// removes what this one leaves.
#[cfg(unix)]
pub fn remove_partial_folders() {
    use signal_hook::{
        consts::{SIGINT, SIGTERM},
        iterator::Signals,
        low_level::emulate_default_handler,
    };

    // Not SIGHUP: a run under nohup has to outlive its terminal.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let _none_begins = nomul_quant::folder::abandon();
            // Whoever waits is to see that it was the signal. This does not return.
            emulate_default_handler(signal).ok();
        }
    });
}

/// See above.
#[cfg(not(unix))]
pub fn remove_partial_folders() {}

/// Removes this file if a signal ends the process.
#[cfg(unix)]
pub fn remove_on_signal(partial: &std::path::Path) {
    use signal_hook::{
        consts::{SIGINT, SIGTERM},
        iterator::Signals,
        low_level::emulate_default_handler,
    };

    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
    let partial = partial.to_owned();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            // A file that has reached its place is no longer there.
            std::fs::remove_file(&partial).ok();
            emulate_default_handler(signal).ok();
        }
    });
}

/// See above.
#[cfg(not(unix))]
pub fn remove_on_signal(_: &std::path::Path) {}
