//! The file that `nomul graph update` goes on from.

use std::{fs, path::Path};

use nomul::{
    Result,
    graph::{Direction, Graph, Vectors, state},
    team::Team,
};

use super::output::Output;
use crate::folder::io;

/// Writes it.
pub fn save(path: &Path, graph: &Graph, vectors: &Vectors, direction: Direction) -> Result<()> {
    let mut output = Output::new(path)?;
    state::save(graph, vectors, direction, &mut |bytes| output.write(bytes))?;
    output.finish()
}

/// Reads it.
pub fn load(path: &Path, team: &dyn Team) -> Result<(Graph, Vectors, Direction)> {
    let bytes = fs::read(path).map_err(|e| io(path, e))?;
    state::load(team, &bytes).map_err(|error| error.at(path.display()))
}
