//! How a router is evaluated.

use serde::{Deserialize, Serialize};

use crate::budget::check_grid;
use crate::{Budgets, EvalError, Rule, Strongest};

/// How to evaluate. The default is SPEC's: ties and infeasible queries to the cheapest, 100 quantiles, threshold 0.05.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationOptions {
    /// The decision.
    pub rule: Rule,
    /// The budgets behind every metric.
    pub budgets: Budgets,
    /// Budgets common to all routers, for charts that share an axis; metrics do not use them.
    pub shared_grid: Option<Vec<f64>>,
    /// Margins up to this count as small; finite, 0 or more.
    pub margin_threshold: f64,
    /// Which models count as strongest, in RCI and in the share of calls to them.
    pub strongest: Strongest,
    /// Prices of real cost, in units of quality per unit of cost, for each of which the budget is found that is worth most; finite, 0
    /// or more.
    pub rci_prices: Vec<f64>,
}

impl Default for EvaluationOptions {
    fn default() -> Self {
        Self {
            rule: Rule::default(),
            budgets: Budgets::default(),
            shared_grid: None,
            margin_threshold: 0.05,
            strongest: Strongest::default(),
            rci_prices: Vec::new(),
        }
    }
}

impl EvaluationOptions {
    /// # Errors
    /// [`EvalError::Option`] naming the option that is out of range.
    pub fn validate(&self) -> Result<(), EvalError> {
        self.rule.validate()?;
        self.budgets.validate()?;
        if let Some(grid) = &self.shared_grid {
            check_grid(grid)?;
        }
        if !(self.margin_threshold.is_finite() && self.margin_threshold >= 0.0) {
            return Err(EvalError::Option {
                option: "margin_threshold",
                value: self.margin_threshold.to_string(),
                expected: "a finite number, 0 or more",
            });
        }
        let bad = |price: &&f64| !(price.is_finite() && **price >= 0.0);
        match self.rci_prices.iter().find(bad) {
            None => Ok(()),
            Some(price) => Err(EvalError::Option {
                option: "rci_prices",
                value: price.to_string(),
                expected: "finite numbers, 0 or more",
            }),
        }
    }
}
