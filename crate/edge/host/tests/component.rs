//! The component under wasmtime: the same bits as natively, and what happens at its bounds. Each bound is a trap or a typed
//! error; the host and the other instances live on.
//!
//! `NOMUL_EDGE_COMPONENT` names the component and `NOMUL_GOLDEN` the folder `tests/golden`; `npm test -- edge` sets both.

use std::{
    env, fs,
    path::PathBuf,
    sync::{LazyLock, Mutex},
    thread,
    time::Duration,
};

use nomul_edge_host::{
    bindings::runtime::{
        Runtime,
        exports::nomul::runtime::{
            documents::{Hit as Document, Vector},
            graphs::{Direction, EmbeddingOptions, GraphOptions},
            models::{Event, Finish, Message, Options, Wanted},
            search::{Kind, Metric, Mode, Vectors},
            types::{Code, Files},
        },
    },
    crowd::greedy,
};
use serde_json::Value;
use wasmtime::{
    Config, Engine, Result, Store, StoreLimits, StoreLimitsBuilder, Trap,
    component::{Component, Linker, ResourceAny},
};

/// The engine, whose instructions are counted and whose time passes when a test says so, and the component.
static COMPILED: LazyLock<(Engine, Component)> = LazyLock::new(|| {
    let mut config = Config::new();
    config.consume_fuel(true).epoch_interruption(true);
    let engine = Engine::new(&config).unwrap();
    let component = Component::from_file(&engine, path("NOMUL_EDGE_COMPONENT")).unwrap();
    (engine, component)
});

/// Epochs are the engine's, so tests that count them take turns with all others that run something.
static EPOCHS: Mutex<()> = Mutex::new(());

fn path(variable: &str) -> PathBuf {
    env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: run `npm test -- edge`")).into()
}

fn golden(name: &str) -> Vec<u8> {
    let path = path("NOMUL_GOLDEN").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn golden_json(name: &str) -> Value {
    serde_json::from_slice(&golden(name)).unwrap()
}

fn files() -> Files {
    let file = |name: &str| golden(&format!("model-tiny/{name}"));
    Files {
        config: file("config.json"),
        index: file("model.safetensors.index.json"),
        tokenizer: file("tokenizer.json"),
        tokenizer_config: Some(file("tokenizer_config.json")),
        generation_config: Some(file("generation_config.json")),
        chat_template: None,
    }
}

/// An instance with as much fuel and time as there is.
struct Instance {
    store: Store<StoreLimits>,
    runtime: Runtime,
}

/// Waits for a call of the component.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

impl Instance {
    fn new(memory: usize) -> Instance {
        let (engine, component) = &*COMPILED;
        let mut store = Store::new(engine, StoreLimitsBuilder::new().memory_size(memory).build());
        store.limiter(|limits| limits);
        store.set_fuel(u64::MAX).unwrap();
        store.set_epoch_deadline(u64::MAX / 2);
        let runtime = wait(Runtime::instantiate_async(&mut store, component, &Linker::new(engine))).unwrap();
        Instance { store, runtime }
    }

    /// A model with its shards.
    fn model(&mut self) -> ResourceAny {
        let model = self.open();
        for shard in self.shards(model) {
            self.push(model, &shard).unwrap().unwrap();
        }
        model
    }

    fn open(&mut self) -> ResourceAny {
        wait(self.runtime.nomul_runtime_models().model().call_open(&mut self.store, &files(), None)).unwrap().unwrap()
    }

    /// The bytes of all shards, in their order.
    fn shards(&mut self, model: ResourceAny) -> Vec<Vec<u8>> {
        let shards = wait(self.runtime.nomul_runtime_models().model().call_shards(&mut self.store, model)).unwrap();
        shards.iter().map(|shard| golden(&format!("model-tiny/{}", shard.file))).collect()
    }

    fn push(&mut self, model: ResourceAny, bytes: &[u8]) -> Result<Result<(), Error>> {
        wait(self.runtime.nomul_runtime_models().model().call_push(&mut self.store, model, bytes))
            .map(|done| done.map_err(Error::from))
    }

    fn start(&mut self, model: ResourceAny, prompt: &[u32], tokens: u32) -> Result<Result<ResourceAny, Error>> {
        let guest = self.runtime.nomul_runtime_models().model();
        wait(guest.call_start(&mut self.store, model, prompt, &greedy(tokens))).map(|done| done.map_err(Error::from))
    }

    fn next(&mut self, generation: ResourceAny) -> Result<Result<Event, Error>> {
        let guest = self.runtime.nomul_runtime_models().generation();
        wait(guest.call_next(&mut self.store, generation)).map(|done| done.map_err(Error::from))
    }

    /// The tokens of an answer.
    fn answer(&mut self, model: ResourceAny, prompt: &[u32], tokens: u32) -> Result<Vec<u32>> {
        let generation = self.start(model, prompt, tokens)?.unwrap();
        let mut ids = Vec::new();
        loop {
            match self.next(generation)?.unwrap() {
                Event::Prefill(_) => {}
                Event::Token(token) => ids.push(token.id),
                Event::End(end) => {
                    assert_eq!((end.completion_tokens, end.reason), (tokens, Finish::Length));
                    return Ok(ids);
                }
            }
        }
    }

    fn logits(&mut self, model: ResourceAny, ids: &[u32]) -> Vec<f32> {
        wait(self.runtime.nomul_runtime_models().model().call_logits(&mut self.store, model, ids)).unwrap().unwrap()
    }
}

/// An error of the component, with what tests look at.
#[derive(Debug)]
struct Error {
    code: Code,
    message: String,
}

impl From<nomul_edge_host::bindings::runtime::exports::nomul::runtime::types::Error> for Error {
    fn from(error: nomul_edge_host::bindings::runtime::exports::nomul::runtime::types::Error) -> Error {
        Error { code: error.code, message: error.message }
    }
}

const MEMORY: usize = 1 << 28;

fn prompt() -> (Vec<u32>, Vec<u32>) {
    let greedy = golden_json("model-tiny.greedy.json");
    let ids = |name: &str| {
        greedy[name].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect::<Vec<u32>>()
    };
    (ids("prompt_tokens"), ids("tokens"))
}

/// That an instance works.
fn works(instance: &mut Instance, model: ResourceAny) {
    let (prompt, tokens) = prompt();
    assert_eq!(instance.answer(model, &prompt, 3).unwrap(), tokens[..3]);
}

#[test]
fn it_imports_nothing() {
    let (engine, component) = &*COMPILED;
    assert_eq!(component.component_type().imports(engine).count(), 0);
}

#[test]
fn its_tokens_and_scores_are_those_of_every_engine() {
    let _turn = EPOCHS.lock();
    let mut instance = Instance::new(MEMORY);
    let model = instance.model();
    let (prompt, tokens) = prompt();
    assert_eq!(instance.answer(model, &prompt, tokens.len() as u32).unwrap(), tokens);

    let digest = golden_json("model-tiny.digest.json");
    let ids: Vec<u32> = digest["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
    let scores: Vec<u8> = (1..=ids.len())
        .flat_map(|n| instance.logits(model, &ids[..n]).into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>())
        .collect();
    assert_eq!(sha256(&scores), digest["sha256"].as_str().unwrap());
}

/// In hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn without_fuel_it_is_stopped_and_the_others_are_not() {
    let _turn = EPOCHS.lock();
    let (mut first, mut second) = (Instance::new(MEMORY), Instance::new(MEMORY));
    let (first_model, second_model) = (first.model(), second.model());
    first.store.set_fuel(200_000).unwrap();
    let error = first.answer(first_model, &prompt().0, 40).unwrap_err();
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::OutOfFuel), "{error:?}");
    works(&mut second, second_model);
    // What was stopped has no state that anyone could trust; wasmtime refuses to enter it again.
    first.store.set_fuel(u64::MAX).unwrap();
    assert!(first.start(first_model, &[1], 1).is_err());
    works(&mut second, second_model);
}

#[test]
fn when_its_time_is_up_it_is_stopped_and_the_others_are_not() {
    let _turn = EPOCHS.lock();
    let (mut first, mut second) = (Instance::new(MEMORY), Instance::new(MEMORY));
    let (first_model, second_model) = (first.model(), second.model());
    first.store.set_epoch_deadline(1);
    let clock = thread::spawn(|| {
        thread::sleep(Duration::from_millis(20));
        COMPILED.0.increment_epoch();
    });
    // Longer than it can take: 400 tokens of the context, again and again.
    let error = loop {
        if let Err(error) = first.answer(first_model, &prompt().0, 400) {
            break error;
        }
    };
    clock.join().unwrap();
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Interrupt), "{error:?}");
    works(&mut second, second_model);
}

#[test]
fn beyond_its_memory_it_says_so_or_is_stopped() {
    let _turn = EPOCHS.lock();
    let mut other = Instance::new(MEMORY);
    let model = other.model();
    let mut instance = Instance::new(24 << 20);
    let guest = instance.runtime.nomul_runtime_search().vector_index();
    let index = wait(guest.call_open(&mut instance.store, Kind::Int16, 4096, Metric::Dot, "test")).unwrap().unwrap();
    let vectors = Vectors::Int16(vec![1; 4096 * 100]);
    let mut refused = false;
    for round in 0..100 {
        let keys: Vec<u64> = (round * 100..round * 100 + 100).collect();
        match wait(guest.call_put(&mut instance.store, index, &keys, &vectors, Mode::Put)) {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => assert_eq!(error.code, Code::Capacity, "{error:?}"),
            Err(trap) => assert!(trap.downcast_ref::<Trap>().is_some(), "{trap:?}"),
        }
        refused = true;
        break;
    }
    assert!(refused, "8 MB a round went into 24 MB");
    works(&mut other, model);
}

#[test]
fn a_model_that_is_not_whole_is_an_error_until_it_is() {
    let _turn = EPOCHS.lock();
    let mut instance = Instance::new(MEMORY);
    let model = instance.open();
    let error = instance.start(model, &[1], 1).unwrap().unwrap_err();
    assert_eq!(error.code, Code::NotReady, "{error:?}");
    let shards = instance.shards(model);
    let mut damaged = shards[0].clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(instance.push(model, &damaged).unwrap().unwrap_err().code, Code::Checksum);
    wait(instance.runtime.nomul_runtime_models().model().call_rewind(&mut instance.store, model)).unwrap();
    for shard in shards {
        instance.push(model, &shard).unwrap().unwrap();
    }
    works(&mut instance, model);
    assert!(instance.push(model, &[0]).unwrap().is_err(), "a byte after the last");
    works(&mut instance, model);
}

#[test]
fn files_that_are_none_are_errors() {
    let _turn = EPOCHS.lock();
    let mut instance = Instance::new(MEMORY);
    let good = files();
    let cut = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    for bad in [
        Files { config: cut(&good.config), ..good.clone() },
        Files { index: cut(&good.index), ..good.clone() },
        Files { tokenizer: cut(&good.tokenizer), ..good.clone() },
        Files { tokenizer_config: Some(vec![0xff; 9]), ..good.clone() },
        Files { chat_template: Some(b"{% for".to_vec()), ..good.clone() },
        Files { config: b"[".repeat(1 << 20), ..good.clone() },
    ] {
        let guest = instance.runtime.nomul_runtime_models().model();
        let error = wait(guest.call_open(&mut instance.store, &bad, None)).unwrap().unwrap_err();
        assert!(!error.message.is_empty() && !error.message.contains('\n'), "{error:?}");
    }
    let model = instance.model();
    works(&mut instance, model);
}

#[test]
fn what_is_impossible_is_an_error_and_leaves_it_whole() {
    let _turn = EPOCHS.lock();
    let mut instance = Instance::new(MEMORY);
    let model = instance.model();
    let code = |done: Result<Result<ResourceAny, Error>>| done.unwrap().unwrap_err().code;
    assert_eq!(code(instance.start(model, &[], 1)), Code::Input);
    assert_eq!(code(instance.start(model, &[1, 99_999], 1)), Code::Input);
    assert_eq!(code(instance.start(model, &[1; 513], 1)), Code::Capacity);
    let guest = instance.runtime.nomul_runtime_models().model();
    let cold = Options { temperature: Some(f32::NAN), ..greedy(1) };
    let error = wait(guest.call_start(&mut instance.store, model, &[1], &cold)).unwrap().unwrap_err();
    assert_eq!(error.code, Code::Input);
    let error = wait(guest.call_load_state(&mut instance.store, model, &[7; 100])).unwrap().unwrap_err();
    assert_eq!(error.code, Code::Format);

    // An answer goes on until the model begins something else.
    let first = instance.start(model, &[1, 2], 4).unwrap().unwrap();
    instance.next(first).unwrap().unwrap();
    let second = instance.start(model, &[3], 1).unwrap().unwrap();
    assert_eq!(instance.next(first).unwrap().unwrap_err().code, Code::NotReady);
    while !matches!(instance.next(second).unwrap().unwrap(), Event::End(_)) {}
    let ended = instance.next(second).unwrap().unwrap_err();
    assert_eq!(ended.code, Code::NotReady);
    assert!(ended.message.contains("ended"), "{ended:?}");
    works(&mut instance, model);
}

#[test]
fn a_conversation_can_be_saved_and_goes_on_elsewhere() {
    let _turn = EPOCHS.lock();
    let (prompt, tokens) = prompt();
    let mut first = Instance::new(MEMORY);
    let model = first.model();
    assert_eq!(first.answer(model, &prompt, 10).unwrap(), tokens[..10]);
    let guest = first.runtime.nomul_runtime_models().model();
    let state = wait(guest.call_save_state(&mut first.store, model)).unwrap().unwrap();

    let mut second = Instance::new(MEMORY);
    let model = second.model();
    let guest = second.runtime.nomul_runtime_models().model();
    wait(guest.call_load_state(&mut second.store, model, &state)).unwrap().unwrap();
    let cached = wait(guest.call_cached_tokens(&mut second.store, model)).unwrap();
    assert_eq!(cached as usize, prompt.len() + 9);
    let longer = [&prompt[..], &tokens[..10]].concat();
    assert_eq!(second.answer(model, &longer, 5).unwrap(), tokens[10..15]);
}

#[test]
fn texts_have_tokens_vectors_and_probabilities() {
    let _turn = EPOCHS.lock();
    let mut instance = Instance::new(MEMORY);
    let model = instance.model();
    let guest = instance.runtime.nomul_runtime_models().model();
    let store = &mut instance.store;
    let text = "Once upon a time";
    let ids = wait(guest.call_tokenize(&mut *store, model, text, true)).unwrap().unwrap();
    assert_eq!(wait(guest.call_detokenize(&mut *store, model, &ids)).unwrap().unwrap(), text);
    let vector = wait(guest.call_embed(&mut *store, model, text)).unwrap().unwrap();
    assert_eq!(vector.len(), 96);
    assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    let logprobs = wait(guest.call_read(&mut *store, model, &ids, Wanted::Logprobs)).unwrap().unwrap();
    assert_eq!(logprobs.len(), ids.len() - 1);
    assert!(logprobs.iter().all(|logprob| *logprob < 0.0));
    let said = [Message { role: "user".into(), content: "Hi".into() }];
    let rendered = wait(guest.call_render(&mut *store, model, &said)).unwrap().unwrap();
    assert_eq!(rendered, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    let matrices = wait(guest.call_inspect(&mut *store, model)).unwrap();
    assert!(matrices.iter().any(|matrix| matrix.kind == "embedding" && matrix.rows == 307), "{matrices:?}");
    assert!(matrices.iter().all(|matrix| matrix.planes_ready == matrix.planes));
}

#[test]
fn graphs_have_vectors_in_which_neighbours_are_near() {
    let _turn = EPOCHS.lock();
    let mut instance = Instance::new(MEMORY);
    let graphs = instance.runtime.nomul_runtime_graphs();
    let store = &mut instance.store;
    let options = GraphOptions {
        direction: Direction::Undirected,
        keep_duplicates: true,
        keep_self_loops: true,
        keep_weights: true,
    };
    let reader = wait(graphs.reader().call_constructor(&mut *store, options)).unwrap();
    // Two groups, each of which is complete.
    let mut text = String::new();
    for group in ["a", "b"] {
        for i in 0..8 {
            for j in 0..i {
                text += &format!("{group}{i} {group}{j}\n");
            }
        }
    }
    for part in text.as_bytes().chunks(7) {
        wait(graphs.reader().call_push(&mut *store, reader, part)).unwrap().unwrap();
    }
    let graph = wait(graphs.reader().call_finish(&mut *store, reader)).unwrap().unwrap();
    assert_eq!(wait(graphs.graph().call_nodes(&mut *store, graph)).unwrap(), 16);
    let error = wait(graphs.graph().call_vectors(&mut *store, graph, 0, 1)).unwrap().unwrap_err();
    assert_eq!(error.code, Code::NotReady);
    let embedding = EmbeddingOptions {
        dimensions: 64,
        weights: None,
        beta: None,
        sparsity: None,
        step: None,
        unit_powers: None,
        centre: None,
        outcome: None,
        seed: Some(1),
        property_ratio: None,
        keep: None,
    };
    wait(graphs.graph().call_embed(&mut *store, graph, &embedding)).unwrap().unwrap();
    let vectors = wait(graphs.graph().call_vectors(&mut *store, graph, 0, 16)).unwrap().unwrap();
    assert_eq!(vectors.len(), 16 * 64);
    let node = wait(graphs.graph().call_find(&mut *store, graph, "b3")).unwrap().unwrap();
    let keys = wait(graphs.graph().call_keys(&mut *store, graph)).unwrap();
    let near = wait(graphs.graph().call_neighbours(&mut *store, graph, node, 7, None)).unwrap().unwrap();
    assert!(near.iter().all(|near| keys[near.node as usize].starts_with('b')), "{near:?}");
    let error = wait(graphs.graph().call_neighbours(&mut *store, graph, 16, 7, None)).unwrap().unwrap_err();
    assert_eq!(error.code, Code::Input);
    assert!(wait(graphs.graph().call_vectors(&mut *store, graph, u32::MAX, u32::MAX)).unwrap().is_err());
}

#[test]
fn documents_are_found_and_read() {
    let _turn = EPOCHS.lock();
    let mut instance = Instance::new(MEMORY);
    let documents = instance.runtime.nomul_runtime_documents();
    let space = documents.space();
    let store = &mut instance.store;
    let schema = r#"{"version": 1, "dimension": 2048}"#;
    let handle = wait(space.call_open(&mut *store, schema, 100)).unwrap().unwrap();
    for (name, document) in [("red", r#"{"colour": "red", "size": 3}"#), ("blue", r#"{"colour": "blue", "size": 4}"#)] {
        wait(space.call_insert(&mut *store, handle, name, document)).unwrap().unwrap();
    }
    let query = wait(space.call_encode(&mut *store, handle, r#"{"colour": "blue"}"#)).unwrap().unwrap();
    let query = Vector::Sums(query);
    let hits: Vec<Document> = wait(space.call_search(&mut *store, handle, &query, 2, None)).unwrap().unwrap();
    assert_eq!(hits[0].id, "blue");
    let signs = Vector::Signs(wait(space.call_vector(&mut *store, handle, "red")).unwrap().unwrap());
    let answer = wait(space.call_get(&mut *store, handle, &signs, "colour")).unwrap().unwrap();
    assert!(answer.contains("red"), "{answer}");
    let file = wait(space.call_save(&mut *store, handle)).unwrap().unwrap();
    let again = wait(space.call_load(&mut *store, &file, None)).unwrap().unwrap();
    assert_eq!(wait(space.call_names(&mut *store, again)).unwrap(), ["red", "blue"]);
    assert!(wait(space.call_load(&mut *store, &file[..file.len() / 2], None)).unwrap().is_err());
    assert!(wait(space.call_encode(&mut *store, handle, &"[".repeat(100_000))).unwrap().is_err());
}

#[test]
fn vectors_are_found() {
    let _turn = EPOCHS.lock();
    let mut instance = Instance::new(MEMORY);
    let guest = instance.runtime.nomul_runtime_search().vector_index();
    let store = &mut instance.store;
    let index = wait(guest.call_open(&mut *store, Kind::Int8, 2, Metric::Cosine, "test")).unwrap().unwrap();
    let vectors = Vectors::Int8(vec![1, 0, 0, 1, 1, 1]);
    wait(guest.call_put(&mut *store, index, &[7, 8, u64::MAX], &vectors, Mode::Insert)).unwrap().unwrap();
    let query = Vectors::Int8(vec![5, 1]);
    let hits = wait(guest.call_search(&mut *store, index, &query, 3, None, None)).unwrap().unwrap();
    assert_eq!(hits[0].iter().map(|hit| hit.key).collect::<Vec<u64>>(), [7, u64::MAX, 8]);
    let hits = wait(guest.call_search(&mut *store, index, &query, 3, None, Some(&[8]))).unwrap().unwrap();
    assert_eq!(hits[0].iter().map(|hit| hit.key).collect::<Vec<u64>>(), [8]);
    let image = wait(guest.call_save(&mut *store, index)).unwrap().unwrap();
    let again = wait(guest.call_load(&mut *store, &image, Some("test"))).unwrap().unwrap();
    assert_eq!(wait(guest.call_size(&mut *store, again)).unwrap(), 3);
    assert!(wait(guest.call_load(&mut *store, &image, Some("another"))).unwrap().is_err());
    let odd = Vectors::Int8(vec![1, 2, 3]);
    let error = wait(guest.call_put(&mut *store, index, &[1], &odd, Mode::Put)).unwrap().unwrap_err();
    assert_eq!(error.code, Code::Input);
}
