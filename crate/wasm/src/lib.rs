//! nomul for JavaScript: conversions between the two languages, and nothing else.
//!
//! The glue that wasm-bindgen writes beside the module is used by web/lib only, from inside a worker. What each method
//! takes and gives is written down there too, in `web/lib/src/engine.ts`; the TypeScript build checks that both agree.

mod convert;
mod low;
mod runner;
#[cfg(target_feature = "atomics")]
mod threads;

use nomul_text::GenerateOptions;
use wasm_bindgen::prelude::*;

use convert::{Progress, Shard, from_js, throw, to_js};
use runner::Runner;

/// A model with its tokenizer, and one conversation's state or, for a sentence encoder, one text's. Chat templates are
/// rendered in JavaScript.
#[wasm_bindgen]
pub struct Engine {
    /// It lives as long as the memory of the module: a call that could end it would have to know how.
    runner: &'static mut Runner,
}

#[wasm_bindgen]
impl Engine {
    /// From the small files of a model folder. `context_length` is the most tokens of prompt and answer together, or of a text
    /// that is embedded.
    #[wasm_bindgen(constructor)]
    pub fn new(
        config: &[u8],
        index: &[u8],
        tokenizer: &[u8],
        tokenizer_config: Option<Vec<u8>>,
        generation_config: Option<Vec<u8>>,
        context_length: Option<u32>,
    ) -> Result<Engine, JsValue> {
        let runner = Runner::new(
            config,
            index,
            tokenizer,
            tokenizer_config.as_deref(),
            generation_config.as_deref(),
            context_length.map(|length| length as usize),
        );
        Ok(Engine { runner: Box::leak(Box::new(runner.map_err(throw)?)) })
    }

    /// The files of weights, in the order to stream: `{ file, bytes, sha256 }`.
    #[wasm_bindgen(unchecked_return_type = "{ file: string; bytes: number; sha256: string }[]")]
    pub fn shards(&self) -> Result<JsValue, JsValue> {
        let shards: Vec<Shard> = self.runner.model().shards().iter().map(Shard::from).collect();
        to_js(&shards)
    }

    /// Takes the next bytes of the shards, concatenated in their order and cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), JsValue> {
        self.runner.push(bytes).map_err(throw)
    }

    /// The caller has checked every byte of the shard that comes next, so its SHA-256 is not checked again.
    pub fn trust(&mut self) {
        self.runner.trust();
    }

    /// Forgets what has come of the shard that is being received; its bytes may be pushed anew.
    pub fn rewind(&mut self) {
        self.runner.rewind();
    }

    /// How much has come. `layers` has the fewest planes in use of each block.
    #[wasm_bindgen(
        unchecked_return_type = "{ received: number; total: number; level: number; levels: number; usable: boolean; layers: number[] }"
    )]
    pub fn progress(&self) -> Result<JsValue, JsValue> {
        to_js(&Progress::from(self.runner.model()))
    }

    /// Uses the first `planes` plane shards only; without a number all that have arrived.
    #[wasm_bindgen(js_name = setPlanes)]
    pub fn set_planes(&mut self, planes: Option<u32>) -> Result<(), JsValue> {
        self.runner.set_planes(planes.map(|planes| planes as usize)).map_err(throw)
    }

    /// Every matrix of the model.
    #[wasm_bindgen(unchecked_return_type = "any[]")]
    pub fn inspect(&self) -> Result<JsValue, JsValue> {
        to_js(&self.runner.model().inspect())
    }

    /// True for a sentence encoder, which gives vectors and writes nothing.
    #[wasm_bindgen(getter, js_name = isEncoder)]
    pub fn is_encoder(&self) -> bool {
        matches!(self.runner, Runner::Encoder(_))
    }

    /// Most tokens of prompt and answer together, or of a text that is embedded.
    #[wasm_bindgen(getter, js_name = contextLength)]
    pub fn context_length(&self) -> u32 {
        u32::try_from(self.runner.context()).unwrap_or(u32::MAX)
    }

    /// The token ids of a text; `add_special` puts those around it that the tokenizer wants around a whole text.
    pub fn tokenize(&self, text: &str, add_special: bool) -> Result<Vec<u32>, JsValue> {
        self.runner.tokenizer().encode(text, add_special).map_err(throw)
    }

    /// The text of token ids.
    pub fn detokenize(&self, ids: &[u32]) -> Result<String, JsValue> {
        self.runner.detokenize(ids).map_err(throw)
    }

    /// Begins an answer to a prompt; `step` then writes it. Answers with the number of tokens at the beginning of the
    /// prompt that need not be read again.
    pub fn start(
        &mut self,
        prompt: &[u32],
        #[wasm_bindgen(unchecked_param_type = "object")] options: JsValue,
    ) -> Result<usize, JsValue> {
        let options: GenerateOptions = from_js(options, "options")?;
        self.runner.session().map_err(throw)?.start(prompt, options).map_err(throw)
    }

    /// Which tokens the next one of the answer may be, until told otherwise: a bit each, the lowest of the first word for
    /// token 0; without words all of them.
    pub fn allow(&mut self, allowed: &[u32]) -> Result<(), JsValue> {
        self.runner.session().map_err(throw)?.allow(allowed).map_err(throw)
    }

    /// Computes what `step` tells next, or takes a text through the next block of an encoder. Nothing that this calls multiplies: `npm run bench -- census` follows it.
    pub fn compute(&mut self) {
        self.runner.compute();
    }

    /// Reads some more of the prompt, or writes one token, or says that the answer has ended.
    #[wasm_bindgen(unchecked_return_type = "any")]
    pub fn step(&mut self) -> Result<JsValue, JsValue> {
        to_js(&self.runner.session().map_err(throw)?.step().map_err(throw)?)
    }
}
