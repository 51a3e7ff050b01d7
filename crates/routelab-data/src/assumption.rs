//! Costs for data sets whose publishers recorded none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::input::{read_text, resolve_path};
use crate::report::InputFile;
use crate::table::CostUnit;

/// Average characters of one token, for prompts whose tokens were not counted.
const CHARACTERS_PER_TOKEN: usize = 4;

/// Where costs come from when the data has none. Always an assumption, and marked as one in [`CostUnit::assumption`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum CostAssumption {
    /// List prices: `(prompt tokens + image_tokens) * input / 1e6 + output_tokens * output / 1e6` US dollars, where the
    /// prompt's tokens are its characters divided by four, rounded up, and `image_tokens` count only where there is an image.
    Prices {
        /// TOML file with `[defaults] image_tokens, output_tokens` and one table per pool, in which every model has
        /// `{ input, output }` in US dollars per million tokens.
        file: PathBuf,
        /// Table of the pool; the name of the format by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table: Option<String>,
    },
    /// A fixed cost of one call, by model.
    PerCall {
        /// Unit of the costs.
        unit: String,
        /// Cost of one call by model, not negative.
        models: BTreeMap<String, f64>,
    },
    /// Every call costs 1 call: routing by quality alone.
    Uniform,
    /// The file has costs, but nobody recorded them: an estimate, and marked as one.
    Estimated {
        /// How they were estimated, in a few words.
        how: String,
    },
}

/// What a cost may depend on.
pub(crate) struct Pool<'a> {
    pub(crate) format: &'a str,
    pub(crate) models: &'a [String],
    pub(crate) prompts: &'a [String],
    pub(crate) has_image: Vec<bool>,
}

/// Costs, their unit, and the file that they came from.
pub(crate) struct AssumedCost {
    pub(crate) cost: Array2<f64>,
    pub(crate) unit: CostUnit,
    pub(crate) file: Option<InputFile>,
}

#[derive(Deserialize)]
struct Defaults {
    image_tokens: f64,
    output_tokens: f64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    input: f64,
    output: f64,
}

impl CostAssumption {
    pub(crate) fn resolve(&mut self, folder: &Path) {
        if let Self::Prices { file, .. } = self {
            *file = resolve_path(folder, file);
        }
    }

    pub(crate) fn apply(&self, pool: &Pool<'_>) -> Result<AssumedCost, DataError> {
        let shape = (pool.prompts.len(), pool.models.len());
        match self {
            Self::Prices { file, table } => {
                from_prices(file, table.as_deref().unwrap_or(pool.format), pool)
            }
            Self::PerCall { unit, models } => {
                let prices = pool
                    .models
                    .iter()
                    .map(|model| per_call(models, model))
                    .collect::<Result<Vec<_>, _>>()?;
                let assumption =
                    format!("a fixed cost per call and model, in {unit}; costs were not recorded");
                Ok(AssumedCost {
                    cost: Array2::from_shape_fn(shape, |(_, model)| prices[model]),
                    unit: CostUnit {
                        name: unit.clone(),
                        assumption: Some(assumption),
                    },
                    file: None,
                })
            }
            Self::Uniform => Ok(AssumedCost {
                cost: Array2::ones(shape),
                unit: CostUnit {
                    name: "calls".to_owned(),
                    assumption: Some(
                        "every call costs the same; costs were not recorded".to_owned(),
                    ),
                },
                file: None,
            }),
            Self::Estimated { .. } => unreachable!("costs of the file itself"),
        }
    }
}

fn per_call(models: &BTreeMap<String, f64>, model: &str) -> Result<f64, DataError> {
    let problem = match models.get(model) {
        Some(&price) if price >= 0.0 && price.is_finite() => return Ok(price),
        Some(price) => {
            format!("the cost of model {model:?} is {price}, expected a finite number not below 0")
        }
        None => format!("there is no cost for model {model:?}"),
    };
    let remedy = "give every model's cost of one call in `models`";
    Err(DataError::spec("cost", problem, remedy))
}

fn from_prices(file: &Path, table: &str, pool: &Pool<'_>) -> Result<AssumedCost, DataError> {
    let wrong = |detail: String| DataError::Toml {
        path: file.to_owned(),
        detail,
    };
    let input = InputFile::of(file)?;
    let text = read_text(file)?;
    let mut document: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| wrong(error.to_string()))?;
    let mut section = |name: &str| {
        document.remove(name).ok_or_else(|| {
            wrong(format!(
                "there is no table [{name}]; add it, with the prices of the pool"
            ))
        })
    };
    let defaults: Defaults = section("defaults")?
        .try_into()
        .map_err(|error: toml::de::Error| wrong(format!("[defaults]: {error}")))?;
    let prices: BTreeMap<String, Price> = section(table)?
        .try_into()
        .map_err(|error: toml::de::Error| wrong(format!("[{table}]: {error}")))?;
    let prices = pool
        .models
        .iter()
        .map(|model| {
            prices.get(model).copied().ok_or_else(|| {
                wrong(format!(
                    "[{table}] has no price for model {model:?}; add it"
                ))
            })
        })
        .collect::<Result<Vec<Price>, _>>()?;
    let tokens = |row: usize| {
        let prompt = pool.prompts[row]
            .chars()
            .count()
            .div_ceil(CHARACTERS_PER_TOKEN) as f64;
        if pool.has_image[row] {
            prompt + defaults.image_tokens
        } else {
            prompt
        }
    };
    let cost = Array2::from_shape_fn((pool.prompts.len(), pool.models.len()), |(row, model)| {
        let Price { input, output } = prices[model];
        (tokens(row) * input + defaults.output_tokens * output) / 1e6
    });
    if let Some(((_, model), value)) = cost
        .indexed_iter()
        .find(|(_, value)| !(**value >= 0.0 && value.is_finite()))
    {
        return Err(wrong(format!(
            "[{table}] makes a cost of {value} for model {:?}; prices must not be negative",
            pool.models[model]
        )));
    }
    let file_name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let assumption = format!(
        "list prices of {file_name} [{table}], {CHARACTERS_PER_TOKEN} characters per prompt token, {} tokens per image, {} output tokens per answer; costs were not recorded",
        defaults.image_tokens, defaults.output_tokens
    );
    let unit = CostUnit {
        name: "US dollars".to_owned(),
        assumption: Some(assumption),
    };
    Ok(AssumedCost {
        cost,
        unit,
        file: Some(input),
    })
}
