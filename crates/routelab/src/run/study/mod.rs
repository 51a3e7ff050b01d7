//! An experiment in several variants: a run for each, and an overview of all.

mod figures;
mod tables;
mod variance;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::results::{COMPARISON, RouterResult};
use super::{Finished, Job, Reopen, run_one};
use crate::experiment::Study;
use crate::failure::{Failure, Outcome, bad_request};
use crate::folder::{REPORT, RunFolder, STUDY_MARK, is_used, remove_temporary};
use crate::report;
use crate::text::{Csv, cell, optional};

/// Runs every variant and writes the overview.
pub fn run(job: &Job, study: &Study, out: &Path) -> Outcome<Value> {
    let folder = out.join(&study.name);
    let used = is_used(&folder);
    if used && !folder.join(STUDY_MARK).exists() {
        return Err(bad_request!(
            "{} exists and is not the folder of a study\nhelp: choose another folder with `--out`",
            folder.display()
        ));
    }
    if job.reopen == Reopen::Resume && !used {
        return Err(bad_request!(
            "there is no run to resume in {}\nhelp: leave out `--resume` to start one",
            folder.display()
        ));
    }
    fs::create_dir_all(&folder).map_err(|error| {
        bad_request!(
            "cannot use {} for the study: {error}\nhelp: choose another folder with `--out`",
            folder.display()
        )
    })?;
    remove_temporary(&folder).map_err(|error| Failure::write(&folder, error))?;
    let variants: Vec<Value> = study
        .variants
        .iter()
        .map(|variant| {
            json!({"label": variant.label, "value": variant.value, "folder": variant.experiment.name})
        })
        .collect();
    let mark = json!({
        "title": study.title,
        "description": study.description,
        "axis": study.axis,
        "variants": variants,
    });
    let overview = Overview {
        study,
        folder: RunFolder::at(&folder),
        runs: Vec::new(),
    };
    overview
        .folder
        .write(STUDY_MARK, format!("{mark:#}\n").as_bytes())?;
    let mut overview = overview;
    for variant in &study.variants {
        let finished = run_one(job, &variant.experiment, &folder)?;
        overview.runs.push(finished);
    }
    overview.folder.write("overview.csv", &overview.csv()?)?;
    let mut tables = overview.tables();
    let variance = overview.variance()?;
    if let Some(variance) = &variance {
        let csv = variance.csv(&overview.labels())?;
        overview.folder.write("variance.csv", &csv)?;
        tables.extend(variance.tables());
    }
    let markdown = overview.markdown(&tables);
    overview.folder.write("overview.md", markdown.as_bytes())?;
    overview
        .folder
        .write("overview.tex", overview.latex().as_bytes())?;
    overview
        .folder
        .write("comparisons.csv", &overview.comparisons()?)?;
    overview.figures(variance.as_ref())?;
    let report = folder.join(REPORT);
    overview
        .folder
        .write(REPORT, report::overview(&overview.page(tables)?).as_bytes())?;
    job.output.say(markdown);
    job.output.say(format!("report: {}", report.display()));
    Ok(json!({
        "run": folder,
        "report": report,
        "variants": study.variants.iter().zip(&overview.runs).map(|(variant, run)| json!({
            "label": variant.label,
            "run": run.folder.path(),
            "metrics": run.results.summary_json(),
        })).collect::<Vec<_>>(),
    }))
}

/// The finished runs of a study.
struct Overview<'a> {
    study: &'a Study,
    folder: RunFolder,
    runs: Vec<Finished>,
}

impl Overview<'_> {
    /// The labels of all routers, in the order in which they first appear.
    fn routers(&self) -> Vec<&str> {
        let mut labels = Vec::new();
        for router in self.runs.iter().flat_map(|run| &run.results.routers) {
            if !labels.contains(&router.label.as_str()) {
                labels.push(router.label.as_str());
            }
        }
        labels
    }

    /// A router's result in every variant.
    fn row(&self, label: &str) -> Vec<Option<&RouterResult>> {
        self.runs
            .iter()
            .map(|run| {
                run.results
                    .routers
                    .iter()
                    .find(|router| router.label == label)
            })
            .collect()
    }

    /// Every metric of every router in every variant.
    fn csv(&self) -> Outcome<Vec<u8>> {
        let mut csv = Csv::headed(
            "variant,value,router,metric,mean,low,high,finite_seeds,seeds,costs",
            None,
        )?;
        for (variant, run) in self.study.variants.iter().zip(&self.runs) {
            for router in &run.results.routers {
                for metric in router.metrics() {
                    let Some(summary) = router.summary(metric) else {
                        continue;
                    };
                    csv.row([
                        variant.label.clone(),
                        optional(variant.value),
                        router.label.clone(),
                        metric.name.to_owned(),
                        cell(summary.mean),
                        optional(summary.interval.map(|(low, _)| low)),
                        optional(summary.interval.map(|(_, high)| high)),
                        summary.finite.0.to_string(),
                        summary.finite.1.to_string(),
                        run.results.costs().to_owned(),
                    ])?;
                }
            }
        }
        csv.finish()
    }

    /// The paired comparisons of every variant.
    fn comparisons(&self) -> Outcome<Vec<u8>> {
        let mut csv = Csv::headed(&format!("variant,{COMPARISON}"), None)?;
        for (variant, run) in self.study.variants.iter().zip(&self.runs) {
            for comparison in run.results.comparison_rows() {
                csv.row([variant.label.clone()].into_iter().chain(comparison))?;
            }
        }
        csv.finish()
    }

    fn labels(&self) -> Vec<&str> {
        self.study
            .variants
            .iter()
            .map(|variant| variant.label.as_str())
            .collect()
    }
}
