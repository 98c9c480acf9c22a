"""Vectors of texts by transformers in full precision, as sentence-transformers makes them.

usage: reference.py CHECKPOINT TEXTS VECTORS.npy
CHECKPOINT is the folder of a BERT with the files of sentence-transformers beside it (mean pooling), TEXTS has a text on
each line. Prints one JSON object: texts a second, one text at a time on one thread, and the versions.
Written for torch 2.15, transformers 5.24, tokenizers 0.23 and numpy 2.
"""

import json
import os
import sys
import time

import numpy
import tokenizers
import torch
import transformers

FOLDER, TEXTS, VECTORS = sys.argv[1:4]
torch.set_num_threads(1)


@torch.inference_mode()
def main() -> None:
    with open(os.path.join(FOLDER, "sentence_bert_config.json"), encoding="utf-8") as file:
        most = json.load(file)["max_seq_length"]
    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(FOLDER, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(most)
    model = transformers.BertModel.from_pretrained(
        FOLDER, dtype=torch.float32, attn_implementation="eager", add_pooling_layer=False
    ).eval()
    with open(TEXTS, encoding="utf-8") as file:
        texts = file.read().splitlines()
    started, vectors = time.perf_counter(), []
    for text in texts:
        states = model(input_ids=torch.tensor([tokenizer.encode(text).ids])).last_hidden_state[0]
        vectors.append(torch.nn.functional.normalize(states.mean(dim=0), dim=0).numpy())
    seconds = time.perf_counter() - started
    numpy.save(VECTORS, numpy.stack(vectors).astype("<f4"))
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    print(json.dumps({"texts_per_second": len(texts) / seconds, "versions": versions}))


main()
