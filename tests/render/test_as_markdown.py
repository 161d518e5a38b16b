"""The report for an issue."""

from __future__ import annotations

import re
from dataclasses import replace

from keiko_perf.model import Report, Section
from keiko_perf.render import render


def _without_code(markdown: str) -> str:
    """What a reader of Markdown would take as text: fences and code spans left out."""
    blocks = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", blocks)


def test_the_answer_comes_first(sample: Report) -> None:
    first, status, *_ = render(sample, "markdown").split("\n\n")

    assert first.startswith("# ❌ The tasks of an agent were slow")
    assert status.startswith("**Needs attention** · A sample agents API")


def test_no_tag_from_outside_is_left(sample: Report) -> None:
    text = _without_code(render(sample, "markdown"))
    tags = set(re.findall(r"(?<!\\)<(/?\w+)", text))

    assert tags == {"details", "/details", "summary", "/summary", "sub", "/sub"}


def test_each_row_of_a_table_has_the_cells_of_its_head(sample: Report) -> None:
    title = sample.sections[3].tables[0].rows[0]
    rows = (("a | b `c`", *title[1:]), *sample.sections[3].tables[0].rows)
    table = replace(sample.sections[3].tables[0], rows=rows)
    text = render(replace(sample, sections=(Section(title="s", tables=(table,)),)), "markdown")

    counts = {
        len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")
    }

    assert counts == {len(table.columns) + 1}
    assert "`` a \\| b `c` ``" in text


def test_sql_with_backticks_stays_in_its_fence(sample: Report) -> None:
    section = sample.sections[1]
    statement = "SELECT '```\n# heading'"
    changed = replace(section.recommendations[0], statement=statement)
    report = replace(sample, sections=(replace(section, recommendations=(changed,)),))

    assert f"````sql\n{statement}\n````" in render(report, "markdown")


def test_nobody_is_mentioned_and_nothing_is_referred_to(sample: Report) -> None:
    text = render(replace(sample, headline="ask @octocat about #12\n\n1. *now*\n- x"), "markdown")

    assert text.startswith(
        "# ❌ ask @\N{WORD JOINER}octocat about #\N{WORD JOINER}12 1. \\*now\\* - x\n"
    )


def test_a_paragraph_that_looks_like_a_list_is_none(sample: Report) -> None:
    section = Section(title="s", paragraphs=("1. one", "- two", "+ three", "1.5 four"))
    text = render(replace(sample, sections=(section,)), "markdown")

    assert "\n\n1\\. one\n\n\\- two\n\n\\+ three\n\n1.5 four\n" in text


def test_lines_are_drawn_with_their_gaps(sample: Report) -> None:
    text = render(sample, "markdown")
    before = re.search(r"^([▁▂▃▄▅▆▇█ ]+)  before$", text, re.MULTILINE)

    assert before is not None
    assert " " in before[1].strip()
