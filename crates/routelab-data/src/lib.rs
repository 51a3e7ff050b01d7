//! Routing data: what every candidate model scored and cost on every query.
//!
//! A [`RoutingTable`] has `N` queries (ids, prompts, tasks, images, groups) and `M` models, and two `N x M` matrices: quality in
//! [0, 1] and cost, not negative. One that exists is sound. [`split::split`] divides its rows into training and test rows, and
//! [`RoutingTable::select`] gives the table of some rows, which shares the texts with the whole; [`Embeddings`] holds one vector
//! per query.
//!
//! ```
//! use ndarray::array;
//! use routelab_data::split::{SplitSpec, split};
//! use routelab_data::{CostUnit, RoutingTable, RoutingTableParts};
//!
//! let texts = |texts: [&str; 4]| texts.map(str::to_owned).to_vec();
//! let table = RoutingTable::new(RoutingTableParts {
//!     name: "sums".to_owned(),
//!     models: vec!["small".to_owned(), "large".to_owned()],
//!     ids: texts(["a", "b", "c", "d"]),
//!     prompts: texts(["1 + 1", "12 * 12", "2 + 3", "77 * 13"]),
//!     tasks: texts(["add", "multiply", "add", "multiply"]),
//!     images: Vec::new(),
//!     groups: None,
//!     quality: array![[1.0, 1.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.5]],
//!     cost: array![[0.1, 2.0], [0.1, 2.5], [0.1, 2.0], [0.2, 3.0]],
//!     cost_unit: CostUnit::recorded("US dollars"),
//! })?;
//!
//! // Two of the four queries train; no task is on both sides.
//! let parts = split(&table, &SplitSpec::OutOfDomain { train: 0.5 }, 42)?;
//! let (train, test) = (table.select(&parts.train), table.select(&parts.test));
//! assert_eq!((train.len(), test.len()), (2, 2));
//! assert!(train.tasks().iter().all(|task| *task != test.tasks()[0]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`load`] reads one of the [`formats`], published ones or any table whose columns a [`TabularSchema`] declares. Everything that
//! a reader drops, decodes or assumes is counted in the [`LoadReport`]; a [`DataError`] names the file, the row, the column, the
//! value, what was expected and what to do.
//!
//! ```
//! use routelab_data::{DataSpec, load};
//!
//! let folder = tempfile::tempdir()?;
//! std::fs::write(
//!     folder.path().join("scores.csv"),
//!     "question,topic,small|score,small|cost,large|score,large|cost\n\
//!      1 + 1,add,1,0.1,1,2.0\n\
//!      12 * 12,multiply,0,0.1,1,2.5\n",
//! )?;
//! std::fs::write(
//!     folder.path().join("dataset.toml"),
//!     r#"
//!         format = "tabular"
//!         path = "scores.csv"
//!         [schema]
//!         prompt = ["question"]
//!         task = "topic"
//!         layout.wide = { quality = "{model}|score", cost = "{model}|cost" }
//!     "#,
//! )?;
//! let loaded = load(&DataSpec::read(folder.path())?)?;
//! assert_eq!(loaded.table.models(), ["small", "large"]);
//! assert_eq!(loaded.table.prompts(), ["1 + 1", "12 * 12"]);
//! assert_eq!(loaded.table.cost_unit().name, "US dollars");
//! assert_eq!(loaded.report.rows_read, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
pub use error::{CellPlace, DataError, Place};
pub use input::{read_text, resolve_path};
pub use matrix::{matrix_bytes, read_matrix, write_matrices};
pub use range::QualityScale;
pub use report::{InputFile, LoadReport, Loaded};
pub use schema::{FileKind, Layout, TabularSchema};
pub use source::routelab::write_parquet;
pub use source::texts::{Texts, read_texts};
pub use source::{FormatInfo, Modality, formats, load};
pub use spec::{DataSpec, GroupBy, Images, Missing, OutOfRange, toml_detail};
pub use summary::{
    ModelSummary, RepeatedPrompts, TableSummary, TaskSummary, repeated_prompts, summary,
};
pub use table::{CostUnit, RoutingTable, RoutingTableParts, TableError};
