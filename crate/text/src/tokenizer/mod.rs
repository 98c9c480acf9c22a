//! `tokenizer.json` of Hugging Face, read and run: byte-pair encoders, byte-level (GPT-2, Llama 3, Qwen, SmolLM) and
//! in the manner of SentencePiece (Llama 2, Mistral, TinyLlama), and WordPiece (BERT). Ids are those of the Python package
//! `tokenizers`.
//!
//! Text goes through: added tokens are found, what is between them is normalised (`normalize`), cut into words
//! (`split`), the words are encoded (`bpe`, `word_piece`), and the special tokens of a whole text go around. Back: `decode`. `pattern`
//! has the regular expressions.
//!
//! Not here on purpose: Unigram and word-level models, offsets, pairs of texts, truncation, padding,
//! training, dropout. A file that asks for one of them, or for anything unknown, is refused by name.

mod added;
mod bpe;
mod bytes;
mod compact;
mod decode;
mod file;
mod normalize;
mod pattern;
mod split;
#[cfg(test)]
mod tests;
mod unicode;
mod vocabulary;
mod word_piece;

use nomul::{Code, Error, Result, bail};
use serde_json::Value;

use self::{
    added::{AddedTokens, Part},
    bpe::{Bpe, Merges, Scratch},
    decode::Decoder,
    normalize::Normalizer,
    pattern::Pattern,
    split::{Splitter, Words},
    vocabulary::Vocabulary,
    word_piece::WordPiece,
};

pub use self::compact::{COMPACT_FILE, compact};

const FILE: &str = "tokenizer.json";

/// The tokens with a role of their own, as `tokenizer_config.json` names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Begins a text.
    pub bos: Option<String>,
    /// Ends a text.
    pub eos: Option<String>,
    /// Stands for what has no token.
    pub unk: Option<String>,
    /// Fills up.
    pub pad: Option<String>,
}

/// From text to ids and back.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    added: AddedTokens,
    normalizer: Normalizer,
    splitter: Splitter,
    model: Model,
    /// Ids before and behind a whole text.
    around: [Vec<u32>; 2],
    decoder: Decoder,
    special: SpecialTokens,
}

/// What makes ids of words.
#[derive(Clone, Debug)]
enum Model {
    Bpe(Bpe),
    WordPiece(WordPiece),
}

impl Model {
    fn vocabulary(&self) -> &Vocabulary {
        match self {
            Model::Bpe(model) => model.vocabulary(),
            Model::WordPiece(model) => model.vocabulary(),
        }
    }

    fn merges(&self) -> Option<&Merges> {
        match self {
            Model::Bpe(model) => Some(model.merges()),
            Model::WordPiece(_) => None,
        }
    }
}

impl Tokenizer {
    /// From `tokenizer.json`, or its [`compact`] form, and, for the names of the special tokens, `tokenizer_config.json`.
    pub fn from_json(tokenizer_json: &[u8], tokenizer_config: Option<&[u8]>) -> Result<Tokenizer> {
        let special = match tokenizer_config {
            None => SpecialTokens::default(),
            Some(json) => SpecialTokens::from_json(json)?,
        };
        Tokenizer::from_file(tokenizer_json, special)
            .map_err(|error| error.at(if compact::is_compact(tokenizer_json) { COMPACT_FILE } else { FILE }))
    }

    fn from_file(bytes: &[u8], special: SpecialTokens) -> Result<Tokenizer> {
        let (json, tables) = match compact::parts(bytes)? {
            Some((json, tables)) => (json, Some(tables)),
            None => (bytes, None),
        };
        let wrong = |error: &dyn std::error::Error| Error::new(Code::Format, error.to_string());
        let json = std::str::from_utf8(json).map_err(|error| wrong(&error))?;
        let file: file::File = serde_json::from_str(json).map_err(|error| wrong(&error))?;
        // Files from before models had a type are byte-pair encoders.
        let model = match file.model.kind.as_deref() {
            Some("BPE") => Model::Bpe(Bpe::new(file.model, tables)?),
            None if file.model.merges.is_some() => Model::Bpe(Bpe::new(file.model, tables)?),
            Some("WordPiece") => Model::WordPiece(WordPiece::new(file.model, tables)?),
            Some(kind) => bail!(Unsupported, "a tokenizer of type {kind}; BPE and WordPiece are supported"),
            None => bail!(Missing, "model: no type"),
        };
        let normalizer = Normalizer::new(&file.normalizer)?;
        let added = AddedTokens::new(file.added_tokens.unwrap_or_default(), model.vocabulary(), &normalizer)?;
        Ok(Tokenizer {
            added,
            normalizer,
            splitter: Splitter::new(&file.pre_tokenizer)?,
            model,
            around: around(&file.post_processor)?,
            decoder: Decoder::new(&file.decoder)?,
            special,
        })
    }

    /// The ids of a text. Special tokens that are written out in it count as such; `add_special` puts those around it
    /// that the tokenizer wants around a whole text.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        let [before, behind] = &self.around;
        let mut ids = if add_special { before.clone() } else { Vec::new() };
        let (mut scratch, mut piece) = (Scratch::default(), String::new());
        for part in self.added.split(text, &self.normalizer)? {
            match part {
                Part::Token(id) => ids.push(id),
                Part::Text(text, at_start) => {
                    let mut words = Words::new(text, at_start);
                    self.splitter.apply(&mut words)?;
                    words.iter().for_each(|word| match &self.model {
                        Model::Bpe(model) => model.encode(word, &mut scratch, &mut ids),
                        Model::WordPiece(model) => model.encode(word, &mut piece, &mut ids),
                    });
                }
            }
        }
        if add_special {
            ids.extend(behind);
        }
        Ok(ids)
    }

    /// The ids of a text with those around it, cut to `most`: the end of a text that is too long is left out, not what is put
    /// behind it.
    pub fn encode_within(&self, text: &str, most: usize) -> Result<Vec<u32>> {
        let [before, behind] = &self.around;
        let mut ids = self.encode(text, false)?;
        ids.truncate(most.saturating_sub(before.len() + behind.len()));
        ids.splice(0..0, before.iter().copied());
        ids.extend(behind);
        Ok(ids)
    }

    /// The text of ids. Ids without a token vanish; bytes that are no text become U+FFFD. `skip_special` leaves special
    /// tokens out.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> String {
        let token = |&id: &u32| match self.added.token(id) {
            Some((_, special)) if special && skip_special => None,
            Some((token, _)) => Some(token.to_string()),
            None => self.model.vocabulary().token(id).map(str::to_string),
        };
        self.decoder.apply(ids.iter().filter_map(token).collect()).concat()
    }

    /// The bytes that a token adds to a text; between others, where the first and the last of a text may lose a space. `None`
    /// for an id without a token.
    pub fn bytes(&self, id: u32) -> Option<Vec<u8>> {
        match self.added.token(id) {
            Some((token, _)) => Some(token.as_bytes().to_vec()),
            None => self.model.vocabulary().token(id).map(|token| self.decoder.bytes(token)),
        }
    }

    /// The id of a token, as it is spelled in `tokenizer.json`.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.added.get(token).or_else(|| self.model.vocabulary().get(token))
    }

    /// True for an added token that is marked special.
    pub fn is_special(&self, id: u32) -> bool {
        self.added.token(id).is_some_and(|(_, special)| special)
    }

    /// One more than the largest id.
    pub fn vocab_size(&self) -> usize {
        self.model.vocabulary().size().max(self.added.last().map_or(0, |id| id as usize + 1))
    }

    /// The tokens with a role.
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// The id of the token that begins a text, if there is one.
    pub fn bos_id(&self) -> Option<u32> {
        self.special.bos.as_deref().and_then(|token| self.token_id(token))
    }

    /// The id of the token that ends a text, if there is one.
    pub fn eos_id(&self) -> Option<u32> {
        self.special.eos.as_deref().and_then(|token| self.token_id(token))
    }
}

impl SpecialTokens {
    /// From `tokenizer_config.json`, where a token is a text or an object with its `content`.
    pub fn from_json(tokenizer_config: &[u8]) -> Result<SpecialTokens> {
        let json: Value = match serde_json::from_slice(tokenizer_config) {
            Ok(json) => json,
            Err(error) => bail!(Format, "tokenizer_config.json: {error}"),
        };
        let token = |field: &str| {
            let token = &json[field];
            token.as_str().or_else(|| token["content"].as_str()).map(str::to_string)
        };
        Ok(SpecialTokens {
            bos: token("bos_token"),
            eos: token("eos_token"),
            unk: token("unk_token"),
            pad: token("pad_token"),
        })
    }
}

/// The ids that a `post_processor` puts before and behind a single text.
fn around(json: &Value) -> Result<[Vec<u32>; 2]> {
    let mut around = [Vec::new(), Vec::new()];
    let id = |value: &Value| match value.as_u64().and_then(|id| u32::try_from(id).ok()) {
        Some(id) => Ok(id),
        None => bail!(Format, "post_processor: {value} is not a token's id"),
    };
    match json["type"].as_str().unwrap_or_default() {
        _ if json.is_null() => {}
        // It trims offsets, which are not kept here.
        "ByteLevel" => {}
        "Sequence" => {
            for processor in json["processors"].as_array().map(Vec::as_slice).unwrap_or_default() {
                let [before, behind] = self::around(processor)?;
                around[0].splice(0..0, before);
                around[1].extend(behind);
            }
        }
        "BertProcessing" | "RobertaProcessing" => {
            around = [vec![id(&json["cls"][1])?], vec![id(&json["sep"][1])?]];
        }
        "TemplateProcessing" => {
            let mut side = 0;
            for piece in json["single"].as_array().map(Vec::as_slice).unwrap_or_default() {
                if piece["Sequence"].is_object() {
                    side = 1;
                    continue;
                }
                let Some(name) = piece["SpecialToken"]["id"].as_str() else {
                    bail!(Format, "post_processor: {piece} is neither a text nor a special token");
                };
                let Some(ids) = json["special_tokens"][name]["ids"].as_array() else {
                    bail!(Missing, "post_processor: special_tokens has no {name:?}");
                };
                around[side].extend(ids.iter().map(id).collect::<Result<Vec<u32>>>()?);
            }
        }
        _ => bail!(
            Unsupported,
            "post_processor {} is unknown; known are ByteLevel, Sequence, BertProcessing, RobertaProcessing, \
             TemplateProcessing",
            json["type"]
        ),
    }
    Ok(around)
}

fn flag(json: &Value, field: &str, default: Option<bool>) -> Result<bool> {
    match (&json[field], default) {
        (Value::Bool(flag), _) => Ok(*flag),
        (Value::Null, Some(flag)) => Ok(flag),
        (value, _) => bail!(Format, "{}: {field} is {value}, not true or false", json["type"]),
    }
}

fn text_of<'j>(json: &'j Value, field: &str) -> Result<&'j str> {
    match json[field].as_str() {
        Some(text) => Ok(text),
        None => bail!(Format, "{}: {field} is {}, not a text", json["type"], json[field]),
    }
}

fn character_of(json: &Value, field: &str) -> Result<char> {
    let mut characters = text_of(json, field)?.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => Ok(character),
        _ => bail!(Format, "{}: {field} is {}, not one character", json["type"], json[field]),
    }
}

/// The `pattern` of a step: `{"String": ..}` or `{"Regex": ..}`.
fn pattern_of(json: &Value) -> Result<Pattern> {
    let pattern = &json["pattern"];
    match (pattern["String"].as_str(), pattern["Regex"].as_str()) {
        (Some(text), _) => Ok(Pattern::Literal(text.into())),
        (None, Some(expression)) => Pattern::new(expression),
        (None, None) => bail!(Format, "{}: pattern is {pattern}, neither a String nor a Regex", json["type"]),
    }
}
