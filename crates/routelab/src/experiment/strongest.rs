//! `strongest`: the model onto which routing can collapse.

use std::convert::Infallible;
use std::str::FromStr;

use ndarray::{Array2, ArrayView2, Axis};
use routelab_data::RoutingTable;
use routelab_eval::{Strongest, Truth};
use serde::{Deserialize, Serialize};

/// The model whose share of calls is watched: `dearest` (the paper), `best-single`, or a model's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum StrongestSpec {
    /// The model with the largest mean cost.
    #[default]
    Dearest,
    /// The model with the largest mean quality.
    BestSingle,
    /// This one.
    Model(String),
}

impl From<String> for StrongestSpec {
    fn from(word: String) -> Self {
        match word.as_str() {
            "dearest" => Self::Dearest,
            "best-single" => Self::BestSingle,
            _ => Self::Model(word),
        }
    }
}

impl FromStr for StrongestSpec {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(word.to_owned().into())
    }
}

impl From<StrongestSpec> for String {
    fn from(spec: StrongestSpec) -> Self {
        match spec {
            StrongestSpec::Dearest => "dearest".into(),
            StrongestSpec::BestSingle => "best-single".into(),
            StrongestSpec::Model(name) => name,
        }
    }
}

impl StrongestSpec {
    /// The columns of the models that are meant, by what really happened on `truth`: the training rows of a split, so that no
    /// test row has a say.
    ///
    /// # Errors
    ///
    /// A name that no model has.
    pub fn resolve(&self, models: &[String], truth: &Truth) -> Result<Vec<usize>, String> {
        let strongest = match self {
            Self::Dearest => Strongest::Dearest,
            Self::BestSingle => Strongest::BestSingle,
            Self::Model(name) => {
                let found = models.iter().position(|model| model == name);
                let model = found.ok_or_else(|| {
                    format!(
                        "`strongest` is {name:?}: expected \"dearest\", \"best-single\" or one of the models {}",
                        models.join(", ")
                    )
                })?;
                Strongest::Models(vec![model])
            }
        };
        Ok(strongest.models(truth))
    }

    /// The same by a training table, which may have gaps: means over the queries on which a model was measured.
    ///
    /// # Errors
    ///
    /// A name that no model has.
    pub fn resolve_on(&self, train: &RoutingTable) -> Result<Vec<usize>, String> {
        let (quality, cost) = (train.quality(), train.cost());
        let filled = train
            .measured()
            .map(|measured| [quality, cost].map(|values| with_means(values, measured)));
        let [quality, cost] = match &filled {
            Some(filled) => [filled[0].view(), filled[1].view()],
            None => [quality, cost],
        };
        let truth = Truth::new(quality, cost).map_err(|error| error.to_string())?;
        self.resolve(train.models(), &truth)
    }

    /// What it means, to follow a model's name in brackets.
    pub fn meaning(&self) -> &'static str {
        match self {
            Self::Dearest => "the dearest on the training queries",
            Self::BestSingle => "the best single model on the training queries",
            Self::Model(_) => "as the experiment says",
        }
    }

    /// The same where it was told by the queries that are evaluated.
    pub fn meaning_here(&self) -> &'static str {
        match self {
            Self::Dearest => "the dearest on these queries",
            Self::BestSingle => "the best single model on these queries",
            Self::Model(_) => "as was asked for",
        }
    }
}

/// Every cell that was not measured as the mean of those of its column that were, so that the mean of a column is theirs.
fn with_means(values: ArrayView2<f64>, measured: ArrayView2<bool>) -> Array2<f64> {
    let mut filled = values.to_owned();
    for (mut column, measured) in (filled.axis_iter_mut(Axis(1))).zip(measured.axis_iter(Axis(1))) {
        let known = || (column.iter().zip(measured)).filter(|(_, measured)| **measured);
        let (count, sum) = known().fold((0, 0.0), |(count, sum), (value, _)| {
            (count + 1, sum + value)
        });
        let first = known().next().map_or(0.0, |(value, _)| *value);
        // Equal values have themselves as their mean, whatever rounding makes of the sum.
        let mean = if known().all(|(value, _)| *value == first) {
            first
        } else {
            sum / f64::from(count)
        };
        for (value, measured) in column.iter_mut().zip(measured) {
            if !measured {
                *value = mean;
            }
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_column_is_filled_with_the_mean_of_what_was_measured() {
        let values = array![[0.1, 9.0], [0.1, 1.0], [0.1, 2.0], [0.1, 9.0]];
        let measured = array![[true, false], [true, true], [true, true], [false, false]];
        let filled = with_means(values.view(), measured.view());
        assert_eq!(
            filled,
            array![[0.1, 1.5], [0.1, 1.0], [0.1, 2.0], [0.1, 1.5]]
        );
    }
}
