//! A table that exists is sound.

mod common;

use ndarray::{Array2, array};
use routelab_data::{CostUnit, RoutingTable, RoutingTableParts};

fn parts() -> RoutingTableParts {
    let texts = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
    RoutingTableParts {
        name: "test".to_owned(),
        models: ["small", "mid", "large"].map(str::to_owned).to_vec(),
        ids: texts(["a", "b"]),
        prompts: texts(["p", "q"]),
        tasks: texts(["t", "t"]),
        images: Vec::new(),
        groups: None,
        quality: Array2::ones((2, 3)),
        cost: Array2::zeros((2, 3)),
        cost_unit: CostUnit::recorded("US dollars"),
    }
}

#[track_caller]
fn refused(change: impl FnOnce(&mut RoutingTableParts), expected: &str) {
    let mut parts = parts();
    change(&mut parts);
    let message = RoutingTable::new(parts).unwrap_err().to_string();
    assert!(
        message.contains(expected),
        "{expected:?} is not in: {message}"
    );
}

#[test]
fn sound_parts_make_a_table() {
    let table = RoutingTable::new(parts()).unwrap();
    assert_eq!(
        (table.len(), table.models().len(), table.images()),
        (2, 3, None)
    );
}

#[test]
fn negative_zero_is_zero() {
    let plain = RoutingTable::new(parts()).unwrap();
    let negative = RoutingTable::new(RoutingTableParts {
        cost: -Array2::<f64>::zeros((2, 3)),
        ..parts()
    })
    .unwrap();
    assert_eq!(plain, negative);
    assert_eq!(plain.content_hash(), negative.content_hash());
}

#[test]
fn unsound_parts_are_refused() {
    refused(
        |parts| parts.models.clear(),
        "2 queries and 0 models; a routing table needs at least one of each",
    );
    refused(|parts| parts.ids.clear(), "0 queries and 3 models");
    refused(
        |parts| drop(parts.prompts.pop()),
        "`prompts` has 1 entries but the table has 2 queries",
    );
    refused(
        |parts| parts.tasks.push("t".to_owned()),
        "`tasks` has 3 entries",
    );
    refused(|parts| parts.images = vec![None], "`images` has 1 entries");
    refused(
        |parts| parts.groups = Some(Vec::new()),
        "`groups` has 0 entries",
    );
    refused(
        |parts| parts.quality = Array2::ones((3, 2)),
        "`quality` is 3 x 2 but the table has 2 queries x 3 models",
    );
    refused(|parts| parts.cost = Array2::ones((2, 2)), "`cost` is 2 x 2");
    refused(
        |parts| parts.ids[1] = "a".to_owned(),
        "queries 1 and 2 (counted from 1) both have the id \"a\"",
    );
    refused(
        |parts| parts.models[2] = "small".to_owned(),
        "models 1 and 3 (counted from 1) are both called \"small\"",
    );
    refused(
        |parts| parts.models[2].clear(),
        "model 3 (counted from 1) is empty",
    );
    refused(
        |parts| parts.tasks[1].clear(),
        "task 2 (counted from 1) is empty",
    );
    refused(
        |parts| parts.prompts[1].clear(),
        "query 2 (counted from 1, id \"b\") has neither a prompt nor an image",
    );
    for value in [1.7, -0.1, f64::NAN, f64::INFINITY] {
        let expected = format!(
            "quality of model \"large\" on query 2 (counted from 1, id \"b\") is {value}; expected a number from 0 to 1"
        );
        refused(|parts| parts.quality[[1, 2]] = value, &expected);
    }
    for value in [-1.0, f64::NAN, f64::INFINITY] {
        let expected = format!(
            "cost of model \"mid\" on query 1 (counted from 1, id \"a\") is {value}; expected a finite number"
        );
        refused(|parts| parts.cost[[0, 1]] = value, &expected);
    }
}

#[test]
fn an_image_makes_up_for_an_empty_prompt() {
    let mut parts = parts();
    parts.prompts[1].clear();
    parts.images = vec![None, Some("a.png".into())];
    assert!(RoutingTable::new(parts).is_ok());
}

#[test]
fn rows_are_selected_in_order() {
    let mut parts = parts();
    parts.quality = array![[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]];
    let table = RoutingTable::new(parts).unwrap().select(&[1, 0]);
    assert_eq!(table.ids(), ["b", "a"]);
    assert_eq!(table.prompts(), ["q", "p"]);
    assert_eq!(table.quality(), array![[0.4, 0.5, 0.6], [0.1, 0.2, 0.3]]);
}

#[test]
fn a_selection_shares_the_texts_and_can_be_selected_from() {
    let mut parts = parts();
    parts.images = vec![None, Some("b.png".into())];
    parts.groups = Some(vec!["g".to_owned(), "h".to_owned()]);
    let table = RoutingTable::new(parts).unwrap();
    let swapped = table.select(&[1, 0]);
    assert!(std::ptr::eq(&swapped.prompts()[0], &table.prompts()[1]));
    assert!(std::ptr::eq(swapped.models(), table.models()));
    assert_eq!(swapped.select(&[1, 0]), table);
    let first = swapped.select(&[1]);
    assert_eq!(first, table.select(&[0]));
    assert_eq!(
        (first.ids(), first.images()),
        (&vec!["a".to_owned()].into(), None)
    );
    assert_eq!(first.groups().unwrap(), ["g"]);
    assert_eq!(swapped.select(&[0]).images().unwrap().len(), 1);
}

#[test]
fn rows_that_do_not_make_a_table_are_a_mistake_of_the_caller() {
    let table = RoutingTable::new(parts()).unwrap();
    for rows in [vec![], vec![0, 0], vec![2]] {
        let selected = std::panic::catch_unwind(|| table.select(&rows));
        assert!(selected.is_err(), "{rows:?}");
    }
}

#[test]
fn every_part_counts_in_the_hash() {
    let hash = |change: fn(&mut RoutingTableParts)| {
        let mut parts = parts();
        change(&mut parts);
        RoutingTable::new(parts).unwrap().content_hash()
    };
    let hashes = [
        hash(|_| ()),
        hash(|parts| parts.name.push('x')),
        hash(|parts| parts.models[0].push('x')),
        hash(|parts| parts.ids[0].push('x')),
        hash(|parts| parts.prompts[0].push('x')),
        hash(|parts| parts.tasks[0].push('x')),
        hash(|parts| parts.images = vec![None, Some("x".into())]),
        hash(|parts| parts.groups = Some(vec!["x".to_owned(), "y".to_owned()])),
        hash(|parts| parts.quality[[0, 0]] = 0.5),
        hash(|parts| parts.cost[[0, 0]] = 0.5),
        hash(|parts| parts.cost_unit.name.push('x')),
        hash(|parts| parts.cost_unit.assumption = Some("x".to_owned())),
    ];
    let different: std::collections::BTreeSet<_> = hashes.iter().collect();
    assert_eq!(different.len(), hashes.len());
}

#[test]
fn columns_are_read_as_text_whatever_the_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("a.csv");
    std::fs::write(&csv, "b,a,c\n1,x,\n2.5,,z\n").unwrap();
    let lines = folder.path().join("a.jsonl");
    std::fs::write(
        &lines,
        "{\"b\": 1, \"a\": \"x\"}\n{\"c\": \"z\", \"b\": 2.5}\n",
    )
    .unwrap();
    let some = |text: &str| Some(text.to_owned());
    for path in [csv, lines] {
        let found = routelab_data::read_texts(&path, &["a", "b", "none"]).unwrap();
        assert_eq!(found.rows.len(), 2);
        assert_eq!(found.rows[0].1, [some("x"), some("1"), None]);
        assert_eq!(found.rows[1].1, [None, some("2.5"), None]);
        assert_eq!(found.rows[1].0.row, 2);
        assert!(found.columns.contains(&"c".to_owned()));
    }
}
