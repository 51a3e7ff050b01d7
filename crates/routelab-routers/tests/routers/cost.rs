//! The shared cost network belongs to its rows.

use std::sync::Arc;

use routelab_data::Embeddings;
use routelab_routers::{Context, SharedCost, TrainingSet};

use crate::common::{Data, backend, clusters, cost_config};

fn part(data: &Data, rows: &[usize]) -> Data {
    Data {
        embeddings: data.embeddings.select(rows),
        table: data.table.select(rows),
    }
}

/// Predicted costs after the network was asked for on each of the data in turn.
fn last_costs(data: &[&Data], seed: u64, queries: &Embeddings) -> ndarray::Array2<f64> {
    let (backend, cost) = (backend(), SharedCost::new(cost_config()));
    let context = Context {
        prices: true,
        seed,
        backend: &backend,
        cost: &cost,
        progress: &|_| {},
    };
    let networks = data.iter().map(|data| {
        let train = TrainingSet::new(&data.embeddings, &data.table).unwrap();
        cost.get(&train, &context).unwrap()
    });
    networks.last().unwrap().predict(queries).unwrap()
}

#[test]
fn a_part_of_the_rows_has_a_network_of_its_own() {
    let (whole, test) = (clusters(40, 1), clusters(10, 2));
    // The dear half of the rows.
    let half = part(&whole, &(1..40).step_by(2).collect::<Vec<_>>());
    let queries = &test.embeddings;
    let of_whole = last_costs(&[&whole], 1, queries);
    let of_half = last_costs(&[&half], 1, queries);
    assert_ne!(of_whole, of_half);
    assert_eq!(last_costs(&[&half, &whole], 1, queries), of_whole);
    assert_eq!(last_costs(&[&whole, &half], 1, queries), of_half);
    assert_ne!(last_costs(&[&whole], 2, queries), of_whole);
}

#[test]
fn equal_rows_share_one_network() {
    let (whole, again) = (clusters(40, 1), clusters(40, 1));
    let (backend, cost) = (backend(), SharedCost::new(cost_config()));
    let context = Context {
        prices: true,
        seed: 1,
        backend: &backend,
        cost: &cost,
        progress: &|_| {},
    };
    let get = |data: &Data| {
        let train = TrainingSet::new(&data.embeddings, &data.table).unwrap();
        cost.get(&train, &context).unwrap()
    };
    let half = part(&whole, &(0..20).collect::<Vec<_>>());
    let first = get(&whole);
    assert!(!Arc::ptr_eq(&first, &get(&half)));
    assert!(Arc::ptr_eq(&first, &get(&again)));
}
