//! The decision: which model answers a query, given predictions and a budget.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::EvalError;

/// What happens to a query for which no model is predicted to be within the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Infeasible {
    /// The model with the smallest `ĉ`; equal ones go to the smaller index.
    #[default]
    Cheapest,
    /// Model 0, as in the older ORBIT.
    First,
}

/// What happens when several affordable models have exactly the best `q̂`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ties {
    /// The smaller `ĉ`, then the smaller index.
    #[default]
    Cheapest,
    /// The smallest index, as in ORBIT.
    First,
}

/// What a budget `B` means and what is taken under it. Most routers predict and leave the decision to
/// [`Decision::WithinBudget`]; some are defined by their decision.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Decision {
    /// `B` limits every query: affordable are the models with `ĉ <= B`. Without a margin the best `q̂` among them is
    /// taken. With a margin `δ > 0` it is the cheapest (by `ĉ`) of those with `q̂ >= best - δ`; equal `ĉ` goes to the
    /// larger `q̂`, then to the smaller index, and [`Ties`] has nothing left to decide.
    WithinBudget {
        /// `δ >= 0`, in the unit of `q̂`.
        #[serde(default)]
        margin: f64,
    },
    /// `B` limits the mean: every query takes `argmax q̂ - λ ĉ` with the smallest common price `λ >= 0` for which the
    /// mean `ĉ` of what is taken is at most `B`. Equal values go to the smaller `ĉ`, then to the smaller index, whatever
    /// [`Ties`] says. If even the cheapest models are above `B` on average, [`Infeasible`] decides for every query.
    /// The price belongs to the queries at hand; resampling them keeps it.
    TradeOff,
}

impl Default for Decision {
    fn default() -> Self {
        Decision::WithinBudget { margin: 0.0 }
    }
}

/// How a choice follows from `q̂`, `ĉ` and a budget `B`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// What to do when nothing is affordable.
    pub infeasible: Infeasible,
    /// What to do when several are best.
    pub ties: Ties,
    /// What the budget means.
    pub decision: Decision,
}

impl Rule {
    /// The conventions of the older ORBIT: model 0 when nothing is affordable, first index in ties.
    pub const LEGACY: Rule = Rule {
        infeasible: Infeasible::First,
        ties: Ties::First,
        decision: Decision::WithinBudget { margin: 0.0 },
    };

    /// # Errors
    /// [`EvalError::Option`] unless the margin is finite and not negative.
    pub fn validate(&self) -> Result<(), EvalError> {
        match self.decision {
            Decision::WithinBudget { margin } if !(margin.is_finite() && margin >= 0.0) => {
                Err(EvalError::Option {
                    option: "margin",
                    value: margin.to_string(),
                    expected: "a finite number, 0 or more",
                })
            }
            Decision::WithinBudget { .. } | Decision::TradeOff => Ok(()),
        }
    }
}

/// Integers in the order of numbers: both zeros are equal, not-a-number comes last instead of breaking a sort.
pub(crate) fn order_key(number: f64) -> i64 {
    // As in `f64::total_cmp`: the bits of negative numbers are in falling order.
    let bits = (number + 0.0).to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The number of an [`order_key`].
pub(crate) fn from_order_key(key: i64) -> f64 {
    f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64)
}

/// Compares by [`order_key`].
pub(crate) fn ascending(a: f64, b: f64) -> Ordering {
    order_key(a).cmp(&order_key(b))
}
