"""The numbers of the reference implementations, from the files that the Rust tests read."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import routelab
from conftest import REPOSITORY

CASES = json.loads((REPOSITORY / "tests/golden/metrics.json").read_text())


def same(ours: Any, golden: Any) -> None:
    np.testing.assert_allclose(ours, golden, rtol=1e-5, atol=1e-5 if np.max(np.abs(golden)) < 1e-5 else 0)


def evaluated(case: dict[str, Any], convention: Any) -> routelab.Evaluation:
    table = routelab.Table(case["quality"], case["cost"])
    quality, cost = np.array(case["predicted_quality"]), np.array(case["predicted_cost"])
    return routelab.evaluate(table, quality, cost, infeasible=convention, ties=convention)


def points(case: list[dict[str, float]]) -> tuple[list[float], list[float]]:
    return [point["cost"] for point in case], [point["performance"] for point in case]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_shared(case: dict[str, Any]) -> None:
    golden = case["shared"]
    ours = evaluated(case, "cheapest")
    cost, quality = points(golden["points"])
    same(ours.points["cost"], cost)
    same(ours.points["quality"], quality)
    same(ours["nauc_shared"], golden["nauc"])
    assert list(ours.choices) == golden["choice_at_largest_budget"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_legacy(case: dict[str, Any]) -> None:
    golden = case["legacy"]
    ours = evaluated(case, "first")
    same(ours["nauc_legacy"], golden["nauc"])
    same(ours["peak"], golden["peak"])
    same(ours["rci"], golden["rci"])
    assert list(ours.choices) == golden["choice_at_largest_budget"]
    found = ours.to_dict()
    same(found["best_single_quality"], golden["best_single_quality"])
    same(found["best_single_cost"], golden["best_single_cost"])
