//! `nomul own-text`.

use std::{path::PathBuf, time::Instant};

use nomul::{Result, bail, sample::SampleOptions};
use nomul_quant::{
    checkpoint::Checkpoint,
    own_text::{Writing, write},
};
use nomul_text::{
    Tokenizer,
    chat::{ChatTemplate, Message},
};
use serde_json::json;

use crate::{folder, graph::output::Output, progress::Bar};

#[derive(clap::Args)]
pub struct Arguments {
    /// A Hugging Face folder, a .gguf file, or hf:ORG/NAME
    checkpoint: String,
    /// The text file to make
    #[arg(short, long)]
    output: PathBuf,
    /// Windows, which are written side by side
    #[arg(long, default_value_t = 64)]
    windows: usize,
    /// Tokens of a window
    #[arg(long, default_value_t = 1024)]
    window: usize,
    /// Divides the scores: under 1 more of what is likely, over 1 more of all
    #[arg(long, default_value_t = 1.0)]
    temperature: f32,
    /// Only the likeliest tokens that together have this probability
    #[arg(long, default_value_t = 0.95)]
    top_p: f32,
    /// Seed of the draws
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

/// What stands for a message while it is looked for where that begins and ends.
const MESSAGE: &str = "MESSAGE";

pub fn run(arguments: Arguments) -> Result<()> {
    let started = Instant::now();
    if arguments.windows == 0 {
        bail!(Input, "--windows 0: 1 or more");
    }
    if arguments.output.exists() && !arguments.force {
        bail!(Input, "{}: exists; use --force to replace it", arguments.output.display());
    }
    let checkpoint = Checkpoint::open(&folder::checkpoint(&arguments.checkpoint)?)?;
    let files = checkpoint.text_files()?;
    let file = |name: &str| files.iter().find(|(file, _)| file == name).map(|(_, bytes)| bytes.as_slice());
    let Some(tokenizer) = file("tokenizer.json") else {
        bail!(Missing, "{}: no tokenizer.json", arguments.checkpoint);
    };
    let tokenizer = Tokenizer::from_json(tokenizer, file("tokenizer_config.json"))?;
    let template = ChatTemplate::from_files(file("tokenizer_config.json"), file("chat_template.jinja"))?;
    let mut ends = checkpoint.config().eos_token_ids.clone();
    ends.extend(tokenizer.eos_id());
    let sampling = SampleOptions {
        temperature: arguments.temperature,
        top_p: arguments.top_p,
        seed: arguments.seed,
        ..SampleOptions::default()
    };
    let writing = Writing {
        windows: arguments.windows,
        tokens: arguments.window,
        documents: documents(&tokenizer, template.as_ref())?,
        ends,
        sampling,
    };
    // Where no file can be made, that is said before the work.
    let mut output = Output::new(&arguments.output)?;
    let bar = Bar::new();
    let written = write(&checkpoint, &writing, &|done, total| bar.show("writing", done, total));
    bar.finish();
    let windows: Vec<String> = written?.iter().map(|tokens| tokenizer.decode(tokens, false)).collect();
    let text = windows.join("\n\n");
    output.write(text.as_bytes())?;
    output.finish()?;
    let (tokens, seconds) = (writing.windows * writing.tokens, started.elapsed().as_secs_f64());
    eprintln!("{tokens} tokens, {:.0} kB, {seconds:.0} s", text.len() as f64 / 1e3);
    let file = arguments.output.display().to_string();
    match arguments.json {
        true => println!("{}", json!({ "file": file, "tokens": tokens, "bytes": text.len(), "seconds": seconds })),
        false => println!("{file}"),
    }
    Ok(())
}

/// Nothing but the mark between two texts and, of models that were trained for chats, what stands before a message and between that
/// and its answer.
fn documents(tokenizer: &Tokenizer, template: Option<&ChatTemplate>) -> Result<Vec<Vec<Vec<u32>>>> {
    let mark = tokenizer.token_id("<|endoftext|>").or(tokenizer.bos_id()).or(tokenizer.eos_id());
    let Some(mark) = mark else { bail!(Unsupported, "tokenizer.json: no token stands between two texts") };
    let mut found = vec![vec![vec![mark]]];
    if let Some(template) = template {
        let message = Message { role: "user".into(), content: MESSAGE.into() };
        let chat = template.render(&[message], true, None)?;
        if let Some((before, after)) = chat.split_once(MESSAGE).filter(|(before, _)| !before.is_empty()) {
            let parts = [before, after].into_iter().filter(|part| !part.is_empty());
            found.push(parts.map(|part| tokenizer.encode(part, false)).collect::<Result<_>>()?);
        }
    }
    Ok(found)
}
