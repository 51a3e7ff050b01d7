//! Numbers of the reference implementations.
//!
//! Every JSON file of the folder that looks like metrics cases is read: `tests/golden` at the root of the
//! repository, or the folder that `ROUTELAB_GOLDEN` names.
//!
//! What the numbers say about the references' corners:
//! - `legacy` is computed in single precision, `shared` in double precision.
//! - Equal predicted costs give one budget and one point; `legacy` nAUC is then 0 (no width), `shared` is the
//!   quality of the best point on the interval of no width.
//! - `legacy` nAUC sorts the appended best-single point into the front by cost, so it may lie in its middle.
//! - The anchor's quality at equal real costs is that of the first model.
//! - QNC is null when no point reaches the best single model's quality.
#![allow(clippy::print_stdout, reason = "a test prints as it likes")]

use std::path::{Path, PathBuf};

use ndarray::Array2;
use routelab_eval::{
    CurvePoint, Evaluation, EvaluationOptions, Rule, Scores, Truth, choose, collapse, curve,
    evaluate,
};
use serde::Deserialize;
use serde_json::Value;

use crate::common::value;

#[derive(Deserialize)]
struct Case {
    name: String,
    quality: Vec<Vec<f64>>,
    cost: Vec<Vec<f64>>,
    predicted_quality: Vec<Vec<f64>>,
    predicted_cost: Vec<Vec<f64>>,
    legacy: Option<Legacy>,
    shared: Option<Shared>,
}

#[derive(Deserialize)]
struct Legacy {
    points: Vec<GoldenPoint>,
    pareto: Vec<GoldenPoint>,
    nauc: f64,
    peak: f64,
    best_single_quality: f64,
    best_single_cost: f64,
    qnc: Option<f64>,
    choice_at_largest_budget: Vec<usize>,
    rci: f64,
    rci_rows: Vec<u8>,
}

#[derive(Deserialize)]
struct Shared {
    points: Vec<GoldenPoint>,
    anchor: GoldenPoint,
    cost_bounds: [f64; 2],
    nauc: f64,
    pareto: Vec<GoldenPoint>,
    choice_at_largest_budget: Vec<usize>,
}

#[derive(Deserialize, Clone, Copy)]
struct GoldenPoint {
    cost: f64,
    performance: f64,
}

#[test]
fn metrics_match_the_references() {
    let named = std::env::var_os("ROUTELAB_GOLDEN").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Tests run in the crate's folder; a relative path is meant from the root of the repository.
    let folder = root.join(named.as_deref().unwrap_or(Path::new("tests/golden")));
    let files = json_files(&folder);
    let mut checked = 0;
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{file:?}: {e}"));
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{file:?}: {e}"));
        for case in cases(value) {
            let case: Case = serde_json::from_value(case)
                .unwrap_or_else(|e| panic!("{file:?} looks like metrics cases: {e}"));
            let context = format!("{}, case {}", file.display(), case.name);
            check(&case, &context);
            checked += 1;
        }
    }
    // A folder of someone's own may hold golden numbers of other kinds only; ours must hold these.
    assert!(
        checked > 0 || named.is_some(),
        "no metrics cases in {folder:?}; expected a JSON list of cases with quality, cost, predicted_quality, \
         predicted_cost and legacy or shared"
    );
    println!("{checked} cases in {folder:?}");
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("golden numbers are missing: {folder:?}: {e}"));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    files
}

/// The metrics cases in a file, none if it is of another kind.
fn cases(value: Value) -> Vec<Value> {
    let candidates = match value {
        Value::Array(list) => list,
        single => vec![single],
    };
    let is_case = |value: &Value| {
        let has = |key: &str| value.get(key).is_some();
        ["quality", "cost", "predicted_quality", "predicted_cost"].map(has) == [true; 4]
            && (has("legacy") || has("shared"))
    };
    candidates.into_iter().filter(is_case).collect()
}

fn check(case: &Case, context: &str) {
    let (quality, cost) = (matrix(&case.quality), matrix(&case.cost));
    let truth = Truth::new(quality.view(), cost.view()).expect(context);
    let scores = Scores::new(
        matrix(&case.predicted_quality),
        matrix(&case.predicted_cost),
    )
    .expect(context);
    if let Some(legacy) = &case.legacy {
        check_legacy(&truth, &scores, legacy, &format!("{context}, legacy"));
    }
    if let Some(shared) = &case.shared {
        check_shared(&truth, &scores, shared, &format!("{context}, shared"));
    }
}

fn check_legacy(truth: &Truth, scores: &Scores, golden: &Legacy, context: &str) {
    let ours = run(truth, scores, Rule::LEGACY);
    same_curve(&ours.curve(), &golden.points, &format!("{context}, points"));
    same(
        value(&ours, "nauc_legacy"),
        golden.nauc,
        &format!("{context}, nAUC"),
    );
    same(
        value(&ours, "peak"),
        golden.peak,
        &format!("{context}, peak"),
    );
    same(
        ours.best_single_quality,
        golden.best_single_quality,
        &format!("{context}, best single quality"),
    );
    same(
        ours.best_single_cost,
        golden.best_single_cost,
        &format!("{context}, best single cost"),
    );

    // The reference compares single-precision points with double-precision means. Where two qualities are equal but
    // for that rounding, only the same rounding makes the same front and reaches the same quality.
    let best_single = CurvePoint {
        cost: ours.best_single_cost,
        quality: ours.best_single_quality,
    };
    let single: Vec<CurvePoint> = ours.curve().iter().map(to_single_precision).collect();
    let rounded_front = curve::pareto_front(&single);
    let front = if ours.pareto.len() == golden.pareto.len() {
        &ours.pareto
    } else {
        &rounded_front
    };
    same_curve(front, &golden.pareto, &format!("{context}, front"));
    let qnc = Some(value(&ours, "qnc")).filter(|qnc| qnc.is_finite());
    let qnc = if qnc.is_some() == golden.qnc.is_some() {
        qnc
    } else {
        curve::qnc(&rounded_front, best_single)
    };
    assert_eq!(
        qnc.is_some(),
        golden.qnc.is_some(),
        "{context}, QNC: {qnc:?} for {:?}",
        golden.qnc
    );
    if let (Some(ours), Some(golden)) = (qnc, golden.qnc) {
        same(ours, golden, &format!("{context}, QNC"));
    }

    assert_eq!(
        ours.choices, golden.choice_at_largest_budget,
        "{context}, choices"
    );
    same(value(&ours, "rci"), golden.rci, &format!("{context}, RCI"));
    same(
        value(&ours, "rci_wasteful") + value(&ours, "rci_wrong"),
        golden.rci,
        &format!("{context}, RCI by parts"),
    );
    let rows: Vec<u8> = collapse::verdicts(truth, &ours.choices, &ours.strongest)
        .iter()
        .map(|&verdict| u8::from(verdict != collapse::Verdict::Right))
        .collect();
    assert_eq!(rows, golden.rci_rows, "{context}, RCI rows");
}

fn check_shared(truth: &Truth, scores: &Scores, golden: &Shared, context: &str) {
    let ours = run(truth, scores, Rule::default());
    let interval = ours.shared_interval;
    same_curve(&ours.curve(), &golden.points, &format!("{context}, points"));
    same_curve(
        &[interval.anchor],
        &[golden.anchor],
        &format!("{context}, anchor"),
    );
    same(
        interval.low,
        golden.cost_bounds[0],
        &format!("{context}, low"),
    );
    same(
        interval.high,
        golden.cost_bounds[1],
        &format!("{context}, high"),
    );
    same(
        value(&ours, "nauc_shared"),
        golden.nauc,
        &format!("{context}, nAUC"),
    );
    // The numbers do not tell whether the reference's front has the anchor in it; ours has not, and adding it is free.
    let mut with_anchor = ours.curve();
    with_anchor.push(interval.anchor);
    let with_anchor = curve::pareto_front(&with_anchor);
    let front = if ours.pareto.len() == golden.pareto.len() {
        &ours.pareto
    } else {
        &with_anchor
    };
    same_curve(front, &golden.pareto, &format!("{context}, front"));
    assert_eq!(
        ours.choices, golden.choice_at_largest_budget,
        "{context}, choices"
    );
}

fn run(truth: &Truth, scores: &Scores, rule: Rule) -> Evaluation {
    let options = EvaluationOptions {
        rule,
        ..Default::default()
    };
    let evaluation = evaluate(truth, scores, &options).expect("a sound case");
    let largest = evaluation.points.last().expect("at least one point").budget;
    assert_eq!(choose(scores, largest, &rule), evaluation.choices);
    evaluation
}

fn to_single_precision(point: &CurvePoint) -> CurvePoint {
    CurvePoint {
        cost: f64::from(point.cost as f32),
        quality: f64::from(point.quality as f32),
    }
}

fn matrix(rows: &[Vec<f64>]) -> Array2<f64> {
    let columns = rows.first().map_or(0, Vec::len);
    Array2::from_shape_vec((rows.len(), columns), rows.concat()).expect("a rectangular matrix")
}

fn same_curve(ours: &[CurvePoint], golden: &[GoldenPoint], context: &str) {
    assert_eq!(ours.len(), golden.len(), "{context}: number of points");
    for (at, (ours, golden)) in ours.iter().zip(golden).enumerate() {
        same(ours.cost, golden.cost, &format!("{context} {at}, cost"));
        same(
            ours.quality,
            golden.performance,
            &format!("{context} {at}, quality"),
        );
    }
}

/// Relative tolerance of 1e-5, or as much absolutely near zero.
fn same(ours: f64, golden: f64, context: &str) {
    let near_zero = ours.abs().max(golden.abs()) < 1e-5;
    let tolerance = if near_zero { 1e-5 } else { 1e-5 * golden.abs() };
    assert!(
        (ours - golden).abs() <= tolerance,
        "{context}: {ours}, expected {golden}"
    );
}
