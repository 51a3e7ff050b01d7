//! The page itself.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use routelab_plot::Role;

use super::{Figure, INTERACTIVE, Run, data, escape, predictability, tables, text};

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

/// The whole page.
pub fn html(run: &Run) -> String {
    let experiment = &run.manifest["experiment"];
    let title = escape(text(&experiment["title"]));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"{POLICY}\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{}\n{}</style>\n<script>document.documentElement.classList.add(\"js\");</script>\n\
         </head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the figures</a>\n<header class=\"top\">\n\
         <h1>{title}</h1>\n<p class=\"lead\">{}</p>\n{}</header>\n{}<div class=\"columns\">\n{CONTROLS}<main id=\"main\">\n",
        include_str!("vendor/uPlot.min.css"),
        include_str!("style.css"),
        escape(text(&experiment["description"])),
        data_line(run),
        navigation(run),
    );
    page += &warnings(run);
    page += &findings(run);
    for figure in &run.figures {
        page += &section(figure);
    }
    page += &tables::metrics(run);
    page += &tables::comparisons(run);
    page += &tables::tasks(run);
    page += &predictability::section(run);
    page += &queries(run);
    page += &format!(
        "<section id=\"settings\">\n<h2>Settings</h2>\n<p>The experiment with every default written out. RouteLab {}, Burn \
         {}, backend {}; embeddings: {}.</p>\n<pre tabindex=\"0\">{}</pre>\n</section>\n</main>\n</div>\n",
        escape(text(&run.manifest["routelab"])),
        escape(text(&run.manifest["burn"])),
        escape(text(&run.manifest["backend"])),
        escape(&encoders(run)),
        escape(&run.settings),
    );
    page += &format!(
        "<script type=\"application/json\" id=\"data\">{}</script>\n",
        data::for_script(&run.data)
    );
    for script in SCRIPTS {
        page += &format!("<script>\n{}\n</script>\n", script.trim_end());
    }
    page += "</body>\n</html>\n";
    page
}

fn encoders(run: &Run) -> String {
    let encoders = run.manifest["embeddings"]["encoders"].as_array();
    let names: Vec<&str> = encoders.into_iter().flatten().map(text).collect();
    names.join(" + ")
}

/// Filled by the scripts, and not there without them.
const CONTROLS: &str = "<aside class=\"controls needs-js\" aria-label=\"What the figures show\">\n\
    <div class=\"budget\">\n<label for=\"budget\">Budget per query</label>\n\
    <output id=\"budget-value\" for=\"budget\"></output>\n\
    <input type=\"range\" id=\"budget\" min=\"0\" step=\"1\">\n</div>\n\
    <details class=\"picker\" id=\"picker\"><summary>Routers <output id=\"picked\"></output></summary>\n\
    <div class=\"buttons\"><button type=\"button\" data-pick=\"all\">All</button>\
    <button type=\"button\" data-pick=\"none\">None</button>\
    <button type=\"button\" data-pick=\"highlighted\">Highlighted</button>\
    <button type=\"button\" data-pick=\"usual\">Default</button></div>\n\
    <fieldset><legend class=\"unseen\">Routers in the figures</legend><ul id=\"routers\"></ul></fieldset></details>\n\
    </aside>\n";

fn navigation(run: &Run) -> String {
    let mut html = "<nav class=\"contents\" aria-label=\"Contents\"><ul>".to_owned();
    let figures = run.figures.iter().map(|figure| (figure.stem, figure.short));
    let others = [
        ("table", "Table"),
        ("comparisons", "Comparisons"),
        ("tasks", "By task"),
        ("predictability", "Limits"),
        ("queries", "Queries"),
        ("settings", "Settings"),
    ];
    for (id, name) in figures.chain(others) {
        let there = match id {
            "comparisons" => !run.comparisons.is_empty(),
            "tasks" => tables::has_tasks(run),
            "predictability" => run.predictability.is_object(),
            _ => true,
        };
        if there {
            html += &format!("<li><a href=\"#{id}\">{name}</a></li>");
        }
    }
    html += "</ul><button type=\"button\" id=\"theme\" class=\"needs-js\">Theme: system</button></nav>\n";
    html
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
    let gaps = match data["incomplete_queries"].as_u64() {
        Some(0) | None => String::new(),
        Some(count) => format!(
            " {} queries were measured for every model, {count} for some: these train, and no evaluation takes them.",
            data["complete_queries"]
        ),
    };
    format!(
        "<p class=\"soft\">{}: {} queries × {} models{sizes}, {} seeds.{dropped}{gaps} Strongest model: {}.</p>\n",
        escape(text(&data["name"])),
        data["queries"],
        data["models"].as_array().map_or(0, Vec::len),
        splits.len(),
        escape(text(&run.metrics["strongest_named"])),
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
    for router in run.routers() {
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

/// The collapse in three numbers.
fn findings(run: &Run) -> String {
    let strongest: Vec<&str> = run.metrics["strongest"]
        .as_array()
        .into_iter()
        .flatten()
        .map(text)
        .collect();
    let strongest = escape(&strongest.join(", "));
    let mean =
        |router: &serde_json::Value, metric: &str| router["summary"][metric]["mean"].as_f64();
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let mut items = String::new();
    let mut item = |number: String, words: String| {
        items += &format!("<li><span class=\"number\">{number}</span> {words}</li>\n");
    };
    let oracle = run
        .routers()
        .iter()
        .find(|router| run.role(router) == Some(Role::Oracle));
    if let Some(share) = oracle.and_then(|oracle| mean(oracle, "strongest_call_rate")) {
        item(
            percent(share),
            format!(
                "of the queries go to {strongest} if the oracle chooses at the largest budget."
            ),
        );
    }
    let of_learned = |metric: &str| -> Vec<(&str, f64)> {
        let learned = run.routers().iter().filter(|router| run.is_learned(router));
        learned
            .filter_map(|router| Some((text(&router["router"]), mean(router, metric)?)))
            .collect()
    };
    let by_number = |a: &&(&str, f64), b: &&(&str, f64)| a.1.total_cmp(&b.1);
    let called = of_learned("strongest_call_rate");
    if let (Some(least), Some(most)) = (
        called.iter().min_by(by_number),
        called.iter().max_by(by_number),
    ) {
        let (number, words) = match called.len() {
            1 => (
                percent(least.1),
                format!("go there if {} chooses.", escape(least.0)),
            ),
            _ => (
                format!("{} to {}", percent(least.1), percent(most.1)),
                format!(
                    "go there if a learned router chooses: least with {}, most with {}.",
                    escape(least.0),
                    escape(most.0)
                ),
            ),
        };
        item(number, words);
    }
    if let Some((label, rci)) = of_learned("rci").iter().min_by(by_number) {
        item(
            format!("{rci:.3}"),
            format!(
                "is the lowest routing collapse index of a learned router, that of {}; 0 is perfect.",
                escape(label)
            ),
        );
    }
    match items.is_empty() {
        true => items,
        false => format!("<ul class=\"findings\">\n{items}</ul>\n"),
    }
}

fn section(figure: &Figure) -> String {
    let svg = figure
        .svg
        .find("<svg")
        .map_or("", |start| &figure.svg[start..]);
    let at_budget = match figure.stem {
        "call_rate" => "<div id=\"at-budget\" class=\"needs-js\"></div>\n",
        _ => "",
    };
    let (chart, class) = match INTERACTIVE.contains(&figure.stem) {
        true => (
            format!(
                "<div class=\"chart needs-js\" data-chart=\"{}\"></div>\n",
                figure.stem
            ),
            "static",
        ),
        false => (String::new(), "printed"),
    };
    format!(
        "<section id=\"{stem}\">\n<h2>{title}</h2>\n<p>{explanation}</p>\n{chart}<figure class=\"{class}\">\n{svg}\n\
         </figure>\n{at_budget}<p class=\"downloads\">Figure for print: <a download=\"{stem}.svg\" \
         href=\"data:image/svg+xml;charset=utf-8,{svg_link}\">SVG</a> <a download=\"{stem}.csv\" \
         href=\"data:text/csv;charset=utf-8,{csv_link}\">CSV</a></p>\n</section>\n",
        stem = figure.stem,
        title = figure.title,
        explanation = figure.explanation,
        svg_link = utf8_percent_encode(&figure.svg, &URL),
        csv_link = utf8_percent_encode(&figure.csv, &URL),
    )
}

fn queries(run: &Run) -> String {
    let sample = &run.data["queries"];
    let body = match sample["queries"].as_array() {
        None => "<p class=\"warning\">This run has no <code>queries.json</code>: it was made by an older RouteLab, or no \
                 router worked. Run the experiment again to look at queries here.</p>\n"
            .to_owned(),
        Some(queries) => format!(
            "<p>{} of the {} test queries of seed {}. Rare kinds are picked more often than they occur, so shares in this \
             sample are not shares of the test set. Choices are those at the budget above.</p>\n<p class=\"warning \
             without-js\">The queries need scripts, which this browser does not run.</p>\n<div id=\"explorer\" \
             class=\"needs-js\"></div>\n",
            queries.len(),
            sample["test_queries"],
            sample["seed"],
        ),
    };
    format!("<section id=\"queries\">\n<h2>Queries</h2>\n{body}</section>\n")
}

/// What may stand in a URL as it is.
const URL: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b',')
    .remove(b'/')
    .remove(b'=')
    .remove(b':');
