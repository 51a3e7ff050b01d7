//! `pool.toml`: the models behind OpenAI-compatible endpoints, with prices, limits and parameters.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use routelab_data::{read_text, toml_detail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::ServiceError;
use crate::money::{Money, Prices};

/// Tokens around every message: roles, separators, what a chat template adds. Generous, since it is part of a bound.
const AROUND: u64 = 64;

/// What a pool's file may set only through its own keys.
const RESERVED: [&str; 5] = ["messages", "model", "n", "stream", "stream_options"];

/// Where models are asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The base of its addresses, such as `https://api.openai.com/v1`.
    pub url: String,
    /// The variable of the environment that holds the key. The key itself is never written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Calls at a time.
    #[serde(default = "concurrency")]
    pub concurrency: usize,
    /// Seconds until a connection is there.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: f64,
    /// Seconds for a whole answer; of a stream, between two pieces.
    #[serde(default = "timeout")]
    pub timeout: f64,
    /// How often a call is tried that was refused for a while.
    #[serde(default = "attempts")]
    pub attempts: u32,
    /// Whether it keeps to `Idempotency-Key`: a call that comes again with the key of an earlier one gets that one's answer, and is
    /// charged once.
    #[serde(default)]
    pub idempotent: bool,
}

fn concurrency() -> usize {
    8
}
fn connect_timeout() -> f64 {
    10.0
}
fn timeout() -> f64 {
    120.0
}
fn attempts() -> u32 {
    6
}

/// A candidate model, or a judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Its name in tables.
    pub name: String,
    /// The endpoint.
    pub endpoint: String,
    /// What the endpoint calls it; its name by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it costs.
    pub prices: Prices,
    /// Tokens of an answer, at most.
    #[serde(default = "max_tokens")]
    pub max_tokens: u64,
    /// The parameter of a request that says so: `max_completion_tokens` for some.
    #[serde(default = "limit_parameter")]
    pub limit_parameter: String,
    /// Whether it takes images.
    #[serde(default)]
    pub images: bool,
    /// Tokens of an image, at most.
    #[serde(default = "image_tokens")]
    pub image_tokens: u64,
    /// A message in front of every prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Parameters of every request, such as `temperature`.
    #[serde(default)]
    pub parameters: Map<String, Value>,
}

fn max_tokens() -> u64 {
    1024
}
fn limit_parameter() -> String {
    "max_tokens".to_owned()
}
fn image_tokens() -> u64 {
    2000
}

impl Model {
    /// What the endpoint calls it.
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.name)
    }

    /// The most that a call can cost: every byte of the texts a token, as with tokenizers that work on bytes, and an answer of the
    /// largest length.
    pub fn bound(&self, texts: &[&str], images: u64) -> Money {
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let around = AROUND * (1 + texts.len() as u64);
        let prompt = bytes as u64 + around + images * self.image_tokens;
        self.prices.cost(prompt, self.max_tokens)
    }

    /// The body of a request: the parameters, the model, the limit, the messages.
    pub fn body(&self, messages: Value) -> Map<String, Value> {
        let mut body = self.parameters.clone();
        body.insert("model".to_owned(), self.id().into());
        body.insert(self.limit_parameter.clone(), self.max_tokens.into());
        body.insert("messages".to_owned(), messages);
        body
    }
}

/// The models of a pool and their endpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// By name.
    pub endpoint: BTreeMap<String, Endpoint>,
    /// The candidate models, in the order of every table.
    pub model: Vec<Model>,
    /// Models that judge answers, and are no candidates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judge: Vec<Model>,
}

impl Pool {
    /// Reads a pool's file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or does not hold a pool: with the place and what was expected.
    pub fn read(path: &Path) -> Result<Self, ServiceError> {
        let text = read_text(path)?;
        let pool: Self =
            toml::from_str(&text).map_err(|error| ServiceError::file(path, toml_detail(&error)))?;
        pool.check()
            .map_err(|detail| ServiceError::file(path, detail))?;
        Ok(pool)
    }

    fn check(&self) -> Result<(), String> {
        if self.model.is_empty() {
            return Err("there is no `[[model]]`; give the candidate models".to_owned());
        }
        for (name, endpoint) in &self.endpoint {
            let wrong = |key: &str, expected: &str| {
                Err(format!("[endpoint.{name}] {key}: expected {expected}"))
            };
            let address = reqwest::Url::parse(&endpoint.url).ok();
            let address = address.filter(|url| matches!(url.scheme(), "http" | "https"));
            let Some(address) = address else {
                return wrong("url", "an address such as \"https://api.openai.com/v1\"");
            };
            if address.password().is_some()
                || !address.username().is_empty()
                || address.query().is_some()
            {
                return wrong(
                    "url",
                    "an address without a password or a query: keys come from the environment, named by `key_env`",
                );
            }
            if !(1..=1024).contains(&endpoint.concurrency) {
                return wrong("concurrency", "a number between 1 and 1024");
            }
            if !(1..=100).contains(&endpoint.attempts) {
                return wrong("attempts", "a number between 1 and 100");
            }
            for (key, seconds) in [
                ("timeout", endpoint.timeout),
                ("connect_timeout", endpoint.connect_timeout),
            ] {
                if !(seconds > 0.0 && seconds <= 86400.0) {
                    return wrong(key, "seconds above 0, and at most a day");
                }
            }
        }
        let mut names = std::collections::BTreeSet::new();
        for model in self.model.iter().chain(&self.judge) {
            let name = &model.name;
            if name.trim().is_empty() {
                return Err("a model has no `name`; give it one".to_owned());
            }
            if name.contains('|') {
                return Err(format!(
                    "the model {name:?}: a name may not have `|`, which divides the columns of tables"
                ));
            }
            if !names.insert(name) {
                return Err(format!(
                    "two models are called {name:?}; give one another `name`, and the same `id`"
                ));
            }
            if !self.endpoint.contains_key(&model.endpoint) {
                let known: Vec<&str> = self.endpoint.keys().map(String::as_str).collect();
                return Err(format!(
                    "the model {name:?} has the endpoint {:?}, which is not there; the endpoints are {}",
                    model.endpoint,
                    known.join(", ")
                ));
            }
            if let Some((key, expected)) = model.prices.problem() {
                return Err(format!("the model {name:?}, prices.{key}: {expected}"));
            }
            if model.max_tokens == 0 {
                return Err(format!(
                    "the model {name:?}, max_tokens: expected 1 or more"
                ));
            }
            let reserved = model
                .parameters
                .keys()
                .find(|key| RESERVED.contains(&key.as_str()) || **key == model.limit_parameter);
            if let Some(key) = reserved {
                return Err(format!(
                    "the model {name:?}, parameters: {key:?} cannot be set here; `id`, `max_tokens`, `limit_parameter` and `system` are keys of the model"
                ));
            }
        }
        Ok(())
    }

    /// The endpoint of a model of this pool.
    pub fn endpoint_of(&self, model: &Model) -> &Endpoint {
        &self.endpoint[&model.endpoint]
    }
}

/// A key. It is never written, shown or logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value of a variable of the environment.
    ///
    /// # Errors
    ///
    /// A variable that is not set or blank.
    pub fn from_env(variable: &str) -> Result<Self, ServiceError> {
        match std::env::var(variable) {
            Ok(value) if !value.trim().is_empty() => Ok(Self(value.trim().to_owned())),
            _ => Err(ServiceError::Request(format!(
                "the variable {variable} of the environment is not set; it holds the key: export {variable}=…"
            ))),
        }
    }

    /// The key itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Takes the key out of a text, such as an error of an endpoint that repeats it.
    pub(crate) fn redact(&self, text: String) -> String {
        if text.contains(&self.0) {
            text.replace(&self.0, "[key]")
        } else {
            text
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str = r#"
[endpoint.local]
url = "http://127.0.0.1:8080/v1"
[[model]]
name = "small"
endpoint = "local"
prices = { input = 0.1, output = 0.4 }
"#;

    fn problem(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pool.toml");
        std::fs::write(&path, text).unwrap();
        match Pool::read(&path) {
            Ok(_) => "no error".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn errors_name_the_place_and_what_was_expected() {
        assert_eq!(problem(POOL), "no error");
        for (from, to, expected) in [
            ("local\"\np", "elsewhere\"\np", "the endpoints are local"),
            ("0.4", "-0.4", "prices.output"),
            (
                "http://127.0.0.1:8080/v1",
                "localhost",
                "[endpoint.local] url",
            ),
            ("http://", "http://user:secret@", "without a password"),
            (
                "0.4 }",
                "0.4 }\nparameters = { stream = true }",
                "\"stream\" cannot be set",
            ),
            ("0.4 }", "0.4 }\nmax_tokens = 0", "max_tokens"),
            ("0.4 }", "0.4 }\ncolour = 1", "colour"),
            ("\"small\"", "\"a|b\"", "divides the columns"),
        ] {
            assert!(POOL.contains(from), "{from}");
            let found = problem(&POOL.replace(from, to));
            assert!(found.contains(expected), "{to}: {found}");
            assert!(found.contains("pool.toml"), "{found}");
        }
    }

    #[test]
    fn a_bound_counts_every_byte_and_the_longest_answer() {
        let pool: Pool = toml::from_str(POOL).unwrap();
        let bound = pool.model[0].bound(&["1234567890"], 0);
        assert_eq!(bound, pool.model[0].prices.cost(10 + 2 * AROUND, 1024));
    }
}
