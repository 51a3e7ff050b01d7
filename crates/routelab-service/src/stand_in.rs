//! A stand-in for the models: a small OpenAI-compatible endpoint that does sums, counts what it would charge, and fails as it is told.
//!
//! It is for tests and for first steps without an account. Models are told apart by their name: one with `large` in it is good at products
//! and careless with sums, one with `medium` is best at sums and right with every other product, any other is right with sums only. Which answers are wrong depends on the question and on
//! how often it was asked before, and on nothing else.
//!
//! A request with an `Idempotency-Key` is charged when it arrives, and the same key gets the same answer again without a charge.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::error::ServiceError;

/// How the stand-in behaves.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// How long it thinks, and how long between two pieces of a stream.
    pub delay: Duration,
    /// Share of requests that get no answer.
    pub hang: f64,
    /// Share of requests whose connection breaks within the answer.
    pub reset: f64,
    /// Share of requests that get something that is no answer.
    pub garbage: f64,
    /// Share of requests that are told to come again in a second (429).
    pub limited: f64,
    /// Share of requests that get an error of the server (500).
    pub broken: f64,
    /// The key that requests must bring.
    pub key: Option<String>,
    /// Whether it leaves the count of tokens out.
    pub uncounted: bool,
    /// Names of models that always fail (500).
    pub down: Vec<String>,
}

/// What was asked and charged so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests, of any outcome.
    pub requests: usize,
    /// Requests that were charged.
    pub charged: usize,
    /// Requests that came again with the key of one that was charged, and were not.
    pub replayed: usize,
    /// Different questions that were charged: model and messages.
    pub questions: usize,
    /// How often the question was charged that was charged most often.
    pub most: usize,
    /// Requests that were made to fail.
    pub failed: usize,
}

#[derive(Default)]
struct Account {
    counts: Counts,
    /// Which answer, of several to the same question, was given for a key.
    keys: HashMap<String, usize>,
    /// How often a question was charged.
    questions: HashMap<String, usize>,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    account: Mutex<Account>,
}

impl Shared {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account
            .lock()
            .unwrap_or_else(|error| error.into_inner())
    }
}

/// A stand-in that listens until it is dropped.
pub struct StandIn {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl StandIn {
    /// Starts on an address of this machine, in a thread of its own.
    ///
    /// # Errors
    ///
    /// An address that cannot be listened on.
    pub fn start(address: SocketAddr, behaviour: Behaviour) -> Result<Self, ServiceError> {
        let failed = |error: std::io::Error| {
            ServiceError::Request(format!(
                "cannot listen on {address}: {error}; choose another port"
            ))
        };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(behaviour),
            account: Mutex::default(),
        });
        let app = Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1/models", get(models))
            .route("/counts", get(counts))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(shared.clone());
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(failed)?;
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                    return;
                };
                tokio::select! {
                    _ = async { axum::serve(listener, app).await } => {}
                    _ = stopped => {}
                }
            });
            // Requests that hang are not waited for.
            runtime.shutdown_background();
        });
        Ok(Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The base of its addresses.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What was asked and charged so far.
    pub fn counts(&self) -> Counts {
        self.shared.account().counts.clone()
    }

    /// Behaves otherwise from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self
            .shared
            .behaviour
            .lock()
            .unwrap_or_else(|error| error.into_inner()) = behaviour;
    }

    /// Waits for the end, which comes with the process.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn models() -> Response {
    let list = ["small", "medium", "large"]
        .map(|id| json!({ "id": id, "object": "model", "created": 0, "owned_by": "stand-in" }));
    axum::Json(json!({ "object": "list", "data": list })).into_response()
}

async fn counts(State(shared): State<Arc<Shared>>) -> Response {
    axum::Json(shared.account().counts.clone()).into_response()
}

fn error(status: StatusCode, message: &str) -> Response {
    let body =
        json!({ "error": { "message": message, "type": "stand_in", "param": null, "code": null } });
    (status, axum::Json(body)).into_response()
}

/// A number in [0, 1) that depends on the parts and on nothing else.
fn chance(parts: &[&str]) -> f64 {
    let digest = Sha256::digest(parts.join("\u{0}"));
    let bytes = digest[..8].try_into().unwrap_or_default();
    (u64::from_be_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
}

async fn chat(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let behaviour = shared
        .behaviour
        .lock()
        .unwrap_or_else(|error| error.into_inner())
        .clone();
    let number = {
        let mut account = shared.account();
        account.counts.requests += 1;
        account.counts.requests.to_string()
    };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(wanted) = &behaviour.key {
        let brought = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if brought != Some(wanted) {
            let brought = brought.unwrap_or("none");
            return error(
                StatusCode::UNAUTHORIZED,
                &format!("Incorrect API key provided: {brought}."),
            );
        }
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return error(StatusCode::BAD_REQUEST, "the body is no JSON");
    };
    let (Some(model), Some(messages)) = (request["model"].as_str(), request["messages"].as_array())
    else {
        return error(StatusCode::BAD_REQUEST, "`model` and `messages` are needed");
    };
    if model.contains("unknown") {
        return error(
            StatusCode::NOT_FOUND,
            &format!("The model `{model}` does not exist"),
        );
    }
    let said = messages
        .iter()
        .map(|message| text_of(&message["content"]))
        .collect::<Vec<_>>()
        .join("\n");
    if said.contains("REFUSE") {
        return error(StatusCode::BAD_REQUEST, "this prompt is refused");
    }
    let fail = |shared: &Shared| shared.account().counts.failed += 1;
    let mut dice = chance(&["fault", &number]);
    let mut falls = |share: f64| {
        let hit = (0.0..share).contains(&dice);
        dice -= share;
        hit
    };
    if behaviour.down.iter().any(|down| down == model) || falls(behaviour.broken) {
        fail(&shared);
        return error(StatusCode::INTERNAL_SERVER_ERROR, "the stand-in fell over");
    }
    if falls(behaviour.limited) {
        fail(&shared);
        let mut response = error(StatusCode::TOO_MANY_REQUESTS, "slow down");
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        return response;
    }
    let question = format!("{model}\u{0}{}", request["messages"]);
    let occurrence = {
        let mut account = shared.account();
        let known = text("idempotency-key").and_then(|key| account.keys.get(key).copied());
        if let Some(occurrence) = known {
            account.counts.replayed += 1;
            occurrence
        } else {
            let count = account.questions.entry(question).or_default();
            *count += 1;
            let occurrence = *count;
            if let Some(key) = text("idempotency-key") {
                account.keys.insert(key.to_owned(), occurrence);
            }
            account.counts.charged += 1;
            account.counts.questions = account.questions.len();
            account.counts.most = account.counts.most.max(occurrence);
            occurrence
        }
    };
    tokio::time::sleep(behaviour.delay).await;
    if falls(behaviour.hang) {
        fail(&shared);
        std::future::pending::<()>().await;
    }
    if falls(behaviour.garbage) {
        fail(&shared);
        return "<html>This is no answer.</html>".into_response();
    }
    let broken = falls(behaviour.reset);
    if broken {
        fail(&shared);
    }
    let answer = answer(model, &said, occurrence);
    let images = request["messages"]
        .to_string()
        .matches("\"image_url\":{")
        .count();
    let tokens = |text: &str| text.split_whitespace().count().max(1);
    let (prompt_tokens, answer_tokens) = (tokens(&said) + 100 * images, tokens(&answer));
    let usage = json!({
        "prompt_tokens": prompt_tokens,
        "completion_tokens": answer_tokens,
        "total_tokens": prompt_tokens + answer_tokens,
    });
    let id = format!("chatcmpl-{number}");
    let mut head = json!({ "id": id, "object": "chat.completion", "created": 0, "model": model });
    if request["stream"] == true {
        head["object"] = "chat.completion.chunk".into();
        let piece = |delta: Value, finish: Value| {
            let mut piece = head.clone();
            piece["choices"] = json!([{ "index": 0, "delta": delta, "finish_reason": finish }]);
            format!("data: {piece}\n\n")
        };
        let mut pieces = vec![piece(
            json!({ "role": "assistant", "content": "" }),
            Value::Null,
        )];
        pieces.extend(
            answer
                .split_inclusive(' ')
                .map(|word| piece(json!({ "content": word }), Value::Null)),
        );
        if broken {
            pieces.truncate(pieces.len() / 2 + 1);
        } else {
            pieces.push(piece(json!({}), "stop".into()));
            if request["stream_options"]["include_usage"] == true && !behaviour.uncounted {
                let mut last = head.clone();
                last["choices"] = json!([]);
                last["usage"] = usage;
                pieces.push(format!("data: {last}\n\n"));
            }
            pieces.push("data: [DONE]\n\n".to_owned());
        }
        let delay = behaviour.delay;
        let pieces = stream::iter(pieces).then(move |piece| async move {
            tokio::time::sleep(delay).await;
            Ok::<_, std::io::Error>(piece)
        });
        return with_end(pieces, broken, "text/event-stream");
    }
    head["choices"] = json!([{ "index": 0, "message": { "role": "assistant", "content": answer, "refusal": null }, "finish_reason": "stop" }]);
    if !behaviour.uncounted {
        head["usage"] = usage;
    }
    let mut whole = head.to_string();
    if broken {
        whole.truncate(whole.len() / 2);
        return with_end(stream::iter([Ok(whole)]), true, "application/json");
    }
    axum::Json(head).into_response()
}

/// A body of pieces, after which the connection breaks where it shall.
fn with_end(
    pieces: impl stream::Stream<Item = Result<String, std::io::Error>> + Send + 'static,
    broken: bool,
    kind: &'static str,
) -> Response {
    let end = broken.then(|| Err(std::io::Error::other("the connection breaks here")));
    let body = Body::from_stream(pieces.chain(stream::iter(end)));
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

/// The text of a message, without its images.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    }
}

/// What a model says to a text the `occurrence`-th time.
fn answer(model: &str, said: &str, occurrence: usize) -> String {
    let between = |open: &str, close: &str| {
        let start = said.find(open)? + open.len();
        let end = said[start..].find(close)? + start;
        Some(said[start..end].trim())
    };
    if let Some(graded) = between("<answer>\n", "</answer>") {
        let reference = between("<reference>\n", "</reference>").unwrap_or_default();
        let score = if graded.contains(reference) { 9 } else { 2 };
        return format!("{{\"score\": {score}}}");
    }
    let Some((a, sign, b)) = sum(said) else {
        return format!("I have read {} characters.", said.chars().count());
    };
    let right = match sign {
        '+' => a + b,
        '-' => a - b,
        _ => a * b,
    };
    let errs = match (model, sign == '*') {
        (model, false) if model.contains("large") => 0.35,
        (model, true) if model.contains("large") => 0.25,
        (model, false) if model.contains("medium") => 0.1,
        (model, true) if model.contains("medium") => 0.5,
        (_, false) => 0.15,
        (_, true) => 0.9,
    };
    // Half of the luck is the question's, half the single answer's.
    let luck = (chance(&["question", model, said])
        + chance(&["answer", model, said, &occurrence.to_string()]))
        / 2.0;
    let value = if luck < errs {
        right + 1 + (occurrence as i64 % 3)
    } else {
        right
    };
    if model.contains("large") {
        format!(
            "I compute it step by step and then check it. The result of {a} {sign} {b} is {value}"
        )
    } else {
        format!("It is {value}")
    }
}

/// The last sum or product of two whole numbers in a text.
fn sum(text: &str) -> Option<(i64, char, i64)> {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c == '?')
        .filter(|word| !word.is_empty())
        .collect();
    words.windows(3).rev().find_map(|words| {
        let sign = words[1]
            .chars()
            .next()
            .filter(|sign| words[1].len() == 1 && "+-*".contains(*sign))?;
        let number = |word: &str| {
            word.parse::<i64>()
                .ok()
                .filter(|number| number.abs() < 1_000_000)
        };
        Some((number(words[0])?, sign, number(words[2])?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_differ_and_answers_repeat() {
        let right = |model: &str, sign: char| {
            let sums = (0..200).filter(|&a| {
                let b = 7 + a % 13;
                let wanted = if sign == '+' { a + b } else { a * b };
                answer(model, &format!("What is {a} {sign} {b} ?"), 1)
                    .ends_with(&format!(" {wanted}"))
            });
            sums.count()
        };
        let found =
            ["small", "medium", "large"].map(|model| (right(model, '+'), right(model, '*')));
        assert!(found[0].0 > 180 && found[0].1 < 20, "{found:?}");
        assert!(
            found[1].0 > 180 && (60..160).contains(&found[1].1),
            "{found:?}"
        );
        assert!(
            found[2].1 > 150 && (120..180).contains(&found[2].0),
            "{found:?}"
        );
        assert_eq!(
            answer("small", "What is 3 * 4?", 1),
            answer("small", "What is 3 * 4?", 1)
        );
        assert_eq!(answer("large", "Hello", 1), "I have read 5 characters.");
    }
}
