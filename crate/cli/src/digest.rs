//! `nomul digest`: a checksum of the scores after each token of a text, by which engines are compared.

use std::path::PathBuf;

use nomul::{Result, bail, forward::decode};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{folder, threads::Threads};

#[derive(clap::Args)]
#[group(id = "source", required = true, multiple = false)]
pub struct Arguments {
    /// A model folder
    folder: PathBuf,
    #[command(flatten)]
    threads: Threads,
    /// The text
    #[arg(short, long, group = "source")]
    prompt: Option<String>,
    /// The text as token ids, separated by commas
    #[arg(long, value_delimiter = ',', group = "source")]
    ids: Option<Vec<u32>>,
    /// Use only the first planes
    #[arg(long)]
    planes: Option<usize>,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> Result<()> {
    let team = arguments.threads.team()?;
    let mut session = folder::session(&arguments.folder, arguments.planes, None)?;
    session.set_team(team);
    let ids = match (&arguments.ids, &arguments.prompt) {
        (Some(ids), _) => ids.clone(),
        (None, Some(prompt)) => session.tokenize(prompt, true)?,
        (None, None) => Vec::new(),
    };
    if ids.is_empty() {
        bail!(Input, "the text has no tokens");
    }
    let mut state = nomul::State::new(session.model().config(), ids.len())?;
    let (config, weights) = session.model_mut().parts();
    let mut digest = Sha256::new();
    for &id in &ids {
        for logit in decode(config, weights, &mut state, id)? {
            digest.update(logit.to_le_bytes());
        }
    }
    let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let back_end = session.model().back_end().name();
    if arguments.json {
        println!("{}", json!({ "back_end": back_end, "tokens": ids.len(), "sha256": digest }));
    } else {
        println!("{digest}  {} tokens, {back_end}", ids.len());
    }
    Ok(())
}
