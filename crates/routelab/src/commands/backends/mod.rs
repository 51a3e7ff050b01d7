//! `routelab backends`: where networks can run, and how the places compare, and this machine's device for others.

mod agreement;
mod compare;
mod measure;

use clap::{Args, Subcommand};
use std::net::TcpListener;
use std::path::PathBuf;

use routelab_heads::backend::{
    AUTO, Adapter, BACKENDS, DEFAULT, KeptKernels, Place, Processor, adapters, kept_kernels,
};
use routelab_heads::{Backend, BackendError, BackendInfo};
use routelab_routers::Registry;
use serde_json::json;

use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;

/// Arguments of `backends`.
#[derive(Args)]
pub struct BackendsArgs {
    /// What to do instead of listing.
    #[command(subcommand)]
    pub command: Option<BackendsCommand>,
}

/// The commands of `backends`.
#[derive(Subcommand)]
pub enum BackendsCommand {
    /// Fit the same networks on several backends: time, memory, and how far their results agree.
    #[command(
        after_help = "Example:\n  routelab backends compare experiments/paper/main-text.toml --backends flex,ndarray,flex@bf16 \
                      --router EquiRouter --epochs 2 --rows 256"
    )]
    Compare(CompareBackendsArgs),
    /// Let other processes use a device of this machine: `--backend remote:ws://HOST:PORT`. Without encryption or password.
    #[command(
        after_help = "Example, in a build with `--features remote`:\n  routelab backends serve --backend flex --port 3000"
    )]
    Serve(ServeBackendsArgs),
    /// Delete the compiled kernels that GPU backends keep on disk, and their choices of the fastest variants.
    #[command(after_help = "Example:\n  routelab backends clear")]
    Clear,
}

/// Arguments of `backends compare`.
#[derive(Args)]
pub struct CompareBackendsArgs {
    /// The experiment file; its first seed is used.
    pub experiment: PathBuf,
    /// Backends as `--backend` takes them, with commas between; the first is the one that the others are compared with. By
    /// default every backend of this build that needs no server.
    #[arg(long, value_delimiter = ',')]
    pub backends: Vec<String>,
    /// A router's label; may be repeated. By default every router of the experiment that is trained in epochs.
    #[arg(long = "router", value_name = "LABEL")]
    pub routers: Vec<String>,
    /// Epochs of every fit, instead of those in the file.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: Option<u32>,
    /// Training queries and test queries, at most.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub rows: Option<u32>,
    /// Queries of a gradient step, and of a prediction, at which throughput is measured. Sizes beyond the number of
    /// queries are left out.
    #[arg(long, value_delimiter = ',', default_values_t = [32, 128, 512, 2048], value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_sizes: Vec<u32>,
    /// The comparison gets the folder OUT/backends/NAME, named after the experiment.
    #[arg(long, default_value = "runs")]
    pub out: PathBuf,
    /// Measure this one backend in this process and write what was found to a file.
    #[arg(long, hide = true, num_args = 2, value_names = ["BACKEND", "FILE"])]
    pub only: Vec<String>,
}

/// Arguments of `backends serve`.
#[derive(Args)]
pub struct ServeBackendsArgs {
    /// The backend whose device is served.
    #[arg(long, default_value = routelab_heads::backend::DEFAULT)]
    pub backend: String,
    /// The address to listen on: 0.0.0.0 for everyone who reaches this machine.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// The port; 0 takes a free one and says which.
    #[arg(long, default_value_t = 3000)]
    pub port: u16,
}

/// Lists or compares backends.
pub fn run(args: &BackendsArgs, registry: &Registry, output: &Output) -> Outcome {
    match &args.command {
        None => list(output),
        Some(BackendsCommand::Compare(args)) => compare::run(args, registry, output),
        Some(BackendsCommand::Serve(args)) => serve(args, output),
        Some(BackendsCommand::Clear) => clear(output),
    }
}

/// Keeps compiled kernels in this user's folder for what can be computed again, where there is one. Before a device is opened.
pub fn keep_kernels() {
    if let Some(folder) = routelab_encode::user_folder("kernels") {
        routelab_heads::backend::keep_kernels(&folder);
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
    let kept = kept()?;
    let mut rows = Vec::new();
    for info in BACKENDS {
        let (adapters, broken) = match info.place {
            Place::Adapter if info.built => match adapters(info.name) {
                Ok(adapters) => (adapters, None),
                Err(error) => (Vec::new(), Some(refused(error).told())),
            },
            _ => (Vec::new(), None),
        };
        let problem = broken.or_else(|| problem(&info, &adapters));
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
            (Some(problem), _) if info.built => format!("{:9}{problem}", ""),
            (Some(_), _) => format!("{:9}{}", "", missing(&info)),
            (None, Place::Processor) => format!("{:9}ready: {}", "", names.join(", ")),
            (None, Place::Adapter) => format!("{:9}ready: {}", "", preferred(info.name)),
            (None, Place::Network) => format!("{:9}ready: `--backend remote:ws://HOST:PORT`", ""),
        };
        output.say(text);
        rows.push(json!({
            "name": info.name,
            "description": info.description,
            "place": info.place,
            "built": info.built,
            "feature": info.feature,
            "needs": info.needs,
            "build": info.build,
            "ready": problem.is_none(),
            "problem": problem,
            "default": info.name == DEFAULT,
            "precisions": precisions,
            "processor": (info.place == Place::Processor).then_some(&processor),
            "adapters": adapters,
            "kernels": info.keeps_kernels().then_some(&kept),
        }));
    }
    if let Some(kept) = kept {
        output.say(format!(
            "\ncompiled kernels: {}, {}; `routelab backends clear` deletes them",
            kept.folder.display(),
            size(kept.bytes)
        ));
    }
    output.result(&rows.into());
    Ok(())
}

/// What it takes to have a backend that is not in this build.
fn missing(info: &BackendInfo) -> String {
    let with = |words: &str, what: &str| match what {
        "" => String::new(),
        what => format!("{words} {what}"),
    };
    let feature = format!("not in this build: `--features {}`", info.feature);
    feature + &with(", which takes", info.build) + &with("; it needs", info.needs)
}

/// Which device a backend opens unless one is named.
fn preferred(backend: &str) -> &'static str {
    match backend {
        "tch" => "the processor unless you choose",
        "cuda" | "rocm" => "the first card unless you choose",
        _ => "the graphics API chooses the adapter unless you do",
    }
}

/// The kernels on disk; none in a build without the backends that keep them.
fn kept() -> Outcome<Option<KeptKernels>> {
    kept_kernels()
        .map_err(|error| Failure::failed(anyhow::anyhow!("cannot read the kept kernels: {error}")))
}

/// Deletes the kernels on disk.
fn clear(output: &Output) -> Outcome {
    let Some(kept) = kept()? else {
        return Err(bad_request!(
            "no backend of this build keeps kernels\nhelp: use the build whose kernels are to be deleted"
        ));
    };
    kept.clear().map_err(|(file, error)| {
        Failure::failed(anyhow::anyhow!(
            "cannot delete {}: {error}\nhelp: check that its folder is yours",
            file.display()
        ))
    })?;
    output.say(format!(
        "deleted {} from {}",
        size(kept.bytes),
        kept.folder.display()
    ));
    output.result(&json!({ "folder": kept.folder, "deleted": kept.bytes }));
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
            .map(|error| refused(error).told()),
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
            "start `routelab backends serve` there, and name it: `--backend remote:ws://ADDRESS:PORT`".into()
        }
        BackendError::Unreachable { .. } => {
            "start `routelab backends serve --port PORT` there, with the same version of RouteLab".into()
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
    let driver = match adapter.driver.as_str() {
        "" => String::new(),
        driver => format!(" ({driver})"),
    };
    let buffer = (adapter.largest_buffer).map(|bytes| format!(", largest buffer {}", size(bytes)));
    format!(
        "{backend}:{}  {}, {}, {}{driver}, memory {}{}: {state}",
        adapter.index,
        adapter.name,
        adapter.kind,
        adapter.api,
        memory.as_deref().unwrap_or("unknown"),
        buffer.unwrap_or_default(),
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
fn serve(args: &ServeBackendsArgs, output: &Output) -> Outcome {
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
