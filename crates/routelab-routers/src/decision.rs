//! The decision as a setting of every router: `decision = "price"` beside its `kind`.

use routelab_data::Embeddings;
use routelab_eval::{Decision, Prices, Scores, Swept};
use routelab_heads::History;
use serde::{Deserialize, Serialize};

use crate::held_out::held_out_scores;
use crate::{Archive, Context, FitResult, FittedRouter, Outlook, RouterError, TrainingSet};

/// The setting's name, of every router.
pub const KEY: &str = "decision";

/// The files of prices in an archive: of a curve, and of predictions where there is a cap.
const CURVE: &str = "prices";
const PREDICTIONS: [&str; 2] = ["prices_quality", "prices_cost"];

/// A decision as a table.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Written {
    #[serde(rename = "cap")]
    Cap {},
    #[serde(rename = "margin")]
    Margin {
        /// `δ`, 0.05 if left out.
        delta: Option<f64>,
    },
    #[serde(rename = "price")]
    Price {
        #[serde(default = "curve")]
        budgets: Swept,
    },
    #[serde(rename = "cap+price")]
    CapPrice {
        /// `κ`, 2 if left out.
        cap: Option<f64>,
        #[serde(default = "curve")]
        budgets: Swept,
    },
}

fn curve() -> Swept {
    Swept::Curve
}

/// A decision as an experiment file has it: the text `cap`, `price`, `margin=δ` or `cap+price=κ`, or a table with a `kind` and, by
/// the kind, `delta` (0 or more), `cap` (1 or more) and `budgets` (`curve`, or `costs` as [`Swept`] says).
///
/// # Errors
///
/// What is wrong and what was expected.
pub fn parse(value: &toml::Value) -> Result<Decision, String> {
    let text = |text: &str| text.parse::<Decision>().map_err(|error| error.to_string());
    let decision = match value {
        toml::Value::String(short) => text(short)?,
        table => {
            let written: Written = (table.clone().try_into())
                .map_err(|error: toml::de::Error| format!("`{KEY}`: {}", error.message()))?;
            let with = |kind: &str, number: Option<f64>| match number {
                None => text(kind),
                Some(number) => text(&format!("{kind}={number}")),
            };
            match written {
                Written::Cap {} => Decision::CAP,
                Written::Margin { delta } => with("margin", delta)?,
                Written::Price { budgets } => Decision::TradeOff {
                    cap: None,
                    swept: budgets,
                },
                Written::CapPrice { cap, budgets } => match with("cap+price", cap)? {
                    Decision::TradeOff { cap, .. } => Decision::TradeOff {
                        cap,
                        swept: budgets,
                    },
                    other => other,
                },
            }
        }
    };
    Ok(decision)
}

/// A decision as [`parse`] reads it, complete: a text if nothing is to be said beside the kind, or a table.
pub fn written(decision: Decision) -> toml::Value {
    let table = match decision {
        Decision::WithinBudget { margin: 0.0 } | Decision::PRICE => {
            return decision.to_string().into();
        }
        Decision::WithinBudget { margin } => Written::Margin {
            delta: Some(margin),
        },
        Decision::TradeOff { cap: None, swept } => Written::Price { budgets: swept },
        Decision::TradeOff { cap, swept } => Written::CapPrice {
            cap,
            budgets: swept,
        },
    };
    toml::Value::try_from(table).expect("a decision is plain data")
}

/// A fitted router with its decision, and with prices of its training queries where one price is common to all queries.
pub(crate) struct FittedDecided {
    router: Box<dyn FittedRouter>,
    decision: Decision,
    /// Where the decision needs some and the router has none.
    prices: Option<Prices>,
    /// Whether an archive has to say so, since the router's kind does not.
    named: bool,
}

impl FittedDecided {
    /// What `fit` makes. Prices are those of its predictions on held-out queries; those on queries that it has seen would be too sure
    /// of themselves. There are none where the context wants none.
    pub(crate) fn fit(
        decision: Decision,
        train: &TrainingSet,
        context: &Context,
        fit: impl Fn(&TrainingSet, &Context) -> FitResult,
    ) -> Result<Self, RouterError> {
        let router = fit(train, context)?;
        let prices = match decision {
            Decision::TradeOff { cap, .. } if context.prices && !has_prices(&*router, cap) => {
                let scores = held_out_scores(&*router, train, context, fit)?;
                Some(Prices::of(scores, cap))
            }
            _ => None,
        };
        Ok(Self {
            router,
            decision,
            prices,
            named: false,
        })
    }

    /// The same, where an archive has to name the decision.
    pub(crate) fn named(self) -> Self {
        Self {
            named: true,
            ..self
        }
    }

    /// A router whose decision is a price; `scores`: its predictions on held-out queries.
    pub(crate) fn priced(
        router: Box<dyn FittedRouter>,
        decision: Decision,
        scores: Scores,
    ) -> Self {
        let prices = match decision {
            Decision::TradeOff { cap, .. } => Some(Prices::of(scores, cap)),
            Decision::WithinBudget { .. } => None,
        };
        Self {
            router,
            decision,
            prices,
            named: false,
        }
    }

    /// `router` with the decision of its kind; its prices are in the archive.
    ///
    /// # Errors
    ///
    /// [`RouterError::Unpriced`] where there are none, as in archives of the time before there were prices.
    pub(crate) fn load(
        decision: Decision,
        archive: &Archive,
        router: Box<dyn FittedRouter>,
    ) -> Result<Self, RouterError> {
        let prices = match decision {
            Decision::TradeOff { cap, .. } if !has_prices(&*router, cap) => {
                Some(load_prices(archive, cap)?)
            }
            _ => None,
        };
        Ok(Self {
            router,
            decision,
            prices,
            named: false,
        })
    }

    /// The router of an archive as its kind has loaded it, with the decision that the archive names, if it does.
    pub(crate) fn load_named(archive: &Archive, router: Box<dyn FittedRouter>) -> FitResult {
        let Some(decision) = archive.get_if_any::<Decision>(KEY)? else {
            return Ok(router);
        };
        (decision.validate()).map_err(|error| archive.broken(KEY, &error.to_string()))?;
        Ok(Box::new(Self::load(decision, archive, router)?.named()))
    }
}

/// Whether a router has the prices of a decision with this cap.
fn has_prices(router: &dyn FittedRouter, cap: Option<f64>) -> bool {
    match (router.prices(), cap) {
        (Some(Prices::Curve(_)), None) => true,
        (Some(Prices::Capped { cap, .. }), Some(other)) => *cap == other,
        _ => false,
    }
}

fn load_prices(archive: &Archive, cap: Option<f64>) -> Result<Prices, RouterError> {
    let Some(cap) = cap else {
        if !archive.has(CURVE) {
            return Err(RouterError::Unpriced);
        }
        let curve = routelab_eval::PriceCurve::from_points(archive.matrix(CURVE)?.view());
        let curve = curve.map_err(|error| archive.broken(CURVE, &error.to_string()))?;
        return Ok(Prices::Curve(curve));
    };
    let [quality, cost] = PREDICTIONS;
    if !(archive.has(quality) && archive.has(cost)) {
        return Err(RouterError::Unpriced);
    }
    let scores = Scores::new(archive.matrix(quality)?, archive.matrix(cost)?);
    let scores = scores.map_err(|error| archive.broken(quality, &error.to_string()))?;
    Ok(Prices::Capped { scores, cap })
}

impl FittedRouter for FittedDecided {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        self.router.predict(queries)
    }

    fn decision(&self) -> Decision {
        self.decision
    }

    fn prices(&self) -> Option<&Prices> {
        let needed = self.decision.is_trade_off();
        (self.prices.as_ref()).or_else(|| self.router.prices().filter(|_| needed))
    }

    fn outlook(&self, queries: &Embeddings) -> Result<Option<Outlook>, RouterError> {
        self.router.outlook(queries)
    }

    fn history(&self) -> Option<&History> {
        self.router.history()
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        self.router.save(archive)?;
        if self.named {
            archive.put(KEY, &self.decision);
        }
        match &self.prices {
            None => {}
            Some(Prices::Curve(curve)) => archive.put_matrix(CURVE, &curve.points()),
            Some(Prices::Capped { scores, .. }) => {
                for (name, values) in PREDICTIONS.iter().zip([&scores.quality, &scores.cost]) {
                    archive.put_matrix(name, values);
                }
            }
        }
        Ok(())
    }
}
