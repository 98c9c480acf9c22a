//! `nomul json embed`.

use std::{collections::HashSet, fs, path::PathBuf};

use nomul::{
    Result, bail,
    json::{Encoder, Header, Inference, Path, Schema, Step, Value, Vocabulary},
    search::{Index, Kind, Metric, Shape, Vector},
    vsa::{Bits, Bundle},
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
    let mut made = Made {
        index: Index::new(Shape::new(Kind::Signs, schema.dimension, Metric::Cosine)?, &schema.identity())?,
        bundle: Bundle::new(schema.dimension),
        signs: Bits::identity(schema.dimension),
        vocabulary: Vocabulary::new(arguments.vocabulary),
        ids: Vec::new(),
        taken: HashSet::new(),
        encoder: Encoder::new(schema)?,
        id,
    };
    let bar = Bar::new();
    let all = first.len() as u64;
    for (done, (line, document)) in first.into_iter().enumerate() {
        made.take(line, document)
            .map_err(|error| error.at(format!("{}: line {line}", arguments.documents.display())))?;
        if done % 256 == 0 {
            bar.show("encoding the sample", done as u64, all);
        }
    }
    while let Some(document) = lines.document()? {
        let line = lines.line;
        made.take(line, document).map_err(|error| lines.place(error))?;
        if made.ids.len() % 256 == 0 {
            let step = format!("{} documents", made.ids.len());
            bar.show(&step, lines.done, lines.total.unwrap_or(lines.done));
        }
    }
    bar.finish();
    if made.ids.is_empty() {
        bail!(Input, "{}: no documents", arguments.documents.display());
    }
    let (documents, dimension) = (made.ids.len(), made.encoder.schema().dimension);
    if let Some(path) = &arguments.write_schema {
        fs::write(path, made.encoder.schema().text()).map_err(|error| io(path, error))?;
    }
    let header = Header::new(&made.encoder, made.vocabulary, made.ids);
    let bytes = file::save(&arguments.output, &header, &made.index)?;
    let seconds = started.elapsed().as_secs_f64();
    if arguments.json {
        let result = json!({
            "documents": documents, "dimension": dimension, "identity": header.identity, "bytes": bytes, "seconds": seconds,
        });
        println!("{result}");
    } else {
        println!("{documents} documents, {dimension} signs each, {bytes} bytes, {}", header.identity);
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
    encoder: Encoder,
    bundle: Bundle,
    signs: Bits,
    index: Index,
    vocabulary: Vocabulary,
    ids: Vec<String>,
    taken: HashSet<String>,
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
        if !self.taken.insert(id.clone()) {
            bail!(Input, "the id {id:?} came before");
        }
        self.encoder.encode_into(&document, &mut self.bundle)?;
        self.bundle.majority_into(self.encoder.ties(), &mut self.signs);
        self.index.insert(self.ids.len() as u64, Vector::Words(self.signs.words()))?;
        self.vocabulary.observe(&document);
        self.ids.push(id);
        Ok(())
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
