//! `nomul graph update`.

use std::path::PathBuf;

use nomul::{
    Code, Error, Result, bail,
    graph::{Change, Given, Key},
};
use serde_json::json;

use super::{
    input,
    output::{self, Numbers},
    state,
};
use crate::{progress::Bar, threads::Threads};

#[derive(clap::Args)]
pub struct Arguments {
    /// What `nomul graph embed --state` wrote; it is brought up to date
    state: PathBuf,
    /// Edges that come: two ids and perhaps a weight on each line
    #[arg(long)]
    add: Option<PathBuf>,
    /// Edges that go: two ids on each line
    #[arg(long)]
    remove: Option<PathBuf>,
    /// Where the vectors go: .npy, .csv or .parquet
    #[arg(short, long)]
    output: PathBuf,
    /// Where the ids of nodes go, a line each, in the order of the vectors
    #[arg(long)]
    ids: Option<PathBuf>,
    /// Numbers of the vectors
    #[arg(long = "type", value_enum, default_value = "f32")]
    numbers: Numbers,
    #[command(flatten)]
    threads: Threads,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

/// Edges of a file: two ids and a weight.
fn edges(path: Option<&PathBuf>) -> Result<Vec<(String, String, f32)>> {
    let mut edges = Vec::new();
    let Some(path) = path else { return Ok(edges) };
    input::lines(path, |_, line| {
        let (from, to, weight) = match input::fields(line)[..] {
            [from, to] => (from, to, "1"),
            [from, to, weight] => (from, to, weight),
            _ => bail!(Format, "\"{line}\" is no edge: two ids and perhaps a weight were expected"),
        };
        let weight = weight
            .parse()
            .map_err(|_| Error::new(Code::Format, format!("weight \"{weight}\" is no number")))
            .and_then(|weight| nomul::graph::check_weight(weight).map(|()| weight))?;
        edges.push((from.to_owned(), to.to_owned(), weight));
        Ok(())
    })?;
    Ok(edges)
}

pub fn run(arguments: Arguments) -> Result<()> {
    output::check(&arguments.output, arguments.numbers)?;
    let (added, removed) = (edges(arguments.add.as_ref())?, edges(arguments.remove.as_ref())?);
    if added.is_empty() && removed.is_empty() {
        bail!(Input, "nothing to do: --add and --remove name edges that come and go");
    }
    let (team, bar) = (arguments.threads.team()?, Bar::new());
    bar.show("reading the state", 0, 1);
    let (mut graph, mut vectors, direction) = state::load(&arguments.state, &*team)?;
    let change = Change {
        added: added.iter().map(|(from, to, weight)| (from.as_str().into(), to.as_str().into(), *weight)).collect(),
        removed: removed.iter().map(|(from, to, _)| (Key::from(from.as_str()), Key::from(to.as_str()))).collect(),
    };
    let touched = graph.change(&change, direction)?;
    bar.show("embedding what changed", 0, 1);
    let rows = vectors.update(&*team, &graph, Given::default(), &touched)?;
    output::vectors(&arguments.output, arguments.numbers, &graph, &vectors, &*team, &bar)?;
    if let Some(path) = &arguments.ids {
        output::ids(path, &graph)?;
    }
    state::save(&arguments.state, &graph, &vectors, direction)?;
    bar.finish();
    let all = graph.nodes() * vectors.options().weights.len();
    if arguments.json {
        let result = json!({ "nodes": graph.nodes(), "touched": touched.len(), "rows_computed": rows, "rows": all });
        println!("{result}");
    } else {
        eprintln!("{} nodes have other edges; {rows} of {all} rows were computed anew", touched.len());
    }
    Ok(())
}
