//! The graph from bytes to vectors, held to its textbook.

use alloc::{format, string::String, vec, vec::Vec};

use super::{
    factor::{Factor, Tables},
    propagate::{Propagation, propagate, weight_exponent},
    rows::{Rows, ZERO},
    *,
};
use crate::{
    Code, Error, Result,
    kernel::BACK_ENDS,
    search::{Stages, Vector},
    team::{Alone, Team},
};

/// Threads that live for one job; where there are none, one after the other, last first.
struct Threads(usize);

impl Team for Threads {
    fn size(&self) -> usize {
        self.0
    }

    fn run(&self, workers: crate::team::Number, job: &crate::team::Job<'_>) {
        if cfg!(target_family = "wasm") {
            return (0..workers).rev().for_each(job);
        }
        std::thread::scope(|scope| {
            (0..workers).for_each(|worker| drop(scope.spawn(move || job(worker))));
        });
    }
}

fn graph_of(text: &str) -> Result<Graph> {
    read(text.as_bytes(), GraphOptions::default())
}

fn read(bytes: &[u8], options: GraphOptions) -> Result<Graph> {
    let mut reader = Reader::new(options, None);
    reader.push(bytes)?;
    reader.finish()
}

/// Planted communities: nodes of a group mostly know each other.
fn communities(nodes: u64, edges: usize, seed: u64) -> Vec<(u64, u64)> {
    let mut stream = project::Stream::of(Key::Number(seed), 1, 2);
    let mut next = |below: u64| ((stream.draw() >> 32) * below) >> 32;
    (0..edges)
        .map(|_| {
            let from = next(nodes);
            let same = next(10) < 8;
            (from, if same { (from / 10 * 10 + next(10)).min(nodes - 1) } else { next(nodes) })
        })
        .collect()
}

fn lines(edges: &[(u64, u64)]) -> String {
    edges.iter().map(|(from, to)| format!("{from}\t{to}\n")).collect()
}

fn embed(graph: &Graph, options: &Options) -> Vectors {
    Embedder::new(graph, Given::default(), options.clone()).unwrap().run(&Alone).unwrap()
}

fn all(vectors: &Vectors) -> Vec<i16> {
    let mut out = vec![0; vectors.nodes() * vectors.dimensions()];
    vectors.write(&Alone, 0, &mut out);
    out
}

fn as_floats(vectors: &Vectors) -> Vec<f32> {
    all(vectors).iter().map(|&entry| libm::ldexpf(entry.into(), vectors.unit())).collect()
}

#[test]
fn factors_are_near_and_tables_are_nearer_than_their_indices() {
    for i in 1..5000 {
        let x = f64::from(i) / 37.0;
        assert!((Factor::nearest(x).value() / x - 1.0).abs() <= 1.0 / 27.0, "{x}");
    }
    let tables = Tables::new();
    for i in 1..70_000u32 {
        let x = i * 61;
        let near = |factor: Factor, exact: f64| (factor.value() / exact - 1.0).abs() < 0.045;
        assert!(near(tables.one_over(x.into(), -3), 8.0 / f64::from(x)), "1 / {x}");
        assert!(near(tables.one_over_root(x), 1.0 / f64::from(x).sqrt()), "1 / sqrt({x})");
        assert!((f64::from(tables.logarithm(x.into(), 2)) / 256.0 - f64::from(x).log2() - 2.0).abs() < 0.005);
    }
    assert_eq!(Factor::ONE.apply(12_345), 12_345);
    for x in [-1_000_000, -77, 0, 5, 999_999] {
        let factor = Factor::nearest(0.83);
        assert!((f64::from(factor.apply(x)) - f64::from(x) * factor.shifted(-factor.exponent).value()).abs() <= 2.0);
    }
}

#[test]
fn squares_and_quotients_are_exact() {
    assert!((0..=255).all(|x: u8| rows::square(x) == u32::from(x) * u32::from(x)));
    for (a, b) in [(0, 1), (7, 7), (1 << 60, 3), (u64::MAX, 10), (12_345_678_901, 977), (5, 9)] {
        assert_eq!(merge::divide(a, b), a / b);
    }
}

#[test]
fn weights_go_to_the_nearest_power_of_two_by_ratio() {
    for (weight, exponent) in
        [(1.0, 0), (1.41, 0), (1.42, 1), (0.71, 0), (0.70, -1), (6.67, 3), (1e-30, -40), (f32::MAX, 40)]
    {
        assert_eq!(weight_exponent(weight), exponent, "{weight}");
    }
}

/// A propagation as its text says, one number at a time.
fn textbook(csr: &Csr, tables: &Tables, step: Step, from: &Rows, node: usize) -> (Vec<i8>, i16) {
    let (neighbours, mut sums) = (csr.neighbours(node), vec![0i64; from.stride()]);
    let exponent = |i: usize| match i32::from(from.exponent(neighbours[i] as usize)) {
        exponent if exponent == i32::from(ZERO) => None,
        exponent => Some(exponent + csr.weights(node).get(i).map_or(0, |&weight| weight_exponent(weight))),
    };
    let most = (0..neighbours.len()).filter_map(exponent).max();
    let unit = most.unwrap_or(0) - 4.min(24 - (usize::BITS - neighbours.len().leading_zeros()) as i32);
    for (i, &neighbour) in neighbours.iter().enumerate() {
        let Some(shift) = exponent(i).map(|exponent| exponent - unit) else { continue };
        for (sum, &mantissa) in sums.iter_mut().zip(from.row(neighbour as usize)) {
            // Halves up.
            let scaled = f64::from(mantissa) * 2f64.powi(shift) + 0.5;
            *sum += if shift >= -8 { scaled.floor() as i64 } else { 0 };
        }
    }
    let mut sums: Vec<i32> = sums.iter().map(|&sum| i32::try_from(sum).expect("no overflow")).collect();
    let scaling = match step {
        Step::Mean if !neighbours.is_empty() => {
            rows::Scaling::By(tables.one_over(propagate::degree(csr, node), propagate::DEGREE_UNIT))
        }
        Step::Unit => rows::Scaling::Unit(tables),
        _ => rows::Scaling::By(Factor::ONE),
    };
    let (mut row, mut exponent) = (vec![0; from.stride()], 0);
    rows::write_row(&mut sums, unit, scaling, &mut row, &mut exponent);
    (row, exponent)
}

#[test]
fn every_back_end_and_team_propagates_as_the_textbook() {
    let mut text = lines(&communities(300, 2000, 3));
    // A hub, weights over a wide range, a loop, a node far away.
    (0..290).for_each(|i| text += &format!("7\t{i}\t{}\n", 2f32.powi(i % 37 - 18)));
    text += "7\t7\n1000\t1000\t3.5\n";
    let graph = graph_of(&text).unwrap();
    let tables = Tables::new();
    for (dimensions, step) in [(32, Step::Mean), (96, Step::Sum), (100, Step::Unit), (200, Step::Mean)] {
        let options = Options { dimensions, beta: -0.7, weights: vec![1.0], keep: true, ..Options::default() };
        let vectors = embed(&graph, &options);
        let mut from = vectors.powers.rows.into_values().next().unwrap();
        for power in 1..4 {
            let mut next = Vec::new();
            for back_end in BACK_ENDS {
                for team in [1, 3] {
                    let mut to = Rows::zeros(graph.nodes(), dimensions).unwrap();
                    let by = Propagation { back_end, csr: graph.csr(), tables: &tables, step };
                    propagate(&Threads(team), &by, &from, &mut to, 0..graph.nodes());
                    next.push(to);
                }
            }
            for node in 0..graph.nodes() {
                let (row, exponent) = textbook(graph.csr(), &tables, step, &from, node);
                for to in &next {
                    assert_eq!((to.row(node), to.exponent(node)), (&row[..], exponent), "node {node} of power {power}");
                }
            }
            from = next.swap_remove(0);
        }
    }
}

#[test]
fn a_hub_of_a_hundred_thousand_does_not_overflow() {
    let leaves = 100_000;
    let text: String = (1..=leaves).map(|i| format!("0 {i}\n")).collect();
    let graph = graph_of(&text).unwrap();
    for step in [Step::Mean, Step::Sum, Step::Unit] {
        let options =
            Options { dimensions: 32, weights: vec![0.0, 1.0, 1.0, 1.0], step, keep: true, ..Options::default() };
        let vectors = embed(&graph, &options);
        // All leaves have one neighbour, and so the same row, and their sum has its direction.
        let (one, two, hub) =
            (vectors.power(2).unwrap().row(1), vectors.power(2).unwrap().row(2), vectors.power(3).unwrap().row(0));
        assert_eq!(one, two);
        let dot = |a: &[i8], b: &[i8]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
        assert!(dot(one, hub) > 0.9995 * (dot(one, one) * dot(hub, hub)).sqrt(), "{step:?}");
    }
}

#[test]
fn vectors_are_those_of_the_twin_in_floats() {
    let graph = graph_of(&lines(&communities(400, 4000, 1))).unwrap();
    let finishes = [Finish::Sum, Finish::Zscore, Finish::Sphere];
    for (step, finish) in [Step::Mean, Step::Unit].into_iter().flat_map(|step| finishes.map(|finish| (step, finish))) {
        for centre in [false, true] {
            let weights = vec![0.0, 0.5, 1.0, 4.0];
            let options = Options { dimensions: 96, weights, step, finish, centre, seed: 5, ..Options::default() };
            let (ours, twin) =
                (as_floats(&embed(&graph, &options)), float::embed(&graph, Given::default(), &options).unwrap());
            let mut worst = 1f64;
            for (a, b) in ours.chunks(96).zip(twin.chunks(96)) {
                let dot =
                    |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
                worst = worst.min(dot(a, b) / (dot(a, a) * dot(b, b)).sqrt());
                if finish != Finish::Sum {
                    let ratio = dot(a, a) / dot(b, b);
                    assert!((0.88..1.13).contains(&ratio), "{step:?} {finish:?} {centre}: length {ratio}");
                }
            }
            assert!(worst > 0.99, "{step:?} {finish:?} {centre}: cosine {worst}");
        }
    }
}

#[test]
fn a_node_has_the_same_vector_whatever_the_order_and_the_team() {
    let mut edges = communities(200, 1500, 9);
    let options = Options { dimensions: 64, ..Options::default() };
    let graph = graph_of(&lines(&edges)).unwrap();
    let expected = all(&embed(&graph, &options));
    edges.reverse();
    edges.iter_mut().step_by(2).for_each(|(from, to)| core::mem::swap(from, to));
    let other = graph_of(&lines(&edges)).unwrap();
    assert_eq!(graph.keys().iter().collect::<Vec<_>>(), other.keys().iter().collect::<Vec<_>>());
    for threads in [1, 2, 5] {
        let vectors = Embedder::new(&other, Given::default(), options.clone()).unwrap().run(&Threads(threads)).unwrap();
        let mut out = vec![0; expected.len()];
        vectors.write(&Threads(threads), 0, &mut out);
        assert_eq!(out, expected);
    }
    // Without statistics over all nodes a node far away changes nothing.
    let plain = Options { finish: Finish::Sum, centre: false, ..options };
    let more = graph_of(&(lines(&edges) + "9999\t8888\n")).unwrap();
    let (few, many) = (embed(&graph, &plain), embed(&more, &plain));
    assert_eq!(all(&few), all(&many)[..few.nodes() * 64]);
}

#[test]
fn bytes_may_be_cut_anywhere() {
    let text = "# comment\nsource,target,weight\n\"a, b\",c,2.5\r\n12,\"say \"\"c\"\"\",1\n\nc,12\n";
    let whole = graph_of(text).unwrap();
    assert_eq!(whole.keys().iter().map(|key| format!("{key}")).collect::<Vec<_>>(), ["a, b", "c", "12", "say \"c\""]);
    assert_eq!(whole.csr().edges(1).collect::<Vec<_>>(), [(0, 2.5), (2, 1.0)]);
    for cut in 0..text.len() {
        let mut reader = Reader::new(GraphOptions::default(), None);
        reader.push(&text.as_bytes()[..cut]).unwrap();
        reader.push(&text.as_bytes()[cut..]).unwrap();
        assert_eq!(reader.finish().unwrap().csr(), whole.csr(), "cut at {cut}");
    }
    let mut reader = Reader::new(GraphOptions::default(), None);
    text.bytes().for_each(|byte| reader.push(&[byte]).unwrap());
    assert_eq!(reader.finish().unwrap().csr(), whole.csr());
}

#[test]
fn every_format_says_the_same() {
    let expected = graph_of("1 2\n2 3\n").unwrap();
    let json = r#"{"options":{"type":"undirected"},"nodes":[{"key":"1"},{"key":2},{"key":"3","attributes":{"x":1}}],
        "edges":[{"source":"1","target":"2"},{"key":"e","source":2,"target":"3","attributes":{"weight":1}}]}"#;
    let matrix = "%%MatrixMarket matrix coordinate pattern symmetric\n% comment\n3 3 2\n1 2\n2 3\n";
    for text in ["1\t2\n2\t3", "1,2\n2,3\n", "1;2\n2;3", "  1   2\n2\t 3 ", "%x\n1 2 1.0\n2 3 1\n", json, matrix] {
        let graph = graph_of(text).unwrap();
        assert_eq!((graph.csr(), graph.nodes()), (expected.csr(), 3), "{text}");
    }
    let arrays = Graph::from_arrays(&[1, 2], &[2, 3], &[], None, GraphOptions::default()).unwrap();
    assert_eq!(arrays.csr(), expected.csr());
    // A matrix has all of its nodes, an edge list those of its edges.
    assert_eq!(graph_of("%%MatrixMarket matrix coordinate real general\n5 5 1\n1 2 0.5\n").unwrap().nodes(), 5);
}

#[test]
fn directions_loops_and_duplicates_are_as_documented() {
    let text = b"1 2\n1 2\n2 2\n3 1 4\n";
    let rows = |options: GraphOptions| {
        let graph = read(text, options).unwrap();
        (0..3).map(|node| graph.csr().edges(node).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let options = GraphOptions::default();
    let (one, two) = ((0, 1.0), (1, 1.0));
    assert_eq!(rows(options), [vec![two, two, (2, 4.0)], vec![one, one, two], vec![(0, 4.0)]]);
    let directed = GraphOptions { direction: Direction::Directed, ..options };
    assert_eq!(rows(directed), [vec![two, two], vec![two], vec![(0, 4.0)]]);
    let reversed = GraphOptions { direction: Direction::Reversed, ..options };
    assert_eq!(rows(reversed), [vec![(2, 4.0)], vec![one, one, two], vec![]]);
    let first =
        GraphOptions { duplicates: Duplicates::First, without_self_loops: true, ignore_weights: true, ..options };
    assert_eq!(rows(first), [vec![two, (2, 1.0)], vec![one], vec![one]]);
}

#[test]
fn keys_of_any_kind_are_found_again() {
    let mut keys = keys::Keys::default();
    let texts: Vec<String> = (0..3000u64)
        .map(|i| match i % 4 {
            0 => format!("{}", i * 7),
            1 => format!("{}", u64::MAX - i),
            2 => format!("0{i}"),
            _ => format!("node {i}"),
        })
        .collect();
    for (i, text) in texts.iter().enumerate() {
        assert_eq!(keys.find_or_add(Key::from(text.as_str())).unwrap(), i as u32);
    }
    for (i, text) in texts.iter().enumerate() {
        assert_eq!(keys.find(Key::from(text.as_str())), Some(i as u32));
        assert_eq!(format!("{}", keys.get(i)), *text);
    }
    assert_eq!(keys.find(Key::from("7")), None);
    assert_ne!(Key::from("7"), Key::from("07"));
    // Numbers that come in falling order, each below the table that the first of them asked for.
    let mut keys = keys::Keys::default();
    for number in (0..9000).rev().chain((0..9000).rev()) {
        keys.find_or_add(Key::Number(number)).unwrap();
    }
    assert_eq!(keys.len(), 9000);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let cases = [
        ("1 2\n3\n", Code::Format, "line 2: \"3\" is no edge"),
        ("1 2\n\n1\t2 3 4 5\n", Code::Format, "line 3: \"1\t2 3 4 5\" has more"),
        ("1 2 NaN\n", Code::Value, "line 1: weight NaN"),
        ("1 2 1\n1 2 -1\n", Code::Value, "line 2: weight -1"),
        ("1 2 0\n", Code::Value, "line 1: weight 0"),
        ("1 2 inf\n", Code::Value, "line 1: weight inf"),
        ("1 2 heavy\n", Code::Format, "line 1: weight \"heavy\""),
        ("", Code::Input, "the graph is empty"),
        ("# nothing\n", Code::Input, "the graph is empty"),
        ("a,\"b\n", Code::Format, "line 1: a quoted field"),
        ("%%MatrixMarket matrix array real general\n", Code::Unsupported, "line 1: Matrix Market"),
        ("%%MatrixMarket matrix coordinate real general\n2 3 1\n", Code::Format, "line 2: the matrix has 2 rows"),
        ("%%MatrixMarket matrix coordinate real general\n2 2 1\n1 3 1\n", Code::Format, "line 3: entry (1, 3)"),
        ("%%MatrixMarket matrix coordinate real general\n2 2 2\n1 2 1\n", Code::Format, "1 entries are missing"),
        ("{\"edges\": [{\"source\": 1}]}", Code::Format, "missing field `target`"),
        ("{\"nodes\":[{\"key\":1}],\"edges\":[{\"source\":1,\"target\":2}]}", Code::Format, "edge 0: 1 or 2"),
        ("{\"edges\":[{\"source\":1,\"target\":2,\"attributes\":{\"weight\":-2}}]}", Code::Value, "edge 0: weight -2"),
    ];
    for (text, code, message) in cases {
        let error = graph_of(text).unwrap_err();
        assert_eq!(error.code, code, "{text}: {}", error.message);
        assert!(error.message.starts_with(message) || error.message.contains("missing field"), "{}", error.message);
    }
    let latin = read(b"a\xe9 b\n", GraphOptions::default()).unwrap_err();
    assert_eq!(latin.message, "line 1: the line is not UTF-8");
}

#[test]
fn what_does_not_fit_is_refused_before_it_starts() {
    let options = GraphOptions { memory: Some(1 << 20), ..GraphOptions::default() };
    let header = b"%%MatrixMarket matrix coordinate real general\n4000000000 4000000000 4000000000\n";
    let huge = read(header, options).unwrap_err();
    assert_eq!(huge.code, Code::Capacity);
    let header = b"%%MatrixMarket matrix coordinate real general\n1000000 1000000 10000000\n";
    let large = read(header, options).unwrap_err();
    assert!(large.message.contains("needs 296 MB of memory or more, 1 MB may be used"), "{}", large.message);
    let lines = lines(&communities(1000, 200_000, 1));
    assert_eq!(read(lines.as_bytes(), options).unwrap_err().code, Code::Capacity);
    let graph = graph_of("1 2\n").unwrap();
    let big = Options { dimensions: 65_536, ..Options::default() };
    let error = check_memory(&graph, &big, Some(100_000)).unwrap_err();
    assert!(error.message.starts_with("2 nodes and 2 stored edges in 65536 dimensions need"), "{}", error.message);
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    let graph = graph_of("1 2\n").unwrap();
    let options = Options::default();
    let refused =
        |options: Options| Embedder::new(&graph, Given::default(), options).err().map(|error: Error| error.message);
    assert_eq!(refused(options.clone()), None);
    for (options, word) in [
        (Options { dimensions: 0, ..options.clone() }, "dimensions"),
        (Options { dimensions: 1 << 20, ..options.clone() }, "dimensions"),
        (Options { weights: vec![], ..options.clone() }, "weights"),
        (Options { weights: vec![0.0, 0.0], ..options.clone() }, "weights"),
        (Options { weights: vec![1.0, f32::NAN], ..options.clone() }, "weights"),
        (Options { beta: f32::NAN, ..options.clone() }, "beta"),
        (Options { sparsity: Sparsity::OneIn(0.5), ..options.clone() }, "sparsity"),
        (Options { property_ratio: 0.5, ..options.clone() }, "property ratio"),
    ] {
        assert!(refused(options).unwrap().starts_with(word), "{word}");
    }
}

#[test]
fn other_weights_need_no_propagation() {
    let graph = graph_of(&lines(&communities(150, 900, 2))).unwrap();
    let options = Options { dimensions: 64, weights: vec![0.0, 1.0, 1.0, 0.0], keep: true, ..Options::default() };
    let mut vectors = embed(&graph, &options);
    for weights in [vec![1.0, 0.0, 2.0, 8.0], vec![0.0, 0.0, 1.0], vec![1.0]] {
        vectors.merge_anew(&Alone, &weights).unwrap();
        assert_eq!(all(&vectors), all(&embed(&graph, &Options { weights, ..options.clone() })));
    }
    let mut few = embed(&graph, &Options { keep: false, ..options });
    assert_eq!(few.merge_anew(&Alone, &[1.0]).unwrap_err().code, Code::NotReady);
}

#[test]
fn an_update_equals_a_full_run() {
    let edges = communities(300, 600, 4);
    for direction in [Direction::Undirected, Direction::Directed, Direction::Reversed] {
        for (beta, sparsity) in [(0.0, Sparsity::Three), (-0.5, Sparsity::Three), (-0.5, Sparsity::Root)] {
            let options = GraphOptions { direction, ..GraphOptions::default() };
            let weights = vec![0.5, 1.0, 1.0, 1.0];
            let embedding = Options { dimensions: 64, weights, beta, sparsity, keep: true, ..Options::default() };
            let mut graph = read(lines(&edges).as_bytes(), options).unwrap();
            let mut vectors = embed(&graph, &embedding);
            let number = |(from, to): (u64, u64)| (Key::Number(from), Key::Number(to));
            // Of the same pair one may be there twice, and both go.
            let removed = [edges[17], edges[200]];
            let added = [(5, 250), (9000, 3), (3, 17)];
            let change = Change {
                removed: removed.iter().copied().map(number).collect(),
                added: added.iter().copied().map(number).map(|(from, to)| (from, to, 1.0)).collect(),
            };
            let touched = graph.change(&change, direction).unwrap();
            let computed = vectors.update(&Alone, &graph, Given::default(), &touched).unwrap();
            let total = graph.nodes() * 4;
            assert!(computed < total || sparsity == Sparsity::Root, "{computed} of {total}");
            let gone = |&(from, to): &(u64, u64)| {
                removed.contains(&(from, to)) || direction == Direction::Undirected && removed.contains(&(to, from))
            };
            let mut after: Vec<_> = edges.iter().copied().filter(|edge| !gone(edge)).collect();
            after.extend(added);
            let mut full = Builder::new(options);
            // A node stays when its last edge goes.
            for key in graph.keys().iter() {
                full.node(key).unwrap();
            }
            for &(from, to) in &after {
                full.edge(Key::Number(from), Key::Number(to), 1.0).unwrap();
            }
            let full = full.build().unwrap();
            let expected = embed(&full, &embedding);
            let (mut a, mut b) = ([0; 64], [0; 64]);
            for (node, key) in graph.keys().iter().enumerate() {
                vectors.row(node, &mut a);
                expected.row(full.find(key).unwrap() as usize, &mut b);
                assert_eq!(a, b, "{direction:?}, node {key}");
            }
        }
    }
    let mut graph = graph_of("1 2\n").unwrap();
    let missing = Change { removed: vec![(Key::Number(1), Key::Number(1))], ..Change::default() };
    assert_eq!(graph.change(&missing, Direction::Undirected).unwrap_err().message, "no edge from 1 to 1");
}

#[test]
fn properties_and_own_vectors_start_a_node() {
    let graph = graph_of("1 2\n3 4\n5 6\n").unwrap();
    let mut table = Table::zeros(2, 6).unwrap();
    for (node, values) in [[1.0, 0.0], [1.0, 0.0], [0.0, 5.0], [0.0, 5.0], [1.0, 5.0], [0.5, 2.5]].iter().enumerate() {
        table.set(node, values).unwrap();
    }
    assert!(table.set(0, &[f32::NAN, 0.0]).is_err() && table.set(0, &[1.0]).is_err());
    let options = Options {
        property_ratio: 1.0,
        weights: vec![1.0, 1.0],
        dimensions: 256,
        finish: Finish::Sum,
        centre: false,
        ..Options::default()
    };
    let given = Given { properties: Some(&table), initial: None };
    let vectors = Embedder::new(&graph, given, options.clone()).unwrap().run(&Alone).unwrap();
    let scores = vectors.link_scores(&[[0, 1], [2, 3], [0, 2], [4, 5]]).unwrap();
    assert!(scores[0] > 0.99 && scores[1] > 0.99 && scores[2].abs() < 0.4 && scores[3] > 0.9, "{scores:?}");
    for ratio in [0.25, 1.0] {
        let options = Options { property_ratio: ratio, beta: -0.5, ..options.clone() };
        let ours = as_floats(&Embedder::new(&graph, given, options.clone()).unwrap().run(&Alone).unwrap());
        let twin = float::embed(&graph, given, &options).unwrap();
        assert!(ours.iter().zip(&twin).all(|(a, b)| (a / 0.5 - b).abs() < 0.06 * b.abs() + 0.02), "{ratio}");
    }
    let own = Table::new(256, (0..6 * 256).map(|i| libm::sinf(i as f32)).collect(), 6).unwrap();
    let given = Given { properties: None, initial: Some(&own) };
    let options = Options { property_ratio: 0.0, weights: vec![1.0], ..options };
    let ours = as_floats(&Embedder::new(&graph, given, options.clone()).unwrap().run(&Alone).unwrap());
    let twin = float::embed(&graph, given, &options).unwrap();
    assert!(ours.iter().zip(&twin).all(|(a, b)| (a - b).abs() < 0.01));
    assert!(Embedder::new(&graph, given, Options { dimensions: 64, ..options }).is_err());
}

#[test]
fn nodes_of_a_group_are_neighbours() {
    let graph = graph_of(&lines(&communities(500, 8000, 6))).unwrap();
    let vectors = embed(&graph, &Options { dimensions: 128, ..Options::default() });
    let index = vectors.index(&Alone).unwrap();
    let (mut row, mut right, mut found) = (vec![0; 128], 0, 0);
    for node in (0..500).step_by(7) {
        vectors.row(node, &mut row);
        let exact = index.search(Vector::I16(&row), 10, Stages::Exact, &|_| true).unwrap();
        right += exact.iter().filter(|hit| hit.key / 10 == node as u64 / 10).count();
        found += exact.len();
    }
    assert!(right * 10 > found * 8, "{right} of {found}");
    let places = vectors.project(&Alone, 2).unwrap();
    let spread = |component: usize| places.iter().skip(component).step_by(2).map(|x| f64::from(x * x)).sum::<f64>();
    assert!(spread(0) >= spread(1) && spread(1) > 0.0);
}
