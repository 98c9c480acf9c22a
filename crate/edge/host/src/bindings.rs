//! What is generated from `crate/edge/wit`, for calls that can be suspended.

/// All of `nomul:runtime`.
#[allow(missing_docs)]
pub mod runtime {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "runtime",
        exports: { default: async },
    });
}

/// What the component and the server both have: the way to leave a model in an instance.
#[allow(missing_docs)]
pub mod resident {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "server",
        exports: { default: async },
    });
}
