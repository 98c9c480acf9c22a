//! Many conversations at once, each in an instance of its own of one image, on a few threads.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Barrier, task::JoinSet};
use wasmtime::{
    Engine, Result, bail,
    component::{Component, ResourceAny},
    error::Context as _,
};

use crate::{
    bindings::runtime::{
        Runtime, RuntimePre,
        exports::nomul::runtime::models::{Event, Options},
    },
    engine::{self, Bounds, Guest, Outside},
};

/// What is said, by how many.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// Conversations, all at once.
    pub conversations: usize,
    /// Tokens of each answer.
    pub tokens: u32,
    /// What each begins with; `{}` stands for its number.
    pub prompt: String,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// The answers, by number.
    pub texts: Vec<String>,
    /// From the beginning of all to the end of each.
    pub finished: Vec<Duration>,
    /// From the beginning of all to the first token of each.
    pub first_token: Vec<Duration>,
    /// What the start of an instance took, each, while others were being started.
    pub started: Vec<Duration>,
    /// Bytes in memory with one instance.
    pub with_one: Option<u64>,
    /// With all of them, before anything was said.
    pub idle: Option<u64>,
    /// With all of them, after everything was said.
    pub after: Option<u64>,
}

/// Bytes that this process holds in memory. A page that several instances share counts once, as it does not in what the
/// system calls resident. `None` where the system does not tell.
pub fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// An instance with its model taken.
struct Ready {
    store: wasmtime::Store<Guest>,
    runtime: Runtime,
    model: ResourceAny,
    started: Duration,
}

async fn ready(engine: &Engine, image: &RuntimePre<Guest>, bounds: &Bounds) -> Result<Ready> {
    let mut store = engine::store(engine, &Outside::default(), bounds)?;
    let began = Instant::now();
    let runtime = image.instantiate_async(&mut store).await?;
    let started = began.elapsed();
    let model = runtime.nomul_runtime_models().model().call_take_resident(&mut store).await??;
    Ok(Ready { store, runtime, model, started })
}

/// What the first token of a new instance took.
#[derive(Clone, Copy, Debug)]
pub struct First {
    /// The start of the instance.
    pub started: Duration,
    /// From before that to the first token.
    pub first_token: Duration,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
}

/// Starts an instance of an image and lets it say one token.
pub async fn first(engine: &Engine, image: &RuntimePre<Guest>, bounds: &Bounds, prompt: &str) -> Result<First> {
    let began = Instant::now();
    let mut ready = ready(engine, image, bounds).await?;
    let said = say(&mut ready, prompt, 1).await?;
    Ok(First { started: ready.started, first_token: said.first_token - began, prompt_tokens: said.prompt_tokens })
}

/// An answer, and when its first token and its end came.
struct Said {
    text: String,
    first_token: Instant,
    finished: Instant,
    prompt_tokens: u32,
}

/// The most probable tokens, just so many.
pub fn greedy(max_tokens: u32) -> Options {
    Options {
        max_tokens: Some(max_tokens),
        temperature: None,
        top_k: None,
        top_p: None,
        min_p: None,
        repetition_penalty: None,
        presence_penalty: None,
        frequency_penalty: None,
        logit_bias: Vec::new(),
        seed: None,
        stop: Vec::new(),
        ignore_eos: Some(true),
        logprobs: None,
    }
}

async fn say(ready: &mut Ready, prompt: &str, tokens: u32) -> Result<Said> {
    let Ready { store, runtime, model, .. } = ready;
    let models = runtime.nomul_runtime_models();
    let generation = models.model().call_complete(&mut *store, *model, prompt, &greedy(tokens)).await??;
    let (mut text, mut first_token) = (String::new(), None);
    loop {
        match models.generation().call_next(&mut *store, generation).await?? {
            Event::Prefill(_) => {}
            Event::Token(token) => {
                first_token.get_or_insert_with(Instant::now);
                text.push_str(&token.text);
            }
            Event::End(end) => {
                text.push_str(&end.text);
                let finished = Instant::now();
                let (first_token, prompt_tokens) = (first_token.unwrap_or(finished), end.prompt_tokens);
                return Ok(Said { text, first_token, finished, prompt_tokens });
            }
        }
        // In turn: a token for everybody, then the next.
        tokio::task::yield_now().await;
    }
}

/// Runs a crowd. The engine has to have room for one more instance than there are conversations.
pub async fn run(engine: &Engine, component: &Component, bounds: &Bounds, crowd: &Crowd) -> Result<Report> {
    let image = RuntimePre::new(engine::linker(engine)?.instantiate_pre(component)?)?;
    // One before all others, whose pages are then there.
    let one = ready(engine, &image, bounds).await.context("the image has no model that can be taken")?;
    let with_one = memory();

    let everybody = Arc::new(Barrier::new(crowd.conversations + 1));
    let mut tasks = JoinSet::new();
    for number in 0..crowd.conversations {
        let (engine, image, bounds, everybody) = (engine.clone(), image.clone(), bounds.clone(), everybody.clone());
        let (prompt, tokens) = (crowd.prompt.replace("{}", &number.to_string()), crowd.tokens);
        tasks.spawn(async move {
            // Whatever becomes of this one, the others must not wait for it.
            let ready = ready(&engine, &image, &bounds).await;
            everybody.wait().await;
            everybody.wait().await;
            let said = match ready {
                Ok(mut ready) => {
                    ready.store.data_mut().ends = Instant::now() + bounds.time;
                    let said = say(&mut ready, &prompt, tokens).await;
                    said.map(|said| (ready, said))
                }
                Err(error) => Err(error),
            };
            everybody.wait().await;
            everybody.wait().await;
            said.map(|(ready, said)| (number, ready.started, said))
        });
    }
    everybody.wait().await;
    let idle = memory();
    let began = Instant::now();
    everybody.wait().await;
    everybody.wait().await;
    let after = memory();
    everybody.wait().await;
    drop(one);

    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (number, started, said) = done?.context("a conversation was stopped")?;
        all.push((number, started, said));
    }
    if all.len() < crowd.conversations {
        bail!("{} of {} conversations came to an end", all.len(), crowd.conversations);
    }
    all.sort_by_key(|(number, ..)| *number);
    Ok(Report {
        finished: all.iter().map(|(_, _, said)| said.finished - began).collect(),
        first_token: all.iter().map(|(_, _, said)| said.first_token - began).collect(),
        started: all.iter().map(|(_, started, _)| *started).collect(),
        texts: all.into_iter().map(|(_, _, said)| said.text).collect(),
        with_one,
        idle,
        after,
    })
}
