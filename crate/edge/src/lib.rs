//! nomul as a component: conversions between Rust and the types of `wit/`, and nothing else. What each function takes and
//! gives is written down there. The world `runtime` imports nothing, which a test checks. With the feature `server` the
//! component is an HTTP server instead.

// Elsewhere it is compiled for its lints alone: what a component exports are no names for a native library.
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]

mod convert;
mod loaded;
mod resident;

#[cfg(not(feature = "server"))]
mod documents;
#[cfg(not(feature = "server"))]
mod graphs;
#[cfg(not(feature = "server"))]
mod models;
#[cfg(not(feature = "server"))]
mod search;
#[cfg(feature = "server")]
mod server;

/// What is generated from `wit/`.
#[allow(missing_docs, unused_imports)]
mod bindings {
    #[cfg(not(feature = "server"))]
    wit_bindgen::generate!({ path: "wit", world: "runtime" });
    #[cfg(feature = "server")]
    wit_bindgen::generate!({ path: "wit", world: "server" });

    #[cfg(target_arch = "wasm32")]
    use super::Component;
    #[cfg(target_arch = "wasm32")]
    export!(Component with_types_in self);
}

/// The component.
struct Component;
