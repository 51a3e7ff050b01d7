//! Python pickles of tables: pandas data frames, and dictionaries of NumPy arrays.
//!
//! A pickle is a program for a small stack machine, and unpickling it in Python may call anything. Here nothing is called:
//! [`machine`] builds a graph of plain values in which "call this with these arguments" is only a node, and refuses every
//! name that is not on the list of [`Global`]. What the nodes mean is decided afterwards, by [`numpy`] and [`frame`], which
//! know no more than how arrays and data frames are laid out (Python's `pickletools` and PEP 3154 and 574 describe the
//! opcodes).

mod block;
pub(super) mod frame;
mod machine;
pub(super) mod numpy;

use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::input::read_bytes;

/// The names that a pickle may mention. `module` and `name` as the versions of pandas and NumPy since 2019 write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    DataFrame,
    BlockManager,
    UnpickleBlock,
    Slice,
    NewIndex,
    /// A class of labels that are stored as an array.
    Index,
    RangeIndex,
    Reconstruct,
    FromBuffer,
    Scalar,
    NdArray,
    Dtype,
    UnpickleArray,
    StringArray,
    StringDtype,
    Categorical,
    CategoricalDtype,
    /// pandas' array of numbers or truth values with gaps.
    MaskedArray,
    /// pandas' array that lies in an Arrow array.
    ArrowArray,
    RestoreArray,
    ChunkedArray,
    Buffer,
    ArrowType,
    /// pandas' mark of a gap.
    NotAvailable,
    Decimal,
    /// A type that no table needs, such as a time. It is known so that columns that are not asked for do not disturb.
    Other,
}

impl Global {
    fn find(module: &str, name: &str) -> Option<Self> {
        // NumPy 2 put an underscore before `core`.
        let module = module.replacen("numpy._core.", "numpy.core.", 1);
        Some(match (module.as_str(), name) {
            ("pandas" | "pandas.core.frame", "DataFrame") => Self::DataFrame,
            ("pandas.core.internals.managers" | "pandas.core.internals", "BlockManager") => {
                Self::BlockManager
            }
            ("pandas._libs.internals", "_unpickle_block") => Self::UnpickleBlock,
            ("builtins" | "__builtin__", "slice") => Self::Slice,
            ("pandas.core.indexes.base", "_new_Index") => Self::NewIndex,
            ("pandas" | "pandas.core.indexes.base", "Index") => Self::Index,
            ("pandas.core.indexes.numeric", "Int64Index" | "UInt64Index" | "Float64Index") => {
                Self::Index
            }
            ("pandas" | "pandas.core.indexes.range", "RangeIndex") => Self::RangeIndex,
            ("numpy.core.multiarray", "_reconstruct") => Self::Reconstruct,
            ("numpy.core.multiarray", "scalar") => Self::Scalar,
            ("numpy.core.numeric", "_frombuffer") => Self::FromBuffer,
            ("numpy", "ndarray") => Self::NdArray,
            ("numpy", "dtype") => Self::Dtype,
            ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked") => Self::UnpickleArray,
            ("pandas.arrays" | "pandas.core.arrays.string_", "StringArray") => Self::StringArray,
            ("pandas" | "pandas.core.arrays.string_", "StringDtype") => Self::StringDtype,
            (
                "pandas.arrays"
                | "pandas.core.arrays.categorical"
                | "pandas"
                | "pandas.core.categorical",
                "Categorical",
            ) => Self::Categorical,
            ("pandas" | "pandas.core.dtypes.dtypes", "CategoricalDtype") => Self::CategoricalDtype,
            (
                "pandas.arrays"
                | "pandas.core.arrays.integer"
                | "pandas.core.arrays.floating"
                | "pandas.core.arrays.boolean",
                "IntegerArray" | "FloatingArray" | "BooleanArray",
            ) => Self::MaskedArray,
            (
                "pandas.arrays"
                | "pandas.core.arrays.string_arrow"
                | "pandas.core.arrays.arrow"
                | "pandas.core.arrays.arrow.array",
                "ArrowStringArray" | "ArrowStringArrayNumpySemantics" | "ArrowExtensionArray",
            ) => Self::ArrowArray,
            ("pyarrow.lib", "_restore_array") => Self::RestoreArray,
            ("pyarrow.lib", "chunked_array") => Self::ChunkedArray,
            ("pyarrow.lib", "py_buffer") => Self::Buffer,
            ("pyarrow.lib", "type_for_alias") => Self::ArrowType,
            ("pandas" | "pandas._libs.missing", "NA") => Self::NotAvailable,
            ("decimal", "Decimal") => Self::Decimal,
            _ if OTHER.iter().any(|(modules, names)| {
                modules.contains(&module.as_str()) && names.contains(&name)
            }) =>
            {
                Self::Other
            }
            _ => return None,
        })
    }
}

/// Modules, and names of them that stand for values which are not read.
const OTHER: &[(&[&str], &[&str])] = &[
    (
        &[
            "pandas.arrays",
            "pandas.core.arrays.datetimes",
            "pandas.core.arrays.timedeltas",
        ],
        &[
            "DatetimeArray",
            "TimedeltaArray",
            "PeriodArray",
            "IntervalArray",
            "SparseArray",
        ],
    ),
    (
        &[
            "pandas",
            "pandas.core.dtypes.dtypes",
            "pandas.core.arrays.boolean",
            "pandas.core.arrays.integer",
            "pandas.core.arrays.floating",
            "pandas.core.arrays.arrow.dtype",
        ],
        &[
            "DatetimeTZDtype",
            "PeriodDtype",
            "IntervalDtype",
            "BooleanDtype",
            "ArrowDtype",
            "Int8Dtype",
            "Int16Dtype",
            "Int32Dtype",
            "Int64Dtype",
            "UInt8Dtype",
            "UInt16Dtype",
            "UInt32Dtype",
            "UInt64Dtype",
            "Float32Dtype",
            "Float64Dtype",
            "DatetimeIndex",
        ],
    ),
    (
        &["pandas.core.indexes.datetimes"],
        &["_new_DatetimeIndex", "DatetimeIndex"],
    ),
    (
        &["pandas._libs.tslibs.timestamps"],
        &["_unpickle_timestamp", "Timestamp"],
    ),
    (&["pandas._libs.tslibs.nattype"], &["_nat_unpickle"]),
    (
        &["datetime"],
        &["datetime", "date", "time", "timedelta", "timezone"],
    ),
    (
        &["pyarrow.lib"],
        &[
            "binary",
            "date32",
            "date64",
            "decimal128",
            "decimal256",
            "dictionary",
            "duration",
            "field",
            "large_binary",
            "large_list",
            "list_",
            "struct",
            "time32",
            "time64",
            "timestamp",
        ],
    ),
];

/// A place in the bytes of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: usize,
    length: usize,
}

/// Index of a node; nodes live in one list, so that a graph of any depth or with cycles costs no recursion.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeId(usize);

/// A value of the graph.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    None,
    Truth(bool),
    Integer(i128),
    Number(f64),
    /// UTF-8, checked.
    Text(Span),
    Bytes(Span),
    Global(Global),
    Node(NodeId),
}

#[derive(Debug)]
enum Node {
    /// A tuple, list or set.
    Sequence(Vec<Value>),
    Dictionary(Vec<(Value, Value)>),
    /// A call that is not made, and the state that would be set afterwards.
    Object {
        class: Global,
        arguments: Value,
        state: Value,
    },
}

/// The graph of a file.
pub(super) struct Pickle {
    path: PathBuf,
    bytes: Vec<u8>,
    nodes: Vec<Node>,
    root: Value,
}

impl Pickle {
    /// Reads a file, which may be compressed, into memory and builds its graph, which refers to the file's bytes for texts and arrays.
    pub(super) fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = read_bytes(path)?;
        let (nodes, root) = machine::run(&bytes).map_err(|stop| match stop {
            machine::Stop::Name(name) => DataError::PickleName {
                path: path.to_owned(),
                name,
            },
            machine::Stop::Malformed { offset, detail } => DataError::Pickle {
                path: path.to_owned(),
                detail: format!("at byte {offset}: {detail}"),
            },
        })?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
            nodes,
            root,
        })
    }

    pub(super) fn root(&self) -> Value {
        self.root
    }

    /// An error about the content of this file.
    pub(super) fn wrong(&self, detail: impl Into<String>) -> DataError {
        DataError::Pickle {
            path: self.path.clone(),
            detail: detail.into(),
        }
    }

    fn slice(&self, span: Span) -> &[u8] {
        &self.bytes[span.start..span.start + span.length]
    }

    pub(super) fn text(&self, value: Value) -> Option<&str> {
        match value {
            Value::Text(span) => std::str::from_utf8(self.slice(span)).ok(),
            _ => None,
        }
    }

    /// The items of a tuple, list or set.
    pub(super) fn items(&self, value: Value) -> Option<&[Value]> {
        match self.node(value)? {
            Node::Sequence(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn entries(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.node(value)? {
            Node::Dictionary(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a text key; the last one where it was set twice.
    pub(super) fn get(&self, dictionary: Value, key: &str) -> Option<Value> {
        let entries = self.entries(dictionary)?;
        entries
            .iter()
            .rev()
            .find(|(name, _)| self.text(*name) == Some(key))
            .map(|(_, value)| *value)
    }

    /// Class, arguments and state of an object.
    pub(super) fn object(&self, value: Value) -> Option<(Global, Value, Value)> {
        match self.node(value)? {
            Node::Object {
                class,
                arguments,
                state,
            } => Some((*class, *arguments, *state)),
            _ => None,
        }
    }

    fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(NodeId(index)) => self.nodes.get(index),
            _ => None,
        }
    }
}

/// A whole number that counts something.
fn count(value: Value) -> Option<usize> {
    match value {
        Value::Integer(number) => usize::try_from(number).ok(),
        _ => None,
    }
}
