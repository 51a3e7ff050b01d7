//! The decision: which model answers a query, given predictions and a budget.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

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
/// [`Decision::WithinBudget`]; some are defined by their decision. Any decision goes with any predictions.
///
/// Its short texts, for a command line and for tables: `cap`, `margin=δ`, `price` and `cap+price=κ`.
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
    ///
    /// With a cap `κ`, every query is limited, too: affordable are its models with `ĉ <= κ B`, and the price is the smallest
    /// with which these keep to the mean. [`Infeasible`] decides for a query without any, which counts with the `ĉ` of its
    /// cheapest model.
    TradeOff {
        /// `κ >= 1`, what a query may cost in units of the budget for the mean; none: any of its models.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cap: Option<f64>,
        /// The budgets that [`Budgets::Quantiles`](crate::Budgets::Quantiles) visits. They change no choice at a given budget.
        #[serde(default, skip_serializing_if = "Swept::is_costs")]
        swept: Swept,
    },
}

/// Where the sweep of a [`Decision::TradeOff`] has its budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Swept {
    /// At quantiles of `ĉ`, as if a budget limited every query: many of them are below or above every mean that can be spent.
    #[default]
    Costs,
    /// At places of the price curve, the means that can be spent.
    Curve,
}

impl Swept {
    fn is_costs(&self) -> bool {
        *self == Swept::Costs
    }
}

impl Decision {
    /// A budget for every query, the paper's and ORBIT's.
    pub const CAP: Decision = Decision::WithinBudget { margin: 0.0 };

    /// A budget for the mean of all queries, swept along the price curve.
    pub const PRICE: Decision = Decision::TradeOff {
        cap: None,
        swept: Swept::Curve,
    };

    /// The same, swept at quantiles of `ĉ`: the decision of the routers that had one price before there was a choice.
    pub const PRICE_OVER_COSTS: Decision = Decision::TradeOff {
        cap: None,
        swept: Swept::Costs,
    };

    /// [`Decision::PRICE`] and `κ` times the budget for every query.
    pub const fn capped_price(cap: f64) -> Self {
        Decision::TradeOff {
            cap: Some(cap),
            swept: Swept::Curve,
        }
    }

    /// # Errors
    /// [`EvalError::Option`] unless the margin is finite and not negative, and the cap finite and at least 1.
    pub fn validate(&self) -> Result<(), EvalError> {
        let wrong = |option, value: f64, expected| EvalError::Option {
            option,
            value: value.to_string(),
            expected,
        };
        match *self {
            Decision::WithinBudget { margin } if !(margin.is_finite() && margin >= 0.0) => {
                Err(wrong("margin", margin, "a finite number, 0 or more"))
            }
            Decision::TradeOff { cap: Some(cap), .. } if !(cap.is_finite() && cap >= 1.0) => {
                Err(wrong("cap", cap, "a finite number, 1 or more"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a budget limits the mean of the queries, so that a price is needed for one query alone.
    pub fn is_trade_off(&self) -> bool {
        matches!(self, Decision::TradeOff { .. })
    }

    /// The most that a model may be predicted to cost under a budget: `B`, or `κ B` under [`Decision::TradeOff`], where it is infinite
    /// without a cap.
    pub fn limit(&self, budget: f64) -> f64 {
        match self {
            Decision::WithinBudget { .. } => budget,
            Decision::TradeOff { cap: Some(cap), .. } => cap * budget,
            Decision::TradeOff { cap: None, .. } => f64::INFINITY,
        }
    }
}

/// `δ` and `κ` where a text leaves them out.
const DELTA: f64 = 0.05;
const CAP: f64 = 2.0;

impl FromStr for Decision {
    type Err = EvalError;

    /// `cap`, `margin` (δ = 0.05), `margin=δ`, `price`, `cap+price` (κ = 2) or `cap+price=κ`.
    fn from_str(text: &str) -> Result<Self, EvalError> {
        let wrong = || EvalError::Option {
            option: "decision",
            value: format!("{text:?}"),
            expected: "`cap`, `margin=0.05`, `price` or `cap+price=2`",
        };
        let (kind, number) = match text.split_once('=') {
            None => (text, None),
            Some((kind, number)) => (
                kind.trim(),
                Some(number.trim().parse().map_err(|_| wrong())?),
            ),
        };
        let decision = match (kind, number) {
            ("cap", None) => Decision::CAP,
            ("price", None) => Decision::PRICE,
            ("margin", delta) => Decision::WithinBudget {
                margin: delta.unwrap_or(DELTA),
            },
            ("cap+price", cap) => Decision::capped_price(cap.unwrap_or(CAP)),
            _ => return Err(wrong()),
        };
        decision.validate()?;
        Ok(decision)
    }
}

impl fmt::Display for Decision {
    /// As it is read, but for [`Swept`].
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Decision::WithinBudget { margin: 0.0 } => out.write_str("cap"),
            Decision::WithinBudget { margin } => write!(out, "margin={margin}"),
            Decision::TradeOff { cap: None, .. } => out.write_str("price"),
            Decision::TradeOff { cap: Some(cap), .. } => write!(out, "cap+price={cap}"),
        }
    }
}

impl Default for Decision {
    fn default() -> Self {
        Decision::CAP
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
    /// As [`Decision::validate`].
    pub fn validate(&self) -> Result<(), EvalError> {
        self.decision.validate()
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
