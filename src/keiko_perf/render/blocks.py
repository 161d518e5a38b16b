"""
Blocks: the parts of a section of the page, each value as HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

from keiko_perf.model import (
    Branch,
    Chart,
    Column,
    Comparison,
    Table,
    Text,
    Tree,
    Verdict,
    say,
)
from keiko_perf.render import branches, figures
from keiko_perf.render.bars import before_after_bars, interval_bar, limit_bar
from keiko_perf.render.language import sentence
from keiko_perf.render.language import unbroken as phrase
from keiko_perf.render.markup import Child, Markup, breakable, joined, prose, tag
from keiko_perf.render.signs import badge, toned
from keiko_perf.render.svg import HUES, NARROW, WIDE, draw, has_data
from keiko_perf.render.tables import cells, heading, is_number
from keiko_perf.render.units import show
from keiko_perf.render.words import tone

_LONG_CELL = 160
"""A longer cell is folded to its beginning; it opens to the whole."""


def verdicts(values: Sequence[Verdict], lang: str) -> Markup:
    """The targets, what was measured, and what follows."""
    titles = (say("Target"), say("Measured"), say("Limit"), say("Outcome"))
    head = tag("tr", *(tag("th", phrase(title, lang), scope="col") for title in titles))
    rows = (_verdict(verdict, lang) for verdict in values)
    body = tag("table", tag("thead", head), tag("tbody", *rows), class_="verdicts")
    return tag("div", body, class_="card flush")


def _verdict(verdict: Verdict, lang: str) -> Markup:
    target = verdict.target
    subject = target.subject and tag("code", breakable(target.subject), class_="subject")
    return tag(
        "tr",
        tag("th", tag("span", phrase(target.kpi.label, lang)), subject or None, scope="row"),
        tag(
            "td",
            tag("span", figures.measured(verdict, lang)),
            limit_bar(verdict),
            class_="measured",
        ),
        tag("td", figures.limit(target, lang), class_="limit"),
        tag(
            "td",
            badge(verdict.outcome, lang),
            tag("span", phrase(verdict.reason, lang), class_="reason"),
            class_="outcome",
        ),
    )


def comparisons(values: Sequence[Comparison], lang: str) -> Markup:
    """Before and after, one card for each."""
    return tag("div", *(_comparison(one, lang) for one in values), class_="cards pairs")


def _comparison(comparison: Comparison, lang: str) -> Markup:
    one = comparison
    sides = ((say("before"), one.before), (say("after"), one.after))
    numbers = [
        tag(
            "div",
            tag("dt", phrase(label, lang)),
            tag("dd", show(value, one.format, lang), class_=None if _is_known(value) else "absent"),
            class_="side",
        )
        for label, value in sides
    ]
    title = tag("h3", tag("code", breakable(one.subject)), class_="subject")
    effect = tag("strong", phrase(figures.effect(one), lang), class_="effect")
    return tag(
        "article",
        tag("header", title, tag("p", phrase(one.label, lang), class_="label")),
        tag(
            "div",
            tag("div", tag("dl", *numbers, class_="before-after"), before_after_bars(one)),
            tag(
                "div",
                tag("p", effect, badge(one.change, lang), class_="effect-line"),
                _interval(one, lang),
                tag("p", phrase(one.reason, lang), class_="reason"),
            ),
            class_="halves",
        ),
        class_=f"card pair-card {tone(one.change)}",
    )


def _is_known(value: float | None) -> bool:
    return value is not None and not isnan(value)


def _interval(comparison: Comparison, lang: str) -> Markup | None:
    drawing, told = interval_bar(comparison), figures.interval(comparison, lang)
    if drawing is None or told is None:
        return None
    is_time = comparison.format == "duration"
    ends = (say("faster"), say("no change"), say("slower"))
    ends = ends if is_time else (say("less"), say("no change"), say("more"))
    return tag(
        "div",
        drawing,
        tag("p", *(tag("span", phrase(end, lang)) for end in ends), class_="ends"),
        tag("p", phrase(say("95 % interval {interval}", interval=told), lang), class_="told"),
        class_="interval-block",
    )


def chart(value: Chart, lang: str, *, id: str) -> Markup:
    """A chart with its title and legend."""
    legend = (
        tag(
            "li",
            tag("i", class_=f"key hue-{i % HUES + 1}", aria_hidden="true"),
            phrase(line.name, lang),
        )
        for i, line in enumerate(value.lines)
    )
    drawings = [draw(value, lang, id=id, frame=frame) for frame in (WIDE, NARROW)]
    nothing = tag("p", phrase(say("no data"), lang), class_="nothing")
    scale = phrase(say("logarithmic scale"), lang) if value.logarithmic else None
    return tag(
        "figure",
        tag(
            "figcaption",
            tag("span", phrase(value.title, lang)),
            scale and tag("small", scale),
        ),
        tag("ul", *legend, class_="legend"),
        *(drawings if has_data(value) else [nothing]),
        class_="card chart-card",
    )


def table(value: Table, lang: str, *, id: str) -> Markup:
    """A table that scrolls by itself where it is wider than the page."""
    head = (
        tag("th", heading(column, lang), scope="col", class_=_align(column))
        for column in value.columns
    )
    rows = (
        tag("tr", *(_cell(*cell) for cell in zip(value.columns, row, strict=True)))
        for row in cells(value, lang)
    )
    left_out = value.left_out and tag(
        "p",
        phrase(say("{count:count} more rows are not shown", count=value.left_out), lang),
        class_="note",
    )
    body = tag("table", tag("thead", tag("tr", *head)), tag("tbody", *rows))
    return tag(
        "div",
        tag("h3", phrase(value.title, lang), id=id, class_="table-title"),
        # Reachable by keyboard, or those without a mouse could not scroll it.
        tag("div", body, class_="card flush scroll", role="region", tabindex=0, aria_labelledby=id),
        left_out or None,
        class_="table-block",
    )


def _align(column: Column) -> str:
    return "number" if is_number(column) else "words"


def _cell(column: Column, text: str) -> Markup:
    if len(text) <= _LONG_CELL:
        return tag("td", text if is_number(column) else breakable(text), class_=_align(column))
    start = f"{text[: _LONG_CELL - 60].rstrip()} …"
    whole = tag("details", tag("summary", start), tag("div", text, class_="whole"))
    return tag("td", whole, class_="words long")


def tree(value: Tree, lang: str, *, id: str) -> Markup:
    """Steps nested in each other: a bar for the share, and what was found at each."""
    depths = value.depths()
    steps = (
        _step(value, branch, place, depths[place], lang)
        for place, branch in enumerate(value.branches)
    )
    left_out = value.left_out and tag(
        "p",
        phrase(say("{count:count} more steps are not shown", count=value.left_out), lang),
        class_="note",
    )
    return tag(
        "div",
        tag("h3", phrase(value.title, lang), id=id, class_="table-title"),
        tag("div", tag("ol", *steps), class_="card flush tree", role="region", aria_labelledby=id),
        left_out or None,
        class_="table-block",
    )


def _step(value: Tree, branch: Branch, place: int, depth: int, lang: str) -> Markup:
    worst = max((severity for severity, _ in branch.findings), default=None)
    first = branch.cells[0] if branch.cells else None
    share = branch.share or 0.0
    percent = show(branch.share, "ratio", lang) if share >= branches.LEAST_SHARE else ""
    told = [
        tag("div", tag("dt", title), tag("dd", shown))
        for title, shown in branches.figures(value, branch, lang)
    ]
    return tag(
        "li",
        tag(
            "p",
            tag("span", str(place + 1), class_="step"),
            tag("strong", breakable(branch.name)),
            *(
                tag("span", toned(tone(severity), code), class_="found")
                for severity, code in branch.findings
            ),
            class_="step-name",
        ),
        tag(
            "p",
            tag("span", show(first, value.columns[0][1], lang) if first is not None else ""),
            tag("i", tag("b", style=f"width:{100 * share:.1f}%"), class_="share-bar"),
            tag("span", percent),
            class_="step-share",
        ),
        tag("dl", *told, class_="step-figures") if told else None,
        _step_details(branch),
        class_=f"deep-{min(depth, branches.DEEPEST)}" + (f" {tone(worst)}" if worst else ""),
    )


def _step_details(branch: Branch) -> Markup | None:
    if not branch.details:
        return None
    lines = (tag("p", tag("span", f"{name}: "), tag("code", text)) for name, text in branch.details)
    return tag("div", *lines, class_="step-details")


def paragraphs(values: Sequence[Text], lang: str) -> Markup:
    told = (sentence(one, lang, is_unbroken=True) for one in values)
    return joined(tag("p", prose(one), class_="prose") for one in told)


def figure_list(pairs: Mapping[str, str]) -> Markup:
    """Names and values."""
    parts: list[Child] = [
        tag("div", tag("dt", key), tag("dd", value)) for key, value in pairs.items()
    ]
    return tag("dl", *parts, class_="environment")
