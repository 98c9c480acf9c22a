//! `nomul perplexity`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use clap::ValueEnum;
use nomul::{Model, Result, State, bail, cache::CacheKind, config::ModelConfig, kernel::Precision, weights::Weights};
use nomul_quant::{
    checkpoint::Checkpoint,
    dense::Dense,
    perplexity::{summarize, window},
};
use nomul_text::Tokenizer;
use serde_json::json;

use crate::{
    folder::{self, io},
    progress::Bar,
    threads::Threads,
};

#[derive(clap::Args)]
pub struct Arguments {
    /// A model folder, or a checkpoint (evaluated in full precision)
    model: String,
    /// The text
    #[arg(long)]
    text: PathBuf,
    /// Tokens of a window
    #[arg(long, default_value_t = 1024)]
    window: usize,
    /// Windows
    #[arg(long, default_value_t = 64)]
    windows: usize,
    /// Use only the first planes
    #[arg(long)]
    planes: Option<usize>,
    /// Bits of the look-up tables' entries, whatever the planes ask for: 8 to 12
    #[arg(long, value_parser = clap::value_parser!(u32).range(8..=12))]
    table_bits: Option<u32>,
    /// How keys and values are kept
    #[arg(long, default_value = "auto")]
    cache: Cache,
    #[command(flatten)]
    threads: Threads,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Cache {
    /// In planes for a model folder, in floats for a checkpoint
    Auto,
    /// In floats
    Floats,
    /// In planes
    Planes,
}

pub fn run(arguments: Arguments) -> Result<()> {
    if arguments.window < 2 || arguments.windows == 0 {
        bail!(Input, "--window must be at least 2 and --windows at least 1");
    }
    let threads = arguments.threads.count()?.get();
    let text = fs::read_to_string(&arguments.text).map_err(|e| io(&arguments.text, e))?;
    let path = Path::new(&arguments.model);
    let windows = |tokenizer: &[u8], config: Option<&[u8]>| -> Result<Vec<Vec<u32>>> {
        let tokens = Tokenizer::from_json(tokenizer, config)?.encode(&text, false)?;
        Ok(tokens.chunks_exact(arguments.window).take(arguments.windows).map(<[u32]>::to_vec).collect())
    };
    let losses = if folder::is_model(path) {
        let file = |name: &str| fs::read(path.join(name));
        let tokenizer = file("tokenizer.json").map_err(|e| io(&path.join("tokenizer.json"), e))?;
        let windows = windows(&tokenizer, file("tokenizer_config.json").ok().as_deref())?;
        let precision = arguments.table_bits.and_then(Precision::new);
        let open = || -> Result<Model> {
            let mut model = folder::model(path, arguments.planes)?;
            model.set_precision(precision);
            Ok(model)
        };
        // Each thread has a model of its own: the kernel's scratch is part of it.
        each(&windows, threads, open, |model, tokens| {
            let (config, weights) = model.parts();
            score(config, weights, arguments.cache, tokens)
        })?
    } else {
        let checkpoint = Checkpoint::open(&folder::checkpoint(&arguments.model)?)?;
        let files = checkpoint.text_files()?;
        let file = |name: &str| files.iter().find(|(file, _)| file == name).map(|(_, bytes)| bytes.as_slice());
        let Some(tokenizer) = file("tokenizer.json") else {
            bail!(Missing, "{}: no tokenizer.json", arguments.model);
        };
        let windows = windows(tokenizer, file("tokenizer_config.json"))?;
        let dense = Dense::load(&checkpoint)?;
        let config = checkpoint.config();
        each(&windows, threads, || Ok(dense.view()), |view, tokens| score(config, view, arguments.cache, tokens))?
    };
    let result = summarize(&losses)?;
    if arguments.json {
        let mut json = serde_json::to_value(&result).unwrap_or_default();
        json["window"] = arguments.window.into();
        json["losses"] = json!(losses.iter().map(|w| w.iter().sum::<f64>() / w.len() as f64).collect::<Vec<_>>());
        println!("{json}");
    } else {
        println!(
            "{:.4} ± {:.4} over {} tokens in {} windows",
            result.perplexity, result.standard_error, result.tokens, result.windows
        );
    }
    Ok(())
}

fn score<W: Weights>(config: &ModelConfig, weights: &mut W, cache: Cache, tokens: &[u32]) -> Result<Vec<f64>> {
    let kind = match cache {
        Cache::Auto => CacheKind::of(config),
        Cache::Floats => CacheKind::Floats,
        Cache::Planes => CacheKind::Planes,
    };
    window(config, weights, &mut State::with(config, tokens.len(), kind)?, tokens)
}

/// Scores every window, the threads taking the next one each time, which needs less waiting than a team; `open` makes what a thread works with.
fn each<M>(
    windows: &[Vec<u32>],
    threads: usize,
    open: impl Fn() -> Result<M> + Sync,
    score: impl Fn(&mut M, &[u32]) -> Result<Vec<f64>> + Sync,
) -> Result<Vec<Vec<f64>>> {
    let bar = Bar::new();
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Vec<f64>)>> {
        let mut model = open()?;
        let mut done = Vec::new();
        loop {
            let position = next.fetch_add(1, Ordering::Relaxed);
            let Some(tokens) = windows.get(position) else { return Ok(done) };
            bar.show("scoring", position as u64, windows.len() as u64);
            done.push((position, score(&mut model, tokens)?));
        }
    };
    let threads = threads.min(windows.len().max(1));
    let results = if threads == 1 {
        vec![work()]
    } else {
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            handles.into_iter().map(|handle| handle.join().expect("a scoring thread panicked")).collect()
        })
    };
    bar.finish();
    let mut losses = Vec::new();
    for result in results {
        losses.extend(result?);
    }
    losses.sort_by_key(|(position, _)| *position);
    Ok(losses.into_iter().map(|(_, losses)| losses).collect())
}
