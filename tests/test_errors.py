"""The errors, as one tree: what each says, read from all places that raise one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import keiko_perf
from keiko_perf import errors
from keiko_perf.errors import ConfigError, KeikoError, MissingExtra, Unavailable, UsageError

SOURCE = Path(keiko_perf.__file__).parent
TREES = {file: ast.parse(file.read_text()) for file in sorted(SOURCE.rglob("*.py"))}
PROPER = ("PostgreSQL", "DNS", "HypoPG")
"""What begins with a capital wherever it stands."""
COMMANDS = ("pip install ",)
"""A cure may be the very command that cures."""


def error_names() -> set[str]:
    """The names of all errors of the tree, those of the parts too."""
    names = {name for name, one in vars(errors).items() if isinstance(one, type)}
    for tree in TREES.values():
        names |= {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            and names & {ast.unparse(base).partition("[")[0] for base in node.bases}
        }
    return names


def wordings(node: ast.expr) -> Iterator[str]:
    """The literal sentences of an argument; `{}` stands for each value in them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(
            str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values
        )
    elif isinstance(node, ast.IfExp):
        yield from wordings(node.body)
        yield from wordings(node.orelse)


def raised() -> Iterator[tuple[str, str, str]]:
    """Where an error is made, whether it is its `what` or its `cure`, and the sentence."""
    names = error_names() - {"MissingExtra"}
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in names):
                continue
            place = f"{file.relative_to(SOURCE)}:{node.lineno}"
            cures = [one.value for one in node.keywords if one.arg == "cure"]
            yield from ((place, "what", text) for one in node.args[:1] for text in wordings(one))
            yield from ((place, "cure", text) for one in cures for text in wordings(one))


RAISED = list(raised())


def test_all_places_that_raise_are_seen() -> None:
    assert len(RAISED) > 300
    assert {kind for _, kind, _ in RAISED} == {"what", "cure"}


def test_what_could_not_be_done_begins_small_and_what_cures_it_large() -> None:
    wrong = [
        (place, text)
        for place, kind, text in RAISED
        if (kind == "what" and text[0].isupper() and not text.startswith(PROPER))
        or (kind == "cure" and text[0].islower() and not text.startswith(COMMANDS))
    ]
    assert wrong == []


def test_neither_ends_in_a_full_stop_for_the_error_sets_them() -> None:
    assert [(place, text) for place, _, text in RAISED if text.endswith((".", "!", " "))] == []


@pytest.mark.parametrize(
    ("error", "exit_code", "kinds"),
    [
        (UsageError("a", cure="B"), 2, (KeikoError, ValueError)),
        (ConfigError("a", cure="B"), 2, (UsageError,)),
        (Unavailable("a", cure="B"), 1, (KeikoError,)),
        (MissingExtra("x", extra="y", purpose="z"), 1, (Unavailable, ImportError)),
    ],
)
def test_an_error_says_what_and_what_cures_it(
    error: KeikoError, exit_code: int, kinds: tuple[type, ...]
) -> None:
    assert error.exit_code == exit_code
    assert all(isinstance(error, kind) for kind in kinds)
    assert str(error) == f"{error.what}. {error.cure}."


def test_a_missing_extra_names_the_command_that_brings_it() -> None:
    error = MissingExtra("uvloop", extra="load", purpose="the load engine")
    assert error.what == "the load engine needs the package uvloop, which is not installed"
    assert error.cure == "pip install 'keiko-perf[load]'"
