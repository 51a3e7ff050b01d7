//! Collections against a stand-in that counts what it would charge, and fails as it is told.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use routelab_data::{DataSpec, load};
use routelab_service::stand_in::{Behaviour, StandIn};
use routelab_service::{Collection, Money, Request, ServiceError, Summary, Terms};

struct Place {
    folder: tempfile::TempDir,
    stand_in: StandIn,
}

/// The pool: two models behind the stand-in, and a judge.
fn pool(url: &str, more: &str) -> String {
    let model = |table: &str, name: &str, input: f64, output: f64| {
        format!(
            "[[{table}]]\nname = \"{name}\"\nendpoint = \"local\"\nmax_tokens = 64\nprices = {{ input = {input}, output = {output} }}\n"
        )
    };
    format!("[endpoint.local]\nurl = \"{url}\"\nconcurrency = 4\ntimeout = 1\n{more}\n")
        + &model("model", "small", 1.0, 2.0)
        + &model("model", "large", 10.0, 40.0)
        + &model("judge", "judge-large", 5.0, 5.0)
}

impl Place {
    fn new(behaviour: Behaviour, prompts: usize, more: &str) -> Self {
        let stand_in =
            StandIn::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), behaviour).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let lines: String = (0..prompts)
            .map(|i| {
                let sign = if i % 2 == 0 { '+' } else { '*' };
                let value = if i % 2 == 0 { i + 7 } else { i * 7 };
                format!("{{\"prompt\": \"What is {i} {sign} 7 ?\", \"reference\": {value}, \"task\": \"sums\"}}\n")
            })
            .collect();
        fs::write(folder.path().join("prompts.jsonl"), lines).unwrap();
        fs::write(folder.path().join("pool.toml"), pool(&stand_in.url(), more)).unwrap();
        fs::write(
            folder.path().join("grading.toml"),
            "[default]\nkind = \"number\"\n",
        )
        .unwrap();
        Self { folder, stand_in }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn request(&self, terms: Terms) -> Request {
        Request {
            prompts: self.file("prompts.jsonl"),
            pool: self.file("pool.toml"),
            grading: Some(self.file("grading.toml")),
            out: self.file("out"),
            repetitions: 1,
            terms,
        }
    }

    fn collect(&self, terms: Terms) -> Result<Summary, ServiceError> {
        Collection::open(&self.request(terms))?.make(&|_| {})
    }
}

fn dollars(amount: f64) -> Money {
    Money::from_dollars(amount).unwrap()
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn answers_are_collected_once_graded_and_read_as_a_table() {
    let place = Place::new(Behaviour::default(), 40, "");
    let collection = Collection::open(&place.request(Terms::default())).unwrap();
    let estimate = collection.estimate().unwrap();
    assert_eq!((estimate.calls, estimate.answered), (80, 0));
    let summary = collection.make(&|_| {}).unwrap();
    assert_eq!(
        (summary.answered, summary.left, summary.unknown),
        (80, 0, 0)
    );
    assert!(
        summary.spent > Money::ZERO && summary.spent <= estimate.at_most,
        "{summary:?}"
    );
    let counts = place.stand_in.counts();
    assert_eq!((counts.charged, counts.questions, counts.most), (80, 80, 1));

    let table = load(&DataSpec::read(&place.file("out")).unwrap())
        .unwrap()
        .table;
    assert_eq!(table.models(), ["small", "large"]);
    assert_eq!(table.len(), 40);
    // Sums are for the small model, products for the large one only.
    let mean = |model: usize, odd: usize| {
        let rows = (odd..40).step_by(2);
        rows.map(|row| table.quality()[[row, model]]).sum::<f64>() / 20.0
    };
    assert!(mean(0, 0) > 0.8 && mean(0, 1) < 0.3 && mean(1, 1) > 0.6);
    let total: f64 = table.cost().sum();
    assert!((total - summary.spent.dollars()).abs() < 1e-12);
    let card = fs::read_to_string(place.file("out/README.md")).unwrap();
    assert!(
        card.contains("40 prompts, 2 models") && card.contains("grading (`grading.toml`): number"),
        "{card}"
    );

    // Again: nothing is asked, and the bytes of the table are the same.
    let before = fs::read(place.file("out/table.parquet")).unwrap();
    let summary = place.collect(Terms::default()).unwrap();
    assert_eq!(summary.answered, 80);
    assert_eq!(place.stand_in.counts(), counts);
    assert_eq!(fs::read(place.file("out/table.parquet")).unwrap(), before);
}

#[test]
fn more_prompts_and_repetitions_ask_only_what_is_new() {
    let place = Place::new(Behaviour::default(), 10, "");
    place.collect(Terms::default()).unwrap();
    let text = fs::read_to_string(place.file("prompts.jsonl")).unwrap();
    fs::write(
        place.file("prompts.jsonl"),
        text + "{\"prompt\": \"What is 50 + 50 ?\", \"reference\": 100}\n",
    )
    .unwrap();
    let request = Request {
        repetitions: 3,
        ..place.request(Terms::default())
    };
    let summary = Collection::open(&request).unwrap().make(&|_| {}).unwrap();
    assert_eq!(summary.answered, 11 * 2 * 3);
    let counts = place.stand_in.counts();
    assert_eq!((counts.charged, counts.questions, counts.most), (66, 22, 3));
    // A table for every answer; the mean of them is the table.
    let whole = load(&DataSpec::new("routelab", place.file("out/table.parquet")))
        .unwrap()
        .table;
    let mut sum = ndarray::Array2::<f64>::zeros(whole.quality().raw_dim());
    for repetition in 1..=3 {
        let one = load(&DataSpec::new(
            "routelab",
            place.file(&format!("out/answers/{repetition}.parquet")),
        ))
        .unwrap();
        assert!(
            one.table
                .quality()
                .iter()
                .all(|&quality| quality == 0.0 || quality == 1.0)
        );
        sum += &one.table.quality();
    }
    assert!(
        (&(sum / 3.0) - &whole.quality())
            .iter()
            .all(|difference| difference.abs() < 1e-12)
    );
}

#[test]
fn failures_lose_nothing_and_charge_nothing_twice() {
    let behaviour = Behaviour {
        hang: 0.04,
        reset: 0.08,
        garbage: 0.08,
        limited: 0.02,
        broken: 0.08,
        ..Behaviour::default()
    };
    let place = Place::new(behaviour, 40, "idempotent = true\nattempts = 12");
    let summary = place.collect(Terms::default()).unwrap();
    assert_eq!(
        (summary.answered, summary.unknown, summary.possible),
        (80, 0, Money::ZERO)
    );
    let counts = place.stand_in.counts();
    assert!(counts.failed > 10, "{counts:?}");
    assert_eq!(
        (counts.charged, counts.questions, counts.most),
        (80, 80, 1),
        "{counts:?}"
    );
}

#[test]
fn without_idempotency_what_may_have_been_charged_is_asked_again_only_when_told() {
    let place = Place::new(
        Behaviour {
            garbage: 0.2,
            broken: 0.1,
            ..Behaviour::default()
        },
        40,
        "",
    );
    let summary = place.collect(Terms::default()).unwrap();
    assert!(
        summary.unknown > 5 && summary.answered + summary.unknown == 80,
        "{summary:?}"
    );
    assert!(summary.possible > Money::ZERO);
    assert_eq!(place.stand_in.counts().charged, 80);
    place.stand_in.behave(Behaviour::default());
    let again = place.collect(Terms::default()).unwrap();
    assert_eq!(
        (again.answered, again.unknown),
        (summary.answered, summary.unknown)
    );
    assert_eq!(place.stand_in.counts().charged, 80);
    let told = place
        .collect(Terms {
            retry_unknown: true,
            ..Terms::default()
        })
        .unwrap();
    assert_eq!((told.answered, told.unknown), (80, 0));
    // The first attempts may have been charged, too, and stay in the account.
    assert_eq!(told.possible, summary.possible);
}

#[test]
fn the_cap_is_never_passed_and_what_it_left_is_asked_later() {
    let place = Place::new(
        Behaviour {
            delay: Duration::from_millis(2),
            ..Behaviour::default()
        },
        40,
        "",
    );
    let cap = dollars(0.02);
    let terms = Terms {
        cap: Some(cap),
        ..Terms::default()
    };
    let most = std::sync::Mutex::new(Money::ZERO);
    let collection = Collection::open(&place.request(terms)).unwrap();
    let error = collection
        .make(&|status| {
            let mut most = most.lock().unwrap();
            *most = (*most).max(status.spent + status.possible);
        })
        .unwrap_err();
    assert!(
        matches!(error, ServiceError::Cap { left, .. } if left > 0),
        "{error}"
    );
    assert!(*most.lock().unwrap() <= cap);
    // What there is makes a table.
    assert!(place.file("out/table.parquet").exists());
    let counted = |event: &str| {
        let lines = lines(&place.file("out/journal.jsonl"));
        lines.iter().filter(|line| line["event"] == event).count()
    };
    let first = counted("answered");
    assert!(first > 0 && first < 80, "{first}");
    // With the same cap nothing more, or next to nothing; with a larger one the rest.
    assert!(place.collect(terms).is_err());
    let summary = place
        .collect(Terms {
            cap: Some(dollars(1.0)),
            ..Terms::default()
        })
        .unwrap();
    assert_eq!(summary.answered, 80);
    assert_eq!(place.stand_in.counts().most, 1);
}

#[test]
fn a_judge_has_an_account_of_its_own_and_grading_again_asks_no_candidate() {
    let place = Place::new(Behaviour::default(), 10, "");
    fs::write(
        place.file("judge.toml"),
        "[default]\nkind = \"judge\"\njudge = \"judge-large\"\nrubric = \"The result is right.\"\n",
    )
    .unwrap();
    let first = place.collect(Terms::default()).unwrap();
    assert_eq!(first.judges, Money::ZERO);
    let asked = place.stand_in.counts().charged;
    let grade = |rules: Option<&str>| {
        let rules = rules.map(|rules| place.file(rules));
        let collection =
            Collection::reopen(&place.file("out"), rules.as_deref(), Terms::default()).unwrap();
        let judges = collection.estimate().unwrap().judges;
        (collection.make(&|_| {}).unwrap(), judges)
    };
    let (judged, estimate) = grade(Some("judge.toml"));
    assert!(judged.judges > Money::ZERO && judged.judges <= estimate);
    assert_eq!((judged.spent, judged.ungraded), (first.spent, 0));
    assert_eq!(place.stand_in.counts().charged, asked + 20);
    let scores: Vec<f64> = lines(&place.file("out/grades.jsonl"))
        .iter()
        .map(|line| line["score"].as_f64().unwrap())
        .collect();
    assert!(
        scores.iter().all(|score| [0.2, 0.9].contains(score)),
        "{scores:?}"
    );
    // By the rules of before: nothing is asked.
    let (again, estimate) = grade(None);
    assert_eq!((again.judges, estimate), (judged.judges, Money::ZERO));
    grade(Some("grading.toml"));
    assert_eq!(place.stand_in.counts().charged, asked + 20);
}

#[test]
fn what_cannot_work_is_said_before_anything_is_asked() {
    let place = Place::new(
        Behaviour::default(),
        4,
        "key_env = \"ROUTELAB_TEST_NO_SUCH_KEY\"",
    );
    let error = place.collect(Terms::default()).unwrap_err().to_string();
    assert!(error.contains("ROUTELAB_TEST_NO_SUCH_KEY"), "{error}");
    assert!(!place.file("out").exists());
    let place = Place::new(Behaviour::default(), 4, "");
    fs::create_dir(place.file("out")).unwrap();
    fs::write(place.file("out/mine.txt"), "").unwrap();
    let error = place.collect(Terms::default()).unwrap_err().to_string();
    assert!(error.contains("other files"), "{error}");
    // A model that the endpoint does not have ends it at once.
    let place = Place::new(Behaviour::default(), 40, "");
    let text = fs::read_to_string(place.file("pool.toml")).unwrap();
    fs::write(
        place.file("pool.toml"),
        text.replace("name = \"small\"", "name = \"small\"\nid = \"unknown\""),
    )
    .unwrap();
    let error = place.collect(Terms::default()).unwrap_err().to_string();
    assert!(
        error.contains("refuses the model \"small\"") && error.contains("does not exist"),
        "{error}"
    );
    assert!(place.stand_in.counts().requests < 20);
}

#[test]
fn a_prompt_that_is_refused_is_a_gap() {
    let place = Place::new(Behaviour::default(), 10, "");
    let text = fs::read_to_string(place.file("prompts.jsonl")).unwrap();
    fs::write(
        place.file("prompts.jsonl"),
        text + "{\"prompt\": \"REFUSE 1 + 1 ?\", \"reference\": 2}\n",
    )
    .unwrap();
    let summary = place.collect(Terms::default()).unwrap();
    assert_eq!((summary.answered, summary.refused), (20, 2));
    assert_eq!(summary.table.unwrap().queries, 10);
}
