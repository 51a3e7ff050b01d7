//! `strongest`: the model onto which routing can collapse.

use std::convert::Infallible;
use std::str::FromStr;

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

    /// What it means, to follow a model's name in brackets.
    pub fn meaning(&self) -> &'static str {
        match self {
            Self::Dearest => "the dearest on the training queries",
            Self::BestSingle => "the best single model on the training queries",
            Self::Model(_) => "as the experiment says",
        }
    }
}
