//! `nomul json`: documents as vectors.

mod bench;
mod capacity;
mod embed;
mod file;
mod query;

use clap::Subcommand;
use nomul::Result;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Turn JSON Lines into an index of vectors
    Embed(embed::Arguments),
    /// The documents of an index that are most similar to another one
    Search(query::SearchArguments),
    /// What a document's vector holds at a path
    Get(query::GetArguments),
    /// Which parts of a document another one's vector has too
    Explain(query::ExplainArguments),
    /// How much vectors hold, by theory and measured
    Capacity(capacity::Arguments),
    /// Time binding, bundling, comparing and encoding
    Bench(bench::Arguments),
}

pub fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Embed(arguments) => embed::run(arguments),
        Command::Search(arguments) => query::search(arguments),
        Command::Get(arguments) => query::get(arguments),
        Command::Explain(arguments) => query::explain(arguments),
        Command::Capacity(arguments) => capacity::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
    }
}
