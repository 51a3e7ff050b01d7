//! From your own prompts to a router in service.
//!
//! [`Collection`] asks every model of a [`Pool`] every prompt of a file, once or several times, and keeps answers, tokens, costs and times in a
//! folder: what is paid is never above a cap, and after a kill at any moment nothing is asked twice. It grades the answers and writes a table
//! that RouteLab reads at once.
//!
//! ```
//! use std::net::{Ipv4Addr, SocketAddr};
//!
//! use routelab_service::stand_in::{Behaviour, StandIn};
//! use routelab_service::{Collection, Request, Terms};
//!
//! // In the place of models, so that nothing is paid.
//! let models = StandIn::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Behaviour::default())?;
//! let folder = tempfile::tempdir()?;
//! let file = |name: &str| folder.path().join(name);
//! let model = |name: &str, price: f64| {
//!     format!("[[model]]\nname = {name:?}\nendpoint = \"local\"\nprices = {{ input = {price}, output = {price} }}\n")
//! };
//! let pool = format!("[endpoint.local]\nurl = {:?}\n", models.url()) + &model("small", 0.1) + &model("large", 3.0);
//! std::fs::write(file("pool.toml"), pool)?;
//! std::fs::write(file("prompts.csv"), "prompt,reference\nWhat is 2 + 3 ?,It is 5\nWhat is 3 + 3 ?,It is 6\n")?;
//!
//! let collection = Collection::open(&Request {
//!     prompts: file("prompts.csv"),
//!     pool: file("pool.toml"),
//!     grading: None,
//!     out: file("mine"),
//!     repetitions: 1,
//!     terms: Terms::default(),
//! })?;
//! let estimate = collection.estimate()?;
//! assert_eq!(estimate.calls, 4);
//! let summary = collection.make(&|_| {})?;
//! assert!(summary.answered == 4 && summary.spent <= estimate.at_most);
//! assert!(file("mine/table.parquet").exists());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`serve`] puts a fitted router, anything that is a [`Decider`], in front of the same pool as an OpenAI-compatible server.

mod calls;
mod client;
mod collect;
mod error;
mod grade;
mod journal;
mod money;
mod pool;
mod prompts;
mod serve;
pub mod stand_in;
mod summary;
mod table;

pub use calls::{Progress, Status};
pub use collect::{Collection, Estimate, Request, Terms};
pub use error::ServiceError;
pub use grade::{Grading, Rule};
pub use money::{Money, Prices};
pub use pool::{Endpoint, Model, Pool};
pub use prompts::{Prompt, read_prompts};
pub use serve::{Decider, Decision, Limit, Load, Say, ServeOptions, Undecided, serve};
pub use summary::{Summary, Written};
