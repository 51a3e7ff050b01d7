//! Tables with little or nothing to route, and grids with little to sweep: a run goes to its end, report included, or is refused
//! before its first fit, by `--check` as well.

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Output;

use common::{arg, files, routelab};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_routers::Registry;

/// A table and how it is run.
#[derive(Clone, Debug)]
struct Case {
    queries: usize,
    models: usize,
    quality: &'static str,
    cost: &'static str,
    task: &'static str,
    prompt: &'static str,
    split: &'static str,
    train: f64,
    seeds: usize,
    grid: &'static str,
    more: &'static str,
    /// `None`: either.
    ends: Option<bool>,
}

const PLAIN: Case = Case {
    queries: 20,
    models: 3,
    quality: "drawn",
    cost: "apart",
    task: "two",
    prompt: "different",
    split: "in-domain",
    train: 0.4,
    seeds: 2,
    grid: "6",
    more: "",
    ends: Some(true),
};

const QUALITIES: [&str; 6] = ["drawn", "0", "0.5", "1", "own", "first"];
const COSTS: [&str; 8] = [
    "apart", "1", "0", "one free", "close", "tiny", "huge", "wide",
];
const TASKS: [&str; 3] = ["two", "one", "own"];
const PROMPTS: [&str; 3] = ["different", "same", "short"];

impl Case {
    fn table(&self) -> String {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut csv = "sample_id,prompt,eval_name".to_owned();
        for model in 0..self.models {
            write!(csv, ",m{model},m{model}|total_cost").unwrap();
        }
        for row in 0..self.queries {
            let prompt = match self.prompt {
                "same" => "the same question".to_owned(),
                "short" => "a".to_owned(),
                _ => format!("question {row} about {} and {}", row % 3, row * row),
            };
            let task = match self.task {
                "one" => 0,
                "own" => row,
                _ => row % 2,
            };
            write!(csv, "\nq{row},{prompt},task{task}").unwrap();
            for model in 0..self.models {
                let quality = match self.quality {
                    "drawn" => f64::from(rng.random_range(0..2)),
                    "own" => f64::from(u8::from(row % self.models == model)),
                    "first" => f64::from(u8::from(row == 0)),
                    number => number.parse().unwrap(),
                };
                let level = model as f64;
                let cost = match self.cost {
                    "apart" => 1e-4 * 10_f64.powf(level % 6.0) * (1 + row % 3) as f64,
                    "one free" => 0.01 * level,
                    "close" => 1.0 + level * f64::EPSILON,
                    "tiny" => 5e-324 * (level + 1.0),
                    "huge" => 1e300 * (level + 1.0),
                    "wide" => [1e-300, 1.0, 1e300][model % 3],
                    number => number.parse().unwrap(),
                };
                write!(csv, ",{quality},{cost:e}").unwrap();
            }
        }
        csv + "\n"
    }

    fn experiment(&self) -> String {
        let Self {
            split,
            train,
            seeds,
            grid,
            more,
            ..
        } = self;
        let mut text = format!(
            "name = \"small\"\nseeds = {seeds}\n{more}\n[data]\nformat = \"routerbench\"\npath = \"table.csv\"\n[embeddings]\n\
             encoder = \"hashed-ngrams\"\nsettings = {{ dim = 16 }}\n[split]\nkind = \"{split}\"\ntrain = {train:?}\n\
             [evaluation]\nbootstrap = 20\ngrid = {grid}\n[cost]\nepochs = 2\nrank = 4\nhidden = [8]\n\
             [[router]]\nkind = \"oracle\"\n[[router]]\nkind = \"oracle\"\nlabel = \"noisy\"\nnoise = 0.3\n"
        );
        for info in Registry::default().routers() {
            text += &format!("[[router]]\nkind = \"{}\"\n", info.kind);
        }
        text
    }

    /// Runs the table through the program.
    fn holds(&self) {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("table.csv"), self.table()).unwrap();
        let file = place.path().join("small.toml");
        fs::write(&file, self.experiment()).unwrap();
        let out = place.path().join("runs");
        let run = routelab(&["run", arg(&file), "--out", arg(&out)]);
        let check = routelab(&["run", arg(&file), "--out", arg(&out), "--check"]);
        for output in [&run, &check] {
            assert!(
                matches!(output.status.code(), Some(0 | 2)),
                "{self:?}\n{}",
                said(output)
            );
        }
        let ended = run.status.success();
        assert_eq!(
            ended,
            check.status.success(),
            "{self:?}\nrun: {}\ncheck: {}",
            said(&run),
            said(&check)
        );
        if let Some(ends) = self.ends {
            assert_eq!(ended, ends, "{self:?}\n{}", said(&run));
        }
        if !ended {
            let error = said(&run);
            assert!(
                error.contains("error: ") && !error.contains(": fit "),
                "{self:?}: {error}"
            );
            return;
        }
        assert!(out.join("small/report.html").is_file(), "{self:?}");
        no_broken_numbers(&out, &format!("{self:?}"));
        no_broken_number(&String::from_utf8_lossy(&run.stdout), &format!("{self:?}"));
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn no_broken_numbers(folder: &Path, context: &str) {
    let endings = [".csv", ".tsv", ".json", ".svg", ".md", ".tex", ".html"];
    let files = files(folder, &endings);
    assert!(files.len() > 10, "{context}");
    for (name, bytes) in files {
        let mut text = String::from_utf8(bytes).unwrap();
        // What has no limit is a number that programs read.
        if name.ends_with(".csv") {
            text = text.replace("inf", "");
        }
        // The library that draws on the page may speak of what is not a number.
        while let Some(start) = text.find("<script>") {
            let end = start + text[start..].find("</script>").unwrap();
            text.replace_range(start..end, "");
        }
        no_broken_number(&text, &format!("{context}: {name}"));
    }
}

/// No word of a text is what a program makes of a number that is none.
fn no_broken_number(text: &str, context: &str) {
    let broken = ["nan", "NaN", "inf", "-inf"];
    let mut words = text.split(|c: char| !c.is_alphanumeric()).enumerate();
    if let Some((at, word)) = words.find(|(_, word)| broken.contains(word)) {
        panic!("{context}: word {at} is {word}");
    }
}

#[test]
fn every_degenerate_table_goes_through_or_is_refused_before_the_first_fit() {
    let go = |case: Case| Case {
        ends: Some(true),
        ..case
    };
    let refuse = |case: Case| Case {
        ends: Some(false),
        ..case
    };
    let mut cases = vec![
        refuse(Case { models: 1, ..PLAIN }),
        go(Case { models: 2, ..PLAIN }),
        go(Case {
            queries: 6,
            models: 25,
            ..PLAIN
        }),
        go(Case {
            queries: 2,
            train: 0.5,
            ..PLAIN
        }),
        go(Case {
            queries: 2,
            models: 2,
            train: 0.5,
            ..PLAIN
        }),
        refuse(Case {
            queries: 1,
            train: 0.5,
            ..PLAIN
        }),
        go(Case {
            queries: 1,
            train: 1.0,
            split: "train-is-test",
            ..PLAIN
        }),
        refuse(Case {
            task: "one",
            split: "out-of-domain",
            ..PLAIN
        }),
        go(Case {
            cost: "1",
            quality: "1",
            prompt: "same",
            ..PLAIN
        }),
        go(Case {
            cost: "0",
            quality: "0",
            ..PLAIN
        }),
        // Too few training queries to hold some out for a search.
        refuse(Case {
            queries: 3,
            more: "tune = { trials = 2, validation = 0.25 }",
            ..PLAIN
        }),
        go(Case {
            cost: "1",
            more: "tune = { trials = 2, validation = 0.25, metric = \"qnc\" }",
            ..PLAIN
        }),
    ];
    cases.extend(QUALITIES.map(|quality| go(Case { quality, ..PLAIN })));
    cases.extend(COSTS.map(|cost| go(Case { cost, ..PLAIN })));
    cases.extend(TASKS.map(|task| go(Case { task, ..PLAIN })));
    cases.extend(PROMPTS.map(|prompt| go(Case { prompt, ..PLAIN })));
    let grids = [
        ("[0.001, 0.001, 0.01]", true),
        ("[0.01, 0.001]", true),
        ("[0.0, -0.0]", true),
        ("[0.01]", true),
        ("2", true),
        ("[0.01, inf]", false),
        ("[-1.0, 0.01]", false),
        ("[nan]", false),
        ("[]", false),
        ("1", false),
        ("1000000000", false),
    ];
    cases.extend(grids.map(|(grid, ends)| Case {
        grid,
        ends: Some(ends),
        ..PLAIN
    }));
    // Any mixture of these.
    let mut rng = ChaCha8Rng::seed_from_u64(14);
    let mut draw = || {
        let rng = &mut rng;
        Case {
            queries: *[2, 3, 4, 7, 20].choose(rng).unwrap(),
            models: *[1, 2, 2, 3, 8, 25].choose(rng).unwrap(),
            quality: QUALITIES.choose(rng).unwrap(),
            cost: COSTS.choose(rng).unwrap(),
            task: TASKS.choose(rng).unwrap(),
            prompt: PROMPTS.choose(rng).unwrap(),
            split: ["in-domain", "out-of-domain", "train-is-test"]
                .choose(rng)
                .unwrap(),
            train: *[0.2, 0.5, 0.9].choose(rng).unwrap(),
            seeds: *[1, 2].choose(rng).unwrap(),
            grid: ["6", "[1.0, 0.0, 1.0]"].choose(rng).unwrap(),
            ends: None,
            ..PLAIN
        }
    };
    cases.extend((0..16).map(|_| draw()));
    cases.iter().for_each(Case::holds);
}

/// Only routers that fail, or that have no say: there may be nothing to draw, and there is a report all the same.
#[test]
fn runs_of_few_routers_have_a_report() {
    for routers in [
        &["calibrated"][..],
        &["oracle"],
        &["random", "cheapest"],
        &["equirouter"],
    ] {
        let place = tempfile::tempdir().unwrap();
        let case = Case {
            queries: 2,
            train: 0.5,
            ..PLAIN
        };
        fs::write(place.path().join("table.csv"), case.table()).unwrap();
        let whole = case.experiment();
        let mut text = whole[..whole.find("[[router]]").unwrap()].to_owned();
        for kind in routers {
            text += &format!("[[router]]\nkind = \"{kind}\"\n");
        }
        let file = place.path().join("small.toml");
        fs::write(&file, text).unwrap();
        let out = place.path().join("runs");
        let run = routelab(&["run", arg(&file), "--out", arg(&out)]);
        assert!(run.status.success(), "{routers:?}\n{}", said(&run));
        assert!(out.join("small/report.html").is_file(), "{routers:?}");
        let again = routelab(&["report", arg(&out.join("small"))]);
        assert!(again.status.success(), "{routers:?}\n{}", said(&again));
    }
}

/// A pool of one model can be looked at, and so can predictions about it.
#[test]
fn one_model_or_one_query_can_be_inspected_and_evaluated() {
    for (queries, models) in [(1, 1), (1, 2), (20, 1), (2, 2)] {
        for cost in COSTS {
            let place = tempfile::tempdir().unwrap();
            let case = Case {
                queries,
                models,
                cost,
                ..PLAIN
            };
            let at = |name: &str| place.path().join(name);
            fs::write(at("table.csv"), case.table()).unwrap();
            fs::write(
                at("dataset.toml"),
                "format = \"routerbench\"\npath = \"table.csv\"\n",
            )
            .unwrap();
            let mut predictions = "sample_id".to_owned();
            for model in 0..models {
                write!(predictions, ",m{model}|quality,m{model}|cost").unwrap();
            }
            for row in 0..queries {
                write!(predictions, "\nq{row}").unwrap();
                predictions += &",0.5,0".repeat(models);
            }
            fs::write(at("predictions.csv"), predictions + "\n").unwrap();
            let inspect = routelab(&[
                "data",
                "inspect",
                arg(place.path()),
                "--out",
                arg(&at("pictures")),
            ]);
            let evaluate = routelab(&[
                "evaluate",
                "--table",
                arg(&at("table.csv")),
                "--predictions",
                arg(&at("predictions.csv")),
            ]);
            for output in [inspect, evaluate] {
                let context = format!("{queries} queries, {models} models, cost {cost}");
                assert!(output.status.success(), "{context}\n{}", said(&output));
                no_broken_number(&String::from_utf8_lossy(&output.stdout), &context);
            }
        }
    }
}
