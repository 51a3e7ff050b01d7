//! The page itself.

use serde_json::Value;

use super::{Figure, Run};

/// Columns of the table: name in `metrics.json`, heading, digits, whether it is a share.
const COLUMNS: [(&str, &str, usize, bool); 9] = [
    ("nauc_shared", "nAUC (shared) ↑", 4, false),
    ("nauc_legacy", "nAUC (legacy) ↑", 4, false),
    ("nauc_own_range", "nAUC (own range) ↑", 4, false),
    ("peak", "P_s ↑", 4, false),
    ("qnc", "QNC ↓", 3, false),
    ("rci", "RCI ↓", 3, false),
    ("strongest_call_rate", "strongest called ↓", 1, true),
    ("effective_models", "models in use", 2, false),
    ("regret", "regret ↓", 4, false),
];

/// The whole page.
pub fn html(run: &Run) -> String {
    let experiment = &run.manifest["experiment"];
    let title = escape(text(&experiment["title"]));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{}</style>\n</head>\n<body>\n\
         <header>\n<h1>{title}</h1>\n<p>{}</p>\n{}</header>\n<main>\n",
        include_str!("style.css"),
        escape(text(&experiment["description"])),
        data_line(run),
    );
    page += &warnings(run);
    page += &findings(run);
    page += "<nav class=\"soft\">";
    for figure in &run.figures {
        page += &format!("<a href=\"#{}\">{}</a>", figure.stem, figure.title);
    }
    page += "<a href=\"#table\">Table</a><a href=\"#comparisons\">Comparisons</a><a href=\"#settings\">Settings</a></nav>\n";
    for figure in &run.figures {
        page += &section(figure);
    }
    page += &table(run);
    page += &comparisons(run);
    page += &format!(
        "<section id=\"settings\">\n<h2>Settings</h2>\n<p>The experiment with every default written out. RouteLab {}, Burn \
         {}, backend {}; embeddings: {}.</p>\n<pre>{}</pre>\n</section>\n</main>\n</body>\n</html>\n",
        escape(text(&run.manifest["routelab"])),
        escape(text(&run.manifest["burn"])),
        escape(text(&run.manifest["backend"])),
        escape(&encoders(run)),
        escape(&run.settings),
    );
    page
}

fn encoders(run: &Run) -> String {
    let encoders = run.manifest["embeddings"]["encoders"].as_array();
    let names: Vec<&str> = encoders.into_iter().flatten().map(text).collect();
    names.join(" + ")
}

fn data_line(run: &Run) -> String {
    let data = &run.manifest["data"];
    let splits = run.manifest["splits"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let sizes = splits.first().map_or(String::new(), |split| {
        format!(
            ", {} training and {} test queries",
            split["train"], split["test"]
        )
    });
    let dropped = match data["dropped_queries"].as_u64() {
        Some(0) | None => String::new(),
        Some(count) => format!(" {count} queries with missing cells were left out."),
    };
    format!(
        "<p class=\"soft\">{}: {} queries × {} models{sizes}, {} seeds.{dropped}</p>\n",
        escape(text(&data["name"])),
        data["queries"],
        data["models"].as_array().map_or(0, Vec::len),
        splits.len(),
    )
}

fn warnings(run: &Run) -> String {
    let mut warnings = String::new();
    if let Some(assumption) = run.manifest["data"]["cost_assumption"].as_str() {
        warnings += &format!(
            "<p class=\"warning\">Costs are an assumption, not a measurement: {}</p>\n",
            escape(assumption)
        );
    }
    let distinct = run.manifest["embeddings"]["distinct"].as_u64();
    let queries = run.manifest["data"]["queries"].as_u64();
    if let (Some(distinct), Some(queries)) = (distinct, queries) {
        // A handful of repeated prompts is nothing to warn of.
        if distinct * 20 < queries * 19 {
            warnings += &format!(
                "<p class=\"warning\">Only {distinct} of {queries} embeddings are distinct: routers cannot tell the other \
                 queries apart.</p>\n"
            );
        }
    }
    for router in routers(run) {
        for failure in router["failures"].as_array().into_iter().flatten() {
            warnings += &format!(
                "<p class=\"warning\">{} failed on seed {}: {}</p>\n",
                escape(text(&router["router"])),
                failure["seed"],
                escape(text(&failure["reason"])),
            );
        }
    }
    warnings
}

/// The collapse in plain sentences.
fn findings(run: &Run) -> String {
    let strongest: Vec<&str> = run.metrics["strongest"]
        .as_array()
        .into_iter()
        .flatten()
        .map(text)
        .collect();
    let strongest = escape(&strongest.join(", "));
    let called = |router: &Value| router["summary"]["strongest_call_rate"]["mean"].as_f64();
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let mut lines = Vec::new();
    let learned: Vec<(&str, f64)> = routers(run)
        .iter()
        .filter(|router| {
            !matches!(
                text(&router["kind"]),
                "oracle" | "random" | "cheapest" | "strongest" | "best-single"
            )
        })
        .filter_map(|router| Some((text(&router["router"]), called(router)?)))
        .collect();
    if let Some(share) = routers(run)
        .iter()
        .find(|router| router["kind"] == "oracle")
        .and_then(called)
    {
        lines.push(format!(
            "At the largest budget the oracle sends {} of the queries to {strongest}.",
            percent(share)
        ));
    }
    let by_share = |a: &&(&str, f64), b: &&(&str, f64)| a.1.total_cmp(&b.1);
    if let (Some(least), Some(most)) = (
        learned.iter().min_by(by_share),
        learned.iter().max_by(by_share),
    ) {
        lines.push(format!(
            "The learned routers send between {} ({}) and {} ({}) to it.",
            percent(least.1),
            escape(least.0),
            percent(most.1),
            escape(most.0)
        ));
    }
    let rci = |router: &Value| router["summary"]["rci"]["mean"].as_f64();
    let best = routers(run)
        .iter()
        .filter(|router| {
            learned
                .iter()
                .any(|(label, _)| *label == text(&router["router"]))
        })
        .filter_map(|router| Some((text(&router["router"]), rci(router)?)))
        .min_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((label, rci)) = best {
        lines.push(format!(
            "The lowest routing collapse index of a learned router is {rci:.3} ({}).",
            escape(label)
        ));
    }
    let items: String = lines
        .iter()
        .map(|line| format!("<li>{line}</li>\n"))
        .collect();
    format!("<ul class=\"findings\">\n{items}</ul>\n")
}

fn section(figure: &Figure) -> String {
    let svg = figure
        .svg
        .find("<svg")
        .map_or("", |start| &figure.svg[start..]);
    format!(
        "<section id=\"{stem}\">\n<h2>{title}</h2>\n<p>{explanation}</p>\n<figure>\n{svg}\n</figure>\n<p class=\"downloads\">\
         <a download=\"{stem}.svg\" href=\"data:image/svg+xml;charset=utf-8,{svg_link}\">SVG</a> · <a \
         download=\"{stem}.csv\" href=\"data:text/csv;charset=utf-8,{csv_link}\">CSV</a></p>\n</section>\n",
        stem = figure.stem,
        title = figure.title,
        explanation = figure.explanation,
        svg_link = percent_encode(&figure.svg),
        csv_link = percent_encode(&figure.csv),
    )
}

fn table(run: &Run) -> String {
    let mut html = "<section id=\"table\">\n<h2>All routers</h2>\n<p>Mean over the seeds, below it the 95 % interval \
                    (Student's t). ∞: the best single model's quality is not reached on every seed.</p>\n<div \
                    class=\"scroll\"><table>\n<thead><tr><th>router</th>"
        .to_owned();
    for (_, heading, _, _) in COLUMNS {
        html += &format!("<th>{heading}</th>");
    }
    html += "</tr></thead>\n<tbody>\n";
    for router in routers(run) {
        let class = if router["router"] == run.metrics["reference"] {
            " class=\"reference\""
        } else {
            ""
        };
        html += &format!("<tr{class}><td>{}</td>", escape(text(&router["router"])));
        for (name, _, digits, share) in COLUMNS {
            let summary = &router["summary"][name];
            let scale = if share { 100.0 } else { 1.0 };
            let unit = if share { " %" } else { "" };
            let write = |value: f64| format!("{:.digits$}", value * scale);
            let mean = match summary["mean"].as_f64() {
                Some(mean) => format!("{}{unit}", write(mean)),
                None if name == "qnc" && summary.is_object() => "∞".to_owned(),
                None => "–".to_owned(),
            };
            let interval = match (summary["low"].as_f64(), summary["high"].as_f64()) {
                (Some(low), Some(high)) => format!("<small>{}–{}</small>", write(low), write(high)),
                _ => String::new(),
            };
            html += &format!("<td>{mean}{interval}</td>");
        }
        html += "</tr>\n";
    }
    html += "</tbody>\n</table></div>\n</section>\n";
    html
}

/// The reference against every other router, on the metrics that a reader asks for first.
fn comparisons(run: &Run) -> String {
    let Some(reference) = run.metrics["reference"]
        .as_str()
        .filter(|_| !run.comparisons.is_empty())
    else {
        return String::new();
    };
    let metrics = [
        ("nauc_shared", "nAUC (shared)"),
        ("peak", "P_s"),
        ("rci", "RCI"),
        ("strongest_call_rate", "strongest called"),
    ];
    let mut html = format!(
        "<section id=\"comparisons\">\n<h2>{reference} against the others</h2>\n<p>Difference ({reference} minus the other) \
         on the same queries, with the 95 % interval and p of a paired bootstrap over queries, averaged over the \
         seeds.</p>\n<div class=\"scroll\"><table>\n<thead><tr><th>router</th>",
        reference = escape(reference)
    );
    for (_, heading) in metrics {
        html += &format!("<th>{heading}</th>");
    }
    html += "</tr></thead>\n<tbody>\n";
    let mut others: Vec<&str> = Vec::new();
    for row in &run.comparisons {
        if !others.contains(&row[1].as_str()) {
            others.push(&row[1]);
        }
    }
    for other in others {
        html += &format!("<tr><td>{}</td>", escape(other));
        for (metric, _) in metrics {
            let row = run
                .comparisons
                .iter()
                .find(|row| row[1] == other && row[2] == metric);
            let value = |index: usize| row.and_then(|row| row[index].parse::<f64>().ok());
            html += &match (value(3), value(4), value(5), value(6)) {
                (Some(difference), Some(low), Some(high), Some(p)) => {
                    format!(
                        "<td>{difference:+.4}<small>{low:+.4} to {high:+.4}, p {p:.3}</small></td>"
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

fn routers(run: &Run) -> &[Value] {
    run.metrics["routers"].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Percent-encodes what may not stand in a URL.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'~'
            | b','
            | b'/'
            | b'='
            | b':' => {
                encoded.push(byte as char);
            }
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}
