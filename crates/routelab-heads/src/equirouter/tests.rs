//! The network, its losses and its gradients against the reference implementation's numbers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::*;
use crate::init::Initializer;
use crate::kernels;
use crate::loss::squared_error;
use crate::objective::{Examples, Normalisation, Objective, Pairwise, Targets, TieOrder};
use crate::reference::{assert_close, backends, card_backends, cpu_backends, tensor};
use crate::{Architecture, Backend, Fit, TrainConfig};

/// The golden files that parse as `T`; a file of this kind is tested by being there.
///
/// They are in `tests/golden`, or in the folder that `ROUTELAB_GOLDEN` names (relative to the repository).
fn golden<T: for<'a> Deserialize<'a>>() -> Vec<(String, T)> {
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = std::env::var_os("ROUTELAB_GOLDEN");
    let folder = repository.join(named.as_deref().unwrap_or("tests/golden".as_ref()));
    let files =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<(String, T)> = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter_map(|path| {
            let case = serde_json::from_slice(&std::fs::read(&path).unwrap()).ok()?;
            Some((path.file_name()?.to_string_lossy().into_owned(), case))
        })
        .collect();
    assert!(
        named.is_some() || !found.is_empty(),
        "no golden file of this kind in {}",
        folder.display()
    );
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Vector(Vec<f32>),
    Matrix(Vec<Vec<f32>>),
}

impl Values {
    /// The tensor in Burn's layout: linear weights are `[in, out]` here and `[out, in]` in the file.
    fn in_burn_layout(&self, name: &str) -> (Vec<f32>, Vec<usize>) {
        match self {
            Values::Vector(values) => (values.clone(), vec![values.len()]),
            Values::Matrix(rows) if name == "model_embeddings" => {
                (rows.concat(), vec![rows.len(), rows[0].len()])
            }
            Values::Matrix(rows) => {
                let transposed = (0..rows[0].len())
                    .flat_map(|column| rows.iter().map(move |row| row[column]))
                    .collect();
                (transposed, vec![rows[0].len(), rows.len()])
            }
        }
    }
}

#[derive(Deserialize)]
struct Sizes {
    in_dim: usize,
    trunk_hidden: Vec<usize>,
    trunk_out_dim: usize,
    model_emb_dim: usize,
    head_hidden: Vec<usize>,
    num_models: usize,
    rank_weight: f64,
}

#[derive(Deserialize)]
struct NetworkCase {
    config: Sizes,
    parameters: BTreeMap<String, Values>,
    inputs: Vec<Vec<f32>>,
    labels: Vec<Vec<f32>>,
    scores: Vec<Vec<f32>>,
    mse: f32,
    pairwise_rank_per_pair: f32,
    total: f32,
    gradients: BTreeMap<String, Values>,
}

/// The reference's name of the parameter at a path of the module: layers are numbered linear, activation, norm.
fn reference_name(path: &[String], head_blocks: usize) -> String {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        ["model_embeddings"] => "model_embeddings".into(),
        ["film", part] => format!("film_proj.{part}"),
        ["projection", part] => format!("model_proj.{part}"),
        ["output", part] => format!("head.{}.{part}", 3 * head_blocks),
        [part, block, layer, name] => {
            let block: usize = block.parse().unwrap();
            let (offset, name) = match (layer, name) {
                ("linear", name) => (0, name),
                (_, "gamma") => (2, "weight"),
                (_, _) => (2, "bias"),
            };
            format!("{part}.{}.{name}", 3 * block + offset)
        }
        _ => panic!("unexpected parameter {path:?}"),
    }
}

/// Puts the reference's weights into the network.
struct Loader<'a> {
    path: Vec<String>,
    head_blocks: usize,
    parameters: &'a BTreeMap<String, Values>,
    device: &'a Device,
    seen: usize,
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = reference_name(&self.path, self.head_blocks);
        let (values, shape) = self.parameters[&name].in_burn_layout(&name);
        assert_eq!(shape, param.dims().to_vec(), "shape of {name}");
        self.seen += 1;
        Param::initialized(
            param.id,
            Tensor::from_data(TensorData::new(values, shape), self.device).require_grad(),
        )
    }
}

/// Compares the gradient of every parameter.
struct GradientCheck<'a> {
    path: Vec<String>,
    head_blocks: usize,
    file: &'a str,
    expected: &'a BTreeMap<String, Values>,
    gradients: &'a GradientsParams,
    seen: usize,
}

impl ModuleVisitor for GradientCheck<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = reference_name(&self.path, self.head_blocks);
        let gradient = self
            .gradients
            .get::<D>(param.id)
            .expect("every parameter has a gradient");
        let found = gradient
            .into_data()
            .convert::<f32>()
            .try_into_vec::<f32>()
            .unwrap();
        let (expected, _) = self.expected[&name].in_burn_layout(&name);
        // Single precision: an entry is as exact as the largest of its tensor allows.
        let largest = expected
            .iter()
            .fold(1.0f32, |largest, value| largest.max(value.abs()));
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() <= 1e-5 * largest,
                "{}: gradient of {name}: {found} instead of {expected}",
                self.file
            );
        }
        self.seen += 1;
    }
}

fn number(tensor: Tensor<1>) -> f32 {
    tensor.into_scalar::<f32>()
}

#[test]
fn scores_losses_and_gradients_match_the_reference() {
    for backend in backends() {
        for (file, case) in golden::<NetworkCase>() {
            let file = format!("{file} on {}", backend.name());
            check_case(&file, &case, &backend.device().clone().autodiff());
        }
    }
}

fn check_case(file: &str, case: &NetworkCase, device: &Device) {
    let config = EquiRouterConfig {
        trunk_hidden: case.config.trunk_hidden.clone(),
        width: case.config.trunk_out_dim,
        model_embedding: case.config.model_emb_dim,
        head_hidden: case.config.head_hidden.clone(),
        ..EquiRouterConfig::default()
    };
    let network = config.init(
        case.config.in_dim,
        case.config.num_models,
        &mut Initializer::new(0, device),
    );
    let head_blocks = case.config.head_hidden.len();
    let mut loader = Loader {
        path: Vec::new(),
        head_blocks,
        parameters: &case.parameters,
        device,
        seen: 0,
    };
    let network = network.map(&mut loader);
    assert_eq!(
        loader.seen,
        case.parameters.len(),
        "{file}: every parameter is used"
    );

    let scores = network.scores(tensor(&case.inputs, device));
    let found = scores
        .clone()
        .into_data()
        .convert::<f32>()
        .try_into_vec::<f32>()
        .unwrap();
    assert_close(&format!("{file}: scores"), &found, &case.scores.concat());

    let labels = tensor(&case.labels, device);
    let targets = Targets::of(labels.clone(), labels.zeros_like());
    let pairwise = Pairwise {
        weight: case.config.rank_weight,
        ..Pairwise::default()
    };
    let mse = squared_error(scores.clone(), labels.clone(), None);
    assert_close(&format!("{file}: MSE"), &[number(mse)], &[case.mse]);
    let rank = pairwise.ranking(scores.clone(), &targets);
    assert_close(
        &format!("{file}: ranking loss"),
        &[number(rank)],
        &[case.pairwise_rank_per_pair],
    );

    let objective = Objective::Pairwise(pairwise);
    let total = objective.loss(scores, &targets);
    assert_close(
        &format!("{file}: total"),
        &[number(total.clone())],
        &[case.total],
    );

    let gradients = GradientsParams::from_grads(total.backward(), &network);
    // As predictions are made, which need no gradients.
    let plain = network.valid();
    let scores = plain.logits()(tensor(&case.inputs, device).inner());
    assert_close(
        &format!("{file}: scores of predictions"),
        &values(scores),
        &case.scores.concat(),
    );

    let mut check = GradientCheck {
        path: Vec::new(),
        head_blocks,
        file,
        expected: &case.gradients,
        gradients: &gradients,
        seen: 0,
    };
    network.visit(&mut check);
    assert_eq!(
        check.seen,
        case.gradients.len(),
        "{file}: every gradient is compared"
    );
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

/// The largest difference of two gradients of every parameter, as a share of the largest entry.
struct Difference<'a> {
    one: &'a GradientsParams,
    other: &'a GradientsParams,
    largest: f32,
    seen: usize,
}

impl ModuleVisitor for Difference<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let [one, other] = [self.one, self.other].map(|gradients| {
            let gradient = gradients.get::<D>(param.id);
            values(gradient.expect("every parameter has a gradient"))
        });
        assert_eq!(one.len(), other.len());
        let size = one
            .iter()
            .fold(1e-3f32, |size, value| size.max(value.abs()));
        for (one, other) in one.iter().zip(&other) {
            self.largest = self.largest.max((one - other).abs() / size);
        }
        self.seen += 1;
    }
}

/// The same network on a processor in double precision, where no operation is fused.
struct InDoublePrecision;

impl ModuleMapper for InDoublePrecision {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = Tensor::<D>::from_data(param.val().into_data(), &Device::flex().autodiff());
        let value = value.cast(FloatDType::F64).detach();
        Param::initialized(param.id, value.require_grad())
    }
}

/// Asserts that scores, loss and gradients of a network are those of operations composed in double precision.
fn check_fused(backend: &Backend, config: &EquiRouterConfig) {
    let device = backend.device().clone().autodiff();
    let what = format!("{config:?} on {}", backend.name());
    let (batch, models) = (37, 5);
    let network = config.init(9, models, &mut Initializer::new(3, &device));
    let random = |rows: usize, columns: usize, seed: u64| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let values: Vec<f32> = (0..rows * columns).map(|_| rng.random()).collect();
        TensorData::new(values, [rows, columns])
    };
    let objective = Objective::Pairwise(Pairwise {
        weight: 3.0,
        ..Pairwise::default()
    });
    let loss = |scores: Tensor<2>| {
        let of = |seed| Tensor::from_data(random(batch, models, seed), &scores.device());
        let targets = Targets::of(of(2), of(4));
        objective.loss(scores.cast(FloatDType::F32), &targets)
    };
    let x = Tensor::<2>::from_data(random(batch, 9, 1), &device) * 4.0 - 2.0;
    let double = Tensor::<2>::from_data(x.clone().into_data(), &Device::flex().autodiff());
    let double = double.cast(FloatDType::F64);

    let composed = network.clone().map(&mut InDoublePrecision);
    assert!(operations::are_fused(&x) && !operations::are_fused(&double));
    let expected = composed.scores(double);
    let scores = network.scores(x.clone());
    assert_close(&what, &values(scores.clone()), &values(expected.clone()));
    let predicted = network.valid().logits()(x.inner());
    assert_close(&what, &values(predicted), &values(expected.clone()));

    let [expected, found] = [loss(expected), loss(scores)];
    assert_close(&what, &[number(found.clone())], &[number(expected.clone())]);
    let composed = GradientsParams::from_grads(expected.backward(), &composed);
    let fused = GradientsParams::from_grads(found.backward(), &network);
    let mut difference = Difference {
        one: &composed,
        other: &fused,
        largest: 0.0,
        seen: 0,
    };
    network.visit(&mut difference);
    assert_eq!(difference.seen, fused.len(), "{what}");
    // Three norms of few values one after another enlarge the rounding of single precision.
    let tolerance = if config.head_hidden.len() > 1 {
        5e-5
    } else {
        1e-5
    };
    assert!(
        difference.largest < tolerance,
        "{what}: {}",
        difference.largest
    );
}

/// A network whose width is no multiple of a vector.
fn odd(trunk: &[usize], head: &[usize], [film, interaction]: [bool; 2]) -> EquiRouterConfig {
    EquiRouterConfig {
        trunk_hidden: trunk.to_vec(),
        // Wider than one piece of the head's weights.
        width: 141,
        model_embedding: 6,
        head_hidden: head.to_vec(),
        film,
        interaction,
    }
}

#[test]
fn fused_operations_equal_composed_ones_for_every_shape() {
    let trunks: [&[usize]; 2] = [&[33], &[40, 24]];
    let heads: [&[usize]; 4] = [&[], &[19], &[64], &[32, 17, 8]];
    let processors = cpu_backends().into_iter();
    for backend in processors.filter(|backend| kernels::apply_to(backend.device())) {
        for (trunk, head) in trunks
            .iter()
            .flat_map(|trunk| heads.map(|head| (trunk, head)))
        {
            for parts in [[true, true], [true, false], [false, true], [false, false]] {
                check_fused(&backend, &odd(trunk, head, parts));
            }
        }
    }
}

/// Kernels are compiled for each width, so there are few; one has more columns than a cube has units.
#[test]
fn kernels_of_cards_equal_composed_operations() {
    let cards = card_backends().into_iter();
    for backend in cards.filter(|backend| routelab_device::is_card(backend.device())) {
        check_fused(&backend, &odd(&[300], &[19], [true, true]));
        check_fused(&backend, &odd(&[24], &[], [true, false]));
        check_fused(&backend, &odd(&[24], &[270], [false, true]));
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PairsCase {
    scores: Vec<Vec<f32>>,
    labels: Vec<Vec<f32>>,
    pairwise_rank_per_pair: f32,
}

#[test]
fn the_ranking_loss_of_a_batch_matches_the_reference() {
    for backend in backends() {
        let device = backend.device().clone().autodiff();
        for (file, case) in golden::<PairsCase>() {
            let scores = tensor(&case.scores, &device).require_grad();
            let labels = tensor(&case.labels, &device);
            for normalisation in [Normalisation::PerPair, Normalisation::PerQuery] {
                let pairwise = Pairwise {
                    normalisation,
                    ..Pairwise::default()
                };
                let targets = Targets::of(labels.clone(), labels.zeros_like());
                let loss = pairwise.ranking(scores.clone(), &targets);
                if normalisation == Normalisation::PerPair || case.pairwise_rank_per_pair == 0.0 {
                    assert_close(
                        &format!("{file} on {backend}"),
                        &[number(loss.clone())],
                        &[case.pairwise_rank_per_pair],
                    );
                }
                let gradient = scores
                    .grad(&loss.backward())
                    .expect("gradients are defined");
                let values = gradient
                    .into_data()
                    .convert::<f32>()
                    .try_into_vec::<f32>()
                    .unwrap();
                assert!(
                    values.iter().all(|value| value.is_finite()),
                    "{file}: {values:?}"
                );
            }
        }
    }
}

/// `ln(1 + e^x)` by definition.
fn softplus(x: f32) -> f32 {
    (1.0 + x.exp()).ln()
}

#[test]
fn ties_in_quality_are_ordered_by_cost_and_queries_can_weigh_the_same() {
    let device = Device::flex();
    // Query 0: models 0 and 1 equally good, 1 cheaper, both better than 2. Query 1: all equal, at equal cost.
    let scores = tensor(&[vec![0.5, -0.25, 1.0], vec![0.0, 1.0, 2.0]], &device);
    let quality = tensor(&[vec![1.0, 1.0, 0.0], vec![0.5, 0.5, 0.5]], &device);
    let cost = tensor(&[vec![3.0, 1.0, 0.5], vec![1.0, 1.0, 1.0]], &device);
    let loss = |tie_order, normalisation| {
        let pairwise = Pairwise {
            tie_order,
            normalisation,
            ..Pairwise::default()
        };
        let targets = Targets::of(quality.clone(), cost.clone());
        number(pairwise.ranking(scores.clone(), &targets))
    };
    let (first, second, tie) = (softplus(0.5), softplus(1.25), softplus(0.75));
    for normalisation in [Normalisation::PerPair, Normalisation::PerQuery] {
        let without = loss(TieOrder::None, normalisation);
        assert_close("no order of ties", &[without], &[(first + second) / 2.0]);
        let with = loss(TieOrder::Cost, normalisation);
        assert_close("ties by cost", &[with], &[(first + second + tie) / 3.0]);
    }

    // Query 0 has three pairs, query 1 one: the two normalisations differ.
    let quality = tensor(&[vec![1.0, 1.0, 0.0], vec![0.5, 0.5, 0.5]], &device);
    let cost = tensor(&[vec![3.0, 1.0, 0.5], vec![1.0, 1.0, 2.0]], &device);
    let per = |normalisation| {
        let pairwise = Pairwise {
            tie_order: TieOrder::Cost,
            normalisation,
            ..Pairwise::default()
        };
        let targets = Targets::of(quality.clone(), cost.clone());
        number(pairwise.ranking(scores.clone(), &targets))
    };
    let (one, two) = (first + second + tie, softplus(2.0) + softplus(1.0));
    assert_close(
        "per pair",
        &[per(Normalisation::PerPair)],
        &[(one + two) / 5.0],
    );
    assert_close(
        "per query",
        &[per(Normalisation::PerQuery)],
        &[(one / 3.0 + two / 2.0) / 2.0],
    );
}

#[test]
fn large_score_gaps_give_finite_losses() {
    let device = Device::flex().autodiff();
    let scores = tensor(&[vec![-500.0, 500.0]], &device).require_grad();
    let quality = tensor(&[vec![1.0, 0.0]], &device);
    let loss = Pairwise::default().ranking(scores.clone(), &Targets::of(quality.clone(), quality));
    assert_close("loss", &[number(loss.clone())], &[1000.0]);
    let gradient = scores.grad(&loss.backward()).unwrap();
    assert_close(
        "gradient",
        &gradient.into_data().try_into_vec::<f32>().unwrap(),
        &[-1.0, 1.0],
    );
}

fn small() -> EquiRouterConfig {
    EquiRouterConfig {
        trunk_hidden: vec![16],
        width: 8,
        model_embedding: 4,
        head_hidden: vec![8],
        ..EquiRouterConfig::default()
    }
}

/// Two kinds of queries; on each another model is right, and model 2 never is.
fn two_kinds(rows: usize) -> (Array2<f32>, Array2<f32>, Array2<f32>) {
    let x = Array2::from_shape_fn((rows, 4), |(row, column)| {
        let kind = row % 2;
        let noise = ((row * 31 + column * 17) % 13) as f32 / 26.0;
        if column == kind { 1.0 + noise } else { noise }
    });
    let quality = Array2::from_shape_fn((rows, 3), |(row, model)| f32::from(model == row % 2));
    let cost = Array2::from_shape_fn((rows, 3), |(_, model)| (model + 1) as f32);
    (x, quality, cost)
}

fn fit_small(
    config: &EquiRouterConfig,
    seed: u64,
    backend: &Backend,
) -> (FittedEquiRouter, Array2<f32>) {
    let (x, quality, cost) = two_kinds(64);
    let objective = Objective::Pairwise(Pairwise::default());
    let examples = Examples {
        x: x.view(),
        quality: quality.view(),
        cost: cost.view(),
        measured: None,
    };
    let training = TrainConfig {
        epochs: 30,
        batch_size: 16,
        learning_rate: 1e-2,
    };
    let fit = Fit {
        backend,
        seed,
        progress: &|_| {},
    };
    let fitted = FittedEquiRouter::fit_on(&examples, config, &objective, &training, &fit).unwrap();
    (fitted, x)
}

#[test]
fn training_finds_the_right_model_of_each_kind_of_query() {
    for (film, interaction) in [(true, true), (false, true), (true, false)] {
        let config = EquiRouterConfig {
            film,
            interaction,
            ..small()
        };
        let (fitted, x) = fit_small(&config, 1, &Backend::default());
        let losses = &fitted.history().losses;
        assert!(losses[losses.len() - 1] < losses[0] / 4.0, "{losses:?}");
        for (row, scores) in fitted.predict(x.view()).unwrap().outer_iter().enumerate() {
            let right = row % 2;
            assert!(
                scores
                    .iter()
                    .enumerate()
                    .all(|(model, &s)| model == right || s < scores[right])
            );
        }
    }
}

#[test]
fn a_seed_repeats_exactly_and_weights_survive_storage() {
    let backend = Backend::default();
    let (first, x) = fit_small(&small(), 7, &backend);
    let (again, _) = fit_small(&small(), 7, &backend);
    let (other, _) = fit_small(&small(), 8, &backend);
    let scores = first.predict(x.view()).unwrap();
    assert_eq!(scores, again.predict(x.view()).unwrap());
    assert_ne!(scores, other.predict(x.view()).unwrap());
    let bytes = first.to_bytes().unwrap();
    let stored = FittedEquiRouter::from_bytes(&bytes, &small(), 4, 3, &backend).unwrap();
    assert_eq!(scores, stored.predict(x.view()).unwrap());
    assert!(FittedEquiRouter::from_bytes(&bytes, &small(), 5, 3, &backend).is_err());
    assert!(FittedEquiRouter::from_bytes(&bytes[..40], &small(), 4, 3, &backend).is_err());
}

#[test]
fn initial_weights_of_a_seed_are_the_same_on_every_backend() {
    let bytes = |backend: &Backend| {
        let network = small().init(4, 3, &mut Initializer::new(7, backend.device()));
        crate::weights::to_bytes(&network).unwrap()
    };
    let first = bytes(&Backend::default());
    for backend in backends() {
        assert_eq!(bytes(&backend), first, "{backend}");
    }
}

#[test]
fn an_absurd_learning_rate_is_reported_as_divergence() {
    let (x, quality, cost) = two_kinds(8);
    let training = TrainConfig {
        epochs: 3,
        batch_size: 8,
        learning_rate: 1e38,
    };
    let fit = Fit {
        backend: &Backend::default(),
        seed: 0,
        progress: &|_| {},
    };
    let objective = Objective::Pairwise(Pairwise::default());
    let examples = Examples {
        x: x.view(),
        quality: quality.view(),
        cost: cost.view(),
        measured: None,
    };
    let result = FittedEquiRouter::fit_on(&examples, &small(), &objective, &training, &fit);
    let error = result
        .err()
        .expect("the loss cannot stay finite")
        .to_string();
    assert!(
        error.contains("diverged") && error.contains("epoch"),
        "{error}"
    );
}
