//! What the page's scripts read: one JSON value.

use routelab_eval::bootstrap::seeds_interval;
use routelab_plot::{FillLook, fill_looks, line_looks};
use serde_json::{Value, json};

use crate::folder::{RouterRecord, RunResults, SeedRecord};

/// The data of a run; `queries` is its sample of queries, null where it has none.
pub fn data(results: &RunResults, queries: Value) -> Value {
    let models = results.models.len();
    let working: Vec<&RouterRecord> = results.working().collect();
    let looks = line_looks(working.iter().map(|router| router.role));
    // The scripts judge queries of the first seed.
    let first = working.first().and_then(|router| router.seeds.first());
    let strongest = first.map_or(&[][..], |seed| &seed.strongest);
    let mut use_of = vec![0.0; models];
    let mut routers = Vec::new();
    for (router, look) in working.iter().zip(looks) {
        let column = |number: &dyn Fn(&SeedRecord, usize) -> f64, share: bool| -> Value {
            let values = (0..results.budgets.len()).map(|at| {
                let values: Vec<f64> = (router.seeds.iter()).map(|seed| number(seed, at)).collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let interval =
                    seeds_interval(&values).map(|interval| (interval.low, interval.high));
                let (low, high) = interval.unwrap_or((mean, mean));
                let high = if share { high.min(1.0) } else { high };
                [mean, low.max(0.0), high].map(short)
            });
            let values: Vec<[f64; 3]> = values.collect();
            let part = |at: usize| values.iter().map(|value| value[at]).collect::<Vec<_>>();
            json!({"mean": part(0), "low": part(1), "high": part(2)})
        };
        let rates: Vec<Vec<f64>> = (0..results.budgets.len())
            .map(|at| {
                let seeds = router.seeds.iter();
                let mean = |model: usize| {
                    let rates = seeds.clone().map(|seed| seed.call_rates[at][model]);
                    rates.sum::<f64>() / router.seeds.len() as f64
                };
                (0..models).map(mean).collect()
            })
            .collect();
        for rates in &rates {
            for (total, rate) in use_of.iter_mut().zip(rates) {
                *total += rate;
            }
        }
        let of_strongest = |seed: &SeedRecord, at: usize| {
            let strongest = seed.strongest.iter();
            strongest.map(|&model| seed.call_rates[at][model]).sum()
        };
        let mut value = json!({
            "label": router.label,
            "kind": router.kind,
            "role": router.role,
            "colour": look.colour,
            "width": look.width,
            "dash": look.dash,
            "seeds": router.seeds.len(),
            "strongest": column(&of_strongest, true),
            "cost": column(&|seed, at| seed.cost[at].0, false),
            "quality": column(&|seed, at| seed.quality[at], true),
            "rates": rates.iter().map(|rates| rates.iter().map(|&rate| short(rate)).collect()).collect::<Vec<Vec<f64>>>(),
        });
        if !router.margins.is_empty() {
            value["margins"] = json!(curve(&router.margins));
        }
        let mean = |metric: &str| Some(results.summary(router, metric)?.mean.0);
        if let (Some(rci), Some(wasteful), Some(wrong)) = (
            results.summary(router, "rci"),
            mean("rci_wasteful"),
            mean("rci_wrong"),
        ) {
            let interval = rci
                .interval
                .into_iter()
                .flat_map(|(low, high)| [low.0, high.0]);
            let numbers = [wasteful + wrong, wasteful, wrong]
                .into_iter()
                .chain(interval);
            value["rci"] = json!(numbers.map(short).collect::<Vec<_>>());
        }
        routers.push(value);
    }
    let models = (0..models).zip(model_looks(&use_of)).map(|(model, look)| {
        let (cost, quality) = results.single_models[model];
        json!({
            "name": results.models[model], "short": results.names[model], "colour": look.colour,
            "lined": look.lined, "cost": short(cost.0), "quality": short(quality),
        })
    });
    json!({
        "cost_unit": results.cost_unit,
        "reference": results.reference,
        "strongest": strongest,
        "models": models.collect::<Vec<_>>(),
        "budgets": results.budgets,
        "routers": routers,
        "real_margins": curve(&results.real_margins),
        "margin_threshold": results.margin_threshold,
        "queries": queries,
    })
}

/// As in the figures: of more models than can be told apart, those called most get looks of their own.
fn model_looks(use_of: &[f64]) -> Vec<FillLook> {
    let (own, other) = fill_looks();
    if use_of.len() <= own.len() {
        return own[..use_of.len()].to_vec();
    }
    let mut by_use: Vec<usize> = (0..use_of.len()).collect();
    by_use.sort_by(|&a, &b| use_of[b].total_cmp(&use_of[a]).then(a.cmp(&b)));
    by_use.truncate(own.len() - 1);
    by_use.sort_unstable();
    let look = |model: usize| match by_use.binary_search(&model) {
        Ok(at) => own[at].clone(),
        Err(_) => other.clone(),
    };
    (0..use_of.len()).map(look).collect()
}

fn curve(points: &[(f64, f64)]) -> Vec<[f64; 2]> {
    (points.iter())
        .map(|&(margin, share)| [short(margin), short(share)])
        .collect()
}

/// To six significant digits: more than a screen shows.
fn short(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// JSON that may stand inside a script element.
pub fn for_script(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_element_cannot_be_closed_by_data() {
        let hostile = json!({"prompt": "</script><!-- <script>"});
        let written = for_script(&hostile);
        assert!(!written.contains('<'));
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), hostile);
    }

    #[test]
    fn of_many_models_the_most_used_are_told_apart() {
        let mut use_of = vec![0.0; 30];
        use_of[29] = 1.0;
        use_of[7] = 2.0;
        let looks = model_looks(&use_of);
        let other = fill_looks().1;
        assert!(looks[29] != other && looks[7] != other);
        assert_eq!(looks.iter().filter(|look| **look != other).count(), 13);
        assert!(model_looks(&use_of[..11]).iter().all(|look| *look != other));
    }
}
