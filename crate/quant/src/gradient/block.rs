//! One block, forwards and backwards.

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use nomul::{
    config::ModelConfig,
    float::{exp, frequencies, softmax},
    hadamard::Hadamard,
    weights::{Kind, MatrixId, VectorId},
};
use rayon::prelude::*;

use super::rows::{add_back, add_norm_back, norm, product};
use crate::dense::Dense;

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
    normed: Vec<f32>,
    /// Queries and keys before the norms of heads, if there are such norms.
    raw: Option<[Vec<f32>; 2]>,
    /// Queries and keys at their positions, and values.
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    mixed: Vec<f32>,
    /// The stream between attention and the gated layer.
    middle: Vec<f32>,
    middle_normed: Vec<f32>,
    /// Before the nonlinearity.
    gate: Vec<f32>,
    up: Vec<f32>,
    /// What down reads.
    gated: Vec<f32>,
    /// The stream after the block.
    pub out: Vec<f32>,
}

impl Trace {
    /// What a matrix of the block read: `(tokens, columns)`.
    pub fn input(&self, kind: Kind) -> &[f32] {
        match kind {
            Kind::Output => &self.mixed,
            Kind::Gate | Kind::Up => &self.middle_normed,
            Kind::Down => &self.gated,
            _ => &self.normed,
        }
    }
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

    /// Turns heads by their positions, or back.
    fn rotate(&self, x: &mut [f32], length: usize, back: bool) {
        let half = self.config.head_dim / 2;
        for (row, turns) in x.chunks_exact_mut(length).zip(self.turns.chunks_exact(half)) {
            for head in row.chunks_exact_mut(2 * half) {
                let (first, second) = head.split_at_mut(half);
                for ((a, b), &(cosine, sine)) in first.iter_mut().zip(second).zip(turns) {
                    let sine = if back { -sine } else { sine };
                    (*a, *b) = (*a * cosine - *b * sine, *b * cosine + *a * sine);
                }
            }
        }
    }

    /// One window through the block, from its first position on.
    pub fn forward(&self, x: Vec<f32>) -> Trace {
        let config = self.config;
        let layer = self.layer;
        let normed = self.normed(&x, VectorId::AttentionNorm(layer));
        let heads = |kind: Kind| {
            let mut out = self.product(kind, &normed);
            if let (Some(transform), Kind::Query | Kind::Key) = (&self.query_key, kind) {
                transform.inverse_rows(&mut out);
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
        self.rotate(&mut query, config.query_size(), false);
        self.rotate(&mut key, config.key_value_size(), false);

        let mixed = self.attend(&query, &key, &value);
        let update = self.product(Kind::Output, &mixed);
        let middle: Vec<f32> = x.iter().zip(&update).map(|(x, update)| x + update).collect();
        let middle_normed = self.normed(&middle, VectorId::FeedForwardNorm(layer));
        let (mut gate, mut up) = (self.product(Kind::Gate, &middle_normed), self.product(Kind::Up, &middle_normed));
        if let Some(transform) = &self.gate_up {
            transform.inverse_rows(&mut gate);
            transform.inverse_rows(&mut up);
        }
        let mut gated: Vec<f32> = gate.iter().zip(&up).map(|(gate, up)| gate * sigmoid(*gate) * up).collect();
        if let Some(transform) = &self.down {
            transform.forward_rows(&mut gated);
        }
        let update = self.product(Kind::Down, &gated);
        let out = middle.iter().zip(&update).map(|(x, update)| x + update).collect();
        Trace { x, normed, raw, query, key, value, mixed, middle, middle_normed, gate, up, gated, out }
    }

    /// The way back: `gradient` is that of the stream after the block, `(tokens, hidden_size)`; what comes back is that
    /// of the stream before it. `visit` is called for each matrix of the block, in the basis that the matrix itself reads and
    /// gives.
    pub fn backward(&self, trace: &Trace, gradient: Vec<f32>, visit: &mut Visit) -> Vec<f32> {
        let config = self.config;
        let (layer, eps, hidden) = (self.layer, config.rms_norm_eps, config.hidden_size);
        // The gated layer.
        visit(Kind::Down, &trace.gated, &gradient);
        let mut gated = vec![0.0; trace.gated.len()];
        add_back(&gradient, self.matrix(Kind::Down), config.intermediate_size, &mut gated);
        if let Some(transform) = &self.down {
            transform.inverse_rows(&mut gated);
        }
        let (mut gate, mut up) = (vec![0.0; gated.len()], vec![0.0; gated.len()]);
        for (i, &g) in gated.iter().enumerate() {
            let (a, sigmoid) = (trace.gate[i], sigmoid(trace.gate[i]));
            up[i] = g * a * sigmoid;
            gate[i] = g * trace.up[i] * sigmoid * (1.0 + a * (1.0 - sigmoid));
        }
        if let Some(transform) = &self.gate_up {
            transform.forward_rows(&mut gate);
            transform.forward_rows(&mut up);
        }
        visit(Kind::Gate, &trace.middle_normed, &gate);
        visit(Kind::Up, &trace.middle_normed, &up);
        let mut normed = vec![0.0; gradient.len()];
        add_back(&gate, self.matrix(Kind::Gate), hidden, &mut normed);
        add_back(&up, self.matrix(Kind::Up), hidden, &mut normed);
        let mut gradient = gradient;
        let gain = self.gain(VectorId::FeedForwardNorm(layer));
        add_norm_back(&trace.middle, gain, eps, hidden, &normed, &mut gradient);

        // Attention.
        visit(Kind::Output, &trace.mixed, &gradient);
        let mut mixed = vec![0.0; trace.mixed.len()];
        add_back(&gradient, self.matrix(Kind::Output), config.query_size(), &mut mixed);
        let [mut query, mut key, value] = self.attend_back(trace, &mixed);
        self.rotate(&mut query, config.query_size(), true);
        self.rotate(&mut key, config.key_value_size(), true);
        if let Some([raw_query, raw_key]) = &trace.raw {
            let back = |x: &[f32], gain, g: &[f32]| {
                let mut out = vec![0.0; g.len()];
                add_norm_back(x, self.gain(gain), eps, config.head_dim, g, &mut out);
                out
            };
            query = back(raw_query, VectorId::QueryNorm(layer), &query);
            key = back(raw_key, VectorId::KeyNorm(layer), &key);
        }
        if let Some(transform) = &self.query_key {
            transform.forward_rows(&mut query);
            transform.forward_rows(&mut key);
        }
        normed.fill(0.0);
        for (kind, g) in [(Kind::Query, &query), (Kind::Key, &key), (Kind::Value, &value)] {
            visit(kind, &trace.normed, g);
            add_back(g, self.matrix(kind), hidden, &mut normed);
        }
        add_norm_back(&trace.x, self.gain(VectorId::AttentionNorm(layer)), eps, hidden, &normed, &mut gradient);
        gradient
    }

    /// The probabilities of one query head, (tokens, tokens): what the token of a row attends to.
    fn probabilities(&self, query: &[f32], key: &[f32], head: usize) -> Vec<f32> {
        let (length, keys, queries) = (self.config.head_dim, self.config.key_value_size(), self.config.query_size());
        let tokens = query.len() / queries;
        let mut scores = vec![0.0f32; tokens * tokens];
        matmul(
            MatMut::from_row_major_slice_mut(&mut scores, tokens, tokens),
            Accum::Replace,
            MatRef::from_row_major_slice_with_stride(&query[head * length..], tokens, length, queries),
            MatRef::from_row_major_slice_with_stride(&key[self.shared(head) * length..], tokens, length, keys)
                .transpose(),
            1.0 / (length as f32).sqrt(),
            Par::Seq,
        );
        for (token, row) in scores.chunks_exact_mut(tokens).enumerate() {
            let start = self.config.sliding_window.map_or(0, |window| (token + 1).saturating_sub(window));
            row[..start].fill(0.0);
            row[token + 1..].fill(0.0);
            softmax(&mut row[start..=token]);
        }
        scores
    }

    /// The key and value head that a query head reads.
    fn shared(&self, head: usize) -> usize {
        head * self.config.num_key_value_heads / self.config.num_attention_heads
    }

    fn attend(&self, query: &[f32], key: &[f32], value: &[f32]) -> Vec<f32> {
        let (length, keys, queries) = (self.config.head_dim, self.config.key_value_size(), self.config.query_size());
        let tokens = query.len() / queries;
        let heads: Vec<Vec<f32>> = (0..self.config.num_attention_heads)
            .into_par_iter()
            .map(|head| {
                let mut mixed = vec![0.0; tokens * length];
                matmul(
                    MatMut::from_row_major_slice_mut(&mut mixed, tokens, length),
                    Accum::Replace,
                    MatRef::from_row_major_slice(&self.probabilities(query, key, head), tokens, tokens),
                    MatRef::from_row_major_slice_with_stride(
                        &value[self.shared(head) * length..],
                        tokens,
                        length,
                        keys,
                    ),
                    1.0,
                    Par::Seq,
                );
                mixed
            })
            .collect();
        let mut mixed = vec![0.0; query.len()];
        for (head, numbers) in heads.iter().enumerate() {
            add_head(&mut mixed, numbers, head, length, queries);
        }
        mixed
    }

    /// The gradients of queries and keys at their positions, and of values.
    fn attend_back(&self, trace: &Trace, mixed: &[f32]) -> [Vec<f32>; 3] {
        let (length, keys, queries) = (self.config.head_dim, self.config.key_value_size(), self.config.query_size());
        let tokens = mixed.len() / queries;
        let heads: Vec<[Vec<f32>; 3]> = (0..self.config.num_attention_heads)
            .into_par_iter()
            .map(|head| {
                let shared = self.shared(head) * length;
                let square = |data: &mut [f32], left: MatRef<f32>, right: MatRef<f32>, factor: f32| {
                    let columns = right.ncols();
                    let out = MatMut::from_row_major_slice_mut(data, tokens, columns);
                    matmul(out, Accum::Replace, left, right, factor, Par::Seq);
                };
                let rows = |data: &[f32], first: usize, stride: usize| -> Vec<f32> {
                    data.chunks_exact(stride).flat_map(|row| &row[first..][..length]).copied().collect()
                };
                let (query, mixed) = (rows(&trace.query, head * length, queries), rows(mixed, head * length, queries));
                let (key, value) = (rows(&trace.key, shared, keys), rows(&trace.value, shared, keys));
                let mut weights = self.probabilities(&trace.query, &trace.key, head);
                let (mut for_query, mut for_key) = (vec![0.0; query.len()], vec![0.0; query.len()]);
                let mut for_value = vec![0.0; query.len()];
                square(&mut for_value, rows_of(&weights, tokens).transpose(), rows_of(&mixed, length), 1.0);
                let mut slopes = vec![0.0; weights.len()];
                square(&mut slopes, rows_of(&mixed, length), rows_of(&value, length).transpose(), 1.0);
                for (weights, slopes) in weights.chunks_exact_mut(tokens).zip(slopes.chunks_exact(tokens)) {
                    let mean: f32 = weights.iter().zip(slopes).map(|(w, s)| w * s).sum();
                    weights.iter_mut().zip(slopes).for_each(|(w, s)| *w *= s - mean);
                }
                let factor = 1.0 / (length as f32).sqrt();
                square(&mut for_query, rows_of(&weights, tokens), rows_of(&key, length), factor);
                square(&mut for_key, rows_of(&weights, tokens).transpose(), rows_of(&query, length), factor);
                [for_query, for_key, for_value]
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
