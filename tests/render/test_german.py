"""Every sentence of the package has a German one that says the same values."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import keiko_perf
from keiko_perf.render.german import GERMAN
from keiko_perf.render.language import figure_name
from keiko_perf.render.units import FORMATS

SOURCE = Path(keiko_perf.__file__).parent
SAME_IN_BOTH = {"CPU", "Route", "p50", "p95", "p99", "SQL", "HTTP", "Index", "PostgreSQL"}


def _said() -> Iterator[tuple[str, ast.expr]]:
    """Where something is said, and the first argument of each `say(…)`."""
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", None)
            if name == "say":
                yield f"{file.relative_to(SOURCE)}:{node.lineno}", node.args[0]


def _templates() -> dict[str, str]:
    return {
        said.value: where
        for where, said in _said()
        if isinstance(said, ast.Constant) and isinstance(said.value, str)
    }


def _placeholders(template: str) -> list[tuple[str, str]]:
    parts = Formatter().parse(template)
    return sorted((name, spec or "") for _, name, spec, _ in parts if name is not None)


def test_each_template_is_a_literal_so_that_it_can_be_translated() -> None:
    computed = [where for where, said in _said() if not isinstance(said, ast.Constant)]

    assert computed == []


def test_each_template_has_a_german_one() -> None:
    missing = {text: where for text, where in _templates().items() if text not in GERMAN}

    assert missing == {}


def test_the_catalogue_has_no_sentence_that_nobody_says() -> None:
    assert set(GERMAN) - set(_templates()) == set()


def test_a_german_sentence_has_the_placeholders_of_the_english_one() -> None:
    different = {
        english: german
        for english, german in GERMAN.items()
        if _placeholders(english) != _placeholders(german)
    }

    assert different == {}


def test_a_german_sentence_is_not_the_english_one() -> None:
    same = {english for english, german in GERMAN.items() if english == german}

    # What is only placeholders and signs is the same in every language.
    assert {text for text in same if any(map(str.isalpha, _fixed(text)))} <= SAME_IN_BOTH


def test_each_placeholder_names_a_format_that_there_is() -> None:
    unknown = {
        template: spec
        for template in _templates()
        for _, spec in _placeholders(template)
        if spec and spec not in FORMATS
    }

    assert unknown == {}


def test_each_figure_in_evidence_has_a_german_name() -> None:
    same = {"filter"}

    untranslated = {
        name: where
        for name, where in _evidence_names().items()
        if figure_name(name, "de") == figure_name(name) and name not in same
    }

    assert untranslated == {}
    assert figure_name("statement_2_cost_after", "de") == "Anweisung 2: Kosten nachher"
    assert figure_name("never_heard_of_s", "de") == "never heard of"


def _evidence_names() -> dict[str, str]:
    """The literal names in each `evidence={…}`."""
    return {
        key.value: f"{file.relative_to(SOURCE)}:{node.value.lineno}"
        for file in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "evidence"
        for part in ast.walk(node.value)
        if isinstance(part, ast.Dict)
        for key in part.keys
        if isinstance(key, ast.Constant)
    }


def _fixed(template: str) -> str:
    return "".join(literal for literal, *_ in Formatter().parse(template))
