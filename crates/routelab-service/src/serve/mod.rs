//! A fitted router as an OpenAI-compatible server in front of the models of a pool.

mod chat;
mod decide;
mod decisions;
mod metrics;
mod record;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::calls::signal;
use crate::client::Client;
use crate::error::ServiceError;
use crate::pool::{Pool, Secret};

pub use decide::{Decider, Decision, Limit, Undecided};
use decisions::DecisionLog;
use metrics::{ByResult, Metrics};
use record::Health;

/// Opens the router, now and at every reload. The error is told to whoever runs the server.
pub type Load = Box<dyn Fn() -> Result<Arc<dyn Decider>, String> + Send + Sync>;

/// Says something to whoever runs the server.
pub type Say = Box<dyn Fn(&str) + Send + Sync>;

/// How a router is served.
pub struct ServeOptions {
    /// Where to listen.
    pub address: SocketAddr,
    /// The models.
    pub pool: Pool,
    /// Opens the router.
    pub load: Load,
    /// The limit of requests that bring none.
    pub limit: Limit,
    /// The variable of the environment with the token that clients have to bring; `None` asks for none.
    pub token_env: Option<String>,
    /// Bytes of a request, at most.
    pub body: usize,
    /// Requests at a time; more are told to come again.
    pub concurrency: usize,
    /// Where decisions are logged.
    pub decisions: Option<PathBuf>,
    /// Whether the log has the prompts.
    pub store_prompts: bool,
    /// How long requests under way are waited for at the end.
    pub drain: Duration,
    /// Says something to whoever runs the server: first the address.
    pub say: Say,
}

/// What all requests share.
struct Shared {
    pool: Pool,
    clients: HashMap<String, Client>,
    /// By the model's name.
    health: HashMap<String, Health>,
    router: RwLock<Arc<dyn Decider>>,
    load: Load,
    limit: Limit,
    token: Option<Secret>,
    body: usize,
    permits: Arc<Semaphore>,
    log: Option<DecisionLog>,
    metrics: Metrics,
}

impl Shared {
    fn router(&self) -> Arc<dyn Decider> {
        self.router
            .read()
            .unwrap_or_else(|error| error.into_inner())
            .clone()
    }

    /// Opens the router again. Requests under way keep the one that they began with.
    fn reload(&self) -> Result<(), String> {
        let loaded = (self.load)().and_then(|router| {
            fits(&self.pool, router.as_ref())?;
            Ok(router)
        });
        let result = if loaded.is_ok() { "ok" } else { "failed" };
        self.metrics
            .reloads
            .get_or_create(&ByResult { result })
            .inc();
        *self
            .router
            .write()
            .unwrap_or_else(|error| error.into_inner()) = loaded?;
        Ok(())
    }
}

/// Whether the pool has every model that a router may choose.
fn fits(pool: &Pool, router: &dyn Decider) -> Result<(), String> {
    let lacks = |name: &&String| !pool.model.iter().any(|model| model.name == **name);
    match router.models().iter().find(lacks) {
        None => Ok(()),
        Some(name) => Err(format!(
            "the router chooses among {}, and the pool has no {name:?}; add it with this `name`",
            router.models().join(", ")
        )),
    }
}

/// Serves until the process is told to stop (Ctrl-C or SIGTERM); then requests under way are finished. SIGHUP reloads the router.
///
/// # Errors
///
/// A router that cannot be opened or does not fit the pool, a key or token that is not in the environment, an address that cannot
/// be listened on, a log that cannot be written.
pub fn serve(options: ServeOptions) -> Result<(), ServiceError> {
    let router = (options.load)().map_err(ServiceError::Request)?;
    fits(&options.pool, router.as_ref()).map_err(ServiceError::Request)?;
    let token = options
        .token_env
        .as_deref()
        .map(Secret::from_env)
        .transpose()?;
    let mut clients = HashMap::new();
    for model in &options.pool.model {
        if !clients.contains_key(&model.endpoint) {
            let client = Client::new(options.pool.endpoint_of(model))?;
            clients.insert(model.endpoint.clone(), client);
        }
    }
    let log = options
        .decisions
        .as_deref()
        .map(|path| DecisionLog::open(path, options.store_prompts))
        .transpose()?;
    let failed = |error: std::io::Error| {
        ServiceError::Request(format!(
            "cannot listen on {}: {error}; choose another port, or 0 for a free one",
            options.address
        ))
    };
    let listener = TcpListener::bind(options.address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let health = options
        .pool
        .model
        .iter()
        .map(|model| (model.name.clone(), Health::default()));
    let shared = Arc::new(Shared {
        health: health.collect(),
        pool: options.pool,
        clients,
        router: RwLock::new(router),
        load: options.load,
        limit: options.limit,
        token,
        body: options.body,
        permits: Arc::new(Semaphore::new(
            options.concurrency.clamp(1, Semaphore::MAX_PERMITS),
        )),
        log,
        metrics: Metrics::new(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime =
        runtime.map_err(|error| ServiceError::Failed(format!("cannot start threads: {error}")))?;
    let say = Arc::new(options.say);
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        // Small pieces of a stream are not held back.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        tokio::spawn(reload_when_told(shared.clone(), say.clone()));
        say(&format!("http://{address}/v1"));
        let (stop, stopping) = tokio::sync::watch::channel(false);
        let mut wait = stopping.clone();
        let server =
            axum::serve(listener, app(shared.clone())).with_graceful_shutdown(async move {
                let _ = wait.wait_for(|stop| *stop).await;
            });
        let server = async { server.await };
        tokio::pin!(server);
        tokio::select! {
            done = &mut server => return done.map_err(failed),
            () = signal() => {}
        }
        say("stopping: requests under way are finished");
        let _ = stop.send(true);
        tokio::select! {
            done = &mut server => done.map_err(failed),
            () = tokio::time::sleep(options.drain) => {
                say("stopped before the last requests were finished");
                Ok(())
            }
            () = signal() => Ok(()),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

/// Reloads the router at every SIGHUP. One that does not work leaves the old one in its place.
async fn reload_when_told(shared: Arc<Shared>, say: Arc<Say>) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut hangups) = signal(SignalKind::hangup()) else {
            return;
        };
        while hangups.recv().await.is_some() {
            let again = shared.clone();
            let done = tokio::task::spawn_blocking(move || again.reload()).await;
            match done {
                Ok(Ok(())) => say("reloaded the router"),
                Ok(Err(error)) => say(&format!(
                    "the router was not reloaded, the old one goes on: {error}"
                )),
                Err(_) => {
                    say("the router was not reloaded, the old one goes on: opening it panicked")
                }
            }
        }
    }
    #[cfg(not(unix))]
    let _ = (shared, say);
}

fn app(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat::completions))
        .route("/v1/route", post(chat::route))
        .route("/v1/models", get(models))
        .route("/metrics", get(metrics_page))
        .layer(from_fn_with_state(shared.clone(), authorised))
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(|| async {
            error(
                StatusCode::NOT_FOUND,
                "there is nothing at this address; see /v1/chat/completions, /v1/route, /v1/models",
                "not_found",
            )
        })
        .with_state(shared)
}

/// An error in OpenAI's form.
fn error(status: StatusCode, message: &str, code: &str) -> Response {
    let kind = match status.as_u16() {
        401 => "authentication_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    };
    let body =
        json!({ "error": { "message": message, "type": kind, "param": null, "code": code } });
    (status, axum::Json(body)).into_response()
}

/// Lets clients in that bring the token.
async fn authorised(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let brought = request.headers().get(header::AUTHORIZATION);
    let brought = brought.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    match &shared.token {
        Some(token) if !brought.is_some_and(|brought| same(brought, token.reveal().as_bytes())) => {
            error(
                StatusCode::UNAUTHORIZED,
                "the token is wrong or missing: give it as `Authorization: Bearer TOKEN`",
                "invalid_api_key",
            )
        }
        _ => next.run(request).await,
    }
}

/// Whether two texts are the same, in a time that does not tell how far.
fn same(a: &[u8], b: &[u8]) -> bool {
    use sha2::{Digest, Sha256};
    let (a, b) = (Sha256::digest(a), Sha256::digest(b));
    a.iter()
        .zip(b.iter())
        .fold(0, |differ, (a, b)| differ | (a ^ b))
        == 0
}

async fn models(State(shared): State<Arc<Shared>>) -> Response {
    let names = std::iter::once(decide::ROUTER)
        .chain(shared.pool.model.iter().map(|model| model.name.as_str()));
    let list: Vec<Value> = names
        .map(|name| json!({ "id": name, "object": "model", "created": 0, "owned_by": "routelab" }))
        .collect();
    axum::Json(json!({ "object": "list", "data": list })).into_response()
}

async fn metrics_page(State(shared): State<Arc<Shared>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.metrics.page()).into_response()
}
