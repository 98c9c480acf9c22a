//! `nomul graph`: vectors of nodes.

mod classify;
mod embed;
mod input;
mod neighbors;
pub mod npy;
pub mod output;
#[cfg(not(target_family = "wasm"))]
mod parquet;
mod state;
mod update;

use clap::Subcommand;
use nomul::Result;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Turn a graph into a vector for each node
    Embed(embed::Arguments),
    /// The nodes whose vectors are closest to a node's
    Neighbors(neighbors::Arguments),
    /// How well labels can be told from vectors: one-vs-rest logistic regression, as DeepWalk is measured
    Classify(classify::Arguments),
    /// Add and remove edges; what this does not reach is not computed anew
    Update(update::Arguments),
}

pub fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Embed(arguments) => embed::run(arguments),
        Command::Neighbors(arguments) => neighbors::run(arguments),
        Command::Classify(arguments) => classify::run(arguments),
        Command::Update(arguments) => update::run(arguments),
    }
}
