"""A report that has next to nothing in it: nothing is shown of what is not there."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from keiko_perf.model import Column, Recommendation, Report, Section, Status, Table, say
from keiko_perf.render import FORMATS, render
from keiko_perf.render.german.evidence import german_name

AT = datetime(2026, 3, 1, tzinfo=UTC)
CHANGE = Recommendation(
    code="index",
    subject="tasks",
    summary=say("The planner would use it"),
    statement="CREATE INDEX i ON t (a)",
    verified_by=None,
)


def report(*sections: Section) -> Report:
    return Report(
        command="check", title=say("Check"), headline=say("nothing to do here"),
        status=Status.OK, created_at=AT, sections=sections,
    )  # fmt: skip


@pytest.mark.parametrize("format", FORMATS)
def test_a_report_without_sections_says_its_headline(format: str) -> None:
    shown = render(report(), format)
    assert "nothing to do here" in shown.lower()
    assert "Measured with" not in shown


@pytest.mark.parametrize("format", ["text", "html", "markdown"])
def test_a_table_that_shows_all_its_rows_speaks_of_no_others(format: str) -> None:
    table = Table(title=say("Routes"), columns=(Column("route"),), rows=(("GET /",),))
    shown = render(report(Section(title=say("Routes"), tables=(table,))), format)
    assert "GET /" in shown
    assert "not shown" not in shown


@pytest.mark.parametrize("format", ["text", "html", "markdown"])
def test_a_change_that_helps_nobody_known_and_replaces_nothing_lists_neither(format: str) -> None:
    shown = render(report(Section(title=say("Indexes"), recommendations=(CHANGE,))), format)
    assert "CREATE INDEX" in re.sub("<[^>]+>", "", shown)
    for absent in ("Statements that gain", "Makes superfluous", "How to take it back"):
        assert absent not in shown


@pytest.mark.parametrize(
    ("name", "german"),
    [
        ("statement 3 calls", "Anweisung 3: Aufrufe"),
        ("statement 3 wishes", "statement 3 wishes"),
        ("of nobody's", "of nobody's"),
    ],
)
def test_a_figure_keeps_its_number_in_german_and_its_name_if_there_is_no_german_one(
    name: str, german: str
) -> None:
    assert german_name(name) == german
