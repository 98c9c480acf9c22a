//! What it takes to run nomul's components under wasmtime: an engine with limits, images with a model in memory, an HTTP
//! server, and many conversations at once. The command `nomul-edge` is made of it; read [`engine`], [`image`], [`serve`],
//! [`crowd`].

pub mod bindings;
pub mod crowd;
pub mod engine;
pub mod folder;
pub mod image;
pub mod serve;
