//! Items in ascending ranges of an integer key.
//!
//! Memory that a process has not touched before costs as much time as sorting what it holds: items are copied only once, and a
//! bucket of them is sorted when it is looked at.

use rayon::prelude::*;
use routelab_kernels::vectorised;

/// Items by the range that their key is in.
pub(crate) struct Buckets<T> {
    parts: Vec<Part<T>>,
    count: usize,
}

/// Consecutive items, bucket by bucket.
struct Part<T> {
    items: Vec<T>,
    ends: Vec<u32>,
}

/// Which bucket a key belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Ranges {
    lowest: i64,
    highest: i64,
    shift: u32,
}

impl Ranges {
    /// How many buckets there are at most.
    const MOST_BITS: u32 = 13;

    /// For `items` of which `sample` has some keys, with about `size` to a bucket, up to the largest number of buckets.
    pub fn of(mut sample: Vec<i64>, items: usize, size: usize) -> Self {
        // Keys far from the others belong to the first or the last bucket, so that the others have enough of them.
        sample.sort_unstable();
        let few = sample.len() / 128;
        let lowest = sample.get(few).copied().unwrap_or_default();
        let highest = sample.iter().nth_back(few).copied().unwrap_or_default();
        let width = highest.wrapping_sub(lowest) as u64;
        let bits = (items / size).max(1).ilog2().min(Self::MOST_BITS);
        Self {
            lowest,
            highest,
            shift: (u64::BITS - width.leading_zeros()).saturating_sub(bits),
        }
    }

    fn count(self) -> usize {
        self.bucket(self.highest) as usize + 1
    }

    #[inline(always)]
    fn bucket(self, key: i64) -> u32 {
        let key = key.max(self.lowest).min(self.highest);
        (key.wrapping_sub(self.lowest) as u64 >> self.shift) as u32
    }
}

impl<T: Copy + Default + Send + Sync> Buckets<T> {
    /// How many items a part has at most: what they are copied to should fit the processor's cache.
    const PART: usize = 1 << 16;

    /// How many parts to make of `items`, so that every thread has as many.
    pub fn parts_for(items: usize) -> usize {
        (items.div_ceil(Self::PART).max(1)).next_multiple_of(rayon::current_num_threads())
    }

    /// The items of all `parts`, each listed twice; `key` says in which of the `ranges` one is.
    pub fn new<P, I>(
        parts: impl IndexedParallelIterator<Item = P>,
        list: impl Fn(P) -> I + Sync,
        key: impl Fn(&T) -> i64 + Sync,
        ranges: Ranges,
    ) -> Self
    where
        P: Copy,
        I: Iterator<Item = T>,
    {
        let part = |part: P| {
            let mut of = Vec::new();
            vectorised(
                #[inline(always)]
                || of.extend(list(part).map(|item| ranges.bucket(key(&item)))),
            );
            // First how many items each bucket has, then where its next one goes, in the end where it ends.
            let mut ends = vec![0; ranges.count()];
            for &bucket in &of {
                ends[bucket as usize] += 1;
            }
            let mut sum = 0;
            for end in &mut ends {
                sum += std::mem::replace(end, sum);
            }
            let mut items = vec![T::default(); of.len()];
            for (item, bucket) in list(part).zip(of) {
                let next = &mut ends[bucket as usize];
                items[*next as usize] = item;
                *next += 1;
            }
            Part { items, ends }
        };
        Self {
            parts: parts.map(part).collect(),
            count: ranges.count(),
        }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// The items of a bucket, part by part.
    pub fn of(&self, bucket: usize) -> impl Iterator<Item = &[T]> {
        self.parts.iter().map(move |part| {
            let start = bucket.checked_sub(1).map_or(0, |before| part.ends[before]);
            &part.items[start as usize..part.ends[bucket] as usize]
        })
    }

    /// Fills `items` with those of a bucket.
    pub fn gather(&self, bucket: usize, items: &mut Vec<T>) {
        items.clear();
        (self.of(bucket)).for_each(|part| items.extend_from_slice(part));
    }
}
