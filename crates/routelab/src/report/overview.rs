//! The page of a study: tables over all variants, and the way to the report of each.

use super::escape;

/// What the page shows.
pub struct OverviewPage {
    /// Heading.
    pub title: String,
    /// What the study is about.
    pub description: String,
    /// Label and folder of every variant.
    pub variants: Vec<(String, String)>,
    /// What a reader of the tables needs to know.
    pub notes: Vec<String>,
    /// The figures, as SVG.
    pub figures: Vec<String>,
    /// The tables.
    pub tables: Vec<OverviewTable>,
}

/// A table with a column per variant.
pub struct OverviewTable {
    /// What it shows.
    pub heading: String,
    /// Label and cells of every router.
    pub rows: Vec<(String, Vec<String>)>,
}

/// The beginning of a page without scripts, up to the first section.
pub fn head(title: &str, description: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{}</style>\n</head>\n<body>\n\
         <header class=\"top\">\n<h1>{title}</h1>\n<p class=\"lead\">{}</p>\n</header>\n<main>\n",
        include_str!("style.css"),
        escape(description),
    )
}

/// The whole page.
pub fn html(page: &OverviewPage) -> String {
    let mut html = head(&page.title, &page.description);
    html += "<section>\n<h2>Reports</h2>\n<ul>\n";
    for (label, folder) in &page.variants {
        html += &format!(
            "<li><a href=\"{folder}/report.html\">{}</a></li>\n",
            escape(label)
        );
    }
    html += "</ul>\n</section>\n";
    for note in &page.notes {
        html += &format!("<p class=\"soft\">{}</p>\n", escape(note));
    }
    for svg in &page.figures {
        let start = svg.find("<svg").unwrap_or(0);
        html += &format!("<figure>{}</figure>\n", &svg[start..]);
    }
    let headings: String = page
        .variants
        .iter()
        .map(|(label, _)| format!("<th scope=\"col\">{}</th>", escape(label)))
        .collect();
    for table in &page.tables {
        html += &format!(
            "<section>\n<h2>{}</h2>\n<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">router</th>{headings}</tr></thead>\n<tbody>\n",
            escape(&table.heading)
        );
        for (label, cells) in &table.rows {
            let cells: String = cells
                .iter()
                .map(|cell| match cell.split_once(" [") {
                    Some((mean, interval)) => {
                        format!(
                            "<td>{}<small>[{}</small></td>",
                            escape(mean),
                            escape(interval)
                        )
                    }
                    None => format!("<td>{}</td>", escape(cell)),
                })
                .collect();
            html += &format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", escape(label));
        }
        html += "</tbody>\n</table></div>\n</section>\n";
    }
    html + "</main>\n</body>\n</html>\n"
}
