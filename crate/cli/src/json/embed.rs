//! `nomul json embed`.

use std::{fs, path::PathBuf};

use nomul::{
    Result, bail,
    json::{Encoder, Inference, Path, Schema, Space, Step, Value},
};
use serde_json::json;

use super::file::{self, Lines};
use crate::{folder::io, progress::Bar};

#[derive(clap::Args)]
pub struct Arguments {
    /// A file of JSON Lines, one document a line; "-" for standard input
    documents: PathBuf,
    /// Where to write the index
    #[arg(short, long)]
    output: PathBuf,
    /// Signs of a vector, 256 to 65536 [default: 4096, or what the schema says]
    #[arg(long)]
    dimension: Option<usize>,
    /// Everything random follows from it [default: 0, or what the schema says]
    #[arg(long)]
    seed: Option<u64>,
    /// Hints by path: a file that --write-schema wrote, perhaps changed. Nothing is inferred then
    #[arg(long)]
    schema: Option<PathBuf>,
    /// Writes the schema that was used
    #[arg(long)]
    write_schema: Option<PathBuf>,
    /// The path of what names a document, which is left out of its vector [default: the number of the line]
    #[arg(long)]
    id: Option<String>,
    /// Documents from which the schema is inferred
    #[arg(long, default_value_t = 10_000)]
    sample: usize,
    /// Different values that are remembered for `nomul json get`
    #[arg(long, default_value_t = 1_000_000)]
    vocabulary: usize,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> Result<()> {
    let started = std::time::Instant::now();
    let id = arguments.id.as_deref().map(Path::parse).transpose().map_err(|error| error.at("--id"))?;
    let mut lines = Lines::open(&arguments.documents)?;
    let mut first = Vec::new();
    let schema = schema(&arguments, id.as_ref(), &mut lines, &mut first)?;
    let mut made = Made { space: Space::new(Encoder::new(schema)?, arguments.vocabulary)?, id };
    let bar = Bar::new();
    let all = first.len() as u64;
    for (done, (line, document)) in first.into_iter().enumerate() {
        made.take(line, document)
            .map_err(|error| error.at(format!("{}: line {line}", arguments.documents.display())))?;
        if done.is_multiple_of(256) {
            bar.show("encoding the sample", done as u64, all);
        }
    }
    while let Some(document) = lines.document()? {
        let line = lines.line;
        made.take(line, document).map_err(|error| lines.place(error))?;
        if made.space.len().is_multiple_of(256) {
            let step = format!("{} documents", made.space.len());
            bar.show(&step, lines.done, lines.total.unwrap_or(lines.done));
        }
    }
    bar.finish();
    if made.space.is_empty() {
        bail!(Input, "{}: no documents", arguments.documents.display());
    }
    let (documents, dimension) = (made.space.len(), made.space.encoder.schema().dimension);
    if let Some(path) = &arguments.write_schema {
        file::save(path, made.space.encoder.schema().text().as_bytes())?;
    }
    let (bytes, identity) = (made.space.save()?, made.space.encoder.identity());
    file::save(&arguments.output, &bytes)?;
    let bytes = bytes.len();
    let seconds = started.elapsed().as_secs_f64();
    if arguments.json {
        let result = json!({
            "documents": documents, "dimension": dimension, "identity": identity, "bytes": bytes, "seconds": seconds,
        });
        println!("{result}");
    } else {
        println!("{documents} documents, {dimension} signs each, {bytes} bytes, {}", identity);
    }
    Ok(())
}

/// The schema: as written, or inferred from the first documents, which are kept.
fn schema(
    arguments: &Arguments,
    id: Option<&Path>,
    lines: &mut Lines,
    first: &mut Vec<(usize, Value)>,
) -> Result<Schema> {
    let mut schema = match &arguments.schema {
        Some(path) => {
            let text = fs::read(path).map_err(|error| io(path, error))?;
            Schema::parse(&text).map_err(|error| error.at(path.display()))?
        }
        None => Schema::new(4_096),
    };
    schema.dimension = arguments.dimension.unwrap_or(schema.dimension);
    schema.seed = arguments.seed.unwrap_or(schema.seed);
    if let Some(id) = id {
        schema.paths.entry(id.pattern()).or_default().ignore = true;
    }
    if arguments.schema.is_none() {
        let mut inference = Inference::new();
        while first.len() < arguments.sample {
            let Some(document) = lines.document()? else { break };
            inference.observe(&document);
            first.push((lines.line, document));
        }
        inference.complete(&mut schema);
    }
    schema.check()?;
    Ok(schema)
}

/// The index in the making.
struct Made {
    space: Space,
    id: Option<Path>,
}

impl Made {
    fn take(&mut self, line: usize, document: Value) -> Result<()> {
        let id = match &self.id {
            None => line.to_string(),
            Some(path) => match at(&document, path) {
                Some(Value::String(text)) => text.clone(),
                Some(number @ Value::Number(_)) => number.to_string(),
                Some(other) => bail!(Input, "--id {path}: {other} is neither text nor a number"),
                None => bail!(Missing, "--id {path}: nothing is there"),
            },
        };
        self.space.insert(&id, &document)
    }
}

/// What lies at a path of a document.
fn at<'a>(document: &'a Value, path: &Path) -> Option<&'a Value> {
    path.0.iter().try_fold(document, |value, step| match (value, step) {
        (Value::Object(fields), Step::Key(key)) => {
            fields.iter().find(|(other, _)| other == key).map(|(_, value)| value)
        }
        (Value::Array(items), Step::Index(i)) => items.get(*i),
        _ => None,
    })
}
