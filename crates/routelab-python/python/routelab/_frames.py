"""Tables as data frames of pandas, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from . import Run, Table


def frame(table: Table) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, object] = {"prompt": table.prompts, "task": table.tasks}
    gaps = None if table.measured is None else ~table.measured
    for part, matrix in (("quality", table.quality), ("cost", table.cost)):
        for at, model in enumerate(table.models):
            column = matrix[:, at]
            if gaps is not None:
                column = np.where(gaps[:, at], np.nan, column)
            columns[f"{model}|{part}"] = column
    return pd.DataFrame(columns, index=pd.Index(table.ids, name="id"))


def table(frame: pd.DataFrame, name: str, cost_unit: str) -> Table:
    from . import Table

    columns = [str(column) for column in frame.columns]
    models = [column.removesuffix("|quality") for column in columns if column.endswith("|quality")]
    expected = {f"{model}|{part}" for model in models for part in ("quality", "cost")}
    missing = sorted(expected - set(columns))
    if not models or missing:
        raise ValueError(
            f"the data frame has no column {missing[0]!r}"
            if missing
            else f"the data frame has no column `MODEL|quality`; its columns are {', '.join(columns)}"
        )
    unknown = [column for column in columns if column not in expected | {"prompt", "task"}]
    if unknown:
        raise ValueError(
            f"the data frame has a column {unknown[0]!r}; expected `prompt`, `task`, `MODEL|quality` and `MODEL|cost`"
        )
    quality = frame[[f"{model}|quality" for model in models]].to_numpy(dtype="float64")
    cost = frame[[f"{model}|cost" for model in models]].to_numpy(dtype="float64")
    measured = ~(np.isnan(quality) | np.isnan(cost))
    return Table(
        quality,
        cost,
        models=models,
        ids=[str(id) for id in frame.index],
        prompts=list(frame["prompt"]) if "prompt" in columns else None,
        tasks=list(frame["task"]) if "task" in columns else None,
        measured=None if measured.all() else measured,
        name=name,
        cost_unit=cost_unit,
    )


def of_run(run: Run) -> pd.DataFrame:
    import pandas as pd

    rows = {router: run.metrics(router) for router in run.routers}
    return pd.DataFrame.from_dict(rows, orient="index")
