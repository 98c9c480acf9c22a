//! Images: components that have a model in their memory from the start.
//!
//! An instance is filled through the interface `resident`; Wizer then writes its memory and globals into a copy of the
//! component. Instances of the copy share the pages of the model, as long as none writes to them.

use std::{fs::File, io::Read, path::Path, time::Duration};

use wasmtime::{
    Result, Store, bail,
    component::{Component, Instance, Lift, WasmList},
    error::Context as _,
};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

use crate::{
    bindings::resident::{Server, exports::nomul::runtime::types::Files},
    engine::{self, Bounds, Guest, Outside},
    folder,
};

/// Bytes that are pushed at once.
const PART: usize = 1 << 20;

/// The component with the model of a folder in its memory. `context` is the most tokens of prompt and answer together.
pub async fn image(component: &[u8], model: &Path, context: Option<u32>) -> Result<Vec<u8>> {
    let wizer = Wizer::new();
    let (parts, instrumented) = wizer.instrument_component(component).context("this component cannot be pre-filled")?;
    let engine = engine::single()?;
    engine::tick(&engine)?;
    let bounds = Bounds { memory: usize::MAX, time: Duration::from_secs(24 * 60 * 60) };
    let mut store = engine::store(&engine, &Outside::default(), &bounds)?;
    let compiled = Component::new(&engine, &instrumented)?;
    let instance = engine::linker(&engine)?.instantiate_async(&mut store, &compiled).await?;
    let server =
        Server::new(&mut store, &instance).context("this component has no interface to leave a model in it")?;
    fill(&mut store, &server, model, context).await?;
    wizer.snapshot_component(&parts, &mut Filled { store: &mut store, instance }).await
}

/// Leaves the model of a folder in an instance.
pub async fn fill(store: &mut Store<Guest>, server: &Server, model: &Path, context: Option<u32>) -> Result<()> {
    let resident = server.nomul_runtime_resident();
    let files = Files {
        config: folder::file(model, "config.json")?,
        index: folder::file(model, "model.safetensors.index.json")?,
        tokenizer: folder::file(model, "tokenizer.json")?,
        tokenizer_config: folder::optional(model, "tokenizer_config.json")?,
        generation_config: folder::optional(model, "generation_config.json")?,
        chat_template: folder::optional(model, "chat_template.jinja")?,
    };
    let shards = resident.call_begin(&mut *store, &files, context).await??;
    let mut buffer = vec![0; PART];
    for shard in shards {
        let path = model.join(&shard.file);
        let named = || format!("{}: cannot be read", path.display());
        let mut file = File::open(&path).with_context(named)?.take(shard.bytes);
        loop {
            let count = file.read(&mut buffer).with_context(named)?;
            if count == 0 {
                break;
            }
            resident.call_push(&mut *store, &buffer[..count]).await??;
        }
        if file.limit() > 0 {
            bail!("{}: ends {} bytes early", path.display(), file.limit());
        }
    }
    Ok(resident.call_finish(&mut *store).await??)
}

/// An instance whose state Wizer asks for, by functions that it has added.
struct Filled<'a> {
    store: &'a mut Store<Guest>,
    instance: Instance,
}

impl Filled<'_> {
    /// Calls a function without parameters and does something with what it returns.
    async fn ask<R: Lift + Send + Sync + 'static, T>(
        &mut self,
        interface: &str,
        name: &str,
        work: impl FnOnce(&Store<Guest>, R) -> T,
    ) -> T {
        let Filled { store, instance } = self;
        let added = "Wizer has added this function";
        let interface = instance.get_export_index(&mut **store, None, interface).expect(added);
        let function = instance.get_export_index(&mut **store, Some(&interface), name).expect(added);
        let function = instance.get_typed_func::<(), (R,)>(&mut **store, function).expect(added);
        let (value,) = function.call_async(&mut **store, ()).await.expect("it only reads");
        work(store, value)
    }
}

impl ComponentInstanceState for Filled<'_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        self.ask(instance, func, |store, bytes: WasmList<u8>| contents(bytes.as_le_slice(store))).await
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.ask(instance, func, |_, value| value).await
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.ask(instance, func, |_, value| value).await
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.ask(instance, func, |_, value: f32| value.to_bits()).await
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.ask(instance, func, |_, value: f64| value.to_bits()).await
    }
}
