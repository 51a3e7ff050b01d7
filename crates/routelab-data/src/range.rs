//! Qualities outside [0, 1]: stray values, or scores on another scale such as percent.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What qualities are divided by, for scores on another scale than from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum QualityScale {
    /// One number for all models, such as 100 for percent.
    All(f64),
    /// A number per model; the others are not divided.
    Models(BTreeMap<String, f64>),
}

impl QualityScale {
    /// What the qualities of a model are divided by.
    pub(crate) fn of(&self, model: &str) -> f64 {
        match self {
            Self::All(scale) => *scale,
            Self::Models(scales) => scales.get(model).copied().unwrap_or(1.0),
        }
    }

    /// The first number that is not above 0 and finite.
    pub(crate) fn unusable(&self) -> Option<f64> {
        let usable = |scale: f64| scale > 0.0 && scale.is_finite();
        match self {
            Self::All(scale) => Some(*scale).filter(|&scale| !usable(scale)),
            Self::Models(scales) => scales.values().copied().find(|&scale| !usable(scale)),
        }
    }
}

/// The qualities of one model, as they are in the file after division.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) count: usize,
    /// Above 1 or below 0.
    pub(crate) outside: usize,
    /// Above 2 or below -1: no rounding and no bonus.
    far: usize,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Default for Range {
    fn default() -> Self {
        Self {
            count: 0,
            outside: 0,
            far: 0,
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
        }
    }
}

impl Range {
    pub(crate) fn add(&mut self, quality: f64) {
        self.count += 1;
        self.outside += usize::from(!(0.0..=1.0).contains(&quality));
        self.far += usize::from(!(-1.0..=2.0).contains(&quality));
        self.least = self.least.min(quality);
        self.most = self.most.max(quality);
    }

    pub(crate) fn join(self, other: &Self) -> Self {
        Self {
            count: self.count + other.count,
            outside: self.outside + other.outside,
            far: self.far + other.far,
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        }
    }

    /// The scale that the values seem to be on: 100 for percent, 10 for marks. Several values must say so, and they must be
    /// more than one in twenty, or all.
    pub(crate) fn scale(&self) -> Option<u32> {
        let several = self.far == self.count || (self.far >= 3 && 20 * self.far >= self.count);
        if self.far == 0 || self.least < 0.0 || !several {
            return None;
        }
        match self.most {
            most if most <= 10.0 => Some(10),
            most if most <= 100.0 => Some(100),
            _ => None,
        }
    }

    /// Whether clamping would destroy more than it mends.
    pub(crate) fn spoilt_by_clamping(&self) -> bool {
        self.scale().is_some() || 2 * self.far > self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(values: &[f64]) -> Range {
        let mut range = Range::default();
        values.iter().for_each(|&value| range.add(value));
        range
    }

    #[test]
    fn percent_is_told_from_stray_values() {
        assert_eq!(range(&[35.5, 60.0, 0.0]).scale(), None);
        assert_eq!(range(&[35.5, 60.0, 92.0]).scale(), Some(100));
        assert_eq!(
            range(&[100.0, 0.0, 0.0, 100.0, 100.0, 0.0, 0.5]).scale(),
            Some(100)
        );
        assert_eq!(range(&[7.0, 8.5, 9.0, 1.0]).scale(), Some(10));
        assert_eq!(range(&[1.2, 1.1, 1.05]).scale(), None);
        assert_eq!(range(&[-3.0, 50.0, 60.0]).scale(), None);
        assert_eq!(range(&[1200.0, 900.0, 1500.0]).scale(), None);
        let mut mostly_fine = vec![0.5; 99];
        mostly_fine.push(35.0);
        assert_eq!(range(&mostly_fine).scale(), None);
        assert!(!range(&mostly_fine).spoilt_by_clamping());
        assert!(range(&[-3.0, 50.0, 60.0]).spoilt_by_clamping());
        assert!(range(&[1200.0, 900.0, 1500.0]).spoilt_by_clamping());
        assert!(!range(&[1.2, 1.1, -0.3]).spoilt_by_clamping());
    }
}
