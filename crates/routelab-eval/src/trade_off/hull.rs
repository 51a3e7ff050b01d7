//! The upper convex hull of a query's points `(ĉ, q̂)`.

use super::candidates::Candidate;

/// A hull that grows to the right.
#[derive(Default)]
pub(super) struct Hull {
    pub corners: Vec<Corner>,
}

#[derive(Clone, Copy)]
pub(super) struct Corner {
    pub candidate: Candidate,
    /// From the corner before; infinite for the first.
    pub slope: f64,
    /// The position of the budget with which it joined.
    pub joined: usize,
}

impl Hull {
    /// The hull of a query's [`Candidates`](super::candidates::Candidates): the models that are best at some price, from the dearest
    /// price to price 0. Of models on one straight line only the ends are, since equal values go to the cheaper one.
    pub fn become_of(&mut self, candidates: &[Candidate]) {
        self.corners.clear();
        for &candidate in candidates {
            self.join(candidate, 0, |_, _, _| ());
        }
    }

    /// A model joins that is not cheaper than those before, and better. `leaves` hears of every edge that goes: the corner before, that at its
    /// end, and the position at which it does.
    pub fn join(
        &mut self,
        candidate: Candidate,
        joined: usize,
        mut leaves: impl FnMut(Corner, Corner, usize),
    ) {
        let new = |slope| Corner {
            candidate,
            slope,
            joined,
        };
        let mut to = f64::INFINITY;
        while let Some(last) = self.corners.last() {
            to = slope(last.candidate, candidate);
            match self.corners[..] {
                [.., before, last] if last.slope <= to => leaves(before, last, joined),
                _ => break,
            }
            self.corners.pop();
        }
        self.corners.push(new(to));
    }

    /// The position of the corner that is chosen at a price; 0 without corners.
    pub fn at(&self, price: f64) -> usize {
        // The slopes fall along the hull; the first corner needs none.
        let chosen = (self.corners.iter()).rposition(|corner| corner.slope > price);
        chosen.unwrap_or(0)
    }
}

/// `Δq̂ / Δĉ`, above 0 even where the quotient is not; no difference is infinite, so that no slope is undefined.
fn slope(from: Candidate, to: Candidate) -> f64 {
    let (rise, run) = (to.quality - from.quality, to.cost - from.cost);
    (rise.min(f64::MAX) / run.min(f64::MAX)).max(f64::MIN_POSITIVE)
}
