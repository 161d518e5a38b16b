"""The modules form no circles, not even by what they import for types only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import keiko_perf

ROOT = Path(keiko_perf.__file__).parent
NATURAL = {
    ("keiko_perf.diagnosis.search.gains", "keiko_perf.diagnosis.search.ledger"): (
        "each ledger keeps the gains that are read off it"
    ),
    ("keiko_perf.loadtest.result", "keiko_perf.loadtest.verdicts.validity"): (
        "a result knows whether it may be believed, and that is a module of its own"
    ),
    ("keiko_perf.loadtest.users.scenario", "keiko_perf.loadtest.users.user"): (
        "a scenario is a function of a user, and a user has a scenario"
    ),
}


def modules() -> dict[str, Path]:
    found = {}
    for file in ROOT.rglob("*.py"):
        parts = file.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(file: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules that *file* imports anywhere in it: at its top, for types, in a function."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{one.name}" for one in node.names]
        elif isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        for name in names:
            yield from (one for one in (name, name.rpartition(".")[0]) if one in known)


def reached(begin: str, edges: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [begin]
    while waiting:
        for one in edges[waiting.pop()] - seen:
            seen.add(one)
            waiting.append(one)
    return seen


def test_no_module_imports_what_imports_it_but_for_the_natural_pairs() -> None:
    known = modules()
    edges = {name: set(imported(file, known)) - {name} for name, file in known.items()}
    # A package's face hands on what its modules define, and a module may ask it for a sibling.
    faces = {name for name, file in known.items() if file.name == "__init__.py"}
    edges = {
        name: {one for one in of if one not in faces}
        for name, of in edges.items()
        if name not in faces
    }
    beyond = {name: reached(name, edges) for name in edges}
    circles = {
        tuple(sorted({name, *(one for one in beyond[name] if name in beyond[one])}))
        for name in edges
        if name in beyond[name]
    }
    assert circles == set(NATURAL)
