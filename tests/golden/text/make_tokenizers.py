"""Small tokenizers of every supported kind, and what the Python package makes of some texts.

    python make_tokenizers.py [KIND ...]

Writes tokenizer.json and cases.json into a folder for each kind. The tokenizers are trained on the texts below, so they
are small (about 500 tokens) and contain no one else's words.
Written with tokenizers 0.23.3 and transformers 5.23.0.
"""

import collections
import json
import pathlib
import random
import sys

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent

TEXTS = [
    "",
    " ",
    "   ",
    "\n",
    "\n\n\n",
    "\t",
    "a",
    "Hello, world!",
    "  two before and three behind   ",
    "The quick brown fox can't jump; it's they're we've I'm he'll she'd. DON'T SHOUT: IT'S, WE'LL, I'M",
    "Unicode folding: it\u2019s 'ſo, 'ſ 'K",
    "1 22 333 4444 55555 666666 3.14159 1,000,000 0x1F ½ Ⅷ ٣٤٥ १२३ ④",
    "def f(x):\n\treturn x ** 2  # square\n\n\nclass A:\n        pass\n    \n",
    "line\r\nline\r\n\r\n  indented\r\rend\r\n",
    "tabs\t\tand \t mixed \n \t\n  spaces",
    "no\u00a0break\u2003em\u3000ideographic\u0085next\u200bzero\u2028line",
    "Füße, naïve, façade, Ærøskøbing, Đorđe, ĲSSEL ŉ",
    "e\u0301 vs \u00e9, A\u030a vs \u00c5 vs \u212b, q\u0307\u0323 q\u0323\u0307, \u1e9b\u0323",
    "한국어 각 vs \u1100\u1161\u11a8, 日本語のテキスト、中文字符。ｶﾞ ㎏ ﬁ",
    "Привет, мир! Γειά σου Κόσμε ΟΔΟΣ. שלום עולם مرحبا بالعالم नमस्ते दुनिया สวัสดี",
    "emoji 🙂 👩‍👩‍👧‍👦 🇩🇪 👍🏽 ❤️ 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "math ∑∫√≈≠ ∀x∈ℝ: x²≥0 → 𝔸𝕓𝒞 ⟨ψ|φ⟩ ±×÷",
    "punctuation!!! ... ,,, ;;; --- ___ *** ### @@@ $$$ ^^^ ~~~ `` '' \"\" «» „“ ‚‘ ¿¡",
    "a_b_c snake_case camelCase PascalCase HTTPServer XMLHttpRequest2 iPhone15ProMax",
    "https://example.org/a?b=c&d=%20e#f mail@example.org /usr/bin C:\\dir\\file.txt",
    "\u0000control\u0001\u0008\u001b[0m\u007f",
    "\ufeffbyte order mark \ufffd replacement \ufffe not a character \U0010ffff last",
    "combining a\u0300\u0301\u0302\u0303 \u0300 alone, Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "the the the theirs other mother there hither",
    "▁visible ▁▁space▁ and <0x41> <0xE2><0x82> <unk>",
]

SPECIAL = [
    "<s>{}</s>",
    "<|begin_of_text|>{}<|end_of_text|>",
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    "a<s>b </s> c<s><s>d",
    "<|im_start|<|im_start|><|im_start|>>",
    "x <mask> y<mask>z  <mask>",
    "keep wordy WORD wordy, wordyness unwordy wordy_ _wordy wordy",
    "Ñandú ñandú N\u0303andu\u0301 andú",
    "  <strip>  both  <strip>\n\n<strip>",
]

CORPUS = (TEXTS + SPECIAL) * 2

CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
O200K = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)


def byte_level(pre, normalizer=None, special=(), added=(), post=None, drop=(), **model):
    """A byte-level tokenizer; `drop` leaves the tokens of some bytes out, as SmolLM2 does."""
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    if drop:
        state = json.loads(tokenizer.to_str())
        vocab = state["model"]["vocab"]
        gone = {c for c in alphabet if ord(c) in drop}
        state["model"]["merges"] = [m for m in state["model"]["merges"] if not gone & set("".join(m))]
        state["model"]["vocab"] = {t: i for t, i in vocab.items() if not gone & set(t) or t in special}
        tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.add_tokens(list(added))
    tokenizer.post_processor = post(tokenizer) if post else processors.ByteLevel(trim_offsets=False)
    return tokenizer


def around(before=None, after=None):
    """A post-processor like Llama 3's."""

    def make(tokenizer):
        names = [name for name in (before, after) if name]
        return processors.Sequence(
            [
                processors.ByteLevel(trim_offsets=False),
                processors.TemplateProcessing(
                    single=[name for name in (before, "$A", after) if name],
                    pair=["$A", "$B"],
                    special_tokens=[(name, tokenizer.token_to_id(name)) for name in names],
                ),
            ]
        )

    return make


def sentencepiece(normalizer, pre, decoder, added=()):
    """A tokenizer in the manner of SentencePiece: tokens for bytes, a visible space."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    # Only the 90 commonest characters get tokens, so that the others need their bytes.
    counts = collections.Counter("".join(CORPUS))
    common = {c for c, _ in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:90]}
    corpus = ["".join(c for c in text if c in common) for text in CORPUS]
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=350, show_progress=False))
    state = json.loads(tokenizer.to_str())
    first = ["<unk>", "<s>", "</s>"]
    tokens = first + [f"<0x{byte:02X}>" for byte in range(256)]
    tokens += [token for token, _ in sorted(state["model"]["vocab"].items(), key=lambda entry: entry[1])]
    state["model"] |= {
        "vocab": {token: id for id, token in enumerate(dict.fromkeys(tokens))},
        "unk_token": "<unk>",
        "fuse_unk": True,
        "byte_fallback": True,
    }
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoder
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in first])
    tokenizer.add_tokens(list(added))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return tokenizer


def word_piece(lowercase, added=()):
    """BERT's tokenizer, with the longest word cut down to 20 characters."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=lowercase)
    first = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # Rare characters have no token, so that some words are unknown.
    counts = collections.Counter("".join(CORPUS))
    common = {c for c, _ in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:150]}
    corpus = ["".join(c for c in text if c in common) for text in CORPUS]
    trainer = trainers.WordPieceTrainer(vocab_size=500, special_tokens=first, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.add_tokens(list(added))
    # The processor of older files, and that of newer ones.
    tokenizer.post_processor = (
        processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        if lowercase
        else processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    )
    return tokenizer


def split(pattern, behavior="isolated"):
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


CHAT = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
FLAGS = [
    AddedToken("<mask>", lstrip=True, normalized=False, special=True),
    AddedToken("<strip>", lstrip=True, rstrip=True, normalized=False),
    AddedToken("wordy", single_word=True, normalized=False),
    AddedToken("ñandú", normalized=True),
]

KINDS = {
    "smollm": lambda: byte_level(
        pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        ),
        special=CHAT,
        drop={0x100 + byte for byte in (4, 6, 19, 20, 22, 29)} | {0xF1, 0xF2},
    ),
    "llama3": lambda: byte_level(
        split(CL100K.replace("DIGITS", r"\p{N}{1,3}")),
        special=["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        post=around("<|begin_of_text|>"),
        ignore_merges=True,
    ),
    "qwen2": lambda: byte_level(
        split(CL100K.replace("DIGITS", r"\p{N}")), normalizers.NFC(), special=CHAT, added=FLAGS
    ),
    "o200k": lambda: byte_level(split(O200K), special=CHAT, post=around("<|im_start|>", "<|im_end|>")),
    "gpt2": lambda: byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), special=["<|endoftext|>"], added=FLAGS),
    "cuts": lambda: byte_level(
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split("the", "contiguous"),
                pre_tokenizers.Split(Regex(r"[.,]"), "merged_with_previous"),
                pre_tokenizers.Split(Regex(r"[-_(]+"), "merged_with_next"),
                pre_tokenizers.Punctuation("contiguous"),
                pre_tokenizers.Digits(individual_digits=False),
                pre_tokenizers.Whitespace(),
                pre_tokenizers.Split(Regex(r"[A-Z][a-z]*"), "removed", invert=False),
                pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False),
            ]
        ),
        normalizers.Sequence([normalizers.NFC(), normalizers.Strip(), normalizers.Lowercase(), normalizers.NFD()]),
        special=CHAT,
    ),
    "llama2": lambda: sentencepiece(
        normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        None,
        decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        ),
        added=FLAGS[:3],
    ),
    "mistral": lambda: sentencepiece(
        None,
        pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False),
        decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        ),
    ),
    "metaspace": lambda: sentencepiece(
        normalizers.Replace(Regex(r"\s{2,}"), "  "),
        pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True),
        decoders.Metaspace(replacement="▁", prepend_scheme="always", split=True),
        added=FLAGS,
    ),
    "bert": lambda: word_piece(lowercase=True),
    "bert-cased": lambda: word_piece(lowercase=False, added=FLAGS),
}


def random_texts(count):
    """Texts of characters that are hard to cut, the same ones every time."""
    source = random.Random(20260701)
    pool = list("  \n\r\t'\"-_.,!abcdeABCDE01289sStTmMdDlLvVrReE") + list(
        "éßſK\u0301\u0308\u200d\u00a0\u2003\u3000Ⅷ½٣日本한ㄱ🙂👍🏽ñǅªʰⁿ\u0903_‿©∑\u0085▁"
    )
    pool += ["<s>", "</s>", "<mask>", "<strip>", "wordy", "ñandú", "<|im_start|>", "the ", "'ll", "'RE"]
    return ["".join(source.choices(pool, k=source.randint(1, 40))) for _ in range(count)]


def cases(tokenizer):
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    for text in TEXTS + SPECIAL + random_texts(60):
        ids = wrapped(text, add_special_tokens=False)["input_ids"]
        yield {
            "text": text,
            "ids": ids,
            "special": wrapped(text, add_special_tokens=True)["input_ids"],
            "decoded": wrapped.decode(ids, clean_up_tokenization_spaces=False),
            "skipped": wrapped.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False),
        }


def broken(tokenizer):
    """Ids in an order that no text has: halves of characters, unknown ids."""
    source = random.Random(7)
    size = tokenizer.get_vocab_size()
    for length in range(1, 40):
        ids = [source.randrange(size + 3) for _ in range(length)]
        yield {"ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)}


for name in sys.argv[1:] or KINDS:
    tokenizer = KINDS[name]()
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(tokenizer.to_str() + "\n", encoding="utf-8")
    result = {"cases": list(cases(tokenizer)), "broken": list(broken(tokenizer))}
    text = json.dumps(result, ensure_ascii=True, separators=(",", ":")).replace('},{', '},\n{')
    (folder / "cases.json").write_text(text + "\n", encoding="utf-8")
    print(name, tokenizer.get_vocab_size())
