//! Checkpoints named `hf:ORG/NAME` or `hf:ORG/NAME@REVISION`, downloaded from a hub into a folder.
//!
//! A file appears under its name only when it is whole and its size (and SHA-256, where the hub gives it) is right;
//! until then it is a `.part` file, which a later call continues.

mod client;
mod fetch;

use std::path::PathBuf;

use nomul::{Result, bail};

/// The hub that is asked unless another is given.
pub const DEFAULT_BASE: &str = "https://huggingface.co";

/// Which model, on any hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Who published it.
    pub organisation: String,
    /// What it is called.
    pub name: String,
    /// Branch, tag or commit; `main` unless given.
    pub revision: String,
}

impl Repository {
    /// Whether `text` names a hub's model rather than a path.
    pub fn is_named_by(text: &str) -> bool {
        text.starts_with("hf:")
    }

    /// Reads `hf:ORG/NAME[@REVISION]`. Errors: `Input`.
    pub fn parse(text: &str) -> Result<Repository> {
        let plain = |part: &str| {
            let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            !part.is_empty() && part.len() <= 96 && !part.starts_with('.') && part.bytes().all(legal)
        };
        let rest = text.strip_prefix("hf:").unwrap_or("");
        let (path, revision) = rest.split_once('@').unwrap_or((rest, "main"));
        match path.split_once('/') {
            Some((organisation, name)) if plain(organisation) && plain(name) && revision.split('/').all(plain) => {
                Ok(Repository { organisation: organisation.into(), name: name.into(), revision: revision.into() })
            }
            _ => bail!(Input, "{text:?} is not hf:ORG/NAME or hf:ORG/NAME@REVISION"),
        }
    }
}

/// Where models come from and where they are kept.
#[derive(Clone, Debug)]
pub struct Hub {
    /// Address without a slash at its end, `https://` (or `http://` for a mirror in the own network).
    pub base: String,
    /// Sent to this address, and to no other, for models that ask for it.
    pub token: Option<String>,
    /// Models are kept in `{cache}/{org}--{name}/{commit}`.
    pub cache: PathBuf,
}

impl Hub {
    /// A hub at the address in `NOMUL_HUB` (else [`DEFAULT_BASE`]) with the token in `HF_TOKEN`, if there is one.
    pub fn from_environment(cache: PathBuf) -> Hub {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Hub::new(variable("NOMUL_HUB").as_deref().unwrap_or(DEFAULT_BASE), variable("HF_TOKEN"), cache)
    }

    /// A hub at that address.
    pub fn new(base: &str, token: Option<String>, cache: PathBuf) -> Hub {
        Hub { base: base.trim_end_matches('/').into(), token, cache }
    }

    /// Downloads what [`super::Checkpoint::open`] needs: `config.json`, the weights, and the tokenizer's files that
    /// there are. Files that are there already are not asked for again. Returns the folder.
    ///
    /// Errors: `Missing` where the hub has no such model or file, `Io` where network or disk refuse (calling again
    /// continues), `Checksum`, `Format` where something else than the file comes back, `Unsupported` in builds
    /// without network.
    pub fn fetch(&self, repository: &Repository, progress: &mut dyn FnMut(&Progress)) -> Result<PathBuf> {
        fetch::fetch(self, repository, progress)
    }
}

/// How far a file has come.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// Its name.
    pub file: &'a str,
    /// Bytes that are there, earlier calls' included.
    pub received: u64,
    /// Bytes there will be, where the hub says.
    pub total: Option<u64>,
}

#[cfg(all(test, feature = "hub", not(target_family = "wasm")))]
mod tests;
