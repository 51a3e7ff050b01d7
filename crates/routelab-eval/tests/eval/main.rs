//! Evaluation against values worked out by hand, golden numbers, and properties.

mod common;
mod decompose;
mod golden;
mod known_values;
mod metrics;
mod predictability;
mod properties;
