"""
Advice: what was noticed, what to do about it, and what could not be looked at, as cards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keiko_perf.model import Finding, Gap, Message, Recommendation, Text, say
from keiko_perf.render.language import figure_name, sentence
from keiko_perf.render.language import unbroken as phrase
from keiko_perf.render.markup import Markup, breakable, prose, tag
from keiko_perf.render.signs import badge, icon, toned
from keiko_perf.render.sql import highlighted
from keiko_perf.render.units import format_of, show
from keiko_perf.render.words import tone, verified

_LONG = 60
"""A longer text among the evidence, such as a stack, gets lines of its own."""


def findings(values: Sequence[Finding], lang: str) -> Markup:
    """What was noticed, the worst first."""
    worst_first = sorted(values, key=lambda one: -one.severity)
    return tag("div", *(_finding(one, lang) for one in worst_first), class_="cards")


def _finding(finding: Finding, lang: str) -> Markup:
    return tag(
        "article",
        tag(
            "p",
            badge(finding.severity, lang),
            tag("code", finding.code, class_="code"),
            class_="meta",
        ),
        tag("h3", phrase(finding.summary, lang)),
        tag("p", tag("code", breakable(finding.subject)), class_="subject"),
        _paragraph(finding.explanation, lang),
        _evidence(finding.evidence, lang),
        finding.cure and _sql(say("What cures it"), finding.cure, lang),
        finding.example and _command(say("To see one again"), finding.example, lang),
        _link(finding.link, lang),
        class_=f"card finding {tone(finding.severity)}",
    )


def _paragraph(text: Text | None, lang: str) -> Markup | None:
    return tag("p", prose(phrase(text, lang)), class_="prose") if text else None


def recommendations(values: Sequence[Recommendation], lang: str) -> Markup:
    """What to do, with the statement that does it."""
    return tag("div", *(_recommendation(one, lang) for one in values), class_="cards")


def _recommendation(one: Recommendation, lang: str) -> Markup:
    how = phrase(verified(one.verified_by), lang)
    return tag(
        "article",
        tag(
            "p",
            toned("good" if one.verified_by else "warn", how),
            tag("code", one.code, class_="code"),
            class_="meta",
        ),
        tag("h3", phrase(one.summary, lang)),
        tag("p", tag("code", breakable(one.subject)), class_="subject"),
        _sql(say("The change"), one.statement, lang),
        _evidence(one.evidence, lang),
        _folded(
            say("Statements that gain: {count:count}", count=len(one.statements)),
            one.statements,
            lang,
        ),
        _folded(
            say("Makes superfluous: {count:count}", count=len(one.replaces)), one.replaces, lang
        ),
        one.undo and _folded(say("How to take it back"), (one.undo,), lang),
        class_="card finding recommendation",
    )


def _folded(title: Message, statements: Sequence[str], lang: str) -> Markup | None:
    if not statements:
        return None
    texts = (_pre(statement) for statement in statements)
    return tag("details", tag("summary", phrase(title, lang)), *texts)


def _sql(title: Message, statement: str, lang: str) -> Markup:
    hint = tag("span", phrase(say("a click selects all of it"), lang), class_="hint")
    return tag(
        "div",
        tag("p", tag("span", phrase(title, lang)), hint, class_="sql-title"),
        _pre(statement),
        class_="sql",
    )


def _command(title: Message, line: str, lang: str) -> Markup:
    return tag(
        "div",
        tag("p", tag("span", phrase(title, lang)), class_="sql-title"),
        tag("pre", tag("code", line)),
        class_="sql",
    )


def _pre(statement: str) -> Markup:
    return tag("pre", tag("code", highlighted(statement)))


def _evidence(evidence: Mapping[str, float | int | str | None], lang: str) -> Markup | None:
    if not evidence:
        return None
    told = (
        (figure_name(key, lang), show(one, format_of(key), lang)) for key, one in evidence.items()
    )
    figures_ = (
        tag("div", tag("dt", name), tag("dd", text), class_="long" if len(text) > _LONG else None)
        for name, text in told
    )
    return tag("dl", *figures_, class_="evidence")


def _link(link: str | None, lang: str) -> Markup | None:
    if not link:
        return None
    if not link.startswith(("https://", "http://")):
        return tag("p", phrase(say("Manual: {link}", link=link), lang), class_="link")
    text = phrase(say("More in the manual"), lang)
    return tag("p", tag("a", text, href=link, rel="noopener noreferrer"), class_="link")


def gaps(values: Sequence[Gap], lang: str) -> Markup:
    """What could not be looked at; it is not an all-clear."""
    rows = (
        tag(
            "li",
            tag("strong", sentence(gap.subject, lang, is_unbroken=True)),
            tag("p", sentence(gap.reason, lang, is_unbroken=True)),
            tag(
                "p",
                tag("b", phrase(say("Remedy"), lang)),
                " ",
                prose(phrase(gap.remedy, lang)),
                class_="remedy",
            ),
        )
        for gap in values
    )
    title = tag("h3", icon("unsure"), phrase(say("What could not be looked at"), lang))
    return tag("div", title, tag("ul", *rows), class_="card gaps")
