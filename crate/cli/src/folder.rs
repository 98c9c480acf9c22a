//! Opening a model folder.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use nomul::{Code, Error, Model, Result, bail};
use nomul_quant::checkpoint::hf::{Hub, Repository};
use nomul_text::{ChatTemplate, Encoder, Session};

use crate::progress::Bar;

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// An error of the operating system, with the path it is about.
pub fn io(path: &Path, error: std::io::Error) -> Error {
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    // In a sandbox what was not opened for the command is not there either.
    let hint = if missing && cfg!(target_family = "wasm") { "; was its folder opened, with --dir?" } else { "" };
    Error::new(if missing { Code::Missing } else { Code::Io }, format!("{}: {error}{hint}", path.display()))
}

fn read(folder: &Path, file: &str) -> Result<Vec<u8>> {
    let path = folder.join(file);
    fs::read(&path).map_err(|e| io(&path, e))
}

fn optional(folder: &Path, file: &str) -> Result<Option<Vec<u8>>> {
    match read(folder, file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.code == Code::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

/// True if the folder is one that `nomul quantize` made.
pub fn is_model(path: &Path) -> bool {
    let Ok(text) = fs::read(path.join("config.json")) else { return false };
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    json["quantization_config"]["quant_method"] == "nomul"
}

/// The model alone, with its first `planes` plane shards.
pub fn model(folder: &Path, planes: Option<usize>) -> Result<Model> {
    let mut model = Model::new(&read(folder, "config.json")?, &read(folder, "model.safetensors.index.json")?)?;
    fill(folder, planes, &mut model)?;
    Ok(model)
}

/// The model with its tokenizer.
pub fn session(folder: &Path, planes: Option<usize>, context: Option<usize>) -> Result<Session> {
    let mut session = Session::new(
        &read(folder, "config.json")?,
        &read(folder, "model.safetensors.index.json")?,
        &read(folder, "tokenizer.json")?,
        optional(folder, "tokenizer_config.json")?.as_deref(),
        optional(folder, "generation_config.json")?.as_deref(),
        context,
    )?;
    fill(folder, planes, session.model_mut())?;
    Ok(session)
}

/// A sentence encoder with its tokenizer.
pub fn encoder(folder: &Path, planes: Option<usize>, max_tokens: Option<usize>) -> Result<Encoder> {
    let mut encoder = Encoder::new(
        &read(folder, "config.json")?,
        &read(folder, "model.safetensors.index.json")?,
        &read(folder, "tokenizer.json")?,
        optional(folder, "tokenizer_config.json")?.as_deref(),
        max_tokens,
    )?;
    fill(folder, planes, encoder.model_mut())?;
    Ok(encoder)
}

/// The model's chat template.
pub fn template(folder: &Path) -> Result<ChatTemplate> {
    let config = optional(folder, "tokenizer_config.json")?;
    let template = optional(folder, "chat_template.jinja")?;
    match ChatTemplate::from_files(config.as_deref(), template.as_deref())? {
        Some(template) => Ok(template),
        None => bail!(
            Unsupported,
            "the model has no chat template: neither chat_template.jinja nor chat_template in tokenizer_config.json"
        ),
    }
}

/// Streams the shards in, as far as they are wanted.
fn fill(folder: &Path, planes: Option<usize>, model: &mut Model) -> Result<()> {
    if let Some(planes) = planes
        && !(1..=model.levels()).contains(&planes)
    {
        bail!(Input, "--planes {planes}: the model has 1 to {}", model.levels());
    }
    let shards: Vec<_> = model.shards().iter().take(planes.map_or(usize::MAX, |planes| planes + 1)).cloned().collect();
    let mut buffer = vec![0; CHUNK];
    for shard in shards {
        let path = folder.join(&shard.file);
        let mut file = File::open(&path).map_err(|e| io(&path, e))?;
        let length = file.metadata().map_err(|e| io(&path, e))?.len();
        if length != shard.bytes {
            bail!(Format, "{}: {length} bytes, the index says {}", path.display(), shard.bytes);
        }
        let mut left = length;
        while left > 0 {
            let count = file.read(&mut buffer).map_err(|e| io(&path, e))?;
            if count == 0 {
                bail!(Format, "{}: ends {left} bytes early", path.display());
            }
            // A file that grows while it is read must not run into the next one.
            let count = (count as u64).min(left);
            model.push(&buffer[..count as usize]).map_err(|e| e.at(folder.display()))?;
            left -= count;
        }
    }
    if !model.is_usable() {
        bail!(NotReady, "--planes {}: too few to answer; try {}", planes.unwrap_or(0), planes.unwrap_or(0) + 1);
    }
    Ok(())
}

/// Where a checkpoint lies: a path as given, or a name `hf:ORG/NAME`, which is fetched into the user's cache first.
pub fn checkpoint(name: &str) -> Result<PathBuf> {
    if !Repository::is_named_by(name) {
        return Ok(name.into());
    }
    let repository = Repository::parse(name)?;
    let bar = Bar::new();
    let path = Hub::from_environment(cache()?).fetch(&repository, &mut |p| {
        bar.show(&format!("fetching {}", p.file), p.received, p.total.unwrap_or(p.received))
    });
    bar.finish();
    path
}

/// The user's cache folder of nomul: `NOMUL_CACHE`, or where the platform keeps caches.
fn cache() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = variable("NOMUL_CACHE") {
        return Ok(folder);
    }
    let home = variable("HOME");
    let folder = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        home.map(|home| home.join("Library/Caches"))
    } else {
        variable("XDG_CACHE_HOME").or(home.map(|home| home.join(".cache")))
    };
    match folder {
        Some(folder) => Ok(folder.join("nomul")),
        None => bail!(Input, "no cache folder: set NOMUL_CACHE"),
    }
}
