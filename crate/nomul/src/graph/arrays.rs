//! Graphs from arrays of numbers: no text, no look-up of keys, no copy of the edges.

use alloc::vec::Vec;

use super::{
    build::{Builder, Duplicates, Graph, GraphOptions, check_weight},
    csr::{Csr, Direction, Edges, Placing},
    keys::{Key, Keys},
    memory,
};
use crate::{Result, bail};

/// The ends of each edge, with weights for all or none.
#[derive(Clone, Copy)]
struct Ends<'a> {
    from: &'a [u32],
    to: &'a [u32],
    weights: &'a [f32],
    without_self_loops: bool,
}

impl<'a> Ends<'a> {
    /// Each edge that counts, with its weight.
    fn iter(self) -> impl Iterator<Item = (u32, u32, f32)> + 'a {
        let weights = self.weights.iter().copied().chain(core::iter::repeat(1.0));
        let ends = self.from.iter().zip(self.to).zip(weights).map(|((&from, &to), weight)| (from, to, weight));
        ends.filter(move |(from, to, _)| !self.without_self_loops || from != to)
    }
}

impl Graph {
    /// From typed arrays: the ends of each edge as numbers, weights for none or all of them. With `nodes`, the nodes are
    /// 0 to that number less one, whether they have edges or not.
    pub fn from_arrays(
        from: &[u32],
        to: &[u32],
        weights: &[f32],
        nodes: Option<u32>,
        options: GraphOptions,
    ) -> Result<Graph> {
        if from.len() != to.len() || !(weights.is_empty() || weights.len() == from.len()) {
            bail!(Input, "{} sources, {} targets, {} weights", from.len(), to.len(), weights.len());
        }
        let weights = if options.ignore_weights { &[] } else { weights };
        for (i, &weight) in weights.iter().enumerate() {
            check_weight(weight).map_err(|error| error.at(format_args!("edge {i}")))?;
        }
        let most = |ends: &[u32]| ends.iter().copied().max();
        let largest = most(from).max(most(to));
        if let (Some(nodes), Some(largest)) = (nodes, largest)
            && largest >= nodes
        {
            let far = |&i: &usize| from[i].max(to[i]) >= nodes;
            let i = (0..from.len()).find(far).unwrap_or(0);
            bail!(Input, "edge {i}: node {} of {nodes}", from[i].max(to[i]));
        }
        let weights = if weights.iter().all(|&weight| weight == 1.0) { &[] } else { weights };
        let ends = Ends { from, to, weights, without_self_loops: options.without_self_loops };
        let builder = Builder::new(options);
        builder.expect(nodes.unwrap_or(0).into(), from.len() as u64, !weights.is_empty())?;
        let keys = match (nodes, largest) {
            (Some(0), _) | (None, None) => bail!(Input, "the graph is empty: there is no edge and no node"),
            (Some(nodes), _) => Keys::up_to(nodes)?,
            // A table of all numbers up to the largest, if that is not much more than there are ends.
            (None, Some(largest)) if (largest as usize) < (1 << 16) + 4 * from.len() => {
                Keys::of_ends(from, to, largest)?
            }
            (None, Some(_)) => return scattered(builder, ends),
        };
        // Numbers without gaps are their own places.
        let dense = keys.len() as u64 == u64::from(largest.unwrap_or(0)) + 1 || nodes.is_some();
        let csr = if dense {
            place(keys.len(), ends, |number| number, options.direction)?
        } else {
            place(keys.len(), ends, |number| keys.small(number), options.direction)?
        };
        let csr = if options.duplicates == Duplicates::First { csr.without_duplicates() } else { csr };
        Ok(Graph { keys, csr })
    }

    /// From compressed sparse rows, as SciPy's `csr_matrix` has them: the neighbours of node `i`, over whose vectors it
    /// sums, are `targets[starts[i]..starts[i + 1]]`. Nothing is added, left out or turned round.
    pub fn from_rows(starts: Vec<u32>, targets: Vec<u32>, weights: Vec<f32>) -> Result<Graph> {
        let csr = Csr::from_parts(starts, targets, weights)?;
        if csr.nodes() == 0 {
            bail!(Input, "the graph is empty: there is no node");
        }
        let Ok(nodes) = u32::try_from(csr.nodes()) else { bail!(Capacity, "more than {} nodes", Keys::MOST) };
        Ok(Graph { keys: Keys::up_to(nodes)?, csr })
    }
}

/// Edges between numbers that lie far apart.
fn scattered(mut builder: Builder, ends: Ends) -> Result<Graph> {
    for number in ends.from.iter().zip(ends.to).flat_map(|(&from, &to)| [from, to]) {
        builder.node(Key::Number(number.into()))?;
    }
    for (from, to, weight) in ends.iter() {
        builder.edge(Key::Number(from.into()), Key::Number(to.into()), weight)?;
    }
    builder.build()
}

/// Counts the edges, then puts each into its place.
#[inline(always)]
fn place(nodes: usize, ends: Ends, number: impl Fn(u32) -> u32, direction: Direction) -> Result<Csr> {
    if ends.from.len() > Edges::MOST {
        bail!(Capacity, "more than {} edges", Edges::MOST);
    }
    let mut placing = Placing::new(nodes, direction)?;
    ends.iter().for_each(|(from, to, _)| placing.count(number(from), number(to)));
    placing.open(!ends.weights.is_empty())?;
    ends.iter().for_each(|(from, to, weight)| placing.place(number(from), number(to), weight));
    Ok(placing.finish())
}

impl Keys {
    /// The numbers 0 to `nodes` less one.
    fn up_to(nodes: u32) -> Result<Keys> {
        if nodes as usize > Keys::MOST {
            bail!(Capacity, "more than {} nodes", Keys::MOST);
        }
        let mut small = Vec::new();
        memory::reserve(&mut small, nodes as usize, "keys of nodes")?;
        small.extend(0..nodes);
        Keys::numbered(small)
    }

    /// The numbers that an edge has, in ascending order; none is above `largest`.
    fn of_ends(from: &[u32], to: &[u32], largest: u32) -> Result<Keys> {
        let mut small = memory::zeroed(largest as usize + 1, "keys of nodes")?;
        small.fill(super::keys::NONE);
        for &number in from.iter().chain(to) {
            small[number as usize] = 0;
        }
        for (node, place) in small.iter_mut().filter(|place| **place == 0).enumerate() {
            *place = node as u32;
        }
        Keys::numbered(small)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::Code;

    /// Edge by edge, as they would come from text.
    fn textbook(from: &[u32], to: &[u32], weights: &[f32], options: GraphOptions) -> Graph {
        let mut builder = Builder::new(options);
        for i in 0..from.len() {
            let [from, to] = [from[i], to[i]].map(|number| Key::Number(number.into()));
            builder.edge(from, to, weights.get(i).copied().unwrap_or(1.0)).unwrap();
        }
        builder.build().unwrap()
    }

    #[test]
    fn arrays_make_the_graph_that_edges_one_by_one_make() {
        let (from, to) = ([7, 7, 2, 9, 9, 2, 7, 0], [2, 2, 7, 9, 0, 0, 9, 9]);
        let spread = |ends: [u32; 8], by: u32| ends.map(|end| end * by);
        let heavy = [1.0, 0.5, 1.0, 2.0, 1.0, 4.0, 1.0, 1.0];
        for direction in [Direction::Undirected, Direction::Directed, Direction::Reversed] {
            for bits in 0..8 {
                let options = GraphOptions {
                    direction,
                    duplicates: if bits & 1 == 0 { Duplicates::Add } else { Duplicates::First },
                    without_self_loops: bits & 2 != 0,
                    ignore_weights: bits & 4 != 0,
                    memory: None,
                };
                // Without gaps (but 0 to 9 are not all there), with gaps, and far apart.
                for (by, weights) in [(1, &heavy[..]), (1, &[]), (1000, &heavy), (400_000_000, &heavy), (1, &[1.0; 8])]
                {
                    let (from, to) = (spread(from, by), spread(to, by));
                    let found = Graph::from_arrays(&from, &to, weights, None, options).unwrap();
                    let wanted = textbook(&from, &to, weights, options);
                    assert_eq!(found.csr(), wanted.csr(), "{options:?}, {by}");
                    assert!(found.keys().iter().eq(wanted.keys().iter()));
                    assert!(wanted.keys().iter().all(|key| found.find(key) == wanted.find(key)));
                }
            }
        }
        let all = Graph::from_arrays(&from, &to, &[], Some(12), GraphOptions::default()).unwrap();
        assert_eq!((all.nodes(), all.csr().neighbours(11).len(), all.csr().neighbours(7)), (12, 0, &[2, 2, 2, 9][..]));
        assert_eq!((all.find(Key::Number(11)).unwrap(), all.find(Key::Number(12)).is_err()), (11, true));
    }

    #[test]
    fn rows_are_taken_as_they_are() {
        let graph = Graph::from_rows(vec![0, 2, 2, 3], vec![2, 2, 0], Vec::new()).unwrap();
        assert_eq!(
            (graph.nodes(), graph.csr().neighbours(0), graph.find(Key::Number(2)).unwrap()),
            (3, &[2, 2][..], 2)
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_edge() {
        let arrays = |from: &[u32], to: &[u32], weights: &[f32], nodes| {
            Graph::from_arrays(from, to, weights, nodes, GraphOptions::default()).map(|_| ())
        };
        let rows = |starts: &[u32], targets: &[u32], weights: &[f32]| {
            Graph::from_rows(starts.to_vec(), targets.to_vec(), weights.to_vec()).map(|_| ())
        };
        let cases = [
            (arrays(&[], &[], &[], None), Code::Input, "the graph is empty"),
            (arrays(&[], &[], &[], Some(0)), Code::Input, "the graph is empty"),
            (arrays(&[1], &[], &[], None), Code::Input, "1 sources, 0 targets, 0 weights"),
            (arrays(&[1, 2], &[0, 1], &[1.0], None), Code::Input, "2 sources, 2 targets, 1 weights"),
            (arrays(&[1, 2], &[0, 1], &[1.0, f32::NAN], None), Code::Value, "edge 1: weight NaN"),
            (arrays(&[1, 2], &[0, 1], &[-1.0, 1.0], None), Code::Value, "edge 0: weight -1"),
            (arrays(&[1, 2], &[0, 5], &[], Some(5)), Code::Input, "edge 1: node 5 of 5"),
            (rows(&[0], &[], &[]), Code::Input, "the graph is empty"),
            (rows(&[0, 2], &[0], &[]), Code::Input, "starts of rows: they have to go from 0 to the 1"),
            (rows(&[0, 2, 1], &[0], &[]), Code::Input, "starts of rows: row 1 ends"),
            (rows(&[0, 1], &[1], &[]), Code::Input, "neighbour 0: node 1 of 1"),
            (rows(&[0, 1], &[0], &[f32::INFINITY]), Code::Value, "neighbour 0: weight inf"),
        ];
        for (result, code, message) in cases {
            let error = result.unwrap_err();
            assert_eq!(error.code, code);
            assert!(error.message.starts_with(message), "{}", error.message);
        }
    }
}
