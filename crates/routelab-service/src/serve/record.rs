//! What is noted of a request: in the log, in the metrics, and about the health of models.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::decide::{Decision, Limit};
use super::metrics::{ByModel, ByStatus};
use crate::money::Money;
use crate::prompts::NOT_STORED;

/// Failures in a row after which a model is passed over for a while.
const FAILURES: u32 = 3;
/// How long.
const REST: Duration = Duration::from_secs(10);

/// How a model has been doing.
#[derive(Default)]
pub struct Health {
    failures: AtomicU32,
    /// Milliseconds of the process's clock until which it is passed over.
    until: AtomicU64,
}

fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}

impl Health {
    /// Whether it shall be passed over. One request in every rest is let through, and shows whether it is back.
    pub fn rests(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        let now = now();
        if self.failures.load(Ordering::Relaxed) < FAILURES {
            return false;
        }
        let next = now + REST.as_millis() as u64;
        let mine = now >= until
            && self
                .until
                .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        !mine
    }

    /// Notes how a request went.
    pub fn went(&self, well: bool) {
        if well {
            self.failures.store(0, Ordering::Relaxed);
        } else if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
            self.until
                .store(now() + REST.as_millis() as u64, Ordering::Relaxed);
        }
    }
}

/// A request on its way. What is known of it is written when it ends, however it ends.
pub struct Record {
    shared: Arc<Shared>,
    started: Instant,
    /// Its name.
    pub id: String,
    /// The status for the client.
    pub status: u16,
    /// Bytes of the text that the router saw.
    pub text: String,
    /// The limit, and what the router made of it.
    pub decision: Option<(Limit, Arc<Vec<String>>, Decision)>,
    /// Seconds of the decision.
    pub decided: Option<f64>,
    /// Who answered, by its name in the pool.
    pub model: Option<String>,
    /// Who failed before.
    pub failed: Vec<String>,
    /// Whether the answer is a stream.
    pub streamed: bool,
    /// Whether the answer came to its end.
    pub complete: bool,
    /// Tokens of prompt and answer.
    pub tokens: Option<(u64, u64)>,
    _permit: OwnedSemaphorePermit,
}

impl Record {
    /// Begins to note a request.
    pub fn new(shared: &Arc<Shared>, permit: OwnedSemaphorePermit, id: String) -> Self {
        shared.metrics.under_way.inc();
        Self {
            shared: shared.clone(),
            started: Instant::now(),
            id,
            status: 499,
            text: String::new(),
            decision: None,
            decided: None,
            model: None,
            failed: Vec::new(),
            streamed: false,
            complete: false,
            tokens: None,
            _permit: permit,
        }
    }

    /// Notes the failure of a model.
    pub fn fails(&mut self, model: &str) {
        self.failed.push(model.to_owned());
        let by = ByModel {
            model: model.to_owned(),
        };
        self.shared.metrics.failures.get_or_create(&by).inc();
    }

    /// What it costs by the pool's prices, where tokens were counted.
    pub fn cost(&self) -> Option<Money> {
        let model = self
            .shared
            .pool
            .model
            .iter()
            .find(|model| Some(&model.name) == self.model.as_ref())?;
        let (prompt, answer) = self.tokens?;
        Some(model.prices.cost(prompt, answer))
    }

    fn line(&self, prompts: bool) -> Map<String, Value> {
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let prompt = if prompts && !self.text.trim().is_empty() {
            self.text.clone()
        } else {
            format!("({} {NOT_STORED}", self.text.len())
        };
        let mut line = Map::new();
        let mut put = |key: &str, value: Value| {
            line.insert(key.to_owned(), value);
        };
        put("id", self.id.as_str().into());
        put("time", time.as_secs_f64().into());
        put("prompt", prompt.into());
        put("model", self.model.as_deref().into());
        put("failed", self.failed.join(", ").into());
        put("status", self.status.into());
        put("streamed", self.streamed.into());
        put("complete", self.complete.into());
        put("prompt_tokens", self.tokens.map(|tokens| tokens.0).into());
        put("answer_tokens", self.tokens.map(|tokens| tokens.1).into());
        put("dollars", json!(self.cost()));
        put("decision_seconds", self.decided.into());
        put("seconds", self.started.elapsed().as_secs_f64().into());
        if let Some((limit, models, decision)) = &self.decision {
            put("limit", limit.to_string().into());
            put("chosen", models[decision.chosen].as_str().into());
            for (model, name) in models.iter().enumerate() {
                put(&format!("{name}|quality"), decision.quality[model].into());
                put(
                    &format!("{name}|cost"),
                    decision.cost[model].max(0.0).into(),
                );
            }
        }
        line
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let metrics = &self.shared.metrics;
        metrics.under_way.dec();
        metrics
            .requests
            .get_or_create(&ByStatus {
                status: self.status,
            })
            .inc();
        metrics.whole.observe(self.started.elapsed().as_secs_f64());
        if let Some(model) = &self.model {
            let by = ByModel {
                model: model.clone(),
            };
            metrics.answers.get_or_create(&by).inc();
            if let Some((prompt, answer)) = self.tokens {
                metrics.prompt_tokens.get_or_create(&by).inc_by(prompt);
                metrics.answer_tokens.get_or_create(&by).inc_by(answer);
            }
            if let Some(cost) = self.cost() {
                metrics.dollars.get_or_create(&by).inc_by(cost.dollars());
            }
        }
        if let Some(log) = &self.shared.log {
            log.add(&self.line(log.prompts));
        }
    }
}
