"""RouteLab for Python: data, routers, metrics and figures of experiments on LLM routers.

Everything is computed by RouteLab's library, and is the same to the bit as what the program `routelab` prints. See docs/python.md.
"""

from ._routelab import (
    Choice,
    Comparison,
    Deployed,
    Difference,
    Embeddings,
    Evaluation,
    Figure,
    Interval,
    Router,
    Run,
    Table,
    compare,
    encode,
    evaluate,
    formats,
    load,
    metrics,
    oracle,
    plot,
    routers,
    run,
    run_all,
    split,
    version,
)
from ._torch import TorchRouter

__version__ = version()

__all__ = [
    "Choice",
    "Comparison",
    "Deployed",
    "Difference",
    "Embeddings",
    "Evaluation",
    "Figure",
    "Interval",
    "Router",
    "Run",
    "Table",
    "TorchRouter",
    "compare",
    "encode",
    "evaluate",
    "formats",
    "load",
    "metrics",
    "oracle",
    "plot",
    "routers",
    "run",
    "run_all",
    "split",
    "version",
]
