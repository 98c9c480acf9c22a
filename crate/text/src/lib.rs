//! Text at both ends of the model: `tokenizer.json` to ids and back, chat templates, streams of text, and the loop that
//! makes an answer. Every shell (page, package, command) runs this code and adds no logic to it.
//!
//! Read it in this order: [`tokenizer`], [`chat`], [`stream`], [`session`].
//!
//! # Why the tokenizer is our own
//! A library was the first choice. Measured in July-2026 releases on a minimal `wasm32-unknown-unknown` module
//! (`opt-level = "s"`, fat LTO, `panic = "abort"`, gzip -9), and on the vocabulary of SmolLM2:
//!
//! | | gzip | SmolLM2 |
//! |---|---|---|
//! | tokenizers 0.23.2, `fancy-regex` | 693 kB | right |
//! | kitoken 0.11.1, conversion, NFC | 499 kB | right; its GPT-2 pattern is not the original one |
//! | tokenizers 1.0.0-rc.3, BPE, `fancy-regex` | 631 kB | refuses it: ten bytes have no token |
//! | tokenizers 1.0.0-rc.3, BPE, no regular expressions | 286 kB | refuses it |
//! | this one | see the tests | right |
//!
//! The whole runtime has to stay below 350 kB. Most of the others' size is a general regular-expression engine, of which
//! tokenizers use a corner (see [`tokenizer`]), and kinds of tokenizers that decoder models do not have.

pub mod chat;
pub mod session;
pub mod stream;
pub mod tokenizer;

pub use chat::{ChatTemplate, Message};
pub use minijinja::Value;
pub use session::{Finish, GenerateOptions, Session, Step, Usage};
pub use stream::TextStream;
pub use tokenizer::Tokenizer;
