"""Makes the golden files of the checkpoint reader.

    python make_gguf.py        (torch, transformers, tokenizers, safetensors, gguf; no network)

quants.gguf + quants.safetensors   a tensor of each element type from random blocks, and what ggml's own Python package
                                   makes of them
NAME.gguf + NAME/                  a tiny random model of each family: the folder as transformers saves it, in shards,
                                   and the file as llama.cpp's converter would write it (q and k rows reordered for
                                   the families of Llama)
"""

import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

HERE = Path(__file__).parent
Type = gguf.GGMLQuantizationType

# Where a block keeps its half-precision scales.
SCALES = {
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0],
    Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
}  # fmt: skip


def make_quants():
    random = np.random.default_rng(1)
    writer = gguf.GGUFWriter(HERE / "quants.gguf", "none")
    expected = {}
    rows, columns = 3, 512
    for kind in [Type.F32, Type.F16, Type.BF16, *SCALES]:
        if kind == Type.F32:
            stored = random.standard_normal((rows, columns), np.float32)
        elif kind == Type.F16:
            stored = finite_halves(random, (rows, columns))
        else:
            elements, size = gguf.GGML_QUANT_SIZES[kind]
            stored = random.integers(0, 256, (rows, columns // elements, size), np.uint8)
            for at in SCALES.get(kind, []):
                stored[..., at : at + 2] = finite_halves(random, (*stored.shape[:2], 1)).view(np.uint8)
            if kind == Type.BF16:
                stored[..., 1] &= 0xBF  # no exponent of ones: neither infinity nor NaN
            stored = stored.reshape(rows, -1)
        writer.add_tensor(kind.name, stored, raw_dtype=kind)
        expected[kind.name] = np.ascontiguousarray(gguf.quants.dequantize(stored, kind), np.float32)
    write(writer)
    save_file(expected, HERE / "quants.safetensors")


def finite_halves(random, shape):
    """Every finite half alike, subnormals and zeros included."""
    bits = random.integers(0, 0x7C00, shape, np.uint16) | random.integers(0, 2, shape, np.uint16) << 15
    return bits.view(np.float16)


TEXT = """
The quick brown fox jumps over the lazy dog; the dog, 12 years old, didn't mind. In 1984 there were 365 days, and
in 2024 there'll be 366. We're adding and shifting: 3 + 4 = 7, 100 - 58 = 42. Ünïcödé wörds, naïve café, 日本語.
  Indented lines, tabs\tand    runs of spaces. The end isn't near, they've said, I'd say it's where the others are.
"""
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def split(expression):
    cut = pre_tokenizers.Split(Regex(expression), "isolated")
    return pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def byte_level():
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


PRE_TOKENIZERS = {
    "gpt-2": byte_level,
    "smollm": lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()]),
    "llama-bpe": lambda: split(CONTRACTIONS + r"\p{N}{1,3}" + REST),
    "qwen2": lambda: split(CONTRACTIONS + r"\p{N}" + REST),
}
SPECIAL = ["<|begin|>", "<|end|>", "<|pad|>"]
TEMPLATE = "{% for message in messages %}{{ '<|begin|>' + message['content'] + '<|end|>' }}{% endfor %}"


def make_tokenizer(pre, add_bos):
    tokenizer = Tokenizer(models.BPE(ignore_merges=pre == "llama-bpe"))
    if pre == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[pre]()
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = [AddedToken(token, special=True, normalized=False) for token in SPECIAL]
    tokenizer.train_from_iterator(
        [TEXT], trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, special_tokens=special, show_progress=False)
    )
    tokenizer.add_tokens([AddedToken("<tool>", special=False, normalized=False)])
    if add_bos:
        begin = tokenizer.token_to_id("<|begin|>")
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|begin|> $A", pair="<|begin|> $A <|begin|>:1 $B:1", special_tokens=[("<|begin|>", begin)]
        )
    else:
        tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False)
    return tokenizer


SIZES = dict(
    hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=256, bos_token_id=0, eos_token_id=1, pad_token_id=2, rms_norm_eps=1e-5,
)  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip

# name, architecture of GGUF, class, its configuration, settings, pre-tokenizer, begins with a token
MODELS = [
    ("smollm", "llama", LlamaForCausalLM, LlamaConfig, dict(tie_word_embeddings=True, rope_theta=1e5), "smollm", False),
    ("llama3", "llama", LlamaForCausalLM, LlamaConfig, dict(head_dim=8, rope_parameters=LLAMA3), "llama-bpe", True),
    ("qwen2", "qwen2", Qwen2ForCausalLM, Qwen2Config, dict(rope_theta=1e6), "qwen2", False),
    ("qwen3", "qwen3", Qwen3ForCausalLM, Qwen3Config, dict(head_dim=8, rope_theta=1e6, tie_word_embeddings=True), "gpt-2", False),
]  # fmt: skip

PARTS = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip


def gguf_name(name):
    if name == "model.embed_tokens.weight":
        return "token_embd.weight"
    if name == "model.norm.weight":
        return "output_norm.weight"
    if name == "lm_head.weight":
        return "output.weight"
    _, _, layer, rest = name.split(".", 3)
    part, ending = rest.rsplit(".", 1)
    return f"blk.{layer}.{PARTS[part]}.{ending}"


def reorder(array, heads):
    """Rows as llama.cpp wants them: the two halves of each head take turns."""
    return array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)


def make_model(name, architecture, model_class, config_class, settings, pre, add_bos):
    torch.manual_seed(7)
    tokenizer = make_tokenizer(pre, add_bos)
    config = config_class(vocab_size=tokenizer.get_vocab_size(), **SIZES, **settings)
    model = model_class(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    model = model.to(torch.bfloat16)
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size="12KB")
    tokenizer.save(str(folder / "tokenizer.json"))

    writer = gguf.GGUFWriter(HERE / f"{name}.gguf", architecture)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if head_dim != config.hidden_size // config.num_attention_heads:
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if "llama3" == config.rope_parameters["rope_type"]:
        writer.add_tensor("rope_freqs.weight", llama3_factors(head_dim))
    add_tokenizer(writer, tokenizer, pre, add_bos)
    for tensor, value in model.state_dict().items():
        if tensor == "lm_head.weight" and config.tie_word_embeddings:
            continue
        array = value.float().numpy()
        if architecture == "llama" and "q_proj" in tensor:
            array = reorder(array, config.num_attention_heads)
        if architecture == "llama" and "k_proj" in tensor:
            array = reorder(array, config.num_key_value_heads)
        if array.ndim == 1:
            writer.add_tensor(gguf_name(tensor), array)
        else:
            writer.add_tensor(gguf_name(tensor), gguf.quants.quantize(array, Type.BF16), raw_dtype=Type.BF16)
    write(writer)


def llama3_factors(head_dim):
    frequencies = 1 / (LLAMA3["rope_theta"] ** (np.arange(0, head_dim, 2, dtype=np.float32) / head_dim))
    low, high, context = LLAMA3["low_freq_factor"], LLAMA3["high_freq_factor"], LLAMA3["original_max_position_embeddings"]
    factors = []
    for wavelength in 2 * np.pi / frequencies:
        smooth = min(max((context / wavelength - low) / (high - low), 0), 1)
        factors.append(1 / ((1 - smooth) / LLAMA3["factor"] + smooth))
    return np.array(factors, np.float32)


def add_tokenizer(writer, tokenizer, pre, add_bos):
    saved = json.loads(tokenizer.to_str())
    ids = tokenizer.get_vocab(with_added_tokens=True)
    added = {token["content"]: token["special"] for token in saved["added_tokens"]}
    tokens = sorted(ids, key=ids.get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    kinds = {None: gguf.TokenType.NORMAL, True: gguf.TokenType.CONTROL, False: gguf.TokenType.USER_DEFINED}
    writer.add_token_types([kinds[added.get(token)] for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in saved["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(2)
    if not add_bos:
        writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    make_quants()
    for model in MODELS:
        make_model(*model)
