//! What Prometheus reads.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// A model, and what became of it.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ByModel {
    /// The model's name in the pool.
    pub model: String,
}

/// A status.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ByStatus {
    /// The status of the answer to the client.
    pub status: u16,
}

/// Whether a reload worked.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ByResult {
    /// `ok` or `failed`.
    pub result: &'static str,
}

/// Counters and histograms of a server.
pub struct Metrics {
    registry: Registry,
    /// Requests by the status that the client got.
    pub requests: Family<ByStatus, Counter>,
    /// Answers by the model that gave them.
    pub answers: Family<ByModel, Counter>,
    /// Failures of models, after which the next one was asked.
    pub failures: Family<ByModel, Counter>,
    /// Tokens of prompts, where they were counted.
    pub prompt_tokens: Family<ByModel, Counter>,
    /// Tokens of answers, where they were counted.
    pub answer_tokens: Family<ByModel, Counter>,
    /// US dollars by the pool's prices, where tokens were counted.
    pub dollars: Family<ByModel, Counter<f64, AtomicU64>>,
    /// Seconds that a decision takes.
    pub decision: Histogram,
    /// Seconds from a request to the end of its answer.
    pub whole: Histogram,
    /// Requests that are under way.
    pub under_way: Gauge,
    /// Reloads of the router.
    pub reloads: Family<ByResult, Counter>,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut all = Self {
            registry: Registry::with_prefix("routelab"),
            requests: Family::default(),
            answers: Family::default(),
            failures: Family::default(),
            prompt_tokens: Family::default(),
            answer_tokens: Family::default(),
            dollars: Family::default(),
            decision: Histogram::new(exponential_buckets(5e-5, 2.0, 16)),
            whole: Histogram::new(exponential_buckets(1e-3, 2.0, 18)),
            under_way: Gauge::default(),
            reloads: Family::default(),
        };
        let registry = &mut all.registry;
        registry.register(
            "requests",
            "Requests by the status of the answer",
            all.requests.clone(),
        );
        registry.register("answers", "Answers by model", all.answers.clone());
        registry.register("failures", "Failures of models", all.failures.clone());
        registry.register(
            "prompt_tokens",
            "Tokens of prompts that were counted",
            all.prompt_tokens.clone(),
        );
        registry.register(
            "answer_tokens",
            "Tokens of answers that were counted",
            all.answer_tokens.clone(),
        );
        registry.register(
            "dollars",
            "US dollars by the prices of the pool",
            all.dollars.clone(),
        );
        registry.register(
            "decision_seconds",
            "Time of a decision",
            all.decision.clone(),
        );
        registry.register(
            "request_seconds",
            "Time of a request to the end of its answer",
            all.whole.clone(),
        );
        registry.register(
            "requests_under_way",
            "Requests under way",
            all.under_way.clone(),
        );
        registry.register("reloads", "Reloads of the router", all.reloads.clone());
        all
    }

    /// The page that Prometheus reads.
    pub fn page(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
