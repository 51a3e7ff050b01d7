//! One attempt to have a chat answered by an OpenAI-compatible endpoint, and what its outcome means for money.

use std::sync::Once;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::{Map, Value};

use crate::error::ServiceError;
use crate::pool::{Endpoint, Secret};

/// Bytes of an answer, at most.
const LARGEST_ANSWER: usize = 64 << 20;
/// Characters of an error that are kept.
const SHOWN: usize = 500;
/// The longest that `Retry-After` is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// An endpoint with its key and its connections.
pub struct Client {
    http: reqwest::Client,
    address: String,
    key: Option<Secret>,
    endpoint: Endpoint,
}

/// What an attempt came to.
#[derive(Debug)]
pub enum Attempt {
    /// An answer.
    Answer(Reply),
    /// It was not carried out: no connection, or a status that says so. `fatal` where another attempt would end like this one.
    Declined {
        /// The status, where there was an answer.
        status: Option<u16>,
        /// Why.
        message: String,
        /// When to try again, where the endpoint says so.
        wait: Option<Duration>,
        /// Whether the request itself is at fault.
        fatal: bool,
    },
    /// Nobody knows whether it was carried out.
    Unknown(String),
}

/// An answer.
#[derive(Debug, PartialEq)]
pub struct Reply {
    /// The text.
    pub text: String,
    /// Why it ended.
    pub finish: Option<String>,
    /// Tokens of the prompt and of the answer, where the endpoint counted them.
    pub tokens: Option<(u64, u64)>,
    /// How long it took.
    pub took: Duration,
}

/// Encryption is that of `ring`, chosen once for the process.
fn provide_encryption() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only where the program that this is a part of has chosen already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// The key of an endpoint from the environment, and the header that brings it; `None` where it takes none.
///
/// # Errors
///
/// A key that is not set, or that cannot stand in a header.
pub fn authorisation(endpoint: &Endpoint) -> Result<Option<(Secret, HeaderValue)>, ServiceError> {
    let Some(variable) = &endpoint.key_env else {
        return Ok(None);
    };
    let key = Secret::from_env(variable)?;
    let value = HeaderValue::from_str(&format!("Bearer {}", key.reveal()));
    let mut value = value.map_err(|_| {
        ServiceError::Request(format!(
            "the key in the variable {variable} of the environment has characters that no key has; set it again"
        ))
    })?;
    value.set_sensitive(true);
    Ok(Some((key, value)))
}

impl Client {
    /// Makes ready to ask an endpoint. Its key is taken from the environment.
    ///
    /// # Errors
    ///
    /// A key that is not set, or that cannot stand in a header.
    pub fn new(endpoint: &Endpoint) -> Result<Self, ServiceError> {
        provide_encryption();
        let mut headers = HeaderMap::new();
        let mut key = None;
        if let Some((secret, value)) = authorisation(endpoint)? {
            headers.insert(AUTHORIZATION, value);
            key = Some(secret);
        }
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(Duration::from_secs_f64(endpoint.connect_timeout))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("routelab/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                ServiceError::Failed(format!("cannot make an HTTP client: {error}"))
            })?;
        Ok(Self {
            http,
            address: format!("{}/chat/completions", endpoint.url.trim_end_matches('/')),
            key,
            endpoint: endpoint.clone(),
        })
    }

    /// What the pool says about it.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Takes the key out of a text.
    pub fn redact(&self, text: String) -> String {
        match &self.key {
            Some(key) => key.redact(text),
            None => text,
        }
    }

    /// Sends a request, and gives the answer as it begins.
    ///
    /// # Errors
    ///
    /// What went wrong, as an attempt.
    pub async fn send(&self, body: Vec<u8>, key: &str) -> Result<Response, Attempt> {
        let request = self
            .http
            .post(&self.address)
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(body);
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let wait = retry_after(response.headers());
        let message = match body_of(response, 64 << 10).await {
            Ok(bytes) => error_text(&bytes),
            Err(_) => String::new(),
        };
        let message = match message.as_str() {
            "" => status.to_string(),
            said => format!("{status}: {said}"),
        };
        Err(Attempt::Declined {
            status: Some(status.as_u16()),
            message: self.redact(message),
            wait,
            fatal: is_fatal(status),
        })
    }

    /// Has a chat answered as a whole.
    pub async fn ask(&self, body: &Map<String, Value>, key: &str) -> Attempt {
        let started = Instant::now();
        let bytes = serde_json::to_vec(body).expect("a map of values is JSON");
        let whole = async {
            let response = self.send(bytes, key).await?;
            let bytes = body_of(response, LARGEST_ANSWER).await;
            let bytes = bytes.map_err(|error| Attempt::Unknown(self.redact(error)))?;
            reply(&bytes, started).map_err(|garbage| Attempt::Unknown(self.redact(garbage)))
        };
        let limit = Duration::from_secs_f64(self.endpoint.timeout);
        match tokio::time::timeout(limit, whole).await {
            Ok(Ok(mut reply)) => {
                reply.text = self.redact(reply.text);
                Attempt::Answer(reply)
            }
            Ok(Err(attempt)) => attempt,
            Err(_) => Attempt::Unknown(format!("no answer within {} s", self.endpoint.timeout)),
        }
    }

    fn failed(&self, error: &reqwest::Error) -> Attempt {
        let message = self.redact(described(error));
        // Without a connection nothing was sent.
        if error.is_connect() || error.is_builder() {
            Attempt::Declined {
                status: None,
                message,
                wait: None,
                fatal: error.is_builder(),
            }
        } else {
            Attempt::Unknown(message)
        }
    }
}

/// An error with its causes, without the address, which is in the pool's file.
fn described(error: &reqwest::Error) -> String {
    let mut text = match (error.is_connect(), error.is_timeout()) {
        (true, true) => "no connection in time".to_owned(),
        (true, false) => "no connection".to_owned(),
        (false, true) => "no answer in time".to_owned(),
        (false, false) => "the connection broke".to_owned(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Whether another attempt would end like this one.
fn is_fatal(status: StatusCode) -> bool {
    let again = [408, 409, 425, 429].contains(&status.as_u16()) || status.is_server_error();
    !again
}

/// When to try again, in seconds. A date is not read: then the wait is ours.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds: f64 = text.parse().ok()?;
    let seconds = if seconds.is_finite() {
        seconds.max(0.0)
    } else {
        0.0
    };
    Some(Duration::from_secs_f64(
        seconds.min(LONGEST_WAIT.as_secs_f64()),
    ))
}

/// The bytes of an answer.
async fn body_of(mut response: Response, limit: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| described(&error))? {
        if bytes.len() + piece.len() > limit {
            return Err(format!("the answer has more than {limit} bytes"));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// What an error says, in OpenAI's form or another.
fn error_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    let said = ["/error/message", "/message", "/error", "/detail"]
        .into_iter()
        .find_map(|place| value.pointer(place)?.as_str());
    let said = said.unwrap_or(&text).trim();
    said.chars().take(SHOWN).collect()
}

/// The first choice of an answer in OpenAI's form.
fn reply(bytes: &[u8], started: Instant) -> Result<Reply, String> {
    let garbage = |what: &str| {
        let shown: String = String::from_utf8_lossy(bytes).chars().take(100).collect();
        format!("the answer is not in OpenAI's form ({what}): {shown}")
    };
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| garbage(&error.to_string()))?;
    let choice = value
        .pointer("/choices/0")
        .ok_or_else(|| garbage("no choices"))?;
    let message = choice.get("message").ok_or_else(|| garbage("no message"))?;
    let text = match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        Value::Null => String::new(),
        _ => return Err(garbage("content is no text")),
    };
    Ok(Reply {
        text,
        finish: choice["finish_reason"].as_str().map(str::to_owned),
        tokens: tokens(&value),
        took: started.elapsed(),
    })
}

/// Tokens of the prompt and of the answer, where an answer, or a piece of a stream, has them.
pub fn tokens(value: &Value) -> Option<(u64, u64)> {
    let usage = value.get("usage")?;
    Some((
        usage.get("prompt_tokens")?.as_u64()?,
        usage.get("completion_tokens")?.as_u64()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_openais_form_are_read_and_others_are_garbage() {
        let read = |text: &str| reply(text.as_bytes(), Instant::now());
        let answer = read(
            r#"{"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}"#,
        )
        .unwrap();
        assert_eq!(answer.text, "4");
        assert_eq!(answer.tokens, Some((3, 1)));
        for garbage in [
            "",
            "<html>",
            "{}",
            r#"{"choices": []}"#,
            r#"{"choices": [{"message": {"content": 4}}]}"#,
        ] {
            assert!(read(garbage).is_err(), "{garbage}");
        }
    }

    #[test]
    fn errors_say_what_the_endpoint_said() {
        for text in [
            r#"{"error": {"message": "too long"}}"#,
            r#"{"detail": "too long"}"#,
            "too long\n",
        ] {
            assert_eq!(error_text(text.as_bytes()), "too long");
        }
    }
}
