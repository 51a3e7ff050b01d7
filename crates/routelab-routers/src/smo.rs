//! Sequential minimal optimisation for support vector regression.

use ndarray::{Array1, Array2, ArrayView1};

/// Where the optimum is sought, and how closely.
#[derive(Clone, Copy)]
pub(crate) struct Problem {
    /// Bound of every weight.
    pub(crate) c: f64,
    /// The error that costs nothing.
    pub(crate) epsilon: f64,
    /// How far the optimality conditions may be missed.
    pub(crate) tolerance: f64,
}

/// The solution for one target: `f(x) = Σ weights[i] k(x, x_i) + offset`.
pub(crate) struct Machine {
    pub(crate) weights: Array1<f64>,
    pub(crate) offset: f64,
}

/// The curvature along a pair of equal queries is 0, and a step would be infinite.
const SMALLEST_CURVATURE: f64 = 1e-12;

impl Problem {
    /// Minimises `½ βᵀ K β - yᵀ β + ε |β|₁` over `-C <= β <= C` with `Σ β = 0`, the dual of the regression. Each step is along a
    /// pair of queries: the first violates the optimality conditions most, the second promises the largest decrease to
    /// second order (Fan, Chen & Lin 2005). `None` if that takes more than `steps` steps.
    pub(crate) fn solve(
        &self,
        kernel: &Array2<f32>,
        targets: ArrayView1<f64>,
        steps: usize,
    ) -> Option<Machine> {
        let rows = targets.len();
        let mut weights = Array1::<f64>::zeros(rows);
        let mut residual = targets.to_owned(); // y - K β
        for _ in 0..steps {
            let grown = |row| self.offset_if_grown(weights[row], residual[row]);
            let shrunk = |row| self.offset_if_shrunk(weights[row], residual[row]);
            let first = largest(rows, grown);
            let highest = grown(first);
            let lowest = (0..rows).map(shrunk).fold(f64::INFINITY, f64::min);
            if highest - lowest <= self.tolerance {
                let offset = self.offset(&weights, &residual, (highest + lowest) / 2.0);
                return Some(Machine { weights, offset });
            }
            let curvature = |row: usize| {
                let own = f64::from(kernel[[first, first]]) + f64::from(kernel[[row, row]]);
                (own - 2.0 * f64::from(kernel[[first, row]])).max(SMALLEST_CURVATURE)
            };
            let second = largest(rows, |row| match highest - shrunk(row) {
                gap if gap > 0.0 => gap * gap / curvature(row),
                _ => f64::NEG_INFINITY,
            });
            let wanted = (highest - shrunk(second)) / curvature(second);

            // Each weight goes to the end of its piece at most: a bound, or 0, where ε|β| has its kink.
            let top = if weights[first] < 0.0 { 0.0 } else { self.c };
            let bottom = if weights[second] > 0.0 { 0.0 } else { -self.c };
            let (room, room_below) = (top - weights[first], weights[second] - bottom);
            let step = wanted.min(room).min(room_below);
            // An end is reached exactly, or rounding would leave a weight beside it.
            weights[first] = if step == room {
                top
            } else {
                weights[first] + step
            };
            weights[second] = if step == room_below {
                bottom
            } else {
                weights[second] - step
            };
            let pair = kernel.row(first).into_iter().zip(kernel.row(second));
            for (residual, (a, b)) in residual.iter_mut().zip(pair) {
                *residual -= step * (f64::from(*a) - f64::from(*b));
            }
        }
        None
    }

    /// The offset below which a query wants a larger weight.
    fn offset_if_grown(&self, weight: f64, residual: f64) -> f64 {
        if weight < 0.0 {
            residual + self.epsilon
        } else if weight < self.c {
            residual - self.epsilon
        } else {
            f64::NEG_INFINITY
        }
    }

    /// The offset above which a query wants a smaller weight.
    fn offset_if_shrunk(&self, weight: f64, residual: f64) -> f64 {
        if weight > 0.0 {
            residual - self.epsilon
        } else if weight > -self.c {
            residual + self.epsilon
        } else {
            f64::INFINITY
        }
    }

    /// Queries strictly between the ends of their piece fix the offset; without any it is `otherwise`.
    fn offset(&self, weights: &Array1<f64>, residual: &Array1<f64>, otherwise: f64) -> f64 {
        let free: Vec<f64> = (weights.iter().zip(residual))
            .filter(|(weight, _)| **weight != 0.0 && weight.abs() < self.c)
            .map(|(weight, residual)| residual - weight.signum() * self.epsilon)
            .collect();
        if free.is_empty() {
            otherwise
        } else {
            free.iter().sum::<f64>() / free.len() as f64
        }
    }
}

/// The index below `count` with the largest value; the first of several.
fn largest(count: usize, value: impl Fn(usize) -> f64) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for index in 0..count {
        let value = value(index);
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    const PROBLEM: Problem = Problem {
        c: 1.0,
        epsilon: 0.0,
        tolerance: 1e-6,
    };

    #[test]
    fn too_few_steps_are_no_solution() {
        let kernel = array![[1.0_f32, 0.5, 0.1], [0.5, 1.0, 0.5], [0.1, 0.5, 1.0]];
        let targets = array![0.0, 0.3, 0.1];
        assert!(PROBLEM.solve(&kernel, targets.view(), 1).is_none());
        let found = PROBLEM.solve(&kernel, targets.view(), 1000).unwrap();
        assert!(found.weights.sum().abs() < 1e-12);
        // Without a tube and with weights within the bounds the machine goes through its targets.
        assert!(found.weights.iter().all(|weight| weight.abs() < 1.0));
        let values = kernel.mapv(f64::from).dot(&found.weights) + found.offset;
        for (value, target) in values.iter().zip(&targets) {
            assert!((value - target).abs() < 1e-5, "{value}, expected {target}");
        }
    }

    #[test]
    fn weights_at_their_bound_leave_the_middle_as_offset() {
        // Equal queries with different targets: both weights go to the bound, and no query fixes the offset.
        let kernel = array![[1.0_f32, 1.0], [1.0, 1.0]];
        let found = PROBLEM
            .solve(&kernel, array![0.0, 3.0].view(), 1000)
            .unwrap();
        assert_eq!(found.weights, array![-1.0, 1.0]);
        assert!((found.offset - 1.5).abs() < 1e-12);
    }
}
