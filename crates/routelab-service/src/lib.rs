//! From your own prompts to a router in service.
//!
//! [`Collection`] asks every model of a [`Pool`] every prompt of a file, once or several times, and keeps answers, tokens, costs and times in a
//! folder: what is paid is never above a cap, and after a kill at any moment nothing is asked twice. It grades the answers and writes a table
//! that RouteLab reads at once.
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
