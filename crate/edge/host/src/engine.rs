//! Engines, and what a guest may take: memory by a limiter, time by epochs.

use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, Store, StoreLimits,
    StoreLimitsBuilder, UpdateDeadline, bail,
    component::{Component, Linker, ResourceTable},
    error::Context as _,
};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// How long an epoch lasts: a guest runs at most so long before it lets others run.
const EPOCH: Duration = Duration::from_millis(5);

/// What an instance may take.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Bytes of linear memory.
    pub memory: usize,
    /// Time for one request, or one conversation.
    pub time: Duration,
}

/// What belongs to a guest: what it may use of the host, and its limits. A component that imports nothing uses none of it.
pub struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    way_out: NoWayOut,
    table: ResourceTable,
    limits: StoreLimits,
    /// When the guest is stopped; a new request moves it.
    pub ends: Instant,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.way_out }
    }
}

/// Requests of a guest to others: there are none, whatever the guest asks for.
struct NoWayOut;

type Sent = Box<dyn Future<Output = std::result::Result<(), HttpError>> + Send>;
type Answered = std::result::Result<(hyper::Response<WasiBody>, Sent), HttpError>;

impl WasiHttpHooks for NoWayOut {
    fn send_request(
        &mut self,
        _: hyper::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Sent,
    ) -> Box<dyn Future<Output = Answered> + Send> {
        Box::new(async { Err(HttpError::HttpRequestDenied) })
    }
}

/// What a guest sees of the host.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// The folder that it may read as `/model`.
    pub model: Option<std::path::PathBuf>,
    /// Its environment.
    pub environment: Vec<(String, String)>,
}

/// An engine for up to `instances` at once, each of up to `bounds.memory`. Their memories are set aside when it is made, as
/// addresses, so that an instance starts by mapping its image.
pub fn pooling(instances: u32, bounds: &Bounds) -> Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    // A component is several modules: its own, and small ones that lead to what it imports.
    let modules = instances.saturating_mul(4);
    pool.total_component_instances(instances)
        .total_core_instances(modules)
        .total_memories(instances)
        .total_tables(modules)
        .total_stacks(instances.saturating_add(1))
        .table_elements(10_000)
        .max_core_instance_size(1 << 20)
        .max_component_instance_size(1 << 20)
        .max_memory_size(bounds.memory);
    let mut config = configuration();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// An engine for few instances.
pub fn single() -> Result<Engine> {
    Engine::new(&configuration())
}

fn configuration() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // The relaxed instructions this project uses are exact on every engine, so the engine's fastest form is asked for.
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(false)
        .memory_init_cow(true)
        // The memory of an image is mostly weights. As one block it is mapped, not copied.
        .memory_guaranteed_dense_image_size(u64::MAX);
    config
}

/// Lets the engine's time pass, for as long as the engine lives.
pub fn tick(engine: &Engine) -> io::Result<()> {
    let weak = engine.weak();
    let beat = move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(EPOCH);
        }
    };
    std::thread::Builder::new().name("epochs".into()).spawn(beat).map(|_| ())
}

/// A guest's store. Each epoch it lets others run, and once its time is up it is stopped with a trap.
pub fn store(engine: &Engine, outside: &Outside, bounds: &Bounds) -> Result<Store<Guest>> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.inherit_stderr();
    for (name, value) in &outside.environment {
        wasi.env(name, value);
    }
    if let Some(folder) = &outside.model {
        wasi.preopened_dir(folder, "/model", FsPerms::ReadOnly)
            .with_context(|| format!("{}: cannot be opened", folder.display()))?;
    }
    let limits = StoreLimitsBuilder::new().memory_size(bounds.memory).build();
    let ends = Instant::now() + bounds.time;
    let guest = Guest {
        wasi: wasi.build(),
        http: WasiHttpCtx::new(),
        way_out: NoWayOut,
        table: ResourceTable::new(),
        limits,
        ends,
    };
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| &mut guest.limits);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|context| {
        if Instant::now() >= context.data().ends {
            bail!("the time is up");
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    Ok(store)
}

/// What components may import: WASI with files, and HTTP. One that imports nothing is given nothing.
pub fn linker(engine: &Engine) -> Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Ok(linker)
}

/// Reads a component: WebAssembly, which is compiled, or what [`compile`] made of it.
pub fn component(engine: &Engine, path: &Path) -> Result<Component> {
    let named = || format!("{}: cannot be used as a component", path.display());
    if path.extension().is_some_and(|extension| extension == "cwasm") {
        // SAFETY: such a file holds machine code that runs outside any sandbox. Whoever names one vouches for it, as for any
        // program that they run; wasmtime checks that its own version and the engine's settings made it.
        #[allow(unsafe_code)]
        return unsafe { Component::deserialize_file(engine, path) }.with_context(named);
    }
    let bytes = fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    Component::new(engine, bytes).with_context(named)
}

/// The machine code of a component, for engines of the same kind.
pub fn compile(engine: &Engine, path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    engine.precompile_component(&bytes).with_context(|| format!("{}: cannot be compiled", path.display()))
}
