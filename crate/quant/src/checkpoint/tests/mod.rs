//! Checkpoints as others write them (the golden files), broken ones, and ones broken at random.

mod golden;
mod hostile;
mod random;
mod write;

use std::path::PathBuf;

/// A golden file or folder; `make_gguf.py` beside them made them.
fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/gguf").join(name)
}
