//! `nomul quantize`.

use std::{fs, path::PathBuf, time::Instant};

use clap::ValueEnum;
use nomul::{Result, bail, weights::MatrixId};
use nomul_quant::{
    checkpoint::Checkpoint,
    fit::{
        Gptq,
        bits::{Budget, ChooseBits, Greedy, Uniform},
    },
    quantize::{Options, quantize},
    tune::Tuned,
};
use nomul_text::Tokenizer;

use crate::{folder::io, progress::Bar};

/// Text that the default model wrote itself; see the README beside it.
const CALIBRATION: &str = include_str!("../../quant/calibration/calibration.txt");

/// The most weights of a model that is tuned without being asked to: in floats they take 2 GB.
const MOST_TUNED: usize = 500_000_000;

#[derive(clap::Args)]
pub struct Arguments {
    /// A Hugging Face folder, a .gguf file, or hf:ORG/NAME
    checkpoint: String,
    /// The model folder to make
    #[arg(short, long)]
    output: PathBuf,
    /// Planes a weight, on average over the blocks' matrices (scales come on top) [default: 4.2; of --spacing even 3.2]
    #[arg(long, conflicts_with = "bytes")]
    bits: Option<f64>,
    /// Bytes for everything instead
    #[arg(long)]
    bytes: Option<u64>,
    /// Milliseconds that a token is predicted to take instead, at the speed that --signs-per-second tells
    #[arg(long, requires = "signs_per_second", conflicts_with_all = ["bits", "bytes"])]
    milliseconds: Option<f64>,
    /// How fast the model's planes are read where it is to run: `nomul bench` tells it of any model there
    #[arg(long, requires = "milliseconds")]
    signs_per_second: Option<f64>,
    /// Planes a weight, on average, with which a model answers before the rest has come [default: 1.29 fewer than all; all of an
    /// encoder]
    #[arg(long)]
    start_bits: Option<f64>,
    /// Planes of the embedding, the head and an encoder's positions [default: as measured; 6 without measuring]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=8))]
    table_planes: Option<u8>,
    /// The same in the first level, with which a model answers [default: as measured; 4 without measuring, or where --table-planes is
    /// given]
    #[arg(long, value_parser = clap::value_parser!(u8).range(2..=8))]
    start_table_planes: Option<u8>,
    /// Text to calibrate on, instead of the built-in one
    #[arg(long)]
    calibration: Option<PathBuf>,
    /// How much time it may take
    #[arg(long, default_value = "default")]
    effort: Effort,
    /// Windows of the calibration text, for an encoder lines of it, whatever the effort; 0: no calibration
    #[arg(long)]
    windows: Option<usize>,
    /// Tokens of a window; of an encoder's line at most [default: 1024, or as many as the model takes; 128 for an encoder]
    #[arg(long)]
    window: Option<usize>,
    /// Where the levels of a decoder's blocks lie. Free: where weights are; fewest planes, which run fastest. Even: fewest bytes, for
    /// more planes; --bits and --start-bits count bits that planes are coded in then. Not with --milliseconds or --effort fast
    #[arg(long, default_value = "free", conflicts_with = "milliseconds")]
    spacing: Spacing,
    /// Which matrices of the blocks get more of the budget: those that save most by it, as measured, or none, to compare with
    #[arg(long, default_value = "measured")]
    allocation: Allocation,
    /// Steps of 512 tokens that tune the scales of a decoder through the whole model, which is then held in memory in floats; as
    /// many again for the planes that it starts with; 0: none [default: by the effort; 0 above 500 million weights]
    #[arg(long)]
    tuning: Option<usize>,
    /// Steps of 512 tokens that the matrices of a decoder which are yet to be fitted take while each block is, to make up for what those
    /// before miss; the model is then held in memory in floats; 0: none [default: by the effort; 0 above 500 million weights]
    #[arg(long)]
    adapt: Option<usize>,
    /// Seed of the rotations, of how scales are rounded, and of the tokens that are drawn to measure what matters
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Replace the output folder if it exists
    #[arg(long)]
    force: bool,
    /// Keep what is done in a hidden folder beside the output until that is made; given again after a stop, the same command goes
    /// on from there
    #[arg(long)]
    resume: bool,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Spacing {
    Free,
    Even,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Allocation {
    Measured,
    Uniform,
}

#[derive(Clone, Copy, ValueEnum)]
enum Effort {
    /// Seconds: no calibration, the same planes everywhere
    Fast,
    /// Minutes: 64 windows of the calibration text, 8 of them to measure how much each matrix matters, 4 steps for each block that
    /// adapt and 12 that tune (for an encoder 512 lines, none measured)
    Default,
    /// Longer: 128 windows, 16 of them measured, 8 steps for each block that adapt and 60 that tune (for an encoder 1024 lines)
    Best,
}

impl Effort {
    /// Windows to calibrate on, and how many of them are measured.
    fn windows(self, is_encoder: bool) -> (usize, usize) {
        match self {
            Effort::Fast => (0, 0),
            Effort::Default if is_encoder => (512, 0),
            Effort::Best if is_encoder => (1024, 0),
            Effort::Default => (64, 8),
            Effort::Best => (128, 16),
        }
    }

    /// Steps that adapt, before each block.
    fn adapting(self) -> usize {
        match self {
            Effort::Fast => 0,
            Effort::Default => 4,
            Effort::Best => 8,
        }
    }

    /// Steps that tune.
    fn tuning(self) -> usize {
        match self {
            Effort::Fast => 0,
            Effort::Default => 12,
            Effort::Best => 60,
        }
    }
}

pub fn run(arguments: Arguments) -> Result<()> {
    let started = Instant::now();
    let checkpoint = Checkpoint::open(&crate::folder::checkpoint(&arguments.checkpoint)?)?;
    let config = checkpoint.config();
    let (default, least, most) = match config.encoder {
        Some(encoder) => (128.min(encoder.max_tokens), 3, encoder.max_tokens),
        None => (1024.min(config.max_position_embeddings), 2, config.max_position_embeddings),
    };
    let window = arguments.window.unwrap_or(default);
    if !(least..=most).contains(&window) {
        bail!(Input, "--window {window}: {least} to {most} for this model");
    }
    if let Some(start) = arguments.start_bits.filter(|start| !(1.0..=8.0).contains(start)) {
        bail!(Input, "--start-bits {start}: 1 to 8");
    }
    let files = checkpoint.text_files()?;
    let file = |name: &str| files.iter().find(|(file, _)| file == name).map(|(_, bytes)| bytes.as_slice());
    let Some(tokenizer) = file("tokenizer.json") else {
        bail!(Missing, "{}: no tokenizer.json", arguments.checkpoint);
    };
    let tokenizer = Tokenizer::from_json(tokenizer, file("tokenizer_config.json"))?;
    let text = match &arguments.calibration {
        Some(path) => fs::read_to_string(path).map_err(|e| io(path, e))?,
        None => CALIBRATION.into(),
    };
    let (count, measured) = arguments.effort.windows(config.encoder.is_some());
    let count = arguments.windows.unwrap_or(count);
    if count == 0 && arguments.calibration.is_some() {
        bail!(Input, "--calibration: no window of it would be read; choose another --effort, or --windows above 0");
    }
    let mut windows: Vec<Vec<u32>> = Vec::new();
    if count > 0 && config.encoder.is_some() {
        // What an encoder meets: one text at a time, with what stands around it.
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(count);
        windows = lines.map(|line| tokenizer.encode_within(line, window)).collect::<Result<_>>()?;
        if windows.is_empty() {
            bail!(Input, "calibration text: no line has a text");
        }
    } else if count > 0 {
        let tokens = tokenizer.encode(&text, false)?;
        windows.extend(tokens.chunks_exact(window).take(count).map(<[u32]>::to_vec));
        if windows.is_empty() {
            bail!(
                Input,
                "calibration text: {} tokens, less than one window of {}; use a longer text or a smaller --window",
                tokens.len(),
                window
            );
        }
    }
    let bits = arguments.bits.unwrap_or(if arguments.spacing == Spacing::Even { 3.2 } else { 4.2 });
    let by_gain: &dyn ChooseBits = if arguments.allocation == Allocation::Uniform { &Uniform } else { &Greedy };
    let (budget, choose) = match (arguments.bytes, arguments.milliseconds) {
        (Some(bytes), _) => (Budget::Bytes(bytes), by_gain),
        (None, Some(most)) => {
            let speed = arguments.signs_per_second.unwrap_or_default();
            if !(speed.is_finite() && speed > 0.0) {
                bail!(Input, "--signs-per-second {speed}: a number above 0");
            }
            (Budget::Milliseconds { most, signs_per_millisecond: speed / 1e3 }, by_gain)
        }
        // Without measuring, all matrices look alike.
        _ if measured == 0 || windows.is_empty() => (Budget::BitsPerWeight(bits), &Uniform as &dyn ChooseBits),
        _ => (Budget::BitsPerWeight(bits), by_gain),
    };
    if arguments.spacing == Spacing::Even && (measured == 0 || windows.is_empty()) {
        bail!(Input, "--spacing even: nothing is measured; choose another --effort, or --windows above 0")
    }
    let weights: usize =
        MatrixId::all(config).map(|id| id.kind.shape(config)).map(|(rows, columns)| rows * columns).sum();
    let steps = |name: &str, asked: Option<usize>, by_effort: usize| match asked {
        Some(steps) if steps > 0 && windows.is_empty() => {
            bail!(
                Input,
                "--{name} {steps}: there is no calibration text; choose another --effort, or --windows above 0"
            )
        }
        Some(steps) if steps > 0 && config.encoder.is_some() => {
            bail!(Input, "--{name} {steps}: an encoder predicts nothing that it could learn by")
        }
        Some(steps) => Ok(steps),
        None if weights > MOST_TUNED => Ok(0),
        None => Ok(by_effort),
    };
    let adapting = steps("adapt", arguments.adapt, arguments.effort.adapting())?;
    let tuning = steps("tuning", arguments.tuning, arguments.effort.tuning())?;
    let options = Options {
        fit: &Gptq::default(),
        choose,
        budget,
        is_even: arguments.spacing == Spacing::Even,
        start: arguments.start_bits,
        table_planes: arguments.table_planes.map(usize::from),
        start_table_planes: arguments.start_table_planes.map(usize::from),
        windows: &windows,
        measured,
        adapting,
        tuning: [tuning; 2],
        seed: arguments.seed,
        replace: arguments.force,
        resume: arguments.resume,
    };
    crate::signals::remove_partial_folders();
    let bar = Bar::new();
    let report = quantize(&checkpoint, &arguments.output, &options, &|p| bar.show(&p.step, p.done, p.total));
    bar.finish();
    let report = report?;
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "{:.2} planes a weight, {:.2} bits with scales, {:.1} MB, {seconds:.0} s",
        report.bits,
        report.bits_with_scales,
        report.bytes as f64 / 1e6
    );
    if let Some(tau) = report.kendall_tau {
        eprintln!("what matrices lose was foreseen with a Kendall's tau of {tau:.2}");
    }
    for (what, tuned) in ["all planes", "those it starts with"].into_iter().zip(report.tuning) {
        if let Some(Tuned { before, after }) = tuned {
            eprintln!(
                "{what}: tuned from {before:.3} to {after:.3} nats a token away from the checkpoint's predictions"
            );
        }
    }
    if arguments.json {
        let mut json = serde_json::to_value(&report).unwrap_or_default();
        json["seconds"] = seconds.into();
        json["folder"] = arguments.output.display().to_string().into();
        println!("{json}");
    } else {
        println!("{}", arguments.output.display());
    }
    Ok(())
}
