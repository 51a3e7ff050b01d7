"""The package itself: its types, its program, its pages."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest

import routelab
from conftest import REPOSITORY

PACKAGE = REPOSITORY / "crates/routelab-python"
REQUIRED = os.environ.get("ROUTELAB_PYTHON_TESTS") == "1"


def needs(*modules: str) -> None:
    """Skips where a module is not there, unless nothing may be skipped but PyTorch, which takes four gigabytes."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            assert not REQUIRED or module == "torch", f"{module} is missing"
            pytest.skip(f"{module} is not there")


def test_the_program_is_in_the_package() -> None:
    start = [sys.executable, "-m", "routelab"]
    told = subprocess.run([*start, "--version"], capture_output=True, text=True)
    assert told.stdout == f"routelab {routelab.__version__}\n" and told.returncode == 0
    refused = subprocess.run([*start, "run", "nothing.toml"], capture_output=True, text=True)
    assert refused.returncode == 2 and refused.stderr.startswith("error: cannot read the experiment nothing.toml")
    unknown = subprocess.run([*start, "nothing"], capture_output=True, text=True)
    assert unknown.returncode == 2 and "unrecognized subcommand" in unknown.stderr


def test_everything_public_is_described() -> None:
    for name in routelab.__all__:
        public = getattr(routelab, name)
        assert public.__doc__, name
        for part, member in vars(public).items() if isinstance(public, type) else ():
            if not part.startswith("_") and not isinstance(member, property):
                assert getattr(member, "__doc__", None), f"{name}.{part}"


def test_types(tmp_path: pathlib.Path) -> None:
    needs("mypy")
    folder = pathlib.Path(routelab.__file__).parent.parent
    environment = os.environ | {"MYPYPATH": str(folder)}
    config = f"--config-file={PACKAGE}/pyproject.toml"
    cache = f"--cache-dir={tmp_path}/cache"
    strict = [sys.executable, "-m", "mypy", "--strict", config, cache]
    for what in (["-p", "routelab"], [str(PACKAGE / "tests")]):
        done = subprocess.run([*strict, *what], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
    # The examples of the page, whose functions are not annotated.
    pages = []
    for number, block in enumerate(blocks()):
        pages.append(tmp_path / f"example_{number}.py")
        pages[-1].write_text(block, encoding="utf-8")
    loose = [sys.executable, "-m", "mypy", "--config-file=", cache, "--check-untyped-defs", "--ignore-missing-imports"]
    done = subprocess.run([*loose, *map(str, pages)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    # What is compiled has what the stubs say.
    stubs = [sys.executable, "-m", "mypy.stubtest", "routelab", f"--mypy-config-file={PACKAGE}/pyproject.toml"]
    # PyTorch is imported for its types alone: where it is not installed, its name is not there.
    allowed = [f"--allowlist={PACKAGE}/tests/stubtest.txt", "--ignore-unused-allowlist"]
    done = subprocess.run([*stubs, *allowed], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def blocks() -> list[str]:
    text = (REPOSITORY / "docs/python.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(blocks())))
def test_every_example_of_the_page_runs(number: int, tmp_path: pathlib.Path) -> None:
    block = blocks()[number]
    needs(*(module for module in ("pandas", "sklearn", "torch") if re.search(rf"^(import|from) {module}\b", block, re.MULTILINE)))
    # Runs are written beside the test, and what the page reads is read from the repository.
    script = tmp_path / "example.py"
    script.write_text(block.replace('"/tmp/', f'"{tmp_path}/'), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=os.environ | {"MPLBACKEND": "agg"})
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_notebook() -> None:
    needs("nbclient", "nbformat", "ipykernel")
    import nbclient
    import nbformat

    notebook: Any = nbformat.read(REPOSITORY / "docs/collapse.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "it is kept without outputs"
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(REPOSITORY / "docs")}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/svg+xml" in output.get("data", {}) for output in outputs)
