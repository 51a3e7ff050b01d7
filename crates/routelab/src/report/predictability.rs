//! What the nearest other queries say about which model is needed: how much of the oracle's lead a router could win.

use serde_json::Value;

use super::{Run, escape, text};

/// The section; empty where the run has no such comparison.
pub fn section(run: &Run) -> String {
    let found = &run.predictability;
    if !found.is_object() {
        return String::new();
    }
    let number = |value: &Value, digits: usize| {
        value
            .as_f64()
            .map_or("–".to_owned(), |value| format!("{value:.digits$}"))
    };
    let percent = |value: &Value| {
        value
            .as_f64()
            .map_or("–".to_owned(), |value| format!("{:.1} %", value * 100.0))
    };
    let with_interval = |value: &Value, write: &dyn Fn(&Value) -> String| {
        format!(
            "{}<small>{} to {}</small>",
            write(&value["mean"]),
            write(&value["low"]),
            write(&value["high"])
        )
    };
    let mut html = format!(
        "<section id=\"predictability\">\n<h2>What the prompts can tell</h2>\n<p>The oracle reaches a quality of {}, the best \
         single model ({}) {}. Whether a query needs this model or that one can be learned only as far as similar queries need \
         the same: the oracle's model of a query differs from that of its nearest other query on {} of the queries, and would on \
         {} if the embedding said nothing. So no router that sees these embeddings can name the oracle's model with an error below \
         about {} (the bound of Cover and Hart, exact for many queries).</p>\n<p>The table has the policy that takes the model that \
         was best on average on the <i>k</i> nearest other queries of the whole table, and the share of the oracle's lead over the \
         best single model that it wins, at any cost. Intervals: 95 %, bootstrap over queries.</p>\n",
        number(&found["oracle_quality"], 3),
        escape(text(&found["best_single_model"])),
        number(&found["best_single_quality"], 3),
        percent(&found["bayes_upper"]["mean"]),
        percent(&found["chance"]),
        percent(&found["bayes_lower"]["mean"]),
    );
    html += "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"What the nearest other queries say\"><table>\n\
             <thead><tr><th scope=\"col\">k</th><th scope=\"col\">quality</th><th scope=\"col\">cost</th><th \
             scope=\"col\">share of the oracle's lead</th><th scope=\"col\">neighbours with another model</th><th \
             scope=\"col\">neighbours without a common best model</th></tr></thead>\n<tbody>\n";
    for count in found["counts"].as_array().into_iter().flatten() {
        let recovered = match count["recovered"].is_object() {
            true => with_interval(&count["recovered"], &percent),
            false => "–".to_owned(),
        };
        html += &format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{recovered}</td><td>{}</td><td>{}</td></tr>\n",
            count["k"],
            with_interval(&count["quality"], &|value| number(value, 3)),
            count["cost"]
                .as_f64()
                .map_or("–".to_owned(), |cost| format!("{cost:.3e}")),
            with_interval(&count["disagreement"], &percent),
            with_interval(&count["disjoint"], &percent),
        );
    }
    html + "</tbody>\n</table></div>\n</section>\n"
}
