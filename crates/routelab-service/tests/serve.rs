//! The server in front of a stand-in, with a router that sends products to the large model.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use reqwest::StatusCode;
use routelab_data::{DataSpec, load};
use routelab_service::stand_in::{Behaviour, StandIn};
use routelab_service::{
    Decider, Decision, Limit, Pool, ServeOptions, Undecided, read_prompts, serve,
};
use serde_json::{Value, json};

struct Rule(Vec<String>);

impl Decider for Rule {
    fn models(&self) -> &[String] {
        &self.0
    }

    fn decide(
        &self,
        text: &str,
        image: Option<&Path>,
        limit: Limit,
    ) -> Result<Decision, Undecided> {
        if text.contains("picture") && image.is_none() {
            return Err(Undecided::NeedsImage);
        }
        let cost = vec![1.0, 5.0, 20.0];
        let within = |model: usize| match limit {
            Limit::Budget(budget) => cost[model] <= budget,
            Limit::Price(_) => true,
        };
        let chosen = if text.contains('*') && within(2) {
            2
        } else {
            0
        };
        let quality = if chosen == 2 {
            vec![0.2, 0.5, 0.9]
        } else {
            vec![0.9, 0.8, 0.7]
        };
        Ok(Decision {
            runner_up: None,
            chosen,
            quality,
            cost,
        })
    }
}

struct Served {
    url: String,
    stand_in: StandIn,
    folder: tempfile::TempDir,
}

impl Served {
    /// Starts a server; its thread ends with the process.
    fn new(behaviour: Behaviour, change: impl FnOnce(&mut ServeOptions)) -> Self {
        let stand_in =
            StandIn::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), behaviour).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let model = |name: &str, price: f64| {
            format!(
                "[[model]]\nname = \"{name}\"\nendpoint = \"local\"\nimages = true\nprices = {{ input = {price}, output = {price} }}\n"
            )
        };
        let pool = format!(
            "[endpoint.local]\nurl = \"{}\"\ntimeout = 1\n",
            stand_in.url()
        ) + &model("small", 1.0)
            + &model("medium", 5.0)
            + &model("large", 20.0);
        let file = folder.path().join("pool.toml");
        fs::write(&file, pool).unwrap();
        let (said, hears) = mpsc::channel();
        let mut options = ServeOptions {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            pool: Pool::read(&file).unwrap(),
            load: Box::new(|| {
                Ok(Arc::new(Rule(
                    ["small", "medium", "large"].map(String::from).to_vec(),
                )))
            }),
            limit: Limit::Budget(f64::INFINITY),
            token_env: None,
            body: 1 << 20,
            concurrency: 64,
            decisions: Some(folder.path().join("decisions.jsonl")),
            store_prompts: true,
            drain: Duration::from_secs(1),
            say: Box::new(move |line| said.send(line.to_owned()).unwrap()),
        };
        change(&mut options);
        std::thread::spawn(move || serve(options).unwrap());
        let url = hears.recv_timeout(Duration::from_secs(20)).unwrap();
        Self {
            url,
            stand_in,
            folder,
        }
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Answer {
        let request = client().post(format!("{}{path}", self.url)).body(body);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        runtime().block_on(async {
            let response = request.send().await.unwrap();
            let status = response.status();
            let headers = response.headers().clone();
            let text = match response.text().await {
                Ok(text) => text,
                Err(error) => panic!("{error:?}"),
            };
            Answer {
                status,
                headers,
                text,
            }
        })
    }

    fn chat(&self, model: &str, text: &str) -> Answer {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": text }] });
        self.post("/chat/completions", &[], body.to_string())
    }

    fn get(&self, path: &str) -> String {
        let url = format!("{}{path}", self.url.trim_end_matches("/v1"));
        runtime().block_on(async {
            client()
                .get(url)
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap()
        })
    }
}

struct Answer {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{}", self.text))
    }

    fn content(&self) -> String {
        self.json()["choices"][0]["message"]["content"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", self.text))
            .to_owned()
    }
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: std::sync::OnceLock<tokio::runtime::Runtime> = std::sync::OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().unwrap())
}

fn client() -> reqwest::Client {
    // A provider of encryption is there once a server has started.
    reqwest::Client::builder().build().unwrap()
}

#[test]
fn a_request_goes_where_the_router_says_and_headers_tell() {
    let served = Served::new(Behaviour::default(), |_| {});
    let easy = served.chat("routelab", "What is 3 + 4 ?");
    assert_eq!(
        (easy.status, easy.header("x-routelab-model")),
        (StatusCode::OK, "small")
    );
    assert_eq!(easy.content(), "It is 7");
    assert!(easy.header("x-routelab-dollars").parse::<f64>().unwrap() > 0.0);
    let hard = served.chat("routelab:budget=30", "What is 31 * 41 ?");
    assert_eq!(hard.header("x-routelab-model"), "large");
    assert!(hard.content().contains("The result of 31 * 41 is "));
    assert_eq!(hard.header("x-routelab-limit"), "budget=30");
    let poor = served.chat("routelab:budget=2", "What is 31 * 41 ?");
    assert_eq!(
        (
            poor.header("x-routelab-model"),
            poor.header("x-routelab-within-budget")
        ),
        ("small", "true")
    );
    let priced = served.post(
        "/chat/completions",
        &[("x-routelab-price", "0.1")],
        json!({ "model": "routelab", "messages": [{ "role": "user", "content": "2 * 2 ?" }] })
            .to_string(),
    );
    assert_eq!(priced.header("x-routelab-limit"), "price=0.1");
    let named = served.chat("medium", "What is 3 + 4 ?");
    assert_eq!(
        (
            named.header("x-routelab-model"),
            named.header("x-routelab-chosen")
        ),
        ("medium", "")
    );
    let decided = served
        .post(
            "/route",
            &[],
            json!({ "model": "routelab", "prompt": "2 * 2 ?" }).to_string(),
        )
        .json();
    assert_eq!(
        (decided["model"].as_str(), &decided["fallbacks"]),
        (Some("large"), &json!(["medium", "small"]))
    );
    assert_eq!(
        served.stand_in.counts().charged,
        5,
        "a decision alone calls no model"
    );
    let models: Value = serde_json::from_str(&served.get("/v1/models")).unwrap();
    let ids: Vec<&str> = models["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["routelab", "small", "medium", "large"]);
    assert_eq!(served.get("/healthz"), "ok\n");
    let metrics = served.get("/metrics");
    for line in [
        "routelab_requests_total{status=\"200\"} 6",
        "routelab_answers_total{model=\"small\"} 2",
        "routelab_decision_seconds_count 5",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[test]
fn bad_requests_are_answered_in_openais_form() {
    let served = Served::new(Behaviour::default(), |options| options.body = 1000);
    let message = json!([{ "role": "user", "content": "2 + 2 ?" }]);
    for (body, status, part) in [
        ("nonsense".to_owned(), 400, "no JSON object"),
        ("{}".to_owned(), 400, "`messages`"),
        (json!({ "model": "gpt-9", "messages": message }).to_string(), 404, "gpt-9"),
        (json!({ "model": "routelab:cheap", "messages": message }).to_string(), 400, "budget=0.002"),
        (json!({ "model": "routelab", "messages": "2 + 2" }).to_string(), 400, "`messages`"),
        (json!({ "model": "routelab", "messages": [{ "role": "user", "content": "picture" }] }).to_string(), 400, "looks at images"),
        (json!({ "model": "routelab", "messages": [{ "role": "user", "content": "x".repeat(2000) }] }).to_string(), 413, "larger than 1000"),
        // The model's own refusal comes back as it is, and no other model is asked.
        (json!({ "model": "routelab", "messages": [{ "role": "user", "content": "REFUSE" }] }).to_string(), 400, "this prompt is refused"),
    ] {
        let answer = served.post("/chat/completions", &[], body);
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        let value = answer.json();
        assert!(value["error"]["message"].as_str().unwrap().contains(part), "{}", answer.text);
        assert!(value["error"]["type"].is_string());
    }
    assert_eq!(served.stand_in.counts().requests, 1);
    assert_eq!(
        served.post("/completions", &[], "{}").status,
        StatusCode::NOT_FOUND
    );
}

#[test]
fn images_reach_routers_that_look_at_them() {
    let served = Served::new(Behaviour::default(), |_| {});
    let ask = |url: &str| {
        let content = json!([{ "type": "text", "text": "A picture * 1" }, { "type": "image_url", "image_url": { "url": url } }]);
        let body =
            json!({ "model": "routelab", "messages": [{ "role": "user", "content": content }] });
        served.post("/chat/completions", &[], body.to_string())
    };
    assert_eq!(
        ask("data:image/png;base64,iVBORw0KGgo=").header("x-routelab-model"),
        "large"
    );
    assert!(
        ask("https://example.org/a.png")
            .text
            .contains("not fetched")
    );
}

#[test]
fn the_next_best_model_answers_where_one_fails() {
    let down = Behaviour {
        down: vec!["large".to_owned()],
        ..Behaviour::default()
    };
    let served = Served::new(down, |_| {});
    let answer = served.chat("routelab", "What is 3 * 4 ?");
    assert_eq!(
        (
            answer.header("x-routelab-model"),
            answer.header("x-routelab-failed")
        ),
        ("medium", "large")
    );
    // After some failures in a row it is passed over for a while.
    served.chat("routelab", "What is 3 * 4 ?");
    served.chat("routelab", "What is 3 * 4 ?");
    let answer = served.chat("routelab", "What is 3 * 4 ?");
    assert_eq!(
        (
            answer.header("x-routelab-model"),
            answer.header("x-routelab-failed")
        ),
        ("medium", "")
    );
    let all = Behaviour {
        down: ["small", "medium", "large"].map(String::from).to_vec(),
        ..Behaviour::default()
    };
    served.stand_in.behave(all);
    let answer = served.chat("routelab", "What is 3 + 4 ?");
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(
        answer.text.contains("no model answered") && answer.text.contains("small: 500"),
        "{}",
        answer.text
    );
    served.stand_in.behave(Behaviour {
        limited: 1.0,
        ..Behaviour::default()
    });
    let answer = served.chat("routelab", "What is 3 + 4 ?");
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (StatusCode::TOO_MANY_REQUESTS, "1")
    );
}

#[test]
fn under_every_kind_of_failure_nothing_is_lost_and_answers_are_whole() {
    for (name, behaviour) in [
        (
            "hang",
            Behaviour {
                hang: 0.2,
                ..Behaviour::default()
            },
        ),
        (
            "reset",
            Behaviour {
                reset: 0.3,
                ..Behaviour::default()
            },
        ),
        (
            "garbage",
            Behaviour {
                garbage: 0.3,
                ..Behaviour::default()
            },
        ),
        (
            "limited",
            Behaviour {
                limited: 0.3,
                ..Behaviour::default()
            },
        ),
        (
            "broken",
            Behaviour {
                broken: 0.3,
                ..Behaviour::default()
            },
        ),
    ] {
        let served = Served::new(behaviour, |_| {});
        let (mut answered, mut refused) = (0, 0);
        for i in 0..30 {
            let answer = served.chat("routelab", &format!("What is {i} + 1 ?"));
            if answer.status == StatusCode::OK {
                let text = answer.content();
                assert!(
                    text.starts_with("It is") || text.starts_with("I compute"),
                    "{name}: {text}"
                );
                answered += 1;
            } else {
                // Three failures in a row.
                assert!(
                    answer.text.contains("no model answered"),
                    "{name}: {}",
                    answer.text
                );
                refused += 1;
            }
        }
        let counts = served.stand_in.counts();
        assert!(
            counts.failed > 0 && answered >= 25,
            "{name}: {answered} {refused} {counts:?}"
        );
        // One request of the server per answer and one per failure, none more.
        assert_eq!(
            counts.requests,
            answered + counts.failed,
            "{name}: {counts:?}"
        );
    }
}

#[test]
fn streams_are_passed_on_piece_by_piece_with_their_tokens_counted() {
    let served = Served::new(
        Behaviour {
            delay: Duration::from_millis(20),
            ..Behaviour::default()
        },
        |_| {},
    );
    let stream = |text: &str, options: Value| {
        let mut body = json!({ "model": "routelab", "stream": true, "messages": [{ "role": "user", "content": text }] });
        if !options.is_null() {
            body["stream_options"] = options;
        }
        served.post("/chat/completions", &[], body.to_string())
    };
    let events = |answer: &Answer| -> Vec<Value> {
        let lines = answer
            .text
            .split("\n\n")
            .filter_map(|event| event.strip_prefix("data: "));
        lines
            .filter_map(|data| serde_json::from_str(data).ok())
            .collect()
    };
    let answer = stream("What is 3 * 4 ?", Value::Null);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("x-routelab-model"), "large");
    assert!(answer.text.ends_with("data: [DONE]\n\n"));
    let pieces: String = events(&answer)
        .iter()
        .map(|event| {
            event["choices"][0]["delta"]["content"]
                .as_str()
                .unwrap_or_default()
        })
        .collect();
    assert!(pieces.contains("The result of 3 * 4 is "), "{pieces}");
    assert!(
        events(&answer)
            .iter()
            .all(|event| event.get("usage").is_none())
    );
    let answer = stream("What is 3 * 4 ?", json!({ "include_usage": true }));
    assert!(
        events(&answer).last().unwrap()["usage"]["total_tokens"]
            .as_u64()
            .unwrap()
            > 0
    );
    // A stream that breaks within says so, and has no end.
    served.stand_in.behave(Behaviour {
        reset: 1.0,
        ..Behaviour::default()
    });
    let answer = stream("What is 3 * 4 ?", Value::Null);
    assert!(!answer.text.contains("[DONE]"));
    assert!(
        events(&answer).last().unwrap()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("broke"),
        "{}",
        answer.text
    );
    // Garbage in the place of a stream: the next model is asked, until none is left.
    served.stand_in.behave(Behaviour {
        garbage: 1.0,
        ..Behaviour::default()
    });
    assert_eq!(
        stream("What is 3 * 4 ?", Value::Null).status,
        StatusCode::BAD_GATEWAY
    );
}

#[test]
fn the_log_of_decisions_is_a_table_and_a_file_of_prompts() {
    let served = Served::new(Behaviour::default(), |_| {});
    for i in 0..10 {
        served.chat("routelab", &format!("What is {i} * 2 ?"));
    }
    served.chat("small", "What is 1 + 1 ?");
    let log = served.folder.path().join("decisions.jsonl");
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while fs::read_to_string(&log).unwrap().lines().count() < 11
        && std::time::Instant::now() < until
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    let loaded =
        load(&DataSpec::read(&served.folder.path().join("decisions.toml")).unwrap()).unwrap();
    assert_eq!((loaded.table.len(), loaded.table.models().len()), (10, 3));
    assert_eq!(loaded.table.quality()[[0, 2]], 0.9);
    let prompts = read_prompts(&log).unwrap();
    assert_eq!(
        (prompts.len(), prompts[3].text.as_str()),
        (11, "What is 3 * 2 ?")
    );

    // Not stored unless asked for.
    let served = Served::new(Behaviour::default(), |options| {
        options.store_prompts = false
    });
    served.chat("routelab", "A secret 2 * 2 ?");
    std::thread::sleep(Duration::from_millis(300));
    let text = fs::read_to_string(served.folder.path().join("decisions.jsonl")).unwrap();
    assert!(
        text.contains("(16 bytes, not stored)") && !text.contains("secret"),
        "{text}"
    );
    let error = read_prompts(&served.folder.path().join("decisions.jsonl"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("kept without prompts"), "{error}");
}

#[test]
fn too_many_requests_at_a_time_are_told_to_come_again() {
    let served = Served::new(
        Behaviour {
            delay: Duration::from_millis(500),
            ..Behaviour::default()
        },
        |options| options.concurrency = 2,
    );
    let refused = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for i in 0..6 {
            let (served, refused) = (&served, &refused);
            scope.spawn(move || {
                let answer = served.chat("routelab", &format!("What is {i} + 1 ?"));
                if answer.status == StatusCode::TOO_MANY_REQUESTS {
                    assert_eq!(answer.header("retry-after"), "1");
                    refused.fetch_add(1, Ordering::Relaxed);
                } else {
                    assert_eq!(answer.status, StatusCode::OK);
                }
            });
        }
    });
    assert_eq!(refused.into_inner(), 4);
}
