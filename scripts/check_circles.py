#!/usr/bin/env python3
"""Finds circles of imports between the files of every crate. A module and those inside it may know each other; nothing else may.

Usage: python3 scripts/check_circles.py; exit code 1 where there is a circle.
"""

import re
import sys
from pathlib import Path

USE = re.compile(r"(?m)^\s*((?:pub(?:\([a-z]+\))? )?)use ([^;]+);")
PATH = re.compile(r"\b((?:crate|super)(?:::\w+)+)")


def leaves(tree, prefix=()):
    """The paths of a `use` tree."""
    items, depth, item = [], 0, ""
    for letter in tree:
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            items.append(item)
            item = ""
        else:
            item += letter
    for item in [*items, item]:
        item = item.strip()
        if group := re.match(r"^(.*?)(?:::)?\{(.*)\}$", item, re.S):
            head = tuple(part for part in group.group(1).split("::") if part)
            yield from leaves(group.group(2), prefix + head)
        elif item:
            yield prefix + tuple(part.split(" as ")[0].strip() for part in item.split("::"))


def modules(root):
    """Every module of a crate, with its code but without comments and tests."""
    found = {}
    for file in root.rglob("*.rs"):
        name = file.relative_to(root).with_suffix("").parts
        name = name[:-1] if name[-1] in ("mod", "lib", "main") else name
        code = re.sub(r"#\[cfg\(test\)\]\nmod tests \{.*", "", file.read_text(), flags=re.S)
        found[name] = found.get(name, "") + re.sub(r"(?m)^\s*//.*$", "", code)
    return found


def graph(root):
    code = modules(root)

    def absolute(module, path):
        if path[0] == "crate":
            return path[1:]
        while path and path[0] == "super":
            module, path = module[:-1], path[1:]
            if not path or path[0] != "super":
                return module + path
        if path and path[0] == "self":
            return module + path[1:]
        return module + path if path and module + path[:1] in code else None

    exports = {
        (module, path[-1]): target
        for module, text in code.items()
        for public, tree in USE.findall(text)
        if public
        for path in leaves(tree)
        if (target := absolute(module, path)) is not None
    }

    def home(path, depth=8):
        for cut in range(len(path), -1, -1):
            if path[:cut] in code:
                target = exports.get((path[:cut], path[cut])) if cut < len(path) else None
                return home(target, depth - 1) if target not in (None, path) and depth else path[:cut]

    edges = {}
    for module, text in code.items():
        paths = [path for _, tree in USE.findall(text) for path in leaves(tree)]
        paths += [tuple(path.split("::")) for path in PATH.findall(text)]
        targets = {home(target) for path in paths if (target := absolute(module, path)) is not None}
        inside = lambda a, b: a == b[: len(a)]
        edges[module] = {t for t in targets if not inside(module, t) and not inside(t, module)}
    return edges


def reachable(edges, start):
    seen, open_ = set(), list(edges[start])
    while open_:
        module = open_.pop()
        if module not in seen:
            seen.add(module)
            open_ += edges.get(module, ())
    return seen


def main():
    failed = False
    for root in sorted(Path(__file__).parent.parent.glob("crates/*/src")):
        edges = graph(root)
        reach = {module: reachable(edges, module) for module in edges}
        circle = sorted(module for module in edges if module in reach[module])
        for module in circle:
            others = sorted("/".join(t) for t in edges[module] if module in reach.get(t, ()))
            print(f"{root}: {'/'.join(module)} knows {', '.join(others)}, which knows it")
        failed |= bool(circle)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
