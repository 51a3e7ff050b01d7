//! Published formats that are tables of known columns, as `formats.toml` declares them.

use std::path::Path;

use serde::Deserialize;

use crate::error::{DataError, Place};
use crate::report::Loaded;
use crate::schema::TabularSchema;
use crate::source::files::{Files, stem};
use crate::source::rows::Rows;
use crate::source::tabular::{self, FoundQuery};
use crate::spec::DataSpec;

/// A format of known columns.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishedTable {
    #[serde(default)]
    files: Files,
    /// The columns.
    pub(super) schema: TabularSchema,
    /// Every query has an image: a blank cell is an error.
    #[serde(default)]
    image_required: bool,
    /// The id of a query is the name of its file and its row, from 1.
    #[serde(default)]
    id_from_file: bool,
    /// Of several rows of one query and model the largest quality counts, in place of an error.
    #[serde(default)]
    best_of_repeats: bool,
}

/// What a format does beyond naming its columns.
pub(super) struct Custom {
    /// Adapts the schema to the columns of one file.
    pub(super) schema: fn(&Rows, &mut TabularSchema) -> Result<(), DataError>,
    /// Changes a query that was found in a file.
    pub(super) query: fn(&Path, Place, &mut FoundQuery<'_>) -> Result<(), DataError>,
}

impl Custom {
    /// Nothing.
    pub(super) const NONE: Self = Self {
        schema: |_, _| Ok(()),
        query: |_, _, _| Ok(()),
    };
}

impl PublishedTable {
    /// Reads the files as one table.
    pub(super) fn read(&self, spec: &DataSpec, custom: &Custom) -> Result<Loaded, DataError> {
        let files = self.files.of(&spec.path)?;
        let mut builder = tabular::builder(spec, &self.schema)?;
        if self.best_of_repeats {
            builder.keep_best_of_repeats();
        }
        for file in &files {
            let rows = Rows::open(file, self.schema.file)?;
            builder.start_file(file)?;
            let mut schema = self.schema.clone();
            (custom.schema)(&rows, &mut schema)?;
            let name = stem(file);
            tabular::fill(&rows, &schema, &mut builder, &mut |place, found| {
                if self.id_from_file {
                    found.query.id = format!("{name}_{}", place.row);
                }
                if self.image_required && found.query.image.is_none() {
                    return Err(DataError::Blank {
                        at: place.cell(file, schema.image.clone().unwrap_or_default()),
                        expected: "the path of an image",
                    });
                }
                (custom.query)(file, place, found)
            })?;
        }
        builder.finish()
    }
}
