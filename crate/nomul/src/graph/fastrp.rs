//! The whole of it: power 0, powers, vectors, in steps of which none takes long.

use alloc::collections::BTreeMap;

use super::{
    build::Graph,
    factor::Tables,
    memory,
    merge::{Merge, Vectors},
    options::{Options, check_weights},
    propagate::{Propagation, propagate},
    rows::Rows,
    start::{Given, Start},
};
use crate::{
    Result, bail,
    kernel::{BackEnd, best},
    team::Team,
};

/// Nodes of a step.
const NODES: usize = 1 << 16;

/// How far an embedding has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Nodes done, of all powers.
    pub done: u64,
    /// Nodes to do.
    pub total: u64,
}

/// An embedding in the making: [`Embedder::step`] until it says that all is done, then [`Embedder::finish`].
pub struct Embedder<'a> {
    graph: &'a Graph,
    given: Given<'a>,
    options: Options,
    tables: Tables,
    back_end: BackEnd,
    powers: Powers,
    /// The power that is being computed, its rows, and how many of them are done.
    current: usize,
    rows: Rows,
    done: usize,
}

/// The rows of those powers that have a weight, or of all.
#[derive(Debug, Default, PartialEq)]
pub struct Powers {
    pub(super) rows: BTreeMap<usize, Rows>,
}

impl Powers {
    /// Nodes.
    pub(super) fn nodes(&self) -> usize {
        self.rows.values().next().map_or(0, Rows::nodes)
    }

    /// Columns with padding.
    pub(super) fn stride(&self) -> usize {
        self.rows.values().next().map_or(0, Rows::stride)
    }
}

/// Bytes that the vectors of a graph take while they are computed.
pub fn bytes_for(nodes: usize, options: &Options) -> u64 {
    let weighted = options.weights.iter().filter(|&&weight| options.keep || weight > 0.0).count();
    // One that is computed from another.
    let working = if options.keep || options.weights.iter().rev().take(2).all(|&weight| weight > 0.0) { 1 } else { 2 };
    Rows::bytes_for(nodes, options.dimensions) * (weighted + working).min(options.weights.len()) as u64
}

/// Refuses an embedding that needs more memory than there is, before it starts.
pub fn check_memory(graph: &Graph, options: &Options, limit: Option<u64>) -> Result<()> {
    let needed = graph.bytes() + bytes_for(graph.nodes(), options);
    match limit {
        Some(limit) if needed > limit => bail!(
            Capacity,
            "{} nodes and {} stored edges in {} dimensions need {} of memory, {} may be used",
            graph.nodes(),
            graph.csr().stored(),
            options.dimensions,
            memory::shown(needed),
            memory::shown(limit)
        ),
        _ => Ok(()),
    }
}

impl<'a> Embedder<'a> {
    /// Checks options and takes the first memory.
    pub fn new(graph: &'a Graph, given: Given<'a>, options: Options) -> Result<Embedder<'a>> {
        options.check()?;
        given.check(graph.nodes(), &options)?;
        if graph.nodes() == 0 {
            bail!(Input, "the graph is empty");
        }
        let rows = Rows::zeros(graph.nodes(), options.dimensions)?;
        let (tables, back_end) = (Tables::new(), best());
        let powers = Powers::default();
        Ok(Embedder { graph, given, options, tables, back_end, powers, current: 0, rows, done: 0 })
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        let nodes = self.graph.nodes() as u64;
        Progress {
            done: self.current as u64 * nodes + self.done as u64,
            total: self.options.weights.len() as u64 * nodes,
        }
    }

    /// Does some more work; true if there is more to do.
    pub fn step(&mut self, team: &dyn Team) -> Result<bool> {
        let nodes = self.graph.nodes();
        if self.current == self.options.weights.len() {
            return Ok(false);
        }
        let range = self.done..nodes.min(self.done + NODES);
        self.done = range.end;
        if self.current == 0 {
            Start::new(self.graph, self.given, &self.tables, &self.options)?.write(team, &mut self.rows, range);
        } else if let Some(from) = self.powers.rows.get(&(self.current - 1)) {
            let (back_end, csr, tables, step) = (self.back_end, self.graph.csr(), &self.tables, self.options.step);
            propagate(team, &Propagation { back_end, csr, tables, step }, from, &mut self.rows, range);
        }
        if self.done == nodes {
            self.done = 0;
            let finished = core::mem::take(&mut self.rows);
            self.powers.rows.insert(self.current, finished);
            let before = self.current.checked_sub(1).filter(|&before| !self.is_kept(before));
            let free = before.and_then(|before| self.powers.rows.remove(&before));
            self.current += 1;
            if self.current < self.options.weights.len() {
                self.rows = match free {
                    Some(rows) => rows,
                    None => Rows::zeros(nodes, self.options.dimensions)?,
                };
            }
        }
        Ok(self.current < self.options.weights.len())
    }

    /// All steps.
    pub fn run(mut self, team: &dyn Team) -> Result<Vectors> {
        while self.step(team)? {}
        self.finish(team)
    }

    /// The vectors, when all steps are done.
    pub fn finish(self, team: &dyn Team) -> Result<Vectors> {
        if self.current < self.options.weights.len() {
            bail!(NotReady, "the embedding is not finished");
        }
        Vectors::new(team, self.powers, self.options, self.tables)
    }

    fn is_kept(&self, power: usize) -> bool {
        self.options.keep || self.options.weights[power] > 0.0
    }
}

impl Vectors {
    /// The same powers under other weights; powers that were not kept cannot have one.
    pub fn merge_anew(&mut self, team: &dyn Team, weights: &[f32]) -> Result<()> {
        check_weights(weights)?;
        let missing = (0..weights.len()).find(|power| weights[*power] > 0.0 && !self.powers.rows.contains_key(power));
        if let Some(power) = missing {
            bail!(NotReady, "power {power} was not kept");
        }
        self.options.weights = weights.to_vec();
        self.merge = Merge::new(team, &self.powers, &self.options, &self.tables)?;
        Ok(())
    }
}
