//! The nomul command: quantise, run, chat, measure and inspect. The same program, compiled for `wasm32-wasip1`, runs
//! under wasmtime.
//!
//! Results go to standard output, progress and errors to standard error. With `--json`, the last line of standard
//! output is one JSON object.

mod bench;
mod digest;
mod embed;
mod folder;
mod generate;
mod graph;
mod inspect;
mod json;
#[cfg(not(target_family = "wasm"))]
mod own_text;
mod perplexity;
mod progress;
mod quantize;
mod signals;
mod threads;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "nomul",
    version,
    about = "Language models without multiplying: sign planes, shifts, look-ups, additions."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Turn a checkpoint into a model folder of sign planes
    Quantize(quantize::Arguments),
    /// Have a checkpoint write text itself, to calibrate on
    #[cfg(not(target_family = "wasm"))]
    OwnText(own_text::Arguments),
    /// Continue a text, or answer one message
    Run(generate::RunArguments),
    /// Talk to a model
    Chat(generate::ChatArguments),
    /// Perplexity of a model folder or of a checkpoint on a text
    Perplexity(perplexity::Arguments),
    /// Vectors of texts, by a sentence encoder
    Embed(embed::Arguments),
    /// Every matrix of a model: shape, planes, bytes, error, and why it got its bits
    Inspect(inspect::Arguments),
    /// JSON documents as vectors: embed, search, get, explain
    Json(json::Arguments),
    /// A checksum of the scores after each token of a text: the same on every engine
    Digest(digest::Arguments),
    /// Time prefill and decode
    Bench(bench::Arguments),
    /// Vectors of a graph's nodes
    Graph(graph::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Quantize(arguments) => quantize::run(arguments),
        #[cfg(not(target_family = "wasm"))]
        Command::OwnText(arguments) => own_text::run(arguments),
        Command::Run(arguments) => generate::run(arguments),
        Command::Chat(arguments) => generate::chat(arguments),
        Command::Perplexity(arguments) => perplexity::run(arguments),
        Command::Embed(arguments) => embed::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Json(arguments) => json::run(arguments),
        Command::Digest(arguments) => digest::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Graph(arguments) => graph::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nomul: {} [{}]", error.message, error.code.as_str());
            ExitCode::FAILURE
        }
    }
}
