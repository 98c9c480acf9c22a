//! Compressed sparse rows: for each node its neighbours, one after the other.
//!
//! Built by counting, in time and memory linear in the edges: degrees, their running sums, then each edge to its place.
//! The edges come in blocks, and a block's memory is given back when its edges have been placed.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::{Result, bail};

/// Which ends of an edge hear from each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Both ends; the edge is stored twice, a self-loop once.
    #[default]
    Undirected,
    /// A node sums over the nodes that its edges lead to.
    Directed,
    /// A node sums over the nodes whose edges lead to it.
    Reversed,
}

/// Edges as they were read: indices of nodes, in blocks of [`Edges::BLOCK`], with weights if there are any.
#[derive(Default)]
pub struct Edges {
    blocks: Vec<Block>,
    weighted: bool,
    length: usize,
}

#[derive(Default)]
struct Block {
    ends: Vec<[u32; 2]>,
    /// As long as `ends` where edges have weights, else empty.
    weights: Vec<f32>,
}

impl Edges {
    /// Edges of a block.
    pub const BLOCK: usize = 1 << 16;
    /// The most edges: each may be stored twice, and places are numbered in 32 bits.
    pub const MOST: usize = (u32::MAX / 2) as usize;

    /// How many there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// True if an edge had a weight other than 1.
    #[inline]
    pub fn is_weighted(&self) -> bool {
        self.weighted
    }

    /// One more.
    pub fn push(&mut self, from: u32, to: u32, weight: f32) -> Result<()> {
        if self.length == Self::MOST {
            bail!(Capacity, "more than {} edges", Self::MOST);
        }
        if self.blocks.last().is_none_or(|block| block.ends.len() == Self::BLOCK) {
            let mut ends = Vec::new();
            super::memory::reserve(&mut ends, Self::BLOCK, "edges")?;
            self.blocks.push(Block { ends, weights: Vec::new() });
        }
        if weight != 1.0 && !self.weighted {
            self.weighted = true;
            for block in &mut self.blocks {
                super::memory::reserve(&mut block.weights, Self::BLOCK, "weights of edges")?;
                block.weights.resize(block.ends.len(), 1.0);
            }
        }
        if let Some(block) = self.blocks.last_mut() {
            if self.weighted {
                if block.weights.capacity() == 0 {
                    super::memory::reserve(&mut block.weights, Self::BLOCK, "weights of edges")?;
                }
                block.weights.push(weight);
            }
            block.ends.push([from, to]);
        }
        self.length += 1;
        Ok(())
    }

    /// Each edge with its weight, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = ([u32; 2], f32)> {
        self.blocks.iter().flat_map(|block| {
            let weights = block.weights.iter().copied().chain(core::iter::repeat(1.0));
            block.ends.iter().copied().zip(weights)
        })
    }

    /// Renumbers the nodes.
    pub(super) fn renumber(&mut self, new: &[u32]) {
        for [from, to] in self.blocks.iter_mut().flat_map(|block| &mut block.ends) {
            (*from, *to) = (new[*from as usize], new[*to as usize]);
        }
    }

    /// Bytes taken.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.len() * Self::BLOCK * if self.weighted { 12 } else { 8 }
    }
}

/// For each node its neighbours, with weights where edges have any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Csr {
    /// Where each node's neighbours begin, and at last where all end.
    starts: Vec<u32>,
    targets: Vec<u32>,
    /// As long as `targets`, or empty where every weight is 1.
    weights: Vec<f32>,
}

impl Csr {
    /// Places the edges; takes them apart as it goes.
    pub fn build(nodes: usize, mut edges: Edges, direction: Direction) -> Result<Csr> {
        let mut placing = Placing::new(nodes, direction)?;
        edges.iter().for_each(|([from, to], _)| placing.count(from, to));
        placing.open(edges.weighted)?;
        for block in edges.blocks.drain(..) {
            let weights = block.weights.iter().copied().chain(core::iter::repeat(1.0));
            block.ends.iter().zip(weights).for_each(|(&[from, to], weight)| placing.place(from, to, weight));
        }
        Ok(placing.finish())
    }

    /// From parts that were made elsewhere: `starts` one longer than there are nodes, `weights` empty or as long as
    /// `targets`.
    pub fn from_parts(starts: Vec<u32>, targets: Vec<u32>, weights: Vec<f32>) -> Result<Csr> {
        let nodes = starts.len().saturating_sub(1);
        if starts.first() != Some(&0) || starts.last().map(|&end| end as usize) != Some(targets.len()) {
            bail!(Input, "starts of rows: they have to go from 0 to the {} neighbours", targets.len());
        }
        if let Some(row) = starts.windows(2).position(|pair| pair[0] > pair[1]) {
            bail!(Input, "starts of rows: row {row} ends before it begins");
        }
        if let Some(place) = targets.iter().position(|&target| target as usize >= nodes) {
            bail!(Input, "neighbour {place}: node {} of {nodes}", targets[place]);
        }
        if !weights.is_empty() && weights.len() != targets.len() {
            bail!(Input, "{} weights for {} neighbours", weights.len(), targets.len());
        }
        for (place, &weight) in weights.iter().enumerate() {
            super::check_weight(weight).map_err(|error| error.at(format_args!("neighbour {place}")))?;
        }
        Ok(Csr { starts, targets, weights })
    }

    /// Nodes.
    #[inline]
    pub fn nodes(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Stored edges: neighbours of all nodes.
    pub fn stored(&self) -> usize {
        self.targets.len()
    }

    /// True if there are weights.
    pub fn is_weighted(&self) -> bool {
        !self.weights.is_empty()
    }

    /// A node's neighbours.
    #[inline]
    pub fn neighbours(&self, node: usize) -> &[u32] {
        &self.targets[self.row(node)]
    }

    /// The weights of a node's edges; empty where every weight is 1.
    #[inline]
    pub fn weights(&self, node: usize) -> &[f32] {
        if self.weights.is_empty() { &[] } else { &self.weights[self.row(node)] }
    }

    /// A node's neighbours with weights.
    pub fn edges(&self, node: usize) -> impl Iterator<Item = (u32, f32)> {
        let weights = self.weights(node).iter().copied().chain(core::iter::repeat(1.0));
        self.neighbours(node).iter().copied().zip(weights)
    }

    /// Where rows begin: node `i` has places `starts[i]..starts[i + 1]`.
    #[inline]
    pub fn starts(&self) -> &[u32] {
        &self.starts
    }

    /// The neighbours of all nodes, one row after the other.
    #[inline]
    pub fn targets(&self) -> &[u32] {
        &self.targets
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        4 * (self.starts.len() + self.targets.len() + self.weights.len())
    }

    /// Bytes that `edges` edges between `nodes` nodes will take, without taking them.
    pub(super) fn bytes_for(nodes: usize, edges: usize, weighted: bool, direction: Direction) -> u64 {
        let stored = edges as u64 * if direction == Direction::Undirected { 2 } else { 1 };
        4 * (nodes as u64 + 2) + stored * if weighted { 8 } else { 4 }
    }

    /// Where every node has one edge to another at most: neighbours in ascending order, the first of equals kept.
    pub(super) fn without_duplicates(self) -> Csr {
        let (nodes, weighted) = (self.nodes(), self.is_weighted());
        let Csr { mut starts, mut targets, mut weights } = self;
        let mut order: Vec<(u32, f32)> = Vec::new();
        let mut kept = 0;
        for node in 0..nodes {
            let row = core::mem::replace(&mut starts[node], kept as u32) as usize..starts[node + 1] as usize;
            order.clear();
            order.extend(row.map(|place| (targets[place], if weighted { weights[place] } else { 1.0 })));
            // Stable, so that the first in the input comes first.
            order.sort_by_key(|&(target, _)| target);
            order.dedup_by_key(|&mut (target, _)| target);
            for &(target, weight) in &order {
                targets[kept] = target;
                if weighted {
                    weights[kept] = weight;
                }
                kept += 1;
            }
        }
        starts[nodes] = kept as u32;
        targets.truncate(kept);
        weights.truncate(if weighted { kept } else { 0 });
        Csr { starts, targets, weights }
    }

    #[inline]
    fn row(&self, node: usize) -> core::ops::Range<usize> {
        self.starts[node] as usize..self.starts[node + 1] as usize
    }
}

/// Rows in the making: every edge is counted, then every edge is placed, in the same order both times.
pub(super) struct Placing {
    csr: Csr,
    direction: Direction,
}

impl Placing {
    /// Nothing counted yet.
    pub(super) fn new(nodes: usize, direction: Direction) -> Result<Placing> {
        let starts = super::memory::zeroed(nodes + 2, "starts of rows")?;
        Ok(Placing { csr: Csr { starts, ..Csr::default() }, direction })
    }

    /// Counts an edge.
    #[inline(always)]
    pub(super) fn count(&mut self, from: u32, to: u32) {
        // Degrees, two places on, so that after the running sums a node's start is one place on, where placing moves
        // it to the node's end, which is the next node's start.
        let (a, b) = stored(from, to, self.direction);
        self.csr.starts[a.0 as usize + 2] += 1;
        if let Some((b, _)) = b {
            self.csr.starts[b as usize + 2] += 1;
        }
    }

    /// Makes room for what was counted.
    pub(super) fn open(&mut self, weighted: bool) -> Result<()> {
        let mut sum = 0u32;
        for start in &mut self.csr.starts {
            sum += *start;
            *start = sum;
        }
        self.csr.targets = super::memory::zeroed(sum as usize, "neighbours")?;
        if weighted {
            self.csr.weights = super::memory::zeroed(sum as usize, "weights of neighbours")?;
        }
        Ok(())
    }

    /// Places an edge.
    #[inline(always)]
    pub(super) fn place(&mut self, from: u32, to: u32, weight: f32) {
        let (a, b) = stored(from, to, self.direction);
        for (node, target) in core::iter::once(a).chain(b) {
            let place = &mut self.csr.starts[node as usize + 1];
            self.csr.targets[*place as usize] = target;
            if let Some(slot) = self.csr.weights.get_mut(*place as usize) {
                *slot = weight;
            }
            *place += 1;
        }
    }

    /// All that was placed.
    pub(super) fn finish(mut self) -> Csr {
        self.csr.starts.pop();
        self.csr
    }
}

/// The one or two rows in which an edge is stored: (node, neighbour).
fn stored(from: u32, to: u32, direction: Direction) -> ((u32, u32), Option<(u32, u32)>) {
    match direction {
        Direction::Undirected => ((from, to), (from != to).then_some((to, from))),
        Direction::Directed => ((from, to), None),
        Direction::Reversed => ((to, from), None),
    }
}
