//! The main table: CSV, Markdown, LaTeX (booktabs), and a short one for the terminal.

use super::results::{Results, RouterResult, Summary};
use super::store::Store;
use crate::failure::Outcome;
use crate::text::{Csv, escape_latex, optional};

/// A column of the main table.
pub struct Column {
    /// Its name in files.
    pub metric: &'static str,
    /// Its heading.
    pub heading: &'static str,
    /// Its heading in LaTeX.
    pub latex: &'static str,
    digits: usize,
    percent: bool,
}

const fn column(metric: &'static str, heading: &'static str, latex: &'static str) -> Column {
    Column {
        metric,
        heading,
        latex,
        digits: 4,
        percent: false,
    }
}

const fn percent(metric: &'static str, heading: &'static str, latex: &'static str) -> Column {
    Column {
        metric,
        heading,
        latex,
        digits: 1,
        percent: true,
    }
}

/// The columns of the main table.
pub const COLUMNS: [Column; 10] = [
    column(
        "nauc_shared",
        "nAUC (shared) ↑",
        r"nAUC$_\text{shared}$ $\uparrow$",
    ),
    column(
        "nauc_legacy",
        "nAUC (legacy) ↑",
        r"nAUC$_\text{legacy}$ $\uparrow$",
    ),
    column(
        "nauc_own_range",
        "nAUC (own range) ↑",
        r"nAUC$_\text{own}$ $\uparrow$",
    ),
    column("peak", "P_s ↑", r"$P_s$ $\uparrow$"),
    column("qnc", "QNC ↓", r"QNC $\downarrow$"),
    column("rci", "RCI ↓", r"RCI $\downarrow$"),
    column("rci_wasteful", "wasteful ↓", r"wasteful $\downarrow$"),
    column("rci_wrong", "wrong ↓", r"wrong $\downarrow$"),
    percent(
        "strongest_call_rate",
        "strongest called ↓",
        r"strongest called $\downarrow$",
    ),
    column("regret", "regret ↓", r"regret $\downarrow$"),
];

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
pub fn cell(summary: Option<Summary>, column: &Column, style: &Style) -> String {
    let Some(summary) = summary else {
        return "–".to_owned();
    };
    let scale = if column.percent { 100.0 } else { 1.0 };
    let unit = if column.percent { style.percent } else { "" };
    let digits = column.digits;
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

/// Writes `table.csv`, `table.md` and `table.tex`.
pub fn write(results: &Results, store: &Store) -> Outcome {
    store.write("table.csv", &csv(results)?)?;
    store.write("table.md", markdown(results).as_bytes())?;
    store.write("table.tex", latex(results).as_bytes())
}

fn csv(results: &Results) -> Outcome<Vec<u8>> {
    let mut csv = Csv::new();
    let mut header = vec!["router".to_owned()];
    for column in &COLUMNS {
        let name = column.metric;
        header.extend([
            name.to_owned(),
            format!("{name}_low"),
            format!("{name}_high"),
            format!("{name}_finite_seeds"),
        ]);
    }
    header.extend(["seeds", "costs"].map(String::from));
    csv.row(header)?;
    for router in &results.routers {
        let mut row = vec![router.label.clone()];
        for column in &COLUMNS {
            let summary = router.summary(column.metric);
            row.extend([
                optional(summary.map(|summary| summary.mean)),
                optional(
                    summary
                        .and_then(|summary| summary.interval)
                        .map(|(low, _)| low),
                ),
                optional(
                    summary
                        .and_then(|summary| summary.interval)
                        .map(|(_, high)| high),
                ),
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
    let headings: Vec<&str> = COLUMNS.iter().map(|column| column.heading).collect();
    let mut text = format!(
        "| router | {} |\n|---|{}\n",
        headings.join(" | "),
        "---:|".repeat(COLUMNS.len())
    );
    for router in &results.routers {
        let cells: Vec<String> = COLUMNS
            .iter()
            .map(|column| cell(router.summary(column.metric), column, &MARKDOWN))
            .collect();
        let label = router.label.replace('|', r"\|");
        text += &format!("| {label} | {} |\n", cells.join(" | "));
    }
    for note in notes(results) {
        text += &format!("\n{note}\n");
    }
    text
}

fn latex(results: &Results) -> String {
    let headings: Vec<&str> = COLUMNS.iter().map(|column| column.latex).collect();
    let mut text = format!(
        "% Needs \\usepackage{{booktabs}} and \\usepackage{{amsmath}}.\n\\begin{{tabular}}{{l{}}}\n\\toprule\nrouter & {} \\\\\n\\midrule\n",
        "r".repeat(COLUMNS.len()),
        headings.join(" & ")
    );
    for router in &results.routers {
        let cells: Vec<String> = COLUMNS
            .iter()
            .map(|column| cell(router.summary(column.metric), column, &LATEX))
            .collect();
        text += &format!(
            "{} & {} \\\\\n",
            escape_latex(&router.label),
            cells.join(" & ")
        );
    }
    text += "\\bottomrule\n\\end{tabular}\n";
    for note in notes(results) {
        text += &format!("% {}\n", note.replace('\n', " "));
    }
    text
}

/// The most important columns in plain text.
pub fn for_terminal(results: &Results) -> String {
    let metrics = ["nauc_shared", "peak", "qnc", "rci", "strongest_call_rate"];
    let columns: Vec<&Column> = metrics
        .iter()
        .filter_map(|metric| COLUMNS.iter().find(|column| column.metric == *metric))
        .collect();
    let width = |router: &RouterResult| router.label.chars().count();
    let first = results
        .routers
        .iter()
        .map(width)
        .max()
        .unwrap_or(0)
        .max("router".len());
    let mut text = format!("\n{:first$}", "router");
    for column in &columns {
        text += &format!("  {:>26}", column.heading);
    }
    for router in &results.routers {
        text += &format!("\n{:first$}", router.label);
        for column in &columns {
            text += &format!(
                "  {:>26}",
                cell(router.summary(column.metric), column, &MARKDOWN)
            );
        }
    }
    for note in notes(results) {
        text += &format!("\n{note}");
    }
    text + "\n"
}
