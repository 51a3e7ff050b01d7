"""RouteLab against Python on this machine: runs both in alternation and prints the ratios as Markdown, and all numbers as JSON.

    cargo build --release
    python3 scripts/get-minilm.py                                       # for the encoder; left out without the weights
    pip install torch scikit-learn numpy sentence-transformers          # for --python, if that is another interpreter
    python3 scripts/bench_compare.py [--python PYTHON] [--repeat 3] [--threads 2,1] [--out compare.json]

Every stage is a process of its own, RouteLab's and Python's one after the other, `--repeat` times for every number of threads; the
table shows medians. A stage that takes less than a second is repeated within its process, too. Wall and processor time are those of
the stage, without start, imports and making the data; memory is the largest resident set of the process during the stage. About ten
minutes on two cores that do nothing else.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZES = ["--models", "11", "--dimension", "384"]
FEWER = ["--queries", "10000", "--epochs", "1"]
# RouteLab's stage, Python's stage and library, sizes, and for every row: the names in the two results and the targets, RouteLab's
# wall time and memory as a share of Python's.
COMPARED = [
    ("equirouter", "equirouter", "PyTorch", FEWER,
     [("equirouter fit", "equirouter fit", 0.5), ("equirouter predict", "equirouter predict", 0.4)]),
    ("knn", "knn", "PyTorch", [], [("knn predict", "knn predict", 0.5)]),
    ("knn", "knn-sklearn", "scikit-learn", [], [("knn predict", "knn-sklearn predict", 0.5)]),
    ("evaluation", "sweep", "PyTorch", [], [("sweep", "sweep", 0.02)]),
    ("evaluation", "sweep-numpy", "NumPy", [], [("sweep", "sweep-numpy", 0.02)]),
    ("minilm", "minilm", "sentence-transformers", ["--prompts", "128", *FEWER], [("minilm encode", "minilm encode", 1.0)]),
    ("clip", "clip", "PyTorch", ["--images", "32", *FEWER], [("clip encode", "clip encode", 1.0)]),
]
# The targets are for two threads.
TARGET_THREADS = 2
MEMORY_TARGET = 0.5
# Writes CLIP ViT-B/32 with random weights: its time does not depend on them.
MAKE_CLIP = """
import sys
from transformers import CLIPConfig, CLIPModel
CLIPModel(CLIPConfig(projection_dim=512)).save_pretrained(sys.argv[1])
"""
MEASURES = ["seconds", "cpu_seconds", "peak_mib"]


def stages(command, threads):
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return {stage["stage"]: stage for stage in json.loads(done.stdout)["stages"]}


def ratio(ours, theirs):
    return None if None in (ours, theirs) or theirs == 0 else ours / theirs


def cell(value, digits=3):
    return "-" if value is None else f"{value:.{digits}f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routelab", default="target/release/routelab", help="the program")
    parser.add_argument("--python", default=sys.executable, help="an interpreter with the libraries")
    parser.add_argument("--weights", default="models/all-MiniLM-L6-v2")
    parser.add_argument("--threads", default="2,1")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", help="stages of RouteLab, separated by commas")
    parser.add_argument("--out", help="a file for all numbers as JSON")
    args = parser.parse_args()

    rows = []
    clip = tempfile.TemporaryDirectory()
    if not args.only or "clip" in args.only.split(","):
        subprocess.run([args.python, "-c", MAKE_CLIP, clip.name], check=True)
    for ours, theirs, library, sizes, names in COMPARED:
        if args.only and ours not in args.only.split(","):
            continue
        if ours == "minilm" and not (ROOT / args.weights / "model.safetensors").exists():
            print(f"minilm left out: no weights in {args.weights} (python3 scripts/get-minilm.py)", file=sys.stderr)
            continue
        for threads in map(int, args.threads.split(",")):
            options = [*SIZES, *sizes, "--threads", str(threads), "--weights", args.weights, "--clip", clip.name]
            runs = []
            for repetition in range(args.repeat):
                print(f"{ours} against {library}, {threads} threads, {repetition + 1} of {args.repeat}", file=sys.stderr)
                routelab = [args.routelab, "bench", "--stages", ours, *options, "--json"]
                python = [args.python, "scripts/bench_pytorch.py", "--stages", theirs, *options]
                runs.append((stages(routelab, threads), stages(python, threads)))
            for our_name, their_name, target in names:
                sides = [[run[side][name] for run in runs] for side, name in enumerate([our_name, their_name])]
                medians = [
                    {m: statistics.median(r[m] for r in side) if None not in [r[m] for r in side] else None for m in MEASURES}
                    for side in sides
                ]
                rows.append({
                    "stage": our_name, "against": library, "threads": threads, "target": target,
                    "routelab": medians[0], "python": medians[1],
                    "ratio": {m: ratio(medians[0][m], medians[1][m]) for m in MEASURES},
                    "runs": sides,
                })  # fmt: skip

    print(f"Medians of {args.repeat} runs in alternation; ratios are RouteLab / Python, smaller is better.\n")
    print("| Stage | against | threads | wall s | Python's | ratio | target | processor ratio | MiB | Python's | memory ratio |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        wall, memory = ([row[side][m] for side in ("routelab", "python")] for m in ("seconds", "peak_mib"))
        ratios = row["ratio"]
        met = "met" if ratios["seconds"] <= row["target"] else "missed"
        target = f"{row['target']} {met}" if row["threads"] == TARGET_THREADS else "-"
        cells = [row["stage"], row["against"], str(row["threads"]), *map(cell, wall), f"**{ratios['seconds']:.3f}**"]
        cells += [target, cell(ratios["cpu_seconds"]), *(cell(m, 0) for m in memory)]
        print("| " + " | ".join([*cells, cell(ratios["peak_mib"], 2)]) + " |")
    worst = max((row["ratio"]["peak_mib"] or 0 for row in rows), default=0)
    print(f"\nLargest memory ratio: {worst:.2f} (target {MEMORY_TARGET}).")
    if args.out:
        Path(args.out).write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
