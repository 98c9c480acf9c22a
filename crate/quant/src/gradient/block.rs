//! One block, forwards and backwards.

mod next;

use std::ops::Range;

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use nomul::{
    config::ModelConfig,
    float::{dot, exp, frequencies, softmax_on_best},
    hadamard::Hadamard,
    weights::{Kind, MatrixId, VectorId},
};
use rayon::prelude::*;

use super::rows::{ROWS, add_back, add_norm_back, norm, product};
use crate::dense::Dense;
pub use next::Past;

/// Queries whose probabilities are held at once; none of them is compared with keys that come after the last.
const QUERIES: usize = if cfg!(test) { 4 } else { 128 };

/// Numbers that are worth a task.
const TASK: usize = 1 << 14;

/// A block of a model, for windows of up to some length.
pub struct Block<'a> {
    config: &'a ModelConfig,
    weights: &'a Dense,
    layer: usize,
    query_key: Option<Hadamard>,
    gate_up: Option<Hadamard>,
    down: Option<Hadamard>,
    /// Cosine and sine of each pair of a head's elements: `(position, head_dim / 2)`.
    turns: Vec<(f32, f32)>,
}

/// Gets, for a matrix, its inputs `(tokens, columns)` and the gradient of its outputs `(tokens, rows)`.
pub type Visit<'a> = dyn FnMut(Kind, &[f32], &[f32]) + 'a;

/// What the way back needs of the way there. Rows of all tokens, one after the other.
pub struct Trace {
    /// The stream before the block.
    x: Vec<f32>,
    attention: Attention,
    /// The stream between attention and the gated layer.
    middle: Vec<f32>,
    gates: Gates,
    /// The stream after the block.
    pub out: Vec<f32>,
}

/// What a block's attention is made of.
struct Heads {
    /// Queries and keys before the norms of heads, if there are such norms.
    raw: Option<[Vec<f32>; 2]>,
    /// Queries and keys at their positions, and values.
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
}

/// What comes before the output matrix.
pub struct Attention {
    /// What queries, keys and values are made of.
    normed: Vec<f32>,
    heads: Heads,
    /// What the output matrix reads.
    pub mixed: Vec<f32>,
}

/// What comes before the down matrix.
pub struct Gates {
    /// What gate and up read.
    normed: Vec<f32>,
    /// Before the nonlinearity.
    gate: Vec<f32>,
    up: Vec<f32>,
    /// What down reads.
    pub gated: Vec<f32>,
}

impl<'a> Block<'a> {
    /// Block `layer` of a model whose weights are at hand, for windows of up to `tokens` tokens.
    pub fn new(config: &'a ModelConfig, weights: &'a Dense, layer: usize, tokens: usize) -> Block<'a> {
        let rotations = config.rotations();
        let transform = |n: usize, seed: Option<u64>| seed.map(|seed| Hadamard::new(n, seed));
        let frequencies: Vec<f32> = frequencies(config).map(|frequency| frequency as f32).collect();
        let turn = |angle: f32| (angle.cos(), angle.sin());
        Block {
            config,
            weights,
            layer,
            query_key: transform(config.head_dim, rotations.query_key),
            gate_up: transform(config.intermediate_size, rotations.gate_up),
            down: transform(config.intermediate_size, rotations.down),
            turns: (0..tokens).flat_map(|t| frequencies.iter().map(move |f| turn(t as f32 * f))).collect(),
        }
    }

    fn matrix(&self, kind: Kind) -> &[f32] {
        self.weights.matrix(MatrixId { layer: self.layer, kind })
    }

    fn gain(&self, id: VectorId) -> Option<&[f32]> {
        self.weights.vector(id)
    }

    fn product(&self, kind: Kind, x: &[f32]) -> Vec<f32> {
        let (rows, columns) = kind.shape(self.config);
        let mut y = vec![0.0; x.len() / columns * rows];
        product(x, self.matrix(kind), columns, &mut y);
        y
    }

    fn normed(&self, x: &[f32], gain: VectorId) -> Vec<f32> {
        let mut out = vec![0.0; x.len()];
        norm(x, self.gain(gain), self.config.rms_norm_eps, self.config.hidden_size, &mut out);
        out
    }

    /// Turns heads by the positions of the rows' tokens, or back.
    fn rotate(&self, x: &mut [f32], length: usize, place: impl Fn(usize) -> usize + Sync, back: bool) {
        let half = self.config.head_dim / 2;
        x.par_chunks_exact_mut(length).enumerate().for_each(|(row, numbers)| {
            let turns = &self.turns[place(row) * half..][..half];
            for head in numbers.chunks_exact_mut(2 * half) {
                let (first, second) = head.split_at_mut(half);
                for ((a, b), &(cosine, sine)) in first.iter_mut().zip(second).zip(turns) {
                    let sine = if back { -sine } else { sine };
                    (*a, *b) = (*a * cosine - *b * sine, *b * cosine + *a * sine);
                }
            }
        });
    }

    /// One window through the block, from its first position on.
    pub fn forward(&self, x: Vec<f32>) -> Trace {
        let attention = self.attention(&x);
        let middle = self.middle(&x, &attention.mixed);
        let gates = self.gates(&middle);
        let out = self.out(&middle, &gates.gated);
        Trace { x, attention, middle, gates, out }
    }

    /// What queries, keys and values are made of.
    pub fn normed_stream(&self, x: &[f32]) -> Vec<f32> {
        self.normed(x, VectorId::AttentionNorm(self.layer))
    }

    /// As far as the output matrix.
    pub fn attention(&self, x: &[f32]) -> Attention {
        let normed = self.normed_stream(x);
        let heads = self.heads(&normed, |row| row);
        let mixed = self.attend(&heads.query, &heads.key, &heads.value);
        Attention { normed, heads, mixed }
    }

    /// Queries, keys and values of tokens, given which place each has.
    fn heads(&self, normed: &[f32], place: impl Fn(usize) -> usize + Sync) -> Heads {
        let config = self.config;
        let layer = self.layer;
        let heads = |kind: Kind| {
            let mut out = self.product(kind, normed);
            if let (Some(transform), Kind::Query | Kind::Key) = (&self.query_key, kind) {
                turn(transform, &mut out, Hadamard::inverse_rows);
            }
            if let Some(bias) = self.gain(VectorId::Bias(MatrixId { layer, kind })) {
                let rows = out.chunks_exact_mut(bias.len());
                rows.for_each(|row| row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias));
            }
            out
        };
        let (mut query, mut key, value) = (heads(Kind::Query), heads(Kind::Key), heads(Kind::Value));
        let mut raw = None;
        if config.qk_norm {
            let normed = |x: &[f32], gain| {
                let mut out = vec![0.0; x.len()];
                norm(x, self.gain(gain), config.rms_norm_eps, config.head_dim, &mut out);
                out
            };
            let fresh = [normed(&query, VectorId::QueryNorm(layer)), normed(&key, VectorId::KeyNorm(layer))];
            raw = Some([query, key]);
            [query, key] = fresh;
        }
        self.rotate(&mut query, config.query_size(), &place, false);
        self.rotate(&mut key, config.key_value_size(), &place, false);
        Heads { raw, query, key, value }
    }

    /// The stream between attention and the gated layer.
    pub fn middle(&self, x: &[f32], mixed: &[f32]) -> Vec<f32> {
        let update = self.product(Kind::Output, mixed);
        x.iter().zip(&update).map(|(x, update)| x + update).collect()
    }

    /// What gate and up read.
    pub fn normed_middle(&self, middle: &[f32]) -> Vec<f32> {
        self.normed(middle, VectorId::FeedForwardNorm(self.layer))
    }

    /// From there as far as the down matrix.
    pub fn gates(&self, middle: &[f32]) -> Gates {
        let normed = self.normed_middle(middle);
        let (mut gate, mut up) = (self.product(Kind::Gate, &normed), self.product(Kind::Up, &normed));
        if let Some(transform) = &self.gate_up {
            turn(transform, &mut gate, Hadamard::inverse_rows);
            turn(transform, &mut up, Hadamard::inverse_rows);
        }
        let mut gated: Vec<f32> =
            gate.par_iter().zip(&up).with_min_len(TASK).map(|(gate, up)| gate * sigmoid(*gate) * up).collect();
        if let Some(transform) = &self.down {
            turn(transform, &mut gated, Hadamard::forward_rows);
        }
        Gates { normed, gate, up, gated }
    }

    /// The stream after the block.
    pub fn out(&self, middle: &[f32], gated: &[f32]) -> Vec<f32> {
        let update = self.product(Kind::Down, gated);
        middle.iter().zip(&update).map(|(x, update)| x + update).collect()
    }

    /// The way back: `gradient` is that of the stream after the block, `(tokens, hidden_size)`; what comes back is that
    /// of the stream before it. `visit` is called for each matrix of the block, in the basis that the matrix itself reads and
    /// gives.
    pub fn backward(&self, trace: &Trace, gradient: Vec<f32>, visit: &mut Visit) -> Vec<f32> {
        let config = self.config;
        let (layer, eps, hidden) = (self.layer, config.rms_norm_eps, config.hidden_size);
        // The gated layer.
        visit(Kind::Down, &trace.gates.gated, &gradient);
        let mut gated = vec![0.0; trace.gates.gated.len()];
        add_back(&gradient, self.matrix(Kind::Down), config.intermediate_size, &mut gated);
        if let Some(transform) = &self.down {
            turn(transform, &mut gated, Hadamard::inverse_rows);
        }
        let (mut gate, mut up) = (vec![0.0; gated.len()], vec![0.0; gated.len()]);
        let slopes = gate.par_iter_mut().zip(&mut up).zip(&gated).zip(trace.gates.gate.par_iter().zip(&trace.gates.up));
        slopes.with_min_len(TASK).for_each(|(((gate, up), &g), (&a, &b))| {
            let sigmoid = sigmoid(a);
            *up = g * a * sigmoid;
            *gate = g * b * sigmoid * (1.0 + a * (1.0 - sigmoid));
        });
        if let Some(transform) = &self.gate_up {
            turn(transform, &mut gate, Hadamard::forward_rows);
            turn(transform, &mut up, Hadamard::forward_rows);
        }
        visit(Kind::Gate, &trace.gates.normed, &gate);
        visit(Kind::Up, &trace.gates.normed, &up);
        let mut normed = vec![0.0; gradient.len()];
        add_back(&gate, self.matrix(Kind::Gate), hidden, &mut normed);
        add_back(&up, self.matrix(Kind::Up), hidden, &mut normed);
        let mut gradient = gradient;
        let gain = self.gain(VectorId::FeedForwardNorm(layer));
        add_norm_back(&trace.middle, gain, eps, hidden, &normed, &mut gradient);

        // Attention.
        visit(Kind::Output, &trace.attention.mixed, &gradient);
        let mut mixed = vec![0.0; trace.attention.mixed.len()];
        add_back(&gradient, self.matrix(Kind::Output), config.query_size(), &mut mixed);
        let [mut query, mut key, value] = self.attend_back(&trace.attention.heads, &mixed);
        self.rotate(&mut query, config.query_size(), |row| row, true);
        self.rotate(&mut key, config.key_value_size(), |row| row, true);
        if let Some([raw_query, raw_key]) = &trace.attention.heads.raw {
            let back = |x: &[f32], gain, g: &[f32]| {
                let mut out = vec![0.0; g.len()];
                add_norm_back(x, self.gain(gain), eps, config.head_dim, g, &mut out);
                out
            };
            query = back(raw_query, VectorId::QueryNorm(layer), &query);
            key = back(raw_key, VectorId::KeyNorm(layer), &key);
        }
        if let Some(transform) = &self.query_key {
            turn(transform, &mut query, Hadamard::forward_rows);
            turn(transform, &mut key, Hadamard::forward_rows);
        }
        normed.fill(0.0);
        for (kind, g) in [(Kind::Query, &query), (Kind::Key, &key), (Kind::Value, &value)] {
            visit(kind, &trace.attention.normed, g);
            add_back(g, self.matrix(kind), hidden, &mut normed);
        }
        add_norm_back(&trace.x, self.gain(VectorId::AttentionNorm(layer)), eps, hidden, &normed, &mut gradient);
        gradient
    }

    /// The probabilities of one query head, (queries, keys up to the last of them): what the tokens `at` attend to.
    fn probabilities(&self, query: &[f32], key: &[f32], head: usize, at: Range<usize>) -> Vec<f32> {
        let (length, keys, queries) = (self.config.head_dim, self.config.key_value_size(), self.config.query_size());
        let mut scores = vec![0.0f32; at.len() * at.end];
        let (first_query, first_key) = (at.start * queries + head * length, self.shared(head) * length);
        matmul(
            MatMut::from_row_major_slice_mut(&mut scores, at.len(), at.end),
            Accum::Replace,
            MatRef::from_row_major_slice_with_stride(&query[first_query..], at.len(), length, queries),
            MatRef::from_row_major_slice_with_stride(&key[first_key..], at.end, length, keys).transpose(),
            1.0 / (length as f32).sqrt(),
            Par::Seq,
        );
        for (token, row) in at.clone().zip(scores.chunks_exact_mut(at.end)) {
            let start = self.config.sliding_window.map_or(0, |window| (token + 1).saturating_sub(window));
            row[..start].fill(0.0);
            row[token + 1..].fill(0.0);
            softmax_on_best(&mut row[start..=token]);
        }
        scores
    }

    /// The key and value head that a query head reads.
    fn shared(&self, head: usize) -> usize {
        head * self.config.num_key_value_heads / self.config.num_attention_heads
    }

    fn attend(&self, query: &[f32], key: &[f32], value: &[f32]) -> Vec<f32> {
        let (length, keys, queries) = (self.config.head_dim, self.config.key_value_size(), self.config.query_size());
        let mut mixed = vec![0.0; query.len()];
        mixed.par_chunks_mut(QUERIES * queries).enumerate().for_each(|(chunk, mixed)| {
            let tokens = mixed.len() / queries;
            let at = chunk * QUERIES..chunk * QUERIES + tokens;
            // Apart, and put into place then: where rows of the output have gaps, matmul of faer 0.24 wrote beyond its end.
            let mut own = vec![0.0; tokens * length];
            for head in 0..self.config.num_attention_heads {
                let values = &value[self.shared(head) * length..];
                matmul(
                    MatMut::from_row_major_slice_mut(&mut own, tokens, length),
                    Accum::Replace,
                    rows_of(&self.probabilities(query, key, head, at.clone()), at.end),
                    MatRef::from_row_major_slice_with_stride(values, at.end, length, keys),
                    1.0,
                    Par::Seq,
                );
                add_head(mixed, &own, head, length, queries);
            }
        });
        mixed
    }

    /// The gradients of queries and keys at their positions, and of values.
    fn attend_back(&self, trace: &Heads, mixed: &[f32]) -> [Vec<f32>; 3] {
        let (length, keys, queries) = (self.config.head_dim, self.config.key_value_size(), self.config.query_size());
        let tokens = mixed.len() / queries;
        let factor = 1.0 / (length as f32).sqrt();
        let heads: Vec<[Vec<f32>; 3]> = (0..self.config.num_attention_heads)
            .into_par_iter()
            .map(|head| {
                let shared = self.shared(head) * length;
                let rows = |data: &[f32], first: usize, stride: usize| -> Vec<f32> {
                    data.chunks_exact(stride).flat_map(|row| &row[first..][..length]).copied().collect()
                };
                let (query, mixed) = (rows(&trace.query, head * length, queries), rows(mixed, head * length, queries));
                let (key, value) = (rows(&trace.key, shared, keys), rows(&trace.value, shared, keys));
                let mut found = [vec![0.0; query.len()], vec![0.0; query.len()], vec![0.0; query.len()]];
                let [for_query, for_key, for_value] = &mut found;
                for start in (0..tokens).step_by(QUERIES) {
                    let end = (start + QUERIES).min(tokens);
                    let own = start * length..end * length;
                    let seen = ..end * length;
                    let add = |out: &mut [f32], left: MatRef<f32>, right: &[f32], factor: f32| {
                        let out = MatMut::from_row_major_slice_mut(out, left.nrows(), length);
                        matmul(out, Accum::Add, left, rows_of(right, length), factor, Par::Seq);
                    };
                    let mut weights = self.probabilities(&trace.query, &trace.key, head, start..end);
                    let mixed = &mixed[own.clone()];
                    add(&mut for_value[seen], rows_of(&weights, end).transpose(), mixed, 1.0);
                    let mut slopes = vec![0.0; weights.len()];
                    matmul(
                        MatMut::from_row_major_slice_mut(&mut slopes, end - start, end),
                        Accum::Replace,
                        rows_of(mixed, length),
                        rows_of(&value[seen], length).transpose(),
                        1.0,
                        Par::Seq,
                    );
                    for (weights, slopes) in weights.chunks_exact_mut(end).zip(slopes.chunks_exact(end)) {
                        let mean = dot(weights, slopes);
                        weights.iter_mut().zip(slopes).for_each(|(w, s)| *w *= s - mean);
                    }
                    add(&mut for_query[own.clone()], rows_of(&weights, end), &key[seen], factor);
                    add(&mut for_key[seen], rows_of(&weights, end).transpose(), &query[own], factor);
                }
                found
            })
            .collect();
        let mut out = [vec![0.0; trace.query.len()], vec![0.0; trace.key.len()], vec![0.0; trace.value.len()]];
        for (head, [query, key, value]) in heads.iter().enumerate() {
            add_head(&mut out[0], query, head, length, queries);
            add_head(&mut out[1], key, self.shared(head), length, keys);
            add_head(&mut out[2], value, self.shared(head), length, keys);
        }
        out
    }
}

/// A transform of many rows.
fn turn(transform: &Hadamard, x: &mut [f32], way: fn(&Hadamard, &mut [f32])) {
    x.par_chunks_mut(ROWS * transform.length()).for_each(|x| way(transform, x));
}

fn add_head(all: &mut [f32], numbers: &[f32], head: usize, length: usize, stride: usize) {
    for (row, numbers) in all.chunks_exact_mut(stride).zip(numbers.chunks_exact(length)) {
        row[head * length..][..length].iter_mut().zip(numbers).for_each(|(all, number)| *all += number);
    }
}

fn rows_of(data: &[f32], columns: usize) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(data, data.len() / columns, columns)
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}
