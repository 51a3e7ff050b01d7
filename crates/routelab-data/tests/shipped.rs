//! The shipped data sets load as their folders say, and hold what their cards say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use routelab_data::split::{SplitSpec, split};
use routelab_data::{Column, DataSpec, Loaded, RoutingTable, formats, load};

fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets")
}

fn read(path: &str) -> Loaded {
    load(&DataSpec::read(&datasets().join(path)).unwrap()).unwrap()
}

fn mean(table: &RoutingTable, model: &str) -> f64 {
    let column = table.models().iter().position(|name| name == model);
    table.quality().column(column.unwrap()).mean().unwrap()
}

#[track_caller]
fn means(table: &RoutingTable, facts: &[(&str, f64)], digits: i32) {
    for &(model, expected) in facts {
        let found = mean(table, model);
        assert!(
            (found - expected).abs() < 0.5001 * 10_f64.powi(-digits),
            "{model}: {found}"
        );
    }
}

fn counts(names: &Column<String>) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name.as_str()).or_insert(0) += 1;
    }
    counts
}

#[test]
fn reasoning_gym() {
    let loaded = read("reasoning-gym");
    let table = &loaded.table;
    assert_eq!(table.quality().dim(), (9347, 9));
    let facts = [
        ("openai/o3-mini", 0.731),
        ("deepseek/deepseek-r1", 0.677),
        ("google/gemma-3-27b-it", 0.242),
    ];
    means(table, &facts, 3);
    // Nobody recorded these costs: the estimate is said.
    let assumption = table.cost_unit().assumption.as_ref().unwrap();
    assert!(assumption.starts_with("list prices of spring 2025"));
    assert_eq!(counts(table.tasks()).len(), 11);
    // Equal prompts are one group, and stay on one side.
    assert_eq!(counts(table.groups().unwrap()).len(), 9347 - 575);
    let parts = split(table, &SplitSpec::InDomain { train: 0.4 }, 42).unwrap();
    let side = |rows: &[usize]| -> BTreeSet<&String> {
        rows.iter().map(|&row| &table.prompts()[row]).collect()
    };
    assert!(side(&parts.train).is_disjoint(&side(&parts.test)));
}

#[test]
fn swe_bench() {
    let table = read("swe-bench").table;
    assert_eq!(table.quality().dim(), (500, 24));
    let facts = [
        ("claude-opus-4-5-20251101", 0.744),
        ("gemini-3-pro-preview", 0.742),
        ("deepseek-v3.2-reasoner", 0.600),
        ("gpt-5-mini-2025-08-07", 0.598),
    ];
    means(&table, &facts, 3);
    assert_eq!(table.cost_unit().assumption, None);
    let opus = table
        .models()
        .iter()
        .position(|m| m == "claude-opus-4-5-20251101");
    let cost = table.cost().column(opus.unwrap()).mean().unwrap();
    assert!((cost - 0.72).abs() < 0.005, "{cost}");
    assert_eq!(counts(table.tasks()).len(), 12);
    assert_eq!(counts(table.tasks())["swe-django"], 231);
    assert!(table.cost().iter().all(|&cost| cost > 0.0));
}

#[test]
fn bfcl() {
    let table = read("bfcl").table;
    assert_eq!(table.quality().dim(), (1700, 49));
    let facts = [
        ("claude-3-5-sonnet-20240620", 0.9053),
        ("gpt-4o-mini-2024-07-18", 0.8735),
    ];
    means(&table, &facts, 4);
    assert_eq!(counts(table.tasks()).len(), 12);
    let mini = table
        .models()
        .iter()
        .position(|m| m == "gpt-4o-mini-2024-07-18");
    let cost = table.cost().column(mini.unwrap()).mean().unwrap();
    assert!((cost - 0.000_084).abs() < 1e-6, "{cost}");
}

#[test]
fn routerbench_one_per_cent() {
    let table = read("routerbench-1pct").table;
    assert_eq!(table.quality().dim(), (365, 11));
    means(&table, &[("gpt-4-1106-preview", 0.7815)], 4);
    assert_eq!(counts(table.tasks()).len(), 61);
}

/// The costs are marked as assumed, and a query's cost of a model is what the price list says.
#[track_caller]
fn assumed(loaded: &Loaded, table: &str) {
    let unit = loaded.table.cost_unit();
    assert_eq!(unit.name, "US dollars");
    let assumption = unit.assumption.as_ref().unwrap();
    let start = format!("list prices of prices.toml [{table}], 4 characters per prompt token");
    assert!(assumption.starts_with(&start), "{assumption}");
    let note = format!("costs are assumed: {assumption}");
    assert!(loaded.report.notes.contains(&note));
    let files = &loaded.report.files;
    assert!(files.last().unwrap().path.ends_with("prices.toml"));
}

#[test]
fn every_folder_is_of_a_format_that_says_so() {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(datasets()).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let spec = DataSpec::read(&folder).unwrap();
        let format = formats().iter().find(|format| format.name == spec.format);
        assert!(format.unwrap().shipped.contains(&name.as_str()), "{name}");
        assert_eq!(spec.name.as_deref(), Some(name.as_str()));
        assert!(folder.join("README.md").is_file(), "{name} has no card");
        found.insert(name);
    }
    let listed: BTreeSet<String> = formats()
        .iter()
        .flat_map(|format| &format.shipped)
        .map(ToString::to_string)
        .collect();
    assert_eq!(found, listed);
}

#[test]
fn dynamath() {
    let loaded = read("dynamath");
    let table = &loaded.table;
    assert_eq!(table.quality().dim(), (2004, 14));
    let facts = [
        ("claude3.5", 0.646),
        ("GPT4o", 0.633),
        ("Gemini1.5-Pro", 0.604),
        ("InternVL2-76B", 0.532),
        ("llava1.5-7B", 0.171),
    ];
    means(table, &facts, 3);
    assumed(&loaded, "dynamath");
    assert_eq!(table.ids()[0], "1_1");
    assert_eq!(counts(table.tasks())["statistics"], 500);
    assert!(table.images().unwrap().iter().all(Option::is_some));
    // The first prompt has 134 characters: 34 tokens, and 765 of the image.
    assert_eq!(table.prompts()[0].chars().count(), 134);
    let gpt = table.models().iter().position(|model| model == "GPT4o");
    let cost = table.cost()[[0, gpt.unwrap()]];
    assert!((cost - (799.0 * 2.5 + 300.0 * 10.0) / 1e6).abs() < 1e-15);
}

#[test]
fn variants_of_a_dynamath_question_stay_together() {
    let table = read("dynamath").table;
    let groups = table.groups().unwrap();
    assert_eq!(counts(groups).len(), 501);
    assert!(counts(groups).values().all(|&count| count == 4));
    let parts = split(&table, &SplitSpec::InDomain { train: 0.2 }, 42).unwrap();
    let side =
        |rows: &[usize]| -> BTreeSet<&String> { rows.iter().map(|&row| &groups[row]).collect() };
    assert!(side(&parts.train).is_disjoint(&side(&parts.test)));
}

#[test]
fn logicvista() {
    let loaded = read("logicvista");
    let table = &loaded.table;
    assert_eq!(table.quality().dim(), (448, 13));
    means(
        table,
        &[("GPT4", 0.326), ("LLAVA7B", 0.292), ("deplot", 0.002)],
        3,
    );
    assumed(&loaded, "logicvista");
    let tasks = [
        ("deductive", 93),
        ("inductive", 107),
        ("mechanical", 74),
        ("numerical", 95),
        ("spatial", 79),
    ];
    assert_eq!(counts(table.tasks()), BTreeMap::from(tasks));
    // One question is only in its image.
    let blank: Vec<usize> = (0..table.len())
        .filter(|&row| table.prompts()[row].is_empty())
        .collect();
    assert_eq!(blank.len(), 1);
    assert_eq!(table.ids()[blank[0]], "v1_382");
    assert!(table.images().unwrap()[blank[0]].is_some());
}

#[test]
fn llmrouter() {
    let loaded = read("llmrouter");
    let table = &loaded.table;
    assert_eq!(table.quality().dim(), (6108, 9));
    assert_eq!(
        (table.ids()[0].as_str(), table.ids()[6107].as_str()),
        ("train_1", "test_500")
    );
    assumed(&loaded, "llmrouter");
    let train = table.select(&(0..5608).collect::<Vec<_>>());
    let facts = [
        ("llama-3.1-nemotron-51b-instruct", 0.6213),
        ("llama3-chatqa-1.5-8b", 0.1751),
    ];
    means(&train, &facts, 4);
    let test = table.select(&(5608..6108).collect::<Vec<_>>());
    means(&test, &[("llama-3.1-nemotron-51b-instruct", 0.5626)], 4);
}

#[test]
fn routellm() {
    let loaded = read("routellm");
    let table = &loaded.table;
    assert_eq!(table.quality().dim(), (15_361, 2));
    assumed(&loaded, "routellm");
    assert_eq!(counts(table.tasks()).len(), 58);
    let rows = |gsm8k: bool| -> Vec<usize> {
        (0..table.len())
            .filter(|&row| (table.tasks()[row] == "gsm8k") == gsm8k)
            .collect()
    };
    let gsm8k = table.select(&rows(true));
    let mmlu = table.select(&rows(false));
    assert_eq!((mmlu.len(), gsm8k.len()), (14_042, 1319));
    let mixtral = "mistralai/Mixtral-8x7B-Instruct-v0.1";
    means(
        &mmlu,
        &[(mixtral, 0.6808), ("gpt-4-1106-preview", 0.8058)],
        4,
    );
    means(
        &gsm8k,
        &[(mixtral, 0.6384), ("gpt-4-1106-preview", 0.8567)],
        4,
    );
    // Prompts repeat, which the ids must survive.
    let distinct: BTreeSet<&String> = mmlu.prompts().iter().collect();
    assert_eq!(mmlu.len() - distinct.len(), 105);
    let only = DataSpec {
        tasks: Some(vec!["gsm8k".to_owned()]),
        ..DataSpec::read(&datasets().join("routellm")).unwrap()
    };
    assert_eq!(
        load(&only).unwrap().table.content_hash(),
        gsm8k.content_hash()
    );
}

#[test]
fn zeroeval() {
    for (file, queries, models, best, quality) in [
        (
            "zeroeval/gsm.toml",
            1319,
            43,
            "claude-3-5-sonnet-20241022",
            0.9666,
        ),
        (
            "zeroeval/crux.toml",
            800,
            51,
            "o1-preview-2024-09-12",
            0.9588,
        ),
        (
            "zeroeval/math-l5.toml",
            721,
            41,
            "o1-mini-2024-09-12",
            0.8932,
        ),
        ("zeroeval", 2840, 28, "o1-mini-2024-09-12", 0.9370),
    ] {
        let loaded = read(file);
        let table = &loaded.table;
        assert_eq!(table.quality().dim(), (queries, models), "{file}");
        means(table, &[(best, quality)], 4);
        assert_eq!(table.cost_unit().name, "output characters");
        assert_eq!(table.cost_unit().assumption, None);
        assert_eq!(loaded.report.missing_cells, 0);
    }
    let common = read("zeroeval").table;
    assert_eq!(
        counts(common.tasks()),
        BTreeMap::from([("crux", 800), ("gsm", 1319), ("math-l5", 721)])
    );
}

#[test]
fn the_models_left_out_of_zeroeval_are_those_with_missing_answers() {
    for (file, incomplete) in [
        ("zeroeval/gsm.toml", 638),
        ("zeroeval/math-l5.toml", 296),
        ("zeroeval", 653),
    ] {
        let spec = DataSpec {
            exclude_models: Vec::new(),
            missing: routelab_data::Missing::DropQuery,
            ..DataSpec::read(&datasets().join(file)).unwrap()
        };
        assert_eq!(
            load(&spec).unwrap().report.dropped_queries,
            incomplete,
            "{file}"
        );
    }
}

#[test]
fn mmlu_pro() {
    let loaded = read("mmlu-pro");
    let table = &loaded.table;
    assert_eq!(table.quality().dim(), (12_002, 28));
    assert_eq!(loaded.report.missing_cells, 0);
    let facts = [
        ("gemini-1.5-pro-002", 0.7024),
        ("Meta-Llama-3_1-70B-Instruct", 0.6282),
        ("Llama-2-7b-hf", 0.1836),
    ];
    means(table, &facts, 4);
    assert_eq!(table.cost_unit().name, "output characters");
    assert_eq!(
        (counts(table.tasks()).len(), counts(table.tasks())["math"]),
        (14, 1351)
    );
    assert_eq!(table.ids()[0], "70");
    let prompt = &table.prompts()[0];
    assert!(prompt.starts_with("Typical advertising regulatory bodies suggest"));
    assert!(
        prompt
            .contains("offence.\nA. Safe practices, Fear, Jealousy, Trivial\nB. Unsafe practices")
    );
    let distinct: BTreeSet<&String> = table.prompts().iter().collect();
    assert!(distinct.len() < table.len());
    let questions: BTreeSet<&str> = table
        .prompts()
        .iter()
        .filter_map(|prompt| prompt.split("\nA. ").next())
        .collect();
    assert_eq!(table.len() - questions.len(), 388);
}
