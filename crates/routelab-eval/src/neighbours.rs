//! The nearest other queries of every query, by Euclidean distance between embeddings.

use std::collections::HashMap;

use ndarray::{Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;
use routelab_kernels::{Threads, product};

use crate::EvalError;

/// Queries whose distances are one matrix product.
const BLOCK: usize = 128;

/// The `K` nearest other queries of each of `N` queries.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    index: Array2<usize>,
    distance: Array2<f64>,
}

impl Neighbours {
    /// Finds the `k` nearest others of every row of `embeddings`, `N x D`. With `groups`, one number per query, queries of
    /// the same group (near duplicates, turns of one conversation) are not neighbours of each other.
    ///
    /// The search is exact and does not depend on the number of threads; equal distances go to the smaller index. `O(N² D)`
    /// as matrix products in blocks: products in single precision find all that could be among the nearest, given the
    /// largest error of rounding, and the distances of those are computed by differences in double precision. So equal
    /// embeddings have distance 0.
    ///
    /// # Errors
    /// [`EvalError::Empty`] without queries or columns; [`EvalError::Option`] unless all numbers are finite with squared lengths
    /// below 1e37, there is one group per query, and every query has `k >= 1` others outside of its group.
    pub fn find(
        embeddings: ArrayView2<f32>,
        k: usize,
        groups: Option<&[usize]>,
    ) -> Result<Self, EvalError> {
        let lengths = check(embeddings, k, groups)?;
        let (queries, dimension) = embeddings.dim();
        let x = embeddings.as_standard_layout();
        let stored = x.as_slice().expect("standard layout is contiguous");
        let vector = |row: usize| &stored[row * dimension..][..dimension];
        let longest = lengths.iter().fold(0.0_f64, |longest, &l| longest.max(l));
        let short: Vec<f32> = lengths.iter().map(|&length| length as f32).collect();

        let nearest = |row: usize, products: ArrayView1<f32>| -> Vec<(f64, usize)> {
            let rough = (products.iter().zip(&short).enumerate())
                .map(|(other, (product, length))| (other, short[row] + length - 2.0 * product))
                .filter(|&(other, _)| is_other(groups, row, other));
            // A sum of D products is off by less than D units of rounding times the product of the lengths,
            // which is at most half the sum of their squares; 8 more for the lengths and the three terms, and
            // something for products too small to be normal numbers.
            let units = (dimension + 8) as f64 * f64::from(f32::EPSILON / 2.0);
            let tiny = dimension as f64 * f64::from(f32::MIN_POSITIVE);
            let error = units * (lengths[row] + longest) + tiny;
            // The k roughly nearest are truly within `last + error`; whatever is, is roughly within twice that.
            let limit = f64::from(kth_smallest(rough.clone(), k)) + 2.0 * error;
            let (mut near, mut same) = (Vec::new(), 0);
            for (other, _) in rough.filter(|&(_, rough)| f64::from(rough) <= limit) {
                let distance = squared_distance(vector(row), vector(other));
                near.push((distance, other));
                same += usize::from(distance == 0.0);
                // Nothing after k duplicates comes before them; tables of repeated prompts have thousands.
                if same == k {
                    break;
                }
            }
            near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            near.truncate(k);
            near
        };
        let starts: Vec<usize> = (0..queries).step_by(BLOCK).collect();
        let found: Vec<Vec<(f64, usize)>> = (starts.into_par_iter())
            .flat_map_iter(|start| {
                let block = x.slice(ndarray::s![start..queries.min(start + BLOCK), ..]);
                let mut products = Array2::zeros((block.nrows(), queries)); // [block, N]
                product(block, x.t(), products.view_mut(), Threads::One);
                let rows: Vec<Vec<(f64, usize)>> = (products.rows().into_iter())
                    .zip(start..)
                    .map(|(products, row)| nearest(row, products))
                    .collect();
                rows
            })
            .collect();
        Ok(Self {
            index: Array2::from_shape_fn((queries, k), |(row, rank)| found[row][rank].1),
            distance: Array2::from_shape_fn((queries, k), |(row, rank)| found[row][rank].0.sqrt()),
        })
    }

    /// Number of queries, `N`.
    pub fn queries(&self) -> usize {
        self.index.nrows()
    }

    /// Number of neighbours of each, `K >= 1`.
    pub fn count(&self) -> usize {
        self.index.ncols()
    }

    /// Row indices of the neighbours, `N x K`, nearest first.
    pub fn index(&self) -> ArrayView2<'_, usize> {
        self.index.view()
    }

    /// Their Euclidean distances, `N x K`, ascending along a row.
    pub fn distance(&self) -> ArrayView2<'_, f64> {
        self.distance.view()
    }
}

/// The squared length of every row.
fn check(
    embeddings: ArrayView2<f32>,
    k: usize,
    groups: Option<&[usize]>,
) -> Result<Vec<f64>, EvalError> {
    let (queries, dimension) = embeddings.dim();
    if queries == 0 || dimension == 0 {
        return Err(EvalError::Empty {
            what: "embeddings",
            rows: queries,
            columns: dimension,
        });
    }
    let lengths: Vec<f64> = (embeddings.rows().into_iter())
        .map(|row| row.iter().map(|&v| f64::from(v).powi(2)).sum())
        .collect();
    let in_range = |length: &f64| (0.0..1e37).contains(length);
    if let Some(row) = lengths.iter().position(|length| !in_range(length)) {
        return Err(EvalError::Option {
            option: "embeddings",
            value: format!("squared length {} in row {row}", lengths[row]),
            expected: "finite numbers, with squared lengths below 1e37",
        });
    }
    let mut sizes: HashMap<usize, usize> = HashMap::new();
    if let Some(groups) = groups {
        if groups.len() != queries {
            return Err(EvalError::Option {
                option: "groups",
                value: format!("{} of them for {queries} queries", groups.len()),
                expected: "one number per query",
            });
        }
        for &group in groups {
            *sizes.entry(group).or_default() += 1;
        }
    }
    let others = queries - sizes.values().copied().max().unwrap_or(1);
    if k == 0 || k > others {
        return Err(EvalError::Option {
            option: "neighbours",
            value: k.to_string(),
            expected: "1 or more, and no more than there are queries outside of the largest group",
        });
    }
    Ok(lengths)
}

fn is_other(groups: Option<&[usize]>, row: usize, other: usize) -> bool {
    row != other && groups.is_none_or(|groups| groups[row] != groups[other])
}

/// The `k`-th smallest value; there are at least `k`.
fn kth_smallest(values: impl Iterator<Item = (usize, f32)>, k: usize) -> f32 {
    let mut smallest: Vec<f32> = Vec::with_capacity(k + 1);
    let mut bar = f32::INFINITY;
    for (_, value) in values {
        if value < bar {
            smallest.insert(smallest.partition_point(|&s| s <= value), value);
            smallest.truncate(k);
            if smallest.len() == k {
                bar = smallest[k - 1];
            }
        }
    }
    bar
}

/// Several sums side by side, so that vector instructions can be used: repeated prompts have many candidates.
fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0_f64; 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let square = |a: f32, b: f32| (f64::from(a) - f64::from(b)).powi(2);
    for (a, b) in a.iter().zip(b) {
        sums = std::array::from_fn(|lane| sums[lane] + square(a[lane], b[lane]));
    }
    let rest = a_rest.iter().zip(b_rest).map(|(&a, &b)| square(a, b));
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}
