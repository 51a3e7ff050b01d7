"""All metrics of 29,198 x 11 predictions, through Python and in the program: `python3 scripts/bench_python.py`.

Needs the package (`pip install ./crates/routelab-python`). Both evaluate predictions that are the truth with noise, as `routelab bench`
makes them, in turns; the medians of each turn are printed, and the ratio of the smallest ones.
"""

import json
import statistics
import subprocess
import sys
import time

import numpy as np

import routelab

QUERIES, MODELS, TURNS, TIMES = 29_198, 11, 5, 25


def in_the_program() -> float:
    sizes = ["--queries", "36497", "--models", str(MODELS), "--stages", "evaluation"]
    told = subprocess.run([sys.executable, "-m", "routelab", "bench", *sizes, "--json"], capture_output=True, text=True, check=True)
    [metrics] = [stage for stage in json.loads(told.stdout)["stages"] if stage["stage"] == "metrics"]
    assert metrics["rows"] == QUERIES, metrics
    return metrics["seconds"]


def through_python() -> float:
    random = np.random.default_rng(1)
    share = np.arange(MODELS) / MODELS
    quality = (random.random((QUERIES, MODELS)) < 0.3 + 0.6 * share).astype(float)
    cost = 1e-4 * 100**share * random.uniform(0.5, 1.5, (QUERIES, MODELS))
    table = routelab.Table(quality, cost)
    predicted = 0.5 * quality + random.random((QUERIES, MODELS))
    predicted_cost = cost * random.uniform(0.9, 1.1, (QUERIES, MODELS))
    times = []
    for _ in range(TIMES):
        start = time.perf_counter()
        routelab.evaluate(table, predicted, predicted_cost)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


turns = [(in_the_program(), through_python()) for _ in range(TURNS)]
for program, python in turns:
    print(f"program {1000 * program:.1f} ms, Python {1000 * python:.1f} ms, ratio {python / program:.2f}")
program, python = (min(turn[side] for turn in turns) for side in (0, 1))
print(f"smallest: program {1000 * program:.1f} ms, Python {1000 * python:.1f} ms, ratio {python / program:.2f}")
