//! `routelab backends`: where networks can run, and how the places compare. `routelab serve`: this machine's device for others.

mod agreement;
mod compare;
mod measure;

use std::net::TcpListener;

use routelab_heads::backend::{AUTO, Adapter, BACKENDS, DEFAULT, Place, Processor, adapters};
use routelab_heads::{Backend, BackendError, BackendInfo};
use serde_json::json;

use crate::cli::{BackendsArgs, BackendsCommand, ServeArgs};
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;

/// Lists or compares backends.
pub fn run(args: &BackendsArgs, output: &Output) -> Outcome {
    match &args.command {
        None => list(output),
        Some(BackendsCommand::Compare(args)) => compare::run(args, output),
    }
}

/// The backend that `--backend` names. What `auto` stands for is said.
pub fn open(name: &str, output: &Output) -> Outcome<Backend> {
    let backend = Backend::from_name(name).map_err(refused)?;
    if name.split('@').next() == Some(AUTO) {
        output.note(format!("backend {AUTO}: {backend}"));
    }
    Ok(backend)
}

/// Lists every backend: whether this build has it, whether it works on this machine, and on what.
fn list(output: &Output) -> Outcome {
    let processor = Processor::here();
    output.say(describe(&processor));
    let mut rows = Vec::new();
    for info in BACKENDS {
        let adapters = match info.place {
            Place::Adapter if info.built => adapters(info.name).map_err(Failure::failed)?,
            _ => Vec::new(),
        };
        let problem = problem(&info, &adapters);
        let mut precisions = Vec::new();
        if let (Place::Processor, Ok(backend)) = (info.place, Backend::from_name(info.name)) {
            precisions = backend.precisions();
        }
        let default = if info.name == DEFAULT {
            " (default)"
        } else {
            ""
        };
        let mut text = format!("{:<9}{}{default}\n", info.name, info.description);
        for adapter in &adapters {
            text += &format!("{:9}{}\n", "", line(info.name, adapter));
        }
        let names: Vec<&str> = precisions
            .iter()
            .map(|precision| precision.name())
            .collect();
        text += &match (&problem, info.place) {
            (Some(problem), _) => format!("{:9}{problem}", ""),
            (None, Place::Processor) => format!("{:9}ready: {}", "", names.join(", ")),
            (None, Place::Adapter) => format!(
                "{:9}ready: the graphics API chooses the adapter unless you do",
                ""
            ),
            (None, Place::Network) => format!("{:9}ready: `--backend remote:ws://HOST:PORT`", ""),
        };
        output.say(text);
        rows.push(json!({
            "name": info.name,
            "description": info.description,
            "place": info.place,
            "built": info.built,
            "feature": info.feature,
            "ready": problem.is_none(),
            "problem": problem,
            "default": info.name == DEFAULT,
            "precisions": precisions,
            "processor": (info.place == Place::Processor).then_some(&processor),
            "adapters": adapters,
        }));
    }
    output.result(&rows.into());
    Ok(())
}

/// Why a backend cannot be used here.
fn problem(info: &BackendInfo, adapters: &[Adapter]) -> Option<String> {
    let works = |adapter: &Adapter| adapter.problem.is_none();
    match info.place {
        Place::Adapter if adapters.iter().any(works) => None,
        // A server is asked for by its address only.
        Place::Network if info.built => None,
        _ => Backend::from_name(info.name)
            .err()
            .map(|error| refused(error).to_string()),
    }
}

/// Why a backend cannot be used, and what to do about it on the command line.
fn refused(error: BackendError) -> Failure {
    let help = match &error {
        BackendError::NotBuilt { feature, .. } => format!(
            "build with `cargo build --release --features {feature}`, or use `--backend {DEFAULT}`"
        ),
        BackendError::NoAdapter { .. } => format!("use `--backend {DEFAULT}`"),
        BackendError::Broken { .. } => {
            format!("choose another of `routelab backends`, or use `--backend {DEFAULT}`")
        }
        BackendError::NoAddress { .. } => {
            "start `routelab serve` there, and name it: `--backend remote:ws://ADDRESS:PORT`".into()
        }
        BackendError::Unreachable { .. } => {
            "start `routelab serve --port PORT` there, with the same version of RouteLab".into()
        }
        _ => return Failure::request(error),
    };
    bad_request!("{error}\nhelp: {help}")
}

fn describe(processor: &Processor) -> String {
    let name = processor.name.as_deref().unwrap_or("processor");
    let memory = processor
        .memory
        .map(|bytes| format!(", {} of memory", size(bytes)));
    format!(
        "{name}: {}, {} threads{}, {}\n",
        processor.architecture,
        processor.threads,
        memory.unwrap_or_default(),
        processor.instructions.join(" ")
    )
}

/// One adapter on one line.
fn line(backend: &str, adapter: &Adapter) -> String {
    let precisions: Vec<&str> = adapter
        .precisions
        .iter()
        .map(|precision| precision.name())
        .collect();
    let state = match &adapter.problem {
        Some(problem) => format!("does not work: {problem}"),
        None => precisions.join(", "),
    };
    let memory = adapter.memory.map(size);
    format!(
        "{backend}:{}  {}, {}, {} ({}), memory {}, largest buffer {}: {state}",
        adapter.index,
        adapter.name,
        adapter.kind,
        adapter.api,
        adapter.driver,
        memory.as_deref().unwrap_or("unknown"),
        size(adapter.largest_buffer),
    )
}

/// Bytes in the largest binary unit that leaves at least 1.
fn size(bytes: u64) -> String {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or(format!("{bytes} B"), |(unit, name)| {
        format!("{:.1} {name}", bytes as f64 / unit as f64)
    })
}

/// Serves a backend to `--backend remote:…` of other processes until it is told to stop.
pub fn serve(args: &ServeArgs, output: &Output) -> Outcome {
    let remote = BACKENDS
        .into_iter()
        .find(|info| info.place == Place::Network);
    if let Some(problem) = remote.and_then(|info| problem(&info, &[])) {
        return Err(Failure::request(anyhow::anyhow!(problem)));
    }
    let backend = open(&args.backend, output)?;
    let address = (args.host.as_str(), args.port);
    let listener =
        TcpListener::bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = listener.map_err(|error| {
        crate::failure::bad_request!(
            "cannot listen on {}:{}: {error}\nhelp: choose another `--port`; 0 takes a free one",
            args.host,
            args.port
        )
    })?;
    output.say(format!("serving {backend} at ws://{address}"));
    output.result(&json!({ "backend": backend.identity(), "address": format!("ws://{address}") }));
    listen(&backend, listener)
}

#[cfg(feature = "remote")]
fn listen(backend: &Backend, listener: TcpListener) -> Outcome {
    routelab_heads::backend::serve(backend, listener).map_err(Failure::failed)
}

#[cfg(not(feature = "remote"))]
fn listen(_: &Backend, _: TcpListener) -> Outcome {
    unreachable!("`serve` refuses a build without it")
}
