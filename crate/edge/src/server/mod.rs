//! An HTTP server that answers as OpenAI's do: `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings`, `/v1/models` and
//! `/healthz`.
//!
//! An instance answers one request after the other and keeps its model in between. It finds the model in its memory, where an
//! image brings it along, or reads it from the folder `/model` that the host opens, when it is first asked for.

mod answer;
mod embeddings;
mod error;
mod folder;
mod http;
mod limits;
mod request;

use std::cell::RefCell;

use serde_json::json;
use wasip2::{
    clocks::wall_clock,
    exports::http::incoming_handler::Guest,
    http::types::{IncomingRequest, Method, ResponseOutparam},
};

use self::{error::Problem, http::Response, limits::Limits};
use crate::{Component, loaded::Loaded, resident};

#[cfg(target_arch = "wasm32")]
wasip2::http::proxy::export!(Component);

thread_local! {
    static MODEL: RefCell<Option<Loaded>> = const { RefCell::new(None) };
}

impl Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let limits = Limits::from_environment();
        let mut response = Response::new(out);
        if let Err(problem) = route(&request, &limits, &mut response) {
            response.problem(&problem);
        }
    }
}

/// Seconds since the start of 1970.
fn now() -> u64 {
    wall_clock::now().seconds
}

/// Whether something is a path that is known, and how it may be asked.
fn method_of(path: &str) -> Option<&'static str> {
    match path {
        "/healthz" | "/v1/models" => Some("GET"),
        "/v1/chat/completions" | "/v1/completions" | "/v1/embeddings" => Some("POST"),
        _ if path.starts_with("/v1/models/") => Some("GET"),
        _ => None,
    }
}

fn route(request: &IncomingRequest, limits: &Limits, response: &mut Response) -> Result<(), Problem> {
    let target = request.path_with_query().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let Some(wanted) = method_of(path) else {
        return Err(Problem::new(404, "not_found", format!("no such path: {path}")));
    };
    let method = request.method();
    let is_right = match wanted {
        "GET" => matches!(method, Method::Get),
        _ => matches!(method, Method::Post),
    };
    if !is_right {
        return Err(Problem::new(405, "method_not_allowed", format!("{path} is to be asked with {wanted}")));
    }
    match path {
        "/healthz" => response.json(200, &json!({ "status": "ok" })),
        "/v1/models" => response.json(200, &json!({ "object": "list", "data": [described(limits)] })),
        "/v1/chat/completions" => {
            let asked = request::Chat::parse(&http::body(request, limits.body)?)?;
            with_model(limits, |loaded| answer::chat(loaded, asked, limits, response))
        }
        "/v1/completions" => {
            let asked = request::Completion::parse(&http::body(request, limits.body)?)?;
            with_model(limits, |loaded| answer::complete(loaded, asked, limits, response))
        }
        "/v1/embeddings" => {
            let asked = request::Embeddings::parse(&http::body(request, limits.body)?)?;
            with_model(limits, |loaded| embeddings::embed(loaded, asked, limits, response))
        }
        _ if path.strip_prefix("/v1/models/") == Some(&limits.name) => response.json(200, &described(limits)),
        _ => Err(Problem::new(404, "model_not_found", format!("the only model here is {}", limits.name))),
    }
}

fn described(limits: &Limits) -> serde_json::Value {
    json!({ "id": limits.name, "object": "model", "created": 0, "owned_by": "nomul" })
}

/// Does something with the model, which is made ready if it is not.
fn with_model(limits: &Limits, work: impl FnOnce(&mut Loaded) -> Result<(), Problem>) -> Result<(), Problem> {
    MODEL.with_borrow_mut(|slot| {
        let loaded = match slot {
            Some(loaded) => loaded,
            None => slot.insert(match resident::take() {
                Ok(loaded) => loaded,
                Err(_) => folder::load(limits.context).map_err(Problem::unready)?,
            }),
        };
        if let Some(template) = &mut loaded.template {
            template.set_time(i64::try_from(now()).ok());
        }
        work(loaded)
    })
}
