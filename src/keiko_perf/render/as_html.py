"""
HTML: one self-contained page that opens from a file.

It needs no network and no script, and its policy forbids both. Whatever comes from outside is
escaped by `markup`. Light and dark, phone and paper: `report.css`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from keiko_perf.model import Change, Outcome, Report, Section, Severity, Target, say
from keiko_perf.render import advice, blocks, figures, signs
from keiko_perf.render.language import sentence
from keiko_perf.render.language import unbroken as phrase
from keiko_perf.render.markup import Child, Markup, breakable, joined, tag
from keiko_perf.render.units import show
from keiko_perf.render.words import conclusion, name

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_CONTENTS_FROM = 3
"""From so many sections on, a list of them is worth its place."""


def as_html(report: Report, lang: str = "en") -> str:
    """The report as a page."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content="keiko-perf"),
        tag("title", f"{sentence(report.headline, lang, is_unbroken=True)} · keiko-perf"),
        tag("style", _style()),
    )
    body = tag(
        "body",
        tag("a", phrase(say("Skip to the report"), lang), class_="skip", href="#report"),
        _hero(report, lang),
        _contents(report, lang),
        tag(
            "main",
            *(_section(section, i, lang) for i, section in enumerate(report.sections, 1)),
            id="report",
        ),
        _footer(report, lang),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang=lang)}\n"


@cache
def _style() -> Markup:
    return Markup(files(__package__).joinpath("report.css").read_text(encoding="utf-8"))


_LONG = 110


def _hero(report: Report, lang: str) -> Markup:
    word, which = conclusion(report)
    created = report.created_at.isoformat(timespec="seconds")
    return tag(
        "header",
        tag(
            "p",
            tag("span", "keiko-perf", class_="brand"),
            tag("code", report.command),
            tag("time", show(report.created_at, "time", lang), datetime=created),
            class_="masthead",
        ),
        tag(
            "div",
            tag(
                "p",
                signs.icon(which),
                tag("span", phrase(word, lang)),
                class_="status",
            ),
            _headline(sentence(report.headline, lang, is_unbroken=True)),
            tag("p", phrase(report.title, lang), class_="about"),
            class_=f"banner {which}",
        ),
        _glance(report, lang),
        class_="hero",
    )


def _headline(text: str) -> Markup:
    """A sentence that names a statement is read, and not looked at: it is set smaller."""
    return tag("h1", text, class_="long" if len(text) > _LONG else None)


def _glance(report: Report, lang: str) -> Markup | None:
    """The sums, side by side: targets, findings, fixes, effect."""
    tiles = [*_tiles(report, lang)]
    return tag("ul", *tiles, class_="glance") if tiles else None


def _tiles(report: Report, lang: str) -> Iterator[Markup]:
    # Of a target that is judged before and after a change, the last word counts.
    last = {_promise(one.target): one.outcome for one in report.verdicts}
    outcomes = Counter(last.values())
    if outcomes:
        met = say("{met:count} of {all:count}", met=outcomes[Outcome.MET], all=outcomes.total())
        rest = [
            f"{outcomes[one]} {phrase(name(one), lang)}"
            for one in (Outcome.MISSED, Outcome.UNKNOWN)
            if outcomes[one]
        ]
        yield _tile(phrase(say("Targets met"), lang), phrase(met, lang), rest)
    severities = Counter(one.severity for one in report.findings)
    if severities:
        parts = [
            f"{severities[one]} {phrase(name(one), lang)}"
            for one in sorted(Severity, reverse=True)
            if severities[one]
        ]
        yield _tile(phrase(say("Findings"), lang), str(severities.total()), parts)
    fixes = Counter(one.verified_by is not None for one in report.recommendations)
    if fixes:
        parts = [phrase(say("{count:count} verified", count=fixes[True]), lang)]
        yield _tile(phrase(say("Recommendations"), lang), str(fixes.total()), parts)
    changed = [one for one in report.comparisons if one.change in _TOLD]
    if changed:
        most = max(changed, key=lambda one: max(one.ratio or 1, 1 / (one.ratio or 1)))
        effect = phrase(figures.effect(most), lang)
        yield _tile(phrase(say("Largest change"), lang), effect, [breakable(most.subject)])


def _promise(target: Target) -> tuple[object, ...]:
    return target.kpi.name, target.subject, target.at_most, target.at_least


_TOLD = (Change.IMPROVED, Change.REGRESSED)


def _tile(label: str, figure: str, parts: list[Markup | str]) -> Markup:
    return tag(
        "li",
        tag("span", label, class_="tile-label"),
        tag("strong", figure),
        tag("span", joined(parts, " · "), class_="tile-parts") if parts else None,
    )


def _contents(report: Report, lang: str) -> Markup | None:
    if len(report.sections) < _CONTENTS_FROM:
        return None
    links = (
        tag("li", tag("a", phrase(section.title, lang), href=f"#section-{i}"))
        for i, section in enumerate(report.sections, 1)
    )
    return tag("nav", tag("ol", *links), aria_label=phrase(say("Contents"), lang))


def _section(section: Section, number: int, lang: str) -> Markup:
    id = f"section-{number}"
    charts = (
        blocks.chart(chart, lang, id=f"{id}-chart-{i}") for i, chart in enumerate(section.charts, 1)
    )
    tables = (
        blocks.table(table, lang, id=f"{id}-table-{i}") for i, table in enumerate(section.tables, 1)
    )
    parts: list[Child] = [
        blocks.paragraphs(section.paragraphs, lang),
        blocks.verdicts(section.verdicts, lang) if section.verdicts else None,
        blocks.comparisons(section.comparisons, lang) if section.comparisons else None,
        advice.findings(section.findings, lang) if section.findings else None,
        advice.recommendations(section.recommendations, lang) if section.recommendations else None,
        joined(charts),
        joined(
            blocks.tree(one, lang, id=f"{id}-tree-{i}") for i, one in enumerate(section.trees, 1)
        ),
        joined(tables),
        advice.gaps(section.gaps, lang) if section.gaps else None,
    ]
    title = tag("h2", phrase(section.title, lang), id=f"{id}-title")
    return tag("section", title, *parts, id=id, aria_labelledby=f"{id}-title")


def _footer(report: Report, lang: str) -> Markup:
    environment = report.environment and tag(
        "section",
        tag("h2", phrase(say("Measured with"), lang), id="environment"),
        blocks.figure_list(report.environment),
        aria_labelledby="environment",
    )
    return tag("footer", environment or None)
