//! `nomul-edge` makes images of nomul's components and runs them under wasmtime. Without words it says how it is used.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use nomul_edge_host::{
    bindings::runtime::RuntimePre,
    crowd::{self, Crowd},
    engine::{self, Bounds, Outside},
    image,
    serve::{self, Service},
};
use serde_json::json;
use tokio::{net::TcpListener, runtime};
use wasmtime::{Result, bail, error::Context as _};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

const USAGE: &str = "\
usage: nomul-edge imports COMPONENT
         prints what a component imports, a line each
       nomul-edge image COMPONENT MODEL -o IMAGE [--context TOKENS]
         writes the component with the model of a folder in its memory
       nomul-edge compile COMPONENT -o FILE.cwasm [--memory MB]
         writes its machine code, for this machine and this version; give the memory that it will run with
       nomul-edge serve COMPONENT [--model FOLDER] [--listen ADDRESS] [--instances N] [--waiting N] [--memory MB]
                        [--seconds S] [--threads N] [--env NAME=VALUE]...
         answers HTTP requests; prints the address on the first line
       nomul-edge first IMAGE [--rounds N] [--prompt TEXT] [--memory MB] [--seconds S]
         one new instance after the other, up to the first token; prints what each took as JSON
       nomul-edge crowd IMAGE [--conversations N] [--tokens N] [--prompt TEXT] [--memory MB] [--seconds S] [--threads N]
         many conversations at once; prints what they took as JSON, --texts with what they said
";

/// The words of the command line.
struct Words {
    plain: Vec<String>,
    options: Vec<(String, String)>,
}

impl Words {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Words> {
        let (mut plain, mut options) = (Vec::new(), Vec::new());
        while let Some(word) = words.next() {
            match word.strip_prefix('-') {
                None => plain.push(word),
                Some("-texts") => options.push((word, String::new())),
                Some(_) => {
                    let value = words.next().with_context(|| format!("{word}: its value is missing"))?;
                    options.push((word, value));
                }
            }
        }
        Ok(Words { plain, options })
    }

    /// Refuses options that are not of this list, and other than this many words.
    fn check(&self, words: usize, options: &[&str]) -> Result<()> {
        if let Some((name, _)) = self.options.iter().find(|(name, _)| !options.contains(&name.as_str())) {
            bail!("{name}: no such option here\n{USAGE}");
        }
        if self.plain.len() != words + 1 {
            bail!("{USAGE}");
        }
        Ok(())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.options.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> Result<T> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => match text.parse() {
                Ok(number) => Ok(number),
                Err(_) => bail!("{name} {text}: not a number that is allowed here"),
            },
        }
    }

    fn path(&self, place: usize) -> &Path {
        Path::new(&self.plain[place])
    }

    fn output(&self) -> Result<PathBuf> {
        Ok(self.text("-o").context("-o: where to write is missing")?.into())
    }

    fn bounds(&self) -> Result<Bounds> {
        let megabytes: usize = self.number("--memory", 1024)?;
        let seconds: f64 = self.number("--seconds", 120.0)?;
        let time = Duration::try_from_secs_f64(seconds).context("--seconds")?;
        Ok(Bounds { memory: megabytes.saturating_mul(1 << 20), time })
    }

    fn runtime(&self) -> Result<runtime::Runtime> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads: usize = self.number("--threads", cores)?;
        Ok(runtime::Builder::new_multi_thread().worker_threads(threads.max(1)).enable_all().build()?)
    }
}

/// Writes a file beside its place and only then puts it there.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().context("-o: a file is meant")?.to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(|| format!("{}: cannot be written", path.display()))
}

fn imports(words: &Words) -> Result<()> {
    words.check(1, &[])?;
    let engine = engine::single()?;
    let component = engine::component(&engine, words.path(1))?;
    for (name, _) in component.component_type().imports(&engine) {
        println!("{name}");
    }
    Ok(())
}

fn make_image(words: &Words) -> Result<()> {
    words.check(2, &["-o", "--context"])?;
    let context = words.text("--context").map(|_| words.number("--context", 0)).transpose()?;
    let component = words.path(1);
    let bytes = fs::read(component).with_context(|| format!("{}: cannot be read", component.display()))?;
    let image = words.runtime()?.block_on(image::image(&bytes, words.path(2), context))?;
    write(&words.output()?, &image)
}

fn compile(words: &Words) -> Result<()> {
    words.check(1, &["-o", "--memory"])?;
    let engine = engine::pooling(1, &words.bounds()?)?;
    write(&words.output()?, &engine::compile(&engine, words.path(1))?)
}

fn serve(words: &Words) -> Result<()> {
    let known = ["--model", "--listen", "--instances", "--waiting", "--memory", "--seconds", "--threads", "--env"];
    words.check(1, &known)?;
    let bounds = words.bounds()?;
    let instances: u32 = words.number("--instances", 1)?;
    let mut environment = Vec::new();
    for pair in words.all("--env") {
        let (name, value) = pair.split_once('=').with_context(|| format!("--env {pair}: NAME=VALUE is meant"))?;
        environment.push((name.to_owned(), value.to_owned()));
    }
    let model = words.text("--model").map(PathBuf::from);
    if let Some(folder) = model.as_ref().filter(|folder| !folder.is_dir()) {
        bail!("--model {}: no such folder", folder.display());
    }
    let engine = engine::pooling(instances.max(1), &bounds)?;
    engine::tick(&engine)?;
    let component = engine::component(&engine, words.path(1))?;
    let ready = ProxyPre::new(engine::linker(&engine)?.instantiate_pre(&component)?)?;
    let outside = Outside { model, environment };
    let instances = instances.max(1) as usize;
    let service = Service { ready, outside, bounds, instances, waiting: words.number("--waiting", 64)? };
    words.runtime()?.block_on(async {
        let address = words.text("--listen").unwrap_or("127.0.0.1:8080");
        let listener = TcpListener::bind(address).await.with_context(|| format!("--listen {address}"))?;
        println!("http://{}", listener.local_addr()?);
        serve::serve(listener, engine, service).await
    })
}

/// The middle one, and the largest, in milliseconds.
fn spread(times: &[Duration]) -> (f64, f64) {
    let mut sorted: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
    sorted.sort_by(f64::total_cmp);
    (sorted.get(sorted.len() / 2).copied().unwrap_or(0.0), sorted.last().copied().unwrap_or(0.0))
}

fn first(words: &Words) -> Result<()> {
    words.check(1, &["--rounds", "--prompt", "--memory", "--seconds"])?;
    let bounds = words.bounds()?;
    let rounds: usize = words.number("--rounds", 1)?;
    let prompt = words.text("--prompt").unwrap_or("Once upon a time");
    let engine = engine::pooling(1, &bounds)?;
    engine::tick(&engine)?;
    let began = Instant::now();
    let component = engine::component(&engine, words.path(1))?;
    let image = RuntimePre::new(engine::linker(&engine)?.instantiate_pre(&component)?)?;
    let loaded = began.elapsed();
    let runtime = words.runtime()?;
    let mut each = Vec::new();
    for _ in 0..rounds.max(1) {
        let first = runtime.block_on(crowd::first(&engine, &image, &bounds, prompt))?;
        each.push(json!({
            "start_ms": first.started.as_secs_f64() * 1e3,
            "first_token_ms": first.first_token.as_secs_f64() * 1e3,
            "prompt_tokens": first.prompt_tokens,
        }));
    }
    println!("{}", json!({ "load_ms": loaded.as_secs_f64() * 1e3, "rounds": each }));
    Ok(())
}

fn run_crowd(words: &Words) -> Result<()> {
    let known = ["--conversations", "--tokens", "--prompt", "--memory", "--seconds", "--threads", "--texts"];
    words.check(1, &known)?;
    let bounds = words.bounds()?;
    let crowd = Crowd {
        conversations: words.number("--conversations", 100)?,
        tokens: words.number("--tokens", 32)?,
        prompt: words.text("--prompt").unwrap_or("This is conversation number {} of many, and").into(),
    };
    let instances = u32::try_from(crowd.conversations).ok().and_then(|count| count.checked_add(1));
    let engine = engine::pooling(instances.context("--conversations: too many")?, &bounds)?;
    engine::tick(&engine)?;
    let began = Instant::now();
    let component = engine::component(&engine, words.path(1))?;
    let loaded = began.elapsed();
    let before = crowd::memory();
    let report = words.runtime()?.block_on(crowd::run(&engine, &component, &bounds, &crowd))?;
    let (median, slowest) = spread(&report.finished);
    let (first_median, first_slowest) = spread(&report.first_token);
    let (start_median, start_slowest) = spread(&report.started);
    let each = |all: Option<u64>| Some(all?.saturating_sub(report.with_one?) / crowd.conversations.max(1) as u64);
    let mut value = json!({
        "conversations": crowd.conversations,
        "tokens": crowd.tokens,
        "load_ms": loaded.as_secs_f64() * 1e3,
        "median_ms": median,
        "slowest_ms": slowest,
        "first_token_median_ms": first_median,
        "first_token_slowest_ms": first_slowest,
        "start_median_ms": start_median,
        "start_slowest_ms": start_slowest,
        "memory_before_bytes": before,
        "memory_one_bytes": report.with_one,
        "memory_peak_bytes": report.after.max(report.idle),
        "memory_each_idle_bytes": each(report.idle),
        "memory_each_after_bytes": each(report.after),
    });
    if words.text("--texts").is_some() {
        value["texts"] = json!(report.texts);
    }
    println!("{value}");
    Ok(())
}

fn main() -> ExitCode {
    if std::env::args().skip(1).any(|word| word == "--help" || word == "-h") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let work = || {
        let words = Words::parse(std::env::args().skip(1))?;
        match words.plain.first().map(String::as_str) {
            Some("imports") => imports(&words),
            Some("image") => make_image(&words),
            Some("compile") => compile(&words),
            Some("serve") => serve(&words),
            Some("first") => first(&words),
            Some("crowd") => run_crowd(&words),
            _ => bail!("{USAGE}"),
        }
    };
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", format!("{error:#}").trim_end());
            ExitCode::from(2)
        }
    }
}
