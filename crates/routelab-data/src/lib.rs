//! Routing data: what every candidate model scored and cost on every query.
//!
//! [`load`] reads one of the [`formats`] into a [`RoutingTable`], which is sound by construction; [`split::split`]
//! divides its rows into training and test rows; [`Embeddings`] holds one vector per query.
//! Everything that a reader drops, decodes or assumes is counted in the [`LoadReport`].

mod assumption;
mod atomic;
mod blank;
mod builder;
mod cell;
mod column;
mod digest;
mod embeddings;
mod error;
mod grid;
mod input;
mod matrix;
mod range;
mod report;
mod schema;
mod source;
mod spec;
pub mod split;
mod summary;
mod table;

pub use assumption::CostAssumption;
pub use atomic::{write_atomically, write_atomically_with};
pub use column::Column;
pub use digest::hex;
pub use embeddings::{Embeddings, Precision};
pub use error::{DataError, Place};
pub use input::{read_text, resolve_path};
pub use matrix::{matrix_bytes, read_matrix, write_matrices};
pub use range::QualityScale;
pub use report::{InputFile, LoadReport, Loaded};
pub use schema::{FileKind, Layout, TabularSchema};
pub use source::routelab::write_parquet;
pub use source::{FormatInfo, Modality, formats, load};
pub use spec::{DataSpec, GroupBy, Images, Missing, OutOfRange, toml_detail};
pub use summary::{ModelSummary, TableSummary, TaskSummary, summary};
pub use table::{CostUnit, RoutingTable, RoutingTableParts, TableError};
