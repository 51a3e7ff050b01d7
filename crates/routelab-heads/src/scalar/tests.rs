//! The networks against values computed from their formulas.

use burn::tensor::Device;

use super::embedllm::EmbedLlmConfig;
use super::graph::GraphConfig;
use super::irt::{MirtConfig, NirtConfig};
use super::preference::PreferenceConfig;
use super::regret::{Conditioning, RegretConfig};
use super::routerdc::RouterDcConfig;
use crate::Architecture;
use crate::fitted::Network;
use crate::init::Initializer;
use crate::reference::{
    Reference, assert_close, backends, plain_name, reference, tensor, values, with_weights,
};

/// Compares the predictions of a network of four inputs and three models.
fn check<A: Architecture>(
    name: &str,
    architecture: &A,
    weight_name: fn(&[&str]) -> String,
    reference: &Reference,
    device: &Device,
) {
    let case = &reference.networks[name];
    let network = with_weights(
        architecture.init(4, 3, &mut Initializer::new(0, device)),
        case,
        weight_name,
        device,
    );
    let scores = network.logits()(tensor(&reference.x, device));
    let found = values(A::Network::OUTPUT.of(scores));
    assert_close(name, &found, &case.predictions.concat());
}

#[test]
fn predictions_match_the_reference() {
    let reference = reference();
    for backend in backends() {
        let device = backend.device();
        let embedllm = EmbedLlmConfig {
            width: 5,
            deviation: 1.0,
            joint_cost: false,
        };
        check("embedllm", &embedllm, plain_name, &reference, device);
        let preference = PreferenceConfig { latent: 5 };
        check("preference", &preference, plain_name, &reference, device);
        let mirt = MirtConfig { latent: 5 };
        check("mirt", &mirt, plain_name, &reference, device);
        let nirt = NirtConfig {
            latent: 5,
            hidden: 6,
        };
        check("nirt", &nirt, plain_name, &reference, device);
        let routerdc = RouterDcConfig {
            hidden: vec![6],
            width: 5,
            temperature: 1.0,
        };
        let inside = |path: &[&str]| match path {
            ["encoder", "hidden", _, part] => plain_name(&["hidden", part]),
            ["encoder", rest @ ..] => plain_name(rest),
            path => plain_name(path),
        };
        check("routerdc", &routerdc, inside, &reference, device);
        let regret = |conditioning| RegretConfig {
            hidden: vec![],
            conditioning,
            largest_price: 2.0,
            steps: 8,
        };
        let inside = |path: &[&str]| plain_name(&path[1..]);
        let softmax = regret(Conditioning::Input);
        check("rm_softmax", &softmax, inside, &reference, device);
        let interval = regret(Conditioning::Interval(2));
        check("rm_interval", &interval, inside, &reference, device);
    }
}

#[test]
fn two_rounds_of_messages_match_the_reference() {
    let reference = reference();
    let case = &reference.networks["graph"];
    let config = GraphConfig {
        hidden: 4,
        layers: 2,
    };
    let name = |path: &[&str]| match path {
        ["readout", rest @ ..] => plain_name(rest),
        ["layers", layer, receiver, part, kind] => {
            let round = ["first", "second"][layer.parse::<usize>().unwrap()];
            let receiver = receiver.trim_start_matches("to_");
            plain_name(&[&format!("{round}_{receiver}_{part}"), kind])
        }
        path => path.join("."),
    };
    for backend in backends() {
        let device = backend.device();
        let network = with_weights(config.network([4, 3], 0, device), case, name, device);
        let graph = super::graph::Graph {
            x: tensor(&case.graph_x, device),
            quality: tensor(&case.graph_quality, device),
            cost: tensor(&case.graph_cost, device),
        };
        // In one piece and in parts.
        for parts in [&[5][..], &[2, 2, 1]] {
            let mut rows = 0..5;
            let parts: Vec<_> = parts
                .iter()
                .map(|&size| graph.rows(&rows.by_ref().take(size).collect::<Vec<usize>>()))
                .collect();
            let readout = network.readout(&parts);
            let scores = readout.logits()(tensor(&reference.x, device));
            let found = values(super::graph::GraphReadout::OUTPUT.of(scores));
            assert_close("graph", &found, &case.predictions.concat());
        }
    }
}
