//! `nomul perplexity`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use clap::ValueEnum;
use nomul::{Model, Result, State, bail, config::ModelConfig, kernel::Precision, weights::Weights};
use nomul_quant::{
    checkpoint::Checkpoint,
    dense::Dense,
    perplexity::{Distance, compare, summarize, window},
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
    /// What runs beside the matrices of a model folder; a checkpoint runs in floats
    #[arg(long, default_value = "shift")]
    arithmetic: Kind,
    /// Also tells how far the scores are from these: a checkpoint's, or "float", the same model's with all but its
    /// matrices in floats
    #[arg(long)]
    reference: Option<String>,
    #[command(flatten)]
    threads: Threads,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Shifts, look-ups and additions
    Shift,
    /// Plain float mathematics: what the other is measured against
    Float,
}

/// The losses of a window, and the distance from a reference, summed up over it.
type Scored = (Vec<f64>, Option<Distance>);

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
    let dense = match arguments.reference.as_deref() {
        None | Some("float") => None,
        Some(reference) => {
            let checkpoint = Checkpoint::open(&folder::checkpoint(reference)?)?;
            Some((Dense::load(&checkpoint)?, checkpoint.config().clone()))
        }
    };
    let scored = if folder::is_model(path) {
        let file = |name: &str| fs::read(path.join(name));
        let tokenizer = file("tokenizer.json").map_err(|e| io(&path.join("tokenizer.json"), e))?;
        let windows = windows(&tokenizer, file("tokenizer_config.json").ok().as_deref())?;
        let precision = arguments.table_bits.and_then(Precision::new);
        let open = || -> Result<Model> {
            let mut model = folder::model(path, arguments.planes)?;
            model.set_precision(precision);
            Ok(model)
        };
        // Each thread has models of its own: the kernel's scratch is part of them.
        let same = arguments.reference.as_deref() == Some("float");
        let open = || -> Result<(Model, Option<Model>)> { Ok((open()?, same.then(open).transpose()?)) };
        each(&windows, threads, open, |(model, twin), tokens| {
            let mut other = dense.as_ref().map(|(dense, config)| (dense.view(), config));
            match (arguments.arithmetic, twin, &mut other) {
                (Kind::Shift, None, None) => {
                    let (config, weights) = model.parts();
                    score(config, weights, tokens)
                }
                (Kind::Float, None, None) => {
                    let (config, mut weights) = model.float_parts();
                    score(config, &mut weights, tokens)
                }
                (Kind::Shift, Some(twin), _) => {
                    let (config, weights) = model.parts();
                    let (twin_config, mut twin) = twin.float_parts();
                    against((config, weights), (twin_config, &mut twin), tokens)
                }
                (Kind::Float, Some(_), _) => bail!(Input, "--reference float of --arithmetic float: they are the same"),
                (Kind::Shift, None, Some((view, view_config))) => against(model.parts(), (view_config, view), tokens),
                (Kind::Float, None, Some((view, view_config))) => {
                    let (config, mut weights) = model.float_parts();
                    against((config, &mut weights), (view_config, view), tokens)
                }
            }
        })?
    } else {
        let checkpoint = Checkpoint::open(&folder::checkpoint(&arguments.model)?)?;
        let files = checkpoint.text_files()?;
        let file = |name: &str| files.iter().find(|(file, _)| file == name).map(|(_, bytes)| bytes.as_slice());
        let Some(tokenizer) = file("tokenizer.json") else {
            bail!(Missing, "{}: no tokenizer.json", arguments.model);
        };
        let windows = windows(tokenizer, file("tokenizer_config.json"))?;
        let model = Dense::load(&checkpoint)?;
        let config = checkpoint.config();
        each(
            &windows,
            threads,
            || Ok(model.view()),
            |view, tokens| match &dense {
                None => score(config, view, tokens),
                Some((reference, reference_config)) => {
                    against((config, view), (reference_config, &mut reference.view()), tokens)
                }
            },
        )?
    };
    let (losses, distances): (Vec<Vec<f64>>, Vec<Option<Distance>>) = scored.into_iter().unzip();
    let result = summarize(&losses)?;
    let distance = distances.into_iter().reduce(|a, b| {
        let (a, b) = (a?, b?);
        Some(Distance {
            top_1_agreement: a.top_1_agreement + b.top_1_agreement,
            divergence: a.divergence + b.divergence,
        })
    });
    let distance = distance.flatten().map(|sum| Distance {
        top_1_agreement: sum.top_1_agreement / result.tokens as f64,
        divergence: sum.divergence / result.tokens as f64,
    });
    if arguments.json {
        let mut json = serde_json::to_value(&result).unwrap_or_default();
        json["window"] = arguments.window.into();
        json["losses"] = json!(losses.iter().map(|w| w.iter().sum::<f64>() / w.len() as f64).collect::<Vec<_>>());
        if let Some(distance) = distance {
            json["reference"] = serde_json::to_value(distance).unwrap_or_default();
        }
        println!("{json}");
    } else {
        println!(
            "{:.4} ± {:.4} over {} tokens in {} windows",
            result.perplexity, result.standard_error, result.tokens, result.windows
        );
        if let Some(Distance { top_1_agreement, divergence }) = distance {
            let percent = 100.0 * top_1_agreement;
            println!("against the reference: {percent:.2} % agree on the next token, divergence {divergence:.5} nats");
        }
    }
    Ok(())
}

fn score<W: Weights>(config: &ModelConfig, weights: &mut W, tokens: &[u32]) -> Result<Scored> {
    Ok((window(config, weights, &mut State::new(config, tokens.len())?, tokens)?, None))
}

fn against<W: Weights, R: Weights>(
    (config, weights): (&ModelConfig, &mut W),
    (reference_config, reference): (&ModelConfig, &mut R),
    tokens: &[u32],
) -> Result<Scored> {
    let (mut state, mut other) = (State::new(config, tokens.len())?, State::new(reference_config, tokens.len())?);
    let (losses, distance) = compare((config, weights, &mut state), (reference_config, reference, &mut other), tokens)?;
    Ok((losses, Some(distance)))
}

/// Scores every window, the threads taking the next one each time, which needs less waiting than a team; `open` makes
/// what a thread works with.
fn each<M>(
    windows: &[Vec<u32>],
    threads: usize,
    open: impl Fn() -> Result<M> + Sync,
    score: impl Fn(&mut M, &[u32]) -> Result<Scored> + Sync,
) -> Result<Vec<Scored>> {
    let bar = Bar::new();
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Scored)>> {
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
