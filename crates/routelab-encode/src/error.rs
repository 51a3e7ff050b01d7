//! What can go wrong between a query and its embedding.

use std::io;
use std::path::{Path, PathBuf};

/// Why a query could not be embedded or an encoder could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A file could not be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: "read", "write", …
        action: &'static str,
        /// The cause as the operating system gave it.
        source: io::Error,
    },
    /// A file that is not what its name promises: cut off, damaged or of another format.
    #[error("{}: not a usable {what}: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What was expected there: "safetensors file", "tokenizer", …
        what: &'static str,
        /// What was found instead.
        reason: String,
    },
    /// Weights that lack a tensor which the network needs.
    #[error(
        "{}: there is no tensor `{tensor}` (expected with shape {expected:?}); are these the weights of {network}?",
        path.display()
    )]
    MissingTensor {
        /// The weights file.
        path: PathBuf,
        /// The name looked up.
        tensor: String,
        /// The shape that the network needs.
        expected: Vec<usize>,
        /// The network that needs it.
        network: String,
    },
    /// A tensor of another shape than the network's configuration asks for.
    #[error(
        "{}: tensor `{tensor}` has shape {found:?} where {network} needs {expected:?}; weights and config.json must belong together",
        path.display()
    )]
    WrongShape {
        /// The weights file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The shape that the network needs.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
        /// The network that needs it.
        network: String,
    },
    /// A setting outside its range.
    #[error("{setting} is {value}, but must be {expected}")]
    BadSetting {
        /// The setting's name.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What would be accepted.
        expected: String,
    },
    /// A text that the tokenizer rejects.
    #[error("the tokenizer rejects the text: {0}")]
    Tokenize(String),
    /// An image that cannot be used.
    #[error("{}: {reason}", path.display())]
    Image {
        /// The image file.
        path: PathBuf,
        /// What is wrong with it, what was expected and what to do.
        reason: String,
    },
    /// A query without the image that the encoder needs.
    #[error(
        "the query has no image, but {encoder} embeds images; drop the query, or set `missing_image = \"zeros\"`"
    )]
    NoImage {
        /// The encoder's name.
        encoder: String,
    },
    /// The backend failed while it computed.
    #[error("the backend failed: {0}")]
    Backend(String),
    /// An error of one query of the slice given to [`Encoder::encode`](crate::Encoder::encode).
    #[error("query {}: {cause}", index + 1)]
    AtQuery {
        /// Position in the slice, from 0; the message counts from 1.
        index: usize,
        /// What went wrong there.
        cause: Box<EncodeError>,
    },
    /// An error of one row of a table.
    #[error("row {} (id `{id}`): {cause}", row + 1)]
    AtRow {
        /// Row of the table, from 0; the message counts from 1, as errors about data do.
        row: usize,
        /// The query's id.
        id: String,
        /// What went wrong there.
        cause: Box<EncodeError>,
    },
    /// An error from the data crate, such as an embedding that is not finite.
    #[error(transparent)]
    Data(#[from] routelab_data::DataError),
}

impl EncodeError {
    pub(crate) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            action,
            source,
        }
    }

    pub(crate) fn bad_file(path: &Path, what: &'static str, reason: impl ToString) -> Self {
        Self::BadFile {
            path: path.to_owned(),
            what,
            reason: reason.to_string(),
        }
    }

    /// Names the query at `index` as the place of this error.
    pub(crate) fn at_query(self, index: usize) -> Self {
        Self::AtQuery {
            index,
            cause: Box::new(self),
        }
    }
}
