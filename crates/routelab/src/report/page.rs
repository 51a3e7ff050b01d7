//! The page of a run.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use routelab_plot::Role;
use serde_json::Value;

use super::{Figure, Run, data, picture, tables, text};
use crate::folder::{RouterRecord, RunResults};

/// The scripts, in the order in which they need each other.
const SCRIPTS: [&str; 7] = [
    include_str!("vendor/uPlot.iife.min.js"),
    include_str!("js/rule.js"),
    include_str!("js/state.js"),
    include_str!("js/plot.js"),
    include_str!("js/charts.js"),
    include_str!("js/tables.js"),
    include_str!("js/explorer.js"),
];

/// Nothing comes from anywhere else, and the browser is told to see to it.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:";

/// What may not stand in a link.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b',')
    .remove(b'/')
    .remove(b'=')
    .remove(b':');

/// The whole page.
pub fn html(run: &Run) -> Markup {
    let title = text(&run.manifest["experiment"]["title"]);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(include_str!("vendor/uPlot.min.css"))) (PreEscaped(include_str!("style.css"))) }
                script { (PreEscaped("document.documentElement.classList.add(\"js\");")) }
            }
            body {
                a.skip href="#main" { "Skip to the figures" }
                header.top {
                    h1 { (title) }
                    (saving(&run.results))
                    p.lead { (text(&run.manifest["experiment"]["description"])) }
                    (data_line(run))
                }
                (navigation(run))
                div.columns {
                    (controls())
                    main id="main" {
                        (warnings(run))
                        (findings(run))
                        @for figure in &run.figures { (section(figure)) }
                        (tables::metrics(&run.results))
                        (tables::comparisons(&run.results))
                        (tables::tasks(&run.results))
                        (tables::predictability(&run.predictability))
                        (tables::answers(&run.answers))
                        (queries(&run.data["queries"]))
                        (settings(run))
                    }
                }
                script type="application/json" id="data" { (PreEscaped(data::for_script(&run.data))) }
                @for script in SCRIPTS { script { (PreEscaped("\n")) (PreEscaped(script.trim_end())) (PreEscaped("\n")) } }
            }
        }
    }
}

/// Whether routing would have paid: what the learned router that reaches the best single model's quality at the least cost saves.
fn saving(results: &RunResults) -> Markup {
    // The truth with noise looks like a router, and is none.
    let learned = |router: &&RouterRecord| router.is_learned() && router.kind != "oracle";
    let learned = results.routers.iter().filter(learned);
    let reached: Vec<_> = learned
        .filter_map(|router| Some((router, results.summary(router, "qnc")?)))
        .collect();
    let best = reached
        .iter()
        .min_by(|a, b| a.1.mean.0.total_cmp(&b.1.mean.0));
    let Some((router, cost)) = best else {
        return html! {};
    };
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let choice = if reached.len() == 1 {
        format!("with {}", router.label)
    } else {
        format!(
            "with {}, the best of {} learned routers in hindsight",
            router.label,
            reached.len()
        )
    };
    let saved = 1.0 - cost.mean.0;
    let text = match cost.interval {
        _ if cost.mean.0.is_infinite() => format!(
            "Routing would not have saved anything: no learned router reached the best single model's quality on all {} splits.",
            router.seeds.len()
        ),
        None if saved > 0.0 => format!(
            "Routing would have saved {} of the best single model's cost at its quality, {choice}; one split, so without an interval.",
            percent(saved)
        ),
        Some((_, high)) if high.0 < 1.0 => format!(
            "Routing would have saved {} of the best single model's cost at its quality ({choice}; 95 % interval over the splits: {} to {}).",
            percent(saved),
            percent(1.0 - high.0),
            percent(1.0 - cost.interval.map_or(f64::NAN, |(low, _)| low.0)),
        ),
        Some((low, high)) => format!(
            "It is not sure that routing would have saved anything: {} of the best single model's cost at its quality ({choice}; 95 % interval over the \
             splits: {} to {}).",
            percent(saved),
            percent(1.0 - high.0),
            percent(1.0 - low.0),
        ),
        None => format!(
            "Routing would not have saved anything at the best single model's quality ({choice})."
        ),
    };
    html! { p.saving { strong { (text) } } }
}

fn settings(run: &Run) -> Markup {
    let manifest = &run.manifest;
    let encoders = manifest["embeddings"]["encoders"].as_array();
    let encoders: Vec<&str> = encoders.into_iter().flatten().map(text).collect();
    html! {
        section id="settings" {
            h2 { "Settings" }
            p {
                "The experiment with every default written out. RouteLab " (text(&manifest["routelab"])) ", Burn "
                (text(&manifest["burn"])) ", backend " (text(&manifest["backend"])) "; embeddings: " (encoders.join(" + ")) "."
            }
            pre tabindex="0" { (run.settings) }
        }
    }
}

/// Filled by the scripts, and not there without them.
fn controls() -> Markup {
    let picks = [
        ("all", "All"),
        ("none", "None"),
        ("highlighted", "Highlighted"),
        ("usual", "Default"),
    ];
    html! {
        aside.controls.needs-js aria-label="What the figures show" {
            div.budget {
                label for="budget" { "Budget per query" }
                output id="budget-value" for="budget" {}
                input type="range" id="budget" min="0" step="1";
            }
            details.picker id="picker" {
                summary { "Routers " output id="picked" {} }
                div.buttons { @for (pick, name) in picks { button type="button" data-pick=(pick) { (name) } } }
                fieldset { legend.unseen { "Routers in the figures" } ul id="routers" {} }
            }
        }
    }
}

fn navigation(run: &Run) -> Markup {
    let figures = run.figures.iter();
    let figures = figures.map(|figure| (&*figure.record.stem, &*figure.record.short, true));
    let others = [
        ("table", "Table", true),
        (
            "comparisons",
            "Comparisons",
            !run.results.comparisons.is_empty(),
        ),
        ("tasks", "By task", tables::has_tasks(&run.results)),
        ("predictability", "Limits", run.predictability.is_object()),
        ("answers", "Answers", run.answers.is_object()),
        ("queries", "Queries", true),
        ("settings", "Settings", true),
    ];
    let there = figures.chain(others).filter(|(_, _, there)| *there);
    html! {
        nav.contents aria-label="Contents" {
            ul { @for (id, name, _) in there { li { a href={ "#" (id) } { (name) } } } }
            button.needs-js type="button" id="theme" { "Theme: system" }
        }
    }
}

fn data_line(run: &Run) -> Markup {
    let data = &run.manifest["data"];
    let splits = run.manifest["splits"].as_array();
    let splits = splits.map_or(&[][..], Vec::as_slice);
    let counted = |key: &str| data[key].as_u64().filter(|count| *count > 0);
    html! {
        p.soft {
            (text(&data["name"])) ": " (data["queries"]) " queries × " (run.results.models.len()) " models"
            @if let Some(split) = splits.first() {
                ", " (split["train"]) " training and " (split["test"]) " test queries"
            }
            ", " (splits.len()) " seeds."
            @if let Some(count) = counted("dropped_queries") { " " (count) " queries with missing cells were left out." }
            @if let Some(count) = counted("incomplete_queries") {
                " " (data["complete_queries"]) " queries were measured for every model, " (count)
                " for some: these train, and no evaluation takes them."
            }
            " Strongest model: " (run.results.strongest) "."
        }
    }
}

fn warnings(run: &Run) -> Markup {
    let number = |part: &str, key: &str| run.manifest[part][key].as_u64();
    let distinct = number("embeddings", "distinct").zip(number("data", "queries"));
    // A handful of repeated prompts is nothing to warn of.
    let distinct = distinct.filter(|(distinct, queries)| distinct * 20 < queries * 19);
    html! {
        @if let Some(assumption) = &run.results.cost_assumption {
            p.warning { "Costs are an assumption, not a measurement: " (assumption) }
        }
        @if let Some((distinct, queries)) = distinct {
            p.warning {
                "Only " (distinct) " of " (queries)
                " embeddings are distinct: routers cannot tell the other queries apart."
            }
        }
        @for router in &run.results.routers { @for (seed, reason) in &router.failures {
            p.warning { (router.label) " failed on seed " (seed) ": " (reason) }
        } }
    }
}

/// The collapse in three numbers.
fn findings(run: &Run) -> Markup {
    let results = &run.results;
    let strongest = results.strongest_models().join(", ");
    let mean = |router: &RouterRecord, metric: &str| Some(results.summary(router, metric)?.mean.0);
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let mut items: Vec<(String, String)> = Vec::new();
    let oracle = results.working().find(|router| router.role == Role::Oracle);
    if let Some(share) = oracle.and_then(|oracle| mean(oracle, "strongest_call_rate")) {
        items.push((
            percent(share),
            format!(
                "of the queries go to {strongest} if the oracle chooses at the largest budget."
            ),
        ));
    }
    let of_learned = |metric: &str| -> Vec<(&str, f64)> {
        let learned = results.routers.iter().filter(|router| router.is_learned());
        learned
            .filter_map(|router| Some((router.label.as_str(), mean(router, metric)?)))
            .collect()
    };
    let by_number = |a: &&(&str, f64), b: &&(&str, f64)| a.1.total_cmp(&b.1);
    let called = of_learned("strongest_call_rate");
    if let (Some(least), Some(most)) = (
        called.iter().min_by(by_number),
        called.iter().max_by(by_number),
    ) {
        items.push(if called.len() == 1 {
            (
                percent(least.1),
                format!("go there if {} chooses.", least.0),
            )
        } else {
            (
                format!("{} to {}", percent(least.1), percent(most.1)),
                format!(
                    "go there if a learned router chooses: least with {}, most with {}.",
                    least.0, most.0
                ),
            )
        });
    }
    if let Some((label, rci)) = of_learned("rci").iter().min_by(by_number) {
        items.push((
            format!("{rci:.3}"),
            format!(
                "is the lowest routing collapse index of a learned router, that of {label}; 0 is perfect."
            ),
        ));
    }
    html! {
        @if !items.is_empty() {
            ul.findings { @for (number, words) in items { li { span.number { (number) } " " (words) } } }
        }
    }
}

fn section(figure: &Figure) -> Markup {
    let record = &figure.record;
    let link = |kind: &str, content: &str| {
        format!(
            "data:{kind};charset=utf-8,{}",
            utf8_percent_encode(content, ENCODED)
        )
    };
    html! {
        section id=(record.stem) {
            h2 { (record.title) }
            p { (record.explanation) }
            @if record.interactive { div.chart.needs-js data-chart=(record.stem) {} }
            figure class=(if record.interactive { "static" } else { "printed" }) { (picture(&figure.svg)) }
            @if record.stem == "call_rate" { div.needs-js id="at-budget" {} }
            p.downloads {
                "Figure for print: "
                a download={ (record.stem) ".svg" } href=(link("image/svg+xml", &figure.svg)) { "SVG" } " "
                a download={ (record.stem) ".csv" } href=(link("text/csv", &figure.csv)) { "CSV" }
            }
        }
    }
}

fn queries(sample: &Value) -> Markup {
    html! {
        section id="queries" {
            h2 { "Queries" }
            @if let Some(queries) = sample["queries"].as_array() {
                p {
                    (queries.len()) " of the " (sample["test_queries"]) " test queries of seed " (sample["seed"])
                    ". Rare kinds are picked more often than they occur, so shares in this sample are not shares of the test set. \
                     Choices are those at the budget above."
                }
                p.warning.without-js { "The queries need scripts, which this browser does not run." }
                div.needs-js id="explorer" {}
            } @else {
                p.warning {
                    "This run has no " code { "queries.json" } ": no router worked, or the file was taken away. Run the experiment again to look at \
                     queries here."
                }
            }
        }
    }
}
