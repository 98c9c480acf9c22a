//! `nomul-census`: which instructions a module can reach from its exports, and how many of them multiply.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Parser;
use nomul_census::{Counts, Module, instrument, lower};
use serde::Serialize;

/// What WebAssembly modules multiply.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Counts the instructions that can run once some exports of a module are called.
    ///
    /// Calls that are followed by `unreachable` end the program and are not followed; calls through tables are taken for
    /// calls of all that they fit.
    Count(Arguments),
    /// Writes products by constants as shifts and additions.
    Lower {
        /// The module.
        module: PathBuf,
        /// The file to write.
        #[arg(short, long)]
        output: PathBuf,
    },
}

#[derive(clap::Args)]
struct Arguments {
    /// The module.
    module: PathBuf,
    /// An exported function to begin at; may be given several times.
    #[arg(long, required = true)]
    from: Vec<String>,
    /// Writes a module that counts what it executes in exported globals: census_adds and so on.
    #[arg(long, value_name = "FILE")]
    instrument: Option<PathBuf>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Serialize)]
struct Report {
    /// Functions that can run.
    functions: usize,
    /// Imported functions that can be called.
    imports: Vec<String>,
    /// Instructions, each counted where it stands.
    counts: Counts,
    /// The functions that multiply.
    multiplying: Vec<Multiplying>,
}

#[derive(Serialize)]
struct Multiplying {
    function: String,
    /// How often each instruction stands there.
    instructions: BTreeMap<String, u64>,
    /// Callers, from the export down.
    path: Vec<String>,
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Count(arguments) => count(&arguments),
        Command::Lower { module, output } => write_lowered(&module, &output),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn read(module: &Path) -> Result<Vec<u8>> {
    fs::read(module).with_context(|| format!("{} cannot be read", module.display()))
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(file, bytes).with_context(|| format!("{} cannot be written", file.display()))
}

fn write_lowered(module: &Path, output: &Path) -> Result<()> {
    let (lowered, products) = lower(&read(module)?).with_context(|| format!("{}", module.display()))?;
    write(output, &lowered)?;
    println!("{products} products by constants written as shifts and additions");
    Ok(())
}

fn count(arguments: &Arguments) -> Result<()> {
    let bytes = read(&arguments.module)?;
    let module = Module::parse(&bytes).with_context(|| format!("{}", arguments.module.display()))?;
    let reachable = module.reachable(&arguments.from)?;
    let path = |mut index: u32| {
        let mut path = Vec::new();
        while let Some(Some(caller)) = reachable.get(&index) {
            path.insert(0, module.name(*caller));
            index = *caller;
        }
        path
    };
    let functions = || reachable.keys().filter_map(|&index| Some((index, module.function(index)?)));
    let report = Report {
        functions: functions().count(),
        imports: reachable
            .keys()
            .filter(|index| **index < module.imported())
            .map(|&index| module.name(index))
            .collect(),
        counts: functions().map(|(_, function)| function.counts()).sum(),
        multiplying: functions()
            .filter(|(_, function)| function.multiplies().next().is_some())
            .map(|(index, function)| Multiplying {
                function: module.name(index),
                instructions: function.multiplies().map(|(name, n)| (name.to_owned(), n)).collect(),
                path: path(index),
            })
            .collect(),
    };
    if let Some(to) = &arguments.instrument {
        let functions: BTreeSet<u32> = functions().map(|(index, _)| index).collect();
        write(to, &instrument(&bytes, &functions, module.imported())?)?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    for Multiplying { function, instructions, path } in &report.multiplying {
        let instructions: Vec<_> = instructions.iter().map(|(name, n)| format!("{n} {name}")).collect();
        println!("{function}: {}", instructions.join(", "));
        println!("    from {}", path.join(" > "));
    }
    for import in &report.imports {
        println!("calls {import}");
    }
    println!("{} functions", report.functions);
    for (kind, n) in report.counts.all() {
        println!("{n:>8} {kind}");
    }
    Ok(())
}
