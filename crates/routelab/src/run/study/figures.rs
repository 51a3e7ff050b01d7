//! The figures of a study, and its page.

use std::fs;

use routelab_eval::{Better, Metric};
use routelab_plot::{
    Drawing, Estimate, HeatCell, HeatChart, HeatRow, PlotError, Positions, Role, SweepChart,
    SweepPanel, SweepSeries,
};

use super::Overview;
use super::variance::Variance;
use crate::failure::{Failure, Outcome};
use crate::report;
use crate::run::figures;
use crate::run::results::RouterResult;

/// The name of the figure of shares of variance.
const VARIANCE: &str = "variance";

impl Overview<'_> {
    /// Draws the overview: lines against a number, or tables of routers and variants.
    pub fn figures(&self, variance: Option<&Variance>) -> Outcome {
        let folder = self.folder.file("figures");
        fs::create_dir_all(&folder).map_err(|error| Failure::write(&folder, error))?;
        let style = &self.study.variants[0].experiment.style;
        let save = |drawing: Result<Drawing, PlotError>, stem: &str| {
            let saved = drawing.and_then(|drawing| drawing.save(&folder, stem));
            saved.map(drop).map_err(Failure::failed)
        };
        if let Some(variance) = variance {
            save(variance.chart().draw(style), VARIANCE)?;
        }
        let (costs, strongest) = (self.cost_note(), self.strongest_note());
        let both = costs
            .iter()
            .chain([&strongest])
            .cloned()
            .collect::<Vec<_>>();
        let both = Some(both.join(". "));
        if let Some(positions) = self.positions() {
            let chart = SweepChart {
                parameter: self.study.axis.clone(),
                positions,
                series: self
                    .routers()
                    .into_iter()
                    .map(|label| SweepSeries {
                        name: label.to_owned(),
                        role: self.role(label),
                    })
                    .collect(),
                panels: Metric::drawn().map(|metric| self.panel(metric)).collect(),
                note: both,
            };
            return save(chart.draw(style), "sweep");
        }
        for metric in Metric::drawn() {
            let chart = HeatChart {
                metric: figures::drawn_metric(metric),
                columns: self.labels().into_iter().map(str::to_owned).collect(),
                rows: self
                    .routers()
                    .into_iter()
                    .map(|label| HeatRow {
                        name: label.to_owned(),
                        role: self.role(label),
                        cells: self
                            .row(label)
                            .into_iter()
                            .map(|router| heat(router, metric))
                            .collect(),
                    })
                    .collect(),
                note: if metric.better == Better::Lower {
                    both.clone()
                } else {
                    costs.clone()
                },
            };
            save(chart.draw(style), metric.name)?;
        }
        Ok(())
    }

    /// The places of the variants on the axis, where all have one.
    fn positions(&self) -> Option<Positions> {
        let values: Vec<f64> = self
            .study
            .variants
            .iter()
            .map(|variant| variant.value)
            .collect::<Option<_>>()?;
        let ascending = values.windows(2).all(|pair| pair[0] < pair[1]);
        let smallest = values
            .iter()
            .copied()
            .filter(|&value| value > 0.0)
            .fold(f64::INFINITY, f64::min);
        let largest = values.iter().copied().fold(0.0, f64::max);
        let wide = values.iter().all(|&value| value >= 0.0) && largest >= 10.0 * smallest;
        match (ascending, wide) {
            (false, _) => Some(Positions::Categories(
                self.labels().into_iter().map(str::to_owned).collect(),
            )),
            (true, true) => Some(Positions::Log(values)),
            (true, false) => Some(Positions::Linear(values)),
        }
    }

    /// A metric of every router in every variant.
    fn panel(&self, metric: &Metric) -> SweepPanel {
        let estimate = |router: Option<&RouterResult>| -> Option<Estimate> {
            let summary = router?.summary(metric)?;
            summary.mean.is_finite().then_some(Estimate {
                value: summary.mean,
                interval: summary.interval,
            })
        };
        SweepPanel {
            metric: figures::drawn_metric(metric),
            // Shares and qualities: on a logarithmic axis the oracle's tiny values would push all else together.
            log: false,
            values: self
                .routers()
                .into_iter()
                .map(|label| self.row(label).into_iter().map(estimate).collect())
                .collect(),
        }
    }

    fn role(&self, label: &str) -> Role {
        let run = self.runs.iter().find_map(|run| {
            let router = run
                .results
                .routers
                .iter()
                .find(|router| router.label == label)?;
            Some(figures::role(&run.results, router))
        });
        run.unwrap_or(Role::Router)
    }

    /// Says that costs are an assumption, where they are.
    fn cost_note(&self) -> Option<String> {
        let assumed = self
            .study
            .variants
            .iter()
            .zip(&self.runs)
            .filter_map(|(variant, run)| {
                let assumption = run.results.cost_assumption.as_ref()?;
                Some((variant.label.as_str(), assumption.as_str()))
            });
        let assumed: Vec<(&str, &str)> = assumed.collect();
        let (_, first) = *assumed.first()?;
        let everywhere =
            assumed.len() == self.runs.len() && assumed.iter().all(|(_, other)| *other == first);
        Some(if everywhere {
            format!("Costs are an assumption: {first}")
        } else {
            let labels: Vec<&str> = assumed.iter().map(|(label, _)| *label).collect();
            format!("Costs are an assumption on {}", labels.join(", "))
        })
    }

    /// Which model counts as strongest, where it is not the same everywhere in which variant.
    fn strongest_note(&self) -> String {
        let named: Vec<String> = (self.runs.iter())
            .map(|run| run.results.strongest_named(&run.results.names))
            .collect();
        if named.iter().all(|name| *name == named[0]) {
            return format!("Strongest model: {}", named[0]);
        }
        let variants = self.study.variants.iter().zip(&named);
        let each: Vec<String> = variants
            .map(|(variant, name)| format!("{}: {name}", variant.label))
            .collect();
        format!("Strongest model: {}", each.join("; "))
    }

    /// What the report of the study shows.
    pub fn page(&self, tables: Vec<report::OverviewTable>) -> Outcome<report::OverviewPage> {
        let stems: Vec<&str> = match self.positions() {
            Some(_) => vec!["sweep"],
            None => Metric::drawn().map(|metric| metric.name).collect(),
        };
        let variance = self.study.factors.iter().take(1).map(|_| VARIANCE);
        let figures = variance
            .chain(stems)
            .map(|stem| self.folder.text(&format!("figures/{stem}.svg")));
        Ok(report::OverviewPage {
            title: self.study.title.clone(),
            description: self.study.description.clone(),
            variants: self
                .study
                .variants
                .iter()
                .map(|variant| (variant.label.clone(), variant.experiment.name.clone()))
                .collect(),
            notes: self.notes(),
            figures: figures.collect::<Outcome<_>>()?,
            tables,
        })
    }
}

/// A cell of a heat chart.
fn heat(router: Option<&RouterResult>, metric: &Metric) -> HeatCell {
    match router {
        None => HeatCell::Missing,
        Some(router) if router.seeds.is_empty() => HeatCell::Failed,
        Some(router) => router
            .summary(metric)
            .filter(|summary| summary.mean.is_finite())
            .map_or(HeatCell::Missing, |summary| HeatCell::Value(summary.mean)),
    }
}
