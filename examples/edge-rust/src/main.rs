//! Puts a question to a model inside a component: `edge-rust nomul.component.wasm MODEL "What is gravity?"`.

use std::{env, error::Error, fs, io::Write, path::Path};

use wasmtime::{
    Config, Engine, Store, StoreLimits, StoreLimitsBuilder,
    component::{Component, Linker},
};

mod nomul {
    wasmtime::component::bindgen!({ path: "../../crate/edge/wit", world: "runtime" });
}

use nomul::{
    Runtime,
    exports::nomul::runtime::{
        models::{Event, Message, Options},
        types::Files,
    },
};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [component, folder, question] = &words[..] else {
        return Err("usage: edge-rust COMPONENT MODEL QUESTION".into());
    };
    let folder = Path::new(folder);

    // The component imports nothing, so the linker is empty: it can compute, and that is all it can do. A limit on its memory
    // and fuel, which counts instructions, bound what that costs.
    let engine = Engine::new(Config::new().consume_fuel(true))?;
    let component = Component::from_file(&engine, component)?;
    let mut store: Store<StoreLimits> = Store::new(&engine, StoreLimitsBuilder::new().memory_size(1 << 30).build());
    store.limiter(|limits| limits);
    store.set_fuel(1 << 40)?;
    let runtime = Runtime::instantiate(&mut store, &component, &Linker::new(&engine))?;
    let (models, model) = (runtime.nomul_runtime_models(), runtime.nomul_runtime_models().model());

    // The small files first, then the shards in their order, cut anywhere.
    let files = Files {
        config: fs::read(folder.join("config.json"))?,
        index: fs::read(folder.join("model.safetensors.index.json"))?,
        tokenizer: fs::read(folder.join("tokenizer.json"))?,
        tokenizer_config: fs::read(folder.join("tokenizer_config.json")).ok(),
        generation_config: fs::read(folder.join("generation_config.json")).ok(),
        chat_template: fs::read(folder.join("chat_template.jinja")).ok(),
    };
    let session = model.call_open(&mut store, &files, None)??;
    for shard in model.call_shards(&mut store, session)? {
        for part in fs::read(folder.join(&shard.file))?.chunks(1 << 20) {
            model.call_push(&mut store, session, part)??;
        }
    }

    let messages = [Message { role: "user".into(), content: question.clone() }];
    let options = Options {
        max_tokens: Some(24),
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
        ignore_eos: None,
        logprobs: None,
    };
    let generation = model.call_chat(&mut store, session, &messages, &options)??;
    let mut out = std::io::stdout();
    loop {
        match models.generation().call_next(&mut store, generation)?? {
            Event::Prefill(_) => {}
            Event::Token(token) => write!(out, "{}", token.text)?,
            Event::End(end) => {
                writeln!(out, "{}", end.text)?;
                break;
            }
        }
        out.flush()?;
    }
    // Whoever makes many of them in one store gives them back.
    generation.resource_drop(&mut store)?;
    session.resource_drop(&mut store)?;
    Ok(())
}
