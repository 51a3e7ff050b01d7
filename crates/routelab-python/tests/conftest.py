"""What the tests share. They run in the root of the repository."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import routelab

# A call that is refused, and words of the error.
Refused = tuple[Callable[[], object], str]

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)


@pytest.fixture(scope="session")
def table() -> routelab.Table:
    return routelab.load(REPOSITORY / "datasets/reasoning-gym", sample=1500)


@pytest.fixture(scope="session")
def embeddings(table: routelab.Table) -> routelab.Embeddings:
    return routelab.Embeddings.load(REPOSITORY / "datasets/reasoning-gym/minilm.safetensors", table)


@pytest.fixture(scope="session")
def rows(table: routelab.Table) -> tuple[Any, Any]:
    return routelab.split(table, train=0.4, seed=42)


def program(*args: str, code: int = 0) -> str:
    """What the program prints: the one of this build, or that in the package."""
    start = [os.environ["ROUTELAB_PROGRAM"]] if "ROUTELAB_PROGRAM" in os.environ else [sys.executable, "-m", "routelab"]
    done = subprocess.run([*start, *args], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


EXPERIMENT = """
name = "small"
seeds = {seeds}
[data]
dataset = "{repository}/datasets/reasoning-gym"
sample = 1500
[embeddings]
file = "{repository}/datasets/reasoning-gym/minilm.safetensors"
[split]
kind = "in-domain"
train = 0.4
[evaluation]
bootstrap = 200
[cost]
epochs = 4
rank = 4
hidden = [8]
"""


@pytest.fixture
def experiment(tmp_path: pathlib.Path) -> Any:
    """Writes an experiment file with these routers and gives its path."""

    def write(routers: str, seeds: int = 1) -> pathlib.Path:
        path = tmp_path / "small.toml"
        start, _, rest = routers.partition("[[router]]") if routers.startswith("reference") else ("", "", "")
        body = EXPERIMENT.format(seeds=seeds, repository=REPOSITORY.as_posix())
        text = start + body + (f"[[router]]{rest}" if start else routers)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def all_refused(cases: list[Refused]) -> None:
    """Every call raises a `ValueError` with its words."""
    for call, words in cases:
        with pytest.raises(ValueError) as raised:
            call()
        assert words in str(raised.value)


class Means:
    """A router: the mean quality and cost of every model, and a direction towards queries that it answers well."""

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def fit(self, x: Any, quality: Any, cost: Any) -> None:
        assert x.dtype == np.float32 and quality.dtype == cost.dtype == np.float64
        self._means = quality.mean(axis=0), cost.mean(axis=0)
        self._direction = self.weight * (x - x.mean(axis=0)).T @ (quality - self._means[0]) / len(x)

    def predict(self, x: Any) -> tuple[Any, Any]:
        quality, cost = self._means
        return quality + x @ self._direction, np.tile(cost, (len(x), 1))


class QualityOnly:
    """A router without costs of its own."""

    def fit(self, x: Any, quality: Any) -> None:
        self._mean = quality.mean(axis=0)

    def predict(self, x: Any) -> Any:
        return np.tile(self._mean, (len(x), 1))


class Broken:
    """A router that fails."""

    def fit(self, x: Any, quality: Any, cost: Any) -> None:
        raise LookupError("no such thing")

    def predict(self, x: Any) -> Any:
        return x


class Misshapen:
    """A router whose predictions have the wrong shape."""

    def fit(self, x: Any, quality: Any, cost: Any) -> None:
        pass

    def predict(self, x: Any) -> Any:
        return np.zeros((len(x), 3))
