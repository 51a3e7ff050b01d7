//! From your own prompts to a router in service.
mod calls;
mod client;
mod error;
mod grade;
mod journal;
mod money;
mod pool;
mod prompts;
pub use error::ServiceError;
pub use money::{Money, Prices};
pub use pool::Pool;
