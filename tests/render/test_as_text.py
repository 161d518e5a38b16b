"""The report for a terminal."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from keiko_perf.model import Column, Gap, Report, Section, Table, say
from keiko_perf.render import render

ESCAPE = re.compile("\x1b\\[[0-9;]*m")


def test_the_answer_comes_first(sample: Report) -> None:
    first = render(sample, "text").splitlines()[0]

    assert first.startswith("✗ NEEDS ATTENTION  The tasks of an agent were slow")


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_sql_is_never_broken_or_cut_however_narrow(
    sample: Report, width: int, index_statement: str, long_sql: str
) -> None:
    lines = render(sample, "text", width=width).splitlines()

    assert index_statement in lines
    assert f"{index_statement};" in lines
    assert all(line in lines for line in long_sql.splitlines())


def test_sql_keeps_its_tabs_and_spaces(sample: Report) -> None:
    statement = "SELECT\t'a  \tb'  \n\tFROM t"
    section = sample.sections[1]
    changed = replace(section.recommendations[0], statement=statement)
    report = replace(sample, sections=(replace(section, recommendations=(changed,)),))

    assert f"\n{statement}\n" in render(report, "text")


def test_all_else_keeps_to_the_width(sample: Report, index_statement: str, long_sql: str) -> None:
    verbatim = {*long_sql.splitlines(), index_statement, f"{index_statement};"}
    lines = render(sample, "text", width=80).splitlines()

    assert [line for line in lines if len(line) > 80 and line not in verbatim] == []


def test_colour_changes_nothing_but_the_colour(sample: Report) -> None:
    plain, coloured = render(sample, "text"), render(sample, "text", color=True)

    assert "\x1b" not in plain
    assert "\x1b[1;31m✗ NEEDS ATTENTION" in coloured
    bare = "\n".join(line.rstrip() for line in ESCAPE.sub("", coloured).splitlines())
    assert bare == "\n".join(line.rstrip() for line in plain.splitlines())


def test_the_environment_is_not_read(sample: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = render(sample, "text", color=True)
    for name, value in {
        "NO_COLOR": "1",
        "FORCE_COLOR": "1",
        "TERM": "dumb",
        "COLUMNS": "45",
        "TTY_COMPATIBLE": "0",
    }.items():
        monkeypatch.setenv(name, value)

    assert render(sample, "text", color=True) == expected


def test_a_percentile_of_too_few_samples_is_a_dash_and_says_how_many_it_needs(
    sample: Report,
) -> None:
    line = next(one for one in render(sample, "text", width=140).splitlines() if "p99" in one)

    assert "400 ms" not in line
    assert re.search(r"\N{EN DASH}\s+≤ 500 ms\s+only 120 seen, 299 are needed to tell", line)


def test_a_limit_that_few_samples_surely_miss_is_told_without_a_figure(sample: Report) -> None:
    text = render(sample, "text", width=140)

    assert "900 ms" not in text
    assert re.search(r"> 200 ms\s+≤ 200 ms\s+sure already from 9 seen", text)


def test_a_terminal_escape_in_a_route_is_seen_and_does_not_act(sample: Report) -> None:
    text = render(sample, "text")

    assert "␛[31m" in text
    assert "\u202e" not in text


def test_a_route_in_brackets_is_no_markup(sample: Report) -> None:
    report = replace(sample, headline="GET /[bold red]x[/] :warning: took long")

    assert "GET /[bold red]x[/] :warning: took long" in render(report, "text")


def test_german_numbers_and_words(sample: Report) -> None:
    text = render(sample, "text", lang="de", width=140)

    assert "✗ HANDLUNGSBEDARF" in text
    assert "nur 120 gesehen, für eine Aussage sind 299 nötig" in text
    assert "14 \N{MULTIPLICATION SIGN} schneller" in text


def test_however_many_figures_there_are_what_they_are_about_can_be_read(sample: Report) -> None:
    table = Table(
        title=say("Endpoints"),
        columns=(
            Column(say("endpoint")),
            *(Column(say("share of the time"), "ratio") for _ in range(8)),
        ),
        rows=(("GET /api/v1/agents", *[0.12345] * 8),),
    )
    report = replace(sample, sections=(Section(title=say("Wide"), tables=(table,)),))
    shown = render(report, "text", width=91)
    assert re.search(r"^ GET /api/ +12.3 %", shown, re.M)
    assert re.search(r"^ v1/agents *$", shown, re.M)


def test_a_route_is_broken_behind_a_slash(sample: Report) -> None:
    table = Table(
        title=say("Endpoints"),
        columns=(Column(say("endpoint")), *(Column(say("p95"), "duration") for _ in range(7))),
        rows=(("GET /api/v1/agents/{agent_id}/tasks", *[12.5] * 7),),
    )
    report = replace(sample, sections=(Section(title=say("Narrow"), tables=(table,)),))
    shown = render(report, "text", width=80)
    assert "{agent_id}" in shown


@pytest.mark.parametrize("format", ["text", "markdown", "html"])
def test_sentences_that_stand_alone_begin_with_a_capital(sample: Report, format: str) -> None:
    gap = Gap(
        subject=say("what the database does"),
        reason=say("no database was named"),
        remedy=say("Name it"),
    )
    said = (say("no limit was reached"), say("{route} is slow", route="get_items"))
    told = render(
        replace(sample, sections=(Section(title=say("x"), paragraphs=said, gaps=(gap,)),)), format
    )
    plain = told.replace("\N{NO-BREAK SPACE}", " ").replace("\\_", "_")
    assert "No limit was reached" in plain
    assert "What the database does" in plain
    assert "get_items is slow" in plain


def test_a_remedy_in_words_goes_on_with_its_line_and_one_to_type_stands_by_itself(
    sample: Report,
) -> None:
    worded = Gap(
        subject=say("the pool"),
        reason=say("none is watched"),
        remedy=say("watch one, and look again"),
    )
    typed = Gap(subject=say("the rows"), reason=say("no right"), remedy="GRANT pg_monitor TO me")
    told = render(
        replace(sample, sections=(Section(title=say("x"), gaps=(worded, typed)),)), "text"
    )
    assert "  Remedy: watch one, and look again\n" in told
    assert "  Remedy:\nGRANT pg_monitor TO me\n" in told
