//! The nearest of a fixed set of points by Euclidean distance, and their search on graphics cards.

#[cfg(feature = "cubecl")]
mod candidates;
#[cfg(feature = "cubecl")]
mod on_card;
#[cfg(all(test, feature = "cubecl"))]
mod tests;

#[cfg(feature = "cubecl")]
pub use on_card::PointsOnCard;

/// A point and how far away from a query it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Its row among the points, below 2^32.
    pub point: usize,
    /// Its squared distance, at least 0.
    pub squared_distance: f32,
}

impl Neighbour {
    /// The bits of numbers of at least 0 are in the order of the numbers; below them stands the point. Comparing such keys takes no
    /// branch, which makes a selection several times as fast.
    fn key(self) -> u64 {
        u64::from(self.squared_distance.to_bits()) << 32 | self.point as u64
    }

    fn of_key(key: u64) -> Self {
        Self {
            point: (key & 0xffff_ffff) as usize,
            squared_distance: f32::from_bits((key >> 32) as u32),
        }
    }
}

/// The `k` nearest of some candidates, or all if there are fewer, in ascending order of distance; equal distances go to the earlier
/// point.
pub fn nearest_of(candidates: impl IntoIterator<Item = Neighbour>, k: usize) -> Vec<Neighbour> {
    let mut keys: Vec<u64> = candidates.into_iter().map(Neighbour::key).collect();
    if k < keys.len() {
        keys.select_nth_unstable(k);
        keys.truncate(k);
    }
    keys.sort_unstable();
    keys.into_iter().map(Neighbour::of_key).collect()
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
