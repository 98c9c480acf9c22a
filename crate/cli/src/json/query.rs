//! `nomul json search`, `get` and `explain`.

use std::path::PathBuf;

use nomul::{
    Result, bail,
    json::{Path, Value, Vector},
    search,
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
    let mut opened = open(&arguments.index)?;
    let mut queries = Vec::new();
    if let Some(query) = &arguments.query {
        queries.push(opened.encoder.signs(&value(query)?)?);
    }
    if let Some(path) = &arguments.queries {
        let mut lines = Lines::open(path)?;
        while let Some(document) = lines.document()? {
            queries.push(opened.encoder.signs(&document).map_err(|error| lines.place(error))?);
        }
    }
    let started = std::time::Instant::now();
    let bar = Bar::new();
    let mut results = Vec::new();
    // Some at a time: they share one reading of the index.
    for part in queries.chunks(64) {
        bar.show("searching", results.len() as u64, queries.len() as u64);
        let vectors: Vec<search::Vector> = part.iter().map(|signs| search::Vector::Words(signs.words())).collect();
        let mut search = search::Search::new(&opened.index, &vectors, arguments.k, search::Stages::Exact)?;
        while !search.step(&opened.index, 65_536, &|_| true)? {}
        results.extend(search.hits());
    }
    bar.finish();
    let seconds = started.elapsed().as_secs_f64();
    let name = |hit: &search::Hit| &opened.header.ids[hit.key as usize];
    if arguments.json {
        let hits = |hits: &Vec<search::Hit>| {
            let hit = |hit: &search::Hit| json!({ "id": name(hit), "similarity": hit.score });
            hits.iter().map(hit).collect::<Vec<_>>()
        };
        let documents = opened.header.ids.len();
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
        for hit in hits {
            println!("{:8.4}  {}", hit.score, name(hit));
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
    let mut opened = open(&arguments.index)?;
    let vector = Vector::Signs(opened.signs(&arguments.id)?);
    let answer = opened.encoder.get(&vector, &path, &opened.header.vocabulary)?;
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
    let mut opened = open(&arguments.index)?;
    let query: Value = value(&arguments.query)?;
    let other = opened.signs(&arguments.id)?;
    let similarity = opened.encoder.signs(&query)?.similarity(&other);
    let mut leaves = opened.encoder.explain(&query, &Vector::Signs(other))?;
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
