//! Tables for notebooks.

use routelab_eval::Metric;

/// A metric as tables write it; `None` is undefined.
pub fn written(metric: &Metric, value: Option<f64>) -> String {
    let digits = metric.digits;
    match value {
        None => "undefined".to_owned(),
        Some(value) if value.is_infinite() => "∞".to_owned(),
        Some(value) if metric.percent => format!("{:.digits$} %", 100.0 * value),
        Some(value) => format!("{value:.digits$}"),
    }
}

/// A table with a caption.
pub fn table(caption: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |cells: &mut dyn Iterator<Item = &str>, tag: &str| -> String {
        cells
            .map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)))
            .collect()
    };
    let body: String = rows
        .iter()
        .map(|row| {
            format!(
                "<tr>{}</tr>",
                cells(&mut row.iter().map(String::as_str), "td")
            )
        })
        .collect();
    format!(
        "<table><caption>{}</caption><thead><tr>{}</tr></thead><tbody>{body}</tbody></table>",
        escaped(caption),
        cells(&mut head.iter().copied(), "th")
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
