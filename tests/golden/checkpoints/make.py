"""Makes the tiny random checkpoints in this folder, one for each architecture, in Hugging Face layout.

    make.py [ARCHITECTURE ...]

The sizes are small but awkward: 96 is a full and a half block of 64, three query heads share a key head, Qwen3's heads
are wider than hidden/heads, 307 rows of vocabulary fill no tile. The weights are random with the proportions of trained
ones: columns differ in size, norm gains lie around one, a few channels of the stream are large and the head reads them
most, attention adds about half of the stream to it and a feed-forward layer a third, and the logits vary by several
units. Layers that add many times the stream would amplify every error on the way, and say nothing of what planes do to
a model.

What is where:
  llama    bfloat16, tied head, digits split one by one (like SmolLM2)
  llama3   float16 in two shards, long-context frequencies, a tokenizer that puts <|begin_of_text|> first
  mistral  bfloat16 with norms, k and v in float32; a window of 16 tokens
  qwen2    float16, tied head, biases on q, k and v; config.json with rope_parameters, as newer libraries write it
  qwen3    bfloat16 with norms in float32, heads of 24, norms on q and k

Requirements: torch 2.15, safetensors 0.8, tokenizers 0.23. The same versions give the same bytes.
"""

import json
import os
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))

VOCABULARY = 307
HIDDEN, INTERMEDIATE, LAYERS, HEADS, KEY_HEADS = 96, 160, 2, 6, 2

# The first seeds from 1 on whose model writes a varied text with a clear winner at each step (checked by
# ../logits/make.py). Tied models, whose head is nearly its own transpose, often fall into a short cycle.
SEEDS = {"llama": 176, "llama3": 1, "mistral": 1, "qwen2": 261, "qwen3": 1}

# How each family cuts text before byte-pair encoding.
DIGITS = pre_tokenizers.Digits(individual_digits=True)
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HEADERS = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
INSTRUCTIONS = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "[INST] {{ message['content'] }} [/INST]{% elif message['role'] == 'assistant' %}"
    " {{ message['content'] }}{{ eos_token }}{% else %}"
    "{{ raise_exception('Only user and assistant roles are supported') }}{% endif %}{% endfor %}"
)

TRAINING_TEXT = """\
The river was low that summer, and the old stones that nobody had seen for thirty years lay open to the sun. Children
walked out to the middle and stood there, where the water had been over the heads of their fathers. "There was a mill
here," said the teacher, "and there was another one there, where the three willows are." They wrote it down. In the
evening they told it at home, and the others nodded: there had been a mill, and the miller's daughter had married the
smith, and in the year of the great water everything had gone down the river together, the wheel and the house and the
bread that was still in the oven.

A model reads numbers. Each word is cut into parts, each part has a number, and the number stands for a row of the
table. What the model then does with the row is adding and comparing, over and over, layer after layer, until at the
end there is one number for each part that could come next. The greatest of them wins, or one of the great ones. This
is all that there is to it; the rest is the size of the table and the patience of those who made it.

Numbers: 1, 2, 3, 10, 12, 100, 365, 1024, 1492, 2024, 3.14159, 0.5, 1/2, 50 %, +1, -1, 7 x 8 = 56, 12:30.
Greetings: Hello! Good morning. Good evening. How are you? Thank you, I'm fine. It's nothing. Don't mention it.
Other tongues: Guten Morgen, schöne Grüße. Ça va? Où est la gare? ¿Dónde está el niño? Здравствуйте. 你好。 こんにちは。
for (let i = 0; i < n; i++) { sum += table[i]; } return sum;
def other(then): return [the for the in then if the != other]
"""


def train_tokenizer(special: list[str], pre_tokenizer, normalizer=None, first: str | None = None) -> Tokenizer:
    """Byte-level BPE with VOCABULARY entries; the special tokens come last. `first` is put before every text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TRAINING_TEXT.splitlines(keepends=True), trainer)
    tokenizer.add_special_tokens(special)
    if first:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", special_tokens=[(first, tokenizer.token_to_id(first))]
        )
    assert tokenizer.get_vocab_size() == VOCABULARY
    return tokenizer


def split(pattern: str):
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def byte_level():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def tokenizer_of(name: str) -> tuple[Tokenizer, dict]:
    """The tokenizer and its tokenizer_config.json."""
    if name == "llama3":
        special = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
        tokenizer = train_tokenizer(special, split(LLAMA3), first=special[0])
        bos, eos, template = special[0], special[4], HEADERS
    elif name == "mistral":
        special = ["<s>", "</s>", "[INST]", "[/INST]"]
        tokenizer = train_tokenizer(special, byte_level(), first=special[0])
        bos, eos, template = special[0], special[1], INSTRUCTIONS
    else:
        special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
        if name == "llama":
            tokenizer = train_tokenizer(special, pre_tokenizers.Sequence([DIGITS, byte_level()]))
        else:
            tokenizer = train_tokenizer(special, split(QWEN), normalizers.NFC())
        bos, eos, template = ("<|im_start|>" if name == "llama" else None), special[2], CHATML
    config = {
        "add_prefix_space": False,
        "bos_token": bos,
        "chat_template": template,
        "clean_up_tokenization_spaces": False,
        "eos_token": eos,
        "model_max_length": 512,
        "pad_token": eos,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    return tokenizer, config


def config_of(name: str, tokenizer: Tokenizer, tokenizer_config: dict) -> dict:
    """config.json, with the fields that the family's own files have."""
    config = {
        "attention_dropout": 0.0,
        "bos_token_id": None,
        "eos_token_id": tokenizer.token_to_id(tokenizer_config["eos_token"]),
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "initializer_range": 0.02,
        "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": 512,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": KEY_HEADS,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "use_cache": True,
        "vocab_size": VOCABULARY,
    }
    if tokenizer_config["bos_token"]:
        config["bos_token_id"] = tokenizer.token_to_id(tokenizer_config["bos_token"])
    if name == "llama":
        config |= {"attention_bias": False, "mlp_bias": False, "rope_scaling": None, "tie_word_embeddings": True}
    elif name == "llama3":
        # Wavelengths are 6.3, 32, 167, ... positions: one is kept, one lies on the ramp (16..64), the rest are long.
        config |= {
            "attention_bias": False,
            "head_dim": HIDDEN // HEADS,
            "mlp_bias": False,
            "rope_theta": 500000.0,
            "rope_scaling": {
                "factor": 8.0,
                "high_freq_factor": 4.0,
                "low_freq_factor": 1.0,
                "original_max_position_embeddings": 64,
                "rope_type": "llama3",
            },
        }
        config["eos_token_id"] = [tokenizer.token_to_id(t) for t in ("<|end_of_text|>", "<|eot_id|>")]
    elif name == "mistral":
        config |= {"head_dim": HIDDEN // HEADS, "sliding_window": 16}
    elif name == "qwen2":
        # The window stands in the file but is switched off, as in the published models.
        config |= {
            "max_window_layers": LAYERS,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default"},
            "sliding_window": 16,
            "tie_word_embeddings": True,
            "use_sliding_window": False,
        }
        del config["rope_theta"]
    elif name == "qwen3":
        config |= {
            "attention_bias": False,
            "head_dim": 24,
            "max_window_layers": LAYERS,
            "rms_norm_eps": 1e-6,
            "rope_scaling": None,
            "rope_theta": 1000000.0,
            "sliding_window": None,
            "use_sliding_window": False,
        }
    family = "llama" if name == "llama3" else name
    config["architectures"] = [family.capitalize() + "ForCausalLM"]
    config["model_type"] = family
    config["torch_dtype"] = {torch.bfloat16: "bfloat16", torch.float16: "float16"}[dtype_of(name, "q_proj")]
    return dict(sorted(config.items()))


def dtype_of(name: str, tensor: str) -> torch.dtype:
    if name in ("mistral", "qwen3") and "norm" in tensor:
        return torch.float32
    if name == "mistral" and ("k_proj" in tensor or "v_proj" in tensor):
        return torch.float32
    return torch.float16 if name in ("llama3", "qwen2") else torch.bfloat16


def weights_of(name: str, config: dict) -> dict[str, torch.Tensor]:
    """All tensors under their checkpoint names, matrices as (outputs, inputs)."""
    generator = torch.Generator().manual_seed(SEEDS[name])

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    def matrix(outputs, inputs, gain):
        # Unit inputs give outputs of about `gain`. Columns differ by a factor of about 1.4 either way.
        return normal(outputs, inputs) * torch.exp(0.35 * normal(1, inputs)) * gain / inputs**0.5

    def gains(length):
        return 1 + 0.25 * normal(length)

    head_dim = config.get("head_dim") or HIDDEN // HEADS
    queries, keys = HEADS * head_dim, KEY_HEADS * head_dim
    embedding = 0.3 * normal(VOCABULARY, HIDDEN)
    channels = torch.exp(0.55 * normal(1, HIDDEN))
    weights = {"model.embed_tokens.weight": embedding * channels}
    for layer in range(LAYERS):
        block = {
            "input_layernorm.weight": gains(HIDDEN),
            "mlp.down_proj.weight": matrix(HIDDEN, INTERMEDIATE, 0.12),
            "mlp.gate_proj.weight": matrix(INTERMEDIATE, HIDDEN, 1.0),
            "mlp.up_proj.weight": matrix(INTERMEDIATE, HIDDEN, 1.0),
            "post_attention_layernorm.weight": gains(HIDDEN),
            "self_attn.k_proj.weight": matrix(keys, HIDDEN, 0.8),
            "self_attn.o_proj.weight": matrix(HIDDEN, queries, 0.4),
            "self_attn.q_proj.weight": matrix(queries, HIDDEN, 0.8),
            "self_attn.v_proj.weight": matrix(keys, HIDDEN, 1.0),
        }
        if name == "qwen2":
            for kind, length in (("q", queries), ("k", keys), ("v", keys)):
                block[f"self_attn.{kind}_proj.bias"] = 0.5 * normal(length)
        if name == "qwen3":
            block["self_attn.q_norm.weight"] = 1.2 * gains(head_dim)
            block["self_attn.k_norm.weight"] = 1.2 * gains(head_dim)
        weights |= {f"model.layers.{layer}.{key}": value for key, value in block.items()}
    weights["model.norm.weight"] = gains(HIDDEN)
    if config["tie_word_embeddings"]:
        # With positive gains a token would be most like itself, and the text one token.
        weights["model.norm.weight"] *= torch.sign(normal(HIDDEN))
    else:
        weights["lm_head.weight"] = matrix(VOCABULARY, HIDDEN, 2.0) * channels
    return {key: value.to(dtype_of(name, key)).contiguous() for key, value in weights.items()}


def save_weights(folder: str, name: str, weights: dict[str, torch.Tensor]) -> None:
    if name != "llama3":
        save_file(weights, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
        return
    # Two shards, cut inside the second block.
    names = list(weights)
    cut = names.index("model.layers.1.self_attn.k_proj.weight")
    weight_map = {}
    for number, part in enumerate((names[:cut], names[cut:]), start=1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({n: weights[n] for n in part}, os.path.join(folder, file), metadata={"format": "pt"})
        weight_map |= {n: file for n in part}
    total = sum(t.numel() * t.element_size() for t in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    write_json(os.path.join(folder, "model.safetensors.index.json"), index)


def write_json(path: str, value) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def make(name: str, folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    tokenizer, tokenizer_config = tokenizer_of(name)
    config = config_of(name, tokenizer, tokenizer_config)
    save_weights(folder, name, weights_of(name, config))
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    write_json(os.path.join(folder, "config.json"), config)
    write_json(os.path.join(folder, "tokenizer_config.json"), tokenizer_config)
    generation = {"bos_token_id": config["bos_token_id"], "eos_token_id": config["eos_token_id"]}
    if name == "qwen2":
        # The only one with sampling defaults.
        generation |= {"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.8}
    write_json(os.path.join(folder, "generation_config.json"), generation)


if __name__ == "__main__":
    for name in sys.argv[1:] or SEEDS:
        make(name, os.path.join(HERE, name))
