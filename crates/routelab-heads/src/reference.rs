//! Values that `tests/fixtures/reference.py` computed from the formulas, for tests.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use serde::Deserialize;

use crate::backend::{BACKENDS, Backend, BackendInfo, Place, adapters};

pub(crate) type Matrix = Vec<Vec<f32>>;

#[derive(Deserialize)]
pub(crate) struct Reference {
    /// As the tests of these objectives read it.
    pub(crate) listwise: serde_json::Value,
    pub(crate) binary_cross_entropy: BinaryCrossEntropy,
    pub(crate) contrastive: Contrastive,
    pub(crate) expected_regret: ExpectedRegret,
    pub(crate) x: Matrix,
    pub(crate) networks: BTreeMap<String, NetworkCase>,
}

#[derive(Deserialize)]
pub(crate) struct BinaryCrossEntropy {
    pub(crate) logits: Matrix,
    pub(crate) target: Matrix,
    pub(crate) loss: f32,
    pub(crate) gradient: Matrix,
}

#[derive(Deserialize)]
pub(crate) struct Contrastive {
    pub(crate) scores: Matrix,
    pub(crate) positives: Matrix,
    pub(crate) negatives: Matrix,
    pub(crate) loss: f32,
    pub(crate) gradient: Matrix,
}

#[derive(Deserialize)]
pub(crate) struct ExpectedRegret {
    pub(crate) scores: Matrix,
    pub(crate) quality: Matrix,
    pub(crate) cost: Matrix,
    pub(crate) prices: Matrix,
    pub(crate) loss: f32,
    pub(crate) gradient: Matrix,
}

#[derive(Deserialize)]
pub(crate) struct NetworkCase {
    weights: BTreeMap<String, Weights>,
    pub(crate) predictions: Matrix,
    #[serde(default)]
    pub(crate) graph_x: Matrix,
    #[serde(default)]
    pub(crate) graph_quality: Matrix,
    #[serde(default)]
    pub(crate) graph_cost: Matrix,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Weights {
    Vector(Vec<f32>),
    Matrix(Matrix),
}

/// The reference values.
pub(crate) fn reference() -> Reference {
    serde_json::from_str(include_str!("../tests/fixtures/reference.json")).unwrap()
}

/// The backends of this build that compute in this place. Where `ROUTELAB_TEST_BACKENDS` names some, with commas between, those of
/// them; one that is not in this build is a failure.
fn backends_at(place: Place) -> Vec<String> {
    let there = |info: &&BackendInfo| info.built && info.place == place;
    let Ok(named) = std::env::var("ROUTELAB_TEST_BACKENDS") else {
        let built = BACKENDS.iter().filter(there);
        return built.map(|info| info.name.to_owned()).collect();
    };
    let of_place = |name: &&str| {
        let base = name.split(':').next();
        let info = BACKENDS
            .iter()
            .find(|info| info.built && Some(info.name) == base);
        info.unwrap_or_else(|| panic!("`{name}` is not in this build"))
            .place
            == place
    };
    named
        .split(',')
        .filter(of_place)
        .map(str::to_owned)
        .collect()
}

/// The CPU backends of this build.
pub(crate) fn cpu_backends() -> Vec<Backend> {
    let names = backends_at(Place::Processor);
    let open = |name: String| Backend::from_name(&name).unwrap();
    names.into_iter().map(open).collect()
}

/// The CPU backends of this build and the others, see [`card_backends`].
pub(crate) fn backends() -> Vec<Backend> {
    let mut backends = cpu_backends();
    backends.extend(card_backends());
    backends
}

/// The backends of this build that have devices, on every one of this machine. Where one has none the test says so; with
/// `ROUTELAB_GPU_TESTS=1` it fails, but for WebGPU, which no program outside a browser finds.
#[allow(clippy::print_stderr, reason = "a test prints as it likes")]
pub(crate) fn card_backends() -> Vec<Backend> {
    let mut backends = Vec::new();
    for name in backends_at(Place::Adapter) {
        // A device that was named, or all.
        let opened = if name.contains(':') {
            Backend::from_name(&name).map(|backend| vec![backend])
        } else {
            let found = adapters(&name).unwrap();
            let all = found
                .iter()
                .map(|adapter| format!("{name}:{}", adapter.index));
            let mut names: Vec<String> = all.collect();
            if names.is_empty() {
                names.push(name.clone());
            }
            names.iter().map(|name| Backend::from_name(name)).collect()
        };
        match opened {
            Ok(opened) => backends.extend(opened),
            Err(error) => {
                let must = std::env::var_os("ROUTELAB_GPU_TESTS").is_some() && name != "webgpu";
                assert!(!must, "{error}");
                eprintln!("skipped on `{name}`: {error}");
            }
        }
    }
    backends
}

pub(crate) fn tensor(rows: &[Vec<f32>], device: &Device) -> Tensor<2> {
    let shape = [rows.len(), rows[0].len()];
    Tensor::from_data(TensorData::new(rows.concat(), shape), device)
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

/// Compares with the precision of single numbers.
#[track_caller]
pub(crate) fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let tolerance = 1e-5 * expected.abs().max(1.0);
        assert!(
            (found - expected).abs() <= tolerance,
            "{what}: {found} instead of {expected}"
        );
    }
}

/// Checks a loss and its gradient by `scores`.
#[track_caller]
pub(crate) fn check_loss(
    what: &str,
    scores: &Matrix,
    device: &Device,
    expected: (f32, &Matrix),
    loss: impl Fn(Tensor<2>) -> Tensor<1>,
) {
    let scores = tensor(scores, device).require_grad();
    let value = loss(scores.clone());
    let gradient = scores.grad(&value.backward()).expect("a gradient");
    assert_close(what, &values(value), &[expected.0]);
    let what = format!("gradient of {what}");
    assert_close(&what, &values(gradient), &expected.1.concat());
}

/// Puts the weights of `case` into a network; `name` translates a path of the module.
pub(crate) fn with_weights<M: Module>(
    network: M,
    case: &NetworkCase,
    name: fn(&[&str]) -> String,
    device: &Device,
) -> M {
    let mut loader = Loader {
        path: Vec::new(),
        weights: &case.weights,
        name,
        device,
        seen: 0,
    };
    let network = network.map(&mut loader);
    assert_eq!(loader.seen, case.weights.len(), "every weight is used");
    network
}

/// `layer.weight` is called `layer` and `layer.bias` is called `layer_bias`.
pub(crate) fn plain_name(path: &[&str]) -> String {
    match path {
        [layer, "weight"] => (*layer).to_owned(),
        [layer, "bias"] => format!("{layer}_bias"),
        path => path.join("."),
    }
}

struct Loader<'a> {
    path: Vec<String>,
    weights: &'a BTreeMap<String, Weights>,
    name: fn(&[&str]) -> String,
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
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let name = (self.name)(&path);
        let weights = self.weights.get(&name);
        let (values, shape) = match weights.unwrap_or_else(|| panic!("no weight {name}")) {
            Weights::Vector(values) => (values.clone(), vec![values.len()]),
            Weights::Matrix(rows) => (rows.concat(), vec![rows.len(), rows[0].len()]),
        };
        assert_eq!(shape, param.dims().to_vec(), "shape of {name}");
        self.seen += 1;
        let tensor = Tensor::from_data(TensorData::new(values, shape), self.device);
        Param::initialized(param.id, tensor)
    }
}
