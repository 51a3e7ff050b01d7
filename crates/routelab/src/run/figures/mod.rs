//! From results to figures. A figure is one file here and one line in [`FIGURES`].

mod call_mix;
mod call_rate;
pub mod cost_quality;
mod decomposition;
mod differences;
pub mod margins;
mod rci;
#[cfg(test)]
mod regret;
mod tuning;

use routelab_eval::Metric;
use routelab_plot::{Better, Drawing, LabelledPoint, PlotError, Role, Style, missing_note};

pub use differences::COMPARED;

use super::inputs::Inputs;
use super::results::{Results, RouterResult};
use super::store::Store;
use crate::experiment::Experiment;
use crate::failure::{Failure, Outcome};
use crate::folder::FigureRecord;
use crate::output::Output;

/// A figure of a run.
pub struct Figure {
    /// The name of its files.
    stem: &'static str,
    /// Its heading on the page.
    title: &'static str,
    /// The same in the page's contents.
    short: &'static str,
    /// What it shows.
    explanation: &'static str,
    /// Whether the page's scripts draw it themselves.
    interactive: bool,
    /// Draws it; none where the run lacks what it shows.
    draw: fn(&Drawn) -> Picture,
}

/// What drawing a figure comes to.
type Picture = Outcome<Option<Result<Drawing, PlotError>>>;

/// What figures show.
pub struct Drawn<'a> {
    /// What was run.
    pub experiment: &'a Experiment,
    /// On what.
    pub inputs: &'a Inputs,
    /// What came of it.
    pub results: &'a Results,
}

impl Drawn<'_> {
    fn style(&self) -> &Style {
        &self.experiment.style
    }
}

/// All figures, in the order of the page.
const FIGURES: &[Figure] = &[
    call_rate::FIGURE,
    cost_quality::FIGURE,
    call_mix::FIGURE,
    margins::FIGURE,
    rci::FIGURE,
    decomposition::FIGURE,
    differences::FIGURE,
    tuning::FIGURE,
    #[cfg(test)]
    regret::FIGURE,
];

/// Writes every figure into `figures/`, as SVG, PDF, PNG and the CSV that it draws. Says which were drawn.
pub fn write(run: &Drawn, store: &Store, output: &Output) -> Outcome<Vec<FigureRecord>> {
    let mut drawn = Vec::new();
    if run.results.working().next().is_none() {
        store.log("no router worked, so there is nothing to draw".to_owned())?;
        return Ok(drawn);
    }
    let folder = store.file("figures");
    std::fs::create_dir_all(&folder).map_err(|error| Failure::write(&folder, error))?;
    // Characters of names that no font here has.
    let mut missing = Vec::new();
    for figure in FIGURES {
        let drawing = match (figure.draw)(run)? {
            None => continue,
            // What a run lacks is no reason to lose the rest of it.
            Some(Err(PlotError::Empty { .. })) => {
                store.log(format!("{}: nothing to draw", figure.stem))?;
                continue;
            }
            Some(drawing) => drawing.map_err(Failure::failed)?,
        };
        for &c in drawing.missing() {
            if !missing.contains(&c) {
                missing.push(c);
            }
        }
        drawing
            .save(&folder, figure.stem)
            .map_err(Failure::failed)?;
        drawn.push(FigureRecord {
            stem: figure.stem.to_owned(),
            title: figure.title.to_owned(),
            short: figure.short.to_owned(),
            explanation: figure.explanation.to_owned(),
            interactive: figure.interactive,
        });
    }
    if !missing.is_empty() {
        output.remark(format!("note: figures: {}", missing_note(&missing)));
    }
    Ok(drawn)
}

/// The figures that need no more of a run than its routers' results.
pub const ALONE: [&str; 6] = [
    "call_rate",
    "cost_quality",
    "call_mix",
    "margins",
    "rci",
    "decomposition",
];

/// One of [`ALONE`]; `singles`: mean cost and quality of every model. `None` for another name.
pub fn alone(
    stem: &str,
    results: &Results,
    singles: Vec<LabelledPoint>,
    style: &Style,
) -> Option<Result<Drawing, PlotError>> {
    Some(match stem {
        "call_rate" => call_rate::chart(results).draw(style),
        "cost_quality" => cost_quality::chart(results, singles).draw(style),
        "call_mix" => call_mix::chart(results).draw(style),
        "margins" => margins::chart(results).draw(style),
        "rci" => rci::chart(results).draw(style),
        "decomposition" => decomposition::chart(results).draw(style),
        _ => return None,
    })
}

/// A metric as figures name it.
pub fn drawn_metric(metric: &Metric) -> routelab_plot::Quantity {
    routelab_plot::Quantity {
        name: metric.heading.to_owned(),
        percent: metric.percent,
        better: match metric.better {
            routelab_eval::Better::Higher => Better::Higher,
            routelab_eval::Better::Lower => Better::Lower,
            routelab_eval::Better::Neither => Better::Neither,
        },
    }
}

/// How a router is drawn.
pub fn role(results: &Results, router: &RouterResult) -> Role {
    match router.kind.as_str() {
        // A noisy oracle is one of the things that are compared.
        "oracle" if router.noise > 0.0 => Role::Router,
        "oracle" => Role::Oracle,
        "random" | "cheapest" | "strongest" | "best-single" => Role::Baseline,
        _ if Some(&router.label) == results.reference.as_ref() => Role::Highlight,
        _ => Role::Router,
    }
}

/// Which model counts as strongest, and that costs are an assumption, where they are.
fn collapse_note(results: &Results) -> Option<String> {
    let strongest = format!(
        "Strongest model: {}.",
        results.strongest_named(&results.names)
    );
    Some(match cost_note(results) {
        Some(costs) => format!("{strongest} {costs}"),
        None => strongest,
    })
}

/// Says that costs are an assumption, where they are.
fn cost_note(results: &Results) -> Option<String> {
    let assumption = results.cost_assumption.as_ref()?;
    Some(format!("Costs are an assumption: {assumption}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{Experiment, RunOptions};

    /// docs/add-a-figure.md, carried out: one file and one line, and the figure is in the folder, the results and the report.
    #[test]
    fn a_figure_is_one_file_and_one_line() {
        let place = tempfile::tempdir().unwrap();
        let rows =
            (0..40).map(|i| format!("{i},Add {i} and {i}.,sums,{},0.1,1,{}\n", i % 2, 1 + i % 3));
        let head = "sample_id,prompt,eval_name,small,small|total_cost,large,large|total_cost\n";
        let table = head.to_owned() + &rows.collect::<String>();
        fs::write(place.path().join("table.csv"), table).unwrap();
        let file = place.path().join("small.toml");
        let text = "name = \"small\"\nseeds = 2\n[data]\nformat = \"routerbench\"\npath = \"table.csv\"\n[embeddings]\n\
                    encoder = \"prompt-length\"\n[evaluation]\nbootstrap = 20\n[[router]]\nkind = \"linear\"\n";
        fs::write(&file, text).unwrap();
        let options = RunOptions {
            out: place.path().join("runs"),
            ..RunOptions::default()
        };
        let run = Experiment::from_toml(&file).unwrap().run(&options).unwrap();
        let figures = run.results().unwrap().figures;
        assert_eq!(figures.last().unwrap().stem, "regret");
        for ending in ["svg", "pdf", "png", "csv"] {
            assert!(run.file(&format!("figures/regret.{ending}")).is_file());
        }
        let page = run.text("report.html").unwrap();
        assert!(
            page.contains("<section id=\"regret\">") && page.contains("Mean quality given away")
        );
        // The encoder of docs/add-an-encoder.md is known in the same way.
        let manifest = run.manifest().unwrap();
        assert_eq!(manifest["embeddings"]["encoders"][0], "prompt-length");
    }
}
