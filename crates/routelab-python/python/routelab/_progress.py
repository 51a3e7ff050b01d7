"""How far long work is: a line that is written again and again, on a terminal and in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

Step = tuple[int, int, str]
Show = Callable[["Step | None", "list[str]", bool], None]


def shown(progress: bool | Callable[[int, int, str], object] | None) -> Show | None:
    """What the work calls ten times a second: `None` where nobody looks."""
    if callable(progress):
        told = progress

        def tell(step: Step | None, notes: list[str], finished: bool) -> None:
            if step is not None:
                told(*step)

        return tell
    if progress is None:
        progress = sys.stderr.isatty() or _in_notebook()
    return _Line() if progress else None


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell is not None else None
    return found is not None and found.__class__.__name__ == "ZMQInteractiveShell"


class _Line:
    """Looks like tqdm: `knn:  42%|████      | 00:03<00:04`."""

    WIDTH = 20

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.length = 0

    def __call__(self, step: Step | None, notes: list[str], finished: bool) -> None:
        if notes:
            self._write("")
            sys.stderr.write("".join(f"\r{note}\n" for note in notes))
        if step is not None:
            done, of, what = step
            share = done / of if of else 0.0
            passed = time.monotonic() - self.start
            left = passed * (1 - share) / share if share > 0 else 0.0
            full = round(share * self.WIDTH)
            bar = "█" * full + " " * (self.WIDTH - full)
            self._write(f"{what}: {share:4.0%}|{bar}| {_clock(passed)}<{_clock(left)}")
        if finished:
            self._write("")
            sys.stderr.write("\r")
        sys.stderr.flush()

    def _write(self, line: str) -> None:
        sys.stderr.write("\r" + line.ljust(self.length))
        self.length = len(line)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes:02}:{seconds:02}"
