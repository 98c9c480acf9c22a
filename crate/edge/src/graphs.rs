//! Graphs and the vectors of their nodes.

use std::cell::RefCell;

use nomul::{
    Code, Error,
    graph::{
        Change, Direction, Duplicates, Embedder, Finish, Given, GraphOptions, Key, Options, Reader, Sparsity, Step,
        Table, Vectors,
    },
    search::{Index, Stages, Vector},
    team::Alone,
};

use crate::{
    Component,
    bindings::exports::nomul::runtime::graphs::{self as wit, Guest, GuestGraph, GuestReader},
    convert::{Result, count},
};

fn options(options: wit::GraphOptions) -> GraphOptions {
    GraphOptions {
        direction: match options.direction {
            wit::Direction::Undirected => Direction::Undirected,
            wit::Direction::Directed => Direction::Directed,
            wit::Direction::Reversed => Direction::Reversed,
        },
        duplicates: if options.keep_duplicates { Duplicates::Add } else { Duplicates::First },
        without_self_loops: !options.keep_self_loops,
        ignore_weights: !options.keep_weights,
        memory: None,
    }
}

fn embedding(given: wit::EmbeddingOptions) -> Options {
    let default = Options::default();
    Options {
        dimensions: given.dimensions as usize,
        weights: given.weights.unwrap_or(default.weights),
        beta: given.beta.unwrap_or(default.beta),
        sparsity: match given.sparsity {
            None => default.sparsity,
            Some(0.0) => Sparsity::Root,
            Some(entries) => Sparsity::OneIn(entries),
        },
        step: given.step.map_or(default.step, |step| match step {
            wit::Step::Mean => Step::Mean,
            wit::Step::Sum => Step::Sum,
            wit::Step::Unit => Step::Unit,
        }),
        unit_powers: given.unit_powers.unwrap_or(default.unit_powers),
        centre: given.centre.unwrap_or(default.centre),
        finish: given.outcome.map_or(default.finish, |outcome| match outcome {
            wit::Outcome::Sum => Finish::Sum,
            wit::Outcome::Zscore => Finish::Zscore,
            wit::Outcome::Sphere => Finish::Sphere,
        }),
        seed: given.seed.unwrap_or(default.seed),
        property_ratio: given.property_ratio.unwrap_or(default.property_ratio),
        keep: given.keep.unwrap_or(default.keep),
    }
}

/// The resource `reader`.
pub struct GraphReader {
    reader: RefCell<Reader>,
    direction: Direction,
}

/// A graph and what is made of it.
struct State {
    graph: nomul::graph::Graph,
    direction: Direction,
    properties: Option<Table>,
    initial: Option<Table>,
    vectors: Option<Vectors>,
    /// For neighbours; made when it is first asked for.
    index: Option<Index>,
}

/// The resource `graph`.
pub struct Graph {
    state: RefCell<State>,
}

impl Guest for Component {
    type Graph = Graph;
    type Reader = GraphReader;
}

impl State {
    fn ready(&self) -> nomul::Result<&Vectors> {
        self.vectors.as_ref().ok_or_else(|| Error::new(Code::NotReady, "the graph has no vectors yet"))
    }

    fn check(&self, node: u32) -> nomul::Result<()> {
        match self.graph.nodes() {
            nodes if (node as usize) < nodes => Ok(()),
            nodes => Err(Error::new(Code::Input, format!("node {node} of {nodes}"))),
        }
    }

    /// Values of nodes: those of keys that are given, or of all nodes in their order.
    fn table(&self, keys: Option<Vec<String>>, values: Vec<f32>) -> nomul::Result<Table> {
        let nodes = self.graph.nodes();
        let rows = keys.as_ref().map_or(nodes, Vec::len);
        let columns = values.len().checked_div(rows).unwrap_or(0);
        if columns == 0 || !values.len().is_multiple_of(rows) {
            return Err(Error::new(Code::Shape, format!("{} values for {rows} nodes", values.len())));
        }
        let Some(keys) = keys else { return Table::new(columns, values, nodes) };
        let mut table = Table::zeros(columns, nodes)?;
        for (key, values) in keys.iter().zip(values.chunks_exact(columns)) {
            let node = self.graph.find(Key::from(key.as_str()))?;
            table.set(node as usize, values).map_err(|error| error.at(format_args!("node {key}")))?;
        }
        Ok(table)
    }
}

impl Graph {
    fn resource(graph: nomul::graph::Graph, direction: Direction) -> wit::Graph {
        let (properties, initial, vectors, index) = (None, None, None, None);
        wit::Graph::new(Graph { state: RefCell::new(State { graph, direction, properties, initial, vectors, index }) })
    }
}

impl GuestReader for GraphReader {
    fn new(given: wit::GraphOptions) -> GraphReader {
        let options = options(given);
        GraphReader { reader: RefCell::new(Reader::new(options, None)), direction: options.direction }
    }

    fn push(&self, bytes: Vec<u8>) -> Result<()> {
        Ok(self.reader.borrow_mut().push(&bytes)?)
    }

    fn finish(reader: wit::Reader) -> Result<wit::Graph> {
        let GraphReader { reader, direction } = reader.into_inner();
        Ok(Graph::resource(reader.into_inner().finish()?, direction))
    }
}

impl GuestGraph for Graph {
    fn from_arrays(
        sources: Vec<u32>,
        targets: Vec<u32>,
        weights: Vec<f32>,
        nodes: Option<u32>,
        given: wit::GraphOptions,
    ) -> Result<wit::Graph> {
        let options = options(given);
        let graph = nomul::graph::Graph::from_arrays(&sources, &targets, &weights, nodes, options)?;
        Ok(Graph::resource(graph, options.direction))
    }

    fn nodes(&self) -> u32 {
        count(self.state.borrow().graph.nodes())
    }

    fn stored_edges(&self) -> u64 {
        self.state.borrow().graph.csr().stored() as u64
    }

    fn keys(&self) -> Vec<String> {
        self.state.borrow().graph.keys().iter().map(|key| key.to_string()).collect()
    }

    fn find(&self, key: String) -> Result<u32> {
        Ok(self.state.borrow().graph.find(Key::from(key.as_str()))?)
    }

    fn set_properties(&self, keys: Option<Vec<String>>, values: Vec<f32>) -> Result<()> {
        let mut state = self.state.borrow_mut();
        state.properties = Some(state.table(keys, values).map_err(|error| error.at("properties"))?);
        Ok(())
    }

    fn set_initial(&self, keys: Option<Vec<String>>, values: Vec<f32>) -> Result<()> {
        let mut state = self.state.borrow_mut();
        state.initial = Some(state.table(keys, values).map_err(|error| error.at("initial vectors"))?);
        Ok(())
    }

    fn embed(&self, given: wit::EmbeddingOptions) -> Result<()> {
        let mut state = self.state.borrow_mut();
        let start = Given { properties: state.properties.as_ref(), initial: state.initial.as_ref() };
        let mut embedder = Embedder::new(&state.graph, start, embedding(given))?;
        while embedder.step(&Alone)? {}
        let vectors = embedder.finish(&Alone)?;
        (state.vectors, state.index) = (Some(vectors), None);
        Ok(())
    }

    fn dimensions(&self) -> u32 {
        self.state.borrow().vectors.as_ref().map_or(0, |vectors| count(vectors.dimensions()))
    }

    fn unit(&self) -> i32 {
        self.state.borrow().vectors.as_ref().map_or(0, Vectors::unit)
    }

    fn vectors(&self, first: u32, nodes: u32) -> Result<Vec<i16>> {
        let state = self.state.borrow();
        let vectors = state.ready()?;
        let (first, wanted) = (first as usize, nodes as usize);
        if first.saturating_add(wanted) > vectors.nodes() {
            let line = format!("{wanted} nodes from {first} on, there are {}", vectors.nodes());
            return Err(Error::new(Code::Input, line).into());
        }
        let mut out = vec![0; wanted * vectors.dimensions()];
        vectors.write(&Alone, first, &mut out);
        Ok(out)
    }

    fn reweigh(&self, weights: Vec<f32>) -> Result<()> {
        let mut state = self.state.borrow_mut();
        state.ready()?;
        state.index = None;
        let Some(vectors) = &mut state.vectors else { return Ok(()) };
        Ok(vectors.merge_anew(&Alone, &weights)?)
    }

    fn project(&self, components: u32) -> Result<Vec<f32>> {
        Ok(self.state.borrow().ready()?.project(&Alone, components as usize)?)
    }

    fn link_scores(&self, pairs: Vec<(u32, u32)>) -> Result<Vec<f32>> {
        let pairs: Vec<[u32; 2]> = pairs.into_iter().map(|(a, b)| [a, b]).collect();
        Ok(self.state.borrow().ready()?.link_scores(&pairs)?)
    }

    fn neighbours(&self, node: u32, k: u32, candidates: Option<u32>) -> Result<Vec<wit::Neighbour>> {
        let mut state = self.state.borrow_mut();
        let mut row = vec![0; state.ready()?.dimensions()];
        state.check(node)?;
        state.ready()?.row(node as usize, &mut row);
        let index = match state.index.take() {
            Some(index) => index,
            None => state.ready()?.index(&Alone)?,
        };
        let stages = match candidates {
            Some(candidates) => Stages::Two { candidates: candidates as usize },
            None => Stages::Exact,
        };
        let hits = index.search(Vector::I16(&row), k as usize, stages, &|key| key != u64::from(node));
        state.index = Some(index);
        // Keys of this index are nodes.
        Ok(hits?.iter().map(|hit| wit::Neighbour { node: hit.key as u32, score: hit.score }).collect())
    }

    fn change(&self, added: Vec<wit::Edge>, removed: Vec<(String, String)>) -> Result<u64> {
        let state = &mut *self.state.borrow_mut();
        if !state.ready()?.options().keep {
            return Err(Error::new(Code::NotReady, "powers were not kept: a change needs all of them").into());
        }
        if state.properties.is_some() || state.initial.is_some() {
            let line = "a graph whose nodes were given properties or vectors to start with cannot be changed";
            return Err(Error::new(Code::Unsupported, line).into());
        }
        let key = |text| Key::from(String::as_str(text));
        let change = Change {
            added: added.iter().map(|edge| (key(&edge.source), key(&edge.target), edge.weight)).collect(),
            removed: removed.iter().map(|(source, target)| (key(source), key(target))).collect(),
        };
        let touched = state.graph.change(&change, state.direction)?;
        state.index = None;
        let Some(vectors) = &mut state.vectors else { return Ok(0) };
        Ok(vectors.update(&Alone, &state.graph, Given::default(), &touched)? as u64)
    }
}
