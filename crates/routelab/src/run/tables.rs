//! The main table: CSV, Markdown, LaTeX (booktabs), and a short one for the terminal.

use routelab_eval::Metric;
use routelab_eval::metric::Shown;

use super::results::{Results, RouterResult, Summary};
use super::store::Store;
use crate::failure::Outcome;
use crate::text::{self, Csv, PACKAGES, in_latex, in_markdown, optional};

/// The columns of the main table.
fn columns() -> impl Iterator<Item = &'static Metric> {
    let metrics = routelab_eval::METRICS.iter();
    metrics.filter(|metric| !matches!(metric.shown, Shown::Page | Shown::Files))
}

/// How a number is written in one of the formats.
pub struct Style {
    infinity: &'static str,
    between: &'static str,
    percent: &'static str,
}

/// In Markdown and plain text.
pub const MARKDOWN: Style = Style {
    infinity: "∞",
    between: "–",
    percent: " %",
};

/// In LaTeX.
pub const LATEX: Style = Style {
    infinity: r"$\infty$",
    between: "--",
    percent: r"\,\%",
};

/// A number with its interval.
pub fn cell(summary: Option<Summary>, metric: &Metric, style: &Style) -> String {
    let Some(summary) = summary else {
        return "–".to_owned();
    };
    let (scale, unit, digits) = if metric.percent {
        (100.0, style.percent, 1)
    } else {
        (1.0, "", 4)
    };
    let write = |value: f64| format!("{:.digits$}", value * scale);
    let (finite, seeds) = summary.finite;
    match (finite, summary.interval) {
        (0, _) => style.infinity.to_owned(),
        (finite, _) if finite < seeds => {
            format!("{}{unit} ({finite}/{seeds})", write(summary.finite_mean))
        }
        (_, Some((low, high))) => format!(
            "{}{unit} [{}{}{}]",
            write(summary.mean),
            write(low),
            style.between,
            write(high)
        ),
        (_, None) => format!("{}{unit}", write(summary.mean)),
    }
}

/// What a reader needs to know about the table.
fn notes(results: &Results) -> Vec<String> {
    let mut notes = vec![
        format!(
            "Mean over the seeds with its 95 % interval (Student's t). Strongest model: {}. RCI, its two parts, calls \
             and regret are at the largest budget.",
            results.strongest_named(&results.models)
        ),
        "QNC is ∞ where the best single model's quality is never reached; (k/n): reached on k of n seeds, mean over \
         those."
            .to_owned(),
    ];
    if let Some(assumption) = &results.cost_assumption {
        notes.push(format!(
            "Costs are an assumption, not a measurement: {assumption}"
        ));
    }
    for router in &results.routers {
        for (seed, reason) in &router.failures {
            notes.push(format!("{} failed on seed {seed}: {reason}", router.label));
        }
    }
    notes
}

/// Writes `table.csv`, `table.md` and `table.tex`, and `rci_prices.csv` if prices were asked for.
pub fn write(results: &Results, store: &Store) -> Outcome {
    let priced = |router: &RouterResult| {
        let mut seeds = router.seeds.iter();
        seeds.any(|seed| !seed.evaluation.at_prices.is_empty())
    };
    if results.routers.iter().any(priced) {
        store.write("rci_prices.csv", &rci_prices(results)?)?;
    }
    store.write("table.csv", &csv(results)?)?;
    store.write("table.md", markdown(results).as_bytes())?;
    store.write("table.tex", latex(results).as_bytes())
}

/// The budget that is worth most at every price, and RCI there.
fn rci_prices(results: &Results) -> Outcome<Vec<u8>> {
    let header = "router,seed,price,budget,cost,quality,rci,rci_wasteful,rci_wrong";
    let mut csv = Csv::headed(header, None)?;
    for router in &results.routers {
        for seed in &router.seeds {
            for at in &seed.evaluation.at_prices {
                let rci = &at.rci;
                let numbers = [at.price, at.point.budget, at.point.cost, at.point.quality];
                let numbers = numbers
                    .into_iter()
                    .chain([rci.rci, rci.wasteful, rci.wrong]);
                let start = [router.label.clone(), seed.seed.to_string()];
                csv.row(start.into_iter().chain(numbers.map(text::cell)))?;
            }
        }
    }
    csv.finish()
}

fn csv(results: &Results) -> Outcome<Vec<u8>> {
    let names = columns().flat_map(|metric| {
        let of = |end: &str| format!("{}{end}", metric.name);
        ["", "_low", "_high", "_finite_seeds"].map(of)
    });
    let ends = ["seeds", "costs"].map(String::from);
    let mut csv = Csv::headed("router", names.chain(ends))?;
    for router in &results.routers {
        let mut row = vec![router.label.clone()];
        for metric in columns() {
            let summary = router.summary(metric);
            let interval = summary.and_then(|summary| summary.interval);
            row.extend([
                optional(summary.map(|summary| summary.mean)),
                optional(interval.map(|(low, _)| low)),
                optional(interval.map(|(_, high)| high)),
                summary
                    .map(|summary| summary.finite.0.to_string())
                    .unwrap_or_default(),
            ]);
        }
        row.push(router.seeds.len().to_string());
        row.push(results.costs().to_owned());
        csv.row(row)?;
    }
    csv.finish()
}

fn markdown(results: &Results) -> String {
    let mut text = in_markdown(columns().map(Metric::titled), rows(results, &MARKDOWN));
    for note in notes(results) {
        text += &format!("\n{note}\n");
    }
    text
}

fn latex(results: &Results) -> String {
    let table = in_latex(
        "router",
        columns().map(Metric::latex),
        rows(results, &LATEX),
    );
    let mut text = format!("{PACKAGES}{table}");
    for note in notes(results) {
        text += &format!("% {}\n", note.replace('\n', " "));
    }
    text
}

fn rows<'a>(
    results: &'a Results,
    style: &'a Style,
) -> impl Iterator<Item = (&'a str, Vec<String>)> {
    results.routers.iter().map(move |router| {
        let cells = columns().map(|metric| cell(router.summary(metric), metric, style));
        (router.label.as_str(), cells.collect())
    })
}

/// What is shown everywhere, in plain text.
pub fn for_terminal(results: &Results) -> String {
    let width = |router: &RouterResult| router.label.chars().count();
    let first = results
        .routers
        .iter()
        .map(width)
        .max()
        .unwrap_or(0)
        .max("router".len());
    let mut text = format!("\n{:first$}", "router");
    for metric in Metric::everywhere() {
        text += &format!("  {:>26}", metric.titled());
    }
    for router in &results.routers {
        text += &format!("\n{:first$}", router.label);
        for metric in Metric::everywhere() {
            let cell = cell(router.summary(metric), metric, &MARKDOWN);
            text += &format!("  {cell:>26}");
        }
    }
    for note in notes(results) {
        text += &format!("\n{note}");
    }
    text + "\n"
}
