//! EquiRouter's predictions on processors.

use burn::tensor::Tensor;
use rayon::prelude::*;
use routelab_kernels::{Threads, dot, product, vectorised};

use super::block::Block;
use super::fused::{Pass, bias, norm};
use super::model::EquiRouter;
use crate::kernels::{self, Norm, Values, matrix, matrix_mut};

/// Queries of one piece: enough for a product of full speed, few enough for a core's cache.
pub(super) const PIECE: usize = 256;

/// A layer and what follows it, for predictions.
struct Layer {
    weight: Values,
    bias: Values,
    norm: Norm,
}

impl Layer {
    fn new(block: &Block) -> Self {
        Self {
            weight: block.linear.weight.val().into(),
            bias: bias(&block.linear).val().into(),
            norm: norm(block),
        }
    }

    /// `[rows, inputs]` → `[rows, outputs]`
    fn forward(&self, x: &[f32]) -> Vec<f32> {
        let outputs = self.bias.len();
        let weight = matrix(&self.weight, outputs);
        let x = matrix(x, weight.nrows());
        let mut out = vec![0.0; x.nrows() * outputs];
        product(x, weight, matrix_mut(&mut out, outputs), Threads::One);
        kernels::add_to_rows(&mut out, &self.bias);
        kernels::gelu_norm(&mut out, &self.norm);
        out
    }
}

/// The network for predictions on processors. Pieces of [`PIECE`] queries are spread over threads, and all that happens to a
/// piece happens on one.
pub(super) struct Predictor<'a> {
    pass: Pass<'a>,
    trunk: Vec<Layer>,
    /// The norm after the head's first layer, and the layers after it; without a hidden layer the first layer's are the scores.
    head: Option<(Norm, Vec<Layer>)>,
    /// `[width]` and one number.
    output: (Values, Values),
}

impl<'a> Predictor<'a> {
    pub(super) fn new(network: &'a EquiRouter) -> Self {
        let head = network.head.split_first();
        Self {
            pass: Pass::new(network),
            trunk: network.trunk.iter().map(Layer::new).collect(),
            head: head.map(|(first, rest)| (norm(first), rest.iter().map(Layer::new).collect())),
            output: (
                network.output.weight.val().into(),
                bias(&network.output).val().into(),
            ),
        }
    }

    /// Scores `[queries, models]` of `x`, `[queries, dimension]`.
    pub(super) fn predict(&self, x: Tensor<2>) -> Tensor<2> {
        let (pass, [queries, dimension]) = (&self.pass, x.dims());
        let x = Values::from(x);
        let pieces: Vec<Vec<f32>> = (x.par_chunks(PIECE * dimension))
            .map(|x| {
                let mut layers = self.trunk.iter();
                let first = layers.next().expect("the trunk has at least one layer");
                layers.fold(first.forward(x), |z, layer| layer.forward(&z))
            })
            .collect();
        let models = pass.network.models();
        let mut scores = Values::zeros([queries, models]);
        let mut mixed = pass.first.mixed();
        for index in 0..models {
            pass.first.mix(&pass.model(index), &mut mixed);
            let of_pieces = pieces
                .par_iter()
                .map_init(Vec::new, |gaps, z| self.head(index, &mixed, z, gaps));
            let column: Vec<Vec<f32>> = of_pieces.collect();
            let rows = scores.chunks_exact_mut(models);
            rows.zip(column.iter().flatten())
                .for_each(|(row, score)| row[index] = *score);
        }
        pass.tensor(scores)
    }

    /// One model's scores of the queries of a piece, given `G_m` in `mixed`. `gaps` is scratch space.
    fn head(&self, index: usize, mixed: &[f32], z: &[f32], gaps: &mut Vec<f32>) -> Vec<f32> {
        let pass = &self.pass;
        gaps.resize(z.len(), 0.0);
        let mut h = vec![0.0; z.len() / pass.width * pass.first.hidden()];
        let terms = (mixed, pass.constant(index));
        (pass.first).forward(&pass.model(index), terms, z, gaps, &mut h, Threads::One);
        let Some((norm, rest)) = &self.head else {
            return h;
        };
        kernels::gelu_norm(&mut h, norm);
        let h = rest.iter().fold(h, |h, layer| layer.forward(&h));
        let (weight, bias) = &self.output;
        vectorised(
            #[inline(always)]
            || {
                let rows = h.chunks_exact(weight.len());
                rows.map(|row| dot(row, weight) + bias[0]).collect()
            },
        )
    }
}
