use nomul::{
    State,
    cache::FloatCache,
    config::{ModelConfig, Quantization, Rotations},
    forward,
    state::Scratch,
    weights::{Kind, MatrixId, VectorId},
};

use super::{Block, Head, Loss, Past};
use crate::dense::Dense;

const TOKENS: usize = 11;

/// Small models with everything that a family may have; rotated or not.
fn configs() -> Vec<ModelConfig> {
    let json = |family: &str, more: &str| {
        format!(
            r#"{{"architectures":["{family}"],"model_type":"x","vocab_size":96,"hidden_size":48,"intermediate_size":96,
            "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":16,
            "max_position_embeddings":64,"rms_norm_eps":1e-5,"rope_theta":10000.0{more}}}"#
        )
    };
    let plain = [
        json("LlamaForCausalLM", r#","tie_word_embeddings":true"#),
        json("Qwen3ForCausalLM", r#","tie_word_embeddings":false"#),
        json("Qwen2ForCausalLM", r#","tie_word_embeddings":true"#),
        json("MistralForCausalLM", r#","tie_word_embeddings":false,"sliding_window":4"#),
    ];
    let plain = plain.iter().map(|json| ModelConfig::from_json(json.as_bytes()).expect("a configuration"));
    plain
        .flat_map(|config| {
            let rotations = Rotations { residual: Some(1), query_key: Some(2), gate_up: Some(3), down: Some(4) };
            [config.clone(), ModelConfig { quantization: Some(Quantization { rotations }), ..config }]
        })
        .collect()
}

/// Numbers in -1..1, the same each time.
fn numbers(seed: &mut u64, count: usize, size: f32) -> Vec<f32> {
    let mut next = || {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((*seed >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * size
    };
    (0..count).map(|_| next()).collect()
}

fn model(config: &ModelConfig) -> Dense {
    let mut seed = 7;
    let mut dense = Dense::new(config);
    for id in MatrixId::all(config) {
        let (rows, columns) = id.kind.shape(config);
        // A transform that stays in the model multiplies by the root of its order.
        let rotations = config.rotations();
        let order = match id.kind {
            Kind::Query | Kind::Key if rotations.query_key.is_some() => config.head_dim,
            Kind::Gate | Kind::Up if rotations.gate_up.is_some() => config.intermediate_size,
            Kind::Down if rotations.down.is_some() => config.intermediate_size,
            _ => 1,
        };
        dense.insert(id, numbers(&mut seed, rows * columns, 0.3 / (order as f32).sqrt()));
    }
    for id in VectorId::all(config) {
        let folded =
            config.quantization.is_some() && matches!(id, VectorId::AttentionNorm(_) | VectorId::FeedForwardNorm(_));
        if !folded {
            let vector = numbers(&mut seed, id.len(config), 0.4);
            let around = if matches!(id, VectorId::Bias(_)) { 0.0 } else { 1.0 };
            dense.insert_vector(id, vector.iter().map(|x| x + around).collect());
        }
    }
    dense
}

fn tokens(config: &ModelConfig) -> Vec<u32> {
    (0..TOKENS).map(|i| (i * i * 7 % config.vocab_size) as u32).collect()
}

fn embedded(config: &ModelConfig, weights: &Dense) -> Vec<f32> {
    let mut x = vec![0.0; TOKENS * config.hidden_size];
    forward::embed(config, &weights.view(), &tokens(config), &mut x);
    x
}

/// The sum of the losses.
fn loss(config: &ModelConfig, weights: &Dense, next: &[u32]) -> f64 {
    let mut x = embedded(config, weights);
    for layer in 0..config.num_hidden_layers {
        x = Block::new(config, weights, layer, TOKENS).forward(x).out;
    }
    Head::new(config, weights).backward(&x, &Loss::Next(next)).loss * TOKENS as f64
}

#[test]
fn forward_equals_the_forward_pass() {
    for config in configs() {
        let weights = model(&config);
        let mut x = embedded(&config, &weights);
        for layer in 0..config.num_hidden_layers {
            let mut scratch = Scratch::new(&config, TOKENS);
            scratch.stream().copy_from_slice(&x);
            let cache = &mut FloatCache::default();
            forward::block(&config, &mut weights.view(), layer, cache, &mut scratch, TOKENS, 0);
            x = Block::new(&config, &weights, layer, TOKENS).forward(x).out;
            for (ours, theirs) in x.iter().zip(scratch.stream().iter()) {
                assert!((ours - theirs).abs() < 1e-4 * (1.0 + theirs.abs()), "{ours} {theirs}");
            }
        }
        let next = tokens(&config);
        let mut state = State::new(&config, TOKENS).expect("room");
        let mut logits = vec![0.0; TOKENS * config.vocab_size];
        forward::score(&config, &mut weights.view(), &mut state, &next, &mut logits).expect("scores");
        let of_row = |(row, &token): (&[f32], &u32)| {
            let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
            sum.ln() - f64::from(row[token as usize])
        };
        let theirs: f64 = logits.chunks_exact(config.vocab_size).zip(&next).map(of_row).sum();
        let ours = loss(&config, &weights, &next);
        assert!((ours - theirs).abs() < 1e-3, "{ours} {theirs}");
    }
}

/// So few texts that products are cut by their outputs, which a window of these tokens does not ask for.
#[test]
fn texts_side_by_side_equal_each_by_itself() {
    for config in configs() {
        let weights = model(&config);
        let texts: Vec<Vec<u32>> = (0..3u32)
            .map(|text| tokens(&config).iter().map(|t| (t + 11 * text) % config.vocab_size as u32).collect())
            .collect();
        let blocks: Vec<Block> =
            (0..config.num_hidden_layers).map(|layer| Block::new(&config, &weights, layer, TOKENS)).collect();
        let mut pasts: Vec<Vec<Past>> = blocks
            .iter()
            .map(|block| texts.iter().map(|_| Past::new(block, TOKENS).expect("room")).collect())
            .collect();
        let through = |x: Vec<f32>| blocks.iter().fold(x, |x, block| block.forward(x).out);
        let whole: Vec<Vec<f32>> = texts.iter().map(|text| through(weights.embed(text))).collect();
        for place in 0..TOKENS {
            let mut x = weights.embed(&texts.iter().map(|text| text[place]).collect::<Vec<_>>());
            for (block, past) in blocks.iter().zip(&mut pasts) {
                x = block.next(&x, place, past);
            }
            let hidden = config.hidden_size;
            for (ours, theirs) in x.chunks_exact(hidden).zip(&whole) {
                for (ours, theirs) in ours.iter().zip(&theirs[place * hidden..]) {
                    assert!((ours - theirs).abs() < 1e-4 * (1.0 + theirs.abs()), "token {place}: {ours} {theirs}");
                }
            }
        }
    }
}

#[test]
fn gradients_equal_differences() {
    for config in configs() {
        let weights = model(&config);
        let next: Vec<u32> = tokens(&config).iter().map(|t| (t + 5) % config.vocab_size as u32).collect();
        let mut streams = vec![embedded(&config, &weights)];
        let mut traces = Vec::new();
        for layer in 0..config.num_hidden_layers {
            let trace = Block::new(&config, &weights, layer, TOKENS).forward(streams[layer].clone());
            streams.push(trace.out.clone());
            traces.push(trace);
        }
        let head = Head::new(&config, &weights);
        let mut gradient = head.backward(&streams[config.num_hidden_layers], &Loss::Next(&next)).gradient;
        for layer in (0..config.num_hidden_layers).rev() {
            let block = Block::new(&config, &weights, layer, TOKENS);
            gradient = block.backward(&traces[layer], gradient, &mut |kind, x, g| {
                let (rows, columns) = kind.shape(&config);
                // Along a direction of random signs, so that every entry has a part.
                let mut seed = 99 + layer as u64;
                let direction = numbers(&mut seed, rows * columns, 1.0);
                let mut slope = 0.0f64;
                for (x, g) in x.chunks_exact(columns).zip(g.chunks_exact(rows)) {
                    for (row, g) in g.iter().enumerate() {
                        let along: f32 = direction[row * columns..][..columns].iter().zip(x).map(|(d, x)| d * x).sum();
                        slope += f64::from(along) * f64::from(*g);
                    }
                }
                let id = MatrixId { layer, kind };
                // Outputs move by about a thousandth of their size: more than rounding, too little for curvature.
                let size = (x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32 * columns as f32).sqrt();
                let step = 3e-3 / size;
                let moved = |sign: f32| {
                    let mut weights = model(&config);
                    let mut matrix = weights.remove(id).expect("a matrix");
                    matrix.iter_mut().zip(&direction).for_each(|(w, d)| *w += sign * step * d);
                    weights.insert(id, matrix);
                    loss(&config, &weights, &next)
                };
                let difference = (moved(1.0) - moved(-1.0)) / (2.0 * f64::from(step));
                let close = (slope - difference).abs() < 0.02 * (slope.abs() + 0.3);
                assert!(close, "{kind:?} of block {layer}: {slope} {difference}");
            });
        }
    }
}

#[test]
fn drawn_tokens_follow_the_predictions() {
    // The gradient of a drawn token's loss has mean zero: over many draws, far less than one draw's.
    let config = &configs()[0];
    let weights = model(config);
    let x = embedded(config, &weights);
    let head = Head::new(config, &weights);
    let draws = 400;
    let mut mean = vec![0.0f64; x.len()];
    let mut energy = 0.0;
    for seed in 0..draws {
        let gradient = head.backward(&x, &Loss::Drawn(seed)).gradient;
        energy += gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>() / draws as f64;
        mean.iter_mut().zip(&gradient).for_each(|(m, &g)| *m += f64::from(g) / draws as f64);
    }
    let left: f64 = mean.iter().map(|m| m * m).sum();
    assert!(left < 4.0 * energy / draws as f64, "{left} of {energy}");
}
