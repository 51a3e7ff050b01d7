//! RouterEval.

use crate::common::{File, fails};
use crate::{fixture, uniform};
use ndarray::array;
use routelab_data::{DataSpec, load};

const FILE: &str = "gsm8k_router_dataset.pkl";

fn pool(subset: &str) -> DataSpec {
    DataSpec {
        subset: Some(subset.to_owned()),
        ..uniform("routereval", fixture(FILE))
    }
}

#[test]
fn fixture_reads() {
    let loaded = load(&pool("easy/3/all_strong")).unwrap();
    let table = &loaded.table;
    assert_eq!(table.name(), "gsm8k");
    assert_eq!(
        table.models(),
        [
            "open-llm/model-1b",
            "open-llm/model-2b",
            "open-llm/model-3b"
        ]
    );
    assert_eq!(table.len(), 10);
    assert_eq!(
        table.select(&[0, 1, 2]).ids(),
        ["gsm8k_3", "gsm8k_1", "gsm8k_7"]
    );
    assert_eq!(table.ids()[6], "gsm8k_2");
    assert_eq!(table.prompts()[1], "Question 1 – true or false?");
    assert!(table.tasks().iter().all(|task| task == "gsm8k"));
    // Right where row times (model + 1) is divisible by 3.
    assert_eq!(
        table.quality().slice(ndarray::s![..3, ..]),
        array![[1.0, 1.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
    );
    assert_eq!(loaded.report.rows_read, 10);
    assert_eq!(
        load(&pool("easy/5/strong_to_weak"))
            .unwrap()
            .table
            .models()
            .len(),
        5
    );
}

#[test]
fn the_pool_must_be_one_of_the_file() {
    let pools = "give one of easy/3/all_strong, easy/5/strong_to_weak";
    fails(
        &uniform("routereval", fixture(FILE)),
        &["[data] subset:", "has several pools", pools],
    );
    for subset in [
        "easy/3",
        "easy/3/all_weak",
        "hard/10/all_strong",
        "easy/x/y/z",
        "",
    ] {
        fails(&pool(subset), &[&format!("no pool {subset:?}"), pools]);
    }
}

#[test]
fn costs_must_be_assumed() {
    let spec = DataSpec {
        cost: None,
        ..pool("easy/3/all_strong")
    };
    fails(
        &spec,
        &["[data] cost:", "records no costs, so they must be assumed"],
    );
}

/// A pickle of protocol 4, from text that says what is in it.
fn pickle(text: &str) -> File {
    let mut bytes = b"\x80\x04".to_vec();
    for word in text.split_whitespace() {
        match word {
            "{" => bytes.extend(b"}("),
            "}" => bytes.push(b'u'),
            "[" => bytes.extend(b"]("),
            "]" => bytes.push(b'e'),
            _ => match word.parse::<f64>() {
                Ok(number) => {
                    bytes.push(b'G');
                    bytes.extend(number.to_be_bytes());
                }
                Err(_) => {
                    bytes.extend([0x8c, word.len() as u8]);
                    bytes.extend(word.as_bytes());
                }
            },
        }
    }
    bytes.push(b'.');
    File::new("pool.pkl", bytes)
}

const PARTS: &str = "prompt { train_prompt [ p q ] val_prompt [ ] test_prompt [ r ] }";

#[test]
fn a_file_of_one_pool_with_costs() {
    let file = pickle(&format!(
        "{{ model [ a b ] {PARTS} data {{ train_score [ [ 1 0.5 ] [ 0 1 ] ] val_score [ ] test_score [ [ 0 0 ] ]
         train_cost [ [ 0.25 1 ] [ 0.5 0.75 ] ] val_cost [ ] test_cost [ [ 0 1 ] ] }} }}"
    ));
    let loaded = load(&file.spec("routereval")).unwrap();
    let table = &loaded.table;
    assert_eq!(table.ids(), ["pool_train_0", "pool_train_1", "pool_test_0"]);
    assert_eq!(table.quality(), array![[1.0, 0.5], [0.0, 1.0], [0.0, 0.0]]);
    assert_eq!(table.cost(), array![[0.25, 1.0], [0.5, 0.75], [0.0, 1.0]]);
    assert_eq!(table.cost_unit().name, "log-normalised cost");
}

#[test]
fn malformed_twins() {
    let with = |rest: &str| pickle(&format!("{{ {PARTS} {rest} }}"));
    let scores = "val_score [ ] test_score [ [ 0 ] ]";
    for (content, part) in [
        (
            format!("model [ a ] data {{ {scores} }}"),
            "a dictionary with the key \"train_score\"",
        ),
        (
            format!("data {{ train_score [ ] {scores} }}"),
            "a dictionary with the key \"model\"",
        ),
        (
            format!("model [ a ] data {{ train_score [ [ 1 ] ] {scores} }}"),
            "train_score is not a matrix of 2 queries x 1 models",
        ),
        (
            format!("model [ a ] data {{ train_score [ [ 1 ] [ 1 0 ] ] {scores} }}"),
            "train_score is not a matrix of 2 queries x 1 models",
        ),
        (
            format!("model [ a ] data {{ train_score [ [ 1 ] [ 7 ] ] {scores} }}"),
            "pool.pkl, row 2, column \"train_score\": found 7, expected a quality",
        ),
        (
            format!("model [ a ] data {{ train_score [ [ 1 ] [ [ 7 ] ] ] {scores} }}"),
            "train_score, row 2: found a list, expected a number",
        ),
    ] {
        let file = with(&content);
        fails(&uniform("routereval", &file.path), &[part]);
    }
    fails(
        &uniform("routereval", fixture("routerbench_raw.pkl")),
        &["[data] subset:", "the file has several pools"],
    );
}
