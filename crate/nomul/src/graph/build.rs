//! From keys and edges to a graph.

use super::{
    csr::{Csr, Direction, Edges},
    keys::{Key, Keys},
    memory,
};
use crate::{Result, bail};

/// What becomes of several edges between the same two nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Each counts, as if their weights were added.
    #[default]
    Add,
    /// The first counts.
    First,
}

/// What becomes of the edges that are read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GraphOptions {
    /// Which ends of an edge hear from each other.
    pub direction: Direction,
    /// What becomes of several edges between the same two nodes.
    pub duplicates: Duplicates,
    /// Leave out edges from a node to itself. Otherwise such an edge is stored once.
    pub without_self_loops: bool,
    /// Read weights as 1.
    pub ignore_weights: bool,
    /// The most bytes that the graph may take, with what it takes to build it.
    pub memory: Option<u64>,
}

/// A graph whose nodes have the caller's keys.
///
/// If all keys are numbers, nodes are in ascending order of them; otherwise in the order in which they first appear. A
/// node without edges has a vector of zeros, unless it has properties or a weight on power 0 gives it its start.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub(super) keys: Keys,
    pub(super) csr: Csr,
}

impl Graph {
    /// Keys of nodes.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Neighbours.
    pub fn csr(&self) -> &Csr {
        &self.csr
    }

    /// Nodes.
    pub fn nodes(&self) -> usize {
        self.csr.nodes()
    }

    /// Bytes taken.
    pub fn bytes(&self) -> u64 {
        (self.keys.bytes() + self.csr.bytes()) as u64
    }
}

/// Takes nodes and edges, one after the other.
#[derive(Default)]
pub struct Builder {
    keys: Keys,
    edges: Edges,
    options: GraphOptions,
}

impl Builder {
    /// Nothing yet.
    pub fn new(options: GraphOptions) -> Builder {
        Builder { options, ..Builder::default() }
    }

    /// How edges are taken.
    pub fn options_mut(&mut self) -> &mut GraphOptions {
        &mut self.options
    }

    /// Nodes so far.
    pub fn nodes(&self) -> usize {
        self.keys.len()
    }

    /// Edges so far.
    pub fn edges(&self) -> usize {
        self.edges.len()
    }

    /// A node, which may have no edge.
    pub fn node(&mut self, key: Key) -> Result<u32> {
        self.keys.find_or_add(key)
    }

    /// An edge. Weights are finite and above 0.
    #[inline]
    pub fn edge(&mut self, from: Key, to: Key, weight: f32) -> Result<()> {
        let weight = if self.options.ignore_weights { 1.0 } else { weight };
        check_weight(weight)?;
        let (from, to) = (self.keys.find_or_add(from)?, self.keys.find_or_add(to)?);
        if from == to && self.options.without_self_loops {
            return Ok(());
        }
        self.edges.push(from, to, weight)?;
        if self.edges.len().is_multiple_of(Edges::BLOCK) {
            self.check_memory()?;
        }
        Ok(())
    }

    /// Bytes that the graph and its building take, by what has come so far.
    pub fn bytes(&self) -> u64 {
        let csr = Csr::bytes_for(self.keys.len(), self.edges.len(), self.edges.is_weighted(), self.options.direction);
        (self.keys.bytes() + self.edges.bytes()) as u64 + csr
    }

    /// Refuses a graph that is known to be too large before it is read: so many nodes and edges are to come.
    pub fn expect(&self, nodes: u64, edges: u64, weighted: bool) -> Result<()> {
        if nodes > Keys::MOST as u64 || edges > Edges::MOST as u64 {
            bail!(Capacity, "{nodes} nodes and {edges} edges: at most {} and {} are possible", Keys::MOST, Edges::MOST);
        }
        let csr = Csr::bytes_for(nodes as usize, edges as usize, weighted, self.options.direction);
        self.check(12 * nodes + edges * if weighted { 12 } else { 8 } + csr)
    }

    fn check_memory(&self) -> Result<()> {
        self.check(self.bytes())
    }

    fn check(&self, needed: u64) -> Result<()> {
        match self.options.memory {
            Some(limit) if needed > limit => bail!(
                Capacity,
                "the graph needs {} of memory or more, {} may be used",
                memory::shown(needed),
                memory::shown(limit)
            ),
            _ => Ok(()),
        }
    }

    /// The graph.
    pub fn build(mut self) -> Result<Graph> {
        if self.keys.is_empty() {
            bail!(Input, "the graph is empty: there is no edge and no node");
        }
        self.check_memory()?;
        if let Some(new) = self.keys.sort()? {
            self.edges.renumber(&new);
        }
        let csr = Csr::build(self.keys.len(), self.edges, self.options.direction)?;
        let csr = if self.options.duplicates == Duplicates::First { csr.without_duplicates() } else { csr };
        Ok(Graph { keys: self.keys, csr })
    }
}

/// Refuses weights that are not finite and positive.
pub fn check_weight(weight: f32) -> Result<()> {
    if !(weight > 0.0 && weight.is_finite()) {
        bail!(Value, "weight {weight}: weights have to be finite and above 0");
    }
    Ok(())
}

impl Graph {
    /// The node of a key.
    pub fn find(&self, key: Key) -> Result<u32> {
        match self.keys.find(key) {
            Some(node) => Ok(node),
            None => bail!(Missing, "no node {key}"),
        }
    }
}
