//! `queries.json`: a sample of the first seed's test queries, with what every model did and what every router predicted.
//!
//! The report shows them. Everything is exact, so that whoever applies the rule to the predictions chooses as the
//! evaluation did.

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use image::{ImageReader, Limits};
use ndarray::{Array2, ArrayView2};
use routelab_eval::collapse::{Verdict, verdicts};
use routelab_eval::{Choices, Decision, Scores, Truth};
use routelab_plot::Role;
use serde_json::{Value, json};

use super::figures::role;
use super::inputs::Inputs;
use super::results::Results;
use super::store::Store;
use crate::experiment::Experiment;
use crate::failure::{Failure, Outcome};
use crate::folder::{Unit, UnitOutcome};

/// Queries in the sample.
const QUERIES: usize = 200;
/// Longest prompt that is kept whole, in characters.
const PROMPT: usize = 1500;
/// Of a longer prompt: characters kept of its beginning. The rest is kept of its end, where the question is.
const PROMPT_START: usize = 400;
/// Longest side of an image, in pixels.
const IMAGE_SIDE: u32 = 320;
/// Largest image that is decoded, in bytes.
const MAX_DECODED: u64 = 256 << 20;
/// Quality of the JPEGs, of 100.
const JPEG_QUALITY: u8 = 78;

/// A router that worked on the first seed.
struct Working<'a> {
    label: &'a str,
    role: Role,
    scores: &'a Scores,
    decision: Decision,
    choices: &'a Choices,
}

/// Writes the sample; `units` are those of the first seed, in the order of the experiment.
pub fn write(
    experiment: &Experiment,
    inputs: &Inputs,
    units: &[Unit],
    results: &Results,
    store: &Store,
) -> Outcome {
    let routers: Vec<Working> = (results.routers.iter().zip(units))
        .filter_map(|(router, unit)| match &unit.outcome {
            UnitOutcome::Predicted { scores, decision } => Some(Working {
                label: &router.label,
                role: role(results, router),
                scores,
                decision: *decision,
                choices: (router.seeds[0].choices.as_ref())
                    .expect("choices on the first seed are kept"),
            }),
            UnitOutcome::Failed(_) => None,
        })
        .collect();
    if routers.is_empty() || results.grid.is_empty() {
        return Ok(());
    }
    let rows = &inputs.splits[0].test;
    let test = inputs.table.select(rows);
    let truth = Truth::new(test.quality(), test.cost()).map_err(Failure::failed)?;
    let grid = &results.grid;
    let last: Vec<Vec<usize>> = (routers.iter())
        .map(|router| router.choices.last())
        .collect();
    let roles: Vec<Role> = routers.iter().map(|router| router.role).collect();
    let sample = sample(&kinds(&truth, &last, &roles, results.strongest()));

    let queries: Vec<Value> = sample
        .iter()
        .map(|&row| {
            let mut query = json!({
                "id": test.ids()[row],
                "task": test.tasks()[row],
                "quality": test.quality().row(row).to_vec(),
                "cost": test.cost().row(row).to_vec(),
            });
            prompt(&test.prompts()[row], &mut query);
            if let Some(path) = test.images().and_then(|images| images[row].as_deref()) {
                // A report that lacks a picture is no reason to lose a run; the page says which one.
                match thumbnail(path) {
                    Ok(uri) => query["image"] = uri.into(),
                    Err(reason) => query["image_missing"] = reason.into(),
                }
            }
            query
        })
        .collect();
    let of_sample = |matrix: &Array2<f64>| -> Vec<Vec<f64>> {
        sample.iter().map(|&row| matrix.row(row).to_vec()).collect()
    };
    let quarters: Vec<usize> = (0..5)
        .map(|quarter| quarter * (grid.len() - 1) / 4)
        .collect();
    let routers: Vec<Value> = routers
        .iter()
        .map(|router| {
            let checks = quarters.iter().map(|&at| {
                let all = router.choices.at(at);
                json!({
                    "budget": grid[at],
                    "choices": sample.iter().map(|&row| all[row]).collect::<Vec<_>>(),
                })
            });
            let mut value = json!({
                "router": router.label,
                "decision": router.decision,
                "quality": of_sample(&router.scores.quality),
                "cost": of_sample(&router.scores.cost),
                "checks": checks.collect::<Vec<_>>(),
            });
            if router.decision.is_trade_off() {
                value["prices"] = json!(router.choices.prices());
            }
            value
        })
        .collect();
    let file = json!({
        "seed": experiment.seeds[0],
        "test_queries": test.len(),
        "infeasible": experiment.evaluation.infeasible,
        "ties": experiment.evaluation.ties,
        "budgets": grid,
        "queries": queries,
        "routers": routers,
    });
    store.write("queries.json", format!("{file}\n").as_bytes())
}

/// What can make a query worth a look, in the order in which the sample is filled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// No model scores above 0.
    Hopeless,
    /// Only strongest models are best.
    NeedsStrongest,
    /// The router that the others are compared with is wrong at the largest budget.
    ReferenceWrong,
    /// Half of the learned routers or more waste the strongest model at the largest budget.
    Wasteful,
    /// Learned routers choose different models at the largest budget.
    Disputed,
    Plain,
}

/// Kinds in the order of the rows of `truth`; `choices` per router.
fn kinds(truth: &Truth, choices: &[Vec<usize>], roles: &[Role], strongest: &[usize]) -> Vec<Kind> {
    let learned: Vec<usize> = (0..roles.len())
        .filter(|&router| matches!(roles[router], Role::Router | Role::Highlight))
        .collect();
    let reference = roles.iter().position(|&role| role == Role::Highlight);
    let verdicts: Vec<Vec<Verdict>> = choices
        .iter()
        .map(|choices| verdicts(truth, choices, strongest))
        .collect();
    let kind = |row: usize| {
        let quality: ArrayView2<f64> = truth.quality;
        let best = quality.row(row).fold(0.0, |best: f64, &q| best.max(q));
        let is_best = |&model: &usize| quality[[row, model]] == best;
        let wasteful = |&&router: &&usize| verdicts[router][row] == Verdict::Wasteful;
        let choice = |&router: &usize| choices[router][row];
        if best == 0.0 {
            Kind::Hopeless
        } else if (0..truth.models())
            .filter(is_best)
            .all(|model| strongest.contains(&model))
        {
            Kind::NeedsStrongest
        } else if reference.is_some_and(|router| verdicts[router][row] == Verdict::Wrong) {
            Kind::ReferenceWrong
        } else if !learned.is_empty()
            && learned.iter().filter(wasteful).count() * 2 >= learned.len()
        {
            Kind::Wasteful
        } else if learned
            .windows(2)
            .any(|pair| choice(&pair[0]) != choice(&pair[1]))
        {
            Kind::Disputed
        } else {
            Kind::Plain
        }
    };
    (0..truth.queries()).map(kind).collect()
}

/// Up to [`QUERIES`] rows, ascending: of every kind an equal share, spread evenly over its rows; what a kind does not fill
/// goes to the others.
fn sample(kinds: &[Kind]) -> Vec<usize> {
    let mut groups: Vec<Vec<usize>> = [
        Kind::Hopeless,
        Kind::NeedsStrongest,
        Kind::ReferenceWrong,
        Kind::Wasteful,
        Kind::Disputed,
        Kind::Plain,
    ]
    .map(|kind| (0..kinds.len()).filter(|&row| kinds[row] == kind).collect())
    .to_vec();
    // The smallest group first: then every later one knows how much is left for it.
    groups.sort_by_key(Vec::len);
    let mut chosen = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        let share = (QUERIES - chosen.len()) / (groups.len() - at);
        let count = share.min(group.len());
        chosen.extend((0..count).map(|i| group[i * group.len() / count]));
    }
    chosen.sort_unstable();
    chosen
}

/// Adds the prompt; of a long one its two ends, and how much is left out between them.
fn prompt(text: &str, query: &mut Value) {
    let length = text.chars().count();
    if length <= PROMPT {
        query["prompt"] = text.into();
        return;
    }
    let left_out = length - PROMPT;
    query["prompt"] = text.chars().take(PROMPT_START).collect::<String>().into();
    query["left_out"] = left_out.into();
    query["prompt_end"] = text
        .chars()
        .skip(PROMPT_START + left_out)
        .collect::<String>()
        .into();
}

/// The image as a small JPEG in a data URI, or why there is none. The reason names the file, not its place.
fn thumbnail(path: &Path) -> Result<String, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED);
    let mut reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|error| format!("{name}: {error}"))?;
    reader.limits(limits);
    let image = reader
        .decode()
        .map_err(|error| format!("{name}: {error}"))?;
    let small = if image.width().max(image.height()) > IMAGE_SIDE {
        image.thumbnail(IMAGE_SIDE, IMAGE_SIDE)
    } else {
        image
    };
    // JPEG has no transparency: what is transparent is meant to be seen on white.
    let mut rgba = small.into_rgba8();
    for pixel in rgba.pixels_mut() {
        let alpha = u32::from(pixel[3]);
        for channel in &mut pixel.0[..3] {
            *channel = ((u32::from(*channel) * alpha + 255 * (255 - alpha)) / 255) as u8;
        }
    }
    let rgb = image::DynamicImage::ImageRgba8(rgba).into_rgb8();
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .encode_image(&rgb)
        .map_err(|error| format!("{name}: {error}"))?;
    Ok(format!(
        "data:image/jpeg;base64,{}",
        BASE64_STANDARD.encode(&bytes)
    ))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn queries_worth_a_look_are_told_apart() {
        // Model 1 is the strongest. Routers: the reference, another learned one.
        let quality = array![
            [0.0, 0.0],
            [0.0, 1.0],
            [1.0, 0.0],
            [1.0, 1.0],
            [1.0, 0.5],
            [1.0, 0.5]
        ];
        let cost = Array2::from_shape_fn((6, 2), |(_, model)| model as f64);
        let truth = Truth::new(quality.view(), cost.view()).unwrap();
        let choices = [vec![0, 1, 1, 0, 0, 0], vec![0, 1, 0, 1, 1, 0]];
        let found = kinds(&truth, &choices, &[Role::Highlight, Role::Router], &[1]);
        let expected = [
            Kind::Hopeless,
            Kind::NeedsStrongest,
            Kind::ReferenceWrong,
            Kind::Wasteful,
            Kind::Disputed,
            Kind::Plain,
        ];
        assert!(found == expected);
    }

    #[test]
    fn rare_kinds_are_in_the_sample_whole() {
        let mut kinds = vec![Kind::Plain; 2000];
        for row in [3, 700, 1999] {
            kinds[row] = Kind::Disputed;
        }
        let rows = sample(&kinds);
        assert_eq!(rows.len(), QUERIES);
        assert!([3, 700, 1999].iter().all(|row| rows.contains(row)));
        assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(rows.iter().any(|&row| row < 20) && rows.iter().any(|&row| row > 1980));
        assert_eq!(sample(&kinds[..50]).len(), 50);
    }

    #[test]
    fn long_prompts_keep_both_ends() {
        let text = format!("{}{}", "a".repeat(PROMPT_START), "é".repeat(PROMPT));
        let mut query = json!({});
        prompt(&text, &mut query);
        assert_eq!(query["prompt"], "a".repeat(PROMPT_START));
        assert_eq!(query["left_out"], PROMPT_START);
        assert_eq!(query["prompt_end"], "é".repeat(PROMPT - PROMPT_START));
        prompt("short", &mut query);
        assert_eq!(query["prompt"], "short");
    }
}
