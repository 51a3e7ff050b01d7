//! The tables of a study: a router per row, a variant per column.

use routelab_eval::Metric;
use routelab_eval::bootstrap::seeds_interval;

use super::Overview;
use crate::folder::Seconds;
use crate::report;
use crate::run::figures;
use crate::run::results::RouterResult;
use crate::run::tables::{LATEX, MARKDOWN, Style, cell};
use crate::text::{PACKAGES, escape_latex, in_latex, in_markdown};

impl Overview<'_> {
    /// All tables, as text.
    pub fn tables(&self) -> Vec<report::OverviewTable> {
        let of = |write: &dyn Fn(Option<&RouterResult>) -> String| -> Vec<(String, Vec<String>)> {
            let rows = self.routers().into_iter();
            rows.map(|label| {
                let cells = self.row(label).into_iter().map(write);
                (label.to_owned(), cells.collect())
            })
            .collect()
        };
        let table = |heading: &str, rows| report::OverviewTable {
            heading: heading.to_owned(),
            rows,
        };
        let mut tables: Vec<report::OverviewTable> = Metric::everywhere()
            .map(|metric| {
                let write = |router: Option<&RouterResult>| written(router, metric, &MARKDOWN);
                table(&metric.titled(), of(&write))
            })
            .collect();
        tables.extend(self.differences(figures::COMPARED));
        let seconds = |pick: fn(&Seconds) -> f64| {
            of(&|router: Option<&RouterResult>| match router {
                Some(router) if !router.seeds.is_empty() => {
                    let values: Vec<f64> = router
                        .seeds
                        .iter()
                        .map(|seed| pick(&seed.seconds))
                        .collect();
                    let mean = values.iter().sum::<f64>() / values.len() as f64;
                    match seeds_interval(&values) {
                        Some(interval) => format!(
                            "{mean:.2} [{:.2}–{:.2}]",
                            interval.low.max(0.0),
                            interval.high
                        ),
                        None => format!("{mean:.2}"),
                    }
                }
                _ => "–".to_owned(),
            })
        };
        tables.push(table("Fit, seconds", seconds(|seconds| seconds.fit)));
        tables.push(table(
            "Prediction of the test queries, seconds",
            seconds(|seconds| seconds.predict),
        ));
        tables
    }

    /// The paired difference of the reference and every other router, where there is a reference.
    fn differences(&self, metric: &Metric) -> Option<report::OverviewTable> {
        let mut columns = Vec::new();
        let mut reference = None;
        for run in &self.runs {
            reference = reference.or(run.results.reference.as_deref());
            columns.push(&run.results.comparisons);
        }
        let reference = reference?;
        let write = |label: &str| -> Vec<String> {
            let cells = columns.iter().map(|comparisons| {
                let found = comparisons
                    .iter()
                    .find(|comparison| comparison.router == label && comparison.metric == metric);
                found.map_or("–".to_owned(), |comparison| {
                    let interval = comparison.paired.difference;
                    format!(
                        "{:+.4} [{:+.4} to {:+.4}], p {}",
                        interval.mean,
                        interval.low,
                        interval.high,
                        if comparison.holm < 0.001 {
                            "< 0.001".to_owned()
                        } else {
                            format!("= {:.3}", comparison.holm)
                        }
                    )
                })
            });
            cells.collect()
        };
        let others = self
            .routers()
            .into_iter()
            .filter(|label| *label != reference);
        Some(report::OverviewTable {
            heading: format!(
                "{} of {reference} minus that of the router (paired bootstrap over queries; p corrected by Holm for the routers of the column)",
                figures::drawn_metric(metric).name
            ),
            rows: others
                .map(|label| (label.to_owned(), write(label)))
                .collect(),
        })
    }

    /// All tables in Markdown.
    pub fn markdown(&self, tables: &[report::OverviewTable]) -> String {
        let mut text = String::new();
        for table in tables {
            let headings = self.labels().into_iter().map(str::to_owned);
            let rows = (table.rows.iter()).map(|(label, cells)| (label.as_str(), cells.clone()));
            let written = in_markdown(headings, rows);
            text += &format!("\n**{}**\n\n{written}", table.heading);
        }
        for note in self.notes() {
            text += &format!("\n{note}\n");
        }
        text
    }

    /// The metrics in LaTeX.
    pub fn latex(&self) -> String {
        let mut text = PACKAGES.to_owned();
        for metric in Metric::everywhere() {
            let cell = |router| written(router, metric, &LATEX);
            let rows = (self.routers().into_iter())
                .map(|label| (label, self.row(label).into_iter().map(cell).collect()));
            let headings = self.labels().into_iter().map(escape_latex);
            let table = in_latex(&metric.latex(), headings, rows);
            text += &format!("% {}\n{table}", metric.name);
        }
        for note in self.notes() {
            text += &format!("% {}\n", note.replace('\n', " "));
        }
        text
    }

    /// What a reader of any of the tables needs to know.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = vec![
            "Mean over the seeds with its 95 % interval (Student's t). RCI and calls to the strongest model are at the \
             largest budget. QNC is ∞ where the best single model's quality is never reached; (k/n): reached on k of n \
             seeds."
                .to_owned(),
        ];
        for (variant, run) in self.study.variants.iter().zip(&self.runs) {
            let note = |text: String| format!("{}: {text}", variant.label);
            notes.push(note(format!(
                "strongest model {}",
                run.results.strongest_named(&run.results.models)
            )));
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
}

/// A cell of an overview: failed routers are marked, absent ones leave it empty.
fn written(router: Option<&RouterResult>, metric: &Metric, style: &Style) -> String {
    match router {
        None => String::new(),
        Some(router) if router.seeds.is_empty() => "failed".to_owned(),
        Some(router) => cell(router.summary(metric), metric, style),
    }
}
