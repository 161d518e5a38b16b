"""The page: what is on it, and that nothing on it can act."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from keiko_perf.model import (
    Change,
    Comparison,
    Outcome,
    Report,
    Section,
    Status,
    say,
)
from keiko_perf.render import render
from keiko_perf.render.as_html import POLICY
from keiko_perf.render.markup import breakable, tag
from keiko_perf.render.sql import highlighted

VOID = {"meta", "wbr"}


class _Page(HTMLParser):
    """Reads a page as a browser would, and keeps what tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"an attribute twice: {attrs}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.append((self.open[-1], data))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for element, attributes in self.elements if element == name]


@pytest.fixture(scope="module")
def page(sample: Report) -> _Page:
    return _Page(render(sample, "html"))


def test_nothing_on_the_page_can_act_or_load(page: _Page) -> None:
    names = {name for name, _ in page.elements}
    attributes = {name for _, all_ in page.elements for name in all_}

    assert not names & {
        "script",
        "img",
        "iframe",
        "object",
        "link",
        "base",
        "form",
        "foreignobject",
    }
    assert not {name for name in attributes if name.startswith("on")}
    assert not attributes & {"src", "style", "srcset", "xlink:href"}


def test_its_policy_forbids_what_it_does_not_need(page: _Page) -> None:
    policies = [one for one in page.all("meta") if one.get("http-equiv")]

    assert policies == [{"http-equiv": "Content-Security-Policy", "content": POLICY}]
    assert POLICY == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_links_lead_to_the_page_itself_or_to_the_web(page: _Page) -> None:
    ids = {attributes["id"] for _, attributes in page.elements if attributes.get("id")}
    links = [str(one["href"]) for one in page.all("a")]

    assert all(link.removeprefix("#") in ids for link in links if link.startswith("#"))
    assert [link for link in links if not link.startswith("#")] == [
        "https://example.org/manual#query.scan"
    ]


def test_what_comes_from_outside_is_text(page: _Page, attack: str) -> None:
    shown = "".join(text for _, text in page.texts)
    seen = attack.replace("\x1b", "␛").replace("\u202e", "\ufffd")

    assert seen in shown
    assert "<script>alert(3)</script>" in shown
    assert "\x1b" not in shown


def test_names_on_the_page_are_unique_and_each_reference_has_one(page: _Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    named = " ".join(
        str(one["aria-labelledby"]) for _, one in page.elements if one.get("aria-labelledby")
    )

    assert len(ids) == len(set(ids))
    assert set(named.split()) <= set(ids)


def test_a_reader_of_the_screen_finds_its_way(page: _Page) -> None:
    names = [name for name, _ in page.elements]

    assert page.all("html") == [{"lang": "en"}]
    assert [names.count(one) for one in ("h1", "main", "header", "footer", "nav")][:2] == [1, 1]
    assert all(one.get("scope") in ("col", "row") for one in page.all("th"))
    for drawing in page.all("svg"):
        named = drawing.get("role") == "img" and drawing.get("aria-labelledby")
        assert named or drawing.get("aria-hidden") == "true"


def test_each_sql_statement_can_be_copied_as_it_is(
    sample: Report, index_statement: str, long_sql: str
) -> None:
    texts = re.findall(r"<pre><code>(.*?)</code></pre>", render(sample, "html"), re.DOTALL)
    page = ["".join(text for _, text in _Page(f"<p>{one}</p>").texts) for one in texts]

    assert index_statement in page
    assert long_sql in page


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'it''s' || \"select\" FROM t -- from 'here'",
        "SELECT '<b>' /* </pre> */ WHERE x = $1 AND y > 1.5",
        "'never closed",
        "",
    ],
)
def test_colour_leaves_sql_as_it_was(sql: str) -> None:
    parser = HTMLParser(convert_charrefs=True)
    read: list[str] = []
    parser.handle_data = read.append  # type: ignore[method-assign]  # collects the text alone
    parser.feed(f"<p>{highlighted(sql)}</p>")
    parser.close()

    assert "".join(read) == sql


def test_keywords_in_strings_names_and_comments_are_none() -> None:
    coloured = highlighted("SELECT 'from' , \"where\" -- and")

    assert re.findall(r'<span class="sql-(\w+)">', coloured) == ["keyword", "string", "comment"]


def test_a_page_without_anything_in_it_is_one_still(sample: Report) -> None:
    empty = _Page(render(replace(sample, sections=(), environment={}), "html"))

    assert "nav" not in {name for name, _ in empty.elements}
    assert ("h1", "The tasks of an agent were slow") in [
        (name, text[:31]) for name, text in empty.texts
    ]


@pytest.mark.parametrize("status", Status)
def test_each_status_has_its_word_and_its_sign(sample: Report, status: Status) -> None:
    page = render(replace(sample, status=status), "html")
    banner = page[page.index('<div class="banner') : page.index("<h1>")]

    assert re.search(r'<svg class="icon".*</svg><span>[a-z ]+</span>', banner)


def test_a_comparison_is_told_in_its_own_direction(sample: Report) -> None:
    one = Comparison(
        subject="s",
        label="memory",  # type: ignore[arg-type]  # any text will do
        format="bytes",
        before=1024.0,
        after=3072.0,
        ratio=3.0,
        low=2.0,
        high=4.0,
        change=Change.REGRESSED,
        reason="over",  # type: ignore[arg-type]  # likewise
    )
    page = render(replace(sample, sections=(Section(title="s", comparisons=(one,)),)), "html")

    times = "\N{MULTIPLICATION SIGN}"
    assert f"3.0\N{NO-BREAK SPACE}{times} more" in page
    assert f"95 % interval 2.0 \N{EN DASH} 4.0 {times}" in page


def test_of_a_target_judged_twice_the_last_word_counts(sample: Report) -> None:
    section = sample.sections[0]
    after = replace(
        section, verdicts=tuple(replace(one, outcome=Outcome.MET) for one in section.verdicts)
    )

    page = render(replace(sample, sections=(section, after)), "html")

    assert '<span class="tile-label">Targets met</span><strong>6 of 6</strong></li>' in page


def test_german_is_marked_as_german(sample: Report) -> None:
    page = _Page(render(sample, "html", lang="de"))

    assert page.all("html") == [{"lang": "de"}]
    assert ("span", "Handlungsbedarf") in page.texts


def test_only_what_was_made_as_markup_is_markup() -> None:
    inner = tag("b", '<i>"&\x00')

    assert tag("p", inner, "<hr>", None, title="\"'>", hidden=None) == (
        '<p title="&quot;&#x27;&gt;"><b>&lt;i&gt;&quot;&amp;␀</b>&lt;hr&gt;</p>'
    )
    assert breakable("/a/<b>") == "/<wbr>a/<wbr>&lt;b&gt;"


PAIRS = [
    *[(ink, on) for ink in ("ink", "soft", "accent") for on in ("page", "card", "well")],
    *[(tone, f"{tone}-wash") for tone in ("good", "bad", "warn", "unsure", "calm")],
    *[(tone, "card") for tone in ("good", "bad", "warn", "unsure", "calm")],
    *[("ink", f"{tone}-wash") for tone in ("good", "bad", "unsure")],
    *[("soft", f"{tone}-wash") for tone in ("good", "bad", "unsure")],
    *[("good", "well"), ("bad", "well")],
]


@pytest.mark.parametrize("dark", [pytest.param(False, id="light"), pytest.param(True, id="dark")])
def test_text_has_the_contrast_that_wcag_asks_for(sample: Report, dark: bool) -> None:
    colours = _colours(render(sample, "html"), dark=dark)

    weak = {
        pair: round(_contrast(colours[pair[0]], colours[pair[1]]), 2)
        for pair in PAIRS
        if _contrast(colours[pair[0]], colours[pair[1]]) < 4.5
    }

    assert weak == {}
    # Lines of a chart: 3 to 1 (WCAG 2.2, 1.4.11), less one tenth for their being labelled.
    assert all(_contrast(colours[f"hue-{i}"], colours["card"]) > 2.7 for i in range(1, 7))


def _colours(page: str, *, dark: bool) -> dict[str, str]:
    light, rest = page.split("@media screen and (prefers-color-scheme: dark)", 1)
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    if dark:
        found |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", rest.split("}", 1)[0]))
    return found


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2: (L1 + 0.05) / (L2 + 0.05) of the relative luminances."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_an_option_of_a_command_stays_on_one_line(sample: Report) -> None:
    advice = say("share it (--processes), or wait -- as you like")
    section = Section(title=say("x"), paragraphs=(advice,))
    page = render(replace(sample, sections=(section,)), "html")
    assert 'Share it (<span class="option">--processes</span>), or wait -- as you like</p>' in page
