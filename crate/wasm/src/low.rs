//! What can be asked of a model beside answers.

use nomul_text::Wanted;
use wasm_bindgen::prelude::*;

use crate::{Engine, convert::throw};

#[wasm_bindgen]
impl Engine {
    /// The token ids of a text as an encoder reads it: with those around it, cut to what it can read.
    #[wasm_bindgen(js_name = tokenizeText)]
    pub fn tokenize_text(&mut self, text: &str) -> Result<Vec<u32>, JsValue> {
        self.runner.encoder().map_err(throw)?.tokenize(text).map_err(throw)
    }

    /// Begins a text that is to become a vector; `compute` then takes it through one block of the encoder after the other.
    #[wasm_bindgen(js_name = startText)]
    pub fn start_text(&mut self, ids: &[u32]) -> Result<(), JsValue> {
        self.runner.encoder().map_err(throw)?.start(ids).map_err(throw)
    }

    /// The vector of the text, of length one if that is wanted; nothing while it is not there.
    #[wasm_bindgen(js_name = endText)]
    pub fn end_text(&mut self, normalize: bool) -> Result<Option<Vec<f32>>, JsValue> {
        let encoder = self.runner.encoder().map_err(throw)?;
        if encoder.is_done() { encoder.finish(normalize).map(Some).map_err(throw) } else { Ok(None) }
    }

    /// The logits of the token that would follow: one number for each token of the vocabulary.
    pub fn logits(&mut self, ids: &[u32]) -> Result<Vec<f32>, JsValue> {
        self.runner.session().map_err(throw)?.logits(ids).map_err(throw)
    }

    /// Begins to read a text: for the logarithm of each token's probability but the first's, or for the mean of its hidden
    /// states.
    pub fn read(&mut self, ids: &[u32], mean: bool) -> Result<(), JsValue> {
        let wanted = if mean { Wanted::Mean } else { Wanted::Logprobs };
        self.runner.session().map_err(throw)?.read(ids, wanted).map_err(throw)
    }

    /// Reads some more; answers with how many tokens were read so far.
    #[wasm_bindgen(js_name = readOn)]
    pub fn read_on(&mut self) -> Result<usize, JsValue> {
        self.runner.session().map_err(throw)?.read_on().map(|(read, _)| read).map_err(throw)
    }

    /// What was wanted, once all is read.
    #[wasm_bindgen(js_name = endReading)]
    pub fn end_reading(&mut self) -> Result<Vec<f32>, JsValue> {
        self.runner.session().map_err(throw)?.end_reading().map_err(throw)
    }

    /// What was read and said so far, as bytes.
    #[wasm_bindgen(js_name = saveState)]
    pub fn save_state(&mut self) -> Result<Vec<u8>, JsValue> {
        self.runner.session().map_err(throw)?.save().map_err(throw)
    }

    /// Goes back to what was saved.
    #[wasm_bindgen(js_name = loadState)]
    pub fn load_state(&mut self, image: &[u8]) -> Result<(), JsValue> {
        self.runner.session().map_err(throw)?.restore(image).map_err(throw)
    }

    /// Tokens whose keys and values are there.
    #[wasm_bindgen(getter, js_name = cachedTokens)]
    pub fn cached_tokens(&self) -> u32 {
        self.runner.cached() as u32
    }

    /// The tokens that end an answer.
    #[wasm_bindgen(getter, js_name = endTokens)]
    pub fn end_tokens(&self) -> Vec<u32> {
        self.runner.end_tokens().to_vec()
    }

    /// The bytes that a token adds to a text; none for an id without a token.
    #[wasm_bindgen(js_name = tokenBytes)]
    pub fn token_bytes(&self, id: u32) -> Vec<u8> {
        self.runner.tokenizer().bytes(id).unwrap_or_default()
    }

    /// All tokens, for a grammar: for each id in order a byte that is one for special tokens, the number of its bytes (u16,
    /// little-endian), and its bytes.
    pub fn vocabulary(&self) -> Vec<u8> {
        let tokenizer = self.runner.tokenizer();
        let mut all = Vec::new();
        for id in 0..self.runner.model().config().vocab_size as u32 {
            let bytes = tokenizer.bytes(id).unwrap_or_default();
            let length = u16::try_from(bytes.len()).unwrap_or_default();
            all.push(u8::from(tokenizer.is_special(id)));
            all.extend_from_slice(&length.to_le_bytes());
            all.extend_from_slice(&bytes[..usize::from(length)]);
        }
        all
    }
}
