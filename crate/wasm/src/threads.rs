//! Workers of a page that share this module's memory, as a team. Who calls what, on which worker, is written down in
//! `web/lib/src/threads.ts`.

use std::{
    num::NonZero,
    sync::{Arc, OnceLock},
};

use nomul_team::Pool;
use wasm_bindgen::prelude::*;

use crate::Engine;

/// The compiled module, for those who join.
#[wasm_bindgen(js_name = compiledModule, unchecked_return_type = "WebAssembly.Module")]
pub fn compiled_module() -> JsValue {
    wasm_bindgen::module()
}

/// One for a memory, which is one for a model: workers know nothing of each other but the memory.
static POOL: OnceLock<Arc<Pool>> = OnceLock::new();

/// Makes room for a team of `size`, before anyone joins it.
#[wasm_bindgen(js_name = openTeam)]
pub fn open_team(size: usize) {
    let size = NonZero::new(size).unwrap_or(NonZero::<usize>::MIN);
    POOL.get_or_init(|| Arc::new(Pool::new(size)));
}

/// Makes the caller worker number `worker`, from 1 on, of the team. Does not return before the memory's end.
#[wasm_bindgen(js_name = joinTeam)]
pub fn join_team(worker: usize) {
    if let Some(pool) = POOL.get() {
        pool.work(worker);
    }
}

#[wasm_bindgen]
impl Engine {
    /// Has the team do the work, once all of it have joined. The answers are the same.
    #[wasm_bindgen(js_name = useTeam)]
    pub fn use_team(&mut self) {
        if let Some(pool) = POOL.get() {
            self.runner.set_team(pool.clone());
        }
    }
}
