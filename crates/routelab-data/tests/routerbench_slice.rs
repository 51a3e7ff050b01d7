//! The shipped RouterBench slice against the published facts about it.

use std::path::{Path, PathBuf};

use ndarray::{ArrayView1, Axis};
use routelab_data::{DataError, DataSpec, Loaded, Missing, load};

fn slice() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../datasets/routerbench-slice/routerbench_slice.csv")
}

fn complete() -> Loaded {
    load(&DataSpec {
        missing: Missing::DropQuery,
        ..DataSpec::new("routerbench", slice())
    })
    .unwrap()
}

fn largest(row: ArrayView1<f64>) -> f64 {
    row.fold(0.0, |largest, &value| f64::max(largest, value))
}

#[test]
fn missing_cells_stop_the_reader_by_default() {
    let error = load(&DataSpec::new("routerbench", slice())).unwrap_err();
    assert!(matches!(error, DataError::MissingCell { .. }));
    let message = error.to_string();
    for part in [
        "routerbench_slice.csv, row ",
        "arc-challenge",
        "gpt-3.5-turbo-1106",
        "missing = \"drop-query\"",
    ] {
        assert!(message.contains(part), "{part:?} not in {message:?}");
    }
}

#[test]
fn the_report_counts_what_was_dropped() {
    let report = complete().report;
    assert_eq!(
        (
            report.rows_read,
            report.dropped_queries,
            report.missing_cells
        ),
        (3164, 14, 104)
    );
    assert_eq!(report.files.len(), 1);
    assert_eq!(
        report.files[0].sha256,
        "5055c8c44758046d08257cc1364b7a9e0106ba67f918284ff4de417d02886345"
    );
    assert_eq!(
        report.notes,
        [
            "prompts: 3154 Python lists of one string became that string, 10 stayed as published",
            "3150 queries have 3148 different prompts; 4 share theirs with a query that a split may put on the other side, \
             which flatters results; `group = \"prompt\"` keeps them together"
        ]
    );
    assert!(
        serde_json::to_string(&report)
            .unwrap()
            .contains("\"dropped_queries\":14")
    );
}

#[test]
fn means_oracle_and_margins_are_as_published() {
    let table = complete().table;
    assert_eq!((table.len(), table.models().len()), (3150, 11));
    assert_eq!(
        (
            table.cost_unit().name.as_str(),
            &table.cost_unit().assumption
        ),
        ("US dollars", &None)
    );
    let column = |part: &str| {
        table
            .models()
            .iter()
            .position(|model| model.contains(part))
            .unwrap()
    };
    let mean_quality = |part: &str| table.quality().column(column(part)).mean().unwrap();
    let facts = [
        ("gpt-4", 0.8794),
        ("Yi-34B", 0.7730),
        ("mixtral", 0.7413),
        ("gpt-3.5", 0.7321),
        ("claude-v1", 0.7270),
        ("claude-instant", 0.6730),
        ("llama-2-70b", 0.6181),
        ("code-llama", 0.6121),
        ("mistral-7b", 0.5844),
        ("WizardLM", 0.5670),
        ("claude-v2", 0.5511),
    ];
    for (model, expected) in facts {
        assert!(
            (mean_quality(model) - expected).abs() < 5e-5,
            "{model}: {}",
            mean_quality(model)
        );
    }
    for (model, expected) in [
        ("gpt-4", 0.005015),
        ("Yi-34B", 0.000329),
        ("mistral-7b", 0.000081),
    ] {
        let mean = table.cost().column(column(model)).mean().unwrap();
        assert!((mean - expected).abs() < 5e-7, "{model}: {mean}");
    }

    let quality = table.quality();
    let rows = || quality.axis_iter(Axis(0));
    let oracle = rows().map(largest).sum::<f64>() / table.len() as f64;
    assert!((oracle - 0.9756).abs() < 5e-5, "{oracle}");
    let share = |count: usize| count as f64 / table.len() as f64;
    let close = |row: &ArrayView1<f64>| {
        let mut sorted = row.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[10] - sorted[9] <= 0.05
    };
    assert!((share(rows().filter(close).count()) - 0.983).abs() < 5e-4);
    let gpt4 = column("gpt-4");
    let only_gpt4 = |row: &ArrayView1<f64>| {
        row.iter()
            .enumerate()
            .all(|(model, &value)| model == gpt4 || value < row[gpt4])
    };
    assert!((share(rows().filter(only_gpt4).count()) - 0.007).abs() < 5e-4);
}

#[test]
fn prompts_are_the_text_that_the_models_saw() {
    let table = complete().table;
    let prompt =
        |id: &str| &table.prompts()[table.ids().iter().position(|known| known == id).unwrap()];
    assert!(
        prompt("arc-challenge.test.1")
            .starts_with("George wants to warm his hands quickly by rubbing them. Which skin")
    );
    assert!(prompt("arc-challenge.test.1").ends_with("\nAnswer:"));
    assert!(prompt("arc-challenge.test.1").contains("\nA) dry palms\nB) wet palms\n"));
    assert!(prompt("arc-challenge.test.489").contains("\\times"));
    assert!(prompt("arc-challenge.val.294").contains('\u{2}'));
    assert!(
        table
            .prompts()
            .iter()
            .all(|prompt| !prompt.starts_with("['"))
    );
}

#[test]
fn a_sample_is_a_part_of_the_table_and_always_the_same() {
    let spec = DataSpec {
        missing: Missing::DropQuery,
        ..DataSpec::new("routerbench", slice())
    };
    let whole = load(&spec).unwrap().table;
    let spec = DataSpec {
        sample: Some(200),
        ..spec
    };
    let loaded = load(&spec).unwrap();
    let sample = &loaded.table;
    assert_eq!(sample.len(), 200);
    assert_eq!(
        loaded.report.dropped_queries, 14,
        "a sample drops nothing by itself"
    );
    let mut row = 0;
    for (id, prompt) in sample.ids().iter().zip(sample.prompts()) {
        row += whole
            .ids()
            .iter()
            .skip(row)
            .position(|other| other == id)
            .expect("in the order of the table");
        assert_eq!(prompt, &whole.prompts()[row]);
    }
    assert!(
        row > whole.len() / 2,
        "from the whole table, not from its beginning"
    );
    assert_eq!(
        sample.content_hash(),
        load(&spec).unwrap().table.content_hash()
    );
    let larger = DataSpec {
        sample: Some(10_000),
        ..spec
    };
    assert_eq!(
        load(&larger).unwrap().table.content_hash(),
        whole.content_hash()
    );
}

#[test]
fn costs_can_be_scaled_and_count_as_assumed_then() {
    let spec = DataSpec {
        missing: Missing::DropQuery,
        ..DataSpec::new("routerbench", slice())
    };
    let plain = load(&spec).unwrap().table;
    let model = "gpt-4-1106-preview";
    let column = plain
        .models()
        .iter()
        .position(|name| name == model)
        .unwrap();
    let scaled = |factor: f64| {
        let spec = DataSpec {
            scale_cost: [(model.to_owned(), factor)].into(),
            ..spec.clone()
        };
        load(&spec).map(|loaded| loaded.table)
    };
    let half = scaled(0.5).unwrap();
    assert!(
        half.cost_unit()
            .assumption
            .as_ref()
            .unwrap()
            .contains("gpt-4-1106-preview times 0.5")
    );
    for (one, other) in plain.cost().indexed_iter().zip(half.cost()) {
        let ((_, at), one) = one;
        assert_eq!(*other, if at == column { one * 0.5 } else { *one });
    }
    assert_eq!(scaled(1.0).unwrap().content_hash(), plain.content_hash());
    assert!(scaled(0.0).unwrap_err().to_string().contains("above 0"));
}

#[test]
fn models_can_be_chosen_and_left_out() {
    let models = ["gpt-4-1106-preview", "mistralai/mistral-7b-chat"].map(str::to_owned);
    let spec = DataSpec {
        missing: Missing::DropQuery,
        models: Some(models.to_vec()),
        limit: Some(100),
        ..DataSpec::new("routerbench", slice())
    };
    let table = load(&spec).unwrap().table;
    assert_eq!(table.models(), models);
    assert_eq!(table.quality().dim(), (100, 2));

    let spec = DataSpec {
        exclude_models: models.to_vec(),
        models: None,
        ..spec
    };
    assert_eq!(load(&spec).unwrap().table.models().len(), 9);

    let spec = DataSpec {
        exclude_models: vec!["gpt-5".to_owned()],
        ..spec
    };
    let message = load(&spec).unwrap_err().to_string();
    assert!(
        message.contains("no model \"gpt-5\" (asked for by `exclude_models`)")
            && message.contains("\"claude-v1\"")
    );
}

#[test]
fn equal_tables_have_equal_hashes_and_others_do_not() {
    let table = complete().table;
    assert_eq!(table.content_hash(), complete().table.content_hash());
    assert_ne!(table.content_hash(), table.select(&[1, 0]).content_hash());
    assert_ne!(
        table.select(&[0, 1]).content_hash(),
        table.select(&[1, 0]).content_hash()
    );
}
