//! Pages without scripts: that of a study, with tables over all variants, and that of a folder of experiments.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::picture;

/// What the page of a study shows.
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

/// One experiment of a folder.
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

fn page(title: &str, description: &str, main: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                header.top { h1 { (title) } p.lead { (description) } }
                main { (main) }
            }
        }
    };
    page.into_string()
}

/// The page of a study.
pub fn overview(page_of: &OverviewPage) -> String {
    let main = html! {
        section {
            h2 { "Reports" }
            ul {
                @for (label, folder) in &page_of.variants {
                    li { a href={ (folder) "/report.html" } { (label) } }
                }
            }
        }
        @for note in &page_of.notes { p.soft { (note) } }
        @for svg in &page_of.figures { figure { (picture(svg)) } }
        @for table in &page_of.tables { section {
            h2 { (table.heading) }
            div.scroll tabindex="0" { table {
                thead { tr {
                    th scope="col" { "router" }
                    @for (label, _) in &page_of.variants { th scope="col" { (label) } }
                } }
                tbody { @for (label, cells) in &table.rows { tr {
                    th scope="row" { (label) }
                    @for cell in cells { td {
                        @match cell.split_once(" [") {
                            Some((mean, interval)) => { (mean) small { "[" (interval) } }
                            None => { (cell) }
                        }
                    } }
                } } }
            } }
        } }
    };
    page(&page_of.title, &page_of.description, main)
}

/// The page of a folder of experiments: what each is about, its first figure, and the way to its report.
pub fn index(name: &str, entries: &[IndexEntry]) -> String {
    let main = html! {
        nav.contents aria-label="Contents" { ul {
            @for entry in entries { li { a href={ "#" (entry.folder) } { (entry.title) } } }
        } }
        @for entry in entries { section id=(entry.folder) {
            h2 { a href={ (entry.folder) "/report.html" } { (entry.title) } }
            p { (entry.description) }
            @if let Some(svg) = &entry.figure { figure.printed { (picture(svg)) } }
        } }
    };
    page(name, &format!("{} experiments.", entries.len()), main)
}
