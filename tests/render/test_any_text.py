"""Whatever a route, a statement or an error says, every format stays what it is."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keiko_perf.model import Report
from keiko_perf.render import FORMATS, render

TEXTS = st.text(
    st.one_of(st.characters(codec=None), st.sampled_from("<>&\"'`|\\[]{}\x00\x1b\x85\u2028\u202e")),
    min_size=1,
    max_size=40,
)
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")


@given(text=TEXTS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_leaves_every_format_whole(sample: Report, text: str) -> None:
    report = _with(sample, text)
    pages = {format: render(report, format) for format in FORMATS}

    for page in pages.values():
        page.encode()
    for format in ("text", "html", "markdown", "junit"):
        assert not ACTING.search(pages[format])
    ElementTree.fromstring(pages["junit"].encode())  # noqa: S314  # our own
    assert json.loads(pages["json"])["sections"][0]["findings"][0]["code"] == "query.scan"
    assert _tags(pages["html"]) == _tags(render(_with(sample, "x"), "html"))


def _with(sample: Report, text: str) -> Report:
    section = sample.sections[1]
    finding = replace(
        section.findings[1], subject=text, summary=text, explanation=text, cure=text, link=None
    )
    gap = replace(section.gaps[0], subject=text, reason=text, remedy=text)
    section = replace(section, title=text, findings=(finding,), recommendations=(), gaps=(gap,))
    return replace(sample, headline=text, title=text, command=text, sections=(section,))


def _tags(page: str) -> list[str]:
    """The elements in their order; those that only colour or break text are left out."""
    body = page[page.index("<body") :]
    return [one for one in re.findall(r"<(/?\w+)", body) if one not in ("wbr", "span", "/span")]


@pytest.mark.parametrize("format", ["text", "json", "html", "markdown"])
def test_a_finding_shows_how_to_see_it_again(sample: Report, format: str) -> None:
    shown = html.unescape(render(sample, format))
    assert "curl -i -H 'authorization: ***' http://127.0.0.1:8000/agents" in shown
