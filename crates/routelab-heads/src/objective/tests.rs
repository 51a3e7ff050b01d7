//! The objectives against values computed from their formulas, by hand, and by differences.

use burn::tensor::{Device, Tensor};
use serde::Deserialize;

use super::*;
use crate::reference::{
    Matrix, assert_close, backends, card_backends, check_loss, cpu_backends, reference, tensor,
    values,
};

/// Every objective with its defaults, those with an order of ties also with that by cost, and without the squared error.
fn all() -> Vec<Objective> {
    let read = |text: String| serde_json::from_str::<Objective>(&text).unwrap();
    let mut all: Vec<Objective> = (Objective::KINDS.iter())
        .map(|kind| read(format!("\"{kind}\"")))
        .collect();
    for kind in ["pairwise", "listnet", "lambdarank", "regret"] {
        for order in ["none", "cost"] {
            all.push(read(format!(
                "{{\"kind\": \"{kind}\", \"tie_order\": \"{order}\", \"weight\": 7, \"error_weight\": 0}}"
            )));
        }
    }
    all.push(Objective::Pairwise(Pairwise {
        tie_order: TieOrder::Cost,
        normalisation: Normalisation::PerQuery,
        ..Pairwise::default()
    }));
    all
}

#[derive(Deserialize)]
struct Listwise {
    scores: Matrix,
    quality: Matrix,
    cost: Matrix,
    cases: Vec<ListwiseCase>,
}

#[derive(Deserialize)]
struct ListwiseCase {
    kind: String,
    tie_order: TieOrder,
    temperature: f64,
    loss: f32,
    gradient: Matrix,
}

impl ListwiseCase {
    fn objective(&self) -> Objective {
        list(&self.kind, self.tie_order, self.temperature)
    }
}

/// An objective on lists without the squared error.
fn list(kind: &str, tie_order: TieOrder, temperature: f64) -> Objective {
    let lists = Lists {
        tie_order,
        temperature,
        weight: 1.0,
        error_weight: 0.0,
    };
    match kind {
        "list-net" => Objective::ListNet(ListNet(lists)),
        "lambda-rank" => Objective::LambdaRank(LambdaRank(lists)),
        "regret" => Objective::Regret(Regret(lists)),
        kind => panic!("no list objective {kind}"),
    }
}

fn cases() -> Listwise {
    serde_json::from_value(reference().listwise).unwrap()
}

#[test]
fn losses_on_lists_and_their_gradients_match_the_reference() {
    let reference = cases();
    assert_eq!(reference.cases.len(), 6);
    for backend in backends() {
        let device = backend.device().clone().autodiff();
        let quality = tensor(&reference.quality, &device);
        let cost = tensor(&reference.cost, &device);
        for case in &reference.cases {
            let objective = case.objective();
            let what = format!("{objective:?} on {}", backend.name());
            let expected = (case.loss, &case.gradient);
            check_loss(&what, &reference.scores, &device, expected, |scores| {
                objective.loss(scores, &Targets::of(quality.clone(), cost.clone()))
            });
        }
    }
}

/// Two models: `s = (0, T ln 3)` draws the second with probability 3/4.
#[test]
fn small_lists_are_as_computed_by_hand() {
    let device = Device::flex();
    let loss = |kind, tie_order, quality: [f32; 2], cost: [f32; 2]| {
        let scores = Tensor::<2>::from_floats([[0.0, 0.5 * 3.0_f32.ln()]], &device);
        let [quality, cost] = [quality, cost].map(|row| Tensor::from_floats([row], &device));
        values(list(kind, tie_order, 0.5).loss(scores, &Targets::of(quality, cost)))[0]
    };
    let close = |found: f32, expected: f32| {
        assert!(
            (found - expected).abs() < 1e-6,
            "{found} instead of {expected}"
        );
    };
    // The right model is drawn with probability 1/4, the other loses 1.
    let none = TieOrder::None;
    close(loss("regret", none, [1.0, 0.0], [1.0, 1.0]), 0.75);
    // A pair of neighbours in rank: |1 - 0| · |1 - 1 / log2 3|, over an ideal of 1.
    let change = 1.0 - 1.0 / 3.0_f32.log2();
    let expected = change * (1.0 + 3.0_f32).ln();
    close(loss("lambda-rank", none, [1.0, 0.0], [1.0, 1.0]), expected);
    // Equal models: the target is one half each.
    let expected = -0.5 * (0.25_f32.ln() + 0.75_f32.ln());
    close(loss("list-net", none, [1.0, 1.0], [1.0, 2.0]), expected);
    // The cheaper of two equal models is worth 0.1 · 1/2 more.
    let cost = TieOrder::Cost;
    close(loss("regret", cost, [1.0, 1.0], [1.0, 2.0]), 0.75 * 0.05);
    close(loss("regret", cost, [1.0, 1.0], [2.0, 2.0]), 0.0);
}

#[test]
fn permuting_the_models_changes_no_loss() {
    let reference = cases();
    let device = Device::flex();
    let permuted = |rows: &Vec<Vec<f32>>| {
        let order = [2, 0, 3, 1];
        let rows: Vec<Vec<f32>> = rows
            .iter()
            .map(|row| order.iter().map(|&model| row[model]).collect())
            .collect();
        tensor(&rows, &device)
    };
    for objective in all() {
        // Without its tie of scores, which the order of the columns decides.
        let mut scores = reference.scores.clone();
        scores[0][1] += 0.01;
        let [q, c] = [&reference.quality, &reference.cost].map(|rows| tensor(rows, &device));
        let loss = values(objective.loss(tensor(&scores, &device), &Targets::of(q, c)))[0];
        let [s, q, c] = [&scores, &reference.quality, &reference.cost].map(permuted);
        let other = values(objective.loss(s, &Targets::of(q, c)))[0];
        assert!(
            (loss - other).abs() < 1e-5 * loss.abs().max(1.0),
            "{objective:?}: {loss} and {other}"
        );
    }
}

const SCORES: [[f32; 4]; 3] = [
    [0.21, 0.93, 0.12, 0.55],
    [0.52, 0.33, 0.84, -0.4],
    [0.71, 0.64, 0.13, 0.9],
];
const QUALITY: [[f32; 4]; 3] = [
    [1.0, 0.0, 1.0, 0.25],
    [0.0, 1.0, 0.5, 0.0],
    [0.5, 0.5, 0.5, 0.5],
];
const COST: [[f32; 4]; 3] = [
    [3.0, 1.0, 2.0, 4.0],
    [3.0, 1.0, 2.0, 0.5],
    [3.0, 1.0, 2.0, 4.0],
];

/// Rows of different numbers of measured models, the last with one only.
const MEASURED: [[f32; 4]; 3] = [
    [1.0, 1.0, 1.0, 0.0],
    [1.0, 0.0, 1.0, 1.0],
    [0.0, 0.0, 0.0, 1.0],
];

fn rows<const M: usize>(matrix: &[[f32; M]]) -> Matrix {
    matrix.iter().map(|row| row.to_vec()).collect()
}

/// The loss and the gradient of the scores, `[queries · models]`.
fn evaluate(
    objective: &Objective,
    scores: &Matrix,
    [quality, cost]: [&Matrix; 2],
    measured: Option<&Matrix>,
    device: &Device,
) -> (f32, Vec<f32>) {
    let targets = Targets {
        measured: measured.map(|measured| tensor(measured, device)),
        unit: 2.5,
        ..Targets::of(tensor(quality, device), tensor(cost, device))
    };
    let scores = tensor(scores, device).require_grad();
    let loss = objective.loss(scores.clone(), &targets);
    let gradient = scores.grad(&loss.clone().backward()).unwrap();
    (values(loss.reshape([1, 1]).inner())[0], values(gradient))
}

#[test]
fn gradients_are_those_of_differences() {
    let (scores, quality, cost) = (rows(&SCORES), rows(&QUALITY), rows(&COST));
    let measured = rows(&MEASURED);
    for backend in cpu_backends() {
        let device = backend.device().clone().autodiff();
        for objective in all() {
            for measured in [None, Some(&measured)] {
                let of = |scores: &Matrix| {
                    evaluate(&objective, scores, [&quality, &cost], measured, &device)
                };
                let (loss, gradient) = of(&scores);
                assert!(loss.is_finite() && gradient.iter().any(|value| *value != 0.0));
                for (cell, found) in gradient.iter().enumerate() {
                    let moved = |by: f32| {
                        let mut scores = scores.clone();
                        scores[cell / 4][cell % 4] += by;
                        of(&scores).0
                    };
                    let step = 2e-3;
                    let expected = (moved(step) - moved(-step)) / (2.0 * step);
                    assert!(
                        (found - expected).abs() < 2e-3 * loss.abs().max(1.0),
                        "{objective:?}, cell {cell}, {measured:?}: {found} and {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn pairs_in_one_kernel_of_cards_have_the_losses_and_gradients_of_processors() {
    let (scores, quality, cost) = (rows(&SCORES), rows(&QUALITY), rows(&COST));
    let measured = rows(&MEASURED);
    for backend in card_backends() {
        let device = backend.device().clone().autodiff();
        let orders = [TieOrder::None, TieOrder::Cost];
        let ways = [Normalisation::PerPair, Normalisation::PerQuery];
        for (tie_order, normalisation) in orders
            .iter()
            .flat_map(|order| ways.map(|way| (*order, way)))
        {
            let objective = Objective::Pairwise(Pairwise {
                tie_order,
                normalisation,
                ..Pairwise::default()
            });
            for measured in [None, Some(&measured)] {
                let of =
                    |device| evaluate(&objective, &scores, [&quality, &cost], measured, device);
                let (expected, found) = (of(&Device::flex().autodiff()), of(&device));
                let what = format!("{objective:?} on {backend}");
                assert_close(&what, &[found.0], &[expected.0]);
                assert_close(&what, &found.1, &expected.1);
            }
        }
    }
}

/// Loss and gradient with a mask over nothing are those without one; a model that was measured nowhere might as well not be
/// there, and its scores have no gradient; what stands in a cell that was not measured does not matter.
#[test]
fn only_what_was_measured_counts() {
    let (scores, quality, cost) = (rows(&SCORES), rows(&QUALITY), rows(&COST));
    let first =
        |matrix: &Matrix| -> Matrix { matrix.iter().map(|row| row[..3].to_vec()).collect() };
    for backend in backends() {
        let device = backend.device().clone().autodiff();
        for objective in all() {
            let what = format!("{objective:?} on {}", backend.name());
            let found =
                |measured| evaluate(&objective, &scores, [&quality, &cost], measured, &device);
            let close = |found: (f32, Vec<f32>), expected: (f32, Vec<f32>)| {
                assert_close(&what, &[found.0], &[expected.0]);
                assert_close(&what, &found.1, &expected.1);
            };
            let everything = vec![vec![1.0; 4]; 3];
            close(found(Some(&everything)), found(None));

            let fewer = [&first(&quality), &first(&cost)];
            let (loss, gradient) = evaluate(&objective, &first(&scores), fewer, None, &device);
            let gradient = gradient.chunks(3).flat_map(|row| [row, &[0.0]].concat());
            let without = vec![vec![1.0, 1.0, 1.0, 0.0]; 3];
            close(found(Some(&without)), (loss, gradient.collect()));

            let measured = rows(&MEASURED);
            let (mut others, mut prices) = (quality.clone(), cost.clone());
            for (row, cells) in measured.iter().enumerate() {
                for (model, _) in cells.iter().enumerate().filter(|(_, cell)| **cell == 0.0) {
                    (others[row][model], prices[row][model]) = (0.9, 1e6);
                }
            }
            let placeholders = [&others, &prices];
            let other = evaluate(&objective, &scores, placeholders, Some(&measured), &device);
            close(other, found(Some(&measured)));
        }
    }
}

/// The lists of a batch are cut to what was measured, each by itself.
#[test]
fn a_masked_list_is_the_shorter_list() {
    let device = Device::flex().autodiff();
    for kind in ["list-net", "lambda-rank", "regret"] {
        for tie_order in [TieOrder::None, TieOrder::Cost] {
            let objective = list(kind, tie_order, 0.3);
            let (scores, quality, cost) = (rows(&SCORES), rows(&QUALITY), rows(&COST));
            let measured = rows(&MEASURED);
            let targets = [&quality, &cost];
            let (found, _) = evaluate(&objective, &scores, targets, Some(&measured), &device);
            let alone = (0..3).map(|query| {
                let cut = |matrix: &Matrix| -> Matrix {
                    let cells = matrix[query].iter().zip(&measured[query]);
                    vec![
                        cells
                            .filter(|(_, cell)| **cell > 0.0)
                            .map(|(value, _)| *value)
                            .collect(),
                    ]
                };
                let targets = [&cut(&quality), &cut(&cost)];
                evaluate(&objective, &cut(&scores), targets, None, &device).0
            });
            let expected = alone.sum::<f32>() / 3.0;
            assert_close(&format!("{objective:?}"), &[found], &[expected]);
        }
    }
}

/// Nothing measured at all: the loss is 0, and so are the gradients.
#[test]
fn a_batch_without_a_measurement_has_no_loss() {
    let device = Device::flex().autodiff();
    let (scores, quality, cost) = (rows(&SCORES), rows(&QUALITY), rows(&COST));
    let nothing = vec![vec![0.0; 4]; 3];
    for objective in all() {
        let targets = [&quality, &cost];
        let (loss, gradient) = evaluate(&objective, &scores, targets, Some(&nothing), &device);
        assert_eq!(loss, 0.0, "{objective:?}");
        assert!(
            gradient.iter().all(|value| *value == 0.0),
            "{objective:?}: {gradient:?}"
        );
    }
}

#[test]
fn errors_of_cells_are_as_computed_by_hand() {
    let device = Device::flex();
    let row = |values: [f32; 2]| Tensor::<2>::from_floats([values], &device);
    let loss = |objective: Objective| {
        let targets = Targets {
            unit: 4.0,
            ..Targets::of(row([1.0, 0.0]), row([2.0, 4.0]))
        };
        values(objective.loss(row([0.5, 0.5]), &targets))[0]
    };
    assert_eq!(loss(Objective::SquaredError(SquaredError {})), 0.25);
    // Utilities at λ = 1/2: 1 - 1/4 and 0 - 1/2.
    let utility = loss(Objective::Utility(Utility { price: 0.5 }));
    assert_eq!(utility, (0.25 * 0.25 + 1.0) / 2.0);
    // σ(1/2) and σ(-1/2)
    let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
    let expected = -(sigmoid(0.5).ln() + sigmoid(-0.5).ln()) / 2.0;
    let found = loss(Objective::CrossEntropy(CrossEntropy {}));
    assert!((found - expected).abs() < 1e-6);
    // The second model is below the first by 0 instead of 0.1.
    let hinge = loss(Objective::Hinge(Hinge { margin: 0.1 }));
    assert!((hinge - 0.1).abs() < 1e-6);
}

#[test]
fn an_objective_is_a_name_or_a_table() {
    let read = |text: &str| serde_json::from_str::<Objective>(text);
    for kind in Objective::KINDS {
        let short = read(&format!("\"{kind}\"")).unwrap();
        assert_eq!(read(&format!("{{\"kind\": \"{kind}\"}}")).unwrap(), short);
        short.validate().unwrap();
        let long = serde_json::to_string(&short).unwrap();
        assert!(long.contains(kind), "{long}");
        assert_eq!(read(&long).unwrap(), short);
        let unknown = read(&format!("{{\"kind\": \"{kind}\", \"temprature\": 1}}")).unwrap_err();
        assert!(unknown.to_string().contains("`temprature`"), "{unknown}");
    }
    let pairwise = Pairwise {
        tie_order: TieOrder::Cost,
        weight: 10.0,
        ..Pairwise::default()
    };
    let text = "{\"kind\": \"pairwise\", \"tie_order\": \"cost\", \"weight\": 10}";
    assert_eq!(read(text).unwrap(), Objective::Pairwise(pairwise));
    let error = read("\"listmle\"").unwrap_err().to_string();
    assert!(
        error.contains("`listmle`") && error.contains("`listnet`"),
        "{error}"
    );
    let error = read("{\"weight\": 1}").unwrap_err().to_string();
    assert!(error.contains("`kind`"), "{error}");
    assert!(
        read("3")
            .unwrap_err()
            .to_string()
            .contains("a table with its `kind`")
    );
}

#[test]
fn settings_out_of_range_are_named() {
    let reason = |text: &str| {
        let objective: Objective = serde_json::from_str(text).unwrap();
        objective.validate().unwrap_err()
    };
    for kind in ["pairwise", "listnet", "lambdarank", "regret"] {
        let with = |settings: &str| reason(&format!("{{\"kind\": \"{kind}\", {settings}}}"));
        assert!(with("\"weight\": -1").contains("`weight`"));
        assert!(with("\"error_weight\": -1").contains("`error_weight`"));
        assert!(with("\"weight\": 0, \"error_weight\": 0").contains("must not both be 0"));
        if kind != "pairwise" {
            assert!(with("\"temperature\": 0").contains("`temperature`"));
        }
    }
    assert!(reason("{\"kind\": \"utility\", \"price\": -0.1}").contains("`price`"));
}

#[test]
fn only_logits_are_squashed() {
    let device = Device::flex();
    let scores = Tensor::<2>::from_floats([[0.0, 2.0]], &device);
    let of = |objective: Objective| values(objective.output().of(scores.clone()));
    let sigmoid = 1.0 / (1.0 + (-2.0_f32).exp());
    let found = of(Objective::CrossEntropy(CrossEntropy {}));
    assert_close("logits", &found, &[0.5, sigmoid]);
    let scores = [0.0, 2.0];
    assert_eq!(of(Objective::SquaredError(SquaredError {})), scores);
    assert_eq!(of(Objective::Pairwise(Pairwise::default())), scores);
}
