//! What holds for every table and every seed.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{File, table};
use ndarray::Array2;
use proptest::prelude::*;
use routelab_data::split::{Split, SplitError, SplitSpec, folds, split};
use routelab_data::{Column, CostUnit, RoutingTable, RoutingTableParts, load, write_parquet};

/// Every row once, on one side.
fn is_partition(split: &Split, rows: usize) -> bool {
    let mut all: Vec<usize> = split.train.iter().chain(&split.test).copied().collect();
    all.sort_unstable();
    all == (0..rows).collect::<Vec<_>>() && !split.train.is_empty() && !split.test.is_empty()
}

fn names(rows: &[usize], of: &Column<String>) -> BTreeSet<String> {
    rows.iter().map(|&row| of[row].clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_domain_splits_are_partitions_of_the_asked_size(rows in 5..200_usize, train in 0.2..0.99_f64, seed: u64) {
        let table = table(rows, |_| "t".to_owned(), None);
        let spec = SplitSpec::InDomain { train };
        let parts = split(&table, &spec, seed).unwrap();
        prop_assert!(is_partition(&parts, rows));
        prop_assert_eq!(parts.train.len(), (train * rows as f64).floor() as usize);
        prop_assert_eq!(&split(&table, &spec, seed).unwrap(), &parts);
    }

    #[test]
    fn groups_are_never_divided(rows in 20..200_usize, groups in 10..40_usize, train in 0.2..0.9_f64, seed: u64) {
        let group = |query: usize| format!("g{}", (query * query) % groups);
        let table = table(rows, |_| "t".to_owned(), Some(&group));
        match split(&table, &SplitSpec::InDomain { train }, seed) {
            Ok(parts) => {
                prop_assert!(is_partition(&parts, rows));
                prop_assert!(parts.train.len() <= (train * rows as f64).floor() as usize);
                let known = table.groups().unwrap();
                prop_assert!(names(&parts.train, known).is_disjoint(&names(&parts.test, known)));
            }
            Err(error) => prop_assert!(matches!(error, SplitError::UnitTooLarge { unit: "group", .. }), "{error}"),
        }
    }

    #[test]
    fn tasks_are_never_divided(rows in 20..200_usize, tasks in 2..30_usize, train in 0.05..0.95_f64, seed: u64) {
        let table = table(rows, |query| format!("t{}", (query * query) % tasks), None);
        match split(&table, &SplitSpec::OutOfDomain { train }, seed) {
            Ok(parts) => {
                prop_assert!(is_partition(&parts, rows));
                prop_assert!(parts.train.len() as f64 <= 1.1 * train * rows as f64);
                prop_assert!(names(&parts.train, table.tasks()).is_disjoint(&names(&parts.test, table.tasks())));
                // No further task would have fitted.
                let mut sizes: BTreeMap<&String, usize> = BTreeMap::new();
                parts.test.iter().for_each(|&row| *sizes.entry(&table.tasks()[row]).or_default() += 1);
                let smallest = sizes.values().min().unwrap();
                prop_assert!((parts.train.len() + smallest) as f64 > 1.1 * train * rows as f64);
            }
            Err(error) => prop_assert!(
                matches!(error, SplitError::UnitTooLarge { unit: "task", .. } | SplitError::OneTask { .. } | SplitError::EmptySide { .. }),
                "{error}"
            ),
        }
    }

    #[test]
    fn folds_hold_every_row_once_and_no_group_twice(rows in 1..100_usize, groups in 0..30_usize, count in 1..12_usize, seed: u64) {
        let group = |row: usize| format!("g{}", row % groups.max(1));
        let table = table(rows, |_| "t".to_owned(), (groups > 0).then_some(&group));
        let found = folds(&table, count, seed);
        prop_assert_eq!(&folds(&table, count, seed), &found);
        let units = if groups > 0 { groups.min(rows) } else { rows };
        prop_assert_eq!(found.len(), count.min(units));
        prop_assert!(found.iter().all(|fold| !fold.is_empty()));
        let mut all = found.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..rows).collect::<Vec<_>>());
        if groups > 0 {
            for row in 0..rows {
                let home = |row: usize| found.iter().position(|fold| fold.contains(&row));
                prop_assert_eq!(home(row), home(row % groups));
            }
        }
    }

    #[test]
    fn train_is_test_uses_the_same_rows(rows in 10..100_usize, train in 0.2..=1.0_f64, seed: u64) {
        let table = table(rows, |_| "t".to_owned(), None);
        let parts = split(&table, &SplitSpec::TrainIsTest { train }, seed).unwrap();
        prop_assert_eq!(&parts.train, &parts.test);
        prop_assert_eq!(parts.train.len(), (train * rows as f64).floor() as usize);
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z,\"'|\n\r\t ;\\\\éß漢😀]{0,20}"]
        .prop_filter("not blank", |text| text.chars().any(char::is_alphanumeric))
}

const SCHEMA: &str =
    "format = 'tabular'\n[schema]\nid = ['id']\nprompt = ['prompt']\ntask = 'task'\n";
const WIDE: &str = "layout.wide = { quality = '{model}|quality', cost = '{model}|cost' }";
const LONG: &str = "layout.long = { model = 'model', quality = 'quality', cost = 'cost' }";

/// A header and rows; numbers are kept apart from texts, as JSON does.
type Sheet = Vec<Vec<serde_json::Value>>;

/// What describes a query, as the first cells of its rows.
fn query_cells(table: &RoutingTable, row: usize) -> Vec<serde_json::Value> {
    let texts = [table.ids(), table.prompts(), table.tasks()];
    let texts = texts.into_iter().chain(table.groups());
    texts.map(|texts| texts[row].as_str().into()).collect()
}

fn header(
    table: &RoutingTable,
    values: impl IntoIterator<Item = String>,
) -> Vec<serde_json::Value> {
    let mut names: Vec<serde_json::Value> = ["id", "prompt", "task"].map(Into::into).to_vec();
    names.extend(table.groups().map(|_| "group".into()));
    names.extend(values.into_iter().map(Into::into));
    names
}

fn wide(table: &RoutingTable) -> Sheet {
    let models = table.models().iter();
    let names = models.flat_map(|model| [format!("{model}|quality"), format!("{model}|cost")]);
    let mut sheet = vec![header(table, names)];
    for row in 0..table.len() {
        let mut cells = query_cells(table, row);
        for model in 0..table.models().len() {
            cells.push(table.quality()[[row, model]].into());
            cells.push(table.cost()[[row, model]].into());
        }
        sheet.push(cells);
    }
    sheet
}

fn long(table: &RoutingTable) -> Sheet {
    let mut sheet = vec![header(
        table,
        ["model", "quality", "cost"].map(str::to_owned),
    )];
    for row in 0..table.len() {
        for (model, name) in table.models().iter().enumerate() {
            let mut cells = query_cells(table, row);
            cells.push(name.as_str().into());
            cells.push(table.quality()[[row, model]].into());
            cells.push(table.cost()[[row, model]].into());
            sheet.push(cells);
        }
    }
    sheet
}

fn separated(sheet: &Sheet, delimiter: u8) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .from_writer(Vec::new());
    for cells in sheet {
        let text = |cell: &serde_json::Value| match cell.as_f64() {
            Some(number) => number.to_string(),
            None => cell.as_str().unwrap().to_owned(),
        };
        writer.write_record(cells.iter().map(text)).unwrap();
    }
    writer.into_inner().unwrap()
}

fn objects(sheet: &Sheet) -> Vec<String> {
    let (names, rows) = sheet.split_first().unwrap();
    let object = |cells: &Vec<serde_json::Value>| {
        let names = names.iter().map(|name| name.as_str().unwrap().to_owned());
        let object: serde_json::Map<_, _> = names.zip(cells.iter().cloned()).collect();
        serde_json::Value::Object(object).to_string()
    };
    rows.iter().map(object).collect()
}

/// Any number of which all bits matter: ordinary, tiny, huge.
fn number(most: f64) -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(most),
        0.0..=most,
        any::<f64>()
            .prop_map(f64::abs)
            .prop_filter("in range", move |value| *value <= most)
    ]
}

prop_compose! {
    fn any_table(images: bool)(queries in 1..12_usize, models in 1..5_usize)(
        name in text(),
        models in prop::collection::btree_set(text(), models),
        ids in prop::collection::btree_set(text(), queries),
        prompts in prop::collection::vec(text(), queries),
        tasks in prop::collection::vec(text(), queries),
        groups in prop::option::of(prop::collection::vec(text(), queries)),
        pictures in prop::collection::vec(any::<bool>(), queries),
        quality in prop::collection::vec(number(1.0), queries * models),
        cost in prop::collection::vec(number(f64::MAX), queries * models),
        unit in text(),
        assumption in prop::option::of(any::<String>()),
    ) -> RoutingTableParts {
        let shape = (ids.len(), models.len());
        RoutingTableParts {
            name,
            quality: Array2::from_shape_vec(shape, quality[..shape.0 * shape.1].to_vec()).unwrap(),
            cost: Array2::from_shape_vec(shape, cost[..shape.0 * shape.1].to_vec()).unwrap(),
            models: models.into_iter().rev().collect(),
            ids: ids.into_iter().rev().collect(),
            prompts,
            tasks,
            images: if images { pictures.iter().map(|present| present.then(|| "picture.png".into())).collect() } else { Vec::new() },
            groups,
            cost_unit: CostUnit { name: unit, assumption },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tables_read_back_equal(parts in any_table(false)) {
        let table = RoutingTable::new(parts).unwrap();
        let file = File::new("table.parquet", "");
        write_parquet(&table, &file.path).unwrap();
        let read = load(&file.spec("routelab")).unwrap().table;
        prop_assert_eq!(&read, &table);
        prop_assert_eq!(read.content_hash(), table.content_hash());
    }

    #[test]
    fn tables_in_the_files_of_others_read_back_equal(parts in any_table(false)) {
        let cost_unit = CostUnit::recorded(parts.cost_unit.name.clone());
        let table = RoutingTable::new(RoutingTableParts { cost_unit, ..parts }).unwrap();
        for (name, layout, content) in [
            ("t.csv", WIDE, separated(&wide(&table), b',')),
            ("t.tsv", WIDE, separated(&wide(&table), b'\t')),
            ("t.csv", LONG, separated(&long(&table), b',')),
            ("t.jsonl", WIDE, objects(&wide(&table)).join("\n").into_bytes()),
            ("t.json", LONG, format!("[{}]", objects(&long(&table)).join(",")).into_bytes()),
        ] {
            let file = File::new(name, content);
            let mut spec = file.toml(&format!("{SCHEMA}\n{layout}"));
            spec.name = Some(table.name().to_owned());
            let schema = spec.schema.as_mut().unwrap();
            schema.cost_unit = table.cost_unit().name.clone();
            schema.group = table.groups().map(|_| "group".to_owned());
            prop_assert_eq!(&load(&spec).unwrap().table, &table, "{} {}", name, layout);
        }
    }

    #[test]
    fn tables_with_images_read_back_equal(mut parts in any_table(true)) {
        let file = File::new("table.parquet", "");
        std::fs::write(file.beside("picture.png"), "").unwrap();
        for image in parts.images.iter_mut().flatten() {
            *image = file.beside("picture.png");
        }
        let table = RoutingTable::new(parts).unwrap();
        write_parquet(&table, &file.path).unwrap();
        prop_assert_eq!(&load(&file.spec("routelab")).unwrap().table, &table);
    }
}

#[test]
fn shares_out_of_range_are_refused() {
    let table = table(10, |query| format!("t{}", query % 5), None);
    for train in [0.0, 1.0, -0.1, 1.5, f64::NAN] {
        for spec in [
            SplitSpec::InDomain { train },
            SplitSpec::OutOfDomain { train },
        ] {
            let message = split(&table, &spec, 0).unwrap_err().to_string();
            assert!(
                message.contains("expected a number above 0 and below 1"),
                "{message}"
            );
        }
    }
    let message = split(&table, &SplitSpec::TrainIsTest { train: 1.5 }, 0)
        .unwrap_err()
        .to_string();
    assert!(message.contains("above 0 and up to 1"), "{message}");
    let message = split(&table, &SplitSpec::InDomain { train: 0.05 }, 0)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("0.05 of 10 rows leaves no training rows"),
        "{message}"
    );
    let message = split(&table, &SplitSpec::OutOfDomain { train: 0.1 }, 0)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("the smallest task, \"t0\", has 2 of 10 rows, more than the 1"),
        "{message}"
    );
}

#[test]
fn an_out_of_domain_split_needs_several_tasks_and_whole_groups() {
    let one = table(10, |_| "t".to_owned(), None);
    let message = split(&one, &SplitSpec::OutOfDomain { train: 0.5 }, 0)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("at least two tasks, but the table has only \"t\""),
        "{message}"
    );
    let across = table(
        10,
        |query| format!("t{}", query % 2),
        Some(&|_| "g".to_owned()),
    );
    let message = split(&across, &SplitSpec::OutOfDomain { train: 0.5 }, 0)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("group \"g\" has rows of the tasks \"t0\" and \"t1\""),
        "{message}"
    );
}

#[test]
fn specs_are_written_as_in_an_experiment_file() {
    let read = |text: &str| toml::from_str::<SplitSpec>(text);
    assert_eq!(
        read("kind = 'in-domain'\ntrain = 0.3"),
        Ok(SplitSpec::InDomain { train: 0.3 })
    );
    assert_eq!(
        read("kind = 'out-of-domain'"),
        Ok(SplitSpec::OutOfDomain { train: 0.2 })
    );
    assert_eq!(
        read("kind = 'train-is-test'\ntrain = 1.0"),
        Ok(SplitSpec::TrainIsTest { train: 1.0 })
    );
    assert!(
        read("kind = 'in-domain'\ntrian = 0.3")
            .unwrap_err()
            .to_string()
            .contains("trian")
    );
}
