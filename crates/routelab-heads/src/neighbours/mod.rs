//! The nearest of a fixed set of points by Euclidean distance, and their search on graphics cards.

#[cfg(feature = "cubecl")]
mod candidates;
#[cfg(feature = "cubecl")]
mod on_card;
#[cfg(all(test, feature = "cubecl"))]
mod tests;

#[cfg(feature = "cubecl")]
pub use on_card::PointsOnCard;

/// A point and how far away from a query it is; the nearer one is less, and of two as near the earlier one.
///
/// The bits of numbers of at least 0 are in the order of the numbers; below them stands the point. Comparing such keys takes no branch,
/// which makes a selection several times as fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbour(u64);

impl Neighbour {
    /// `point`: its row among the points, below 2^32; `squared_distance`: at least 0.
    #[inline]
    pub fn new(point: usize, squared_distance: f32) -> Self {
        Self(u64::from(squared_distance.to_bits()) << 32 | point as u64)
    }

    /// Its row among the points.
    #[inline]
    pub fn point(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }

    /// Its squared distance from the query.
    #[inline]
    pub fn squared_distance(self) -> f32 {
        f32::from_bits((self.0 >> 32) as u32)
    }
}

/// The `k` nearest of some candidates, or all if there are fewer, in ascending order of distance; equal distances go to the earlier
/// point.
pub fn nearest_of(candidates: impl IntoIterator<Item = Neighbour>, k: usize) -> Vec<Neighbour> {
    let mut near: Vec<Neighbour> = candidates.into_iter().collect();
    if k < near.len() {
        near.select_nth_unstable(k);
        near.truncate(k);
    }
    near.sort_unstable();
    near
}

/// Points on a graphics card: none, in a build without a backend for one.
#[cfg(not(feature = "cubecl"))]
pub enum PointsOnCard {}

#[cfg(not(feature = "cubecl"))]
impl PointsOnCard {
    /// `None`: no backend of this build is a graphics card.
    pub fn new(_: ndarray::ArrayView2<f32>, _: &crate::Backend) -> Option<Self> {
        None
    }

    /// There is nothing to search.
    ///
    /// # Errors
    ///
    /// None.
    pub fn nearest<R: Send>(
        &self,
        _: ndarray::ArrayView2<f32>,
        _: usize,
        _: impl Fn(&[Neighbour]) -> R + Sync,
    ) -> Result<Vec<R>, crate::HeadError> {
        match *self {}
    }
}
