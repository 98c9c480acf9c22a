//! `nomul graph neighbors`.

use std::{collections::HashMap, path::PathBuf};

use nomul::{
    Result, bail,
    graph::evaluate::quantized,
    search::{Index, Kind, Metric, Shape, Stages, Vector},
};
use serde_json::json;

use super::{input, npy};

#[derive(clap::Args)]
pub struct Arguments {
    /// Vectors that `nomul graph embed` wrote: .npy
    vectors: PathBuf,
    /// Ids of nodes
    nodes: Vec<String>,
    /// The ids that `nomul graph embed --ids` wrote; without them a node is the number of its row, from 0
    #[arg(long)]
    ids: Option<PathBuf>,
    /// How many neighbours of each
    #[arg(short, default_value_t = 10)]
    k: usize,
    /// Compare with every vector, not only with those whose signs are closest
    #[arg(long)]
    exact: bool,
    /// Nodes whose signs are closest, to be compared exactly: so many for each neighbour that is wanted
    #[arg(long, default_value_t = 40)]
    oversample: usize,
    /// How many of the exact neighbours are found: over so many nodes, evenly spread
    #[arg(long)]
    recall: Option<usize>,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> Result<()> {
    if arguments.nodes.is_empty() && arguments.recall.is_none() {
        bail!(Input, "name a node, or --recall N");
    }
    if arguments.k == 0 || arguments.oversample == 0 || arguments.recall == Some(0) {
        bail!(Input, "-k, --oversample and --recall have to be at least 1");
    }
    let array = npy::read(&arguments.vectors)?;
    let ids = ids(&arguments, array.rows)?;
    let name = |row: u64| ids.as_ref().map_or_else(|| row.to_string(), |ids| ids[row as usize].clone());
    let rows = quantized(&array.values);
    let row = |node: usize| &rows[node * array.columns..(node + 1) * array.columns];
    let mut index = Index::new(Shape::new(Kind::I16, array.columns, Metric::Cosine)?, "nomul graph")?;
    for node in 0..array.rows {
        index.insert(node as u64, Vector::I16(row(node)))?;
    }
    let two = Stages::Two { candidates: arguments.k.saturating_mul(arguments.oversample) };
    let find =
        |node: usize, stages| index.search(Vector::I16(row(node)), arguments.k, stages, &|other| other != node as u64);
    let by_id: HashMap<&str, usize> = ids.iter().flatten().enumerate().map(|(row, id)| (id.as_str(), row)).collect();
    let mut results = Vec::new();
    for id in &arguments.nodes {
        let found = match &ids {
            Some(_) => by_id.get(id.as_str()).copied(),
            None => id.parse().ok().filter(|&row: &usize| row < array.rows),
        };
        let Some(node) = found else { bail!(Missing, "no node {id}") };
        let hits = find(node, if arguments.exact { Stages::Exact } else { two })?;
        if !arguments.json {
            hits.iter().for_each(|hit| println!("{id}\t{}\t{:.4}", name(hit.key), hit.score));
        }
        let hits: Vec<_> = hits.iter().map(|hit| json!({ "id": name(hit.key), "score": hit.score })).collect();
        results.push(json!({ "id": id, "neighbors": hits }));
    }
    let mut recall = None;
    if let Some(count) = arguments.recall {
        let (mut found, mut all) = (0, 0);
        for node in (0..array.rows).step_by(array.rows.div_ceil(count).max(1)) {
            let (exact, quick) = (find(node, Stages::Exact)?, find(node, two)?);
            all += exact.len();
            found += exact.iter().filter(|hit| quick.iter().any(|other| other.key == hit.key)).count();
        }
        let share = found as f64 / all.max(1) as f64;
        recall = Some(share);
        if !arguments.json {
            println!("recall@{}: {share:.4}", arguments.k);
        }
    }
    if arguments.json {
        println!("{}", json!({ "nodes": results, "k": arguments.k, "recall": recall }));
    }
    Ok(())
}

fn ids(arguments: &Arguments, rows: usize) -> Result<Option<Vec<String>>> {
    let Some(path) = &arguments.ids else { return Ok(None) };
    let mut ids = Vec::new();
    input::lines(path, |_, line| {
        ids.push(line.to_owned());
        Ok(())
    })?;
    if ids.len() != rows {
        bail!(Shape, "{}: {} ids for {rows} vectors", path.display(), ids.len());
    }
    Ok(Some(ids))
}
