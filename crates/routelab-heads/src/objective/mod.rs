//! What a network is trained on: a setting of its own, beside the network.
//!
//! A network gives scores, one per query and model, and an [`Objective`] says how good they are. Any network of this crate
//! that scores models takes any of them; `docs/objectives.md` has the formulas, `docs/add-an-objective.md` how to add one.

mod cross_entropy;
mod examples;
#[cfg(test)]
mod hinge;
mod lambda_rank;
mod list_net;
mod order;
mod output;
#[cfg(feature = "cubecl")]
mod pair_losses;
mod pairwise;
mod regret;
mod squared_error;
mod targets;
#[cfg(test)]
mod tests;
mod utility;

use std::fmt;

use burn::tensor::Tensor;
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

pub use cross_entropy::CrossEntropy;
pub use examples::Examples;
#[cfg(test)]
pub use hinge::Hinge;
pub use lambda_rank::LambdaRank;
pub use list_net::ListNet;
pub use order::{Lists, TieOrder};
pub use output::Output;
pub use pairwise::{Normalisation, Pairwise};
pub use regret::Regret;
pub use squared_error::SquaredError;
pub use utility::Utility;

pub(crate) use regret::{expected, regrets};
pub(crate) use targets::Targets;

/// What each objective says of itself.
pub(crate) trait Loss {
    /// Checks the ranges of the settings; the error names the setting.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    /// What the scores of a network are after training on it.
    fn output(&self) -> Output {
        Output::Scores
    }

    /// The loss of a batch.
    ///
    /// `scores`: `[batch, models]`, unbounded; `targets` has as many rows. Only cells that were measured may count, see
    /// [`Targets::measured`]. Returns `[1]`.
    fn loss(&self, scores: Tensor<2>, targets: &Targets) -> Tensor<1>;
}

/// Lists the objectives: the name in an experiment file and the type with the settings.
macro_rules! objectives {
    ($($(#[$meta:meta])* $kind:literal => $name:ident,)*) => {
        /// What a network is trained on.
        ///
        /// In an experiment file a table with the `kind` and settings that differ from their defaults, or the kind alone:
        /// `{ kind = "pairwise", weight = 10 }`, `"listnet"`.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize)]
        #[serde(tag = "kind")]
        pub enum Objective {
            $($(#[$meta])* #[doc = concat!("`", $kind, "`")] #[serde(rename = $kind)] $name($name),)*
        }

        /// The long form.
        #[derive(Deserialize)]
        #[serde(tag = "kind")]
        enum Written {
            $($(#[$meta])* #[serde(rename = $kind)] $name($name),)*
        }

        impl From<Written> for Objective {
            fn from(written: Written) -> Self {
                match written {
                    $($(#[$meta])* Written::$name(loss) => Self::$name(loss),)*
                }
            }
        }

        impl Objective {
            /// The names of all objectives.
            pub const KINDS: &[&str] = &[$($(#[$meta])* $kind),*];

            fn own(&self) -> &dyn Loss {
                match self {
                    $($(#[$meta])* Self::$name(loss) => loss,)*
                }
            }
        }
    };
}

objectives! {
    "squared-error" => SquaredError,
    "cross-entropy" => CrossEntropy,
    "pairwise" => Pairwise,
    "listnet" => ListNet,
    "lambdarank" => LambdaRank,
    "regret" => Regret,
    "utility" => Utility,
    #[cfg(test)]
    "hinge" => Hinge,
}

impl Objective {
    /// Checks the ranges of the settings; the error names the setting.
    pub fn validate(&self) -> Result<(), String> {
        self.own().validate()
    }

    /// What the scores of a network are after training on it.
    pub fn output(&self) -> Output {
        self.own().output()
    }

    /// The loss of a batch, see [`Loss::loss`].
    pub(crate) fn loss(&self, scores: Tensor<2>, targets: &Targets) -> Tensor<1> {
        self.own().loss(scores, targets)
    }
}

impl<'de> Deserialize<'de> for Objective {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Written;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str(
                    "the name of an objective, or a table with its `kind` and its settings",
                )
            }

            fn visit_str<E: de::Error>(self, kind: &str) -> Result<Written, E> {
                Written::deserialize(MapDeserializer::new([("kind", kind)].into_iter()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                Written::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_any(Visitor).map(Self::from)
    }
}
