"""Modules of PyTorch as routers. PyTorch is imported when such a router is fitted or used."""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

# PyTorch has one generator for all threads: routers that are fitted side by side would draw from each other's.
_TRAINING = threading.Lock()


class TorchRouter:
    """A PyTorch module that maps embeddings `[batch, dimension]` to qualities `[batch, models]`, trained by Adam.

    `module`: a function `(dimension, models) -> module`, which is called anew with the seed of every fit; or a module, with whose weights
    every fit then begins. `loss(predicted, quality)` gives a number, by default the mean squared error. Costs are those of RouteLab's
    shared cost network. Functions stand at the top level of a module or a notebook, so that a run can keep the router.
    """

    def __init__(
        self,
        module: torch.nn.Module | Callable[[int, int], torch.nn.Module],
        *,
        epochs: int = 20,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
        device: str = "cpu",
    ) -> None:
        self._module: Any = module
        self._loss = loss
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device

    def fit(self, x: Any, quality: Any, *, seed: int = 0) -> None:
        """Trains on embeddings `x`, `[queries, dimension]`, and qualities `[queries, models]`."""
        import torch

        loss_of = self._loss or torch.nn.functional.mse_loss
        inputs = torch.as_tensor(x, device=self.device)
        targets = torch.as_tensor(quality, dtype=torch.float32, device=self.device)
        # Initial weights and dropout draw from the global generator, which is left as it was.
        with _TRAINING, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if isinstance(self._module, torch.nn.Module):
                module = copy.deepcopy(self._module)
            else:
                module = self._module(inputs.shape[1], targets.shape[1])
            module = module.to(self.device).train()
            optimizer = torch.optim.Adam(module.parameters(), lr=self.learning_rate)
            for _ in range(self.epochs):
                for batch in torch.randperm(len(inputs)).split(self.batch_size):
                    optimizer.zero_grad()
                    loss = loss_of(module(inputs[batch]), targets[batch])
                    loss.backward()
                    optimizer.step()
        self._module = module.eval()

    def predict(self, x: Any) -> Any:
        """Qualities `[queries, models]` of embeddings `x`, `[queries, dimension]`."""
        import torch

        with torch.no_grad():
            predicted = self._module(torch.as_tensor(x, device=self.device))
        return predicted.double().cpu().numpy()
