//! Answers that follow a JSON schema. llguidance, a library of the field, keeps the grammar; here are conversions only.
//!
//! It is a module of its own, with a memory of its own: who asks for no schema does not load it, and a fault in it leaves
//! the model as it was.

use std::sync::Arc;

use js_sys::{Error as JsError, Reflect};
use llguidance::{Matcher, ParserFactory, api::TopLevelGrammar};
use toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use wasm_bindgen::prelude::*;

/// What llguidance knows special tokens by.
const SPECIAL: u8 = TokTrie::SPECIAL_TOKEN_MARKER;

/// The tokens of a model.
#[wasm_bindgen]
pub struct Vocabulary {
    factory: ParserFactory,
    size: usize,
}

#[wasm_bindgen]
impl Vocabulary {
    /// From what `Engine.vocabulary` gives: for each token whether it is special, how many bytes it has (u16), and these;
    /// and the tokens that end an answer.
    #[wasm_bindgen(constructor)]
    pub fn new(tokens: &[u8], end_tokens: &[u32]) -> Result<Vocabulary, JsValue> {
        let (words, ends) = (words(tokens), end_tokens);
        let Some(&end) = ends.first() else { return Err(wrong("the model has no token that ends an answer")) };
        let trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, end), &words).with_eos_tokens(ends);
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&environment).map_err(wrong)?;
        factory.quiet();
        Ok(Vocabulary { factory, size: words.len() })
    }

    /// A grammar that lets through what a JSON schema describes.
    pub fn schema(&self, schema: &str) -> Result<Grammar, JsValue> {
        let schema = serde_json::from_str(schema).map_err(wrong)?;
        let parser = self.factory.create_parser(TopLevelGrammar::from_json_schema(schema)).map_err(wrong)?;
        Ok(Grammar { matcher: Matcher::new(Ok(parser)), words: self.size.div_ceil(32) })
    }
}

/// Where an answer is in its grammar.
#[wasm_bindgen]
pub struct Grammar {
    matcher: Matcher,
    words: usize,
}

#[wasm_bindgen]
impl Grammar {
    /// The tokens that may come next, a bit each. Where the text is complete they are those that end it.
    pub fn allowed(&mut self) -> Result<Vec<u32>, JsValue> {
        let mask = self.matcher.compute_mask_or_eos().map_err(wrong)?;
        Ok(mask.as_slice().iter().copied().take(self.words).collect())
    }

    /// Takes a token in; answers whether the text is complete and nothing can follow.
    pub fn accept(&mut self, token: u32) -> Result<bool, JsValue> {
        self.matcher.consume_token(token).map_err(wrong)?;
        Ok(self.matcher.is_stopped())
    }
}

/// The tokens in llguidance's form. A token without bytes can never be said.
fn words(mut tokens: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    while let [special, low, high, rest @ ..] = tokens {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (bytes, behind) = rest.split_at(length);
        words.push(if *special == 1 { [&[SPECIAL], bytes].concat() } else { bytes.to_vec() });
        tokens = behind;
    }
    words
}

/// An error as JavaScript throws it, with a code: what was asked for cannot be followed. One line.
fn wrong(error: impl std::fmt::Display) -> JsValue {
    let line = format!("{error:#}").replace('\n', " ");
    let thrown = JsError::new(line.trim());
    // Setting a property of a fresh object does not fail.
    let _ = Reflect::set(&thrown, &"code".into(), &"input".into());
    thrown.into()
}
