//! `tokenizer.json` and its companions, rebuilt from GGUF metadata. Only byte-level BPE: the other kinds keep scores
//! instead of merges.

use std::collections::HashMap;

use nomul::{Result, bail};
use serde_json::{Map, Value, json};

use super::Metadata;
use super::config::insert_token_ids;

/// How text is cut before merging, by the name that GGUF gives it.
struct PreTokenizer {
    /// Values of `tokenizer.ggml.pre`.
    names: &'static [&'static str],
    /// The cut.
    cut: Cut,
    /// Text is composed (NFC) first.
    composed: bool,
    /// Words of the vocabulary are taken whole, without merging.
    ignore_merges: bool,
    /// A text starts with the beginning-of-text token unless the file says otherwise.
    add_bos: bool,
}

enum Cut {
    /// GPT-2's expression, which ByteLevel has built in.
    Gpt2,
    /// Every digit alone, then GPT-2's.
    Digits,
    /// An expression of its own.
    Expression(&'static str),
}

const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

const PLAIN: PreTokenizer = PreTokenizer {
    names: &["gpt-2", "default"],
    cut: Cut::Gpt2,
    composed: false,
    ignore_merges: false,
    add_bos: false,
};

const PRE_TOKENIZERS: [PreTokenizer; 4] = [
    PLAIN,
    PreTokenizer { names: &["smollm"], cut: Cut::Digits, ..PLAIN },
    PreTokenizer {
        names: &["llama-bpe", "llama3", "llama-v3"],
        cut: Cut::Expression(LLAMA3),
        ignore_merges: true,
        add_bos: true,
        ..PLAIN
    },
    PreTokenizer { names: &["qwen2"], cut: Cut::Expression(QWEN2), composed: true, ..PLAIN },
];

/// `tokenizer.ggml.token_type`.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;

/// The text files of a Hugging Face folder, by name. Errors: `Unsupported` for tokenizers that are not byte-level
/// BPE or that cut text in an unknown way, `Format` where vocabulary and merges contradict each other.
pub fn text_files(metadata: &Metadata) -> Result<Vec<(String, Vec<u8>)>> {
    let vocabulary = Vocabulary::read(metadata)?;
    let mut files = vec![
        ("tokenizer.json", vocabulary.tokenizer(metadata)?),
        ("tokenizer_config.json", vocabulary.tokenizer_config(metadata)?),
        ("special_tokens_map.json", Value::Object(vocabulary.special_tokens(metadata)?)),
    ];
    let mut generation = Map::new();
    generation.insert("_from_model_config".into(), true.into());
    insert_token_ids(metadata, &mut generation)?;
    files.push(("generation_config.json", Value::Object(generation)));
    Ok(files.into_iter().map(|(name, json)| (name.to_string(), json.to_string().into_bytes())).collect())
}

struct Vocabulary<'a> {
    file: &'a str,
    tokens: &'a [String],
    types: Vec<i64>,
    pre: &'static PreTokenizer,
    add_bos: bool,
}

impl<'a> Vocabulary<'a> {
    fn read(metadata: &'a Metadata) -> Result<Self> {
        let file = metadata.file();
        match metadata.text("tokenizer.ggml.model")? {
            Some("gpt2") => {}
            Some(other) => bail!(
                Unsupported,
                "{file}: tokenizer {other} is not byte-level BPE (gpt2); put the model's tokenizer.json beside it"
            ),
            None => bail!(Missing, "{file}: no tokenizer.ggml.model"),
        }
        let Some(name) = metadata.text("tokenizer.ggml.pre")? else {
            bail!(Missing, "{file}: no tokenizer.ggml.pre, so how text is cut before merging is unknown");
        };
        let Some(pre) = PRE_TOKENIZERS.iter().find(|pre| pre.names.contains(&name)) else {
            let known: Vec<&str> = PRE_TOKENIZERS.iter().flat_map(|pre| pre.names).copied().collect();
            bail!(Unsupported, "{file}: tokenizer.ggml.pre {name} is unknown; known are {}", known.join(", "));
        };
        let Some(tokens) = metadata.texts("tokenizer.ggml.tokens")? else {
            bail!(Missing, "{file}: no tokenizer.ggml.tokens");
        };
        let types = metadata.integers("tokenizer.ggml.token_type")?.unwrap_or_else(|| vec![1; tokens.len()]);
        if types.len() != tokens.len() {
            bail!(Format, "{file}: tokenizer.ggml.token_type has {} entries for {} tokens", types.len(), tokens.len());
        }
        let add_bos = metadata.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(pre.add_bos);
        Ok(Vocabulary { file, tokens, types, pre, add_bos })
    }

    /// The token that `tokenizer.ggml.{name}_token_id` points to.
    fn named(&self, metadata: &Metadata, name: &str) -> Result<Option<(u64, &'a str)>> {
        let key = format!("tokenizer.ggml.{name}_token_id");
        let Some(id) = metadata.unsigned(&key)? else { return Ok(None) };
        match usize::try_from(id).ok().and_then(|at| self.tokens.get(at)) {
            Some(token) => Ok(Some((id, token))),
            None => bail!(Format, "{}: {key} {id} is not one of {} tokens", self.file, self.tokens.len()),
        }
    }

    /// Tokens that are found in text before it is cut: (id, content, special).
    fn added(&self) -> impl Iterator<Item = (usize, &'a str, bool)> {
        let added = self.types.iter().zip(self.tokens).enumerate();
        added.filter_map(|(id, (&kind, token))| {
            matches!(kind, CONTROL | USER_DEFINED).then_some((id, token.as_str(), kind == CONTROL))
        })
    }

    fn tokenizer(&self, metadata: &Metadata) -> Result<Value> {
        let bos = self.named(metadata, "bos")?;
        let added: Vec<Value> = self
            .added()
            .map(|(id, content, special)| {
                json!({
                    "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": special,
                })
            })
            .collect();
        let byte_level = |use_regex: bool, trim: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": trim, "use_regex": use_regex });
        let pre_tokenizer = match self.pre.cut {
            Cut::Gpt2 => byte_level(true, true),
            Cut::Digits => sequence(json!({ "type": "Digits", "individual_digits": true }), byte_level(true, true)),
            Cut::Expression(expression) => sequence(
                json!({ "type": "Split", "pattern": { "Regex": expression }, "behavior": "Isolated", "invert": false }),
                byte_level(false, true),
            ),
        };
        let post_processor = match (self.add_bos, bos) {
            (false, _) => byte_level(true, false),
            (true, Some((id, token))) => starting_with(id, token),
            (true, None) => {
                bail!(Missing, "{}: texts start with a token, but there is no tokenizer.ggml.bos_token_id", self.file)
            }
        };
        Ok(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added,
            "normalizer": if self.pre.composed { json!({ "type": "NFC" }) } else { Value::Null },
            "pre_tokenizer": pre_tokenizer,
            "post_processor": post_processor,
            // What it says beyond its type is not looked at; these are the values that are usually written.
            "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
            "model": self.model(metadata)?,
        }))
    }

    /// Vocabulary and merges. Every merge joins two tokens into a third, or the file contradicts itself.
    fn model(&self, metadata: &Metadata) -> Result<Value> {
        let Some(merges) = metadata.texts("tokenizer.ggml.merges")? else {
            bail!(Missing, "{}: no tokenizer.ggml.merges", self.file);
        };
        let mut ids: HashMap<&str, usize> = HashMap::with_capacity(self.tokens.len());
        for (id, token) in self.tokens.iter().enumerate().filter(|(id, _)| self.types[*id] != UNUSED) {
            if let Some(other) = ids.insert(token, id) {
                bail!(Format, "{}: tokens {other} and {id} are both {token:?}", self.file);
            }
        }
        let mut joined = String::new();
        for (at, merge) in merges.iter().enumerate() {
            let Some((left, right)) = merge.split_once(' ') else {
                bail!(Format, "{}: merge {at} {merge:?} is not two tokens", self.file);
            };
            joined.clear();
            joined.extend([left, right]);
            if let Some(part) = [left, right, &joined].into_iter().find(|part| !ids.contains_key(part)) {
                bail!(Format, "{}: merge {at} {merge:?}: {part:?} is not a token", self.file);
            }
        }
        let vocabulary: Map<String, Value> = ids.into_iter().map(|(token, id)| (token.into(), id.into())).collect();
        Ok(json!({
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": self.pre.ignore_merges, "vocab": vocabulary, "merges": merges,
        }))
    }

    fn special_tokens(&self, metadata: &Metadata) -> Result<Map<String, Value>> {
        let mut map = Map::new();
        for (name, field) in
            [("bos", "bos_token"), ("eos", "eos_token"), ("unknown", "unk_token"), ("padding", "pad_token")]
        {
            if let Some((_, token)) = self.named(metadata, name)? {
                map.insert(field.into(), token.into());
            }
        }
        Ok(map)
    }

    fn tokenizer_config(&self, metadata: &Metadata) -> Result<Value> {
        let mut config = self.special_tokens(metadata)?;
        let added = self.added().map(|(id, content, special)| {
            let token = json!({
                "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                "special": special,
            });
            (id.to_string(), token)
        });
        config.insert("added_tokens_decoder".into(), Value::Object(added.collect()));
        config.insert("add_bos_token".into(), self.add_bos.into());
        config.insert("add_prefix_space".into(), false.into());
        config.insert("clean_up_tokenization_spaces".into(), false.into());
        config.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
        if let Some(template) = metadata.text("tokenizer.chat_template")? {
            config.insert("chat_template".into(), template.into());
        }
        let family = metadata.text("general.architecture")?.unwrap_or("");
        if let Some(context) = metadata.unsigned(&format!("{family}.context_length"))? {
            config.insert("model_max_length".into(), context.into());
        }
        Ok(Value::Object(config))
    }
}

fn sequence(first: Value, second: Value) -> Value {
    json!({ "type": "Sequence", "pretokenizers": [first, second] })
}

/// A post-processor that puts one token before every text.
fn starting_with(id: u64, token: &str) -> Value {
    let special = |type_id: u32| json!({ "SpecialToken": { "id": token, "type_id": type_id } });
    let text = |which: &str, type_id: u32| json!({ "Sequence": { "id": which, "type_id": type_id } });
    json!({
        "type": "TemplateProcessing",
        "single": [special(0), text("A", 0)],
        "pair": [special(0), text("A", 0), special(1), text("B", 1)],
        "special_tokens": { token: { "id": token, "ids": [id], "tokens": [token] } },
    })
}
