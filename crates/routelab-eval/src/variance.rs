//! Which of several settings moves a metric: a plain analysis of variance of a full factorial design.

use crate::EvalError;

/// How the variance of some values divides among factors.
#[derive(Debug, Clone, PartialEq)]
pub struct VarianceShares {
    /// The share of every factor by itself, in [0, 1]: between the means of its levels.
    pub factors: Vec<f64>,
    /// What is left, in [0, 1]: the factors together in other ways than the sum of their effects, and chance.
    pub rest: f64,
    /// The variance, in the square of the values' unit.
    pub variance: f64,
}

/// Divides the variance of `values` among `F` factors (Fisher 1925): the sum of squares of a factor is
/// `Σ_level n_level (mean_level - mean)²`, its share that by `Σ (value - mean)²`.
///
/// `levels`: `N` lists of `F` numbers, the level of every factor behind a value. The design is full and balanced: every combination of
/// levels is there, and equally often. Then the shares do not depend on the order of the factors, and add up to 1 with the rest. Where
/// all values are equal, all shares are 0.
///
/// # Errors
/// [`EvalError::Option`] for another number of values than of combinations, a value that is not finite, no value, or a design that is not
/// balanced.
pub fn variance_shares(levels: &[Vec<usize>], values: &[f64]) -> Result<VarianceShares, EvalError> {
    let wrong = |option, value: usize, expected| {
        Err(EvalError::Option {
            option,
            value: value.to_string(),
            expected,
        })
    };
    let Some(first) = levels.first().filter(|_| levels.len() == values.len()) else {
        return wrong(
            "values",
            values.len(),
            "one for every list of levels, at least one",
        );
    };
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        return wrong("values", at, "finite ones only");
    }
    check_full_design(levels)?;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let grand = mean(values);
    let total: f64 = values.iter().map(|value| (value - grand).powi(2)).sum();
    let variance = total / values.len() as f64;
    if total == 0.0 {
        return Ok(VarianceShares {
            factors: vec![0.0; first.len()],
            rest: 0.0,
            variance,
        });
    }
    let share = |factor: usize| {
        let largest = levels
            .iter()
            .map(|levels| levels[factor])
            .max()
            .unwrap_or(0);
        let squares = (0..=largest).map(|level| {
            let here = levels.iter().zip(values);
            let here = here.filter(|(levels, _)| levels[factor] == level);
            let here: Vec<f64> = here.map(|(_, &value)| value).collect();
            if here.is_empty() {
                return 0.0;
            }
            here.len() as f64 * (mean(&here) - grand).powi(2)
        });
        squares.sum::<f64>() / total
    };
    let factors: Vec<f64> = (0..first.len()).map(share).collect();
    Ok(VarianceShares {
        rest: (1.0 - factors.iter().sum::<f64>()).max(0.0),
        factors,
        variance,
    })
}

/// Checks that a design is full and balanced, as [`variance_shares`] asks.
///
/// # Errors
/// [`EvalError::Option`] unless every combination of levels is there, and equally often.
pub fn check_full_design(levels: &[Vec<usize>]) -> Result<(), EvalError> {
    let mut combinations = levels.to_vec();
    combinations.sort_unstable();
    let counts: Vec<usize> = combinations
        .chunk_by(|a, b| a == b)
        .map(<[_]>::len)
        .collect();
    let factors = levels.first().map_or(0, Vec::len);
    let numbers = (0..factors).map(|factor| {
        let mut found: Vec<usize> = levels.iter().map(|levels| levels[factor]).collect();
        found.sort_unstable();
        found.dedup();
        found.len()
    });
    let full = counts.len() == numbers.product::<usize>();
    if full && counts.iter().all(|&count| count == counts[0]) {
        return Ok(());
    }
    Err(EvalError::Option {
        option: "levels",
        value: counts.len().to_string(),
        expected: "every combination of levels, each equally often",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn design(sizes: [usize; 3]) -> Vec<Vec<usize>> {
        let mut all = Vec::new();
        for a in 0..sizes[0] {
            for b in 0..sizes[1] {
                all.extend((0..sizes[2]).map(|c| vec![a, b, c]));
            }
        }
        all
    }

    #[test]
    fn effects_that_add_up_leave_nothing() {
        let levels = vec![vec![0, 0], vec![0, 1], vec![1, 0], vec![1, 1]];
        let found = variance_shares(&levels, &[0.0, 1.0, 2.0, 3.0]).unwrap();
        // By hand: the squares are 4 and 1 of 5.
        assert_eq!(found.factors, [0.8, 0.2]);
        assert!(found.rest < 1e-12);
        assert_eq!(found.variance, 1.25);
    }

    #[test]
    fn what_only_factors_together_do_is_the_rest() {
        let levels = vec![vec![0, 0], vec![0, 1], vec![1, 0], vec![1, 1]];
        let found = variance_shares(&levels, &[1.0, 0.0, 0.0, 1.0]).unwrap();
        assert_eq!((found.factors, found.rest), (vec![0.0, 0.0], 1.0));
    }

    #[test]
    fn shares_add_up_whatever_the_scale_and_the_order() {
        let levels = design([2, 3, 4]);
        let values: Vec<f64> = (0..24_u32).map(|i| f64::from(i * i % 11)).collect();
        let found = variance_shares(&levels, &values).unwrap();
        let sum = found.factors.iter().sum::<f64>() + found.rest;
        assert!((sum - 1.0).abs() < 1e-12);
        let scaled: Vec<f64> = values.iter().map(|value| 7.0 - 3.0 * value).collect();
        let again = variance_shares(&levels, &scaled).unwrap();
        let turned: Vec<Vec<usize>> = levels.iter().map(|l| vec![l[2], l[0], l[1]]).collect();
        let turned = variance_shares(&turned, &values).unwrap();
        for factor in 0..3 {
            assert!((found.factors[factor] - again.factors[factor]).abs() < 1e-12);
            assert_eq!(found.factors[factor], turned.factors[(factor + 1) % 3]);
        }
    }

    #[test]
    fn other_designs_are_refused() {
        let levels = design([2, 2, 2]);
        assert!(variance_shares(&levels, &[0.0; 7]).is_err());
        assert!(variance_shares(&levels[..7], &[0.0; 7]).is_err());
        assert!(variance_shares(&[], &[]).is_err());
        assert!(variance_shares(&levels, &[f64::INFINITY; 8]).is_err());
        let none = variance_shares(&levels, &[2.0; 8]).unwrap();
        assert_eq!((none.factors, none.rest), (vec![0.0; 3], 0.0));
    }
}
