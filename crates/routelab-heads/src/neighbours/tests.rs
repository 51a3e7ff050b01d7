//! The search on graphics cards against sorting all distances in double precision.

use ndarray::{Array2, ArrayView1, ArrayView2};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::on_card::Sizes;
use super::*;
use crate::reference::card_backends;
use crate::{Backend, HeadError};

/// All points with their squared distances, the nearest first, equal distances in the order of the points.
fn sorted(points: ArrayView2<f32>, query: ArrayView1<f32>) -> Vec<(usize, f64)> {
    let squared = |point: ArrayView1<f32>| -> f64 {
        let gaps = point.iter().zip(query).map(|(a, b)| f64::from(a - b));
        gaps.map(|gap| gap * gap).sum()
    };
    let mut all: Vec<(usize, f64)> = points.outer_iter().map(squared).enumerate().collect();
    all.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    all
}

/// What a search gives: of parts and blocks as the card takes them, or of small ones.
fn search(
    points: ArrayView2<f32>,
    queries: ArrayView2<f32>,
    k: usize,
    backend: &Backend,
    sizes: Option<Sizes>,
) -> Vec<Vec<Neighbour>> {
    let on_card = match sizes {
        None => PointsOnCard::new(points, backend).expect("a card"),
        Some(sizes) => PointsOnCard::with(points, backend.device(), sizes),
    };
    on_card.nearest(queries, k, <[_]>::to_vec).unwrap()
}

/// The sizes with which to try a search: of one part and block, of several parts, of several blocks, of both.
fn all_sizes(points: usize, dimension: usize, k: usize) -> [Option<Sizes>; 4] {
    // Two queries a block.
    let block = 2 * points.max(dimension).max(2 * (k + k / 8 + 16));
    let some = |part: usize, block: usize| Some(Sizes { part, block });
    let part = points.div_ceil(3);
    [
        None,
        some(part, 1 << 20),
        some(points, block),
        some(part, 1),
    ]
}

#[test]
fn nearest_points_of_cards_are_those_of_a_search_in_double_precision() {
    for backend in card_backends() {
        for (points, queries, dimension, k) in [
            (1, 3, 5, 4),
            (7, 2, 1, 300),
            (257, 5, 384, 40),
            (1001, 9, 33, 100),
        ] {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let mut random = |rows| {
                let one = || rng.random::<f32>() - 0.5;
                Array2::from_shape_simple_fn((rows, dimension), one)
            };
            let (x, new) = (random(points), random(queries));
            for sizes in all_sizes(points, dimension, k) {
                let found = search(x.view(), new.view(), k, &backend, sizes);
                assert_eq!(found.len(), queries);
                for (found, query) in found.iter().zip(new.outer_iter()) {
                    let what = format!("{k} of {points} points, {dimension}, on {backend}");
                    assert_eq!(found.len(), k.min(points), "{what}");
                    assert!(found.is_sorted_by(|a, b| a < b), "{what}: {found:?}");
                    let expected = sorted(x.view(), query);
                    for (at, found) in found.iter().enumerate() {
                        let close = |squared: f64| {
                            let gap = (f64::from(found.squared_distance()) - squared).abs();
                            assert!(gap <= 1e-5 * squared + 1e-12, "{what}: {found:?}, {at}");
                        };
                        // The distance of this rank, and that of the point itself.
                        close(expected[at].1);
                        let own = expected.iter().find(|(point, _)| *point == found.point());
                        close(own.unwrap().1);
                    }
                }
            }
        }
    }
}

#[test]
fn equal_distances_of_cards_go_to_the_earlier_point() {
    // Few whole numbers: hardly a distance is that of one point only, and all are exact.
    for backend in card_backends() {
        for (points, dimension, k) in [(700, 3, 50), (513, 1, 200)] {
            let mut rng = ChaCha8Rng::seed_from_u64(2);
            let mut random = |rows| {
                let one = || rng.random_range(-2..=2_i8);
                Array2::from_shape_simple_fn((rows, dimension), one).mapv(f32::from)
            };
            let (x, new) = (random(points), random(7));
            for sizes in all_sizes(points, dimension, k) {
                let found = search(x.view(), new.view(), k, &backend, sizes);
                for (found, query) in found.iter().zip(new.outer_iter()) {
                    let found: Vec<(usize, f64)> = (found.iter())
                        .map(|one| (one.point(), f64::from(one.squared_distance())))
                        .collect();
                    let expected = &sorted(x.view(), query)[..k];
                    assert_eq!(found, expected, "{points} points on {backend}");
                }
            }
        }
    }
}

#[test]
fn near_copies_of_cards_are_told_apart() {
    // So far from the origin that products of single precision have no digit left for the distances.
    for backend in card_backends() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let one = || 100.0 + 1e-3 * rng.random::<f32>();
        let mut x = Array2::from_shape_simple_fn((200, 16), one);
        let query = x.row(150).to_owned();
        x.row_mut(170).assign(&query);
        let found = search(
            x.view(),
            query.view().insert_axis(ndarray::Axis(0)),
            5,
            &backend,
            None,
        );
        let points: Vec<usize> = found[0].iter().map(|one| one.point()).collect();
        let expected: Vec<usize> = (sorted(x.view(), query.view())[..5].iter())
            .map(|(point, _)| *point)
            .collect();
        assert_eq!(points, expected, "{backend}");
        assert_eq!(points[..2], [150, 170]);
        assert_eq!([0, 1].map(|at| found[0][at].squared_distance()), [0.0; 2]);
    }
}

#[test]
fn searches_of_cards_refuse_other_dimensions_and_processors_have_none() {
    let x = Array2::<f32>::zeros((4, 3));
    assert!(PointsOnCard::new(x.view(), &Backend::default()).is_none());
    for backend in card_backends() {
        let points = PointsOnCard::new(x.view(), &backend).unwrap();
        let none = points.nearest(Array2::zeros((0, 3)).view(), 1, <[_]>::len);
        assert!(none.unwrap().is_empty());
        let refused = points.nearest(Array2::zeros((1, 2)).view(), 1, <[_]>::len);
        assert!(matches!(refused, Err(HeadError::Shape { .. })));
    }
}
