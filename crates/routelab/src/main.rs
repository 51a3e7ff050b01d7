//! RouteLab: experiments on LLM routers, from a TOML file to figures, tables and a report.

mod backends;
mod bench;
mod cli;
mod compare;
mod data;
mod embed;
mod encoders;
mod evaluate;
mod experiment;
mod failure;
mod output;
mod predictions;
mod registry;
mod report;
mod route;
mod run;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    routelab_kernels::keep_freed_memory();
    let cli = Cli::parse();
    let output = output::Output::new(cli.quiet, cli.json);
    let done = match &cli.command {
        Command::Run(args) => run::run(args, &output),
        Command::Merge(args) => run::merge(args, &output),
        Command::Tune(args) => run::tune(args, &output),
        Command::Report(args) => report::run(args, &output),
        Command::Compare(args) => compare::run(args, &output),
        Command::Evaluate(args) => evaluate::run(args, &output),
        Command::Route(args) => route::run(args, &output),
        Command::Embed(args) => embed::run(args, &output),
        Command::Data(args) => data::run(args, &output),
        Command::Bench(args) => bench::run(args, &output),
        Command::Backends(args) => backends::run(args, &output),
        Command::Serve(args) => backends::serve(args, &output),
    };
    match done.and_then(|()| output.finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::error(&failure);
            failure.exit_code()
        }
    }
}
