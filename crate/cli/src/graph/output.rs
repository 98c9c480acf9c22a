//! Vectors to a file: made beside its place under another name, and moved there when it is whole.

use std::{
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use nomul::{
    Result, bail,
    graph::{Graph, Table, Vectors},
    team::Team,
};

use super::npy;
use crate::{folder::io, progress::Bar, signals};

/// Numbers of a vector in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Numbers {
    /// Floats of 32 bits
    F32,
    /// Integers of 16 bits, in units of 2^-10 (of 2^-14 for plain sums)
    I16,
    /// Integers of 8 bits, in units of 2^-5 (2^-7), the nearest where it is beyond
    I8,
}

/// A file in the making.
pub struct Output {
    place: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    finished: bool,
}

impl Output {
    /// Begins.
    pub fn new(place: &Path) -> Result<Output> {
        let Some(name) = place.file_name() else { bail!(Input, "{}: no name of a file", place.display()) };
        let partial =
            place.with_file_name(format!(".{}.{:016x}.part", name.to_string_lossy(), RandomState::new().hash_one(0)));
        signals::remove_on_signal(&partial);
        let file = File::create(&partial).map_err(|e| io(&partial, e))?;
        Ok(Output { place: place.into(), partial, file: BufWriter::with_capacity(1 << 20, file), finished: false })
    }

    /// More bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| io(&self.place, e))
    }

    /// Moves the file to its place.
    pub fn finish(mut self) -> Result<()> {
        self.file.flush().map_err(|e| io(&self.place, e))?;
        fs::rename(&self.partial, &self.place).map_err(|e| io(&self.place, e))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.finished {
            // It is in the way of nobody, should this fail.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

/// Nodes written at a time.
const NODES: usize = 1 << 13;

/// Refuses endings that nothing is written for.
pub fn check(path: &Path) -> Result<()> {
    match ending(path) {
        "npy" | "csv" => Ok(()),
        _ => bail!(Input, "{}: vectors are written as .npy or .csv", path.display()),
    }
}

fn ending(path: &Path) -> &str {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or("")
}

/// Writes the vectors, in the order of nodes; `.csv` has the id of each node in front.
pub fn vectors(
    path: &Path,
    numbers: Numbers,
    graph: &Graph,
    vectors: &Vectors,
    team: &dyn Team,
    bar: &Bar,
) -> Result<()> {
    let (nodes, dimensions) = (vectors.nodes(), vectors.dimensions());
    let mut output = Output::new(path)?;
    let is_csv = ending(path) == "csv";
    if is_csv {
        let names: Vec<String> = (0..dimensions).map(|column| format!("v{column}")).collect();
        output.write(format!("id,{}\n", names.join(",")).as_bytes())?;
    } else {
        output.write(&npy::header(numbers, nodes, dimensions))?;
    }
    let mut rows = vec![0i16; NODES.min(nodes) * dimensions];
    let mut bytes = Vec::new();
    for first in (0..nodes).step_by(NODES) {
        let rows = &mut rows[..NODES.min(nodes - first) * dimensions];
        vectors.write(team, first, rows);
        bytes.clear();
        if is_csv {
            for (node, row) in (first..).zip(rows.chunks(dimensions)) {
                let id = graph.keys().get(node).to_string();
                bytes.extend_from_slice(quoted(&id).as_bytes());
                for &entry in row {
                    bytes.extend_from_slice(format!(",{}", to_float(entry, vectors.unit())).as_bytes());
                }
                bytes.push(b'\n');
            }
        } else {
            encode(rows, numbers, vectors.unit(), &mut bytes);
        }
        output.write(&bytes)?;
        bar.show("writing vectors", (first + rows.len() / dimensions) as u64, nodes as u64);
    }
    output.finish()
}

/// Writes vectors of floats, as `.npy` or `.csv`.
pub fn floats(path: &Path, graph: &Graph, table: &Table) -> Result<()> {
    let mut output = Output::new(path)?;
    let is_csv = ending(path) == "csv";
    if is_csv {
        let names: Vec<String> = (0..table.columns()).map(|column| format!("v{column}")).collect();
        output.write(format!("id,{}\n", names.join(",")).as_bytes())?;
    } else {
        output.write(&npy::header(Numbers::F32, graph.nodes(), table.columns()))?;
    }
    for node in 0..graph.nodes() {
        if is_csv {
            let numbers: Vec<String> = table.row(node).iter().map(f32::to_string).collect();
            let id = graph.keys().get(node).to_string();
            output.write(format!("{},{}\n", quoted(&id), numbers.join(",")).as_bytes())?;
        } else {
            let bytes: Vec<u8> = table.row(node).iter().flat_map(|value| value.to_le_bytes()).collect();
            output.write(&bytes)?;
        }
    }
    output.finish()
}

/// One id a line, in the order of nodes.
pub fn ids(path: &Path, graph: &Graph) -> Result<()> {
    let mut output = Output::new(path)?;
    for key in graph.keys().iter() {
        output.write(format!("{key}\n").as_bytes())?;
    }
    output.finish()
}

fn quoted(id: &str) -> String {
    if id.contains([',', '"', '\n']) { format!("\"{}\"", id.replace('"', "\"\"")) } else { id.into() }
}

/// The number that an entry stands for.
pub fn to_float(entry: i16, unit: i32) -> f32 {
    f32::from(entry) * (unit as f32).exp2()
}

fn encode(rows: &[i16], numbers: Numbers, unit: i32, bytes: &mut Vec<u8>) {
    match numbers {
        Numbers::F32 => {
            bytes.resize(4 * rows.len(), 0);
            let unit = (unit as f32).exp2();
            for (bytes, &entry) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(rows) {
                *bytes = (f32::from(entry) * unit).to_le_bytes();
            }
        }
        Numbers::I16 => {
            bytes.resize(2 * rows.len(), 0);
            for (bytes, &entry) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(rows) {
                *bytes = entry.to_le_bytes();
            }
        }
        Numbers::I8 => bytes.extend(rows.iter().map(|&entry| nomul::graph::to_byte(entry, unit) as u8)),
    }
}
