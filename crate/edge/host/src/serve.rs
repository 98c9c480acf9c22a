//! An HTTP server in front of instances of the server component.
//!
//! Each of a fixed number of instances answers one request after the other and keeps its model in between. One that traps,
//! or whose time is up, is thrown away, and the next request gets a fresh one. Requests that find too many others waiting are
//! refused at once.

use std::{sync::Arc, time::Instant};

use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn};
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc, oneshot},
};
use wasmtime::{Engine, Result, Store, error::Context as _};
use wasmtime_wasi_http::{
    WasiHttpView,
    io::TokioIo,
    p2::{
        bindings::{
            Proxy, ProxyPre,
            http::types::{ErrorCode, Scheme},
        },
        body::HyperOutgoingBody,
    },
};

use crate::engine::{self, Bounds, Guest, Outside};

/// What is served, and within which bounds.
pub struct Service {
    /// The component, ready to be instantiated.
    pub ready: ProxyPre<Guest>,
    /// What its instances see.
    pub outside: Outside,
    /// What each may take.
    pub bounds: Bounds,
    /// How many there are.
    pub instances: usize,
    /// Requests that may wait for one.
    pub waiting: usize,
}

type Answer = Result<Response<HyperOutgoingBody>, ErrorCode>;

/// A request on its way to an instance.
struct Job {
    request: Request<Incoming>,
    answer: oneshot::Sender<Answer>,
}

/// Serves whoever connects, until the task is dropped.
pub async fn serve(listener: TcpListener, engine: Engine, service: Service) -> Result<()> {
    let (send, receive) = mpsc::channel::<Job>(service.waiting.max(1));
    let (receive, service) = (Arc::new(Mutex::new(receive)), Arc::new(service));
    for _ in 0..service.instances {
        tokio::spawn(work(engine.clone(), service.clone(), receive.clone()));
    }
    loop {
        let (connection, _) = listener.accept().await?;
        let send = send.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let send = send.clone();
                async move { Ok::<_, std::convert::Infallible>(respond(request, &send).await) }
            });
            // Clients that break off are no event.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), answer).await;
        });
    }
}

async fn respond(request: Request<Incoming>, send: &mpsc::Sender<Job>) -> Response<HyperOutgoingBody> {
    let (answer, answered) = oneshot::channel();
    if send.try_send(Job { request, answer }).is_err() {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "too many requests are waiting");
    }
    match answered.await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => problem(StatusCode::BAD_GATEWAY, "internal", &format!("{error:?}")),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "stopped", "the instance was stopped before it answered"),
    }
}

/// An error in OpenAI's shape.
fn problem(status: StatusCode, code: &str, message: &str) -> Response<HyperOutgoingBody> {
    let value = serde_json::json!({
        "error": { "message": message, "type": "server_error", "param": null, "code": code },
    });
    let body = Full::from(value.to_string()).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// One instance after the other, each as long as it lasts.
async fn work(engine: Engine, service: Arc<Service>, jobs: Arc<Mutex<mpsc::Receiver<Job>>>) {
    let mut instance = None;
    loop {
        let Some(job) = jobs.lock().await.recv().await else { return };
        if let Err(error) = handle(&engine, &service, &mut instance, job).await {
            eprintln!("an instance was stopped: {error:#}");
            instance = None;
        }
    }
}

async fn handle(
    engine: &Engine,
    service: &Service,
    instance: &mut Option<(Store<Guest>, Proxy)>,
    Job { request, answer }: Job,
) -> Result<()> {
    let (store, proxy) = match instance {
        Some(ready) => ready,
        None => {
            let mut store = engine::store(engine, &service.outside, &service.bounds)?;
            let proxy = service.ready.instantiate_async(&mut store).await.context("no instance can be started")?;
            instance.insert((store, proxy))
        }
    };
    store.data_mut().ends = Instant::now() + service.bounds.time;
    let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
    let out = store.data_mut().http().new_response_outparam(answer)?;
    proxy.wasi_http_incoming_handler().call_handle(store, request, out).await
}
