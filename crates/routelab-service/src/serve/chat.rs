//! Chats: decided, forwarded, answered.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Map, Value, json};

use super::decide::{Asked, Decision, Limit, Undecided, asked, image_of, messages_of, text_of};
use super::record::Record;
use super::{Decider, Shared, error};
use crate::client::{Attempt, Client, tokens};
use crate::pool::Model;

/// How long a client may take to send a request.
const SLOWEST_REQUEST: Duration = Duration::from_secs(60);
/// Bytes of a whole answer, and of a piece of a stream.
const LARGEST_ANSWER: usize = 64 << 20;
const LARGEST_PIECE: usize = 4 << 20;

/// What ends a request early.
type Refusal = (StatusCode, String, &'static str);

fn bad(message: impl Into<String>) -> Refusal {
    (StatusCode::BAD_REQUEST, message.into(), "bad_request")
}

/// A request that was read.
struct Chat {
    body: Map<String, Value>,
    asked: Asked,
}

/// Lets a request in where there is room, and reads it.
async fn enter(shared: &Arc<Shared>, request: Request) -> Result<(Record, Chat), Response> {
    let Ok(permit) = shared.permits.clone().try_acquire_owned() else {
        let mut response = error(
            StatusCode::TOO_MANY_REQUESTS,
            "too many requests at a time; come again",
            "overloaded",
        );
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return Err(response);
    };
    let mut record = Record::new(shared, permit, new_id());
    match read(shared, request).await {
        Ok(chat) => Ok((record, chat)),
        Err(refusal) => Err(refused(&mut record, refusal)),
    }
}

async fn read(shared: &Shared, request: Request) -> Result<Chat, Refusal> {
    let (parts, body) = request.into_parts();
    let bytes = match tokio::time::timeout(SLOWEST_REQUEST, to_bytes(body, shared.body)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let message = format!(
                "the request is larger than {} bytes, or was cut off",
                shared.body
            );
            return Err((StatusCode::PAYLOAD_TOO_LARGE, message, "too_large"));
        }
        Err(_) => {
            return Err((
                StatusCode::REQUEST_TIMEOUT,
                "the request took too long to arrive".to_owned(),
                "timeout",
            ));
        }
    };
    let body: Map<String, Value> = serde_json::from_slice(&bytes)
        .map_err(|error| bad(format!("the body is no JSON object: {error}")))?;
    let model = body
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or(super::decide::ROUTER);
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let asked = asked(
        model,
        header("x-routelab-budget"),
        header("x-routelab-price"),
        shared.limit,
    )
    .map_err(bad)?;
    Ok(Chat { asked, body })
}

fn refused(record: &mut Record, (status, message, code): Refusal) -> Response {
    record.status = status.as_u16();
    let mut response = error(status, &message, code);
    put(response.headers_mut(), "x-routelab-id", &record.id);
    response
}

/// The name of a request: 64 bits by chance.
fn new_id() -> String {
    use std::collections::hash_map::RandomState;
    use std::hash::{BuildHasher, Hasher};
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    // A model's name may have letters that no header takes as text.
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Has the router decide, in a thread in which it may take its time.
async fn decide(
    router: Arc<dyn Decider>,
    record: &mut Record,
    messages: &[Value],
    limit: Limit,
    shared: &Shared,
) -> Result<Decision, Refusal> {
    record.text = text_of(messages);
    let text = record.text.clone();
    // Decoded only for routers that look at it.
    let image = image_of(messages);
    let started = Instant::now();
    let done = tokio::task::spawn_blocking(move || {
        let first = router.decide(&text, None, limit);
        if first != Err(Undecided::NeedsImage) {
            return first;
        }
        let (bytes, ending) = image
            .map_err(Undecided::Failed)?
            .ok_or(Undecided::NeedsImage)?;
        let failed =
            |error: std::io::Error| Undecided::Failed(format!("the image cannot be kept: {error}"));
        let mut file = tempfile::Builder::new()
            .suffix(ending)
            .tempfile()
            .map_err(failed)?;
        file.write_all(&bytes)
            .and_then(|()| file.flush())
            .map_err(failed)?;
        router.decide(&text, Some(file.path()), limit)
    })
    .await;
    let seconds = started.elapsed().as_secs_f64();
    record.decided = Some(seconds);
    shared.metrics.decision.observe(seconds);
    match done {
        Ok(Ok(decision)) => Ok(decision),
        Ok(Err(Undecided::NeedsImage)) => Err(bad(
            "the router looks at images: give one as data:image/png;base64,…",
        )),
        Ok(Err(Undecided::Failed(message))) => Err(bad(message)),
        Err(_) => Err((
            StatusCode::INTERNAL_SERVER_ERROR,
            "the router failed".to_owned(),
            "router",
        )),
    }
}

/// `/v1/route`: the decision alone. No model is called.
pub async fn route(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (mut record, chat) = match enter(&shared, request).await {
        Ok(entered) => entered,
        Err(response) => return response,
    };
    let found = async {
        let Asked::Router(limit) = chat.asked else {
            return Err(bad(format!("`model` must be {}, for which a decision is made", super::decide::ROUTER)));
        };
        let prompt = chat.body.get("prompt").and_then(Value::as_str);
        let prompt = prompt.map(|prompt| vec![json!({ "role": "user", "content": prompt })]);
        let messages = match &prompt {
            Some(messages) => messages.as_slice(),
            None => messages_of(&chat.body).map_err(bad)?,
        };
        let router = shared.router();
        let decision = decide(router.clone(), &mut record, messages, limit, &shared).await?;
        let models = router.models();
        let order: Vec<&str> = decision.order(limit).iter().map(|&model| models[model].as_str()).collect();
        let predictions: Vec<Value> = models
            .iter()
            .enumerate()
            .map(|(model, name)| json!({ "model": name, "quality": decision.quality[model], "cost": decision.cost[model] }))
            .collect();
        let answer = json!({
            "id": record.id,
            "model": order[0],
            "fallbacks": order[1..],
            "limit": limit.to_string(),
            "within_budget": decision.within(limit),
            "predictions": predictions,
        });
        record.decision = Some((limit, Arc::new(models.to_vec()), decision));
        Ok(answer)
    }
    .await;
    match found {
        Ok(answer) => {
            record.status = 200;
            record.complete = true;
            axum::Json(answer).into_response()
        }
        Err(refusal) => refused(&mut record, refusal),
    }
}

/// `/v1/chat/completions`: decided, forwarded to the chosen model, and to the next best where one fails.
pub async fn completions(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (mut record, chat) = match enter(&shared, request).await {
        Ok(entered) => entered,
        Err(response) => return response,
    };
    match order(&shared, &mut record, &chat).await {
        Ok(order) => forward(&shared, record, &chat.body, &order).await,
        Err(refusal) => refused(&mut record, refusal),
    }
}

/// The models that are asked, one after the other until one answers.
async fn order<'a>(
    shared: &'a Shared,
    record: &mut Record,
    chat: &Chat,
) -> Result<Vec<&'a Model>, Refusal> {
    let messages = messages_of(&chat.body).map_err(bad)?;
    let named = |name: &str| shared.pool.model.iter().find(|model| model.name == name);
    match &chat.asked {
        Asked::Model(name) => {
            record.text = text_of(messages);
            let model = named(name).ok_or_else(|| {
                let message = format!("there is no model {name:?}; /v1/models lists them, and {:?} lets the router choose", super::decide::ROUTER);
                (StatusCode::NOT_FOUND, message, "model_not_found")
            })?;
            Ok(vec![model])
        }
        Asked::Router(limit) => {
            let router = shared.router();
            let decision = decide(router.clone(), record, messages, *limit, shared).await?;
            let models = router.models();
            let order: Vec<&Model> = decision
                .order(*limit)
                .iter()
                .filter_map(|&model| named(&models[model]))
                .collect();
            record.decision = Some((*limit, Arc::new(models.to_vec()), decision));
            // Models that rest come last instead of never.
            let (rest, fresh): (Vec<&Model>, Vec<&Model>) = order
                .into_iter()
                .partition(|model| shared.health[&model.name].rests());
            Ok(fresh.into_iter().chain(rest).collect())
        }
    }
}

/// The request for a model: the client's, with what the pool says where the client says nothing.
fn request_for(model: &Model, body: &Map<String, Value>, stream: bool) -> Map<String, Value> {
    let mut request = body.clone();
    request.insert("model".to_owned(), model.id().into());
    for (key, value) in &model.parameters {
        request.entry(key.clone()).or_insert_with(|| value.clone());
    }
    let limit = ["max_tokens", "max_completion_tokens"]
        .into_iter()
        .find_map(|key| request.remove(key));
    request.insert(
        model.limit_parameter.clone(),
        limit.unwrap_or_else(|| model.max_tokens.into()),
    );
    if let (Some(system), Some(Value::Array(messages))) =
        (&model.system, request.get_mut("messages"))
        && !messages.iter().any(|message| message["role"] == "system")
    {
        messages.insert(0, json!({ "role": "system", "content": system }));
    }
    if stream {
        // Tokens are counted, whether the client wants to know or not.
        request.insert(
            "stream_options".to_owned(),
            json!({ "include_usage": true }),
        );
    }
    request
}

/// Asks the models in their order until one answers.
async fn forward(
    shared: &Arc<Shared>,
    mut record: Record,
    body: &Map<String, Value>,
    order: &[&Model],
) -> Response {
    let stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let wants_usage = body
        .get("stream_options")
        .is_some_and(|options| options["include_usage"] == true);
    let mut reasons = Vec::new();
    let mut limited: Option<Duration> = None;
    for model in order {
        let client = &shared.clients[&model.endpoint];
        let health = &shared.health[&model.name];
        // The same for the same request and model: an endpoint that keeps to it answers a repeated request once.
        let key = format!(
            "{}-{}",
            record.id,
            model
                .name
                .bytes()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        );
        let request =
            serde_json::to_vec(&request_for(model, body, stream)).expect("a map of values is JSON");
        let begun = begin(client, request, &key, stream).await;
        let failure = match begun {
            Ok(begun) => {
                health.went(true);
                record.status = 200;
                record.model = Some(model.name.clone());
                record.streamed = stream;
                return answer(record, begun, wants_usage);
            }
            Err(failure) => failure,
        };
        let reason = match failure {
            Attempt::Declined {
                status: Some(status),
                message,
                fatal: true,
                ..
            } if ![401, 402, 403, 404, 405].contains(&status) => {
                // The request is at fault, and would be for every model.
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
                let status = if status.is_client_error() {
                    status
                } else {
                    StatusCode::BAD_GATEWAY
                };
                record.model = Some(model.name.clone());
                let mut response = refused(&mut record, (status, message, "upstream"));
                describe(response.headers_mut(), &record);
                return response;
            }
            Attempt::Declined {
                status,
                message,
                wait,
                ..
            } => {
                if status == Some(429) {
                    let wait = wait.unwrap_or(Duration::from_secs(1));
                    limited = Some(limited.map_or(wait, |known| known.min(wait)));
                }
                message
            }
            Attempt::Unknown(message) => message,
            Attempt::Answer(_) => "an answer".to_owned(),
        };
        health.went(false);
        record.fails(&model.name);
        reasons.push(format!("{}: {reason}", model.name));
    }
    let message = format!("no model answered: {}", reasons.join("; "));
    // Everyone else failed, too; but coming again may help.
    let status = if limited.is_some() {
        StatusCode::TOO_MANY_REQUESTS
    } else {
        StatusCode::BAD_GATEWAY
    };
    let mut response = refused(&mut record, (status, message, "upstream"));
    describe(response.headers_mut(), &record);
    if let Some(wait) = limited {
        put(
            response.headers_mut(),
            "retry-after",
            &wait.as_secs().max(1).to_string(),
        );
    }
    response
}

/// An answer that has begun: whole, or the first pieces of a stream.
enum Begun {
    Whole(Bytes, Option<(u64, u64)>),
    Stream {
        upstream: reqwest::Response,
        first: Vec<u8>,
        pause: Duration,
    },
}

/// Sends a request and waits until it is clear that there is an answer: after this no other model is asked.
async fn begin(
    client: &Client,
    request: Vec<u8>,
    key: &str,
    stream: bool,
) -> Result<Begun, Attempt> {
    let pause = Duration::from_secs_f64(client.endpoint().timeout);
    let begun = async {
        let mut upstream = client.send(request, key).await?;
        let broke = |error: reqwest::Error| {
            Attempt::Unknown(client.redact(error.without_url().to_string()))
        };
        let mut first = Vec::new();
        while let Some(piece) = upstream.chunk().await.map_err(broke)? {
            first.extend_from_slice(&piece);
            if first.len() > LARGEST_ANSWER {
                return Err(Attempt::Unknown(format!(
                    "the answer has more than {LARGEST_ANSWER} bytes"
                )));
            }
            if stream && end_of_event(&first).is_some() {
                break;
            }
        }
        if stream {
            let event = end_of_event(&first).map(|end| &first[..end]);
            return if event.is_some_and(is_piece) {
                Ok(Begun::Stream {
                    upstream,
                    first,
                    pause,
                })
            } else {
                Err(Attempt::Unknown(
                    "what came is no stream of events in OpenAI's form".to_owned(),
                ))
            };
        }
        let value: Value = serde_json::from_slice(&first).unwrap_or_default();
        if value.pointer("/choices/0").is_none() {
            return Err(Attempt::Unknown(
                "the answer is not in OpenAI's form".to_owned(),
            ));
        }
        Ok(Begun::Whole(first.into(), tokens(&value)))
    };
    match tokio::time::timeout(pause, begun).await {
        Ok(begun) => begun,
        Err(_) => Err(Attempt::Unknown(format!(
            "no answer within {} s",
            pause.as_secs_f64()
        ))),
    }
}

/// Where the first event of a stream ends, behind the blank line.
fn end_of_event(bytes: &[u8]) -> Option<usize> {
    let unix = bytes
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .map(|at| at + 2);
    let network = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|at| at + 4);
    match (unix, network) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The JSON of an event, where it has one.
fn data_of(event: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(event).ok()?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let data: Vec<&str> = lines.map(str::trim_start).collect();
    serde_json::from_str(&data.join("\n")).ok()
}

/// Whether an event is a piece of a chat, or a comment with which some endpoints begin.
fn is_piece(event: &[u8]) -> bool {
    event.starts_with(b":") || data_of(event).is_some_and(|value| value.get("choices").is_some())
}

/// Says in headers what was done.
fn describe(headers: &mut HeaderMap, record: &Record) {
    put(headers, "x-routelab-id", &record.id);
    if let Some(model) = &record.model {
        put(headers, "x-routelab-model", model);
    }
    if !record.failed.is_empty() {
        put(headers, "x-routelab-failed", &record.failed.join(", "));
    }
    if let Some((limit, models, decision)) = &record.decision {
        put(headers, "x-routelab-limit", &limit.to_string());
        put(headers, "x-routelab-chosen", &models[decision.chosen]);
        put(
            headers,
            "x-routelab-within-budget",
            &decision.within(*limit).to_string(),
        );
        put(
            headers,
            "x-routelab-predicted-quality",
            &decision.quality[decision.chosen].to_string(),
        );
        put(
            headers,
            "x-routelab-predicted-cost",
            &decision.cost[decision.chosen].to_string(),
        );
    }
    if let Some(cost) = record.cost() {
        put(headers, "x-routelab-dollars", &cost.dollars().to_string());
    }
}

/// Passes an answer on.
fn answer(mut record: Record, begun: Begun, wants_usage: bool) -> Response {
    match begun {
        Begun::Whole(bytes, tokens) => {
            record.tokens = tokens;
            record.complete = true;
            let mut response =
                ([(header::CONTENT_TYPE, "application/json")], bytes).into_response();
            describe(response.headers_mut(), &record);
            response
        }
        Begun::Stream {
            upstream,
            first,
            pause,
        } => {
            let mut headers = HeaderMap::new();
            describe(&mut headers, &record);
            let state = Passing {
                record,
                upstream,
                buffer: first,
                pause,
                wants_usage,
                over: false,
            };
            let pieces = stream::unfold(state, |mut state| async move {
                let piece = state.next().await?;
                Some((Ok::<_, std::io::Error>(piece), state))
            });
            let mut response = (
                [
                    (header::CONTENT_TYPE, "text/event-stream"),
                    (header::CACHE_CONTROL, "no-cache"),
                ],
                Body::from_stream(pieces),
            )
                .into_response();
            response.headers_mut().extend(headers);
            response
        }
    }
}

/// A stream that is passed on, event by event.
struct Passing {
    record: Record,
    upstream: reqwest::Response,
    buffer: Vec<u8>,
    pause: Duration,
    wants_usage: bool,
    over: bool,
}

impl Passing {
    /// The next events for the client; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let mut out = Vec::new();
            while let Some(end) = end_of_event(&self.buffer) {
                let event: Vec<u8> = self.buffer.drain(..end).collect();
                if self.passes(&event) {
                    out.extend(event);
                }
            }
            if !out.is_empty() {
                return Some(out.into());
            }
            if self.over {
                return None;
            }
            let piece = tokio::time::timeout(self.pause, self.upstream.chunk()).await;
            let problem = match piece {
                Ok(Ok(Some(piece))) => {
                    self.buffer.extend_from_slice(&piece);
                    if self.buffer.len() <= LARGEST_PIECE {
                        continue;
                    }
                    "the model sent an event that is too large"
                }
                Ok(Ok(None)) if self.record.complete => {
                    self.over = true;
                    continue;
                }
                Ok(Ok(None) | Err(_)) => "the connection to the model broke within the answer",
                Err(_) => "the model stopped within the answer",
            };
            // What was sent cannot be taken back: the client is told, and the end is left out.
            self.over = true;
            self.buffer.clear();
            let error = json!({ "error": { "message": problem, "type": "server_error", "param": null, "code": "upstream" } });
            return Some(format!("data: {error}\n\n").into());
        }
    }

    /// Notes what an event says, and whether the client shall see it.
    fn passes(&mut self, event: &[u8]) -> bool {
        let Some(value) = data_of(event) else {
            let done = std::str::from_utf8(event)
                .is_ok_and(|text| text.trim() == "data: [DONE]" || text.trim() == "data:[DONE]");
            self.record.complete |= done;
            return true;
        };
        if let Some(tokens) = tokens(&value) {
            self.record.tokens = Some(tokens);
        }
        let only_usage =
            value["choices"].as_array().is_some_and(Vec::is_empty) && value["usage"].is_object();
        !only_usage || self.wants_usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_at_blank_lines() {
        assert_eq!(end_of_event(b"data: {}\n\ndata"), Some(10));
        assert_eq!(end_of_event(b"data: {}\r\n\r\n"), Some(12));
        assert_eq!(end_of_event(b"data: {}\n"), None);
        assert!(is_piece(b"data: {\"choices\": []}\n\n"));
        assert!(is_piece(b": waiting\n\n"));
        assert!(!is_piece(b"<html>\n\n"));
    }
}
