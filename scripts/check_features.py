#!/usr/bin/env python3
"""Whether the Python package, built alone, has the features of dependencies that it has in what `cargo test --release` builds.

If so, `pip install ./crates/routelab-python` after `cargo test --release` builds Burn and all else not again. Exit code 1 otherwise, with
what crates/routelab-python/Cargo.toml has to ask for.
"""

import subprocess
import sys


def features(*selected: str) -> dict[str, list[str]]:
    """The features of every crate, by its name and version; one entry for each way in which it is built."""
    command = ["cargo", "tree", "--locked", "--prefix", "none", "--no-dedupe", "--format", "{p}|{f}", *selected]
    found: dict[str, set[str]] = {}
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        package, _, names = line.partition("|")
        if package:
            found.setdefault(package, set()).add(names)
    return {package: sorted(ways) for package, ways in found.items()}


def main() -> int:
    beside = features("--edges", "normal,build,dev")
    alone = features("--package", "routelab-python", "--edges", "normal,build")
    odd = [(package, way) for package, ways in alone.items() for way in ways if way not in beside[package]]
    for package, way in odd:
        print(f"{package}: [{way}] alone, {' or '.join(f'[{other}]' for other in beside[package])} beside the others")
    if odd:
        print("ask for the missing features in crates/routelab-python/Cargo.toml, so that the wheel is not built from nothing")
    return 1 if odd else 0


if __name__ == "__main__":
    sys.exit(main())
