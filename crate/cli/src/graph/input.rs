//! Files of a graph: edges, properties, ids.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use nomul::{
    Code, Error, Result, bail,
    graph::{Direction, Duplicates, Format, Graph, GraphOptions, Key, Reader, Table},
};

use crate::{folder::io, progress::Bar};

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// How edges are read.
#[derive(clap::Args, Clone)]
pub struct ReadArguments {
    /// An edge goes one way: a node hears from the nodes that its edges lead to
    #[arg(long)]
    directed: bool,
    /// An edge goes one way: a node hears from the nodes whose edges lead to it
    #[arg(long, conflicts_with = "directed")]
    reversed: bool,
    /// Count only the first of several edges between two nodes
    #[arg(long)]
    first_of_duplicates: bool,
    /// Leave out edges from a node to itself
    #[arg(long)]
    no_self_loops: bool,
    /// Take every weight for 1
    #[arg(long)]
    ignore_weights: bool,
    /// The most memory that may be used, in bytes (default: what the machine has left)
    #[arg(long)]
    memory: Option<u64>,
}

impl ReadArguments {
    /// Which ends of an edge hear from each other.
    pub fn direction(&self) -> Direction {
        match (self.directed, self.reversed) {
            (true, _) => Direction::Directed,
            (_, true) => Direction::Reversed,
            _ => Direction::Undirected,
        }
    }

    /// The most bytes that may be used, if anybody knows.
    pub fn limit(&self) -> Option<u64> {
        self.memory.or_else(available)
    }

    fn options(&self) -> GraphOptions {
        GraphOptions {
            direction: self.direction(),
            duplicates: if self.first_of_duplicates { Duplicates::First } else { Duplicates::Add },
            without_self_loops: self.no_self_loops,
            ignore_weights: self.ignore_weights,
            memory: self.limit(),
        }
    }
}

/// What Linux says is left.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// Reads a graph; `-` is standard input.
pub fn graph(path: &Path, arguments: &ReadArguments, bar: &Bar) -> Result<Graph> {
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => Some(Format::Json),
        Some("mtx") => Some(Format::Matrix),
        _ => None,
    };
    let mut reader = Reader::new(arguments.options(), format);
    let mut done = 0;
    let total = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let mut input: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => Box::new(File::open(path).map_err(|e| io(path, e))?),
    };
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = input.read(&mut buffer).map_err(|e| io(path, e))?;
        if count == 0 {
            break;
        }
        reader.push(&buffer[..count]).map_err(|error| error.at(path.display()))?;
        done += count as u64;
        bar.show("reading edges", done, total);
    }
    reader.finish().map_err(|error| error.at(path.display()))
}

/// Calls `take(number, line)` for each line with something on it.
pub fn lines(path: &Path, mut take: impl FnMut(usize, &str) -> Result<()>) -> Result<()> {
    let file = BufReader::new(File::open(path).map_err(|e| io(path, e))?);
    for (number, line) in (1..).zip(file.lines()) {
        let line = line.map_err(|e| io(path, e))?;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        take(number, line).map_err(|error| error.at(format_args!("{}: line {number}", path.display())))?;
    }
    Ok(())
}

/// The fields of a line: between tabs, commas or blanks.
pub fn fields(line: &str) -> Vec<&str> {
    match ['\t', ','].into_iter().find(|&separator| line.contains(separator)) {
        Some(separator) => line.split(separator).map(str::trim).collect(),
        None => line.split_ascii_whitespace().collect(),
    }
}

/// A table of numbers: on each line an id and its values. Nodes without a line have zeros.
pub fn table(path: &Path, graph: &Graph) -> Result<Table> {
    let mut table: Option<Table> = None;
    lines(path, |_, line| {
        let fields = fields(line);
        let Some((id, values)) = fields.split_first().filter(|(_, values)| !values.is_empty()) else {
            bail!(Format, "\"{line}\": an id and its values were expected");
        };
        let node = graph.keys().find(Key::from(*id));
        let Some(node) = node else { bail!(Missing, "node {id} is not in the graph") };
        let values = values.iter().map(|value| match value.parse::<f32>() {
            Ok(value) => Ok(value),
            Err(_) => Err(Error::new(Code::Format, format!("value \"{value}\" is no number"))),
        });
        let values = values.collect::<Result<Vec<f32>>>()?;
        if table.is_none() {
            table = Some(Table::zeros(values.len(), graph.nodes())?);
        }
        table.as_mut().map_or(Ok(()), |table| table.set(node as usize, &values))
    })?;
    match table {
        Some(table) => Ok(table),
        None => bail!(Format, "{}: no values", path.display()),
    }
}
