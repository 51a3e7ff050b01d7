"""Embeddings."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import routelab
from conftest import REPOSITORY, all_refused


def test_hashed_ngrams_are_fitted(table: routelab.Table) -> None:
    found = routelab.encode(table.prompts[:4], "hashed-ngrams", fit=table.prompts[:100], settings={"dim": 32})
    assert found.shape == (4, 32) and len(found) == 4 and found.encoder.startswith("hashed-ngrams")
    again = routelab.encode(table.prompts[:4], "hashed-ngrams", fit=table.prompts[:100], settings={"dim": 32})
    np.testing.assert_array_equal(found.values, again.values)
    all_refused(
        [
            (lambda: routelab.encode(["a"], "hashed-ngrams"), "is fitted on prompts first"),
            (lambda: routelab.encode(["a"], "image-statistics", fit=["a"]), "has nothing to fit"),
            (lambda: routelab.encode(["a"], "word2vec"), "expected one of minilm"),
            (lambda: routelab.encode([], "hashed-ngrams", fit=["a"]), "there are no queries"),
            (lambda: routelab.encode(["a"], "hashed-ngrams", fit=["a"], dim=3), "unknown field `dim`"),
            (lambda: routelab.encode(["a"], images=[]), "0 images for 1 prompts"),
        ]
    )


def test_images() -> None:
    table = routelab.load("datasets/logicvista")
    assert table.images is not None
    found = routelab.encode(table.prompts[:3], "image-statistics", images=table.images[:3], progress=False)
    assert len(found) == 3 and np.isfinite(found).all()
    with pytest.raises(ValueError):
        routelab.encode(["no image"], "image-statistics")


def test_minilm(table: routelab.Table) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        routelab.encode(["a"], weights="nowhere")
    weights = REPOSITORY / "models/all-MiniLM-L6-v2"
    if not (weights / "model.safetensors").exists():
        pytest.skip("the weights of MiniLM are not there: python3 scripts/get-minilm.py")
    small = table.select(range(20))
    seen: list[tuple[int, int, str]] = []
    found = routelab.encode(small.prompts, "minilm", weights=weights, progress=lambda *step: seen.append(step))
    stored = routelab.Embeddings.load("datasets/reasoning-gym/minilm.safetensors", small)
    # The file has half precision.
    np.testing.assert_allclose(found, stored, atol=2e-3)
    assert seen[-1][:2] == (20, 20)


def test_embeddings_are_arrays(table: routelab.Table, tmp_path: pathlib.Path) -> None:
    values = np.arange(6, dtype="float32").reshape(3, 2)
    embeddings = routelab.Embeddings(values, "mine")
    assert embeddings.shape == (3, 2) and embeddings.encoder == "mine"
    assert np.shares_memory(np.asarray(embeddings), embeddings.values)
    assert np.asarray(embeddings, dtype="float64").dtype == np.float64
    assert np.array(embeddings).flags.writeable and not embeddings.values.flags.writeable
    np.testing.assert_array_equal(embeddings.select([2, 0]), values[[2, 0]])
    small = table.select(range(3))
    embeddings.save(tmp_path / "x.safetensors", small)
    back = routelab.Embeddings.load(tmp_path / "x.safetensors", small.select([1]))
    np.testing.assert_array_equal(back, values[[1]])
    with pytest.raises(FileNotFoundError):
        routelab.Embeddings.load("nothing.safetensors", small)
    with pytest.raises(ValueError, match="expected one id per row"):
        embeddings.save(tmp_path / "y.safetensors", table)
