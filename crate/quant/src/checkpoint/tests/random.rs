//! Whatever happens to a valid file, reading it ends in a value or an error.

use proptest::prelude::*;

use super::write::{CONFIG, GgufFile, files, safetensors_file, tensors};
use crate::checkpoint::Checkpoint;

/// Opens and reads all there is.
fn read_all(name: &str, bytes: Vec<u8>, config: &[u8]) {
    let Ok(checkpoint) = Checkpoint::from_files(files([("config.json", config.to_vec()), (name, bytes)])) else {
        return;
    };
    let _ = checkpoint.text_files();
    let names = [tensors().into_iter().map(|(name, _, _)| name).collect(), vec!["lm_head.weight".to_string()]].concat();
    for name in names {
        let _ = checkpoint.tensor(&name);
    }
}

/// Bytes set, removed or doubled at places given as fractions of the length.
fn mutate(mut bytes: Vec<u8>, mutations: &[(f64, u8, u8)]) -> Vec<u8> {
    for &(place, kind, value) in mutations {
        let at = (place * bytes.len() as f64) as usize;
        match kind % 6 {
            0 | 1 if at < bytes.len() => bytes[at] = value,
            2 if at < bytes.len() => bytes[at] ^= 1 << (value % 8),
            3 => drop(bytes.drain(at..(at + value as usize).min(bytes.len()))),
            4 => {
                let copy = bytes[at..(at + value as usize).min(bytes.len())].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn mutations() -> impl Strategy<Value = Vec<(f64, u8, u8)>> {
    // The headers are in front, so half of the places lie there.
    let place = prop_oneof![0.0..1.0f64, 0.0..0.1f64];
    let value = prop_oneof![any::<u8>(), Just(0), Just(255), Just(b'9'), Just(b'"')];
    // Truncation ends most files early; the other kinds are likelier.
    prop::collection::vec((place, prop_oneof![9 => 0..5u8, 1 => Just(5u8)], value), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn safetensors_never_panics(mutations in mutations()) {
        read_all("model.safetensors", mutate(safetensors_file(&tensors()), &mutations), CONFIG.as_bytes());
    }

    #[test]
    fn configurations_never_panic(mutations in mutations()) {
        read_all("model.safetensors", safetensors_file(&tensors()), &mutate(CONFIG.as_bytes().to_vec(), &mutations));
    }

    #[test]
    fn gguf_never_panics(mutations in mutations()) {
        read_all("x.gguf", mutate(GgufFile::llama().bytes(), &mutations), b"");
    }
}
