"""Makes calibration.txt: text that SmolLM2-135M-Instruct writes itself, for quantising models that bring no text of
their own.

    make.py GGUF [--documents 40] [--tokens 900] [--seed 1] [--threads 1]

All documents are sampled side by side, one row of the batch each. A row first takes its prompt token by token, then
samples. When a row ends its text or its turn, the next prompt or the next question follows in the same row, so no
document runs on past its own end. The result depends on the seed, and on the machine as far as float32 sums do.

Requirements: those of tests/golden/reference.py.
"""

import argparse
import os
import sys
import time

import torch
from transformers.cache_utils import Cache, DynamicLayer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "tests", "golden"))
from reference import load_model, load_tokenizer  # noqa: E402

TEMPERATURE = 1.0
TOP_P = 0.95
TOP_K = 1024  # the nucleus is sought among these: a full sort of 49,152 logits a row costs more than the model

END_OF_TEXT, TURN_START, TURN_END = 0, 1, 2
SPECIAL_TOKENS = 17  # ids below this are markers, never text

SYSTEM = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"

PROSE = [
    # encyclopaedic
    "The Danube is the second-longest river in Europe, flowing from",
    "Penicillin was discovered in",
    "The Great Wall of China is a series of fortifications that",
    "The red fox (Vulpes vulpes) is the largest of the true foxes and",
    "= History of the printing press =\n\nThe printing press was",
    "Johann Sebastian Bach was a German composer who",
    "The 1968 season was the club's",
    "HMS Warrior was a",
    "The song was written by the band's lead singer and recorded in",
    "Mount Kenya is an extinct volcano whose",
    "In the battle that followed, the regiment",
    "The village had a population of",
    # news
    "LONDON — The government announced on Tuesday that",
    "Shares of the company fell sharply after",
    "Local residents are protesting against plans to",
    "Scientists have found that",
    # stories and letters
    "Once upon a time, in a small house by the sea, there lived",
    "The train was late again, and Martha",
    "\"You can't be serious,\" said the old man, putting down",
    "It had rained for eleven days when the stranger",
    "Dear Mr. Harrison,\n\nThank you for your letter of 14 March. I am writing to",
    "Dear Anna,\n\nI hope this finds you well. Since we moved to the city",
    # code
    "```python\ndef binary_search(items, target):\n    \"\"\"Return the index of target in a sorted list, or -1.\"\"\"\n",
    "#include <stdio.h>\n#include <stdlib.h>\n\nint main(int argc, char **argv) {\n",
    "```javascript\n// A small event emitter\nclass Emitter {\n",
    "-- Orders of each customer in the last month\nSELECT",
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n",
    # lists
    "Ten tips for growing tomatoes at home:\n\n1.",
    "Ingredients:\n\n- 2 cups of flour\n- 1 teaspoon of salt\n-",
    "The seven largest cities of the country and what each is known for:\n\n*",
    # science
    "Photosynthesis takes place in two stages. In the first,",
    "A black hole forms when",
    "The immune system recognises a virus by",
    "Plate tectonics explains why",
    "# Introduction to economics\n\n## Supply and demand\n\n",
    # mathematics
    "Theorem. There are infinitely many prime numbers.\n\nProof.",
    "Problem: A train travels 120 miles in 3 hours. How far does it travel in 5 hours?\n\nSolution:",
    "To solve the quadratic equation x^2 - 5x + 6 = 0, we",
    "The derivative of a function measures",
    "If 3 boxes hold 45 apples, then",
]

QUESTIONS = [
    "What is the difference between weather and climate?",
    "Write a short poem about the autumn.",
    "How do I reverse a list in Python?",
    "Who was Marie Curie?",
    "Can you explain how a bicycle stays upright?",
    "Give me five ideas for a birthday present for my grandmother.",
    "Translate 'good morning, how are you?' into French and Spanish.",
    "What is 17 times 23? Show your work.",
    "Summarise the story of Romeo and Juliet in three sentences.",
    "Write an e-mail to my landlord about a broken heater.",
    "What are the main causes of the First World War?",
    "I feel tired all the time. What can I do?",
    "Explain recursion to a ten-year-old.",
    "What should I see in Rome in two days?",
    "Write a function in JavaScript that counts the words in a text.",
    "How does a vaccine work?",
    "Tell me a joke about computers.",
    "What is the capital of Australia, and why not Sydney?",
    "How do I bake bread without yeast?",
    "Compare renting and buying a house.",
    "Write the opening of a detective novel.",
    "Why is the sky blue?",
    "List the planets in order and one fact about each.",
    "How can I learn to play the guitar?",
]


class Growing(DynamicLayer):
    """Keys and values (row, head, position, head_dim) in buffers taken once: appending copies one position, not all."""

    length = 0

    def __init__(self, positions: int):
        super().__init__()
        self.positions = positions

    def lazy_initialization(self, keys, values):
        rows, heads, _, size = keys.shape
        self.dtype, self.device = keys.dtype, keys.device
        self.buffers = torch.zeros(2, rows, heads, self.positions, size, dtype=keys.dtype)
        self.is_initialized = True

    def update(self, keys, values, *args, **kwargs):
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
        end = self.length + keys.shape[2]
        self.buffers[0, :, :, self.length : end] = keys
        self.buffers[1, :, :, self.length : end] = values
        self.length = end
        self.keys, self.values = self.buffers[0, :, :, :end], self.buffers[1, :, :, :end]
        return self.keys, self.values

    def get_seq_length(self):
        return self.length


class Row:
    """One document: the tokens so far and those that are still to be taken before sampling goes on."""

    def __init__(self, tokenizer, kind: str, number: int):
        self.encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
        self.kind, self.next, self.tokens = kind, number, []
        if kind == "free":
            # The model alone: behind the marker between two documents of its training texts.
            self.queue = [END_OF_TEXT]
        elif kind == "prose":
            self.queue = [END_OF_TEXT] + self.encode(self.prompt())
        else:
            self.queue = self.encode(SYSTEM) + self.encode(self.prompt())

    def prompt(self) -> str:
        self.next += 1
        if self.kind == "chat":
            question = QUESTIONS[(self.next - 1) % len(QUESTIONS)]
            return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
        return PROSE[(self.next - 1) % len(PROSE)]

    def take(self, sampled: int) -> int:
        """The token that stands at the next position."""
        if not self.queue and sampled < SPECIAL_TOKENS:
            if self.kind == "chat":
                self.queue = self.encode("<|im_end|>\n" + self.prompt())
            else:
                # Only text goes into the file, so a document that ended is followed by an empty line, not a marker.
                self.queue = self.encode("\n\n" + self.prompt())
        token = self.queue.pop(0) if self.queue else sampled
        self.tokens.append(token)
        return token


def sample(logits, generator):
    """One token a row. logits: (rows, vocabulary)."""
    logits[:, [i for i in range(SPECIAL_TOKENS) if i not in (END_OF_TEXT, TURN_END)]] = float("-inf")
    # The probability of all tokens decides where the nucleus ends, also where it is wider than TOP_K.
    total = torch.logsumexp(logits / TEMPERATURE, dim=-1, keepdim=True)
    top, ids = torch.topk(logits / TEMPERATURE, TOP_K, dim=-1)
    p = torch.exp(top - total)
    p[torch.cumsum(p, dim=-1) - p > TOP_P] = 0
    return ids.gather(1, torch.multinomial(p, 1, generator=generator))[:, 0].tolist()


def make(model, tokenizer, documents: int, tokens: int, seed: int) -> list[str]:
    generator = torch.Generator().manual_seed(seed)
    # Of ten documents six continue a prompt, three are chats and one is free.
    kinds = ["prose", "chat", "prose", "prose", "chat", "prose", "free", "prose", "chat", "prose"]
    used = {"prose": 0, "chat": 0, "free": 0}
    rows = []
    for i in range(documents):
        kind = kinds[i % len(kinds)]
        # A row may need several prompts; rows start apart, so that the lists are used evenly. Seven divides neither
        # list's length, so the walk meets every entry and mixes the subjects.
        rows.append(Row(tokenizer, kind, 7 * used[kind]))
        used[kind] += 1
    cache = Cache(layers=[Growing(tokens) for _ in range(model.config.num_hidden_layers)])
    sampled, start = [0] * documents, time.time()
    for position in range(tokens):
        ids = torch.tensor([[row.take(token)] for row, token in zip(rows, sampled)])
        logits = model(input_ids=ids, past_key_values=cache, use_cache=True).logits[:, -1].float()
        sampled = sample(logits, generator)
        if position % 50 == 0:
            print(f"position {position}/{tokens}, {time.time() - start:.0f} s", file=sys.stderr, flush=True)
    # A cut character at the end of a row decodes to U+FFFD; it is not text.
    texts = [tokenizer.decode(row.tokens[row.tokens[0] == END_OF_TEXT :], skip_special_tokens=False) for row in rows]
    return [text.replace("\ufffd", "").strip() for text in texts]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("gguf")
    arguments.add_argument("--documents", type=int, default=40)
    arguments.add_argument("--tokens", type=int, default=900)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", default=os.path.join(HERE, "calibration.txt"))
    arguments = arguments.parse_args()
    torch.set_num_threads(arguments.threads)
    tokenizer = load_tokenizer(arguments.gguf)
    with torch.inference_mode():
        texts = make(load_model(arguments.gguf), tokenizer, arguments.documents, arguments.tokens, arguments.seed)
    text = "\n\n".join(texts) + "\n"
    with open(arguments.output + ".part", "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    os.replace(arguments.output + ".part", arguments.output)
    count = len(tokenizer.encode(text, add_special_tokens=False).ids)
    print(f"{len(text.encode())} bytes, {count} tokens", file=sys.stderr)


if __name__ == "__main__":
    main()
