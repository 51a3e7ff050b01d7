//! `routelab backends compare`: the same fits on several backends, each in a process of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use routelab_data::write_atomically;
use routelab_heads::backend::{BACKENDS, Place};
use routelab_plot::{
    Better, Estimate, Positions, Quantity, Role, SweepChart, SweepPanel, SweepSeries,
};
use routelab_routers::Registry;
use serde_json::{Value, json};

use super::CompareBackendsArgs;
use super::agreement::Agreement;
use super::measure::{METRICS, Measured, MeasuredRouter, measure, routers};
use super::{open, size};
use crate::experiment::{Experiment, Request};
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
    draw(&measured, experiment, &folder)?;
    output.say(text);
    output.say(format!("table, JSON and figure: {}", folder.display()));
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

fn per_second(queries: usize, seconds: f64) -> f64 {
    queries as f64 / seconds.max(1e-9)
}

/// The comparison in Markdown.
fn text(columns: &[Column]) -> String {
    let mut text = String::new();
    for index in 0..router_count(columns) {
        let rows = side_by_side(columns, index);
        let (first_name, _, first) = rows[0];
        text += &format!(
            "## {}\n\n{} training queries, {} epochs; {} test queries. First step: up to 128 queries, with \
             the compilation of kernels. Memory: the whole process.\n\n",
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
            ],
            &times,
        );
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
            "routers": measured.routers.iter().zip(&first.routers).map(|(router, first)| json!({
                "router": router.label,
                "train": router.train,
                "test": router.test,
                "first_step": router.first_step,
                "epochs": router.epochs,
                "epoch": router.epoch(),
                "first_prediction": router.first_prediction,
                "prediction": router.prediction,
                "losses": router.losses,
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

/// Draws times and memory of every backend.
fn draw(measured: &[(&str, &Measured)], experiment: &Experiment, folder: &Path) -> Outcome {
    let labels: Vec<&str> = measured[0]
        .1
        .routers
        .iter()
        .map(|router| router.label.as_str())
        .collect();
    let panel =
        |name: &str,
         better: Better,
         value: &dyn Fn(&Measured, &MeasuredRouter) -> Option<Estimate>| SweepPanel {
            metric: Quantity {
                name: name.to_owned(),
                percent: false,
                better,
            },
            log: true,
            values: (0..labels.len())
                .map(|router| {
                    let values = measured
                        .iter()
                        .map(|(_, measured)| value(measured, &measured.routers[router]));
                    values.collect()
                })
                .collect(),
        };
    let exact = |value: f64| {
        Some(Estimate {
            value,
            interval: None,
        })
    };
    let mut panels = vec![
        panel("Seconds per epoch", Better::Lower, &|_, router| {
            let steady = router.steady().iter().copied();
            let (low, high) = (
                steady.clone().fold(f64::MAX, f64::min),
                steady.fold(0.0, f64::max),
            );
            Some(Estimate {
                value: router.epoch(),
                interval: Some((low, high)),
            })
        }),
        panel("Seconds of the first step", Better::Lower, &|_, router| {
            exact(router.first_step)
        }),
        panel(
            "Predicted queries per second",
            Better::Higher,
            &|_, router| exact(per_second(router.test, router.prediction)),
        ),
    ];
    if measured
        .iter()
        .all(|(_, measured)| measured.peak_memory.is_some())
    {
        panels.push(panel("Peak memory, MiB", Better::Lower, &|measured, _| {
            measured
                .peak_memory
                .and_then(|bytes| exact(bytes as f64 / f64::from(1 << 20)))
        }));
    }
    let chart = SweepChart {
        parameter: "backend".to_owned(),
        positions: Positions::Categories(
            measured
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
        ),
        series: (labels.iter())
            .map(|label| SweepSeries {
                name: (*label).to_owned(),
                role: Role::Router,
            })
            .collect(),
        panels,
        note: Some(
            "Epochs after the first, with the range from the fastest to the slowest.".to_owned(),
        ),
    };
    let drawing = chart.draw(&experiment.style).map_err(Failure::failed)?;
    drawing.save(folder, "backends").map_err(Failure::failed)?;
    Ok(())
}
