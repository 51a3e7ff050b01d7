//! The metrics that get intervals and comparisons.

use serde::{Deserialize, Serialize};

/// A number per router and seed; [`crate::Evaluation::get`] reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// nAUC over the shared interval.
    NaucShared,
    /// nAUC as in the older ORBIT.
    NaucLegacy,
    /// nAUC over the router's own range of costs.
    NaucOwnRange,
    /// Mean height of the convex hull over the shared interval.
    Aiq,
    /// Largest quality on the front.
    Peak,
    /// Cost at the best single model's quality, over that model's cost; infinite when unreachable.
    Qnc,
    /// Mean quality at the largest budget.
    Quality,
    /// Mean cost at the largest budget.
    Cost,
    /// Routing collapse index at the largest budget.
    Rci,
    /// Its wasteful part.
    RciWasteful,
    /// Its wrong part.
    RciWrong,
    /// Share of calls to the strongest model at the largest budget.
    StrongestCallRate,
    /// Mean top-1 regret at the largest budget.
    Regret,
}

impl Metric {
    /// All metrics, in the order of tables.
    pub const ALL: [Metric; 13] = [
        Metric::NaucShared,
        Metric::NaucLegacy,
        Metric::NaucOwnRange,
        Metric::Aiq,
        Metric::Peak,
        Metric::Qnc,
        Metric::Quality,
        Metric::Cost,
        Metric::Rci,
        Metric::RciWasteful,
        Metric::RciWrong,
        Metric::StrongestCallRate,
        Metric::Regret,
    ];

    /// Name in files, the same as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Metric::NaucShared => "nauc_shared",
            Metric::NaucLegacy => "nauc_legacy",
            Metric::NaucOwnRange => "nauc_own_range",
            Metric::Aiq => "aiq",
            Metric::Peak => "peak",
            Metric::Qnc => "qnc",
            Metric::Quality => "quality",
            Metric::Cost => "cost",
            Metric::Rci => "rci",
            Metric::RciWasteful => "rci_wasteful",
            Metric::RciWrong => "rci_wrong",
            Metric::StrongestCallRate => "strongest_call_rate",
            Metric::Regret => "regret",
        }
    }

    /// The metric with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Whether more is better. Costs and shares of calls to the strongest model count as better when lower.
    pub fn higher_is_better(self) -> bool {
        matches!(
            self,
            Metric::NaucShared
                | Metric::NaucLegacy
                | Metric::NaucOwnRange
                | Metric::Aiq
                | Metric::Peak
                | Metric::Quality
        )
    }
}
