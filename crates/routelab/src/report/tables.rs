//! The page's tables. Scripts make them sortable by the `data-value` of their cells.

use std::collections::HashMap;

use routelab_eval::metric::{Range, Shown};
use routelab_eval::{Better, METRICS, Metric};
use serde_json::Value;

use super::{Run, escape, text};
use crate::run::short_names;

/// The columns of the main table.
fn columns() -> Vec<&'static Metric> {
    let shown = METRICS.iter().filter(|metric| metric.shown != Shown::Files);
    let mut columns: Vec<&Metric> = shown.collect();
    columns.sort_by_key(|metric| metric.shown);
    columns
}

/// The metrics of every router.
pub fn metrics(run: &Run) -> String {
    let mut html = "<section id=\"table\">\n<h2>All routers</h2>\n<p>Mean over the seeds, below it the 95 % interval \
                    (Student's t). Marked: the best of the learned routers. ∞: the best single model's quality is not \
                    reached on every seed. Click a heading to sort.</p>\n<div class=\"scroll\" tabindex=\"0\" \
                    role=\"region\" aria-label=\"Metrics of all routers\"><table class=\"sortable\">\n<thead><tr><th \
                    scope=\"col\">router</th>"
        .to_owned();
    let columns = columns();
    for metric in &columns {
        html += &format!(
            "<th scope=\"col\" title=\"{}\">{}</th>",
            escape(metric.meaning),
            metric.titled()
        );
    }
    html += "</tr></thead>\n<tbody>\n";
    let best: Vec<Option<f64>> = columns.iter().map(|metric| best(run, metric)).collect();
    for router in run.routers() {
        html += &row_start(run, text(&router["router"]));
        for (metric, best) in columns.iter().zip(&best) {
            html += &cell(metric, router, run.is_learned(router), *best);
        }
        html += "</tr>\n";
    }
    html += "</tbody>\n</table></div>\n</section>\n";
    html
}

/// The mean of a metric over the seeds; an unreachable QNC is infinite.
fn mean(metric: &Metric, router: &Value) -> Option<f64> {
    let summary = &router["summary"][metric.name];
    match summary["mean"].as_f64() {
        None if metric.range == Range::Infinite && summary.is_object() => Some(f64::INFINITY),
        mean => mean,
    }
}

fn best(run: &Run, metric: &Metric) -> Option<f64> {
    let means = run
        .routers()
        .iter()
        .filter(|router| run.is_learned(router))
        .filter_map(|router| mean(metric, router))
        .filter(|mean| mean.is_finite());
    match metric.better {
        Better::Higher => means.reduce(f64::max),
        Better::Lower => means.reduce(f64::min),
        Better::Neither => None,
    }
}

fn cell(metric: &Metric, router: &Value, learned: bool, best: Option<f64>) -> String {
    let digits = metric.digits;
    let (scale, unit) = if metric.percent {
        (100.0, " %")
    } else {
        (1.0, "")
    };
    let write = |value: f64| format!("{:.digits$}", value * scale);
    let Some(mean) = mean(metric, router) else {
        return "<td>–</td>".to_owned();
    };
    if mean.is_infinite() {
        return "<td data-value=\"Infinity\">∞</td>".to_owned();
    }
    let summary = &router["summary"][metric.name];
    let interval = match (summary["low"].as_f64(), summary["high"].as_f64()) {
        (Some(low), Some(high)) => format!("<small>{}–{}</small>", write(low), write(high)),
        _ => String::new(),
    };
    let number = format!("{}{unit}", write(mean));
    let (class, number) = if learned && best == Some(mean) {
        (
            " class=\"best\"",
            format!("<strong>{number}</strong><span class=\"unseen\"> (best)</span>"),
        )
    } else {
        ("", number)
    };
    format!("<td data-value=\"{mean}\"{class}>{number}{interval}</td>")
}

fn row_start(run: &Run, label: &str) -> String {
    let class = if run.metrics["reference"] == label {
        " class=\"reference\""
    } else {
        ""
    };
    let label = escape(label);
    format!("<tr{class} data-router=\"{label}\"><th scope=\"row\">{label}</th>")
}

/// The reference against every other router, on the metrics that a reader asks for first.
pub fn comparisons(run: &Run) -> String {
    let Some(reference) = run.metrics["reference"]
        .as_str()
        .filter(|_| !run.comparisons.is_empty())
    else {
        return String::new();
    };
    let metrics = || Metric::everywhere().filter(|metric| metric.range != Range::Infinite);
    let mut html = format!(
        "<section id=\"comparisons\">\n<h2>{reference} against the others</h2>\n<p>Difference ({reference} minus the other) \
         on the same queries, with the 95 % interval and p of a paired bootstrap over queries, averaged over the \
         seeds; p is corrected by Holm for the routers of a column. Bold: corrected p below 0.05.</p>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"Differences from {reference}\"><table class=\"sortable\">\n<thead><tr><th scope=\"col\">router</th>",
        reference = escape(reference)
    );
    for metric in metrics() {
        html += &format!("<th scope=\"col\">{}</th>", metric.heading);
    }
    html += "</tr></thead>\n<tbody>\n";
    let mut others: Vec<&str> = Vec::new();
    for row in &run.comparisons {
        if !others.contains(&row[1].as_str()) {
            others.push(&row[1]);
        }
    }
    for other in others {
        html += &row_start(run, other);
        for metric in metrics() {
            let row = run
                .comparisons
                .iter()
                .find(|row| row[1] == other && row[2] == metric.name);
            let value = |index: usize| row.and_then(|row| row[index].parse::<f64>().ok());
            html += &match (value(3), value(4), value(5), value(7)) {
                (Some(difference), Some(low), Some(high), Some(p)) => {
                    let tag = if p < 0.05 { "strong" } else { "span" };
                    format!(
                        "<td data-value=\"{difference}\"><{tag}>{difference:+.4}</{tag}><small>{low:+.4} to \
                         {high:+.4}, p {p:.3}</small></td>"
                    )
                }
                _ => "<td>–</td>".to_owned(),
            };
        }
        html += "</tr>\n";
    }
    html += "</tbody>\n</table></div>\n</section>\n";
    html
}

/// Whether the queries are of several tasks.
pub fn has_tasks(run: &Run) -> bool {
    let first = run.tasks.first().map(|row| &row[1]);
    run.tasks.iter().any(|row| Some(&row[1]) != first)
}

/// Every router on every task, at the largest budget; nothing where all queries are of one task.
pub fn tasks(run: &Run) -> String {
    let distinct = |column: usize| -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for row in &run.tasks {
            if !names.contains(&row[column].as_str()) {
                names.push(&row[column]);
            }
        }
        names
    };
    let (routers, mut tasks) = (distinct(0), distinct(1));
    if !has_tasks(run) {
        return String::new();
    }
    tasks.sort_unstable();
    let models: Vec<String> = (run.metrics["models"].as_array().into_iter().flatten())
        .map(|model| text(model).to_owned())
        .collect();
    let models = short_names(&models);
    let cells: HashMap<(&str, &str), &Vec<String>> = (run.tasks.iter())
        .map(|row| ((row[1].as_str(), row[0].as_str()), row))
        .collect();
    let mut html = "<section id=\"tasks\">\n<h2>By task</h2>\n<p>Mean quality at the largest budget, below it the mean cost and \
                    the model that is called most. Click a heading to sort; tasks.csv has the intervals and all call \
                    rates.</p>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Routers by \
                    task\"><table class=\"sortable\">\n<thead><tr><th scope=\"col\">task</th><th scope=\"col\" \
                    title=\"test queries, over all splits\">queries</th>"
        .to_owned();
    for router in &routers {
        html += &format!("<th scope=\"col\">{}</th>", escape(router));
    }
    html += "</tr></thead>\n<tbody>\n";
    for task in tasks {
        let first = routers
            .iter()
            .find_map(|router| cells.get(&(task, *router)));
        let queries = first.map_or("", |row| row[2].as_str());
        html += &format!(
            "<tr><th scope=\"row\">{}</th><td data-value=\"{queries}\">{queries}</td>",
            escape(task)
        );
        for router in &routers {
            let cell = cells.get(&(task, *router)).and_then(|row| {
                let number = |cell: &String| cell.parse::<f64>().ok();
                let rates: Vec<f64> = row[7..].iter().filter_map(number).collect();
                let most = (0..rates.len()).max_by(|&a, &b| rates[a].total_cmp(&rates[b]))?;
                Some((number(&row[3])?, number(&row[6])?, most, rates[most]))
            });
            html += &match cell {
                Some((quality, cost, most, rate)) => format!(
                    "<td data-value=\"{quality}\">{quality:.3}<small>{cost:.3e}</small><small>{} {:.0} %</small></td>",
                    escape(models.get(most).map_or("", String::as_str)),
                    rate * 100.0
                ),
                None => "<td>–</td>".to_owned(),
            };
        }
        html += "</tr>\n";
    }
    html += "</tbody>\n</table></div>\n</section>\n";
    html
}
