"""The perplexity of SmolLM2-135M-Instruct under transformers: the figure that nomul's own is held against.

    perplexity.py GGUF TEXT [--window 1024] [--windows 64] [-o RESULT.json]

The whole text is tokenised at once without special tokens and cut into consecutive windows, nothing carried over from
one to the next. In each, positions 1.. are scored, position 0 only given. The result is exp of the mean negative
log-likelihood over all scored positions. WikiText-2 raw test gives 304,830 tokens; 64 windows of 1024 give 24.80, the
first 16 give 22.60.

Requirements: those of reference.py.
"""

import argparse
import math
import sys

import torch
from reference import load_model, load_tokenizer, write_json


def window_nll(model, ids: torch.Tensor) -> float:
    """The mean over positions 1.. in nats, summed in float64. ids: (window)."""
    logits = model(input_ids=ids[None]).logits[0]
    total = 0.0
    # A few positions at a time: all of (window, vocabulary) in float64 would be a large copy.
    for start in range(0, len(ids) - 1, 64):
        end = min(start + 64, len(ids) - 1)
        log_p = torch.log_softmax(logits[start:end].double(), dim=-1)
        total -= log_p.gather(1, ids[start + 1 : end + 1, None]).sum().item()
    return total / (len(ids) - 1)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("gguf")
    arguments.add_argument("text")
    arguments.add_argument("--window", type=int, default=1024)
    arguments.add_argument("--windows", type=int, default=64)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("-o", "--output", help="a JSON file, rewritten after every 16 windows")
    arguments = arguments.parse_args()
    torch.set_num_threads(arguments.threads)

    with open(arguments.text, encoding="utf-8", newline="") as file:
        ids = load_tokenizer(arguments.gguf).encode(file.read(), add_special_tokens=False).ids
    print(f"{len(ids)} tokens", file=sys.stderr)
    if arguments.window < 2 or len(ids) < arguments.window * arguments.windows:
        sys.exit(f"{arguments.text}: {len(ids)} tokens do not hold {arguments.windows} windows of {arguments.window}")
    ids = torch.tensor(ids[: arguments.window * arguments.windows]).view(-1, arguments.window)

    model, nll, result = load_model(arguments.gguf), [], {}
    for number, window in enumerate(ids, start=1):
        with torch.inference_mode():
            nll.append(window_nll(model, window))
        perplexity = math.exp(sum(nll) / number)
        print(f"{number}/{len(ids)}: {perplexity:.4f}", file=sys.stderr, flush=True)
        if number % 16 == 0 or number == len(ids):
            # ppl16, ppl32, ...: all windows so far.
            result[f"ppl{number}"] = perplexity
            if arguments.output:
                write_json(arguments.output, result | {"window": arguments.window, "per_window_nll": nll})
    print(f"{perplexity:.4f}")


if __name__ == "__main__":
    main()
