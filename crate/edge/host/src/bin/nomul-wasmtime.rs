//! `nomul-wasmtime [--dir HOST::GUEST]... [--deterministic] FILE.wasm [ARGUMENT]...` runs a WASI preview 1 command under
//! wasmtime.
//!
//! The command inherits standard input, output and error, sees the folders that `--dir` opens, and nothing else: no
//! environment, no network. With `--deterministic` relaxed instructions do what they do on every processor. The exit status is the command's own; 134 stands for a trap, as in wasmtime's own
//! command line, and 2 for a bad command line or a module that does not load.

use std::process::ExitCode;

use wasmtime::{Config, Engine, Linker, Module, Store};
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_sync};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

const USAGE: &str = "usage: nomul-wasmtime [--dir HOST::GUEST]... [--deterministic] FILE.wasm [ARGUMENT]...";

/// What the command line asks for.
#[derive(Default)]
struct Invocation {
    /// Pairs of a folder of the host and the name under which the command sees it.
    folders: Vec<(String, String)>,
    /// Whether relaxed instructions are to do what they do on every processor, not what this one does fastest.
    deterministic: bool,
    /// The module, then its arguments: together the command's `argv`.
    command: Vec<String>,
}

impl Invocation {
    /// Everything from the first word that is no option on belongs to the command.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut invocation = Self::default();
        while let Some(word) = words.next() {
            if word == "--dir" {
                let pair = words.next().ok_or("--dir: HOST::GUEST is missing")?;
                let (host, guest) = pair.split_once("::").unwrap_or((&pair, &pair));
                invocation.folders.push((host.to_owned(), guest.to_owned()));
            } else if word == "--deterministic" {
                invocation.deterministic = true;
            } else if word.starts_with("--") {
                return Err(format!("{word}: no such option"));
            } else {
                invocation.command.push(word);
                invocation.command.extend(words);
                return Ok(invocation);
            }
        }
        Err(USAGE.to_owned())
    }
}

/// Runs the command to its end and returns its exit status.
fn run(invocation: &Invocation) -> Result<u8, String> {
    let file = &invocation.command[0];
    let named = |error: wasmtime::Error| format!("{file}: {error:#}");

    let mut config = Config::new();
    // The relaxed instructions this project uses are exact on every engine, so the engine's fastest form is asked for, except
    // by those who want to see just that.
    config.wasm_relaxed_simd(true).relaxed_simd_deterministic(invocation.deterministic);
    let engine = Engine::new(&config).map_err(named)?;
    let module = Module::from_file(&engine, file).map_err(named)?;
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    add_to_linker_sync(&mut linker, |context| context).map_err(named)?;

    let mut context = WasiCtxBuilder::new();
    context.inherit_stdio().args(&invocation.command);
    for (host, guest) in &invocation.folders {
        context.preopened_dir(host, guest, FsPerms::ReadWrite).map_err(|error| format!("--dir {host}: {error:#}"))?;
    }
    let mut store = Store::new(&engine, context.build_p1());

    let instance = linker.instantiate(&mut store, &module).map_err(named)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").map_err(named)?;
    match start.call(&mut store, ()) {
        Ok(()) => Ok(0),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(u8::try_from(exit.0).unwrap_or(1)),
            None => {
                eprintln!("{}", named(error));
                Ok(134)
            }
        },
    }
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|word| word == "--help" || word == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match Invocation::parse(std::env::args().skip(1)).and_then(|invocation| run(&invocation)) {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}
