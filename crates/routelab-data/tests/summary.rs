//! Summaries of known tables.

mod common;

use std::path::Path;

use ndarray::array;
use routelab_data::{
    CostUnit, DataSpec, RoutingTable, RoutingTableParts, TaskSummary, load, summary,
};

/// Three models on four queries: one only best, a tie of two, a tie of all, a small lead.
fn small() -> RoutingTable {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    RoutingTable::new(RoutingTableParts {
        name: "small".to_owned(),
        models: names(&["a", "b", "c"]),
        ids: names(&["1", "2", "3", "4"]),
        prompts: names(&["p", "q", "r", "s"]),
        tasks: names(&["t", "s", "t", "t"]),
        images: vec![None, Some("x.png".into()), None, None],
        groups: Some(names(&["g", "g", "h", "i"])),
        quality: array![
            [1.0, 0.0, 0.0],
            [0.0, 1.0, 1.0],
            [0.5, 0.5, 0.5],
            [0.25, 0.75, 0.78125]
        ],
        cost: array![
            [1.0, 2.0, 8.0],
            [1.0, 2.0, 8.0],
            [1.0, 2.0, 8.0],
            [1.0, 2.0, 8.0]
        ],
        cost_unit: CostUnit::recorded("calls"),
    })
    .unwrap()
}

#[test]
fn every_number_of_a_small_table() {
    let summary = summary(&small());
    assert_eq!(
        (summary.queries, summary.images, summary.groups),
        (4, 1, Some(3))
    );
    let task = |name: &str, queries| TaskSummary {
        name: name.to_owned(),
        queries,
    };
    assert_eq!(summary.tasks, [task("s", 1), task("t", 3)]);
    let models: Vec<_> = summary
        .models
        .iter()
        .map(|model| {
            (
                model.name.as_str(),
                model.mean_quality,
                model.mean_cost,
                model.best,
                model.only_best,
            )
        })
        .collect();
    assert_eq!(
        models,
        [
            ("a", 0.4375, 1.0, 2, 1),
            ("b", 0.5625, 2.0, 2, 0),
            ("c", 0.570_312_5, 8.0, 3, 1)
        ]
    );
    assert_eq!(summary.best_single, "c");
    assert_eq!(summary.strongest, ["c"]);
    assert_eq!(summary.oracle_quality, (1.0 + 1.0 + 0.5 + 0.78125) / 4.0);
    assert_eq!(summary.oracle_cost, (1.0 + 2.0 + 1.0 + 8.0) / 4.0);
    assert_eq!((summary.tied_share, summary.all_equal_share), (0.5, 0.25));
    assert_eq!(summary.small_margin_share, Some(0.75));
}

#[test]
fn equal_means_and_a_single_model() {
    let table = common::table(4, |_| "t".to_owned(), None);
    let summary_of_two = summary(&table);
    assert_eq!(summary_of_two.best_single, "small");
    assert_eq!(summary_of_two.strongest, ["large"]);
    let file = common::File::new(
        "t.csv",
        "sample_id,prompt,eval_name,m,m|total_cost\na,p,t,0.5,1\n",
    );
    let summary_of_one = summary(&load(&file.spec("routerbench")).unwrap().table);
    assert_eq!(summary_of_one.small_margin_share, None);
    assert_eq!(summary_of_one.tied_share, 0.0);
    assert_eq!(summary_of_one.all_equal_share, 1.0);
}

#[test]
fn the_routerbench_slice_is_as_its_card_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/routerbench-slice");
    let summary = summary(&load(&DataSpec::read(&folder).unwrap()).unwrap().table);
    let close = |found: f64, expected: f64, within: f64| {
        assert!(
            (found - expected).abs() < within,
            "{found} is not {expected}"
        );
    };
    close(summary.oracle_quality, 0.9756, 5e-5);
    close(summary.oracle_cost, 0.000208, 5e-7);
    close(summary.small_margin_share.unwrap(), 0.983, 5e-4);
    assert_eq!(summary.best_single, "gpt-4-1106-preview");
    assert_eq!(summary.strongest, ["gpt-4-1106-preview"]);
    let gpt4 = &summary.models[4];
    close(gpt4.mean_quality, 0.8794, 5e-5);
    close(gpt4.only_best as f64 / summary.queries as f64, 0.007, 5e-4);
    let text = serde_json::to_string(&summary).unwrap();
    assert!(text.starts_with(
        "{\"name\":\"routerbench-slice\",\"queries\":3150,\"complete_queries\":3150,\"images\":0,"
    ));
}
