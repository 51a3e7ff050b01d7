//! How much memory a conversion needs: `convert_long FILE MILLIONS` writes a long table of that many million rows (10 models
//! per query) to `FILE` (`.csv` or `.parquet`), `convert_long FILE` converts it to `FILE.converted` and prints the peak of
//! memory (Linux) against the size of the table.
#![allow(clippy::print_stdout, reason = "an example prints as it likes")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use routelab_data::{DataSpec, RoutingTable, load, write_parquet};

const MODELS: usize = 10;

const SPEC: &str = "
    format = 'tabular'
    path = ''
    [schema]
    id = ['sample']
    prompt = ['question']
    task = 'subject'
    layout.long = { model = 'model', quality = 'score', cost = 'cost' }";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [file, millions] => {
            let queries = millions.parse::<usize>()? * 1_000_000 / MODELS;
            let file = Path::new(file);
            if file.extension().is_some_and(|extension| extension == "csv") {
                generate_csv(file, queries)?;
            } else {
                generate_parquet(file, queries)?;
            }
        }
        [file] => convert(file)?,
        _ => return Err("usage: convert_long FILE [MILLIONS]".into()),
    }
    Ok(())
}

/// Sample, question, subject, model, score, cost of one row.
fn row(query: usize, model: usize) -> ([String; 4], [f64; 2]) {
    let question = format!(
        "Question {query}: what is {query} plus {}, and why would anybody want to know? Explain step by step.",
        query * 7 % 1000
    );
    let subject = format!("subject-{}", query % 50);
    let texts = [
        format!("q{query}"),
        question,
        subject,
        format!("model-{model}"),
    ];
    let score = ((query * 31 + model * 17) % 101) as f64 / 100.0;
    (texts, [score, (model + 1) as f64 * 1e-5])
}

fn generate_csv(file: &Path, queries: usize) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    writeln!(out, "sample,question,subject,model,score,cost")?;
    for query in 0..queries {
        for model in 0..MODELS {
            let ([sample, question, subject, name], [score, cost]) = row(query, model);
            writeln!(
                out,
                "{sample},\"{question}\",{subject},{name},{score},{cost}"
            )?;
        }
    }
    out.flush()
}

fn generate_parquet(file: &Path, queries: usize) -> Result<(), Box<dyn std::error::Error>> {
    const QUERIES_PER_GROUP: usize = 10_000;
    let schema = "message long {
        required binary sample (string); required binary question (string); required binary subject (string);
        required binary model (string); required double score; required double cost; }";
    let schema = Arc::new(parse_message_type(schema)?);
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(File::create(file)?, schema, properties)?;
    for start in (0..queries).step_by(QUERIES_PER_GROUP) {
        let rows: Vec<_> = (start..queries.min(start + QUERIES_PER_GROUP))
            .flat_map(|query| (0..MODELS).map(move |model| row(query, model)))
            .collect();
        let mut group = writer.next_row_group()?;
        for text in 0..4 {
            let values: Vec<ByteArray> = rows
                .iter()
                .map(|(texts, _)| texts[text].as_str().into())
                .collect();
            let mut column = group.next_column()?.ok_or("no column")?;
            column
                .typed::<ByteArrayType>()
                .write_batch(&values, None, None)?;
            column.close()?;
        }
        for number in 0..2 {
            let values: Vec<f64> = rows.iter().map(|(_, numbers)| numbers[number]).collect();
            let mut column = group.next_column()?.ok_or("no column")?;
            column
                .typed::<DoubleType>()
                .write_batch(&values, None, None)?;
            column.close()?;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

fn convert(file: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut spec: DataSpec = toml::from_str(SPEC)?;
    spec.path = file.into();
    let loaded = load(&spec)?;
    let after_load = peak()?;
    write_parquet(&loaded.table, Path::new(&format!("{file}.converted")))?;
    let (peak, table) = (peak()?, bytes(&loaded.table));
    let rows = loaded.report.rows_read;
    let beyond = peak.saturating_sub(table);
    println!(
        "{rows} rows, table {} MB, peak {} MB ({} MB after loading), beyond the table {} MB, {:.1} bytes per row",
        table / 1_000_000,
        peak / 1_000_000,
        after_load / 1_000_000,
        beyond / 1_000_000,
        beyond as f64 / rows as f64,
    );
    Ok(())
}

/// Bytes that the table's content takes: numbers, and texts with their headers.
fn bytes(table: &RoutingTable) -> usize {
    let texts = [table.ids(), table.prompts(), table.tasks()];
    let text = |text: &String| text.capacity() + size_of::<String>();
    let numbers = table.quality().len() + table.cost().len();
    numbers * size_of::<f64>() + texts.into_iter().flatten().map(text).sum::<usize>()
}

/// The largest amount of memory that this process has held, in bytes.
fn peak() -> Result<usize, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(number
        .ok_or("the system does not tell")?
        .trim()
        .parse::<usize>()?
        * 1024)
}
