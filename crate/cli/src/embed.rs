//! `nomul embed`: vectors of texts.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use nomul::{
    ModelConfig, Result, bail,
    encoder::{EncoderState, advance, begin},
    float::Float,
};
use nomul_quant::{checkpoint::Checkpoint, dense::Dense};
use nomul_text::{Encoder, Tokenizer};
use serde_json::json;

use crate::{
    folder::{self, io},
    graph::{
        npy,
        output::{Numbers, Output},
    },
    progress::Bar,
    threads::Threads,
};

#[derive(clap::Args)]
#[group(id = "source", required = true, multiple = true)]
pub struct Arguments {
    /// A model folder of a sentence encoder, or its checkpoint (run in full precision)
    model: String,
    /// A text; may be given several times
    #[arg(short, long, group = "source")]
    prompt: Vec<String>,
    /// A file with a text on each line
    #[arg(long, group = "source", conflicts_with = "prompt")]
    text: Option<PathBuf>,
    /// The file to write: an array (texts, elements) in NumPy's format; without it the vectors are printed, one a line
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// The most tokens of a text, the rest of which is left out [default: as the model's files say]
    #[arg(long)]
    max_tokens: Option<usize>,
    /// Use only the first planes
    #[arg(long)]
    planes: Option<usize>,
    #[command(flatten)]
    threads: Threads,
    /// One JSON object on the last line of standard output; it has the vectors where no file is written
    #[arg(long)]
    json: bool,
}

/// A model that makes vectors of texts.
enum Embedder {
    Planes(Box<Encoder>),
    /// A checkpoint in full precision.
    Floats {
        config: Box<ModelConfig>,
        dense: Dense,
        tokenizer: Box<Tokenizer>,
        state: Box<EncoderState<Float>>,
    },
}

impl Embedder {
    fn open(arguments: &Arguments) -> Result<Embedder> {
        let (path, most) = (Path::new(&arguments.model), arguments.max_tokens);
        if folder::is_model(path) {
            let mut encoder = folder::encoder(path, arguments.planes, most)?;
            encoder.set_team(arguments.threads.team()?);
            return Ok(Embedder::Planes(Box::new(encoder)));
        }
        if arguments.planes.is_some() {
            bail!(Input, "--planes: a checkpoint has none");
        }
        let checkpoint = Checkpoint::open(&folder::checkpoint(&arguments.model)?)?;
        let config = checkpoint.config().clone();
        let told = config.encoder.map_or(1, |encoder| encoder.max_tokens);
        let state = Box::new(EncoderState::new(&config, most.unwrap_or(told))?);
        let files = checkpoint.text_files()?;
        let file = |name: &str| files.iter().find(|(file, _)| file == name).map(|(_, bytes)| bytes.as_slice());
        let Some(tokenizer) = file("tokenizer.json") else {
            bail!(Missing, "{}: no tokenizer.json", arguments.model);
        };
        let tokenizer = Box::new(Tokenizer::from_json(tokenizer, file("tokenizer_config.json"))?);
        Ok(Embedder::Floats { dense: Dense::load(&checkpoint)?, config: Box::new(config), tokenizer, state })
    }

    /// The vector of a text, of length one.
    fn embed(&mut self, text: &str) -> Result<Vec<f32>> {
        match self {
            Embedder::Planes(encoder) => encoder.embed(text),
            Embedder::Floats { config, dense, tokenizer, state } => {
                let ids = tokenizer.encode_within(text, state.most())?;
                begin(config, &dense.view(), state, &ids)?;
                while !advance(config, &mut dense.view(), state) {}
                Ok(state.unit().to_vec())
            }
        }
    }

    /// What runs, for people.
    fn name(&self) -> &'static str {
        match self {
            Embedder::Planes(encoder) => encoder.model().back_end().name(),
            Embedder::Floats { .. } => "float",
        }
    }
}

pub fn run(arguments: Arguments) -> Result<()> {
    let texts: Vec<String> = match &arguments.text {
        None => arguments.prompt.clone(),
        Some(path) => fs::read_to_string(path).map_err(|e| io(path, e))?.lines().map(str::to_string).collect(),
    };
    if texts.is_empty() {
        bail!(Input, "there is no text");
    }
    let mut embedder = Embedder::open(&arguments)?;
    let started = Instant::now();
    let bar = Bar::new();
    let mut vectors = Vec::with_capacity(texts.len());
    for (number, text) in texts.iter().enumerate() {
        bar.show("embedding", number as u64, texts.len() as u64);
        vectors.push(embedder.embed(text)?);
    }
    bar.finish();
    let seconds = started.elapsed().as_secs_f64();
    let elements = vectors.first().map_or(0, Vec::len);
    if let Some(path) = &arguments.output {
        write(path, &vectors, elements)?;
    }
    if arguments.json {
        let mut result = json!({
            "back_end": embedder.name(),
            "texts": texts.len(),
            "elements": elements,
            "seconds": seconds,
        });
        match &arguments.output {
            Some(path) => result["output"] = path.display().to_string().into(),
            None => result["vectors"] = json!(vectors),
        }
        println!("{result}");
    } else if let Some(path) = &arguments.output {
        println!("{}", path.display());
    } else {
        for vector in &vectors {
            println!("{}", json!(vector));
        }
    }
    Ok(())
}

/// Writes an array (vectors, elements).
fn write(path: &Path, vectors: &[Vec<f32>], elements: usize) -> Result<()> {
    let mut output = Output::new(path)?;
    output.write(&npy::header(Numbers::F32, vectors.len(), elements))?;
    for vector in vectors {
        output.write(&vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    output.finish()
}
