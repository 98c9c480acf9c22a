"""Makes a tiny random sentence encoder, ../checkpoints/bert, and what transformers says of it, bert.json.

    make.py

The sizes are small but awkward, as those of the decoders beside it: 96 is a full and a half block of 64, heads have 24
elements, the vocabulary fills no tile. The weights are random with the proportions of trained ones: columns differ in
size, gains lie around one, biases are as large as a tenth of what they are added to, each layer adds about half of the
stream to it.

bert.json holds for some texts their tokens, cut to 24, and their vectors as sentence-transformers makes them: the mean of
the last hidden states, of length one. For the first it also has the last hidden states, (tokens, hidden). Weights as
stored, widened to float32, eager attention.

Requirements: torch 2.15, transformers 5.24, safetensors 0.8, tokenizers 0.23. The same versions give the same bytes.
"""

import json
import os

import numpy
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertModel

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "checkpoints", "bert")

HIDDEN, INTERMEDIATE, LAYERS, HEADS, POSITIONS, MOST = 96, 160, 2, 4, 64, 24
VOCABULARY = 263
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

TEXTS = [
    "The mill stood where the three willows are.",
    "The miller's daughter had married the smith.",
    "Numbers: 1, 2, 3 and 1492!",
    "Où est la gare? Guten Morgen, schöne Grüße.",
    "",
    "In the year of the great water everything had gone down the river together, the wheel and the house and the bread "
    "that was still in the oven, and nobody had seen the old stones for thirty years.",
    "river",
    "a table of numbers, a row of the table, a number of rows",
]

CORPUS = TEXTS + [
    "The river was low that summer, and the old stones that nobody had seen for thirty years lay open to the sun.",
    "A model reads numbers. Each word is cut into parts, each part has a number, and the number stands for a row.",
    "Greetings: Hello! Good morning. Good evening. How are you? Thank you, I'm fine. It's nothing. Don't mention it.",
    "The greatest of them wins, or one of the great ones. This is all that there is to it.",
]


def tokenizer() -> Tokenizer:
    made = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece(prefix="##")
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, show_progress=False)
    made.train_from_iterator(CORPUS, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    assert made.get_vocab_size() == VOCABULARY
    return made


def weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    def matrix(outputs, inputs, gain):
        return normal(outputs, inputs) * torch.exp(0.35 * normal(1, inputs)) * gain / inputs**0.5

    def norm(name):
        return {f"{name}.weight": 1 + 0.25 * normal(HIDDEN), f"{name}.bias": 0.1 * normal(HIDDEN)}

    def linear(name, outputs, inputs, gain):
        return {f"{name}.weight": matrix(outputs, inputs, gain), f"{name}.bias": 0.1 * normal(outputs)}

    all = {
        "embeddings.word_embeddings.weight": 0.3 * normal(VOCABULARY, HIDDEN) * torch.exp(0.55 * normal(1, HIDDEN)),
        "embeddings.position_embeddings.weight": 0.1 * normal(POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": 0.1 * normal(2, HIDDEN),
    } | norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}."
        all |= linear(name + "attention.self.query", HIDDEN, HIDDEN, 1.2)
        all |= linear(name + "attention.self.key", HIDDEN, HIDDEN, 1.2)
        all |= linear(name + "attention.self.value", HIDDEN, HIDDEN, 1.0)
        all |= linear(name + "attention.output.dense", HIDDEN, HIDDEN, 0.8)
        all |= norm(name + "attention.output.LayerNorm")
        all |= linear(name + "intermediate.dense", INTERMEDIATE, HIDDEN, 1.0)
        all |= linear(name + "output.dense", HIDDEN, INTERMEDIATE, 0.8)
        all |= norm(name + "output.LayerNorm")
    # Present in published files, and of no use to a vector of a text.
    all |= linear("pooler.dense", HIDDEN, HIDDEN, 1.0)
    return {key: value.to(torch.float32 if "LayerNorm" in key else torch.float16) for key, value in all.items()}


def write_json(path: str, value) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def row(values: torch.Tensor) -> str:
    """Shortest decimal digits that give the same float32."""
    return "[" + ",".join(str(numpy.float32(v)) for v in values.tolist()) + "]"


@torch.inference_mode()
def main() -> None:
    words = tokenizer()
    config = {
        "architectures": ["BertModel"],
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS,
        "model_type": "bert",
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "torch_dtype": "float16",
        "type_vocab_size": 2,
        "vocab_size": VOCABULARY,
    }
    write_json(os.path.join(FOLDER, "config.json"), config)
    pooling = {
        "word_embedding_dimension": HIDDEN,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False,
    }
    write_json(os.path.join(FOLDER, "1_Pooling", "config.json"), pooling)
    write_json(os.path.join(FOLDER, "sentence_bert_config.json"), {"max_seq_length": MOST, "do_lower_case": False})
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    write_json(os.path.join(FOLDER, "tokenizer_config.json"), special | {"tokenizer_class": "BertTokenizer"})
    words.save(os.path.join(FOLDER, "tokenizer.json"))
    save_file(weights(), os.path.join(FOLDER, "model.safetensors"), metadata={"format": "pt"})

    model, report = BertModel.from_pretrained(
        FOLDER, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    model.eval()
    words.enable_truncation(MOST)
    cases, vectors = [], []
    for text in TEXTS:
        ids = words.encode(text).ids
        states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        vector = torch.nn.functional.normalize(states.mean(dim=0), dim=0)
        hidden = [row(state) for state in states] if not cases else []
        vectors.append(vector)
        cases.append(
            f'{{"text":{json.dumps(text, ensure_ascii=False)},\n"ids":{json.dumps(ids)},\n"vector":{row(vector)},\n'
            f'"hidden":[{",".join(hidden)}]}}'
        )
    alike = torch.stack(vectors) @ torch.stack(vectors).T
    print("cosines of different texts:", alike.fill_diagonal_(0).min().item(), "to", alike.max().item())
    assert alike.max().item() < 0.9, "the texts are too much alike to tell errors"
    with open(os.path.join(HERE, "bert.json"), "w", encoding="utf-8", newline="\n") as file:
        file.write("[\n" + ",\n".join(cases) + "\n]\n")


if __name__ == "__main__":
    main()
