//! `routelab evaluate`: predictions that were made elsewhere.

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use common::{arg, refused, repository, says, success};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Case {
    name: String,
    quality: Vec<Vec<f64>>,
    cost: Vec<Vec<f64>>,
    predicted_quality: Vec<Vec<f64>>,
    predicted_cost: Vec<Vec<f64>>,
    legacy: Legacy,
    shared: Shared,
}

#[derive(Deserialize)]
struct Legacy {
    nauc: f64,
    peak: f64,
    qnc: Option<f64>,
    rci: f64,
}

#[derive(Deserialize)]
struct Shared {
    nauc: f64,
}

/// The golden cases, from `tests/golden` or the folder that `ROUTELAB_GOLDEN` names.
fn cases() -> Vec<Case> {
    let named = std::env::var_os("ROUTELAB_GOLDEN");
    let folder = repository().join(named.as_deref().unwrap_or("tests/golden".as_ref()));
    let mut cases = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap_or_default();
        cases.extend(serde_json::from_slice::<Vec<Case>>(&bytes).unwrap_or_default());
    }
    assert!(
        named.is_some() || !cases.is_empty(),
        "no cases in {}",
        folder.display()
    );
    cases
}

/// Writes table and predictions; the predictions' rows are in reverse order.
fn write(place: &tempfile::TempDir, case: &Case) -> (PathBuf, PathBuf) {
    let models = case.quality[0].len();
    let names = |suffix: &str| {
        (0..models)
            .map(|m| format!(",m{m}{suffix}"))
            .collect::<String>()
    };
    let numbers = |row: &[f64]| {
        row.iter().fold(String::new(), |mut text, value| {
            write!(text, ",{value}").unwrap();
            text
        })
    };
    let mut table = format!(
        "sample_id,prompt,eval_name{}{}\n",
        names(""),
        names("|total_cost")
    );
    for (n, (quality, cost)) in case.quality.iter().zip(&case.cost).enumerate() {
        table += &format!(
            "q{n},what is {n}?,task{}{}\n",
            numbers(quality),
            numbers(cost)
        );
    }
    let mut predictions = format!("sample_id{}{}\n", names("|quality"), names("|cost"));
    let predicted = case
        .predicted_quality
        .iter()
        .zip(&case.predicted_cost)
        .enumerate();
    for (n, (quality, cost)) in predicted.rev() {
        predictions += &format!("q{n}{}{}\n", numbers(quality), numbers(cost));
    }
    let paths = (place.path().join("t.csv"), place.path().join("p.csv"));
    fs::write(&paths.0, table).unwrap();
    fs::write(&paths.1, predictions).unwrap();
    paths
}

fn evaluate(table: &std::path::Path, predictions: &std::path::Path, more: &[&str]) -> Value {
    let mut args = vec![
        "evaluate",
        "--table",
        arg(table),
        "--predictions",
        arg(predictions),
        "--json",
    ];
    args.extend(more);
    serde_json::from_str(&success(&args)).unwrap()
}

#[track_caller]
fn close(what: &str, found: &Value, expected: f64) {
    let found = found
        .as_f64()
        .unwrap_or_else(|| panic!("{what} is {found}"));
    assert!(
        (found - expected).abs() <= 1e-5 * expected.abs().max(1.0),
        "{what}: {found} instead of {expected}"
    );
}

#[test]
fn golden_cases_through_the_program() {
    let place = tempfile::tempdir().unwrap();
    for case in cases() {
        let (table, predictions) = write(&place, &case);
        let found = evaluate(
            &table,
            &predictions,
            &["--infeasible", "first", "--ties", "first"],
        );
        let what = |metric: &str| format!("{}: {metric}", case.name);
        close(
            &what("legacy nAUC"),
            &found["nauc_legacy"],
            case.legacy.nauc,
        );
        close(&what("peak"), &found["peak"], case.legacy.peak);
        close(&what("RCI"), &found["rci"], case.legacy.rci);
        // The reference works in single precision; where the two sides are equal there, reaching is a matter of rounding.
        if let (Some(expected), Some(_)) = (case.legacy.qnc, found["qnc"].as_f64()) {
            close(&what("QNC"), &found["qnc"], expected);
        }
        // As a program on Windows writes the files.
        for path in [&table, &predictions] {
            let text = fs::read_to_string(path).unwrap();
            fs::write(path, format!("\u{feff}{text}")).unwrap();
        }
        let found = evaluate(&table, &predictions, &[]);
        close(
            &what("shared nAUC"),
            &found["nauc_shared"],
            case.shared.nauc,
        );
    }
}

#[test]
fn a_small_case_by_hand() {
    let place = tempfile::tempdir().unwrap();
    let (table, predictions) = (place.path().join("t.csv"), place.path().join("p.csv"));
    // Two models: `small` is right on the first two queries at 1, `large` on all but the last at 4.
    fs::write(
        &table,
        "sample_id,prompt,eval_name,small,large,small|total_cost,large|total_cost,small|model_response\n\
         a,p,t,1,1,1,4,x\nb,q,t,1,1,1,4,x\nc,r,t,0,1,1,4,x\nd,s,t,0,0,1,4,x\n",
    )
    .unwrap();
    // The router is sure of `large` on every query.
    let rows: String = ["a", "b", "c", "d"]
        .iter()
        .map(|id| format!("{id},0.2,0.9,1,4\n"))
        .collect();
    fs::write(
        &predictions,
        format!("sample_id,small|quality,large|quality,small|cost,large|cost\n{rows}"),
    )
    .unwrap();
    let found = evaluate(&table, &predictions, &[]);
    assert_eq!(found["best_single_model"], "large");
    close("best single quality", &found["best_single_quality"], 0.75);
    close("best single cost", &found["best_single_cost"], 4.0);
    close("calls of large", &found["call_rates"]["large"], 1.0);
    // a and b are wasteful; c is right; on d both fail, so both are best and the strongest is wasteful.
    close("wasteful", &found["rci_wasteful"], 0.75);
    close("wrong", &found["rci_wrong"], 0.0);
    close("RCI", &found["rci"], 0.75);
    close("QNC", &found["qnc"], 1.0);
    close("peak", &found["peak"], 0.75);
    // The front is (1, .5), (4, .75): the mean of the trapezoid is .625.
    close("nAUC", &found["nauc_shared"], 0.625);
    assert_eq!(found["points"].as_array().unwrap().len(), 2);
    assert_eq!(found["pareto"].as_array().unwrap().len(), 2);

    // A router that never takes `large` cannot reach its quality.
    let rows: String = ["a", "b", "c", "d"]
        .iter()
        .map(|id| format!("{id},0.9,0.2,1,4\n"))
        .collect();
    fs::write(
        &predictions,
        format!("sample_id,small|quality,large|quality,small|cost,large|cost\n{rows}"),
    )
    .unwrap();
    assert_eq!(evaluate(&table, &predictions, &[])["qnc"], Value::Null);
}

#[test]
fn bad_predictions() {
    let place = tempfile::tempdir().unwrap();
    let (table, predictions) = (place.path().join("t.csv"), place.path().join("p.csv"));
    fs::write(
        &table,
        "sample_id,prompt,eval_name,m,m|total_cost\na,p,t,1,1\nb,q,t,1,1\n",
    )
    .unwrap();
    let refuse = |text: &str, parts: &[&str]| {
        fs::write(&predictions, text).unwrap();
        let error = refused(
            2,
            &[
                "evaluate",
                "--table",
                arg(&table),
                "--predictions",
                arg(&predictions),
            ],
        );
        says(&error, &["p.csv", "help:"]);
        says(&error, parts);
    };
    refuse("", &["empty"]);
    refuse("sample_id,m|quality\na,1\nb,1\n", &["m|cost"]);
    refuse("id,m|quality,m|cost\na,1,1\n", &["sample_id"]);
    refuse(
        "sample_id,m|quality,m|cost,x|cost\na,1,1,1\nb,1,1,1\n",
        &["x|cost", "`m`"],
    );
    refuse(
        "sample_id,m|quality,m|cost\na,1,1\na,1,1\nb,1,1\n",
        &["line 3", "line 2", "\"a\""],
    );
    refuse(
        "sample_id,m|quality,m|cost\na,1,1\n",
        &["1 of the 2", "\"b\""],
    );
    refuse(
        "sample_id,m|quality,m|cost\na,high,1\nb,1,1\n",
        &["line 2", "m|quality", "high"],
    );
    refuse(
        "sample_id,m|quality,m|cost\na,1,NaN\nb,1,1\n",
        &["line 2", "m|cost", "NaN"],
    );
    refuse("sample_id,m|quality,m|cost\na,1\nb,1,1\n", &["line"]);
    fs::remove_file(&predictions).unwrap();
    let error = refused(
        2,
        &[
            "evaluate",
            "--table",
            arg(&table),
            "--predictions",
            arg(&predictions),
        ],
    );
    says(&error, &["p.csv", "help:"]);
}

/// Two models at fixed costs, ten queries: which go to the strong one is worked out by hand below.
fn two_models(costs: [f64; 2], predicted_costs: [f64; 2]) -> Case {
    // The predicted gains of the strong model: .9, .8, .7, .6, .5, .4, .3, .2, .1, -.1; the real ones in the last column.
    let strong = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0];
    let weak = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1];
    let real = [
        [0.0, 1.0],
        [0.0, 1.0],
        [1.0, 1.0],
        [0.0, 1.0],
        [0.0, 0.0],
        [0.0, 1.0],
        [1.0, 0.0],
        [1.0, 1.0],
        [0.0, 0.0],
        [1.0, 1.0],
    ];
    Case {
        name: "two models".to_owned(),
        quality: real.map(|row| row.to_vec()).to_vec(),
        cost: vec![costs.to_vec(); 10],
        predicted_quality: weak.iter().zip(strong).map(|(&w, s)| vec![w, s]).collect(),
        predicted_cost: vec![predicted_costs.to_vec(); 10],
        legacy: Legacy {
            nauc: 0.0,
            peak: 0.0,
            qnc: None,
            rci: 0.0,
        },
        shared: Shared { nauc: 0.0 },
    }
}

#[test]
fn two_models_have_thresholds_for_shares_of_strong_calls() {
    let place = tempfile::tempdir().unwrap();
    for costs in [[1.0, 1.0], [0.0, 0.0], [1.0, 20.0]] {
        let case = two_models(costs, costs);
        let (table, predictions) = write(&place, &case);
        let found = evaluate(&table, &predictions, &["--shares", "0.2,0.5,0.84,1"]);
        let two = &found["two_model"];
        assert_eq!((&two["weak"], &two["strong"]), (&"m0".into(), &"m1".into()));
        // The weak model has 4 of 10, the strong one 7: the real gains, in the order in which queries are sent.
        let real: [f64; 10] = [1.0, 1.0, 0.0, 1.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0];
        let gap: f64 = real.iter().sum();
        let mut recovered = vec![0.0];
        for gain in real {
            recovered.push(recovered[recovered.len() - 1] + gain / gap);
        }
        let apgr: f64 = recovered
            .windows(2)
            .map(|pair| (pair[0] + pair[1]) / 20.0)
            .sum();
        close("APGR", &two["apgr"], apgr);
        let strong_queries = |share: f64| (share * 10.0).round() as usize;
        for (index, (share, threshold)) in [(0.2, 0.8), (0.5, 0.5), (0.84, 0.2), (1.0, -0.1)]
            .into_iter()
            .enumerate()
        {
            let at = &two["shares"][index];
            let calls = strong_queries(share);
            close("share", &at["share"], share);
            close("threshold", &at["threshold"], threshold);
            close("called", &at["called"], calls as f64 / 10.0);
            let quality: f64 = (0..10)
                .map(|row| case.quality[row][usize::from(row < calls)])
                .sum();
            close("quality", &at["quality"], quality / 10.0);
            let cost = (calls as f64 * costs[1] + (10 - calls) as f64 * costs[0]) / 10.0;
            close("cost", &at["cost"], cost);
            // Whoever applies the threshold to the predictions sends as many.
            let threshold = at["threshold"].as_f64().unwrap();
            let sent = case
                .predicted_quality
                .iter()
                .filter(|row| row[1] - row[0] >= threshold)
                .count();
            assert_eq!(sent, calls);
        }
        let text = success(&[
            "evaluate",
            "--table",
            arg(&table),
            "--predictions",
            arg(&predictions),
        ]);
        says(
            &text,
            &[
                "APGR",
                "CPT(50 %)",
                "CPT(80 %)",
                &format!("{apgr:.4}"),
                "50.0 %  gain ≥ 0.500000: 50.0 %",
            ],
        );
    }
    // Where costs differ, the budget of the strong model sends it all queries but the last.
    let case = two_models([1.0, 20.0], [1.0, 20.0]);
    let (table, predictions) = write(&place, &case);
    let found = evaluate(&table, &predictions, &[]);
    let half = &found["two_model"]["shares"][1];
    close("budget", &half["budget"], 20.0);
    close("called at the budget", &half["called_at_budget"], 0.9);

    for shares in ["0", "1.5", "nan"] {
        let error = refused(
            2,
            &[
                "evaluate",
                "--table",
                arg(&table),
                "--predictions",
                arg(&predictions),
                "--shares",
                shares,
            ],
        );
        says(&error, &["`--shares`", "help: "]);
    }
}

/// By hand: the second query gains more for its money, and a mean of 2.5 pays for it alone.
#[test]
fn a_decision_says_what_a_budget_means() {
    let case = Case {
        name: "two queries".into(),
        quality: vec![vec![0.0, 1.0], vec![0.0, 1.0]],
        cost: vec![vec![1.0, 2.0], vec![1.0, 4.0]],
        predicted_quality: vec![vec![0.5, 0.6], vec![0.1, 0.9]],
        predicted_cost: vec![vec![1.0, 2.0], vec![1.0, 4.0]],
        legacy: Legacy {
            nauc: 0.0,
            peak: 0.0,
            qnc: None,
            rci: 0.0,
        },
        shared: Shared { nauc: 0.0 },
    };
    let place = tempfile::tempdir().unwrap();
    let (table, predictions) = write(&place, &case);
    let points = |decision: &str| -> Vec<(f64, f64, f64)> {
        let found = evaluate(&table, &predictions, &["--decision", decision]);
        let number = |point: &Value, name: &str| point[name].as_f64().unwrap();
        let points = found["points"].as_array().unwrap().iter();
        points
            .map(|p| (number(p, "budget"), number(p, "cost"), number(p, "quality")))
            .collect()
    };
    let cap = [(1.0, 1.0, 0.0), (2.0, 1.5, 0.5), (4.0, 3.0, 1.0)];
    assert_eq!(points("cap"), cap);
    assert_eq!(
        points("price"),
        [(1.0, 1.0, 0.0), (2.5, 2.5, 0.5), (3.0, 3.0, 1.0)]
    );
    // Where a query may cost no more than the mean, there is nothing left to price: as with a cap, but at more budgets.
    let capped = points("cap+price=1");
    assert!(capped.iter().all(|&(budget, cost, _)| {
        let at = cap.iter().rfind(|point| point.0 <= budget).unwrap();
        at.1 == cost
    }));
    // Within 0.1 of the best the first query keeps to its cheap model.
    assert_eq!(points("margin=0.11")[2], (4.0, 2.5, 0.5));
    let error = refused(
        2,
        &[
            "evaluate",
            "--table",
            arg(&table),
            "--predictions",
            arg(&predictions),
            "--decision",
            "dear",
        ],
    );
    says(&error, &["--decision", "`cap+price=2`"]);
}
