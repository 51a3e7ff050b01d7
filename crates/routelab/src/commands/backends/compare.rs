//! `routelab backends compare`: the same fits on several backends, each in a process of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use routelab_data::write_atomically;
use routelab_heads::backend::{BACKENDS, Place};
use routelab_plot::{BackendRow, BackendsChart, Estimate};
use routelab_routers::Registry;
use serde_json::{Value, json};

use super::CompareBackendsArgs;
use super::agreement::Agreement;
use super::measure::{METRICS, Measured, MeasuredRouter, Throughput, measure, per_second, routers};
use super::{open, size};
use crate::experiment::{Experiment, Request, slug};
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;
use crate::text::markdown_table;

/// A backend that was asked for: what it did, or why it did nothing.
type Column = (String, Result<Measured, String>);

/// Compares backends, or measures one as the child of such a comparison.
pub fn run(args: &CompareBackendsArgs, registry: &Registry, output: &Output) -> Outcome {
    let request = Request::read(&args.experiment, None, registry, &[])?;
    let Request::Single(experiment) = &request else {
        return Err(bad_request!(
            "{} is a study of several variants\nhelp: give a file without [vary] and [[variant]]",
            args.experiment.display()
        ));
    };
    routers(experiment, args)?;
    if let [backend, file] = args.only.as_slice() {
        let measured = measure(experiment, &open(backend, output)?, args, output)?;
        let json = serde_json::to_vec(&measured).map_err(Failure::failed)?;
        let file = Path::new(file);
        return std::fs::write(file, json).map_err(|error| Failure::write(file, error));
    }
    let names = if args.backends.is_empty() {
        (BACKENDS.iter().filter(|info| info.place != Place::Network))
            .map(|info| info.name.to_owned())
            .collect()
    } else {
        args.backends.clone()
    };
    let mut columns: Vec<Column> = Vec::new();
    for name in names {
        output.note(format!("{name} …"));
        let measured = in_a_process(&name, args)?;
        if let Err(reason) = &measured {
            output.note(format!("{name}: left out: {reason}"));
        }
        columns.push((name, measured));
    }
    let measured: Vec<(&str, &Measured)> = (columns.iter())
        .filter_map(|(name, measured)| Some((name.as_str(), measured.as_ref().ok()?)))
        .collect();
    if measured.is_empty() {
        let reasons: Vec<String> = (columns.iter())
            .filter_map(|(name, measured)| Some(format!("{name}: {}", measured.as_ref().err()?)))
            .collect();
        return Err(bad_request!(
            "none of the backends could be measured\n{}\nhelp: see `routelab backends`",
            reasons.join("\n")
        ));
    }

    let folder = args.out.join("backends").join(&experiment.name);
    std::fs::create_dir_all(&folder).map_err(|error| Failure::write(&folder, error))?;
    let text = text(&columns);
    let result = result(&columns);
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        write_atomically(&path, bytes).map_err(|error| Failure::write(&path, error))
    };
    write("backends.md", text.as_bytes())?;
    write("backends.json", format!("{result:#}\n").as_bytes())?;
    for index in 0..measured[0].1.routers.len() {
        draw(&measured, index, experiment, &folder)?;
    }
    output.say(text);
    output.say(format!("table, JSON and figures: {}", folder.display()));
    output.result(&result);
    Ok(())
}

/// Measures one backend in a process of its own, so that memory and compilation are its own, and a crash, too. The inner error
/// is why the backend could not be measured.
fn in_a_process(name: &str, args: &CompareBackendsArgs) -> Outcome<Result<Measured, String>> {
    let file = tempfile::NamedTempFile::new().map_err(Failure::failed)?;
    let program = std::env::current_exe().map_err(Failure::failed)?;
    let mut command = Command::new(program);
    command
        .args(["--quiet", "backends", "compare"])
        .arg(&args.experiment);
    command.arg("--only").arg(name).arg(file.path());
    for label in &args.routers {
        command.args(["--router", label]);
    }
    let sizes: Vec<String> = args.batch_sizes.iter().map(u32::to_string).collect();
    command.args(["--batch-sizes", &sizes.join(",")]);
    for (option, value) in [("--epochs", args.epochs), ("--rows", args.rows)] {
        if let Some(value) = value {
            command.args([option, &value.to_string()]);
        }
    }
    let child = command
        .stdin(Stdio::null())
        .output()
        .map_err(Failure::failed)?;
    if !child.status.success() {
        let message = String::from_utf8_lossy(&child.stderr);
        let reason = message
            .rsplit_once("error: ")
            .map_or(message.trim(), |(_, reason)| reason.trim());
        return Ok(Err(match reason {
            "" => child.status.to_string(),
            reason => reason.to_owned(),
        }));
    }
    let json = std::fs::read(file.path()).map_err(Failure::failed)?;
    serde_json::from_slice(&json)
        .map(Ok)
        .map_err(Failure::failed)
}

/// The measured backends with the router at `index`, the first one first.
fn side_by_side(columns: &[Column], index: usize) -> Vec<(&str, &Measured, &MeasuredRouter)> {
    let measured = columns.iter().filter_map(|(name, measured)| {
        let measured = measured.as_ref().ok()?;
        Some((name.as_str(), measured, &measured.routers[index]))
    });
    measured.collect()
}

fn router_count(columns: &[Column]) -> usize {
    let measured = columns
        .iter()
        .find_map(|(_, measured)| measured.as_ref().ok());
    measured.map_or(0, |measured| measured.routers.len())
}

/// The comparison in Markdown.
fn text(columns: &[Column]) -> String {
    let mut text = String::new();
    for index in 0..router_count(columns) {
        let rows = side_by_side(columns, index);
        let (first_name, _, first) = rows[0];
        text += &format!(
            "## {}\n\n{} training queries, {} epochs; {} test queries. First step: up to 128 queries, with \
             the compilation of kernels. Memory: the whole process, and what Burn holds on the device.\n\n",
            first.label,
            first.train,
            first.epochs.len(),
            first.test,
        );
        let time = |(_, measured, router): &(&str, &Measured, &MeasuredRouter)| {
            vec![
                measured.identity.clone(),
                format!("{:.2}", router.first_step),
                format!("{:.2}", router.epochs[0]),
                format!("{:.3}", router.epoch()),
                format!("{:.0}", per_second(router.train, router.epoch())),
                format!("{:.0}", per_second(router.test, router.prediction)),
                measured.peak_memory.map_or("?".to_owned(), size),
                measured.device_memory.map_or("-".to_owned(), size),
                router
                    .kernels
                    .map_or("-".to_owned(), |count| format!("{count:.0}")),
            ]
        };
        let times: Vec<Vec<String>> = rows.iter().map(time).collect();
        text += &markdown_table(
            &[
                "backend",
                "first step, s",
                "first epoch, s",
                "an epoch, s",
                "trained queries/s",
                "predicted queries/s",
                "peak memory",
                "on the device",
                "kernels a step",
            ],
            &times,
        );
        text += "\nQueries per second by their number in a batch:\n\n";
        let mut header = vec!["backend".to_owned()];
        for (what, measured) in [
            ("trained", &first.training),
            ("predicted", &first.predicting),
        ] {
            header.extend(measured.iter().map(|at| format!("{what}, {}", at.batch)));
        }
        let throughput: Vec<Vec<String>> = (rows.iter())
            .map(|(_, measured, router)| {
                let both = router.training.iter().chain(&router.predicting);
                let numbers = both.map(|at| format!("{:.0}", at.per_second()));
                std::iter::once(measured.identity.clone())
                    .chain(numbers)
                    .collect()
            })
            .collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        text += &markdown_table(&header, &throughput);
        text += &format!("\nAgreement with {first_name}, and metrics:\n\n");
        let agreement: Vec<Vec<String>> = (rows.iter())
            .map(|(_, measured, router)| {
                let agreement = Agreement::of(first, router);
                let mut row = vec![
                    measured.identity.clone(),
                    format!("{:.1e}", agreement.quality),
                    format!("{:.1e}", agreement.quality_relative),
                    format!("{:.1e}", agreement.cost),
                    format!("{:.1e}", agreement.loss),
                    format!("{:.2} %", agreement.decisions * 100.0),
                ];
                let metric = |value: &Option<f64>| {
                    value.map_or("∞".to_owned(), |value| format!("{value:.4}"))
                };
                row.extend(router.metrics.iter().map(metric));
                row
            })
            .collect();
        let mut header = vec![
            "backend",
            "Δ score",
            "… in σ",
            "Δ cost",
            "Δ loss, share",
            "equal decisions",
        ];
        header.extend(METRICS.map(|metric| metric.name));
        text += &markdown_table(&header, &agreement);
        text += "\n";
    }
    for (name, measured) in columns {
        if let Err(reason) = measured {
            text += &format!("{name}: left out: {reason}\n");
        }
    }
    text
}

fn throughput(measured: &[Throughput]) -> Value {
    let point = |at: &Throughput| {
        json!({
            "batch": at.batch,
            "queries": at.queries,
            "seconds": at.seconds,
            "queries_per_second": at.per_second(),
        })
    };
    measured.iter().map(point).collect()
}

/// The comparison for programs.
fn result(columns: &[Column]) -> Value {
    let first = columns
        .iter()
        .find_map(|(_, measured)| measured.as_ref().ok());
    let of = |(name, measured): &Column| match (measured, first) {
        (Ok(measured), Some(first)) => json!({
            "backend": name,
            "identity": measured.identity,
            "peak_memory": measured.peak_memory,
            "device_memory": measured.device_memory,
            "routers": measured.routers.iter().zip(&first.routers).map(|(router, first)| json!({
                "router": router.label,
                "train": router.train,
                "test": router.test,
                "first_step": router.first_step,
                "epochs": router.epochs,
                "epoch": router.epoch(),
                "kernels": router.kernels,
                "first_prediction": router.first_prediction,
                "prediction": router.prediction,
                "losses": router.losses,
                "training": throughput(&router.training),
                "predicting": throughput(&router.predicting),
                "agreement": Agreement::of(first, router),
                "metrics": METRICS.iter().zip(&router.metrics)
                    .map(|(metric, value)| (metric.name.to_owned(), json!(value)))
                    .collect::<serde_json::Map<String, Value>>(),
            })).collect::<Vec<Value>>(),
        }),
        (Err(reason), _) => json!({ "backend": name, "problem": reason }),
        (Ok(_), None) => unreachable!("the first of those that were measured"),
    };
    columns.iter().map(of).collect()
}

/// Draws the router at `index` on every backend, as `backends-ROUTER`.
fn draw(
    measured: &[(&str, &Measured)],
    index: usize,
    experiment: &Experiment,
    folder: &Path,
) -> Outcome {
    let first = &measured[0].1.routers[index];
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let row = |(_, measured): &(&str, &Measured)| {
        let router = &measured.routers[index];
        let agreement = Agreement::of(first, router);
        let steady = || router.steady().iter().copied();
        let (low, high) = (
            steady().fold(f64::MAX, f64::min),
            steady().fold(0.0, f64::max),
        );
        BackendRow {
            name: measured.identity.clone(),
            epoch: Estimate {
                value: router.epoch(),
                interval: Some((low, high)),
            },
            throughput: (router.training.iter())
                .map(|at| Some(at.per_second()))
                .collect(),
            memory: measured.peak_memory.map(mebibytes),
            device_memory: measured.device_memory.map(mebibytes),
            difference: agreement.quality_relative,
            decisions: agreement.decisions,
        }
    };
    let chart = BackendsChart {
        router: first.label.clone(),
        batch_sizes: first.training.iter().map(|at| at.batch).collect(),
        rows: measured.iter().map(row).collect(),
        note: Some(format!(
            "{}: {} training queries, {} test queries; epochs after the first, with the range from the fastest to the slowest.",
            first.label, first.train, first.test
        )),
    };
    let stem = format!("backends-{}", slug(&first.label));
    let drawing = chart.draw(&experiment.style).map_err(Failure::failed)?;
    drawing.save(folder, &stem).map_err(Failure::failed)?;
    Ok(())
}
