//! Numbers and tables as text: CSV, Markdown, LaTeX.

use crate::failure::{Failure, Outcome};

/// A number in CSV: `inf` where it has no limit, which programs read as a number, and empty where it is undefined.
pub fn cell(value: f64) -> String {
    if value.is_nan() {
        return String::new();
    }
    value.to_string()
}

/// The same, empty where there is none.
pub fn optional(value: Option<f64>) -> String {
    value.map(cell).unwrap_or_default()
}

/// A CSV file in memory.
pub struct Csv(csv::Writer<Vec<u8>>);

impl Csv {
    /// An empty file.
    pub fn new() -> Self {
        Self(csv::Writer::from_writer(Vec::new()))
    }

    /// A file with a header: names divided by commas, and more of them.
    pub fn headed(names: &str, more: impl IntoIterator<Item = String>) -> Outcome<Self> {
        let mut csv = Self::new();
        csv.row(names.split(',').map(str::to_owned).chain(more))?;
        Ok(csv)
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) -> Outcome {
        self.0.write_record(cells).map_err(Failure::failed)
    }

    /// The bytes of the file.
    pub fn finish(self) -> Outcome<Vec<u8>> {
        self.0
            .into_inner()
            .map_err(|error| Failure::failed(error.into_error()))
    }
}

/// A Markdown table of routers and their cells.
pub fn in_markdown<'a>(
    headings: impl IntoIterator<Item = String>,
    rows: impl IntoIterator<Item = (&'a str, Vec<String>)>,
) -> String {
    let headings: Vec<String> = headings.into_iter().collect();
    let rule = "---:|".repeat(headings.len());
    let mut text = format!("| router | {} |\n|---|{rule}\n", headings.join(" | "));
    for (label, cells) in rows {
        text += &format!(
            "| {} | {} |\n",
            label.replace('|', r"\|"),
            cells.join(" | ")
        );
    }
    text
}

/// What tables in LaTeX need.
pub const PACKAGES: &str = "% Needs \\usepackage{booktabs} and \\usepackage{amsmath}.\n";

/// A LaTeX table of routers and their cells; headings are LaTeX already.
pub fn in_latex<'a>(
    first: &str,
    headings: impl IntoIterator<Item = String>,
    rows: impl IntoIterator<Item = (&'a str, Vec<String>)>,
) -> String {
    let headings: Vec<String> = headings.into_iter().collect();
    let mut text = format!(
        "\\begin{{tabular}}{{l{}}}\n\\toprule\n{first} & {} \\\\\n\\midrule\n",
        "r".repeat(headings.len()),
        headings.join(" & ")
    );
    for (label, cells) in rows {
        text += &format!("{} & {} \\\\\n", escape_latex(label), cells.join(" & "));
    }
    text + "\\bottomrule\n\\end{tabular}\n"
}

/// Escapes what LaTeX would read as a command.
pub fn escape_latex(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => format!(r"\{character}"),
            '\\' => r"\textbackslash{}".to_owned(),
            '~' => r"\textasciitilde{}".to_owned(),
            '^' => r"\textasciicircum{}".to_owned(),
            'δ' => r"$\delta$".to_owned(),
            'λ' => r"$\lambda$".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

/// A Markdown table whose columns line up in plain text, too.
pub fn markdown_table(header: &[&str], rows: &[Vec<String>]) -> String {
    let cell = |text: &str| text.replace('|', r"\|");
    let rows: Vec<Vec<String>> = std::iter::once(header.iter().map(|text| cell(text)).collect())
        .chain(
            rows.iter()
                .map(|row| row.iter().map(|text| cell(text)).collect()),
        )
        .collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"))
            .collect();
        text += &format!("| {} |\n", cells.join(" | "));
        if number == 0 {
            let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width + 2)).collect();
            text += &format!("|{}|\n", rule.join("|"));
        }
    }
    text
}
