//! The table of metrics: what holds for every entry, its copy in the documentation, and a metric that is added to it.

use std::fmt::Write;
use std::{env, fs};

use ndarray::array;
use routelab_eval::metric::{Range, Shown, Whole};
use routelab_eval::{
    Better, EvaluationOptions, METRICS, Metric, Scores, Sweep, Truth, Value, among, evaluate,
};

#[test]
fn entries_are_complete_and_names_differ() {
    for (at, metric) in METRICS.iter().enumerate() {
        let Metric {
            name,
            heading,
            meaning,
            ..
        } = metric;
        assert!(
            !name.is_empty() && !heading.is_empty() && !meaning.is_empty(),
            "{name}"
        );
        assert_eq!(
            METRICS.iter().position(|other| other == metric),
            Some(at),
            "{name}"
        );
        let file_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(name.chars().all(file_name), "{name}");
        // Tables mark the best, searches and figures need to know which it is.
        if metric.is_resampled() || matches!(metric.shown, Shown::Everywhere | Shown::Tables) {
            assert_ne!(metric.better, Better::Neither, "{name}");
        }
        assert_eq!(Metric::known(name), metric);
    }
}

#[test]
fn the_documentation_lists_the_table() {
    let mut table = "| name | heading | meaning | best | range | bootstrap | shown |\n|---|---|---|---|---|---|---|\n".to_owned();
    for metric in METRICS {
        let best = match metric.better {
            Better::Higher => "high",
            Better::Lower => "low",
            Better::Neither => "",
        };
        let range = match metric.range {
            Range::Share => "[0, 1]",
            Range::Finite => "",
            Range::Infinite => "up to ∞",
        };
        let shown = match metric.shown {
            Shown::Everywhere => "everywhere",
            Shown::Tables | Shown::Convention => "tables, page",
            Shown::Page => "page",
            Shown::Files => "files",
        };
        let bootstrap = if metric.is_resampled() { "yes" } else { "" };
        let Metric {
            name,
            heading,
            meaning,
            ..
        } = metric;
        writeln!(
            table,
            "| `{name}` | {heading} | {meaning} | {best} | {range} | {bootstrap} | {shown} |"
        )
        .unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let page = fs::read_to_string(path).unwrap();
    let text = page.split("| name |").next().unwrap();
    if env::var_os("ROUTELAB_BLESS").is_some() {
        fs::write(path, format!("{text}{table}")).unwrap();
    } else {
        assert!(
            page == format!("{text}{table}"),
            "docs/metrics.md is not the table of metrics: ROUTELAB_BLESS=1 writes it"
        );
    }
}

/// Its arithmetic: the share of calls that cost more than the cheapest really good enough model. Needs nothing but what is there.
fn overpaid(whole: &Whole) -> Option<f64> {
    let Truth { quality, cost } = whole.truth;
    let dearer = |(row, &choice): (usize, &usize)| {
        let good =
            (0..quality.ncols()).filter(|&model| quality[[row, model]] >= quality[[row, choice]]);
        good.into_iter()
            .any(|model| cost[[row, model]] < cost[[row, choice]])
    };
    let count = whole
        .choices
        .iter()
        .enumerate()
        .filter(|&call| dearer(call))
        .count();
    Some(count as f64 / whole.choices.len() as f64)
}

/// Its entry.
const OVERPAID: Metric = Metric {
    name: "overpaid",
    heading: "overpaid",
    latex: None,
    meaning: "share of calls for which a cheaper model was as good",
    digits: 3,
    percent: true,
    better: Better::Lower,
    range: Range::Share,
    shown: Shown::Tables,
    value: Value::Whole(overpaid),
};

#[test]
fn a_metric_is_an_entry_and_its_arithmetic() {
    let quality = array![[1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.5, 0.5]];
    let cost = array![[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [3.0, 2.0]];
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    // Always the second model: overpaid on the first query and the third.
    let predicted = array![[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]];
    let scores = Scores::new(predicted, cost.clone()).unwrap();
    let options = EvaluationOptions::default();
    let sweep = Sweep::new(&truth, &scores, &options).unwrap();
    assert_eq!(OVERPAID.of(&sweep.whole()), Some(0.5));
    assert_eq!(OVERPAID.titled(), "overpaid ↓");
    // Those of the table are computed in the same way; the two models are equally good, so that one cannot be the strong one.
    let evaluation = sweep.evaluate();
    for metric in METRICS {
        assert_eq!(
            evaluation.get(metric).is_some(),
            metric.is_of_router(),
            "{}",
            metric.name
        );
        assert_eq!(
            evaluation.get(metric),
            metric.of(&sweep.whole()),
            "{}",
            metric.name
        );
    }
    // Outside of the table it has no value in evaluations and is not resampled.
    assert_eq!(evaluation.get(&OVERPAID), None);
    let replicates = sweep.replicates(10, 1, None).unwrap();
    assert!(replicates.interval(&OVERPAID).is_err());
    assert!(
        replicates
            .compare(&replicates, Metric::known("entropy"))
            .is_err()
    );
}

#[test]
fn metrics_among_routers_are_filled_in_for_all_of_them() {
    let quality = array![[1.0, 0.0], [0.0, 1.0]];
    let cost = array![[1.0, 2.0], [1.0, 2.0]];
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    let dist = Metric::known("pareto_dist");
    let mut routers = [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]].map(|predicted| {
        let scores = Scores::new(array![predicted[0], predicted[1]], cost.clone()).unwrap();
        evaluate(&truth, &scores, &EvaluationOptions::default()).unwrap()
    });
    assert!(routers.iter().all(|router| router.get(dist).is_none()));
    let [good, bad] = &mut routers;
    among(&mut [good, bad]);
    // The first is the front; the second's only point of its own is right below it, by the whole height.
    assert_eq!(routers[0].get(dist), Some(0.0));
    assert!(routers[1].get(dist) > Some(0.0));
}
