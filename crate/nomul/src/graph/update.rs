//! Growing graphs: edges come and go, and only rows that this reaches are computed anew.
//!
//! A row of power k depends on its node's edges and on rows of power k - 1 of its neighbours. So what changes in power k is every node
//! whose edges changed and every node with a neighbour whose row changed in power k - 1; the rest stays, bit for bit. Means and deviations
//! of columns are over all nodes and are taken anew.

use alloc::vec::Vec;

use super::{
    build::{Graph, check_weight},
    csr::{Csr, Direction, Edges},
    fastrp::Powers,
    keys::Key,
    memory,
    merge::{Merge, Vectors},
    project::Sparsity,
    propagate::{Propagation, propagate_one},
    rows::Rows,
    start::{Given, Start},
};
use crate::{Result, bail, kernel::best, team::Team};

/// Edges that come and go.
#[derive(Clone, Debug, Default)]
pub struct Change<'a> {
    /// New edges with their weights; nodes that are new come after all others.
    pub added: Vec<(Key<'a>, Key<'a>, f32)>,
    /// Edges that go: every edge between these nodes, in this direction unless the graph is undirected.
    pub removed: Vec<(Key<'a>, Key<'a>)>,
}

impl Graph {
    /// Makes the change; answers with the nodes whose neighbours it changed, in ascending order. In a graph that is left as it was by an
    /// error, nothing has changed but that new keys may have come.
    pub fn change(&mut self, change: &Change, direction: Direction) -> Result<Vec<u32>> {
        let mut removed = Vec::new();
        for &(from, to) in &change.removed {
            let (a, b) = (self.find(from)?, self.find(to)?);
            let ends = if direction == Direction::Reversed { (b, a) } else { (a, b) };
            if !self.csr.neighbours(ends.0 as usize).contains(&ends.1) {
                bail!(Missing, "no edge from {from} to {to}");
            }
            removed.push(ends);
            if direction == Direction::Undirected && a != b {
                removed.push((b, a));
            }
        }
        removed.sort_unstable();
        let mut added = Edges::default();
        for &(from, to, weight) in &change.added {
            check_weight(weight).map_err(|error| error.at(format_args!("edge from {from} to {to}")))?;
            added.push(self.keys.find_or_add(from)?, self.keys.find_or_add(to)?, weight)?;
        }
        let added = Csr::build(self.keys.len(), added, direction)?;
        let mut touched: Vec<u32> = removed.iter().map(|&(node, _)| node).collect();
        touched.extend((0..added.nodes() as u32).filter(|&node| !added.neighbours(node as usize).is_empty()));
        // New nodes have changed even where an edge brings nothing to them.
        touched.extend(self.csr.nodes() as u32..self.keys.len() as u32);
        touched.sort_unstable();
        touched.dedup();
        self.csr = self.csr.merged(&added, &removed)?;
        Ok(touched)
    }
}

impl Csr {
    /// These edges and others, without those that are removed: pairs in ascending order.
    fn merged(&self, other: &Csr, removed: &[(u32, u32)]) -> Result<Csr> {
        let (nodes, weighted) = (other.nodes(), self.is_weighted() || other.is_weighted());
        let (mut starts, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        memory::reserve(&mut starts, nodes + 1, "starts of rows")?;
        memory::reserve(&mut targets, self.stored() + other.stored(), "neighbours")?;
        memory::reserve(
            &mut weights,
            if weighted { self.stored() + other.stored() } else { 0 },
            "weights of neighbours",
        )?;
        starts.push(0);
        for node in 0..nodes {
            let old = (node < self.nodes()).then(|| self.edges(node)).into_iter().flatten();
            let stays = |&(target, _): &(u32, f32)| removed.binary_search(&(node as u32, target)).is_err();
            for (target, weight) in old.filter(stays).chain(other.edges(node)) {
                targets.push(target);
                if weighted {
                    weights.push(weight);
                }
            }
            let Ok(end) = u32::try_from(targets.len()) else { bail!(Capacity, "more than {} stored edges", u32::MAX) };
            starts.push(end);
        }
        Csr::from_parts(starts, targets, weights)
    }
}

impl Vectors {
    /// Brings the vectors up to date with a changed graph: `touched` is what [`Graph::change`] answered. All powers have to have been
    /// kept. Answers with the number of rows that were computed.
    pub fn update(&mut self, team: &dyn Team, graph: &Graph, given: Given, touched: &[u32]) -> Result<usize> {
        let nodes = graph.nodes();
        let missing = (0..self.options.weights.len()).find(|power| !self.powers.rows.contains_key(power));
        if let Some(power) = missing {
            bail!(NotReady, "power {power} was not kept: an update needs all of them");
        }
        // With the number of nodes this sparsity changes for all of them.
        let everything = self.options.sparsity == Sparsity::Root && nodes != self.nodes();
        let mut changed: Vec<bool> = memory::zeroed(nodes, "marks of nodes")?;
        touched.iter().for_each(|&node| changed[node as usize] = true);
        if everything {
            changed.fill(true);
        }
        let start = Start::new(graph, given, &self.tables, &self.options)?;
        let by = Propagation { back_end: best(), csr: graph.csr(), tables: &self.tables, step: self.options.step };
        let (mut rows, mut count) = (Powers::default(), 0);
        for power in 0..self.options.weights.len() {
            let Some(old) = self.powers.rows.remove(&power) else { continue };
            let mut new = if old.nodes() == nodes { old } else { old.grown(nodes)? };
            if power > 0 && !everything {
                // Nodes whose own edges changed are marked already, in every power.
                let reached = |node: usize| graph.csr().neighbours(node).iter().any(|&other| changed[other as usize]);
                let reached: Vec<bool> = (0..nodes).map(|node| changed[node] || reached(node)).collect();
                changed = reached;
            }
            let before: Option<&Rows> = power.checked_sub(1).and_then(|before| rows.rows.get(&before));
            for node in (0..nodes).filter(|&node| changed[node]) {
                count += 1;
                match before {
                    Some(before) => propagate_one(&by, before, &mut new, node),
                    None => {
                        let (row, exponent) = new.row_mut(node);
                        start.write_one(node, row, exponent);
                    }
                }
            }
            rows.rows.insert(power, new);
        }
        self.powers = rows;
        self.merge = Merge::new(team, &self.powers, &self.options, &self.tables)?;
        Ok(count)
    }
}
