//! Graphs and the vectors of their nodes.

use js_sys::{Array, Function, Int16Array};
use nomul::{
    Code, Error,
    graph::{
        Change, Direction, Duplicates, Embedder, Finish, Given, Graph, GraphOptions, Key, Options, Reader, Sparsity,
        Step, Table, Vectors,
    },
    search::{Index, Stages, Vector},
    team::Alone,
};
use wasm_bindgen::prelude::*;

use crate::convert::throw;

fn graph_options(
    direction: &str,
    keep_duplicates: bool,
    keep_self_loops: bool,
    keep_weights: bool,
) -> nomul::Result<GraphOptions> {
    Ok(GraphOptions {
        direction: match direction {
            "undirected" => Direction::Undirected,
            "directed" => Direction::Directed,
            "reversed" => Direction::Reversed,
            _ => return Err(unknown("direction", direction, "undirected, directed, reversed")),
        },
        duplicates: if keep_duplicates { Duplicates::Add } else { Duplicates::First },
        without_self_loops: !keep_self_loops,
        ignore_weights: !keep_weights,
        memory: None,
    })
}

fn unknown(what: &str, text: &str, known: &str) -> Error {
    Error::new(Code::Input, format!("{what}: {text:?} is none of {known}"))
}

/// Reads a graph whose bytes come in parts.
#[wasm_bindgen]
pub struct GraphReader {
    reader: Reader,
    direction: Direction,
}

#[wasm_bindgen]
impl GraphReader {
    /// What the bytes are (edges, Matrix Market, JSON) they tell themselves.
    #[wasm_bindgen(constructor)]
    pub fn new(
        direction: &str,
        keep_duplicates: bool,
        keep_self_loops: bool,
        keep_weights: bool,
    ) -> Result<GraphReader, JsValue> {
        let options = graph_options(direction, keep_duplicates, keep_self_loops, keep_weights).map_err(throw)?;
        Ok(GraphReader { reader: Reader::new(options, None), direction: options.direction })
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), JsValue> {
        self.reader.push(bytes).map_err(throw)
    }

    /// The graph, once all has come.
    pub fn finish(self) -> Result<GraphVectors, JsValue> {
        Ok(GraphVectors::of(self.reader.finish().map_err(throw)?, self.direction))
    }
}

/// A graph and, once it is embedded, the vectors of its nodes.
#[wasm_bindgen]
pub struct GraphVectors {
    graph: Graph,
    direction: Direction,
    properties: Option<Table>,
    initial: Option<Table>,
    vectors: Option<Vectors>,
    /// For neighbours; made when it is first asked for.
    index: Option<Index>,
}

/// Vectors that are made and handed over at a time.
const PART: usize = 1 << 12;

impl GraphVectors {
    fn of(graph: Graph, direction: Direction) -> GraphVectors {
        GraphVectors { graph, direction, properties: None, initial: None, vectors: None, index: None }
    }

    /// Values of nodes; those of keys that are given, or of all nodes in their order.
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

    fn ready(&self) -> nomul::Result<&Vectors> {
        self.vectors.as_ref().ok_or_else(|| Error::new(Code::NotReady, "the graph has no vectors yet"))
    }

    fn ready_mut(&mut self) -> nomul::Result<&mut Vectors> {
        self.index = None;
        self.vectors.as_mut().ok_or_else(|| Error::new(Code::NotReady, "the graph has no vectors yet"))
    }
}

#[wasm_bindgen]
impl GraphVectors {
    /// From typed arrays: the ends of each edge, weights for none or all of them, and the number of nodes if it is known.
    #[wasm_bindgen(js_name = fromArrays)]
    pub fn from_arrays(
        from: &[u32],
        to: &[u32],
        weights: &[f32],
        nodes: Option<u32>,
        direction: &str,
        keep_duplicates: bool,
        keep_self_loops: bool,
    ) -> Result<GraphVectors, JsValue> {
        let options = graph_options(direction, keep_duplicates, keep_self_loops, true).map_err(throw)?;
        let graph = Graph::from_arrays(from, to, weights, nodes, options).map_err(throw)?;
        Ok(GraphVectors::of(graph, options.direction))
    }

    /// From compressed sparse rows: whose vectors each of the nodes 0, 1, 2… sums over. `direction` is for later changes.
    #[wasm_bindgen(js_name = fromRows)]
    pub fn from_rows(
        starts: Vec<u32>,
        targets: Vec<u32>,
        weights: Vec<f32>,
        direction: &str,
    ) -> Result<GraphVectors, JsValue> {
        let options = graph_options(direction, true, true, true).map_err(throw)?;
        let graph = Graph::from_rows(starts, targets, weights).map_err(throw)?;
        Ok(GraphVectors::of(graph, options.direction))
    }

    /// What nodes start with beside their projection: `values` is (node, property), of these keys or of all nodes.
    #[wasm_bindgen(js_name = setProperties)]
    pub fn set_properties(&mut self, keys: Option<Vec<String>>, values: Vec<f32>) -> Result<(), JsValue> {
        let table = self.table(keys, values).map_err(|error| throw(error.at("properties")))?;
        self.properties = Some(table);
        Ok(())
    }

    /// What nodes start with in place of their projection: `values` is (node, dimension), of these keys or of all nodes.
    #[wasm_bindgen(js_name = setInitial)]
    pub fn set_initial(&mut self, keys: Option<Vec<String>>, values: Vec<f32>) -> Result<(), JsValue> {
        let table = self.table(keys, values).map_err(|error| throw(error.at("initial vectors")))?;
        self.initial = Some(table);
        Ok(())
    }

    /// How many nodes there are.
    #[wasm_bindgen(getter)]
    pub fn nodes(&self) -> u32 {
        u32::try_from(self.graph.nodes()).unwrap_or(u32::MAX)
    }

    /// How many edges are stored: an undirected one twice.
    #[wasm_bindgen(getter, js_name = storedEdges)]
    pub fn stored_edges(&self) -> u32 {
        u32::try_from(self.graph.csr().stored()).unwrap_or(u32::MAX)
    }

    /// Numbers of a vector.
    #[wasm_bindgen(getter)]
    pub fn dimensions(&self) -> u32 {
        // At most 65,536.
        self.vectors.as_ref().map_or(0, |vectors| vectors.dimensions() as u32)
    }

    /// What a number of a vector is in units of: 2 to this power.
    #[wasm_bindgen(getter)]
    pub fn unit(&self) -> i32 {
        self.vectors.as_ref().map_or(0, Vectors::unit)
    }

    /// The bytes that an embedding needs beside the graph.
    #[wasm_bindgen(js_name = memoryFor)]
    pub fn memory_for(&self, dimensions: u32, weights: Vec<f32>, keep: bool) -> f64 {
        let options = Options { dimensions: dimensions as usize, weights, keep, ..Options::default() };
        nomul::graph::bytes_for(self.graph.nodes(), &options) as f64
    }

    /// Makes the vectors. `sparsity` is the one entry in so many that is not zero, 0 for the root of the number of nodes;
    /// `tell(done, total)` is called now and then.
    #[allow(clippy::too_many_arguments)] // They come from JavaScript one by one.
    pub fn embed(
        &mut self,
        dimensions: u32,
        weights: Option<Vec<f32>>,
        beta: Option<f32>,
        sparsity: f32,
        step: &str,
        unit_powers: bool,
        centre: bool,
        finish: &str,
        seed: f64,
        property_ratio: f32,
        keep: bool,
        tell: &Function,
    ) -> Result<(), JsValue> {
        let default = Options::default();
        let options = Options {
            dimensions: dimensions as usize,
            weights: weights.unwrap_or(default.weights),
            beta: beta.unwrap_or(default.beta),
            sparsity: if sparsity == 0.0 { Sparsity::Root } else { Sparsity::OneIn(sparsity) },
            step: match step {
                "mean" => Step::Mean,
                "sum" => Step::Sum,
                "unit" => Step::Unit,
                _ => return Err(throw(unknown("step", step, "mean, sum, unit"))),
            },
            unit_powers,
            centre,
            finish: match finish {
                "sum" => Finish::Sum,
                "zscore" => Finish::Zscore,
                "sphere" => Finish::Sphere,
                _ => return Err(throw(unknown("finish", finish, "sum, zscore, sphere"))),
            },
            // Whole numbers up to 2^53, the caller says so.
            seed: seed as u64,
            property_ratio,
            keep,
        };
        self.index = None;
        self.vectors = None;
        let given = Given { properties: self.properties.as_ref(), initial: self.initial.as_ref() };
        let mut embedder = Embedder::new(&self.graph, given, options).map_err(throw)?;
        while embedder.step(&Alone).map_err(throw)? {
            let progress = embedder.progress();
            tell.call2(&JsValue::NULL, &(progress.done as f64).into(), &(progress.total as f64).into())?;
        }
        self.vectors = Some(embedder.finish(&Alone).map_err(throw)?);
        Ok(())
    }

    /// The keys of nodes 0, 1, 2…
    #[wasm_bindgen(unchecked_return_type = "string[]")]
    pub fn keys(&self) -> Array {
        self.graph.keys().iter().map(|key| JsValue::from(key.to_string())).collect()
    }

    /// The node of a key.
    pub fn find(&self, key: &str) -> Result<u32, JsValue> {
        self.graph.find(Key::from(key)).map_err(throw)
    }

    /// Writes the vectors of nodes from `first` on, one after the other, as many as the array has room for.
    pub fn write(&self, first: u32, out: &Int16Array) -> Result<(), JsValue> {
        let vectors = self.ready().map_err(throw)?;
        let (first, dimensions, length) = (first as usize, vectors.dimensions(), out.length() as usize);
        let nodes = length / dimensions;
        if !length.is_multiple_of(dimensions) || first.saturating_add(nodes) > vectors.nodes() {
            let line = format!("{length} numbers from node {first} on: {} nodes of {dimensions}", vectors.nodes());
            return Err(throw(Error::new(Code::Shape, line)));
        }
        let mut part = vec![0; PART.min(nodes) * dimensions];
        for done in (0..nodes).step_by(PART) {
            let part = &mut part[..PART.min(nodes - done) * dimensions];
            vectors.write(&Alone, first + done, part);
            // Numbers of 32 bits index the array, whose length has as many.
            let start = (done * dimensions) as u32;
            out.subarray(start, start + part.len() as u32).copy_from(part);
        }
        Ok(())
    }

    /// The same powers under other weights.
    pub fn reweigh(&mut self, weights: &[f32]) -> Result<(), JsValue> {
        self.ready_mut().and_then(|vectors| vectors.merge_anew(&Alone, weights)).map_err(throw)
    }

    /// The place of each node along the directions in which nodes differ most: (node, component).
    pub fn project(&self, components: u32) -> Result<Vec<f32>, JsValue> {
        self.ready().and_then(|vectors| vectors.project(&Alone, components as usize)).map_err(throw)
    }

    /// The cosine of both ends' vectors, for each pair of nodes: (pair, end).
    #[wasm_bindgen(js_name = linkScores)]
    pub fn link_scores(&self, pairs: &[u32]) -> Result<Vec<f32>, JsValue> {
        let (pairs, rest) = pairs.as_chunks();
        if !rest.is_empty() {
            return Err(throw(Error::new(Code::Input, "pairs: a node without its partner")));
        }
        self.ready().and_then(|vectors| vectors.link_scores(pairs)).map_err(throw)
    }

    /// Looks for the `k` nodes most like one; without candidates exactly. Answers with nodes and cosines in turn.
    pub fn neighbours(&mut self, node: u32, k: u32, candidates: Option<u32>) -> Result<Vec<f64>, JsValue> {
        let mut row = vec![0; self.dimensions() as usize];
        match self.ready().map_err(throw)? {
            vectors if (node as usize) < vectors.nodes() => vectors.row(node as usize, &mut row),
            vectors => return Err(throw(Error::new(Code::Input, format!("node {node} of {}", vectors.nodes())))),
        }
        if self.index.is_none() {
            self.index = Some(self.ready().and_then(|vectors| vectors.index(&Alone)).map_err(throw)?);
        }
        let Some(index) = &self.index else { return Ok(Vec::new()) };
        let stages = match candidates {
            Some(candidates) => Stages::Two { candidates: candidates as usize },
            None => Stages::Exact,
        };
        let hits = index.search(Vector::I16(&row), k as usize, stages, &|key| key != u64::from(node));
        Ok(hits.map_err(throw)?.iter().flat_map(|hit| [hit.key as f64, hit.score]).collect())
    }

    /// Adds and removes edges and brings the vectors up to date; answers with how many rows were computed.
    pub fn change(
        &mut self,
        added_from: Vec<String>,
        added_to: Vec<String>,
        weights: &[f32],
        removed_from: Vec<String>,
        removed_to: Vec<String>,
    ) -> Result<u32, JsValue> {
        if !self.ready().map_err(throw)?.options().keep {
            return Err(throw(Error::new(Code::NotReady, "powers were not kept: a change needs all of them")));
        }
        if self.properties.is_some() || self.initial.is_some() {
            let line = "a graph whose nodes were given properties or vectors to start with cannot be changed";
            return Err(throw(Error::new(Code::Unsupported, line)));
        }
        let ends = |from: &[String], to: &[String]| {
            if from.len() == to.len() {
                return Ok(());
            }
            Err(Error::new(Code::Input, format!("{} sources, {} targets", from.len(), to.len())))
        };
        ends(&added_from, &added_to).and_then(|()| ends(&removed_from, &removed_to)).map_err(throw)?;
        let key = |text| Key::from(String::as_str(text));
        let change = Change {
            added: (0..added_from.len())
                .map(|i| (key(&added_from[i]), key(&added_to[i]), weights.get(i).copied().unwrap_or(1.0)))
                .collect(),
            removed: removed_from.iter().zip(&removed_to).map(|(from, to)| (key(from), key(to))).collect(),
        };
        let touched = self.graph.change(&change, self.direction).map_err(throw)?;
        self.index = None;
        let Some(vectors) = &mut self.vectors else { return Ok(0) };
        let rows = vectors.update(&Alone, &self.graph, Given::default(), &touched).map_err(throw)?;
        Ok(u32::try_from(rows).unwrap_or(u32::MAX))
    }
}
