//! Which settings of the routers move a metric: the analysis of variance of a study with `factors`.

use routelab_eval::bootstrap::seeds_interval;
use routelab_eval::{Metric, VarianceShares, variance_shares};
use routelab_plot::{Quantity, StackedBar, StackedBars};

use super::Overview;
use crate::failure::{Failure, Outcome};
use crate::report::OverviewTable;
use crate::run::results::{RouterResult, SeedResult};
use crate::text::{Csv, optional};

/// A number whose variance is divided.
struct Measure {
    name: &'static str,
    value: fn(&SeedResult) -> Option<f64>,
}

const NAUC: &Metric = Metric::known("nauc_shared");
const QNC: &Metric = Metric::known("qnc");
const RCI: &Metric = Metric::known("rci");

const MEASURES: [Measure; 3] = [
    Measure {
        name: "nAUC (shared)",
        value: |seed| seed.evaluation.get(NAUC),
    },
    Measure {
        // At the best single model's quality; at least 0, since QNC may be infinite.
        name: "saving (1 − QNC)",
        value: |seed| Some((1.0 - seed.evaluation.get(QNC)?).max(0.0)),
    },
    Measure {
        name: "RCI",
        value: |seed| seed.evaluation.get(RCI),
    },
];

/// What is left beside the factors.
const REST: &str = "together and by chance";

/// The shares of one measure: per variant the mean over its seeds, `None` where a router failed or the routers do not differ at all; then
/// over the variants.
struct Divided {
    measure: &'static str,
    /// `[variants][factors and the rest]`
    variants: Vec<Option<Vec<f64>>>,
}

impl Divided {
    /// Mean over the variants and its 95 % interval (Student's t), per factor and for the rest.
    fn all(&self) -> Vec<(f64, Option<(f64, f64)>)> {
        let known: Vec<&Vec<f64>> = self.variants.iter().flatten().collect();
        let parts = known.first().map_or(0, |shares| shares.len());
        let part = |part: usize| {
            let shares: Vec<f64> = known.iter().map(|shares| shares[part]).collect();
            let interval = seeds_interval(&shares);
            (
                shares.iter().sum::<f64>() / shares.len() as f64,
                interval.map(|i| (i.low.max(0.0), i.high.min(1.0))),
            )
        };
        (0..parts).map(part).collect()
    }
}

/// The analysis of a study.
pub struct Variance {
    /// The factors and the rest.
    parts: Vec<String>,
    divided: Vec<Divided>,
}

impl Overview<'_> {
    /// The analysis; nothing in a study without factors.
    pub fn variance(&self) -> Outcome<Option<Variance>> {
        if self.study.factors.is_empty() {
            return Ok(None);
        }
        let divide = |measure: &Measure| -> Outcome<Divided> {
            let variants = self.study.variants.iter().zip(&self.runs);
            let variants = variants.map(|(variant, run)| {
                let levels = variant.levels(&self.study.factors);
                let in_design: Vec<(&Vec<usize>, &RouterResult)> = (levels.iter())
                    .zip(&run.results.routers)
                    .filter_map(|(levels, router)| Some((levels.as_ref()?, router)))
                    .collect();
                let seeds = in_design
                    .first()
                    .map_or(0, |(_, router)| router.seeds.len());
                let whole = |(_, router): &(_, &RouterResult)| router.failures.is_empty();
                if seeds == 0 || !in_design.iter().all(whole) {
                    return Ok(None);
                }
                let of_seed = |seed: usize| -> Outcome<Option<VarianceShares>> {
                    let levels: Vec<Vec<usize>> = in_design
                        .iter()
                        .map(|(levels, _)| (*levels).clone())
                        .collect();
                    let values = in_design.iter();
                    let values = values.map(|(_, router)| (measure.value)(&router.seeds[seed]));
                    let Some(values) = values.collect::<Option<Vec<f64>>>() else {
                        return Ok(None);
                    };
                    let shares = variance_shares(&levels, &values).map_err(Failure::failed)?;
                    Ok(Some(shares))
                };
                let shares = (0..seeds)
                    .map(of_seed)
                    .collect::<Outcome<Option<Vec<_>>>>()?;
                let differ = |shares: &VarianceShares| shares.variance > 0.0;
                Ok(shares
                    .filter(|shares| shares.iter().any(differ))
                    .map(|shares| {
                        // Where routers do not differ there is nothing to divide.
                        let parts = shares.iter().filter(|shares| differ(shares)).map(|shares| {
                            let rest = [shares.rest];
                            shares.factors.iter().copied().chain(rest).collect()
                        });
                        let parts: Vec<Vec<f64>> = parts.collect();
                        let mean = |part: usize| {
                            parts.iter().map(|shares| shares[part]).sum::<f64>()
                                / parts.len() as f64
                        };
                        (0..parts[0].len()).map(mean).collect()
                    }))
            });
            Ok(Divided {
                measure: measure.name,
                variants: variants.collect::<Outcome<_>>()?,
            })
        };
        let factors = self.study.factors.iter();
        let mut parts: Vec<String> = factors.map(|factor| factor.name.clone()).collect();
        parts.push(REST.to_owned());
        Ok(Some(Variance {
            parts,
            divided: MEASURES.iter().map(divide).collect::<Outcome<_>>()?,
        }))
    }
}

impl Variance {
    /// `variance.csv`: every share of every measure, per variant and over all.
    pub fn csv(&self, variants: &[&str]) -> Outcome<Vec<u8>> {
        let mut csv = Csv::headed("measure,variant,factor,share,low,high", [])?;
        for divided in &self.divided {
            for (variant, shares) in variants.iter().zip(&divided.variants) {
                for (part, share) in self.parts.iter().zip(shares.iter().flatten()) {
                    let start = [divided.measure, variant, part].map(str::to_owned);
                    let empty = [String::new(), String::new()];
                    csv.row(start.into_iter().chain([share.to_string()]).chain(empty))?;
                }
            }
            for (part, (share, interval)) in self.parts.iter().zip(divided.all()) {
                let start = [divided.measure, "all", part].map(str::to_owned);
                let ends = interval.map_or([None, None], |(low, high)| [Some(low), Some(high)]);
                let numbers = [share.to_string()].into_iter().chain(ends.map(optional));
                csv.row(start.into_iter().chain(numbers))?;
            }
        }
        csv.finish()
    }

    /// A bar per measure: its shares over all variants.
    pub fn chart(&self) -> StackedBars {
        StackedBars {
            metric: Quantity {
                name: "Share of the variance between routers".to_owned(),
                percent: true,
                better: routelab_plot::Better::Neither,
            },
            parts: self.parts.clone(),
            bars: (self.divided.iter())
                .map(|divided| StackedBar {
                    name: divided.measure.to_owned(),
                    values: divided.all().into_iter().map(|(share, _)| share).collect(),
                    interval: None,
                })
                .collect(),
            note: Some(
                "Mean over the variants whose routers differ; within each, over its splits."
                    .to_owned(),
            ),
        }
    }

    /// A table per measure, with a column per variant, and the means over all variants in words.
    pub fn tables(&self) -> Vec<OverviewTable> {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let tables = self.divided.iter().map(|divided| {
            let means: Vec<String> = (self.parts.iter().zip(divided.all()))
                .map(|(part, (share, interval))| {
                    let interval = interval.map_or(String::new(), |(low, high)| {
                        format!(" [{:.0}–{:.0}]", low * 100.0, high * 100.0)
                    });
                    format!("{part} {}{interval}", percent(share))
                })
                .collect();
            let row = |(at, part): (usize, &String)| {
                let cells = divided.variants.iter();
                let cells = cells.map(|shares| match shares {
                    Some(shares) => percent(shares[at]),
                    None => "–".to_owned(),
                });
                (part.clone(), cells.collect())
            };
            OverviewTable {
                heading: format!(
                    "Variance of {} between the routers: shares of their settings. Over all variants: {}",
                    divided.measure,
                    means.join(", ")
                ),
                rows: self.parts.iter().enumerate().map(row).collect(),
            }
        });
        tables.collect()
    }
}
