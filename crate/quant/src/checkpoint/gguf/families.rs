//! What differs between the architectures, and the one table of tensor names. A new architecture is a line in
//! [`FAMILIES`], and a line in [`NAMES`] for each tensor that none before it had.

use nomul::config::Architecture;

/// An architecture as GGUF names it.
pub struct Family {
    /// `general.architecture`, also the prefix of its metadata keys.
    pub name: &'static str,
    /// What it is to Hugging Face. Mistral is written as `llama`, without its window.
    pub architecture: Architecture,
    /// `model_type` of `config.json`.
    pub model_type: &'static str,
    /// Rows of q and k are reordered within each head, for a rotation of neighbours instead of halves.
    pub interleaved: bool,
}

/// All that can be read.
pub const FAMILIES: [Family; 3] = [
    Family { name: "llama", architecture: Architecture::Llama, model_type: "llama", interleaved: true },
    Family { name: "qwen2", architecture: Architecture::Qwen2, model_type: "qwen2", interleaved: false },
    Family { name: "qwen3", architecture: Architecture::Qwen3, model_type: "qwen3", interleaved: false },
];

/// Whose heads a tensor's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heads {
    /// Not rotated.
    None,
    /// Queries.
    Query,
    /// Keys.
    Key,
}

/// GGUF's name, Hugging Face's name, and whose heads its rows are. `#` is the block.
pub const NAMES: [(&str, &str, Heads); 19] = [
    ("token_embd.weight", "model.embed_tokens.weight", Heads::None),
    ("output_norm.weight", "model.norm.weight", Heads::None),
    ("output.weight", "lm_head.weight", Heads::None),
    ("blk.#.attn_norm.weight", "model.layers.#.input_layernorm.weight", Heads::None),
    ("blk.#.attn_q.weight", "model.layers.#.self_attn.q_proj.weight", Heads::Query),
    ("blk.#.attn_k.weight", "model.layers.#.self_attn.k_proj.weight", Heads::Key),
    ("blk.#.attn_v.weight", "model.layers.#.self_attn.v_proj.weight", Heads::None),
    ("blk.#.attn_output.weight", "model.layers.#.self_attn.o_proj.weight", Heads::None),
    ("blk.#.attn_q.bias", "model.layers.#.self_attn.q_proj.bias", Heads::Query),
    ("blk.#.attn_k.bias", "model.layers.#.self_attn.k_proj.bias", Heads::Key),
    ("blk.#.attn_v.bias", "model.layers.#.self_attn.v_proj.bias", Heads::None),
    ("blk.#.attn_output.bias", "model.layers.#.self_attn.o_proj.bias", Heads::None),
    ("blk.#.attn_q_norm.weight", "model.layers.#.self_attn.q_norm.weight", Heads::None),
    ("blk.#.attn_k_norm.weight", "model.layers.#.self_attn.k_norm.weight", Heads::None),
    ("blk.#.ffn_norm.weight", "model.layers.#.post_attention_layernorm.weight", Heads::None),
    ("blk.#.ffn_gate.weight", "model.layers.#.mlp.gate_proj.weight", Heads::None),
    ("blk.#.ffn_up.weight", "model.layers.#.mlp.up_proj.weight", Heads::None),
    ("blk.#.ffn_down.weight", "model.layers.#.mlp.down_proj.weight", Heads::None),
    // Factors on the rotary frequencies; they become `rope_scaling` and are no tensor of the checkpoint.
    (ROPE_FACTORS, "", Heads::None),
];

/// Divisors of the rotary frequencies, one a pair, where Llama 3.1 stretched its context.
pub const ROPE_FACTORS: &str = "rope_freqs.weight";

/// A GGUF tensor's name in a Hugging Face checkpoint (empty where it has none) and its heads; `None` if unknown.
pub fn checkpoint_name(gguf: &str) -> Option<(String, Heads)> {
    let block = gguf.strip_prefix("blk.").and_then(|rest| rest.split('.').next()).unwrap_or("");
    if !block.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let pattern = if block.is_empty() { gguf.into() } else { gguf.replacen(block, "#", 1) };
    let (_, name, heads) = NAMES.iter().find(|(from, _, _)| *from == pattern)?;
    Some((name.replace('#', block), *heads))
}

/// Puts the rows of interleaved heads back in order: row `2 j + p` of a head is row `p * half + j` to Hugging Face.
/// `data` is `(heads * head_dim, columns)`.
pub fn deinterleave(data: &mut [f32], head_dim: usize, columns: usize) {
    let half = head_dim / 2;
    for head in data.chunks_exact_mut(head_dim * columns) {
        let interleaved = head.to_vec();
        for (row, values) in interleaved.chunks_exact(columns).enumerate() {
            let to = row % 2 * half + row / 2;
            head[to * columns..][..columns].copy_from_slice(values);
        }
    }
}
