//! Text at both ends of the model: `tokenizer.json` to ids and back, chat templates, streams of text, and the loop that
//! makes an answer or a vector. Every shell (page, package, command) runs this code and adds no logic to it.
//!
//! Read it in this order: [`tokenizer`], [`chat`], [`stream`], [`session`]; [`encoder`] for sentence encoders.
//!
//! # Why the tokenizer is our own
//! A library was the first choice. Measured on a minimal `wasm32-unknown-unknown` module that reads, encodes and decodes
//! (`opt-level = "s"`, fat LTO, `panic = "abort"`, gzip -9), and on SmolLM2's tokenizer over the WikiText-2 test text:
//!
//! | | gzip | SmolLM2 |
//! |---|---|---|
//! | tokenizers 0.23.2, `fancy-regex` | 693 kB | right |
//! | kitoken 0.11.1, conversion and Unicode normalisation | 499 kB | right |
//! | tokenizers 1.0.0-rc.3, BPE, `fancy-regex` | 631 kB | refused: some bytes have no token |
//! | tokenizers 1.0.0-rc.3, BPE, no regular expressions | 286 kB | refused |
//! | [`Tokenizer`] | 116 kB | right: 304,830 tokens |
//!
//! Most of what the others weigh is a general regular-expression engine, of which tokenizers use a corner (see
//! [`tokenizer`]), and kinds of tokenizers that decoder models do not have. The template language weighs as much again, so
//! the package's modules do without it: there JavaScript renders templates.

#[cfg(feature = "templates")]
pub mod chat;
pub mod encoder;
pub mod session;
pub mod stream;
pub mod tokenizer;

#[cfg(feature = "templates")]
pub use chat::{ChatTemplate, Message};
pub use encoder::Encoder;
#[cfg(feature = "templates")]
pub use minijinja::Value;
pub use session::{Finish, GenerateOptions, Session, Step, TokenLogprobs, Usage, Wanted};
pub use stream::TextStream;
pub use tokenizer::Tokenizer;
