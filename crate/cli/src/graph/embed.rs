//! `nomul graph embed`.

use std::{path::PathBuf, time::Instant};

use clap::ValueEnum;
use nomul::{
    Result, bail,
    graph::{self, Embedder, Finish, Given, Graph, Options, Sparsity, Step, Table, Vectors},
    team::Team,
};
use serde_json::json;

use super::{
    input::{self, ReadArguments},
    output::{self, Numbers},
    state,
};
use crate::{progress::Bar, threads::Threads};

#[derive(clap::Args)]
pub struct Arguments {
    /// Edges: TSV, CSV, SNAP, Matrix Market, or the JSON that graphology exports; - for standard input
    edges: PathBuf,
    /// Where the vectors go: .npy, .csv or .parquet
    #[arg(short, long)]
    output: PathBuf,
    /// Where the ids of nodes go, a line each, in the order of the vectors
    #[arg(long)]
    ids: Option<PathBuf>,
    /// Where everything goes that `nomul graph update` needs
    #[arg(long)]
    state: Option<PathBuf>,
    #[command(flatten)]
    read: ReadArguments,
    #[command(flatten)]
    options: OptionArguments,
    /// Properties of nodes: on each line an id and its values
    #[arg(long)]
    properties: Option<PathBuf>,
    /// Vectors to start with in place of random ones: on each line an id and its numbers
    #[arg(long)]
    initial: Option<PathBuf>,
    /// Compute in floats, as the paper's code and Neo4j's do
    #[arg(long, conflicts_with = "state")]
    float: bool,
    /// Numbers of the vectors
    #[arg(long = "type", value_enum, default_value = "f32")]
    numbers: Numbers,
    /// With --json: also the SHA-256 of the vectors as integers of 16 bits
    #[arg(long)]
    digest: bool,
    #[command(flatten)]
    threads: Threads,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct OptionArguments {
    /// Columns
    #[arg(short, long, default_value_t = 128)]
    dimensions: usize,
    /// Weights of powers 0, 1, 2…, separated by commas; rounded to powers of two
    #[arg(long, value_delimiter = ',')]
    weights: Option<Vec<f32>>,
    /// The power of its degree that a node's start is scaled by
    #[arg(long, allow_negative_numbers = true)]
    beta: Option<f32>,
    /// One entry of the start in so many is not zero: a number, or "root" for the root of the number of nodes
    #[arg(long, default_value = "3")]
    sparsity: String,
    /// What a propagation is: the mean or the sum of neighbours, or their sum at length 1 (as in Neo4j)
    #[arg(long, value_enum, default_value = "mean")]
    step: StepName,
    /// Add powers as they are, without scaling each row to length 1
    #[arg(long)]
    raw_powers: bool,
    /// Leave in the powers what all of their rows have in common
    #[arg(long)]
    no_centre: bool,
    /// What is done to the sum: nothing, columns to mean 0 and deviation 1, and then rows to one length
    #[arg(long, value_enum, default_value = "sphere")]
    finish: FinishName,
    /// The part of the dimensions that starts with properties
    #[arg(long, default_value_t = 0.0)]
    property_ratio: f32,
    /// Where random numbers start
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum StepName {
    Mean,
    Sum,
    Unit,
}

#[derive(Clone, Copy, ValueEnum)]
enum FinishName {
    Sum,
    Zscore,
    Sphere,
}

impl OptionArguments {
    fn options(&self) -> Result<Options> {
        let default = Options::default();
        let sparsity = match (self.sparsity.as_str(), self.sparsity.parse()) {
            ("root", _) => Sparsity::Root,
            ("3", _) => Sparsity::Three,
            (_, Ok(number)) => Sparsity::OneIn(number),
            (text, Err(_)) => bail!(Input, "--sparsity {text}: a number or \"root\" was expected"),
        };
        let options = Options {
            dimensions: self.dimensions,
            weights: self.weights.clone().unwrap_or(default.weights),
            beta: self.beta.unwrap_or(default.beta),
            sparsity,
            step: match self.step {
                StepName::Mean => Step::Mean,
                StepName::Sum => Step::Sum,
                StepName::Unit => Step::Unit,
            },
            unit_powers: !self.raw_powers,
            centre: !self.no_centre,
            finish: match self.finish {
                FinishName::Sum => Finish::Sum,
                FinishName::Zscore => Finish::Zscore,
                FinishName::Sphere => Finish::Sphere,
            },
            seed: self.seed,
            property_ratio: self.property_ratio,
            keep: false,
        };
        options.check()?;
        Ok(options)
    }
}

pub fn run(arguments: Arguments) -> Result<()> {
    output::check(&arguments.output, arguments.numbers)?;
    let mut options = arguments.options.options()?;
    options.keep = arguments.state.is_some();
    let team = arguments.threads.team()?;
    let (bar, started) = (Bar::new(), Instant::now());
    let graph = input::graph(&arguments.edges, &arguments.read, &bar)?;
    graph::check_memory(&graph, &options, arguments.read.limit())?;
    let table = |path: &Option<PathBuf>| path.as_ref().map(|path| input::table(path, &graph)).transpose();
    let (properties, initial) = (table(&arguments.properties)?, table(&arguments.initial)?);
    let given = Given { properties: properties.as_ref(), initial: initial.as_ref() };
    let read = started.elapsed().as_secs_f64();
    if arguments.float {
        return floats(&arguments, &graph, given, &options, &bar);
    }
    let vectors = embed(&graph, given, &options, &*team, &bar)?;
    let embedded = started.elapsed().as_secs_f64();
    output::vectors(&arguments.output, arguments.numbers, &graph, &vectors, &*team, &bar)?;
    if let Some(path) = &arguments.ids {
        output::ids(path, &graph)?;
    }
    let written = started.elapsed().as_secs_f64();
    let digest = arguments.digest.then(|| digest(&vectors, &*team)).transpose()?;
    let (nodes, stored) = (graph.nodes(), graph.csr().stored());
    let bytes = graph.bytes() + graph::bytes_for(nodes, &options);
    if let Some(path) = &arguments.state {
        if given.properties.is_some() || given.initial.is_some() {
            bail!(Unsupported, "--state: graphs with properties or vectors to start with cannot be updated");
        }
        state::save(path, &graph, &vectors, arguments.read.direction())?;
    }
    bar.finish();
    if arguments.json {
        let seconds = json!({ "read": read, "embed": embedded - read, "write": written - embedded, "all": written });
        println!(
            "{}",
            json!({
                "nodes": nodes,
                "stored_edges": stored,
                "dimensions": options.dimensions,
                "threads": team.size(),
                "bytes": bytes,
                "seconds": seconds,
                "digest": digest,
            })
        );
    } else {
        eprintln!("{nodes} nodes, {stored} stored edges, {} dimensions: {written:.1} s", options.dimensions);
    }
    Ok(())
}

fn embed(graph: &Graph, given: Given, options: &Options, team: &dyn Team, bar: &Bar) -> Result<Vectors> {
    let mut embedder = Embedder::new(graph, given, options.clone())?;
    while embedder.step(team)? {
        let progress = embedder.progress();
        bar.show("embedding", progress.done, progress.total);
    }
    embedder.finish(team)
}

/// The SHA-256 of all vectors in the order of nodes, 16 bits each, low byte first.
fn digest(vectors: &Vectors, team: &dyn Team) -> Result<String> {
    let mut digest = graph::Digest::default();
    vectors.for_each(team, |_, row| {
        digest.add(row);
        Ok(())
    })?;
    Ok(digest.finish())
}

fn floats(arguments: &Arguments, graph: &Graph, given: Given, options: &Options, bar: &Bar) -> Result<()> {
    bar.show("embedding in floats", 0, 1);
    let values = graph::float::embed(graph, given, options)?;
    let table = Table::new(options.dimensions, values, graph.nodes())?;
    output::floats(&arguments.output, graph, &table)?;
    if let Some(path) = &arguments.ids {
        output::ids(path, graph)?;
    }
    bar.finish();
    if arguments.json {
        let (nodes, stored) = (graph.nodes(), graph.csr().stored());
        println!("{}", json!({ "nodes": nodes, "stored_edges": stored, "dimensions": options.dimensions }));
    }
    Ok(())
}
