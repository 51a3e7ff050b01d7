//! The losses of pairs of models as an operation of graphics cards: one kernel, and one for the way back.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, Dispatch, backend_extension};
use burn::tensor::{DType, Tensor};
use burn_cubecl::CubeBackend;
use routelab_device::is_card;

use super::{Targets, TieOrder};
use crate::cube::{self, Pairs};

/// Whether the scores lie where there is the operation.
pub(super) fn apply_to(scores: &Tensor<2>) -> bool {
    is_card(&scores.device()) && scores.dtype() == DType::F32
}

/// Losses and counts of a batch, see [`PairLosses`].
pub(super) fn of(scores: Tensor<2>, targets: &Targets, ties: TieOrder) -> (Tensor<2>, Tensor<2>) {
    let (quality, cost) = (targets.quality.clone(), targets.cost.clone());
    let measured = targets.measured.clone();
    let partly = measured.is_some();
    let measured = measured.unwrap_or_else(|| quality.clone());
    let (losses, counts) = <Dispatch as PairLosses>::pair_losses(
        scores.into_dispatch(),
        quality.into_dispatch(),
        cost.into_dispatch(),
        measured.into_dispatch(),
        ties == TieOrder::Cost,
        partly,
    );
    (Tensor::from_dispatch(losses), Tensor::from_dispatch(counts))
}

/// Of every query and model `i` what it loses against the models `j` that it comes before, `Σ_j softplus(s_j - s_i)`, and how many those
/// are. All `[queries, models]`, in single precision. `measured` counts if the table is measured `partly`. Gradients flow through the losses
/// to the scores only.
#[backend_extension(Cube, Fusion, Autodiff)]
pub trait PairLosses: Backend {
    /// Losses and counts.
    #[fusion(meta = |scores, _, _, _, _, _| (scores.clone(), scores.clone()))]
    fn pair_losses(
        scores: FloatTensor<Self>,
        quality: FloatTensor<Self>,
        cost: FloatTensor<Self>,
        measured: FloatTensor<Self>,
        ties_by_cost: bool,
        partly: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

/// The way back of [`PairLosses`].
#[backend_extension(Cube, Fusion)]
pub trait PairLossesBack: Backend {
    /// From the gradient of the losses to that of the scores.
    #[fusion(dtype = scores, shape = scores)]
    fn pair_losses_backward(
        gradient: FloatTensor<Self>,
        scores: FloatTensor<Self>,
        quality: FloatTensor<Self>,
        cost: FloatTensor<Self>,
        measured: FloatTensor<Self>,
        ties_by_cost: bool,
        partly: bool,
    ) -> FloatTensor<Self>;
}

fn pairs(
    [quality, cost, measured]: [FloatTensor<CubeBackend>; 3],
    ties_by_cost: bool,
    partly: bool,
) -> Pairs {
    Pairs {
        quality,
        cost,
        measured,
        ties_by_cost,
        partly,
    }
}

impl PairLosses for CubeBackend {
    fn pair_losses(
        scores: FloatTensor<Self>,
        quality: FloatTensor<Self>,
        cost: FloatTensor<Self>,
        measured: FloatTensor<Self>,
        ties_by_cost: bool,
        partly: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        cube::pair_losses(
            scores,
            pairs([quality, cost, measured], ties_by_cost, partly),
        )
    }
}

impl PairLossesBack for CubeBackend {
    fn pair_losses_backward(
        gradient: FloatTensor<Self>,
        scores: FloatTensor<Self>,
        quality: FloatTensor<Self>,
        cost: FloatTensor<Self>,
        measured: FloatTensor<Self>,
        ties_by_cost: bool,
        partly: bool,
    ) -> FloatTensor<Self> {
        let pairs = pairs([quality, cost, measured], ties_by_cost, partly);
        cube::pair_losses_backward(gradient, scores, pairs)
    }
}

impl<B: PairLosses + PairLossesBack, C: CheckpointStrategy> PairLosses for Autodiff<B, C> {
    fn pair_losses(
        scores: FloatTensor<Self>,
        quality: FloatTensor<Self>,
        cost: FloatTensor<Self>,
        measured: FloatTensor<Self>,
        ties_by_cost: bool,
        partly: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let prepared = Losses
            .prepare::<C>([scores.node()])
            .compute_bound()
            .stateful();
        let [scores, quality, cost, measured] =
            [scores, quality, cost, measured].map(|one| one.into_primitive());
        let inputs = (scores.clone(), quality.clone(), cost.clone());
        let (losses, counts) = B::pair_losses(
            scores,
            quality,
            cost,
            measured.clone(),
            ties_by_cost,
            partly,
        );
        let losses = match prepared {
            OpsKind::Tracked(prepared) => {
                prepared.finish((inputs, measured, ties_by_cost, partly), losses)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(losses),
        };
        (losses, Self::from_inner(counts))
    }
}

#[derive(Debug)]
struct Losses;

impl<B: PairLossesBack> Backward<B, 1> for Losses {
    /// Scores, quality and cost; what was measured; how pairs are told apart.
    type State = (
        (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>),
        FloatTensor<B>,
        bool,
        bool,
    );

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let ((scores, quality, cost), measured, ties, partly) = ops.state;
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            let found =
                B::pair_losses_backward(gradient, scores, quality, cost, measured, ties, partly);
            grads.register::<B>(parent.id, found);
        }
    }
}
