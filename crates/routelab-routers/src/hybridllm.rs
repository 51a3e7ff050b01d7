//! HybridLLM (Ding et al. 2024, arXiv 2404.14618): is the small model good enough?

use ndarray::{Array2, ArrayView1, Axis};
use routelab_data::Embeddings;
use routelab_eval::{Decision, Scores};
use routelab_heads::ranges::{above_zero, not_negative};
use routelab_heads::scalar::logistic::{FittedLogistic, LogisticConfig};
use routelab_heads::scalar::mlp::{Init, MlpConfig};
use routelab_heads::{Architecture, History, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::neural::{FittedNeural, PredictedCost};
use crate::space::space;
use crate::{
    Archive, Context, FitResult, FittedRouter, Loader, Router, RouterError, SearchSpace,
    TrainingSet, Values, to_f32,
};

/// Steps of the search for a threshold in [0, 1).
const THRESHOLD_STEPS: usize = 20;

/// Predicts for every model the probability that it is at most a threshold worse than the best single model, and takes the
/// cheapest model for which it is high enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HybridLlm {
    /// How much worse a model may be and still be good enough, in units of quality, 0 or more. If it is left out, it is
    /// chosen for every model so that the labels of its training queries differ as much as possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// How slowly labels fall off beyond the threshold, in units of quality, above 0.
    pub temperature: f64,
    /// The probability with which a model has to be good enough to be taken, in (0, 1].
    pub confidence: f64,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// How the network is trained.
    #[serde(flatten)]
    pub training: TrainConfig,
}

impl Default for HybridLlm {
    fn default() -> Self {
        Self {
            threshold: None,
            temperature: 0.1,
            confidence: 0.95,
            hidden: vec![256, 128],
            training: TrainConfig {
                epochs: 10,
                batch_size: 128,
                learning_rate: 1e-3,
            },
        }
    }
}

impl HybridLlm {
    fn network(&self) -> LogisticConfig {
        LogisticConfig(MlpConfig {
            hidden: self.hidden.clone(),
            bottleneck: None,
            widen: false,
            init: Init::FanIn,
        })
    }

    /// 1 for a model that is at most `threshold` worse than the reference (`gap = q - q_reference`); below that it falls
    /// off.
    fn label(&self, gap: f64, threshold: f64) -> f64 {
        ((gap + threshold) / self.temperature).min(0.0).exp()
    }

    /// Labels `[queries, models]`; those of the reference itself are 1.
    fn labels(&self, train: &TrainingSet, reference: usize) -> Array2<f64> {
        let quality = train.quality();
        let reference_quality = quality.column(reference);
        let mut labels = Array2::ones(quality.dim());
        for (model, mut labels) in labels.axis_iter_mut(Axis(1)).enumerate() {
            if model == reference {
                continue;
            }
            let gaps = &quality.column(model) - &reference_quality;
            let threshold = match self.threshold {
                Some(threshold) => threshold,
                None => self.spreading_threshold(gaps.view()),
            };
            labels.assign(&gaps.mapv(|gap| self.label(gap, threshold)));
        }
        labels
    }

    /// The threshold in [0, 1) for which the mean difference of two labels is largest; the smallest of equals.
    fn spreading_threshold(&self, gaps: ArrayView1<f64>) -> f64 {
        let mut best = (0.0, f64::NEG_INFINITY);
        for step in 0..THRESHOLD_STEPS {
            let threshold = step as f64 / THRESHOLD_STEPS as f64;
            let spread = spread(gaps.iter().map(|&gap| self.label(gap, threshold)));
            if spread > best.1 {
                best = (threshold, spread);
            }
        }
        best.0
    }
}

/// `Σ_{i<j} |y_i - y_j|`.
fn spread(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = values.len() as f64 - 1.0;
    // In order, a value is subtracted by those after it and added by those before it.
    (0..)
        .zip(&values)
        .map(|(place, value)| (2.0 * f64::from(place) - last) * value)
        .sum()
}

/// The model with the largest mean quality; of equals the one with the larger mean cost (it takes the part of the large
/// model), then the first.
fn best_single(train: &TrainingSet) -> usize {
    let mean = |values: ndarray::ArrayView2<f64>| {
        let mean = values.mean_axis(Axis(0));
        mean.expect("a training set has at least one query")
    };
    let (quality, cost) = (mean(train.quality()), mean(train.cost()));
    (0..train.models())
        .min_by(|&a, &b| (quality[b].total_cmp(&quality[a])).then(cost[b].total_cmp(&cost[a])))
        .expect("a table has at least one model")
}

fn validate_confidence(confidence: f64) -> Result<(), String> {
    if confidence > 0.0 && confidence <= 1.0 {
        return Ok(());
    }
    Err(format!(
        "`confidence` must be above 0 and at most 1, not {confidence}"
    ))
}

impl Router for HybridLlm {
    fn kind(&self) -> &'static str {
        "hybridllm"
    }

    fn description(&self) -> &'static str {
        "the cheapest model that is likely as good as the best single one"
    }

    fn validate(&self) -> Result<(), String> {
        self.network().validate()?;
        self.training.validate()?;
        not_negative("threshold", self.threshold.unwrap_or(0.0))?;
        above_zero("temperature", self.temperature)?;
        validate_confidence(self.confidence)
    }

    fn optional_settings(&self) -> &'static [&'static str] {
        &["threshold"]
    }

    fn search_space(&self) -> SearchSpace {
        space([
            (
                "confidence",
                Values::numbers([0.5, 0.7, 0.8, 0.9, 0.95, 0.99]),
            ),
            ("epochs", Values::integers([5, 10, 20, 40])),
            ("learning_rate", Values::log(1e-4, 3e-3)),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let reference = best_single(train);
        let quality = FittedLogistic::fit(
            train.x(),
            to_f32(self.labels(train, reference).view()).view(),
            &self.network(),
            &self.training,
            &context.fit(),
        )?;
        Ok(Box::new(FittedHybrid {
            reference,
            confidence: self.confidence,
            sufficiency: FittedNeural {
                quality,
                cost: PredictedCost::Network(context.cost.get(train, context)?),
            },
        }))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        let sufficiency = FittedNeural::<LogisticConfig>::load(archive, loader)?;
        let (reference, confidence) = (archive.get("reference")?, archive.get("confidence")?);
        if reference >= sufficiency.quality.models() {
            return Err(archive.broken("reference", "is not the number of a model"));
        }
        validate_confidence(confidence).map_err(|reason| archive.broken("confidence", &reason))?;
        Ok(Box::new(FittedHybrid {
            reference,
            confidence,
            sufficiency,
        }))
    }
}

struct FittedHybrid {
    /// The model that is always good enough.
    reference: usize,
    confidence: f64,
    sufficiency: FittedNeural<LogisticConfig>,
}

impl FittedRouter for FittedHybrid {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        let mut scores = self.sufficiency.predict(queries)?;
        scores.quality.column_mut(self.reference).fill(1.0);
        Ok(scores)
    }

    /// The reference has 1, so a margin of `1 - confidence` below the best is a probability of `confidence`.
    fn decision(&self) -> Decision {
        Decision::WithinBudget {
            margin: 1.0 - self.confidence,
        }
    }

    fn history(&self) -> Option<&History> {
        self.sufficiency.history()
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("reference", &self.reference);
        archive.put("confidence", &self.confidence);
        self.sufficiency.save(archive)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn labels_fall_off_beyond_the_threshold() {
        let router = HybridLlm::default();
        assert_eq!(router.label(0.0, 0.0), 1.0);
        assert_eq!(router.label(1.0, 0.0), 1.0);
        assert_eq!(router.label(-0.25, 0.25), 1.0);
        let label = router.label(-0.5 - 0.1 * 4.0_f64.ln(), 0.5);
        assert!((label - 0.25).abs() < 1e-12, "{label}");
    }

    #[test]
    fn the_spread_is_the_sum_of_differences() {
        assert_eq!(spread([1.0, 0.0, 1.0].into_iter()), 2.0);
        assert_eq!(spread([0.25, 0.5, 1.0, 0.0].into_iter()), 3.25);
        assert_eq!(spread([0.5].into_iter()), 0.0);
    }

    #[test]
    fn the_chosen_threshold_tells_the_queries_apart() {
        let router = HybridLlm::default();
        // As good, or hopeless: no threshold is needed.
        let hopeless = array![0.0, 0.0, 0.0, -1.0, -1.0];
        assert_eq!(router.spreading_threshold(hopeless.view()), 0.0);
        // Always worse, by half a point or a whole one: half a point has to be good enough.
        let worse = array![-0.5, -0.5, -1.0, -1.0];
        assert_eq!(router.spreading_threshold(worse.view()), 0.5);
        // All alike: no threshold is better than none.
        assert_eq!(router.spreading_threshold(array![-1.0, -1.0].view()), 0.0);
    }
}
