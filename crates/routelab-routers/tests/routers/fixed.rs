//! Policies that do not read the query.

use ndarray::{Array2, Axis, array};
use routelab_eval::{Rule, choose};

use crate::common::{Data, favourites, fit, queries, try_fit};

fn pool() -> Data {
    // Mean costs 2, 1, 4; mean qualities 0.5, 0.25, 0.4.
    Data::new(
        array![[0.0], [1.0]],
        array![[1.0, 0.5, 0.4], [0.0, 0.0, 0.4]],
        array![[3.0, 1.0, 4.0], [1.0, 1.0, 4.0]],
    )
}

#[test]
fn policies_keep_their_word_at_any_budget() {
    let data = pool();
    for (kind, unlimited, at_two) in [
        ("cheapest", 1, 1),
        ("strongest", 2, 0),
        ("best-single", 0, 0),
    ] {
        let fitted = fit(kind, "", &data);
        assert_eq!(
            favourites(&*fitted, &data.embeddings),
            [unlimited; 2],
            "{kind}"
        );
        let scores = fitted.predict(&data.embeddings).unwrap();
        assert_eq!(
            choose(&scores, 2.0, &Rule::default()),
            [at_two; 2],
            "{kind}"
        );
        assert_eq!(choose(&scores, 0.5, &Rule::default()), [1; 2], "{kind}");
        assert_eq!(scores.cost.row(0).to_vec(), [2.0, 1.0, 4.0], "{kind}");
    }
}

#[test]
fn random_is_uniform_and_belongs_to_the_query() {
    let data = pool();
    let fitted = fit("random", "", &data);
    let many = queries(Array2::from_shape_fn((6000, 2), |(row, axis)| {
        (row * 2 + axis) as f32
    }));
    let choices = favourites(&*fitted, &many);
    for model in 0..3 {
        let calls = choices.iter().filter(|&&choice| choice == model).count();
        // Four standard deviations of 36.5 around 2,000.
        assert!((1854..=2146).contains(&calls), "{calls}");
    }
    let mut backwards = many.values().to_owned();
    backwards.invert_axis(Axis(0));
    let mut again = favourites(&*fitted, &queries(backwards));
    again.reverse();
    assert_eq!(again, choices);
    let other = try_fit("random", "", &data, 2).unwrap();
    let same = favourites(&*other, &many)
        .iter()
        .zip(&choices)
        .filter(|(a, b)| a == b)
        .count();
    assert!(
        (1854..=2146).contains(&same),
        "another seed is another draw: {same}"
    );
}
