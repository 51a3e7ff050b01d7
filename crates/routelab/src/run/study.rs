//! An experiment in several variants: a run for each, and an overview of all.

use std::fs;
use std::path::{Path, PathBuf};

use routelab_data::write_atomically;
use routelab_eval::Metric;
use routelab_heads::Backend;
use routelab_plot::{
    Drawing, Estimate, HeatCell, HeatChart, HeatRow, PlotError, Positions, Role, SweepChart,
    SweepPanel, SweepSeries,
};
use serde_json::{Value, json};

use super::results::{Csv, RouterResult};
use super::tables::{COLUMNS, Column, LATEX, MARKDOWN, cell, escape_latex};
use super::{Finished, figures, run_one, store};
use crate::cli::RunArgs;
use crate::experiment::Study;
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;
use crate::report;

/// The file that marks the folder of a study.
pub const MARK: &str = "study.json";

/// The metrics of the overview, in the order of its tables.
const METRICS: [&str; 5] = ["nauc_shared", "peak", "qnc", "rci", "strongest_call_rate"];

/// The metrics of the overview's figures.
const DRAWN: [Metric; 4] = [
    Metric::NaucShared,
    Metric::Peak,
    Metric::Rci,
    Metric::StrongestCallRate,
];

/// Runs every variant and writes the overview.
pub fn run(
    study: &Study,
    out: &Path,
    args: &RunArgs,
    backend: &Backend,
    output: &Output,
) -> Outcome<Value> {
    let folder = out.join(&study.name);
    let used = store::is_used(&folder);
    if used && !folder.join(MARK).exists() {
        return Err(bad_request!(
            "{} exists and is not the folder of a study\nhelp: choose another folder with `--out`",
            folder.display()
        ));
    }
    if args.resume && !used {
        return Err(bad_request!(
            "there is no run to resume in {}\nhelp: leave out `--resume` to start one",
            folder.display()
        ));
    }
    fs::create_dir_all(&folder).map_err(|error| {
        bad_request!(
            "cannot use {} for the study: {error}\nhelp: choose another folder with `--out`",
            folder.display()
        )
    })?;
    store::remove_temporary(&folder).map_err(|error| Failure::write(&folder, error))?;
    let variants: Vec<Value> = study
        .variants
        .iter()
        .map(|variant| {
            json!({"label": variant.label, "value": variant.value, "folder": variant.experiment.name})
        })
        .collect();
    let mark = json!({
        "title": study.title,
        "description": study.description,
        "axis": study.axis,
        "variants": variants,
    });
    let overview = Overview {
        study,
        folder: folder.clone(),
        runs: Vec::new(),
    };
    overview.write(MARK, format!("{mark:#}\n").as_bytes())?;
    let mut overview = overview;
    for variant in &study.variants {
        let finished = run_one(&variant.experiment, &folder, args, backend, output)?;
        overview.runs.push(finished);
    }
    overview.write("overview.csv", &overview.csv()?)?;
    overview.write("overview.md", overview.markdown().as_bytes())?;
    overview.write("overview.tex", overview.latex().as_bytes())?;
    overview.write("comparisons.csv", &overview.comparisons()?)?;
    overview.figures()?;
    let report = folder.join("report.html");
    overview.write(
        "report.html",
        report::overview(&overview.page()?).as_bytes(),
    )?;
    output.say(overview.markdown());
    output.say(format!("report: {}", report.display()));
    Ok(json!({
        "run": folder,
        "report": report,
        "variants": study.variants.iter().zip(&overview.runs).map(|(variant, run)| json!({
            "label": variant.label,
            "run": run.folder,
            "metrics": run.results.summary_json(),
        })).collect::<Vec<_>>(),
    }))
}

/// The finished runs of a study.
struct Overview<'a> {
    study: &'a Study,
    folder: PathBuf,
    runs: Vec<Finished>,
}

impl Overview<'_> {
    fn write(&self, name: &str, bytes: &[u8]) -> Outcome {
        let path = self.folder.join(name);
        write_atomically(&path, bytes).map_err(|error| Failure::write(&path, error))
    }

    /// The labels of all routers, in the order in which they first appear.
    fn routers(&self) -> Vec<&str> {
        let mut labels = Vec::new();
        for router in self.runs.iter().flat_map(|run| &run.results.routers) {
            if !labels.contains(&router.label.as_str()) {
                labels.push(router.label.as_str());
            }
        }
        labels
    }

    /// A router's result in every variant.
    fn row(&self, label: &str) -> Vec<Option<&RouterResult>> {
        self.runs
            .iter()
            .map(|run| {
                run.results
                    .routers
                    .iter()
                    .find(|router| router.label == label)
            })
            .collect()
    }

    fn columns() -> impl Iterator<Item = &'static Column> {
        METRICS
            .iter()
            .filter_map(|metric| COLUMNS.iter().find(|column| column.metric == *metric))
    }

    /// Every metric of every router in every variant.
    fn csv(&self) -> Outcome<Vec<u8>> {
        let mut csv = Csv::new();
        let header = [
            "variant",
            "value",
            "router",
            "metric",
            "mean",
            "low",
            "high",
            "finite_seeds",
            "seeds",
            "costs",
        ];
        csv.row(header.map(String::from))?;
        let text = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        for (variant, run) in self.study.variants.iter().zip(&self.runs) {
            for router in &run.results.routers {
                for metric in router.metrics() {
                    let Some(summary) = router.summary(metric) else {
                        continue;
                    };
                    csv.row([
                        variant.label.clone(),
                        text(variant.value),
                        router.label.clone(),
                        metric.to_owned(),
                        summary.mean.to_string(),
                        text(summary.interval.map(|(low, _)| low)),
                        text(summary.interval.map(|(_, high)| high)),
                        summary.finite.0.to_string(),
                        summary.finite.1.to_string(),
                        run.results.costs().to_owned(),
                    ])?;
                }
            }
        }
        csv.finish()
    }

    /// The paired comparisons of every variant.
    fn comparisons(&self) -> Outcome<Vec<u8>> {
        let mut csv = Csv::new();
        let header = [
            "variant",
            "reference",
            "router",
            "metric",
            "difference",
            "low",
            "high",
            "p",
        ];
        csv.row(header.map(String::from))?;
        for (variant, run) in self.study.variants.iter().zip(&self.runs) {
            for (label, metric, paired) in run.results.comparisons()? {
                csv.row([
                    variant.label.clone(),
                    run.results.reference.clone().unwrap_or_default(),
                    label.to_owned(),
                    metric.name().to_owned(),
                    paired.difference.mean.to_string(),
                    paired.difference.low.to_string(),
                    paired.difference.high.to_string(),
                    paired.p.to_string(),
                ])?;
            }
        }
        csv.finish()
    }

    fn labels(&self) -> Vec<&str> {
        self.study
            .variants
            .iter()
            .map(|variant| variant.label.as_str())
            .collect()
    }

    /// A table of every metric: a router per row, a variant per column.
    fn markdown(&self) -> String {
        let mut text = String::new();
        for column in Self::columns() {
            text += &format!(
                "\n**{}**\n\n| router | {} |\n|---|{}\n",
                column.heading,
                self.labels().join(" | "),
                "---:|".repeat(self.runs.len())
            );
            for label in self.routers() {
                let cells: Vec<String> = self
                    .row(label)
                    .into_iter()
                    .map(|router| {
                        written(router, column, |summary| cell(summary, column, &MARKDOWN))
                    })
                    .collect();
                text += &format!(
                    "| {} | {} |\n",
                    label.replace('|', r"\|"),
                    cells.join(" | ")
                );
            }
        }
        for note in self.notes() {
            text += &format!("\n{note}\n");
        }
        text
    }

    fn latex(&self) -> String {
        let labels: Vec<String> = self.labels().into_iter().map(escape_latex).collect();
        let mut text = "% Needs \\usepackage{booktabs} and \\usepackage{amsmath}.\n".to_owned();
        for column in Self::columns() {
            text += &format!(
                "% {}\n\\begin{{tabular}}{{l{}}}\n\\toprule\n{} & {} \\\\\n\\midrule\n",
                column.metric,
                "r".repeat(self.runs.len()),
                column.latex,
                labels.join(" & ")
            );
            for label in self.routers() {
                let cells: Vec<String> = self
                    .row(label)
                    .into_iter()
                    .map(|router| written(router, column, |summary| cell(summary, column, &LATEX)))
                    .collect();
                text += &format!("{} & {} \\\\\n", escape_latex(label), cells.join(" & "));
            }
            text += "\\bottomrule\n\\end{tabular}\n";
        }
        for note in self.notes() {
            text += &format!("% {}\n", note.replace('\n', " "));
        }
        text
    }

    /// What a reader of any of the tables needs to know.
    fn notes(&self) -> Vec<String> {
        let mut notes = vec![
            "Mean over the seeds with its 95 % interval (Student's t). RCI and calls to the strongest model are at the \
             largest budget. QNC is ∞ where the best single model's quality is never reached; (k/n): reached on k of n \
             seeds."
                .to_owned(),
        ];
        for (variant, run) in self.study.variants.iter().zip(&self.runs) {
            let note = |text: String| format!("{}: {text}", variant.label);
            if let Some(assumption) = &run.results.cost_assumption {
                notes.push(note(format!(
                    "costs are an assumption, not a measurement: {assumption}"
                )));
            }
            for router in &run.results.routers {
                for (seed, reason) in &router.failures {
                    notes.push(note(format!(
                        "{} failed on seed {seed}: {reason}",
                        router.label
                    )));
                }
            }
        }
        // The same assumption holds for all variants of one data set.
        let tail = |note: &str| note.split_once(": ").map(|(_, tail)| tail.to_owned());
        if notes.len() > 2 && notes[1..].iter().all(|note| tail(note) == tail(&notes[1])) {
            let shared = tail(&notes[1]).unwrap_or_default();
            notes.truncate(1);
            notes.push(format!("All variants: {shared}"));
        }
        notes
    }

    /// Draws the overview: lines against a number, or tables of routers and variants.
    fn figures(&self) -> Outcome {
        let folder = self.folder.join("figures");
        fs::create_dir_all(&folder).map_err(|error| Failure::write(&folder, error))?;
        let style = &self.study.variants[0].experiment.style;
        let save = |drawing: Result<Drawing, PlotError>, stem: &str| {
            let saved = drawing.and_then(|drawing| drawing.save(&folder, stem));
            saved.map(drop).map_err(Failure::failed)
        };
        let note = self.cost_note();
        if let Some(positions) = self.positions() {
            let panels = DRAWN.map(|metric| self.panel(metric));
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
                panels: panels.to_vec(),
                note,
            };
            return save(chart.draw(style), "sweep");
        }
        for metric in DRAWN {
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
                note: note.clone(),
            };
            save(chart.draw(style), metric.name())?;
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
    fn panel(&self, metric: Metric) -> SweepPanel {
        let estimate = |router: Option<&RouterResult>| -> Option<Estimate> {
            let summary = router?.summary(metric.name())?;
            summary.mean.is_finite().then_some(Estimate {
                value: summary.mean,
                interval: summary.interval,
            })
        };
        SweepPanel {
            metric: figures::drawn_metric(metric),
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
        Some(
            match assumed.len() == self.runs.len()
                && assumed.iter().all(|(_, other)| *other == first)
            {
                true => format!("Costs are an assumption: {first}"),
                false => {
                    let labels: Vec<&str> = assumed.iter().map(|(label, _)| *label).collect();
                    format!("Costs are an assumption on {}", labels.join(", "))
                }
            },
        )
    }

    fn page(&self) -> Outcome<report::OverviewPage> {
        let tables = Self::columns().map(|column| report::OverviewTable {
            heading: column.heading.to_owned(),
            rows: self
                .routers()
                .into_iter()
                .map(|label| {
                    let cells = self.row(label).into_iter().map(|router| {
                        written(router, column, |summary| cell(summary, column, &MARKDOWN))
                    });
                    (label.to_owned(), cells.collect())
                })
                .collect(),
        });
        let seconds = |pick: fn(&super::store::Seconds) -> f64| -> Vec<(String, Vec<String>)> {
            let mean = |router: Option<&RouterResult>| match router {
                Some(router) if !router.seeds.is_empty() => {
                    let sum: f64 = router.seeds.iter().map(|seed| pick(&seed.seconds)).sum();
                    format!("{:.2}", sum / router.seeds.len() as f64)
                }
                _ => "–".to_owned(),
            };
            self.routers()
                .into_iter()
                .map(|label| {
                    (
                        label.to_owned(),
                        self.row(label).into_iter().map(mean).collect(),
                    )
                })
                .collect()
        };
        let mut tables: Vec<report::OverviewTable> = tables.collect();
        for (heading, rows) in [
            ("Fit, seconds per seed", seconds(|seconds| seconds.fit)),
            (
                "Prediction of the test queries, seconds per seed",
                seconds(|seconds| seconds.predict),
            ),
        ] {
            tables.push(report::OverviewTable {
                heading: heading.to_owned(),
                rows,
            });
        }
        let stems: Vec<&str> = match self.positions() {
            Some(_) => vec!["sweep"],
            None => DRAWN.iter().map(|metric| metric.name()).collect(),
        };
        let figures = stems.into_iter().map(|stem| {
            let path = self.folder.join(format!("figures/{stem}.svg"));
            let svg = fs::read_to_string(&path).map_err(|error| Failure::write(&path, error))?;
            Ok(svg)
        });
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
fn heat(router: Option<&RouterResult>, metric: Metric) -> HeatCell {
    match router {
        None => HeatCell::Missing,
        Some(router) if router.seeds.is_empty() => HeatCell::Failed,
        Some(router) => router
            .summary(metric.name())
            .filter(|summary| summary.mean.is_finite())
            .map_or(HeatCell::Missing, |summary| HeatCell::Value(summary.mean)),
    }
}

/// A cell of an overview: failed routers are marked, absent ones leave it empty.
fn written(
    router: Option<&RouterResult>,
    column: &Column,
    write: impl Fn(Option<super::results::Summary>) -> String,
) -> String {
    match router {
        None => String::new(),
        Some(router) if router.seeds.is_empty() => "failed".to_owned(),
        Some(router) => write(router.summary(column.metric)),
    }
}
