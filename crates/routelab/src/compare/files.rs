//! A comparison for programs: `compare.csv`, `flips.csv` and JSON.

use serde_json::{Value, json};

use super::Comparison;
use super::flips::{Flip, Flips};
use super::markdown::SHOWN;
use super::settings::Change;
use crate::failure::Outcome;
use crate::text::{Csv, cell, optional};

impl Comparison {
    /// `compare.csv`: every metric of every router in both runs.
    pub fn metrics_csv(&self) -> Outcome<Vec<u8>> {
        let mut csv = Csv::headed("router,metric,a,b,difference,low,high,p,interval", None)?;
        for router in &self.routers {
            for one in &router.metrics {
                csv.row([
                    router.label.clone(),
                    one.metric.clone(),
                    cell(one.a),
                    cell(one.b),
                    cell(one.difference),
                    optional(one.interval.map(|(low, _)| low)),
                    optional(one.interval.map(|(_, high)| high)),
                    optional(one.p),
                    one.method.name().to_owned(),
                ])?;
            }
        }
        csv.finish()
    }

    /// `flips.csv`: every test query of every seed whose choice differs.
    pub fn flips_csv(&self) -> Outcome<Vec<u8>> {
        let mut csv = Csv::headed(
            "router,point,budget,seed,id,from,to,quality_from,quality_to,cost_from,cost_to",
            None,
        )?;
        let truth = &self.a.truth;
        for router in &self.routers {
            for flips in &router.flips {
                for &Flip {
                    seed,
                    row,
                    from,
                    to,
                    ..
                } in &flips.flips
                {
                    csv.row([
                        router.label.clone(),
                        flips.point.name.to_owned(),
                        cell(flips.point.budget),
                        seed.to_string(),
                        truth.ids[row].clone(),
                        self.a.results.models[from].clone(),
                        self.a.results.models[to].clone(),
                        truth.quality[[row, from]].to_string(),
                        truth.quality[[row, to]].to_string(),
                        truth.cost[[row, from]].to_string(),
                        truth.cost[[row, to]].to_string(),
                    ])?;
                }
            }
        }
        csv.finish()
    }

    /// The whole comparison for a program; infinite numbers are null.
    pub fn json(&self) -> Value {
        let changes = |changes: &[Change]| -> Value {
            let changes = changes
                .iter()
                .map(|change| json!({"key": change.key, "a": change.a, "b": change.b}));
            changes.collect()
        };
        let routers = self.routers.iter().map(|router| {
            json!({
                "router": router.label,
                "paired": router.paired,
                "metrics": router.metrics.iter().map(|one| json!({
                    "metric": one.metric,
                    "a": one.a,
                    "b": one.b,
                    "difference": one.difference,
                    "low": one.interval.map(|(low, _)| low),
                    "high": one.interval.map(|(_, high)| high),
                    "p": one.p,
                    "interval": one.method.name(),
                })).collect::<Value>(),
                "flips": router.flips.iter().map(|flips| self.flips_json(flips)).collect::<Value>(),
            })
        });
        json!({
            "a": self.a.folder.path(),
            "b": self.b.folder.path(),
            "settings": changes(&self.settings),
            "inputs": changes(&self.inputs),
            "same_table": self.same_table,
            "routers": routers.collect::<Value>(),
            "only_in_a": self.alone[0],
            "only_in_b": self.alone[1],
        })
    }

    fn flips_json(&self, flips: &Flips) -> Value {
        let models = &self.a.results.models;
        json!({
            "point": flips.point.name,
            "budget": flips.point.budget,
            "queries": flips.queries,
            "share": flips.share(),
            "better": flips.share_of(|flip| flip.quality > 0.0),
            "worse": flips.share_of(|flip| flip.quality < 0.0),
            "quality": flips.per_query(|flip| flip.quality),
            "cost": flips.per_query(|flip| flip.cost),
            "moves": flips.moves().iter().map(|pair| json!({
                "from": models[pair.from],
                "to": models[pair.to],
                "flips": pair.count,
                "quality_sum": pair.quality,
                "cost_sum": pair.cost,
            })).collect::<Value>(),
            "largest": flips.effects().iter().take(SHOWN).map(|effect| json!({
                "id": self.a.truth.ids[effect.row],
                "seeds": effect.seeds,
                "quality_sum": effect.quality,
                "cost_sum": effect.cost,
            })).collect::<Value>(),
        })
    }
}
