//! Calls that are paid for: each is written down before it is sent, never passes the cap, and is made once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::client::{Attempt, Client, Reply};
use crate::error::ServiceError;
use crate::journal::{Answer, Calls, Event, Journal, State};
use crate::money::Money;
use crate::pool::{Model, Pool};

/// The first wait before another attempt; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait of our own.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A call that is to be made.
pub struct Order<'a> {
    /// Its key: the same for the same question in every run.
    pub key: String,
    /// Who is asked.
    pub model: &'a Model,
    /// The prompt's id.
    pub prompt: &'a str,
    /// Which of several answers, from 1.
    pub repetition: u32,
    /// The most that it can cost.
    pub reserve: Money,
    /// The messages, made when they are needed.
    pub messages: Box<dyn Fn() -> Result<Value, ServiceError> + Send + Sync + 'a>,
}

/// What is told while calls are made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Status {
    /// Calls that are answered or refused for good.
    pub done: usize,
    /// All calls of this run.
    pub total: usize,
    /// What was paid, in this run and before.
    pub spent: Money,
    /// What calls without an answer may have cost beside it.
    pub possible: Money,
}

/// Hears how far the calls are.
pub type Progress<'a> = &'a (dyn Fn(Status) + Send + Sync);

/// How calls are made.
pub struct Caller<'a> {
    clients: HashMap<&'a str, Client>,
    journal: Journal,
    calls: Mutex<Calls>,
    /// Said whenever money becomes free.
    settled: Notify,
    cap: Option<Money>,
    retry_unknown: bool,
    stop: AtomicBool,
    fault: Mutex<Option<ServiceError>>,
    done: AtomicUsize,
    /// Attempts whose money is set aside.
    under_way: AtomicUsize,
    /// Endpoints that asked to be left alone, and until when.
    paused: Mutex<HashMap<&'a str, Instant>>,
}

/// What became of an order.
enum Made {
    Done,
    Left,
}

impl<'a> Caller<'a> {
    /// Makes ready to call the endpoints of some models. The journal's account counts towards the cap.
    ///
    /// # Errors
    ///
    /// A key that is not in the environment.
    pub fn new(
        pool: &'a Pool,
        models: impl Iterator<Item = &'a Model>,
        journal: Journal,
        calls: Calls,
        cap: Option<Money>,
        retry_unknown: bool,
    ) -> Result<Self, ServiceError> {
        let mut clients = HashMap::new();
        for model in models {
            if !clients.contains_key(model.endpoint.as_str()) {
                let client = Client::new(pool.endpoint_of(model))?;
                clients.insert(model.endpoint.as_str(), client);
            }
        }
        Ok(Self {
            clients,
            journal,
            calls: Mutex::new(calls),
            settled: Notify::new(),
            cap,
            retry_unknown,
            stop: AtomicBool::new(false),
            fault: Mutex::new(None),
            done: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            paused: Mutex::default(),
        })
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(|error| error.into_inner())
    }

    /// What is known of all calls.
    pub fn into_calls(self) -> Calls {
        self.calls
            .into_inner()
            .unwrap_or_else(|error| error.into_inner())
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.fault().is_some()
    }

    fn fault(&self) -> MutexGuard<'_, Option<ServiceError>> {
        self.fault.lock().unwrap_or_else(|error| error.into_inner())
    }

    /// Makes all calls that are not made yet, so many at a time on each endpoint as it takes.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Cap`] when no further call fits under the cap, [`ServiceError::Stopped`] when the process is told to stop;
    /// an endpoint that refuses the key or the model; a journal that cannot be written. Calls under way are waited for.
    pub async fn make(
        &self,
        orders: &[Order<'a>],
        progress: Progress<'_>,
    ) -> Result<(), ServiceError> {
        let mut by_endpoint: HashMap<&str, Vec<&Order>> = HashMap::new();
        for order in orders {
            by_endpoint
                .entry(&order.model.endpoint)
                .or_default()
                .push(order);
        }
        let left = AtomicUsize::new(0);
        let tell = || {
            let calls = self.calls();
            progress(Status {
                done: self.done.load(Ordering::Relaxed),
                total: orders.len(),
                spent: calls.spent(),
                possible: calls.possible(),
            });
        };
        let (left, tell) = (&left, &tell);
        let endpoints = by_endpoint.into_iter().map(|(name, orders)| async move {
            let client = &self.clients[name];
            let made = stream::iter(orders).for_each_concurrent(
                client.endpoint().concurrency,
                |order| async move {
                    match self.make_one(client, order).await {
                        Ok(Made::Done) => {
                            self.done.fetch_add(1, Ordering::Relaxed);
                            tell();
                        }
                        Ok(Made::Left) => {
                            left.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => {
                            left.fetch_add(1, Ordering::Relaxed);
                            self.fault().get_or_insert(error);
                        }
                    }
                },
            );
            made.await;
        });
        let all = futures_util::future::join_all(endpoints);
        tokio::select! {
            // What is under way comes first: an answer that is there is kept.
            biased;
            () = async { all.await; } => {}
            () = self.told_to_stop() => {}
        }
        let left = left.load(Ordering::Relaxed);
        if let Some(mut fault) = self.fault().take() {
            if let ServiceError::Cap { left: calls, .. } = &mut fault {
                *calls = left;
            }
            return Err(fault);
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(ServiceError::Stopped { left });
        }
        Ok(())
    }

    /// At the first signal nothing new is sent, and this goes on; a second one ends it.
    async fn told_to_stop(&self) {
        signal().await;
        self.stop.store(true, Ordering::Relaxed);
        self.settled.notify_waiters();
        signal().await;
    }

    async fn make_one(&self, client: &Client, order: &Order<'_>) -> Result<Made, ServiceError> {
        let endpoint = client.endpoint();
        let again = endpoint.idempotent || self.retry_unknown;
        match self.calls().state(&order.key) {
            State::Answered(_) | State::Refused(_) => return Ok(Made::Done),
            State::Unknown if !again => return Ok(Made::Left),
            State::Unknown | State::Open => {}
        }
        let messages = (order.messages)()?;
        let body = order.model.body(messages);
        for attempt in 0..endpoint.attempts {
            self.wait_for(&order.model.endpoint).await;
            if self.is_over() {
                return Ok(Made::Left);
            }
            self.reserve(order, endpoint.idempotent).await?;
            if self.is_over() {
                // It was not sent, so it is taken back.
                return self
                    .settle(not_charged(order, None, "stopped"), Made::Left)
                    .await;
            }
            let wait = match client.ask(&body, &order.key).await {
                Attempt::Answer(reply) => {
                    let answer = answer(order, reply);
                    let event = Event::Answered {
                        key: order.key.clone(),
                        answer,
                    };
                    return self.settle(event, Made::Done).await;
                }
                Attempt::Declined {
                    status,
                    message,
                    fatal,
                    ..
                } if fatal => {
                    // The key, the address or the model: it would be the same for every call.
                    let everywhere =
                        status.is_none_or(|status| [401, 402, 403, 404, 405].contains(&status));
                    if everywhere {
                        self.settle(not_charged(order, status, &message), Made::Left)
                            .await?;
                        return Err(ServiceError::Failed(format!(
                            "the endpoint {:?} refuses the model {:?}: {message}; check `url`, `id` and the key in {}",
                            order.model.endpoint,
                            order.model.name,
                            endpoint.key_env.as_deref().unwrap_or("`key_env`"),
                        )));
                    }
                    let event = Event::Refused {
                        key: order.key.clone(),
                        status: status.unwrap_or_default(),
                        message,
                    };
                    return self.settle(event, Made::Done).await;
                }
                Attempt::Declined {
                    status,
                    message,
                    wait,
                    ..
                } => {
                    self.settle(not_charged(order, status, &message), Made::Left)
                        .await?;
                    if let Some(wait) = wait.filter(|_| status == Some(429)) {
                        let mut paused = self
                            .paused
                            .lock()
                            .unwrap_or_else(|error| error.into_inner());
                        if let Some((name, _)) =
                            self.clients.get_key_value(order.model.endpoint.as_str())
                        {
                            let until = Instant::now() + wait;
                            let known = paused.entry(name).or_insert(until);
                            *known = until.max(*known);
                        }
                    }
                    wait
                }
                Attempt::Unknown(message) => {
                    let event = Event::Unknown {
                        key: order.key.clone(),
                        message,
                    };
                    self.settle(event, Made::Left).await?;
                    if !again {
                        return Ok(Made::Left);
                    }
                    None
                }
            };
            if attempt + 1 < endpoint.attempts {
                self.sleep(wait.unwrap_or_else(|| backoff(attempt, &order.key)))
                    .await;
            }
        }
        Ok(Made::Left)
    }

    /// Waits as long as an endpoint asked for.
    async fn wait_for(&self, endpoint: &str) {
        let until = {
            let paused = self
                .paused
                .lock()
                .unwrap_or_else(|error| error.into_inner());
            paused.get(endpoint).copied()
        };
        if let Some(until) = until {
            self.sleep(until.saturating_duration_since(Instant::now()))
                .await;
        }
    }

    /// Waits, but no longer than there is something to do.
    async fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_over() && Instant::now() < until {
            let step = until.saturating_duration_since(Instant::now());
            tokio::time::sleep(step.min(Duration::from_millis(200))).await;
        }
    }

    /// Sets the most that a call can cost aside, and writes down that it will be sent. Waits while calls under way may still turn
    /// out cheaper than what is set aside for them.
    async fn reserve(&self, order: &Order<'_>, idempotent: bool) -> Result<(), ServiceError> {
        let event = Event::Sent {
            key: order.key.clone(),
            model: order.model.name.clone(),
            prompt: order.prompt.to_owned(),
            repetition: order.repetition,
            reserved: order.reserve,
            idempotent,
        };
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            {
                let mut calls = self.calls();
                let then = calls.with(&order.key, order.reserve, idempotent);
                if self.cap.is_none_or(|cap| then <= cap) {
                    self.under_way.fetch_add(1, Ordering::Relaxed);
                    calls.add(&event);
                    break;
                }
                if self.under_way.load(Ordering::Relaxed) == 0 || self.is_over() {
                    return Err(ServiceError::Cap {
                        cap: self.cap.unwrap_or_default().to_string(),
                        spent: (calls.spent() + calls.possible()).to_string(),
                        left: 0,
                    });
                }
            }
            settled.await;
        }
        self.journal.add(&event).await
    }

    /// Writes down what became of an attempt, and sets its money free.
    async fn settle(&self, event: Event, made: Made) -> Result<Made, ServiceError> {
        // First on the disk: what is free there is free here.
        let written = self.journal.add(&event).await;
        self.calls().add(&event);
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        self.settled.notify_waiters();
        written.map(|()| made)
    }
}

fn not_charged(order: &Order, status: Option<u16>, message: &str) -> Event {
    Event::NotCharged {
        key: order.key.clone(),
        status,
        message: message.to_owned(),
    }
}

/// The answer to an order, with its cost: by the tokens that the endpoint counted, or the most that it can be.
fn answer(order: &Order, reply: Reply) -> Answer {
    let (prompt_tokens, answer_tokens) = reply.tokens.unwrap_or_default();
    let cost = match reply.tokens {
        Some((prompt, answer)) => order.model.prices.cost(prompt, answer),
        None => order.reserve,
    };
    Answer {
        model: order.model.name.clone(),
        prompt: order.prompt.to_owned(),
        repetition: order.repetition,
        answer: reply.text,
        finish: reply.finish,
        prompt_tokens,
        answer_tokens,
        counted: reply.tokens.is_some(),
        cost,
        seconds: reply.took.as_secs_f64(),
    }
}

/// The wait before attempt `attempt + 2`: half of it certain, the rest by the key, so that calls do not all come back at once.
fn backoff(attempt: u32, key: &str) -> Duration {
    let whole = FIRST_WAIT
        .saturating_mul(1 << attempt.min(10))
        .min(LONGEST_WAIT);
    let share = key.bytes().map(u64::from).sum::<u64>() % 64;
    whole.mul_f64(0.5 + share as f64 / 128.0)
}

/// Waits for Ctrl-C or, on Unix, SIGTERM.
pub(crate) async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
