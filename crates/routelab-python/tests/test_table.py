"""Tables from arrays, data frames and files."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import routelab
from conftest import REPOSITORY, all_refused

QUALITY = np.array([[1.0, 0.5], [0.0, 1.0], [1.0, 1.0]])
COST = np.array([[1.0, 4.0], [1.0, 5.0], [2.0, 6.0]])


def test_from_arrays() -> None:
    table = routelab.Table(
        QUALITY,
        COST,
        models=["small", "large"],
        prompts=["1 + 1", "prove it", "2 + 2"],
        tasks=np.array(["sums", "proofs", "sums"]),
        ids=[7, 8, 9],
        groups=["a", "b", "a"],
        name="mine",
        cost_unit="cents",
    )
    assert (table.name, table.models, table.ids, table.cost_unit) == ("mine", ["small", "large"], ["7", "8", "9"], "cents")
    assert table.tasks == ["sums", "proofs", "sums"] and table.groups == ["a", "b", "a"] and table.images is None
    assert len(table) == 3 and table.measured is None and table.prompts[1] == "prove it"
    assert "3 queries × 2 models" in repr(table) and "<td>large</td>" in table._repr_html_()
    assert table.select([2, 0]).ids == ["9", "7"] and table.select([True, False, False]).ids == ["7"]
    assert table.select([-1]).ids == ["9"]
    plain = routelab.Table(QUALITY.tolist(), COST.astype("float32"))
    assert plain.models == ["model-0", "model-1"] and plain.prompts == plain.ids == ["0", "1", "2"]


def test_numbers_are_views_that_nobody_can_write_to() -> None:
    table = routelab.Table(QUALITY, COST)
    assert np.shares_memory(table.quality, table.quality) and not np.shares_memory(table.quality, QUALITY)
    np.testing.assert_array_equal(table.quality, QUALITY)
    np.testing.assert_array_equal(table.cost, COST)
    with pytest.raises(ValueError, match="read-only"):
        table.quality[0, 0] = 0.5
    with pytest.raises(ValueError, match="WRITEABLE|writeable"):
        table.quality.setflags(write=True)
    # An array outlives the name of its table.
    quality = routelab.Table(QUALITY, COST).quality
    np.testing.assert_array_equal(quality, QUALITY)


def test_what_is_wrong_is_said_in_the_librarys_words() -> None:
    all_refused(
        [
            (lambda: routelab.Table(QUALITY * 2, COST), 'quality of model "model-0" on query 1'),
            (lambda: routelab.Table(QUALITY, -COST), "expected a finite number not below 0"),
            (lambda: routelab.Table(QUALITY, COST[:2]), "`cost` is 2 x 2"),
            (lambda: routelab.Table(QUALITY, COST, ids=["a", "b", "a"]), "ids must be unique"),
            (lambda: routelab.Table(QUALITY, COST, prompts=["a"]), "`prompts` has 1 entries"),
            (lambda: routelab.Table(QUALITY, COST, models=["a", "a"]), "model names must be unique"),
            (lambda: routelab.Table(QUALITY, COST, measured=[[True]]), "`measured` is 1 x 1"),
            (lambda: routelab.Table([1.0], COST), "expected two dimensions"),
        ]
    )


def test_gaps() -> None:
    quality = QUALITY.copy()
    quality[1, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        routelab.Table(quality, COST)
    table = routelab.Table(quality, COST, measured=~np.isnan(quality))
    assert table.measured is not None and table.measured.sum() == 5
    assert list(table.complete_rows()) == [0, 2]
    with pytest.raises(ValueError, match='"model-1" was not measured on query "1"'):
        routelab.evaluate(table, QUALITY, COST)
    evaluation = routelab.evaluate(table, QUALITY, COST, rows=table.complete_rows())
    assert len(evaluation.choices) == 2


def test_data_frames() -> None:
    pd = pytest.importorskip("pandas")
    quality = pd.DataFrame(QUALITY, columns=["small", "large"], index=["a", "b", "c"])
    table = routelab.Table(quality, pd.DataFrame(COST), tasks=pd.Series(["x", "y", "x"]))
    assert table.models == ["small", "large"] and table.ids == ["a", "b", "c"] and table.tasks[1] == "y"
    frame = table.to_pandas()
    assert list(frame.columns) == ["prompt", "task", "small|quality", "large|quality", "small|cost", "large|cost"]
    again = routelab.Table.from_pandas(frame, name="table")
    assert again.content_hash() == table.content_hash()
    frame.loc["b", "large|quality"] = np.nan
    gaps = routelab.Table.from_pandas(frame)
    assert gaps.measured is not None and not gaps.measured[1, 1]
    assert gaps.to_pandas().isna().sum().sum() == 2
    for columns, words in [(["large|cost"], "no column 'large|cost'"), (list(frame.columns), "no column `MODEL|quality`")]:
        with pytest.raises(ValueError, match=words.replace("|", r"\|")):
            routelab.Table.from_pandas(frame.drop(columns=columns))
    with pytest.raises(ValueError, match="a column 'other'"):
        routelab.Table.from_pandas(frame.assign(other=1))


def test_files(tmp_path: pathlib.Path) -> None:
    table = routelab.load("datasets/routerbench-slice", sample=200)
    assert len(table) == 200 and table.name == "routerbench-slice" and table.notes
    table.write_parquet(tmp_path / "table.parquet")
    again = routelab.load(tmp_path / "table.parquet", format="routelab")
    assert again.content_hash() == table.content_hash()
    assert routelab.load("datasets/routerbench-slice", models=table.models[:2], limit=5).quality.shape == (5, 2)
    assert "routerbench" in dict(routelab.formats())
    images = routelab.load("datasets/logicvista")
    assert images.images is not None and pathlib.Path(images.images[0] or "").is_file()
    masked = routelab.load(REPOSITORY / "docs/examples/add-a-model", missing="mask")
    assert masked.measured is not None


def test_files_that_are_not_there_or_wrong(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing.*check the path"):
        routelab.load("datasets/nothing")
    with pytest.raises(FileNotFoundError, match="nothing.csv"):
        routelab.load("nothing.csv", format="routerbench")
    with pytest.raises(ValueError, match="say in which `format` it is, one of .*routerbench"):
        routelab.load("docs/examples/table.csv")
    with pytest.raises(ValueError, match="there is no data format"):
        routelab.load("docs/examples/table.csv", format="csv")
    with pytest.raises(ValueError, match="unknown field `misssing`"):
        routelab.load("datasets/routerbench-slice", misssing="mask")
    with pytest.raises(ValueError, match="is no setting"):
        routelab.load("datasets/routerbench-slice", sample=object())
    broken = tmp_path / "table.csv"
    broken.write_text("sample_id,prompt,eval_name,a,a|total_cost\nq,hello,x,nine,1\n")
    with pytest.raises(ValueError, match="row 1.*nine"):
        routelab.load(broken, format="routerbench")


def test_splits() -> None:
    table = routelab.load("datasets/routerbench-slice")
    train, test = routelab.split(table, train=0.3, seed=5)
    assert len(train) == int(0.3 * len(table)) and sorted([*train, *test]) == list(range(len(table)))
    assert (train == routelab.split(table, train=0.3, seed=5)[0]).all()
    tasks = np.array(table.tasks)
    train, test = routelab.split(table, train=0.5, kind="out-of-domain", seed=1)
    assert not set(tasks[train]) & set(tasks[test])
    train, test = routelab.split(table, kind="train-is-test")
    assert (train == test).all()
    with pytest.raises(ValueError, match="training share is 2"):
        routelab.split(table, train=2)
    with pytest.raises(ValueError, match="in-domain"):
        routelab.split(table, kind="random")  # type: ignore[arg-type]
