//! `nomul bench`: prefill and decode of a model folder, what the kernel alone would take, and how fast planes are read.

use std::{path::PathBuf, time::Instant};

use nomul::{
    Model, Result, State, bail,
    forward::{CHUNK, decode, prefill},
    weights::{MatrixId, Weights},
};
use serde_json::json;

use crate::{folder, threads::Threads};

#[derive(clap::Args)]
pub struct Arguments {
    /// A model folder
    folder: PathBuf,
    #[command(flatten)]
    threads: Threads,
    /// Tokens of the prompt
    #[arg(long, default_value_t = 177)]
    prompt: usize,
    /// Tokens to decode
    #[arg(short = 'n', long, default_value_t = 96)]
    tokens: usize,
    /// Rounds; medians are reported
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Use only the first planes
    #[arg(long)]
    planes: Option<usize>,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> Result<()> {
    if arguments.prompt == 0 || arguments.tokens == 0 || arguments.rounds == 0 {
        bail!(Input, "--prompt, --tokens and --rounds must be at least 1");
    }
    let team = arguments.threads.team()?;
    let threads = team.size();
    let mut model = folder::model(&arguments.folder, arguments.planes)?;
    let mut state = State::new(model.config(), arguments.prompt + arguments.tokens)?;
    state.set_team(team.clone());
    model.set_team(team);
    let vocabulary = model.config().vocab_size as u32;
    // Any tokens will do: the work does not depend on them.
    let prompt: Vec<u32> = (0..arguments.prompt as u32).map(|i| (i * 7919 + 13) % vocabulary).collect();
    let (mut prefills, mut decodes, mut products) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let (config, weights) = model.parts();
        state.truncate(0);
        let started = Instant::now();
        for chunk in prompt.chunks(CHUNK) {
            prefill(config, weights, &mut state, chunk)?;
        }
        prefills.push(arguments.prompt as f64 / started.elapsed().as_secs_f64());
        let started = Instant::now();
        let mut token = prompt[0];
        for _ in 0..arguments.tokens {
            let logits = decode(config, weights, &mut state, token)?;
            token = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0) as u32;
        }
        decodes.push(arguments.tokens as f64 / started.elapsed().as_secs_f64());
        products.push(kernel_seconds(&mut model));
    }
    let (prefill, decode, kernel) = (median(prefills), median(decodes), median(products));
    let name = model.back_end().name();
    let share = kernel * decode;
    let speed = signs(&model) as f64 * decode;
    if arguments.json {
        let megabytes = model.total() as f64 / 1e6;
        println!(
            "{}",
            json!({
                "back_end": name,
                "threads": threads,
                "prompt_tokens": arguments.prompt,
                "tokens": arguments.tokens,
                "rounds": arguments.rounds,
                "model_megabytes": megabytes,
                "prefill_tokens_per_s": prefill,
                "decode_tokens_per_s": decode,
                "kernel_ms_per_token": kernel * 1e3,
                "kernel_share": share,
                "signs_per_s": speed,
            })
        );
    } else {
        println!(
            "{name}, {threads} threads: prefill {prefill:.1} tokens/s, decode {decode:.1} tokens/s, of which {:.0} % in the kernel; {speed:.3e} signs/s",
            100.0 * share
        );
    }
    Ok(())
}

/// Signs that are read for a token.
fn signs(model: &Model) -> usize {
    let ids = MatrixId::all(model.config()).zip(model.inspect());
    ids.map(|(id, matrix)| matrix.planes_ready * matrix.columns * id.kind.rows_read(model.config())).sum()
}

/// Seconds for every product of one token, nothing else.
fn kernel_seconds(model: &mut Model) -> f64 {
    let (config, weights) = model.parts();
    let x: Vec<f32> = (0..config.hidden_size.max(config.intermediate_size)).map(|i| (i % 17) as f32 - 8.0).collect();
    let mut y = vec![0.0; config.vocab_size.max(config.intermediate_size)];
    let started = Instant::now();
    for id in MatrixId::all(config) {
        let (rows, columns) = id.kind.shape(config);
        weights.product(id, &x[..columns], 1, &mut y[..rows]);
    }
    started.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
