"""Routers by themselves, stored and in experiments; those that are written in Python too."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

import routelab
from conftest import REPOSITORY, Broken, Means, Misshapen, QualityOnly, all_refused, program

QUICK: dict[str, dict[str, Any]] = {
    "knn": {"k": 20},
    "linear": {},
    "mlp": {"epochs": 3, "hidden": [16]},
    "equirouter": {"trunk_hidden": [16], "width": 8, "model_embedding": 4, "head_hidden": [8], "epochs": 2},
    "carrot": {},
}
COST = {"epochs": 4, "rank": 4, "hidden": [8]}


@pytest.mark.parametrize("kind", QUICK)
def test_fit_predict_save_load(
    kind: str, table: routelab.Table, embeddings: routelab.Embeddings, rows: tuple[Any, Any], tmp_path: pathlib.Path
) -> None:
    train, test = rows
    router = routelab.Router(kind, **QUICK[kind]).fit(table, embeddings, rows=train, seed=3, cost=COST)
    assert router.kind == kind and router.models == table.models and router.cost_unit == "US dollars, assumed"
    assert router.settings.items() >= QUICK[kind].items()
    quality, cost = router.predict(embeddings.select(test))
    assert quality.shape == cost.shape == (len(test), len(table.models))
    # An array and embeddings of RouteLab are the same, and so are rows of the whole and rows alone.
    array = np.asarray(embeddings)
    again = routelab.Router(kind, **QUICK[kind]).fit(table.select(train), array[train], seed=3, cost=COST)
    np.testing.assert_array_equal(again.predict(array[test])[0], quality)
    router.save(tmp_path / "router")
    loaded = routelab.Router.load(tmp_path / "router")
    np.testing.assert_array_equal(loaded.predict(array[test])[0], quality)
    np.testing.assert_array_equal(loaded.predict(array[test])[1], cost)
    assert (loaded.models, loaded.decision, loaded.kind) == (router.models, router.decision, kind)
    budget = float(np.median(table.cost))
    assert loaded.route(array[test], budget) == router.route(array[test], budget)
    assert len(router.losses) == QUICK[kind].get("epochs", 0)


def test_routing_is_what_an_evaluation_chooses(
    table: routelab.Table, embeddings: routelab.Embeddings, rows: tuple[Any, Any]
) -> None:
    train, test = rows
    router = routelab.Router("linear").fit(table, embeddings, rows=train)
    evaluation = routelab.evaluate(table, *router.predict(embeddings), rows=test, decision=router.decision)
    largest = evaluation.points["budget"][-1]
    chosen = router.route(embeddings.select(test), largest)
    assert chosen == [table.models[model] for model in evaluation.choices]
    assert router.route(embeddings.select(test)) == chosen


def test_what_is_wrong_is_said(table: routelab.Table, embeddings: routelab.Embeddings, tmp_path: pathlib.Path) -> None:
    knn = routelab.Router("knn")
    with pytest.raises(RuntimeError, match="call fit first"):
        knn.predict(embeddings)
    all_refused(
        [
            (lambda: routelab.Router("knnn"), "unknown router `knnn`: expected one of"),
            (lambda: routelab.Router("knn", kk=1), "unknown field `kk`, expected"),
            (lambda: routelab.Router("knn", k=0), "`k` must be at least 1"),
            (lambda: routelab.Router("knn", k="many"), "`k`"),
            (lambda: routelab.Router("knn", decision="best"), "`cap`, `margin=0.05`"),
            (lambda: knn.fit(table, embeddings.select(range(10))), "10 embeddings for a table of 1500"),
            (lambda: knn.fit(table, embeddings, cost={"epoch": 1}), "`cost`"),
            (lambda: knn.fit(table, embeddings, backend="abacus"), "abacus"),
            (lambda: knn.fit(table, np.full((1500, 2), np.nan)), "expected a finite number"),
            (lambda: knn.fit(table, embeddings, rows=[1500]), "counted from 0"),
        ]
    )
    with pytest.raises(FileNotFoundError, match="router.json"):
        routelab.Router.load(tmp_path)
    knn.fit(table, embeddings)
    with pytest.raises(ValueError, match="use the same encoder"):
        knn.predict(np.zeros((2, 3), dtype="float32"))


def test_an_experiment_and_what_it_leaves(experiment: Any, tmp_path: pathlib.Path) -> None:
    file = experiment('[[router]]\nkind = "oracle"\n[[router]]\nkind = "knn"\nk = 20\n', seeds=2)
    run = routelab.run(file, out=tmp_path / "runs")
    printed = program("run", str(file), "--out", str(tmp_path / "other"), "--quiet")
    assert printed == ""
    for name in ("metrics.csv", "comparisons.csv", "results.json", "figures/call_rate.svg", "manifest.json"):
        ours, others = (pathlib.Path(folder) / name for folder in (run.path, tmp_path / "other/small"))
        assert ours.read_bytes() == others.read_bytes(), name
    assert run.routers == ["oracle", "knn"] and run.failures == [] and pathlib.Path(run.report).is_file()
    assert run.results["routers"][1]["kind"] == "knn" and run.metrics("knn")["rci"] is not None
    assert "<svg" in run.svg("call_rate") and "<td>knn</td>" in run._repr_html_()
    with pytest.raises(KeyError, match="expected one of oracle, knn"):
        run.metrics("kNN")
    with pytest.raises(KeyError, match="call_rate"):
        run.svg("calls")
    again = routelab.Run(run.path)
    assert again.results == run.results and "2 routers" in repr(again)
    router = routelab.Router.load(pathlib.Path(run.path) / "models/knn")
    assert router.models == run.results["models"]
    with pytest.raises(FileNotFoundError):
        routelab.run("nothing.toml")
    with pytest.raises(ValueError, match="is not the folder of a run"):
        routelab.Run(tmp_path)
    with pytest.raises(ValueError, match="expected \"if-same\""):
        routelab.run(file, out=tmp_path / "runs", reopen="again")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="to resume"):
        routelab.run(file, out=tmp_path / "nowhere", reopen="resume")
    pd = pytest.importorskip("pandas")
    frame = run.to_pandas()
    assert isinstance(frame, pd.DataFrame) and frame.loc["knn", "rci"] == run.metrics("knn")["rci"]


def test_several_experiments(experiment: Any, tmp_path: pathlib.Path) -> None:
    file = experiment('[vary]\nkey = "router.knn.k"\nvalues = [5, 50]\n[[router]]\nkind = "knn"\n')
    with pytest.raises(ValueError, match="is several experiments"):
        routelab.run(file, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    runs = routelab.run_all(file, routers={"means": Means()}, out=tmp_path / "runs")
    assert [pathlib.Path(run.path).name for run in runs] == ["5", "50"]
    assert all(run.routers == ["knn", "means"] for run in runs)


def test_a_router_in_python_is_in_every_table_and_figure(experiment: Any, tmp_path: pathlib.Path) -> None:
    file = experiment(
        'reference = "Mine"\n[[router]]\nkind = "knn"\nk = 20\n[[router]]\nkind = "means"\nlabel = "Mine"\nweight = 2\n'
        '[[router]]\nkind = "margin-rule"\nlabel = "Mine, with a margin"\nbase = { kind = "means" }\n',
        seeds=2,
    )
    routers = {"means": Means(), "plain": QualityOnly()}
    seen: list[tuple[int, int, str]] = []
    run = routelab.run(file, routers=routers, out=tmp_path / "runs", progress=lambda *step: seen.append(step))
    assert run.failures == [] and run.routers == ["knn", "Mine", "Mine, with a margin", "plain"]
    assert seen and seen[-1][0] <= seen[-1][1]
    folder = pathlib.Path(run.path)
    for name in ("metrics.csv", "table.md", "table.tex", "tasks.csv", "report.html", "figures/call_rate.svg", "figures/rci.csv"):
        assert "Mine" in (folder / name).read_text(encoding="utf-8"), name
    assert run.results["reference"] == "Mine" and "weight = 2.0" in (folder / "experiment.toml").read_text(encoding="utf-8")
    # Its numbers are those of its own predictions.
    table = routelab.load(REPOSITORY / "datasets/reasoning-gym", sample=1500)
    embeddings = np.asarray(routelab.Embeddings.load(REPOSITORY / "datasets/reasoning-gym/minilm.safetensors", table))
    means = []
    for seed in (42, 43):
        train, test = routelab.split(table, train=0.4, seed=seed)
        mine = Means(weight=2.0)
        mine.fit(embeddings[train], table.quality[train], table.cost[train])
        means.append(routelab.evaluate(table, *mine.predict(embeddings), rows=test).metrics["nauc_shared"] or 0.0)
    assert run.metrics("Mine")["nauc_shared"] == pytest.approx(sum(means) / 2, rel=1e-12)
    # It is kept: with its class it is loaded, and without it is not.
    router = routelab.Router.load(folder / "models/mine", routers=routers)
    again = routelab.Router("means", routers=routers, weight=2.0).fit(table, embeddings, rows=routelab.split(table, train=0.4)[0])
    np.testing.assert_array_equal(router.predict(embeddings[:5])[0], again.predict(embeddings[:5])[0])
    plain = routelab.Router.load(folder / "models/plain", routers=routers)
    assert plain.predict(embeddings[:5])[1].shape == (5, len(table.models))
    with pytest.raises(ValueError, match="unknown router `means`"):
        routelab.Router.load(folder / "models/mine")
    assert "unknown router `means`" in program("route", "--model", str(folder / "models/mine"), "hello", code=2)


def test_a_run_goes_on_and_other_code_is_another_run(experiment: Any, tmp_path: pathlib.Path) -> None:
    file = experiment('[[router]]\nkind = "means"\n')
    out = tmp_path / "runs"
    first = routelab.run(file, routers={"means": Means()}, out=out)
    log = pathlib.Path(first.path) / "run.log"
    fits = log.read_text(encoding="utf-8").count("means: fit")
    routelab.run(file, routers={"means": Means()}, out=out)
    assert log.read_text(encoding="utf-8").count("means: fit") == fits == 1
    with pytest.raises(ValueError, match="settings"):
        routelab.run(file, routers={"means": Means(weight=3.0)}, out=out)
    predict = Means.predict
    try:
        Means.predict = lambda self, x: predict(self, x)  # type: ignore[method-assign]
        with pytest.raises(ValueError):
            routelab.run(file, routers={"means": Means()}, out=out)
    finally:
        Means.predict = predict  # type: ignore[method-assign]
    routelab.run(file, routers={"means": Means(weight=3.0)}, out=out, reopen="overwrite")


def test_a_router_that_fails_is_a_result(experiment: Any, tmp_path: pathlib.Path) -> None:
    file = experiment('[[router]]\nkind = "knn"\n')
    run = routelab.run(file, routers={"broken": Broken(), "misshapen": Misshapen()}, out=tmp_path / "runs")
    (label, seed, reason), (_, _, shape) = run.failures
    assert (label, seed) == ("broken", 42)
    assert "router `broken`: LookupError: no such thing" in reason and "conftest.py, line" in reason
    assert "predict gave quality of the shape (2, 3); expected (2, " in shape
    assert run.metrics("knn")["rci"] is not None


def test_objects_that_are_no_routers(experiment: Any, tmp_path: pathlib.Path) -> None:
    class Local(Means):
        pass

    file = experiment('[[router]]\nkind = "mine"\nweight = "much"\n')
    for router, words in [
        (Means, "is a class: give an object, such as Means()"),
        (object(), "has no method `fit`"),
        (Local(), "cannot be pickled"),
        (Means(), "`weight`: expected float, not 'much'"),
    ]:
        with pytest.raises(ValueError) as raised:
            routelab.run(file, routers={"mine": router}, out=tmp_path / "runs")
        assert words in str(raised.value)
    with pytest.raises(ValueError, match="already"):
        routelab.run(file, routers={"knn": Means()}, out=tmp_path / "runs")
    file = experiment('[[router]]\nkind = "mine"\nwieght = 1\n')
    with pytest.raises(ValueError, match="unknown field `wieght`, expected `weight`"):
        routelab.run(file, routers={"mine": Means()}, out=tmp_path / "runs")


def test_estimators_of_scikit_learn(experiment: Any, tmp_path: pathlib.Path) -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    linear_model = pytest.importorskip("sklearn.linear_model")
    pipeline = pytest.importorskip("sklearn.pipeline")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    file = experiment('[[router]]\nkind = "linear"\n[[router]]\nkind = "ridge"\nalpha = 2\n')
    routers = {
        "ridge": linear_model.Ridge(),
        "trees": ensemble.ExtraTreesRegressor(n_estimators=5, max_depth=4),
        "scaled": pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.Ridge()),
    }
    run = routelab.run(file, routers=routers, out=tmp_path / "runs")
    assert run.failures == [] and run.routers == ["linear", "ridge", "trees", "scaled"]
    assert "alpha = 2.0" in (pathlib.Path(run.path) / "experiment.toml").read_text(encoding="utf-8")
    # Random states come from the seed of the run.
    again = routelab.run(file, routers=routers, out=tmp_path / "again")
    assert run.metrics("trees") == again.metrics("trees")


def test_a_module_of_pytorch(experiment: Any, tmp_path: pathlib.Path) -> None:
    torch = pytest.importorskip("torch")
    file = experiment('[[router]]\nkind = "torch"\nepochs = 3\n')
    routers = {"torch": routelab.TorchRouter(network), "weights": routelab.TorchRouter(torch.nn.Linear(384, 9), epochs=2)}
    run = routelab.run(file, routers=routers, out=tmp_path / "runs")
    assert run.failures == [] and "epochs = 3" in (pathlib.Path(run.path) / "experiment.toml").read_text(encoding="utf-8")
    again = routelab.run(file, routers=routers, out=tmp_path / "again")
    assert run.metrics("torch") == again.metrics("torch")
    loaded = routelab.Router.load(pathlib.Path(run.path) / "models/torch", routers=routers)
    assert loaded.predict(np.zeros((1, 384), dtype="float32"))[0].shape == (1, 9)


def network(dimension: int, models: int) -> Any:
    import torch

    return torch.nn.Sequential(torch.nn.Linear(dimension, 16), torch.nn.ReLU(), torch.nn.Linear(16, models))


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("work", ["fit", "run"])
def test_ctrl_c_stops_long_work(work: str, experiment: Any, tmp_path: pathlib.Path) -> None:
    file = experiment('[[router]]\nkind = "mlp"\nepochs = 1000000\n')
    code = f"""
import routelab, sys
print("begins", flush=True)
try:
    if {work!r} == "run":
        routelab.run({str(file)!r}, out={str(tmp_path / "runs")!r})
    else:
        table = routelab.load("datasets/reasoning-gym", sample=500)
        x = routelab.Embeddings.load("datasets/reasoning-gym/minilm.safetensors", table)
        routelab.Router("mlp", epochs=1000000).fit(table, x)
except KeyboardInterrupt:
    print("stopped")
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "begins\n"
        time.sleep(2)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("stopped\n", 0), err


def test_an_error_in_progress_stops_the_work(table: routelab.Table, embeddings: routelab.Embeddings) -> None:
    def progress(done: int, of: int, what: str) -> None:
        raise ZeroDivisionError(what)

    with pytest.raises(ZeroDivisionError, match="mlp"):
        routelab.Router("mlp", epochs=1000000).fit(table, embeddings, progress=progress)


def test_deployed(table: routelab.Table, experiment: Any, tmp_path: pathlib.Path) -> None:
    text = experiment('[[router]]\nkind = "knn"\n[[router]]\nkind = "means"\n').read_text(encoding="utf-8")
    file = tmp_path / "hashed.toml"
    embeddings = f'file = "{REPOSITORY.as_posix()}/datasets/reasoning-gym/minilm.safetensors"'
    file.write_text(text.replace(embeddings, 'encoder = "hashed-ngrams"\nsettings = { dim = 64 }'), encoding="utf-8")
    routers = {"means": Means()}
    run = routelab.run(file, routers=routers, out=tmp_path / "runs")
    models = pathlib.Path(run.path) / "models"
    for model in ("knn", "means"):
        router = routelab.Deployed(models / model, routers=routers)
        assert router.models == table.models and router.decision == "cap"
        choices = router.route(table.prompts[:3], 1e9)
        assert len(choices) == 3 and all(choice.model in table.models and choice.within_budget for choice in choices)
        assert not router.route(table.prompts[:1], 0.0)[0].within_budget
    with pytest.raises(ValueError, match="expected at least one row"):
        router.route([])
    with pytest.raises(FileNotFoundError, match="router.json"):
        routelab.Deployed(models)
