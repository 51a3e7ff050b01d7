//! From results to figures.

use std::cell::RefCell;
use std::collections::BTreeMap;

use ndarray::Axis;
use routelab_eval::Metric;
use routelab_eval::bootstrap::{Interval, seeds_interval};
use routelab_plot::{
    Better, CallMixChart, CallRateChart, CostQualityChart, Curve, Drawing, ForestChart, ForestRow,
    LabelledPoint, MarginChart, MarginSeries, MixPanel, PlotError, RateSeries, RciBar, RciChart,
    Role, TuningChart, TuningSearch,
};

use super::analysis;
use super::inputs::Inputs;
use super::results::{Results, RouterResult};
use super::store::Store;
use crate::experiment::{Experiment, Tuning};
use crate::failure::{Failure, Outcome};

/// The metric of the figure of differences from the reference.
pub const COMPARED: &Metric = Metric::known("nauc_shared");

/// The routing collapse index and its two parts.
const RCI: [&Metric; 3] = [
    Metric::known("rci"),
    Metric::known("rci_wasteful"),
    Metric::known("rci_wrong"),
];

/// Writes every figure into `figures/`, as SVG, PDF, PNG and the CSV that it draws. Returns the characters of names that no font
/// here has.
pub fn write(
    experiment: &Experiment,
    inputs: &Inputs,
    results: &Results,
    store: &Store,
) -> Outcome<Vec<char>> {
    let missing = RefCell::new(Vec::new());
    if results.working().next().is_none() {
        store.log("no router worked, so there is nothing to draw".to_owned())?;
        return Ok(Vec::new());
    }
    let folder = store.folder().join("figures");
    std::fs::create_dir_all(&folder).map_err(|error| Failure::write(&folder, error))?;
    let style = &experiment.style;
    let save = |drawing: Result<Drawing, PlotError>, stem: &str| {
        // What a run lacks is no reason to lose the rest of it.
        if let Err(PlotError::Empty { .. }) = drawing {
            return store.log(format!("{stem}: nothing to draw"));
        }
        let drawing = drawing.map_err(Failure::failed)?;
        for &c in drawing.missing() {
            if !missing.borrow().contains(&c) {
                missing.borrow_mut().push(c);
            }
        }
        drawing
            .save(&folder, stem)
            .map(drop)
            .map_err(Failure::failed)
    };
    save(call_rates(results).draw(style), "call_rate")?;
    save(
        cost_quality(experiment, inputs, results).draw(style),
        "cost_quality",
    )?;
    save(call_mix(results).draw(style), "call_mix")?;
    save(margins(results).draw(style), "margins")?;
    save(rci(results).draw(style), "rci")?;
    let note = format!(
        "At the largest budget. Ordering: a right model is predicted at most {} below the choice.",
        results.margin_threshold
    );
    save(
        analysis::chart(results, Some(note)).draw(style),
        "decomposition",
    )?;
    if let Some(chart) = differences(results, COMPARED)? {
        save(chart.draw(style), "differences")?;
    }
    if let Some(tuning) = &experiment.tuning
        && let Some(chart) = search(results, tuning)
    {
        save(chart.draw(style), "tuning")?;
    }
    Ok(missing.take())
}

/// A metric as figures name it: one that is shown everywhere or resampled, of which one value is better.
pub fn drawn_metric(metric: &Metric) -> routelab_plot::Quantity {
    routelab_plot::Quantity {
        name: metric.heading.to_owned(),
        percent: metric.percent,
        better: match metric.better {
            routelab_eval::Better::Higher => Better::Higher,
            routelab_eval::Better::Lower => Better::Lower,
            routelab_eval::Better::Neither => unreachable!("{} is not drawn", metric.name),
        },
    }
}

/// Every other router against the reference.
fn differences(results: &Results, metric: &'static Metric) -> Outcome<Option<ForestChart>> {
    let rows: Vec<ForestRow> = results
        .comparisons()?
        .into_iter()
        .filter(|comparison| comparison.metric == metric)
        .map(|comparison| {
            // Stored as reference minus router.
            let Interval { mean, low, high } = comparison.paired.difference;
            ForestRow {
                name: comparison.router.to_owned(),
                difference: -mean,
                low: -high,
                high: -low,
                p: Some(comparison.holm),
            }
        })
        .filter(|row| row.low.is_finite() && row.high.is_finite())
        .collect();
    Ok(match (&results.reference, rows.is_empty()) {
        (Some(reference), false) => Some(ForestChart {
            metric: drawn_metric(metric),
            reference: reference.clone(),
            rows,
            note: Some(
                "Paired bootstrap over queries, 95 % intervals; p is corrected by Holm for the number of routers."
                    .to_owned(),
            ),
        }),
        _ => None,
    })
}

/// The search for settings on the first seed.
fn search(results: &Results, tuning: &Tuning) -> Option<TuningChart> {
    let searches: Vec<TuningSearch> = results
        .routers
        .iter()
        .filter_map(|router| {
            let (_, trials) = router.searches.first()?;
            Some(TuningSearch {
                name: router.label.clone(),
                trials: trials
                    .iter()
                    .map(|trial| trial.value.filter(|value| value.is_finite()))
                    .collect(),
            })
        })
        .collect();
    (!searches.is_empty()).then(|| TuningChart {
        metric: drawn_metric(tuning.metric()),
        searches,
        note: Some(
            "Validation rows of the first seed; the first trial has the settings of the file."
                .to_owned(),
        ),
    })
}

/// How a router is drawn.
pub fn role(results: &Results, router: &RouterResult) -> Role {
    match router.kind.as_str() {
        // A noisy oracle is one of the things that are compared.
        "oracle" if router.noise > 0.0 => Role::Router,
        "oracle" => Role::Oracle,
        "random" | "cheapest" | "strongest" | "best-single" => Role::Baseline,
        _ if Some(&router.label) == results.reference.as_ref() => Role::Highlight,
        _ => Role::Router,
    }
}

/// The names of models in figures: those that the experiment gives, for the others as [`short_names`].
pub fn drawn_names(models: &[String], given: &BTreeMap<String, String>) -> Vec<String> {
    let short = short_names(models).into_iter().zip(models);
    let name = |(short, model)| given.get(model).cloned().unwrap_or(short);
    short.map(name).collect()
}

/// A model's name without its vendor, where that leaves all names different.
pub fn short_names(models: &[String]) -> Vec<String> {
    let short: Vec<String> = models
        .iter()
        .map(|model| model.rsplit('/').next().unwrap_or(model).to_owned())
        .collect();
    let different = short
        .iter()
        .collect::<std::collections::BTreeSet<_>>()
        .len()
        == models.len();
    if different { short } else { models.to_vec() }
}

/// Which model counts as strongest, and that costs are an assumption, where they are.
fn collapse_note(results: &Results) -> Option<String> {
    let strongest = format!(
        "Strongest model: {}.",
        results.strongest_named(&results.names)
    );
    Some(match cost_note(results) {
        Some(costs) => format!("{strongest} {costs}"),
        None => strongest,
    })
}

/// Says that costs are an assumption, where they are.
fn cost_note(results: &Results) -> Option<String> {
    let assumption = results.cost_assumption.as_ref()?;
    Some(format!("Costs are an assumption: {assumption}"))
}

fn call_rates(results: &Results) -> CallRateChart {
    let names = &results.names;
    let strongest: Vec<&str> = results
        .strongest()
        .iter()
        .map(|&model| names[model].as_str())
        .collect();
    let series = results
        .working()
        .map(|router| {
            let rows = router.strongest_rates();
            let column = |index: usize| -> Vec<f64> { rows.iter().map(|row| row[index]).collect() };
            let columns: Vec<Vec<f64>> = (0..results.grid.len()).map(column).collect();
            let bound = |pick: fn((f64, f64)) -> f64| -> Option<Vec<f64>> {
                columns
                    .iter()
                    .map(|values| {
                        let interval = seeds_interval(values)?;
                        Some(pick((interval.low, interval.high)).clamp(0.0, 1.0))
                    })
                    .collect()
            };
            RateSeries {
                name: router.label.clone(),
                rate: columns
                    .iter()
                    .map(|values| values.iter().sum::<f64>() / values.len() as f64)
                    .collect(),
                low: bound(|(low, _)| low),
                high: bound(|(_, high)| high),
                role: role(results, router),
            }
        })
        .collect();
    CallRateChart {
        budgets: results.grid.clone(),
        series,
        model: strongest.join(", "),
        cost_unit: results.cost_unit.clone(),
        note: collapse_note(results),
    }
}

/// Mean quality and cost of every model over the test rows of all seeds.
fn single_models(experiment: &Experiment, inputs: &Inputs) -> Vec<LabelledPoint> {
    let rows: Vec<usize> = inputs
        .splits
        .iter()
        .flat_map(|split| split.test.iter().copied())
        .collect();
    debug_assert_eq!(inputs.splits.len(), experiment.seeds.len());
    let mean = |values: ndarray::ArrayView2<f64>| {
        values
            .select(Axis(0), &rows)
            .mean_axis(Axis(0))
            .expect("every split has test rows")
    };
    let (cost, quality) = (mean(inputs.table.cost()), mean(inputs.table.quality()));
    drawn_names(inputs.table.models(), &experiment.names)
        .into_iter()
        .enumerate()
        .map(|(model, name)| LabelledPoint {
            name,
            cost: cost[model],
            quality: quality[model],
        })
        .collect()
}

fn cost_quality(experiment: &Experiment, inputs: &Inputs, results: &Results) -> CostQualityChart {
    let curves = results
        .working()
        .map(|router| Curve {
            name: router.label.clone(),
            points: router
                .grid_points()
                .iter()
                .map(|point| (point.cost, point.quality))
                .collect(),
            role: role(results, router),
        })
        .collect();
    CostQualityChart {
        curves,
        models: single_models(experiment, inputs),
        cost_unit: results.cost_unit.clone(),
        note: cost_note(results),
    }
}

fn call_mix(results: &Results) -> CallMixChart {
    CallMixChart {
        budgets: results.grid.clone(),
        models: results.names.clone(),
        panels: results
            .working()
            .map(|router| MixPanel {
                name: router.label.clone(),
                rates: router
                    .grid_points()
                    .into_iter()
                    .map(|point| point.call_rates)
                    .collect(),
            })
            .collect(),
        cost_unit: results.cost_unit.clone(),
        note: cost_note(results),
    }
}

/// Real margins are those of the whole pool: the oracle's feasible set at its largest budget.
fn margins(results: &Results) -> MarginChart {
    let all = |router: &RouterResult, predicted: bool| -> Vec<f64> {
        router
            .seeds
            .iter()
            .flat_map(|seed| {
                let evaluation = &seed.evaluation;
                if predicted {
                    evaluation.predicted_margins.iter().copied()
                } else {
                    evaluation.real_margins.iter().copied()
                }
            })
            .collect()
    };
    let largest_pool = results
        .working()
        .max_by_key(|router| all(router, false).len());
    MarginChart {
        real: largest_pool
            .map(|router| all(router, false))
            .unwrap_or_default(),
        predicted: results
            .working()
            .filter(|router| !matches!(role(results, router), Role::Oracle | Role::Baseline))
            .map(|router| MarginSeries {
                name: router.label.clone(),
                margins: all(router, true),
                role: role(results, router),
            })
            .collect(),
        threshold: results.margin_threshold,
        note: None,
    }
}

fn rci(results: &Results) -> RciChart {
    let bars = results
        .working()
        .filter_map(|router| {
            let [rci, wasteful, wrong] = RCI.map(|metric| router.summary(metric));
            let rci = rci?;
            Some(RciBar {
                name: router.label.clone(),
                wasteful: wasteful?.mean,
                wrong: wrong?.mean,
                low: rci.interval.map(|(low, _)| low),
                high: rci.interval.map(|(_, high)| high),
            })
        })
        .collect();
    RciChart {
        bars,
        note: collapse_note(results),
    }
}
