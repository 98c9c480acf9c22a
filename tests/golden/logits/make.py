"""Makes ARCHITECTURE.json in this folder: what transformers says for each checkpoint of ../checkpoints.

    make.py [ARCHITECTURE ...]

Weights as stored, widened to float32, eager attention. Each file holds
  tokens    48 token ids, and `logits`: [{position, values}] after some of them, (vocabulary) values each;
  greedy    a prompt, its tokens, the 32 tokens of the greedy continuation (the end of text is a token like any other),
            their text, and the smallest lead of a winner over the second (float32 noise is far below it);
  chat      messages, the prompt that the chat template makes of them, and its tokens.
It also fails when a checkpoint is not worth testing with: a text that repeats, a near tie, or a feature without effect.

Requirements: torch 2.15, transformers 5.23, numpy 2.
"""

import json
import os
import sys

import numpy
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKPOINTS = os.path.join(HERE, "..", "checkpoints")
POSITIONS = [0, 1, 7, 20, 47]
PROMPT = "The old mill of 1492"
CONTINUATION = 32
MESSAGES = [
    {"role": "user", "content": "Hello! How are you?"},
    {"role": "assistant", "content": "Thank you, I'm fine."},
    {"role": "user", "content": "What is 7 x 8?"},
]
# Logits vary by about 4 units; float32 in another order of sums differs by about 1e-5.
SMALLEST_LEAD = 0.03
FEWEST_DISTINCT = 14


def greedy(model, tokens: list[int], count: int) -> tuple[list[int], float]:
    """The continuation and the smallest lead. Every step starts from the whole text: no cache to go wrong."""
    tokens, start, lead = list(tokens), len(tokens), float("inf")
    for _ in range(count):
        best = torch.topk(model(input_ids=torch.tensor([tokens])).logits[0, -1], 2)
        lead = min(lead, (best.values[0] - best.values[1]).item())
        tokens.append(best.indices[0].item())
    return tokens[start:], lead


def load(folder: str, **changes):
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True, **changes
    )
    left = [report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")]
    assert not any(left), f"{folder}: {left}"
    return model.eval()


def check_feature(name: str, model, folder: str, tokens: torch.Tensor, logits: torch.Tensor) -> None:
    """The feature that the checkpoint is there for changes the last logits visibly."""
    with torch.inference_mode():
        if name == "llama3":
            other = load(folder, rope_parameters={"rope_type": "default", "rope_theta": 500000.0})
        elif name == "mistral":
            assert model.config.sliding_window == 16
            other = load(folder, sliding_window=None)
        elif name == "qwen2":
            other = load(folder)
            for layer in other.model.layers:
                for matrix in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj):
                    matrix.bias.zero_()
        elif name == "qwen3":
            other = load(folder)
            for layer in other.model.layers:
                layer.self_attn.q_norm.weight.fill_(1)
                layer.self_attn.k_norm.weight.fill_(1)
        else:
            return
        change = (other(input_ids=tokens).logits[0, -1] - logits[-1]).abs().max().item()
    assert change > 0.1, f"{name}: without its feature the logits change by {change} only"


def row(values: torch.Tensor) -> str:
    """Shortest decimal digits that give the same float32."""
    return "[" + ",".join(str(numpy.float32(v)) for v in values.tolist()) + "]"


@torch.inference_mode()
def make(name: str) -> None:
    folder = os.path.join(CHECKPOINTS, name)
    model = load(folder)
    plain = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    tokenizer = AutoTokenizer.from_pretrained(folder)

    generator = torch.Generator().manual_seed(48)
    tokens = torch.randint(model.config.vocab_size, (1, 48), generator=generator)
    logits = model(input_ids=tokens).logits[0]
    check_feature(name, model, folder, tokens, logits)

    prompt = plain.encode(PROMPT).ids
    continuation, lead = greedy(model, prompt, CONTINUATION)
    chat = tokenizer.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True)

    distinct = len(set(continuation))
    spread = logits.std(dim=-1).mean().item()
    print(f"{name}: spread {spread:.2f}, smallest lead {lead:.4f}, {distinct} distinct", file=sys.stderr)
    assert lead >= SMALLEST_LEAD and distinct >= FEWEST_DISTINCT and spread > 1.5

    rest = {
        "greedy": {
            "prompt": PROMPT,
            "tokens": prompt,
            "continuation": continuation,
            "text": plain.decode(continuation, skip_special_tokens=False),
            "smallest_lead": lead,
        },
        # The template writes the first marker itself, so none is added.
        "chat": {"messages": MESSAGES, "prompt": chat, "tokens": plain.encode(chat, add_special_tokens=False).ids},
    }
    with open(os.path.join(HERE, name + ".json"), "w", encoding="utf-8", newline="\n") as file:
        rows = [f'{{"position":{p},"values":{row(logits[p])}}}' for p in POSITIONS]
        file.write(f'{{"checkpoint":"{name}",\n"tokens":{json.dumps(tokens[0].tolist())},\n')
        file.write('"logits":[\n' + ",\n".join(rows) + "\n],\n")
        file.write(json.dumps(rest, indent=1, ensure_ascii=False)[2:] + "\n")


if __name__ == "__main__":
    for name in sys.argv[1:] or ["llama", "llama3", "mistral", "qwen2", "qwen3"]:
        make(name)
