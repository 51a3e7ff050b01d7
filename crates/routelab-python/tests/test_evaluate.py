"""Evaluations are those of the program, and of a run."""

from __future__ import annotations

import csv
import json
import math
import pathlib
from typing import Any

import numpy as np
import pytest

import routelab
from conftest import REPOSITORY, all_refused, program


def predictions(table: routelab.Table, seed: int = 7) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    quality = table.quality + random.normal(0, 0.3, table.quality.shape)
    return quality, table.cost * random.uniform(0.8, 1.2, table.cost.shape)


def test_the_example_of_the_program() -> None:
    files = "--table docs/examples/table.csv --predictions docs/examples/predictions.csv".split()
    printed = json.loads(program("evaluate", *files, "--json"))
    table = routelab.load("docs/examples/table.csv", format="routerbench")
    with open("docs/examples/predictions.csv", encoding="utf-8") as file:
        lines = {line["sample_id"]: line for line in csv.DictReader(file)}

    def part(name: str) -> list[list[float]]:
        return [[float(lines[id][f"{model}|{name}"]) for model in table.models] for id in table.ids]

    assert routelab.evaluate(table, part("quality"), part("cost")).to_dict() == printed


@pytest.mark.parametrize("decision", ["cap", "margin=0.1", "price", "cap+price=3"])
def test_every_decision_is_that_of_the_program(table: routelab.Table, decision: str, tmp_path: pathlib.Path) -> None:
    quality, cost = predictions(table)
    with open(tmp_path / "table.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sample_id", "prompt", "eval_name", *table.models, *(f"{model}|total_cost" for model in table.models)])
        for at, id in enumerate(table.ids):
            writer.writerow([id, table.prompts[at], table.tasks[at], *table.quality[at], *table.cost[at]])
    with open(tmp_path / "predictions.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sample_id", *(f"{model}|{part}" for part in ("quality", "cost") for model in table.models)])
        for at, id in enumerate(table.ids):
            writer.writerow([id, *quality[at], *cost[at]])
    files = f"--table {tmp_path}/table.csv --predictions {tmp_path}/predictions.csv".split()
    printed = json.loads(program("evaluate", *files, "--decision", decision, "--strongest", "best-single", "--json"))
    ours = routelab.evaluate(table, quality, cost, decision=decision, strongest="best-single")
    assert ours.to_dict() == printed
    assert {name: printed[name] for name in ours if math.isfinite(ours[name] or 0.0)} == {
        name: value for name, value in ours.metrics.items() if math.isfinite(value or 0.0)
    }


def test_metrics_are_a_mapping(table: routelab.Table) -> None:
    evaluation = routelab.evaluate(table, *predictions(table))
    assert list(evaluation) == evaluation.keys() == list(evaluation.metrics)
    assert len(evaluation) == len(dict(evaluation)) and "rci" in evaluation and "RCI" not in evaluation
    assert evaluation.rci == evaluation["rci"] == evaluation.metrics["rci"]
    assert set(evaluation) <= {name for name, _ in routelab.metrics()}
    with pytest.raises(KeyError, match="expected one of nauc_shared"):
        evaluation["RCI"]
    with pytest.raises(AttributeError, match="nauc_shared"):
        evaluation.RCI
    assert "nAUC (shared) ↑" in evaluation._repr_html_() and "RCI" in str(evaluation)
    budgets = evaluation.points["budget"]
    assert (np.diff(budgets) > 0).all() and evaluation.points["call_rates"].shape == (len(budgets), len(table.models))
    np.testing.assert_allclose(sum(evaluation.call_rates.values()), 1)


def test_rows_are_those_queries(table: routelab.Table, rows: tuple[Any, Any]) -> None:
    _, test = rows
    quality, cost = predictions(table)
    whole = routelab.evaluate(table, quality, cost, rows=test)
    part = routelab.evaluate(table, quality[test], cost[test], rows=test)
    alone = routelab.evaluate(table.select(test), quality[test], cost[test])
    mask = np.zeros(len(table), dtype=bool)
    mask[test] = True
    masked = routelab.evaluate(table, quality, cost, rows=mask)
    assert whole.metrics == part.metrics == alone.metrics
    assert masked["rci"] == whole["rci"]


def test_what_is_wrong_is_said(table: routelab.Table) -> None:
    quality, cost = predictions(table)
    hurt = quality.copy()
    hurt[3, 1] = np.nan
    all_refused(
        [
            (lambda: routelab.evaluate(table, quality[:3], cost), "predicted quality is 3 x"),
            (lambda: routelab.evaluate(table, hurt, cost), "NaN"),
            (lambda: routelab.evaluate(table, quality, cost, decision="best"), "`cap`, `margin=0.05`"),
            (lambda: routelab.evaluate(table, quality, cost, ties="best"), "`cheapest`"),  # type: ignore[arg-type]
            (lambda: routelab.evaluate(table, quality, cost, strongest="best"), "expected \"dearest\""),
            (lambda: routelab.evaluate(table, quality, cost, budgets=1), "2 or more"),
            (lambda: routelab.evaluate(table, quality, cost, rows=[0, len(table)]), "counted from 0"),
            (lambda: routelab.evaluate(table, quality, cost, rows=[0, 0]), "twice"),
            (lambda: routelab.evaluate(table, quality, cost, rows=[]), "at least one row"),
            (lambda: routelab.evaluate(table, quality, cost, rows=[0.5]), "row numbers or a mask"),
            (lambda: routelab.evaluate(table, quality[0], cost), "expected two dimensions"),
            (lambda: routelab.evaluate(table, [["a"]], cost), "no matrix of numbers"),
        ]
    )


def test_comparisons_are_those_of_a_run(
    table: routelab.Table, embeddings: routelab.Embeddings, experiment: Any, tmp_path: pathlib.Path
) -> None:
    file = experiment('reference = "kNN"\n[[router]]\nkind = "knn"\nlabel = "kNN"\nk = 20\n[[router]]\nkind = "linear"\n', seeds=2)
    run = routelab.run(file, out=tmp_path / "runs")
    with open(pathlib.Path(run.path) / "comparisons.csv", encoding="utf-8") as lines:
        stored = {line["metric"]: line for line in csv.DictReader(lines)}
    ours: dict[str, list[routelab.Evaluation]] = {"knn": [], "linear": []}
    for seed in (42, 43):
        train, test = routelab.split(table, train=0.4, seed=seed)
        for kind, settings in (("knn", {"k": 20}), ("linear", {})):
            router = routelab.Router(kind, **settings).fit(table, embeddings, rows=train, seed=seed)
            # Strongest is who is on the training queries.
            strongest = routelab.oracle(table, rows=train).strongest_models[0]
            quality, cost = router.predict(embeddings)
            ours[kind].append(routelab.evaluate(table, quality, cost, rows=test, strongest=strongest))
    comparison = routelab.compare(ours["knn"], ours["linear"], replicates=200)
    assert set(comparison) == set(stored)
    for metric in comparison:
        difference, line = comparison[metric], stored[metric]
        assert [difference.difference, difference.low, difference.high, difference.p] == [
            float(line[column]) for column in ("difference", "low", "high", "p")
        ]
    for label, kind in (("kNN", "knn"), ("linear", "linear")):
        mean = run.metrics(label)
        for name in ("nauc_shared", "rci", "rmse"):
            assert mean[name] == pytest.approx(np.mean([one.metrics[name] or 0.0 for one in ours[kind]]), rel=1e-12)


def test_intervals(table: routelab.Table) -> None:
    evaluation = routelab.evaluate(table, *predictions(table))
    intervals = evaluation.intervals(replicates=300)
    assert set(intervals) < set(evaluation)
    one = evaluation.interval("rci", replicates=300)
    assert one.low < one.mean < one.high and one.mean == evaluation.rci
    assert (one.low, one.high) == (intervals["rci"].low, intervals["rci"].high)
    with pytest.raises(KeyError, match="no bootstrap interval"):
        evaluation.interval("ndcg")


def test_comparing_different_queries_is_refused(table: routelab.Table) -> None:
    quality, cost = predictions(table)
    whole = routelab.evaluate(table, quality, cost)
    part = routelab.evaluate(table, quality, cost, rows=range(100))
    with pytest.raises(ValueError, match="different queries"):
        routelab.compare(whole, part)
    with pytest.raises(ValueError, match="2 evaluations of the first"):
        routelab.compare([whole, whole], [whole])
    same = routelab.compare(whole, whole, replicates=50)
    assert same["rci"].difference == 0 and same["rci"].p == 1
    assert "95 % interval" in same._repr_html_()


@pytest.mark.parametrize("figure", ["call_rate", "cost_quality", "call_mix", "margins", "rci", "decomposition"])
def test_figures(table: routelab.Table, figure: Any, tmp_path: pathlib.Path) -> None:
    ours = [routelab.evaluate(table, *predictions(table, seed), rows=range(seed, 1500)) for seed in (1, 2)]
    lines: dict[str, routelab.Evaluation | list[routelab.Evaluation]] = {"Mine": ours, "Oracle": routelab.oracle(table)}
    drawing = routelab.plot(lines, figure, reference="Mine", width="single")
    assert drawing.svg.startswith("<svg") and drawing._repr_svg_() == drawing.svg and "Mine" in drawing.svg
    for ending in ("svg", "pdf", "png", "csv"):
        drawing.save(tmp_path / f"figure.{ending}")
    assert (tmp_path / "figure.csv").read_text(encoding="utf-8") == drawing.csv
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert ours[0].plot(figure).svg.startswith("<svg")


def test_the_figure_is_that_of_a_run(
    table: routelab.Table, embeddings: routelab.Embeddings, experiment: Any, tmp_path: pathlib.Path
) -> None:
    run = routelab.run(experiment('[[router]]\nkind = "knn"\n'), out=tmp_path / "runs")
    assert "rci" in run.figures
    train, test = routelab.split(table, train=0.4)
    router = routelab.Router("knn").fit(table, embeddings, rows=train)
    ours = routelab.evaluate(table, *router.predict(embeddings), rows=test)
    drawn = ours.plot("rci", label="knn").csv
    assert drawn == (pathlib.Path(run.path) / "figures/rci.csv").read_text(encoding="utf-8")


def test_figures_say_what_is_wrong(table: routelab.Table, tmp_path: pathlib.Path) -> None:
    evaluation = routelab.oracle(table)
    other = routelab.oracle(routelab.Table([[0.0, 1.0]], [[1.0, 2.0]]))
    all_refused(
        [
            (lambda: routelab.plot({}), "nothing to draw"),
            (lambda: routelab.plot({"a": evaluation}, "rcii"), "expected one of call_rate"),  # type: ignore[arg-type]
            (lambda: routelab.plot({"a": evaluation, "b": other}), "different models"),
            (lambda: evaluation.plot(width="wide"), "single"),  # type: ignore[arg-type]
            (lambda: evaluation.plot().save(tmp_path / "a.gif"), ".svg, .pdf"),
        ]
    )


def test_two_models() -> None:
    table = routelab.load(REPOSITORY / "datasets/routellm", sample=500)
    evaluation = routelab.evaluate(table, *predictions(table))
    assert evaluation.apgr is not None and evaluation.to_dict()["two_model"]["apgr"] == evaluation.apgr
    with pytest.raises(ValueError, match="`shares` has 2"):
        evaluation.to_dict(shares=[2])
