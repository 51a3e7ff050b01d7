//! What can be wrong with a data file, each with its place, what was expected and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::table::TableError;

/// A row of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Data row or record, counted from 1 without a header.
    pub row: u64,
    /// Line of the text file, counted from 1, where the row starts. `None` for files without lines.
    pub line: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "row {} (line {line})", self.row),
            None => write!(f, "row {}", self.row),
        }
    }
}

impl Place {
    /// A cell of this row.
    pub(crate) fn cell(self, path: &Path, column: impl Into<String>) -> CellPlace {
        CellPlace {
            path: path.to_owned(),
            place: self,
            column: column.into(),
        }
    }
}

/// A cell of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellPlace {
    /// The file.
    pub path: PathBuf,
    /// The row; row 0 is the header.
    pub place: Place,
    /// The column.
    pub column: String,
}

impl fmt::Display for CellPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            place,
            column,
        } = self;
        write!(f, "{}, {place}, column {column:?}", path.display())
    }
}

/// Why data could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file system refused.
    #[error("{path}: {source}; {}", path_remedy(path), path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A file that is packed or encoded in a way that is not read, or is something else than its name says.
    #[error("{path}: {problem}; {remedy}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A folder where a file was expected.
    #[error("{path} is a folder; give the path of the data file in it", path = path.display())]
    NotAFile {
        /// The folder.
        path: PathBuf,
    },
    /// A file where a folder was expected.
    #[error("{path} is not a folder; {expected}", path = path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
    },
    /// The file has no content at all.
    #[error("{path} is empty; expected {expected}. Was the download or copy interrupted?", path = path.display())]
    EmptyFile {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        expected: &'static str,
    },
    /// The file has columns but no rows.
    #[error("{path} has no data rows; expected at least one query. Was the download or copy interrupted?", path = path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// Every query was dropped for missing cells.
    #[error("{path}: all {dropped} queries have missing cells, so `missing = \"drop-query\"` leaves none; leave out the models with most missing cells with `exclude_models`", path = path.display())]
    NothingLeft {
        /// The file.
        path: PathBuf,
        /// How many queries were dropped.
        dropped: usize,
    },
    /// A needed column is not there.
    #[error("{path} has no column {column:?} ({purpose}); its columns are {}", list(available), path = path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What it is needed for.
        purpose: &'static str,
        /// The columns that the file has.
        available: Vec<String>,
    },
    /// No column matches the pattern of the models' columns.
    #[error("{path} has no column of the form {pattern:?}, so no model was found; its columns are {}", list(available), path = path.display())]
    NoModels {
        /// The file.
        path: PathBuf,
        /// The pattern.
        pattern: String,
        /// The columns that the file has.
        available: Vec<String>,
    },
    /// A column name occurs twice.
    #[error("{path} has two columns called {column:?}; rename one", path = path.display())]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A row has more or fewer cells than the header.
    #[error("{path}, {place}: {found} cells but the header has {expected} columns; look for a missing or unquoted comma, or a file that was cut off", path = path.display())]
    Ragged {
        /// The file.
        path: PathBuf,
        /// The row.
        place: Place,
        /// Columns of the header.
        expected: u64,
        /// Cells of the row.
        found: u64,
    },
    /// Bytes that are not UTF-8 text.
    #[error("{at}: the text is not UTF-8; {remedy}")]
    NotUtf8 {
        /// The cell.
        at: CellPlace,
        /// What converts the file.
        remedy: String,
    },
    /// A value of another form than is needed, such as text where a number should be.
    #[error("{at}: found {:?}, expected {expected}", shortened(value))]
    Unexpected {
        /// The cell.
        at: CellPlace,
        /// What was found.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// A number outside its range.
    #[error("{at}: found {value}, expected {expected}; {remedy}")]
    OutOfRange {
        /// The cell.
        at: CellPlace,
        /// What was found.
        value: f64,
        /// What was expected.
        expected: &'static str,
        /// What to do.
        remedy: String,
    },
    /// A blank cell or NaN.
    #[error("{path}, {place} (id {id:?}), column {column:?}: the value is missing (blank or NaN); fill it in, or set `missing = \"drop-query\"` to leave such queries out for every model, or `missing = \"mask\"` to keep what was measured", path = path.display())]
    MissingCell {
        /// The file.
        path: PathBuf,
        /// The row.
        place: Place,
        /// Id of the query.
        id: String,
        /// The column.
        column: String,
    },
    /// In a file with one row per query and model, one pair has no row.
    #[error("{path}: query {id:?} has no {what} for model {model:?}; add the row, or set `missing = \"drop-query\"` to leave such queries out for every model, or `missing = \"mask\"` to keep what was measured", path = path.display())]
    MissingPair {
        /// The file.
        path: PathBuf,
        /// Id of the query.
        id: String,
        /// The model.
        model: String,
        /// `quality` or `cost`.
        what: &'static str,
    },
    /// Text that must not be empty.
    #[error("{at}: the cell is blank; expected {expected}")]
    Blank {
        /// The cell.
        at: CellPlace,
        /// What was expected.
        expected: &'static str,
    },
    /// One id twice.
    #[error("{path}, {place}: the id {id:?} was already used in row {first}; ids must be unique, so remove one row or name another id column", path = path.display())]
    DuplicateId {
        /// The file.
        path: PathBuf,
        /// The second row.
        place: Place,
        /// The id.
        id: String,
        /// The first row, counted from 1.
        first: u64,
    },
    /// In a file with one row per query and model, one pair twice.
    #[error("{path}, {place}: query {id:?} has a second row for model {model:?}; keep one", path = path.display())]
    DuplicatePair {
        /// The file.
        path: PathBuf,
        /// The second row.
        place: Place,
        /// Id of the query.
        id: String,
        /// The model.
        model: String,
    },
    /// Rows of one query disagree.
    #[error("{path}, {place}: query {id:?} has another {column} here than in its first row; give different queries different ids", path = path.display())]
    Conflict {
        /// The file.
        path: PathBuf,
        /// The row.
        place: Place,
        /// Id of the query.
        id: String,
        /// `prompt`, `task`, `group` or `image`.
        column: &'static str,
    },
    /// An image that is not there.
    #[error("{path}, {place} (id {id:?}): the image {image} does not exist; {}, or set `images = \"ignore\"` for a text-only table", image_remedy(image), path = path.display(), image = image.display())]
    MissingImage {
        /// The data file.
        path: PathBuf,
        /// The row.
        place: Place,
        /// Id of the query.
        id: String,
        /// Where the image should be.
        image: PathBuf,
    },
    /// Not well-formed JSON.
    #[error("{path}, {place}: {detail}; expected {expected}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The record.
        place: Place,
        /// What the parser said.
        detail: String,
        /// What was expected.
        expected: &'static str,
    },
    /// Not a readable Parquet file.
    #[error("{path}: not a readable Parquet file ({detail}); it may be cut off or damaged, so copy or download it again", path = path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        detail: String,
    },
    /// A Parquet file compressed in a way that is not supported.
    #[error("{path} is compressed with {codec}; write it again without compression or with Snappy, gzip, Brotli, LZ4 or Zstandard, such as pandas' `to_parquet(path, compression=\"zstd\")`", path = path.display())]
    ParquetCodec {
        /// The file.
        path: PathBuf,
        /// The compression.
        codec: String,
    },
    /// A pickle that is damaged or holds something else.
    #[error("{path}: not a pickle that can be read ({detail}); download it again, or write it as Parquet with pandas' `to_parquet`", path = path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        detail: String,
    },
    /// A pickle that mentions a name which no table needs. Nothing of a pickle is ever executed.
    #[error("{path} asks for {name:?}, which a table does not need, so it was not read (no code of a pickle is ever run); if you trust the file, write it as Parquet with pandas' `to_parquet`", path = path.display())]
    PickleName {
        /// The file.
        path: PathBuf,
        /// The Python name.
        name: String,
    },
    /// A Parquet column of a type that is not text, a number or a truth value.
    #[error("{path}, column {column:?}: cannot read the type {found}; expected text, a number or true/false, so {remedy}", path = path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// What to do.
        remedy: String,
    },
    /// Not a readable safetensors file of embeddings.
    #[error("{path}: not a readable embeddings file ({detail}); make it again with `routelab embed`", path = path.display())]
    Embeddings {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A query without an embedding.
    #[error("{path} has no embedding for the query {id:?} ({missing} of {wanted} queries have none); make it again with `routelab embed`", path = path.display())]
    NoEmbedding {
        /// The file.
        path: PathBuf,
        /// The first such query.
        id: String,
        /// How many there are.
        missing: usize,
        /// How many were asked for.
        wanted: usize,
    },
    /// Embeddings that are not finite, or not one per query.
    #[error("embeddings: {detail}")]
    BadEmbeddings {
        /// What is wrong and what was expected.
        detail: String,
    },
    /// A TOML file that does not hold what it should.
    #[error("{path}: {detail}", path = path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        detail: String,
    },
    /// A format that does not exist.
    #[error("there is no data format {name:?}; the formats are {}", known.join(", "))]
    UnknownFormat {
        /// What was asked for.
        name: String,
        /// The names that exist.
        known: Vec<&'static str>,
    },
    /// A folder without the files of the format.
    #[error("{path} has no {expected}; was everything downloaded, and is this the right folder?", path = path.display())]
    NoFiles {
        /// The folder.
        path: PathBuf,
        /// What should be in it.
        expected: String,
    },
    /// A task that the data does not have.
    #[error("{path} has no task {task:?} (asked for by `tasks`); its tasks are {}", list(available), path = path.display())]
    UnknownTask {
        /// The file.
        path: PathBuf,
        /// The task.
        task: String,
        /// The tasks that the file has.
        available: Vec<String>,
    },
    /// A model that the data does not have.
    #[error("{path} has no model {model:?} (asked for by `{option}`); its models are {}", list(available), path = path.display())]
    UnknownModel {
        /// The file.
        path: PathBuf,
        /// The model.
        model: String,
        /// The option that names it.
        option: &'static str,
        /// The models that the file has.
        available: Vec<String>,
    },
    /// The `[data]` table asks for something that does not make sense.
    #[error("[data] {key}: {problem}; {remedy}")]
    Spec {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// What was read does not make a sound table.
    #[error("{path}: {source}", path = path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: TableError,
    },
}

impl DataError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io { path, source }
    }

    pub(crate) fn spec(
        key: &'static str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Spec {
            key,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

/// What to do about a file that cannot be opened.
fn path_remedy(path: &Path) -> &'static str {
    if path.to_string_lossy().contains(char::is_control) {
        "the path has a tab or another character that is not seen, which a backslash in double quotes makes: write it with `/`"
    } else if has_backslashes(path) {
        "the path has backslashes, as on Windows: write it with `/`"
    } else {
        "check the path and its permissions"
    }
}

/// What to do about an image that is not there.
fn image_remedy(image: &Path) -> &'static str {
    let text = image.to_string_lossy();
    let drive = text
        .split('/')
        .any(|part| matches!(part.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic()));
    if cfg!(windows) {
        "fetch the images"
    } else if drive {
        "the path names a drive of a Windows computer: write it relative to the folder of the table, with `/`"
    } else if has_backslashes(image) {
        "the path has backslashes, as on Windows: write it with `/`"
    } else {
        "fetch the images"
    }
}

fn has_backslashes(path: &Path) -> bool {
    cfg!(not(windows)) && path.to_string_lossy().contains('\\')
}

/// The beginning of a text that is too long for a message.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 200;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Names for a message: all of a short list, the first ones of a long one.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 40;
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("{:?}", shortened(name)))
        .collect();
    match names.len() {
        0 => "none".to_owned(),
        n if n > SHOWN => format!("{}, and {} more", shown.join(", "), n - SHOWN),
        _ => shown.join(", "),
    }
}
