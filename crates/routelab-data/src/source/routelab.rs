//! RouteLab's own layout: any table as one Parquet file that reads back to the same table.
//!
//! Columns `id`, `prompt`, `task`, then `image` and `group` where the table has them (text), then `MODEL|quality` and
//! `MODEL|cost` for every model (double). The file's metadata has a key `routelab` with a JSON object: `version`, `name`,
//! `models` in order, `cost_unit`. Image paths under the folder of the file are stored relative to it, others absolute.
//!
//! Of a table with a mask the cells that were not measured are null; `missing = "mask"` reads it back.

use std::io;
use std::path::Path;
use std::sync::Arc;

use ndarray::{ArrayView1, Axis, Slice};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};
use serde::{Deserialize, Serialize};

use crate::atomic::write_atomically_with;
use crate::column::Column;
use crate::error::DataError;
use crate::report::Loaded;
use crate::schema::{FileKind, Layout, TabularSchema};
use crate::source::rows::{Rows, key_value};
use crate::source::tabular;
use crate::spec::DataSpec;
use crate::table::{CostUnit, RoutingTable};

const KEY: &str = "routelab";
const VERSION: u32 = 1;
/// Rows that are written, and so encoded in memory, at a time.
const ROWS_PER_GROUP: usize = 1 << 16;

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    name: String,
    models: Vec<String>,
    cost_unit: CostUnit,
}

/// Reads a file written by [`write_parquet`].
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    let wrong = |detail: String| DataError::Parquet {
        path: spec.path.clone(),
        detail,
    };
    let rows = Rows::open(&spec.path, Some(FileKind::Parquet))?;
    let Some(header) = key_value(&spec.path, KEY)? else {
        return Err(DataError::spec(
            "format",
            format!(
                "{} is a Parquet file, but not one that RouteLab wrote",
                spec.path.display()
            ),
            "use `format = \"tabular\"` with a schema, or the format that it was published in",
        ));
    };
    let header: Header = serde_json::from_str(&header)
        .map_err(|error| wrong(format!("its `{KEY}` entry: {error}")))?;
    if header.version != VERSION {
        return Err(wrong(format!(
            "it has version {} of the layout, this program reads {VERSION}",
            header.version
        )));
    }
    let optional = |name: &str| rows.has(name).then(|| name.to_owned());
    let schema = TabularSchema {
        file: Some(FileKind::Parquet),
        separator: None,
        decimal: None,
        id: vec!["id".to_owned()],
        prompt: vec!["prompt".to_owned()],
        task: Some("task".to_owned()),
        image: optional("image"),
        group: optional("group"),
        cost_unit: header.cost_unit.name.clone(),
        layout: Layout::Wide {
            quality: "{model}|quality".to_owned(),
            cost: Some("{model}|cost".to_owned()),
            models: Some(header.models),
        },
    };
    let mut builder = tabular::builder(spec, &schema)?;
    builder.start_file(&spec.path)?;
    builder.set_name(header.name);
    builder.set_cost_unit(header.cost_unit);
    tabular::fill(&rows, &schema, &mut builder, &mut |_, _| Ok(()))?;
    builder.finish()
}

/// Writes `table` as one Parquet file (Zstandard), which [`crate::load`] reads as the format `routelab`. Equal tables give
/// equal bytes.
///
/// # Errors
/// [`DataError::Io`] when the file cannot be written; [`DataError::Spec`] when an image path is not UTF-8.
pub fn write_parquet(table: &RoutingTable, path: &Path) -> Result<(), DataError> {
    let images = table
        .images()
        .map(|images| image_texts(images, path))
        .transpose()?;
    let header = Header {
        version: VERSION,
        name: table.name().to_owned(),
        models: table.models().to_vec(),
        cost_unit: table.cost_unit().clone(),
    };
    let failed = |detail: String| DataError::Parquet {
        path: path.to_owned(),
        detail,
    };
    let header = serde_json::to_string(&header).map_err(|error| failed(error.to_string()))?;
    let texts = TextColumns {
        table,
        images: images.as_deref(),
    };
    write_atomically_with(path, |file| {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_key_value_metadata(Some(vec![KeyValue::new(KEY.to_owned(), header)]))
            .build();
        let mut writer = SerializedFileWriter::new(
            file,
            schema(table, texts.images.is_some())?,
            Arc::new(properties),
        )?;
        for start in (0..table.len()).step_by(ROWS_PER_GROUP) {
            let rows = start..table.len().min(start + ROWS_PER_GROUP);
            let mut group = writer.next_row_group()?;
            texts.write(&mut group, rows.clone())?;
            for model in 0..table.models().len() {
                let measured = table.measured();
                let measured = measured
                    .as_ref()
                    .filter(|_| has_gaps(table, model))
                    .map(|measured| measured.column(model));
                for values in [table.quality(), table.cost()] {
                    write_numbers(&mut group, values.column(model), measured, rows.clone())?;
                }
            }
            group.close()?;
        }
        writer.close()?;
        Ok(())
    })
    .map_err(|WriteError(error)| match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => DataError::io(path, *source),
            Err(other) => failed(other.to_string()),
        },
        other => failed(other.to_string()),
    })
}

/// Carries the errors of both the file system and the encoder out of the atomic write.
struct WriteError(ParquetError);

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self(ParquetError::External(Box::new(error)))
    }
}

impl From<ParquetError> for WriteError {
    fn from(error: ParquetError) -> Self {
        Self(error)
    }
}

fn schema(table: &RoutingTable, has_images: bool) -> Result<TypePtr, ParquetError> {
    let text = |name: &str, repetition| {
        Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
            .with_logical_type(Some(LogicalType::String))
            .with_repetition(repetition)
            .build()
    };
    let number = |name: String, repetition| {
        Type::primitive_type_builder(&name, Physical::DOUBLE)
            .with_repetition(repetition)
            .build()
    };
    let mut fields = vec![];
    for name in ["id", "prompt", "task"] {
        fields.push(Arc::new(text(name, Repetition::REQUIRED)?));
    }
    if has_images {
        fields.push(Arc::new(text("image", Repetition::OPTIONAL)?));
    }
    if table.groups().is_some() {
        fields.push(Arc::new(text("group", Repetition::REQUIRED)?));
    }
    for (index, model) in table.models().iter().enumerate() {
        let repetition = if has_gaps(table, index) {
            Repetition::OPTIONAL
        } else {
            Repetition::REQUIRED
        };
        fields.push(Arc::new(number(format!("{model}|quality"), repetition)?));
        fields.push(Arc::new(number(format!("{model}|cost"), repetition)?));
    }
    Ok(Arc::new(
        Type::group_type_builder("routing_table")
            .with_fields(fields)
            .build()?,
    ))
}

/// Whether a model was not measured on every query.
fn has_gaps(table: &RoutingTable, model: usize) -> bool {
    (0..table.len()).any(|row| !table.is_measured(row, model))
}

struct TextColumns<'a> {
    table: &'a RoutingTable,
    images: Option<&'a [Option<String>]>,
}

impl TextColumns<'_> {
    fn write(
        &self,
        group: &mut SerializedRowGroupWriter<'_, impl io::Write + Send>,
        rows: std::ops::Range<usize>,
    ) -> Result<(), ParquetError> {
        for texts in [self.table.ids(), self.table.prompts(), self.table.tasks()] {
            write_texts(group, rows.clone().map(|row| Some(&texts[row])))?;
        }
        if let Some(images) = self.images {
            write_texts(group, images[rows.clone()].iter().map(Option::as_ref))?;
        }
        if let Some(groups) = self.table.groups() {
            write_texts(group, rows.map(|row| Some(&groups[row])))?;
        }
        Ok(())
    }
}

/// Writes the next column. The levels, 1 where there is a text, only count where the column may have none.
fn write_texts<'a>(
    group: &mut SerializedRowGroupWriter<'_, impl io::Write + Send>,
    texts: impl Iterator<Item = Option<&'a String>> + Clone,
) -> Result<(), ParquetError> {
    let levels: Vec<i16> = texts
        .clone()
        .map(|text| i16::from(text.is_some()))
        .collect();
    let present: Vec<ByteArray> = texts
        .flatten()
        .map(|text| ByteArray::from(text.as_str()))
        .collect();
    let mut column = next_column(group)?;
    column
        .typed::<ByteArrayType>()
        .write_batch(&present, Some(&levels), None)?;
    column.close()
}

/// Writes the next column; cells that were not `measured` are null.
fn write_numbers(
    group: &mut SerializedRowGroupWriter<'_, impl io::Write + Send>,
    numbers: ArrayView1<'_, f64>,
    measured: Option<ArrayView1<'_, bool>>,
    rows: std::ops::Range<usize>,
) -> Result<(), ParquetError> {
    let mut numbers: Vec<f64> = (numbers.slice_axis(Axis(0), Slice::from(rows.clone()))).to_vec();
    let levels: Option<Vec<i16>> =
        measured.map(|measured| rows.map(|row| i16::from(measured[row])).collect());
    if let Some(levels) = &levels {
        let mut levels = levels.iter();
        numbers.retain(|_| levels.next() == Some(&1));
    }
    let mut column = next_column(group)?;
    column
        .typed::<DoubleType>()
        .write_batch(&numbers, levels.as_deref(), None)?;
    column.close()
}

fn next_column<'a>(
    group: &'a mut SerializedRowGroupWriter<'_, impl io::Write + Send>,
) -> Result<parquet::file::writer::SerializedColumnWriter<'a>, ParquetError> {
    group.next_column()?.ok_or_else(|| {
        ParquetError::General("the schema has fewer columns than the table".to_owned())
    })
}

fn image_texts(
    images: &Column<Option<std::path::PathBuf>>,
    file: &Path,
) -> Result<Vec<Option<String>>, DataError> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let text = |image: &std::path::PathBuf| {
        let stored = match image.strip_prefix(folder) {
            Ok(inside) if !folder.as_os_str().is_empty() || image.is_relative() => {
                inside.to_owned()
            }
            _ => std::path::absolute(image).map_err(|source| DataError::io(image, source))?,
        };
        stored.into_os_string().into_string().map_err(|name| {
            DataError::spec(
                "path",
                format!("the image path {name:?} is not UTF-8"),
                "rename the image",
            )
        })
    };
    images
        .iter()
        .map(|image| image.as_ref().map(text).transpose())
        .collect()
}
