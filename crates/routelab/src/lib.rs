//! RouteLab as a library: experiments on LLM routers, from a TOML file to figures, tables and a report.
//!
//! The program `routelab` is a thin front of this crate. A program with routers of its own calls [`main_with`]; whoever wants
//! the parts takes an [`Experiment`], reads a [`RunFolder`] and asks a [`Deployed`] router.

mod commands;
mod compare;
mod deployed;
mod encoders;
mod experiment;
mod failure;
mod folder;
mod names;
mod output;
mod report;
mod run;
mod text;

pub use commands::main_with;
