//! The page of a folder of experiments: what each is about, its first figure, and the way to its report.

use super::escape;
use super::overview::head;

/// One experiment of the folder.
pub struct IndexEntry {
    /// Its folder, beside the page.
    pub folder: String,
    /// Heading.
    pub title: String,
    /// What it is about.
    pub description: String,
    /// Its first figure, as SVG; `None` where no router worked.
    pub figure: Option<String>,
}

/// The whole page.
pub fn html(name: &str, entries: &[IndexEntry]) -> String {
    let mut html = head(name, &format!("{} experiments.", entries.len()));
    html += "<nav class=\"contents\" aria-label=\"Contents\"><ul>";
    for entry in entries {
        let (folder, title) = (escape(&entry.folder), escape(&entry.title));
        html += &format!("<li><a href=\"#{folder}\">{title}</a></li>");
    }
    html += "</ul></nav>\n";
    for entry in entries {
        let folder = escape(&entry.folder);
        html += &format!(
            "<section id=\"{folder}\">\n<h2><a href=\"{folder}/report.html\">{}</a></h2>\n<p>{}</p>\n",
            escape(&entry.title),
            escape(&entry.description),
        );
        if let Some(svg) = &entry.figure {
            let start = svg.find("<svg").unwrap_or(0);
            html += &format!("<figure class=\"printed\">{}</figure>\n", &svg[start..]);
        }
        html += "</section>\n";
    }
    html + "</main>\n</body>\n</html>\n"
}
