//! `nomul json search`, `get` and `explain`.

use std::path::PathBuf;

use nomul::{
    Result, bail,
    json::{Path, Value, Vector},
    search::Hit,
};
use serde_json::json;

use super::file::{Lines, open, value};
use crate::progress::Bar;

#[derive(clap::Args)]
pub struct SearchArguments {
    /// An index
    index: PathBuf,
    /// A document: JSON, "@FILE", or "-" for standard input
    #[arg(required_unless_present = "queries")]
    query: Option<String>,
    /// A file of JSON Lines, each of them a query
    #[arg(long, conflicts_with = "query")]
    queries: Option<PathBuf>,
    /// How many documents
    #[arg(short, default_value_t = 10)]
    k: usize,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

pub fn search(arguments: SearchArguments) -> Result<()> {
    let mut space = open(&arguments.index)?;
    let mut queries = Vec::new();
    if let Some(query) = &arguments.query {
        queries.push(space.encoder.signs(&value(query)?)?);
    }
    if let Some(path) = &arguments.queries {
        let mut lines = Lines::open(path)?;
        while let Some(document) = lines.document()? {
            queries.push(space.encoder.signs(&document).map_err(|error| lines.place(error))?);
        }
    }
    let started = std::time::Instant::now();
    let bar = Bar::new();
    let mut results = Vec::new();
    // Some at a time: they share one reading of the index.
    for part in queries.chunks(64) {
        bar.show("searching", results.len() as u64, queries.len() as u64);
        let mut search = space.start(part, arguments.k)?;
        while !space.step(&mut search, 65_536, &|_| true)? {}
        results.extend(search.hits());
    }
    bar.finish();
    let seconds = started.elapsed().as_secs_f64();
    if arguments.json {
        let hits = |hits: &Vec<Hit>| {
            space.named(hits).map(|(id, similarity)| json!({ "id": id, "similarity": similarity })).collect::<Vec<_>>()
        };
        let documents = space.len();
        let all: Vec<_> = results.iter().map(hits).collect();
        let result = match (&arguments.query, all.first()) {
            (Some(_), Some(hits)) => json!({ "documents": documents, "hits": hits, "seconds": seconds }),
            _ => json!({ "documents": documents, "queries": all, "seconds": seconds }),
        };
        println!("{result}");
        return Ok(());
    }
    for (i, hits) in results.iter().enumerate() {
        if results.len() > 1 {
            println!("query {}", i + 1);
        }
        for (id, similarity) in space.named(hits) {
            println!("{similarity:8.4}  {id}");
        }
    }
    Ok(())
}

#[derive(clap::Args)]
pub struct GetArguments {
    /// An index
    index: PathBuf,
    /// The name of a document: what --id named, or the number of its line
    id: String,
    /// A path, such as "a.b[2].c"; "$" for all that is found
    path: String,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

pub fn get(arguments: GetArguments) -> Result<()> {
    let path = Path::parse(&arguments.path)?;
    let mut space = open(&arguments.index)?;
    let vector = Vector::Signs(space.vector(&arguments.id)?);
    let answer = space.get(&vector, &path)?;
    if arguments.json {
        println!("{}", json!(answer));
    } else {
        println!("{}", answer.value);
        eprintln!(
            "confidence {:.4}, similarity {:.4}, {} candidates",
            answer.confidence, answer.similarity, answer.candidates
        );
    }
    Ok(())
}

#[derive(clap::Args)]
pub struct ExplainArguments {
    /// An index
    index: PathBuf,
    /// The name of a document in it: what --id named, or the number of its line
    id: String,
    /// The other document: JSON, "@FILE", or "-" for standard input
    query: String,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

pub fn explain(arguments: ExplainArguments) -> Result<()> {
    let mut space = open(&arguments.index)?;
    let query: Value = value(&arguments.query)?;
    let other = space.vector(&arguments.id)?;
    let similarity = space.encoder.signs(&query)?.similarity(&other);
    let mut leaves = space.encoder.explain(&query, &Vector::Signs(other))?;
    leaves.sort_by(|a, b| b.agreement.total_cmp(&a.agreement));
    if leaves.is_empty() {
        bail!(Input, "the query: nothing in it counts");
    }
    if arguments.json {
        println!("{}", json!({ "similarity": similarity, "leaves": leaves }));
        return Ok(());
    }
    println!("similarity {similarity:.4}");
    println!("{:>9}  {:>6}  path", "agreement", "weight");
    for leaf in leaves {
        println!("{:9.3}  {:6.2}  {}: {}", leaf.agreement, leaf.weight, leaf.path, leaf.value);
    }
    Ok(())
}
