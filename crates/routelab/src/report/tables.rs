//! The page's tables. Scripts make them sortable by the `data-value` of their cells.

use std::collections::HashMap;

use maud::{Markup, html};
use routelab_eval::metric::Shown;
use routelab_eval::{Better, METRICS, Metric};
use serde_json::Value;

use super::text;
use crate::folder::{ComparisonRecord, RouterRecord, RunResults, TaskRecord};
use crate::names::short_names;

/// The columns of the main table.
fn columns() -> Vec<&'static Metric> {
    let shown = METRICS.iter().filter(|metric| metric.shown != Shown::Files);
    let mut columns: Vec<&Metric> = shown.collect();
    columns.sort_by_key(|metric| metric.shown);
    columns
}

/// A table in a frame of its own, which scrolls.
fn framed(name: &str, sortable: bool, head: Markup, body: Markup) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(name) {
            table class=[sortable.then_some("sortable")] { thead { tr { (head) } } tbody { (body) } }
        }
    }
}

/// A cell with a number to sort by, and small print below it.
fn cell(value: f64, class: Option<&str>, number: Markup, small: &[String]) -> Markup {
    html! {
        td data-value=(value) class=[class] { (number) @for line in small { small { (line) } } }
    }
}

/// The row of a router.
fn row(results: &RunResults, label: &str, cells: Markup) -> Markup {
    let reference = results.reference.as_deref() == Some(label);
    html! {
        tr class=[reference.then_some("reference")] data-router=(label) { th scope="row" { (label) } (cells) }
    }
}

/// The metrics of every router.
pub fn metrics(results: &RunResults) -> Markup {
    let head = html! {
        th scope="col" { "router" }
        @for column in columns() { th scope="col" title=(column.meaning) { (column.titled()) } }
    };
    let best: Vec<_> = columns()
        .into_iter()
        .map(|column| (column, best(results, column)))
        .collect();
    let body = html! {
        @for router in &results.routers {
            (row(results, &router.label, html! {
                @for (column, best) in &best { (metric(results, column, router, *best)) }
            }))
        }
    };
    html! {
        section id="table" {
            h2 { "All routers" }
            p {
                "Mean over the seeds, below it the 95 % interval (Student's t). Marked: the best of the learned routers. ∞: the best \
                 single model's quality is not reached on every seed. Click a heading to sort."
            }
            (framed("Metrics of all routers", true, head, body))
        }
    }
}

fn best(results: &RunResults, column: &Metric) -> Option<f64> {
    let learned = results.routers.iter().filter(|router| router.is_learned());
    let means = learned
        .filter_map(|router| Some(results.summary(router, column.name)?.mean.0))
        .filter(|mean| mean.is_finite());
    match column.better {
        Better::Higher => means.reduce(f64::max),
        Better::Lower => means.reduce(f64::min),
        Better::Neither => None,
    }
}

fn metric(
    results: &RunResults,
    column: &Metric,
    router: &RouterRecord,
    best: Option<f64>,
) -> Markup {
    let digits = column.digits;
    let (scale, unit) = if column.percent {
        (100.0, " %")
    } else {
        (1.0, "")
    };
    let write = |value: f64| format!("{:.digits$}", value * scale);
    let Some(summary) = results.summary(router, column.name) else {
        return html! { td { "–" } };
    };
    let mean = summary.mean.0;
    if mean.is_infinite() {
        return html! { td data-value="Infinity" { "∞" } };
    }
    let interval = summary
        .interval
        .map(|(low, high)| format!("{}–{}", write(low.0), write(high.0)));
    let number = format!("{}{unit}", write(mean));
    let is_best = router.is_learned() && best == Some(mean);
    let number = html! {
        @if is_best { strong { (number) } span.unseen { " (best)" } } @else { (number) }
    };
    cell(mean, is_best.then_some("best"), number, interval.as_slice())
}

/// The reference against every other router, on the metrics that a reader asks for first.
pub fn comparisons(results: &RunResults) -> Markup {
    let Some(reference) = &results.reference else {
        return html! {};
    };
    if results.comparisons.is_empty() {
        return html! {};
    }
    let difference = |one: &ComparisonRecord| {
        let (low, high) = (one.interval.0.0, one.interval.1.0);
        let difference = one.difference.0;
        let number = format!("{difference:+.4}");
        let number = html! {
            @if one.p_holm < 0.05 { strong { (number) } } @else { span { (number) } }
        };
        let small = format!("{low:+.4} to {high:+.4}, p {:.3}", one.p_holm);
        cell(difference, None, number, &[small])
    };
    let mut others: Vec<&str> = Vec::new();
    for one in &results.comparisons {
        if !others.contains(&one.router.as_str()) {
            others.push(&one.router);
        }
    }
    let find = |other: &str, metric: &str| {
        let mut all = results.comparisons.iter();
        all.find(|one| one.router == other && one.metric == metric)
    };
    let head = html! {
        th scope="col" { "router" }
        @for metric in Metric::drawn() { th scope="col" { (metric.heading) } }
    };
    let body = html! {
        @for other in others {
            (row(results, other, html! {
                @for metric in Metric::drawn() {
                    @if let Some(one) = find(other, metric.name) { (difference(one)) } @else { td { "–" } }
                }
            }))
        }
    };
    html! {
        section id="comparisons" {
            h2 { (reference) " against the others" }
            p {
                "Difference (" (reference) " minus the other) on the same queries, with the 95 % interval and p of a paired \
                 bootstrap over queries, averaged over the seeds; p is corrected by Holm for the routers of a column. Bold: \
                 corrected p below 0.05."
            }
            (framed(&format!("Differences from {reference}"), true, head, body))
        }
    }
}

/// Whether the queries are of several tasks.
pub fn has_tasks(results: &RunResults) -> bool {
    let tasks = &results.tasks;
    tasks.iter().any(|record| record.task != tasks[0].task)
}

/// Every router on every task, at the largest budget; nothing where all queries are of one task.
pub fn tasks(results: &RunResults) -> Markup {
    if !has_tasks(results) {
        return html! {};
    }
    let distinct = |name: fn(&TaskRecord) -> &str| -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in results.tasks.iter().map(name) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    };
    let (routers, mut tasks) = (
        distinct(|record| &record.router),
        distinct(|record| &record.task),
    );
    tasks.sort_unstable();
    let models = short_names(&results.models);
    let records: HashMap<(&str, &str), &TaskRecord> = (results.tasks.iter())
        .map(|record| ((&*record.task, &*record.router), record))
        .collect();
    let written = |record: &TaskRecord| {
        let rates = &record.call_rates;
        let most = (0..rates.len()).max_by(|&a, &b| rates[a].total_cmp(&rates[b]));
        let most = most.map(|most| format!("{} {:.0} %", models[most], rates[most] * 100.0));
        let cost = format!("{:.3e}", record.cost.0);
        let small: Vec<String> = [cost].into_iter().chain(most).collect();
        let quality = format!("{:.3}", record.quality);
        cell(record.quality, None, html! { (quality) }, &small)
    };
    let head = html! {
        th scope="col" { "task" }
        th scope="col" title="test queries, over all splits" { "queries" }
        @for router in &routers { th scope="col" { (router) } }
    };
    let body = html! {
        @for task in tasks {
            @let first = routers.iter().find_map(|router| records.get(&(task, *router)));
            @let queries = first.map_or(0, |record| record.queries);
            tr {
                th scope="row" { (task) }
                td data-value=(queries) { (queries) }
                @for router in &routers {
                    @if let Some(record) = records.get(&(task, *router)) { (written(record)) } @else { td { "–" } }
                }
            }
        }
    };
    html! {
        section id="tasks" {
            h2 { "By task" }
            p {
                "Mean quality at the largest budget, below it the mean cost and the model that is called most. Click a heading to \
                 sort; tasks.csv has the intervals and all call rates."
            }
            (framed("Routers by task", true, head, body))
        }
    }
}

/// What the nearest other queries say about which model is needed: how much of the oracle's lead a router could win. Nothing where
/// the run has no such comparison.
pub fn predictability(found: &Value) -> Markup {
    if !found.is_object() {
        return html! {};
    }
    let written =
        |value: &Value, write: &dyn Fn(f64) -> String| value.as_f64().map_or("–".to_owned(), write);
    let number = |value: f64| format!("{value:.3}");
    let percent = |value: f64| format!("{:.1} %", value * 100.0);
    let interval = |value: &Value, write: &dyn Fn(f64) -> String| {
        let part = |key: &str| written(&value[key], write);
        html! { td { (part("mean")) small { (part("low")) " to " (part("high")) } } }
    };
    let headings = [
        "k",
        "quality",
        "cost",
        "share of the oracle's lead",
        "neighbours with another model",
        "neighbours without a common best model",
    ];
    let body = html! {
        @for count in found["counts"].as_array().into_iter().flatten() { tr {
            th scope="row" { (count["k"]) }
            (interval(&count["quality"], &number))
            td { (written(&count["cost"], &|cost| format!("{cost:.3e}"))) }
            @if count["recovered"].is_object() { (interval(&count["recovered"], &percent)) } @else { td { "–" } }
            (interval(&count["disagreement"], &percent))
            (interval(&count["disjoint"], &percent))
        } }
    };
    let head = html! { @for heading in headings { th scope="col" { (heading) } } };
    html! {
        section id="predictability" {
            h2 { "What the prompts can tell" }
            p {
                "The oracle reaches a quality of " (written(&found["oracle_quality"], &number)) ", the best single model ("
                (text(&found["best_single_model"])) ") " (written(&found["best_single_quality"], &number))
                ". Whether a query needs this model or that one can be learned only as far as similar queries need the same: the \
                 oracle's model of a query differs from that of its nearest other query on "
                (written(&found["bayes_upper"]["mean"], &percent)) " of the queries, and would on "
                (written(&found["chance"], &percent))
                " if the embedding said nothing. So no router that sees these embeddings can name the oracle's model with an error \
                 below about " (written(&found["bayes_lower"]["mean"], &percent))
                " (the bound of Cover and Hart, exact for many queries)."
            }
            p {
                "The table has the policy that takes the model that was best on average on the " i { "k" }
                " nearest other queries of the whole table, and the share of the oracle's lead over the best single model that it \
                 wins, at any cost. Intervals: 95 %, bootstrap over queries."
            }
            (framed("What the nearest other queries say", false, head, body))
        }
    }
}

/// What the same questions, asked again, say about the oracle's lead. Nothing where every model was asked once.
pub fn answers(found: &Value) -> Markup {
    if !found.is_object() {
        return html! {};
    }
    let with_interval = |key: &str, write: &dyn Fn(f64) -> String| {
        let part = |end: &str| found[key][end].as_f64().map_or("–".to_owned(), write);
        format!("{} ({} to {})", part("mean"), part("low"), part("high"))
    };
    let number = |value: f64| format!("{value:.3}");
    let percent = |value: f64| format!("{:.1} %", value * 100.0);
    let deviation = found["variance"]["mean"]
        .as_f64()
        .map_or("–".to_owned(), |variance| number(variance.sqrt()));
    let single = found["best_single_quality"].as_f64().unwrap_or(f64::NAN);
    let lead = |key: &str| {
        found[key]["mean"]
            .as_f64()
            .map_or("–".to_owned(), |quality| number(quality - single))
    };
    html! {
        section id="answers" {
            h2 { "What asking again changes" }
            p {
                "Every model answered " (found["queries"]) " queries " (found["answers"]) " times. The quality of a single answer has a standard deviation of "
                (deviation) " about its model's mean on the query. Two askings of the same query name different models as the cheapest best one on "
                (with_interval("disagreement", &percent)) " of the queries: no router, whatever it sees, can name the model of a single asking with an error below half of that."
            }
            p {
                "Some of the oracle's lead is luck of single answers. The oracle of the means reaches " (with_interval("oracle_seen", &number))
                ", which is too high; chosen by all answers but one, and counted on that one, " (with_interval("oracle_unseen", &number))
                ", which is too low. So the lead over the best single model (" (text(&found["best_single_model"])) ", " (number(single))
                ") that a router could win lies between " (lead("oracle_unseen")) " and " (lead("oracle_seen")) "."
            }
        }
    }
}
