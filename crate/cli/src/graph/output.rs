//! Vectors to a file: made beside its place under another name, and moved there when it is whole.

use std::{
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io::{BufWriter, Write},
    ops::Range,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use nomul::{
    Result, bail,
    graph::{Graph, Table, Vectors},
    team::Team,
};

use super::npy;
#[cfg(not(target_family = "wasm"))]
use super::parquet::Parquet;
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

/// What a file is, by its ending.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Npy,
    Csv,
    /// Not by the command for WASI: the format's library would be a fifth of it.
    #[cfg(not(target_family = "wasm"))]
    Parquet,
}

fn kind(path: &Path) -> Option<Kind> {
    match path.extension()?.to_str()? {
        "npy" => Some(Kind::Npy),
        "csv" => Some(Kind::Csv),
        #[cfg(not(target_family = "wasm"))]
        "parquet" => Some(Kind::Parquet),
        _ => None,
    }
}

/// Refuses endings that nothing is written for, and numbers that a file does not hold.
pub fn check(path: &Path, numbers: Numbers) -> Result<()> {
    match kind(path) {
        None if cfg!(target_family = "wasm") => {
            bail!(Input, "{}: vectors are written as .npy or .csv here", path.display())
        }
        None => bail!(Input, "{}: vectors are written as .npy, .csv or .parquet", path.display()),
        Some(kind) if kind != Kind::Npy && numbers != Numbers::F32 => {
            bail!(Input, "{}: only .npy holds integers, --type f32 is what this one holds", path.display())
        }
        Some(_) => Ok(()),
    }
}

/// Writes the vectors, in the order of nodes; `.csv` and `.parquet` have the id of each node beside them.
pub fn vectors(
    path: &Path,
    numbers: Numbers,
    graph: &Graph,
    vectors: &Vectors,
    team: &dyn Team,
    bar: &Bar,
) -> Result<()> {
    let (dimensions, unit) = (vectors.dimensions(), vectors.unit());
    let mut rows = vec![0i16; NODES.min(vectors.nodes()) * dimensions];
    let (mut values, mut bytes) = (Vec::new(), Vec::new());
    write(path, numbers, graph, dimensions, |nodes, target| {
        let rows = &mut rows[..nodes.len() * dimensions];
        vectors.write(team, nodes.start, rows);
        bar.show("writing vectors", nodes.end as u64, vectors.nodes() as u64);
        match target {
            Target::Bytes(output) => {
                bytes.clear();
                encode(rows, numbers, unit, &mut bytes);
                output.write(&bytes)
            }
            Target::Values(take) => {
                values.clear();
                values.extend(rows.iter().map(|&entry| to_float(entry, unit)));
                take(&values)
            }
        }
    })
}

/// Writes vectors of floats.
pub fn floats(path: &Path, graph: &Graph, table: &Table) -> Result<()> {
    let columns = table.columns();
    write(path, Numbers::F32, graph, columns, |nodes, target| {
        let values: Vec<f32> = nodes.flat_map(|node| table.row(node)).copied().collect();
        match target {
            Target::Bytes(output) => {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                output.write(&bytes)
            }
            Target::Values(take) => take(&values),
        }
    })
}

/// Where the vectors of some nodes go: as bytes behind those before them, or as floats.
enum Target<'a> {
    Bytes(&'a mut Output),
    Values(&'a mut dyn FnMut(&[f32]) -> Result<()>),
}

/// Writes a file of what `part(nodes, target)` hands to the target.
fn write(
    path: &Path,
    numbers: Numbers,
    graph: &Graph,
    dimensions: usize,
    mut part: impl FnMut(Range<usize>, Target) -> Result<()>,
) -> Result<()> {
    let mut output = Output::new(path)?;
    let parts = (0..graph.nodes()).step_by(NODES).map(|first| first..graph.nodes().min(first + NODES));
    match kind(path) {
        Some(Kind::Csv) => {
            let names: Vec<String> = (0..dimensions).map(|column| format!("v{column}")).collect();
            output.write(format!("id,{}\n", names.join(",")).as_bytes())?;
            for nodes in parts {
                let mut lines = String::new();
                part(
                    nodes.clone(),
                    Target::Values(&mut |values| {
                        for (node, row) in nodes.clone().zip(values.chunks(dimensions)) {
                            lines.push_str(&quoted(&graph.keys().get(node).to_string()));
                            row.iter().for_each(|value| lines.push_str(&format!(",{value}")));
                            lines.push('\n');
                        }
                        Ok(())
                    }),
                )?;
                output.write(lines.as_bytes())?;
            }
        }
        #[cfg(not(target_family = "wasm"))]
        Some(Kind::Parquet) => {
            let mut file = Parquet::new(&mut output.file, dimensions).map_err(|error| error.at(path.display()))?;
            for nodes in parts {
                part(
                    nodes.clone(),
                    Target::Values(&mut |values| {
                        let ids = nodes.clone().map(|node| graph.keys().get(node).to_string());
                        file.write(ids, values).map_err(|error| error.at(path.display()))
                    }),
                )?;
            }
            file.finish().map_err(|error| error.at(path.display()))?;
        }
        _ => {
            output.write(&npy::header(numbers, graph.nodes(), dimensions))?;
            for nodes in parts {
                part(nodes, Target::Bytes(&mut output))?;
            }
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
