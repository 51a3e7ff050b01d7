//! From prompts to a router in service, with the program: kills, keys, signals, and every command of the page.
#![allow(clippy::print_stderr, reason = "a test prints as it likes")]

mod common;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{arg, files, repository, says};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_service::stand_in::{Behaviour, StandIn};
use serde_json::Value;

/// Prompts of the collection that is killed.
const PROMPTS: usize = 800;
/// Kills of one collection.
const KILLS: usize = 10;
/// A key that must stand nowhere.
const KEY: &str = "sk-0123456789abcdef-secret";

/// A folder with prompts, a pool of three models behind a stand-in, and grading rules.
struct Place {
    folder: tempfile::TempDir,
    stand_in: StandIn,
}

impl Place {
    fn new(behaviour: Behaviour, prompts: usize) -> Self {
        let stand_in =
            StandIn::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), behaviour).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let lines: String = (0..prompts)
            .map(|i| match i % 2 {
                0 => format!("{{\"prompt\": \"What is {i} + 7 ?\", \"reference\": {}, \"task\": \"sum\"}}\n", i + 7),
                _ => format!("{{\"prompt\": \"Multiply: {i} * 7 ?\", \"reference\": {}, \"task\": \"product\"}}\n", i * 7),
            })
            .collect();
        let models: String = [("small", 0.1), ("medium", 0.5), ("large", 3.0)]
            .iter()
            .map(|(name, price)| {
                format!("[[model]]\nname = \"{name}\"\nendpoint = \"local\"\nmax_tokens = 64\nprices = {{ input = {price}, output = {} }}\n", 4.0 * price)
            })
            .collect();
        let url = stand_in.url();
        let endpoint = format!(
            "[endpoint.local]\nurl = \"{url}\"\nkey_env = \"TEST_KEY\"\nidempotent = true\nconcurrency = 8\n"
        );
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("prompts.jsonl", &lines);
        write("pool.toml", &(endpoint + &models));
        write("grading.toml", "[default]\nkind = \"number\"\n");
        Self { folder, stand_in }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_routelab"));
        command
            .current_dir(self.folder.path())
            .env("TEST_KEY", KEY)
            .args(args);
        command
    }

    fn collect(&self, more: &[&str]) -> Command {
        let mut args = vec![
            "collect",
            "prompts.jsonl",
            "--pool",
            "pool.toml",
            "--grading",
            "grading.toml",
            "--out",
            "mine",
        ];
        args.extend(more);
        self.command(&args)
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn works(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", told(&output));
    told(&output)
}

#[test]
fn ten_kills_of_a_collection_repeat_no_call_and_lose_none() {
    let place = Place::new(
        Behaviour {
            delay: Duration::from_millis(25),
            key: Some(KEY.to_owned()),
            ..Behaviour::default()
        },
        PROMPTS,
    );
    let calls = PROMPTS * 3;
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    for kill in 0..KILLS {
        let before = place.stand_in.counts().requests;
        let mut child = place
            .collect(&["--yes", "--quiet"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Before the first call, or after some.
        let more = rng.random_range(0..200);
        while place.stand_in.counts().requests < before + more {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended before kill {kill}: {ended:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(rng.random_range(0..50_000)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let killed = place.stand_in.counts();
    eprintln!("{KILLS} kills, then {killed:?}");
    assert!(killed.charged > 0 && killed.charged < calls, "{killed:?}");
    let summary: Value =
        serde_json::from_str(&works(place.collect(&["--yes", "--quiet", "--json"]))).unwrap();
    assert_eq!(
        (&summary["answered"], &summary["unknown"], &summary["left"]),
        (&calls.into(), &0.into(), &0.into())
    );
    let counts = place.stand_in.counts();
    eprintln!("at the end {counts:?}");
    // Every question was charged once, however often a kill came between it and its answer.
    assert_eq!(
        (counts.charged, counts.questions, counts.most),
        (calls, calls, 1),
        "{counts:?}"
    );
    // And the journal has each answer once.
    let journal = fs::read_to_string(place.path("mine/journal.jsonl")).unwrap();
    let answered = journal
        .lines()
        .filter(|line| line.contains("\"event\":\"answered\""))
        .count();
    assert_eq!(answered, calls);
}

/// Every file under a folder that has a text in it.
fn with_text(folder: &Path, text: &str) -> Vec<String> {
    let all = files(folder, &[""]);
    let has = |bytes: &[u8]| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    all.into_iter()
        .filter(|(_, bytes)| has(bytes))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn the_key_stands_in_no_file_and_in_no_message() {
    // The endpoint repeats the key that it refuses, as some do.
    let place = Place::new(
        Behaviour {
            key: Some("another".to_owned()),
            ..Behaviour::default()
        },
        20,
    );
    let output = place.collect(&["--yes"]).output().unwrap();
    let message = told(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    says(
        &message,
        &[
            "refuses the model",
            "Incorrect API key provided: [key]",
            "TEST_KEY",
        ],
    );
    place.stand_in.behave(Behaviour {
        key: Some(KEY.to_owned()),
        ..Behaviour::default()
    });
    let mut all = message + &works(place.collect(&["--yes"]));
    all += &works(place.command(&[
        "run",
        "mine/experiment.toml",
        "--out",
        "runs",
        "--seeds",
        "1",
    ]));
    let mut server = Server::start(
        &place,
        &["--decisions", "log/decisions.jsonl", "--store-prompts"],
    );
    place.stand_in.behave(Behaviour {
        key: Some("another".to_owned()),
        ..Behaviour::default()
    });
    let (status, answer) = server.chat("What is 1 + 2 ?");
    assert_eq!(status, 502, "{answer}");
    says(&answer, &["Incorrect API key provided: [key]"]);
    all += &answer;
    all += &server.stop();
    assert!(!all.contains(KEY), "{all}");
    assert!(place.path("log/decisions.jsonl").exists());
    assert_eq!(with_text(place.folder.path(), KEY), Vec::<String>::new());
    assert!(
        !with_text(place.folder.path(), "TEST_KEY").is_empty(),
        "the search finds what is there"
    );
}

#[test]
fn money_is_asked_for_and_the_cap_is_an_error_with_a_way_on() {
    let place = Place::new(Behaviour::default(), 20);
    let refused = |more: &[&str], code: i32| {
        let output = place.collect(more).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", told(&output));
        told(&output)
    };
    says(
        &refused(&[], 2),
        &["60 calls to make", "at most $", "nobody is there", "--yes"],
    );
    assert_eq!(place.stand_in.counts().requests, 0);
    says(
        &refused(&["--cap", "0.002", "--yes"], 1),
        &["the cap of $0.002", "calls are left", "larger `--cap`"],
    );
    says(&refused(&["--cap=-1", "--yes"], 2), &["US dollars"]);
    says(
        &works(place.collect(&["--yes"])),
        &[
            "60 answers for $",
            "next: routelab run mine/experiment.toml",
        ],
    );
    let mut missing = place.collect(&["--yes"]);
    let output = missing.env_remove("TEST_KEY").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    says(&told(&output), &["TEST_KEY", "is not set"]);
}

/// A `routelab serve` on a free port.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Serves the router of `place`'s run.
    fn start(place: &Place, more: &[&str]) -> Self {
        Self::start_with(place, more, None)
    }

    /// The same, with a token for clients.
    fn start_with(place: &Place, more: &[&str], token: Option<&str>) -> Self {
        use std::io::{BufRead, BufReader};
        let mut args = vec![
            "serve",
            "runs/mine/models/linear",
            "--pool",
            "pool.toml",
            "--port",
            "0",
        ];
        args.extend(more);
        let mut command = place.command(&args);
        if let Some(token) = token {
            command.env("ROUTELAB_TOKEN", token);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http"));
        let url = url.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, url }
    }

    fn chat(&self, text: &str) -> (u16, String) {
        let body = serde_json::json!({ "model": "routelab", "messages": [{ "role": "user", "content": text }] });
        post(&format!("{}/chat/completions", self.url), &body.to_string())
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(done.success());
    }

    /// Stops it, and gives what it said.
    fn stop(&mut self) -> String {
        use std::io::Read;
        self.signal("-TERM");
        assert!(self.child.wait().unwrap().success());
        let mut text = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Posts JSON with curl, and gives the status and the body.
fn post(url: &str, body: &str) -> (u16, String) {
    let output = Command::new("curl")
        .args([
            "-sS",
            "-w",
            "\n%{http_code}",
            "-H",
            "Content-Type: application/json",
            "-d",
            body,
            url,
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text
        .rsplit_once('\n')
        .unwrap_or_else(|| panic!("{:?}", output.stderr));
    (status.parse().unwrap(), body.to_owned())
}

#[test]
fn a_reload_drops_no_request_and_a_stop_finishes_what_is_under_way() {
    let place = Place::new(Behaviour::default(), 60);
    works(place.collect(&["--yes"]));
    works(place.command(&[
        "run",
        "mine/experiment.toml",
        "--out",
        "runs",
        "--seeds",
        "1",
    ]));
    let mut server = Server::start(&place, &[]);
    place.stand_in.behave(Behaviour {
        delay: Duration::from_millis(100),
        ..Behaviour::default()
    });
    let until = Instant::now() + Duration::from_secs(4);
    let answered = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4)
            .map(|thread| {
                let server = &server;
                scope.spawn(move || {
                    let mut answered = 0;
                    while Instant::now() < until {
                        let (status, body) =
                            server.chat(&format!("What is {thread} + {answered} ?"));
                        assert_eq!(status, 200, "{body}");
                        answered += 1;
                    }
                    answered
                })
            })
            .collect();
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(600));
            server.signal("-HUP");
        }
        asking
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum::<usize>()
    });
    assert!(answered > 20, "{answered}");
    // A folder that is no router changes nothing.
    fs::rename(
        place.path("runs/mine/models/linear"),
        place.path("runs/mine/models/away"),
    )
    .unwrap();
    server.signal("-HUP");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(server.chat("What is 1 + 1 ?").0, 200);
    // A request under way at the stop is finished.
    place.stand_in.behave(Behaviour {
        delay: Duration::from_millis(1500),
        ..Behaviour::default()
    });
    let said = std::thread::scope(|scope| {
        let url = format!("{}/chat/completions", server.url);
        let slow = scope.spawn(move || post(&url, r#"{"model": "routelab", "messages": [{"role": "user", "content": "What is 2 + 2 ?"}]}"#));
        std::thread::sleep(Duration::from_millis(500));
        let said = server.stop();
        assert_eq!(slow.join().unwrap().0, 200);
        said
    });
    assert!(said.matches("reloaded the router").count() >= 3, "{said}");
    says(
        &said,
        &["was not reloaded, the old one goes on", "stopping"],
    );
}

#[test]
fn only_this_machine_is_served_without_a_token() {
    let place = Place::new(Behaviour::default(), 2);
    let output = place
        .command(&[
            "serve",
            "runs/mine/models/linear",
            "--pool",
            "pool.toml",
            "--host",
            "0.0.0.0",
        ])
        .env_remove("ROUTELAB_TOKEN")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    says(
        &told(&output),
        &["could spend your money", "ROUTELAB_TOKEN"],
    );
}

#[test]
fn the_official_client_of_openai_gets_answers_streams_and_errors() {
    let Some(python) = std::env::var_os("ROUTELAB_OPENAI_PYTHON") else {
        eprintln!("skipped: ROUTELAB_OPENAI_PYTHON names no Python with the package openai");
        return;
    };
    let place = Place::new(Behaviour::default(), 60);
    let pool = fs::read_to_string(place.path("pool.toml")).unwrap();
    fs::write(
        place.path("pool.toml"),
        pool.replace("max_tokens = 64", "max_tokens = 64\nimages = true"),
    )
    .unwrap();
    works(place.collect(&["--yes"]));
    works(place.command(&[
        "run",
        "mine/experiment.toml",
        "--out",
        "runs",
        "--seeds",
        "1",
    ]));
    let token = "a-token-for-clients";
    let mut server = Server::start_with(&place, &[], Some(token));
    let script = repository().join("tests/service/openai_client.py");
    let well = Behaviour::default();
    let all = || ["small", "medium", "large"].map(String::from).to_vec();
    for (case, behaviour) in [
        ("well", well.clone()),
        (
            "down",
            Behaviour {
                down: all(),
                ..well.clone()
            },
        ),
        (
            "limited",
            Behaviour {
                limited: 1.0,
                ..well
            },
        ),
    ] {
        place.stand_in.behave(behaviour);
        let output = Command::new(&python)
            .arg(&script)
            .args([&server.url, token, case])
            .output()
            .unwrap();
        assert!(output.status.success(), "{case}: {}", told(&output));
    }
    server.stop();
}

/// The blocks of shell of the page.
fn blocks(page: &str) -> Vec<String> {
    let parts = page.split("\n```sh\n").skip(1);
    parts
        .map(|part| part.split("\n```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_command_of_the_page_works() {
    let page = fs::read_to_string(repository().join("docs/service.md")).unwrap();
    let blocks = blocks(&page);
    // The first block builds. The program was built with this test; the stand-in is built as the page says.
    let first: Vec<&str> = blocks[0].lines().collect();
    assert_eq!(
        first[0],
        "cargo build --release --features service --bin routelab"
    );
    let build: Vec<&str> = first[1].split_whitespace().collect();
    let built = Command::new(env!("CARGO"))
        .args(&build[1..])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", told(&built));
    // The folder is kept for whoever names one, such as `scripts/bench-service.sh` in CI.
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("ROUTELAB_SERVICE_FOLDER").map(PathBuf::from);
    let folder = kept.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(folder).unwrap();
    let free = || {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
            .to_string()
    };
    let (models, server) = (free(), free());
    let script = blocks[1..]
        .join("\n")
        .replace("8090", &models)
        .replace("8080", &server);
    let script = script.replace(
        "routelab serve ",
        &format!("routelab serve --port {server} "),
    );
    let program = Path::new(env!("CARGO_BIN_EXE_routelab")).parent().unwrap();
    let examples = program.parent().unwrap().join("release/examples");
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("bash")
        // Job control, so that `kill %1` means what it does for a reader.
        .args(["-e", "-m", "-c", &script])
        .current_dir(folder)
        .env(
            "PATH",
            format!("{}:{}:{path}", arg(program), arg(&examples)),
        )
        .output()
        .unwrap();
    let all = told(&output);
    assert!(output.status.success(), "{all}");
    says(
        &all,
        &[
            "1800 answers for $",
            "x-routelab-model: ",
            "\"fallbacks\":",
            "It is 42",
            "300 queries × 3 models",
            "decisions: ",
            "ok",
        ],
    );
    assert!(folder.join("runs/mine/report.html").exists());
    assert!(folder.join("drift/table.parquet").exists());
}
