//! RouteLab as a library: experiments on LLM routers, from a TOML file to figures, tables and a report.
//!
//! The program `routelab` is a thin front of this crate. The crates below it stand alone: `routelab-data` (tables, splits, published
//! formats), `routelab-encode`, `routelab-routers`, `routelab-eval` (metrics), `routelab-plot`.
//!
//! ```
//! use routelab::prelude::*;
//!
//! # fn main() -> Result<(), routelab::Error> {
//! # let place = tempfile::tempdir().unwrap();
//! # let file = place.path().join("small.toml");
//! # let table = "sample_id,prompt,eval_name,small,small|total_cost,large,large|total_cost\n".to_owned()
//! #     + &(0..40).map(|i| format!("{i},What is {i} + {i}?,sums,1,0.1,{},1\n", i % 2)).collect::<String>();
//! # std::fs::write(place.path().join("table.csv"), table).unwrap();
//! # std::fs::write(&file, r#"
//! # name = "small"
//! # seeds = 1
//! # [data]
//! # format = "routerbench"
//! # path = "table.csv"
//! # [embeddings]
//! # encoder = "hashed-ngrams"
//! # settings = { dim = 16 }
//! # [evaluation]
//! # bootstrap = 20
//! # [[router]]
//! # kind = "knn"
//! # "#).unwrap();
//! # let runs = place.path().join("runs");
//! let experiment = Experiment::from_toml(&file)?;
//! let run: RunFolder = experiment.run(&RunOptions { out: runs, ..RunOptions::default() })?;
//!
//! // The numbers, typed.
//! let results = run.results()?;
//! let knn = &results.routers[0];
//! println!("nAUC of {}: {:?}", knn.label, results.summary(knn, "nauc_shared"));
//!
//! // The router at work. A budget is in the cost unit of the data.
//! let router = Deployed::open(&run.file("models/knn"))?;
//! let choice = router.route("What is 7 + 7?", 0.5)?;
//! assert_eq!(choice.model, "small");
//! # Ok(())
//! # }
//! ```
//!
//! A program with routers of its own is one call of [`main_with`]: see `examples/own_router.rs`.

mod commands;
mod compare;
mod deployed;
mod encoders;
mod evaluated;
mod experiment;
mod failure;
mod folder;
mod names;
mod output;
mod report;
mod run;
mod text;

pub use commands::{main_from, main_with};
pub use deployed::{Choice, Choices, DeployOptions, Deployed};
pub use encoders::{Weights, encode};
pub use evaluated::{EvaluateOptions, Evaluated, Plotted, Share, check_rows, plot};
pub use experiment::{Experiment, StrongestSpec, read_data};
pub use failure::Failure as Error;
pub use folder::{
    ComparisonRecord, FigureRecord, Number, RouterRecord, RunFolder, RunResults, SeedRecord,
    StoredTruth, SummaryRecord, TaskRecord, Unit, UnitOutcome,
};
pub use output::{Told, Watch};
pub use routelab_routers::Registry;
pub use run::{Reopen, RunOptions, run_files};

/// What most programs need.
pub mod prelude {
    pub use crate::{Deployed, Experiment, RunFolder, RunOptions, main_with};
    pub use routelab_data::{Embeddings, RoutingTable};
    pub use routelab_eval::{Scores, Truth};
    pub use routelab_routers::{
        Archive, Context, FittedRouter, Loader, Registry, Router, RouterError, TrainingSet,
    };
}
