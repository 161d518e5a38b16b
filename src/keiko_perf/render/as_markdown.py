"""
Markdown: the report for an issue or a pull request, as GitHub reads it.

Names from outside stand in code spans, where nothing is markup and nobody is mentioned; other
text is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from keiko_perf.model import (
    Chart,
    Comparison,
    Finding,
    Gap,
    Message,
    Recommendation,
    Report,
    Section,
    Table,
    Text,
    Tree,
    Verdict,
    say,
)
from keiko_perf.render import branches, figures
from keiko_perf.render.clean import clean, clean_line
from keiko_perf.render.language import figure_name, phrase, sentence
from keiko_perf.render.sparkline import sparklines
from keiko_perf.render.svg import describe
from keiko_perf.render.tables import cells, heading, is_number
from keiko_perf.render.units import format_of, show
from keiko_perf.render.words import Word, conclusion, name, tone, verified

_MARKS = {"good": "✅", "bad": "❌", "warn": "⚠️", "unsure": "❔", "calm": "🔹"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&!@])")
_NUMBERED_OR_LISTED = re.compile(r"^(\d+)([.)])(?=\s|$)|^([-+])(?=\s|$)")
_LINKED = re.compile(r"\\([@#])(?=\w)")
_JOINER = "\N{WORD JOINER}"
_LONGEST_CELL = 200
_SPARK = 40


def as_markdown(report: Report, lang: str = "en") -> str:
    """The report as GitHub-flavoured Markdown."""
    return "\n\n".join(part for part in _report(report, lang) if part) + "\n"


def _report(report: Report, lang: str) -> Iterator[str]:
    word, which = conclusion(report)
    yield f"# {_MARKS[which]} {_escape(sentence(report.headline, lang))}"
    status = phrase(word, lang)
    created = show(report.created_at, "time", lang)
    title = _plain(report.title, lang)
    yield f"**{_capital(status)}** · {title} · {_code(report.command)} · {created}"
    for section in report.sections:
        yield f"## {_plain(section.title, lang)}"
        yield from _section(section, lang)
    if report.environment:
        pairs = (f"{_escape(key)}: {_escape(value)}" for key, value in report.environment.items())
        yield f"---\n\n<sub>{_phrase(say('Measured with'), lang)}: {' · '.join(pairs)}</sub>"


def _section(section: Section, lang: str) -> Iterator[str]:
    for paragraph in section.paragraphs:
        yield _escape(sentence(paragraph, lang))
    if section.verdicts:
        yield _verdicts(section.verdicts, lang)
    if section.comparisons:
        yield _comparisons(section.comparisons, lang)
    for finding in sorted(section.findings, key=lambda one: -one.severity):
        yield from _finding(finding, lang)
    for recommendation in section.recommendations:
        yield from _recommendation(recommendation, lang)
    for chart in section.charts:
        yield from _chart(chart, lang)
    for tree in section.trees:
        yield from _tree(tree, lang)
    for table in section.tables:
        yield from _table(table, lang)
    if section.gaps:
        yield from _gaps(section.gaps, lang)


def _verdicts(verdicts: Iterable[Verdict], lang: str) -> str:
    titles = (say("Outcome"), say("Target"), say("Measured"), say("Limit"), say("Reason"))
    rows = (
        (
            _word(one.outcome, lang),
            " ".join(filter(None, (_plain(one.target.kpi.label, lang), _code(one.target.subject)))),
            f"**{_escape(figures.measured(one, lang))}**",
            figures.limit(one.target, lang),
            _plain(one.reason, lang),
        )
        for one in verdicts
    )
    return _grid([_phrase(one, lang) for one in titles], "llrrl", rows)


def _comparisons(values: Iterable[Comparison], lang: str) -> str:
    titles = (
        *(say("Outcome"), say("Subject"), say("Before"), say("After")),
        *(say("Effect"), say("95 % interval"), say("Reason")),
    )
    rows = (
        (
            _word(one.change, lang),
            f"{_code(one.subject)} {_plain(one.label, lang)}",
            show(one.before, one.format, lang),
            f"**{show(one.after, one.format, lang)}**",
            f"**{_plain(figures.effect(one), lang)}**",
            figures.interval(one, lang) or figures.ABSENT,
            _plain(one.reason, lang),
        )
        for one in values
    )
    return _grid([_phrase(one, lang) for one in titles], "llrrlll", rows)


def _finding(one: Finding, lang: str) -> Iterator[str]:
    yield f"### {_word(one.severity, lang)}: {_plain(one.summary, lang)}"
    yield f"{_code(one.subject)} · {_code(one.code)}"
    if one.explanation:
        yield _plain(one.explanation, lang)
    yield _evidence(one.evidence, lang)
    if one.cure:
        yield f"{_phrase(say('What cures it'), lang)}:"
        yield _fence(one.cure)
    if one.example:
        yield f"{_phrase(say('To see one again'), lang)}:"
        yield _fence(one.example, "sh")
    if one.link:
        yield _phrase(say("Manual: {link}", link=_code(one.link)), lang)


def _recommendation(one: Recommendation, lang: str) -> Iterator[str]:
    yield f"### 💡 {_plain(one.summary, lang)}"
    mark = _MARKS["good" if one.verified_by else "warn"]
    how = _plain(verified(one.verified_by), lang)
    yield f"{mark} {_capital(how)} · {_code(one.subject)} · {_code(one.code)}"
    yield _fence(one.statement)
    yield _evidence(one.evidence, lang)
    gain = say("Statements that gain: {count:count}", count=len(one.statements))
    yield _folded(gain, one.statements, lang)
    replaced = say("Makes superfluous: {count:count}", count=len(one.replaces))
    yield _folded(replaced, one.replaces, lang)
    yield _folded(say("How to take it back"), (one.undo,) if one.undo else (), lang)


def _folded(title: Message, statements: tuple[str, ...], lang: str) -> str:
    if not statements:
        return ""
    fences = "\n\n".join(map(_fence, statements))
    return f"<details><summary>{_phrase(title, lang)}</summary>\n\n{fences}\n\n</details>"


def _chart(chart: Chart, lang: str) -> Iterator[str]:
    yield f"**{_capital(_plain(chart.title, lang))}**"
    drawn = "\n".join(
        f"{line}  {clean_line(phrase(one.name, lang))}"
        for line, one in zip(sparklines(chart, _SPARK), chart.lines, strict=True)
        if line
    )
    yield _fence(drawn, "text") if drawn else ""
    yield _escape(clean_line(describe(chart, lang)))


def _table(table: Table, lang: str) -> Iterator[str]:
    yield f"**{_plain(table.title, lang)}**"
    titles = [_escape(heading(column, lang)) for column in table.columns]
    align = "".join("r" if is_number(column) else "l" for column in table.columns)
    rows = (
        [
            _escape(cell) if is_number(column) or isinstance(value, Message) else _code(_cut(cell))
            for column, cell, value in zip(table.columns, texts, values, strict=True)
        ]
        for texts, values in zip(cells(table, lang), table.rows, strict=True)
    )
    yield _grid(titles, align, rows)
    if table.left_out:
        yield _phrase(say("{count:count} more rows are not shown", count=table.left_out), lang)


def _tree(tree: Tree, lang: str) -> Iterator[str]:
    yield f"**{_plain(tree.title, lang)}**"
    lines = (
        f"{line.guide}{line.text}" + (f"  [{' '.join(line.right.split())}]" if line.right else "")
        for line in branches.lines(tree, lang)
    )
    yield _fence("\n".join(line.rstrip() for line in lines), "text")
    if tree.left_out:
        yield _plain(say("{count:count} more steps are not shown", count=tree.left_out), lang)


def _gaps(gaps: Iterable[Gap], lang: str) -> Iterator[str]:
    yield f"### ❔ {_phrase(say('What could not be looked at'), lang)}"
    yield "\n".join(
        f"- **{_escape(sentence(gap.subject, lang))}**: {_plain(gap.reason, lang)}"
        f". {_phrase(say('Remedy'), lang)}: {_remedy(gap.remedy, lang)}"
        for gap in gaps
    )


def _remedy(remedy: Text, lang: str) -> str:
    return _code(remedy) if isinstance(remedy, str) else _plain(remedy, lang)


def _evidence(evidence: Mapping[str, float | int | str | None], lang: str) -> str:
    return " · ".join(
        f"{_escape(figure_name(key, lang))} **{_escape(show(value, format_of(key), lang))}**"
        for key, value in evidence.items()
    )


def _grid(titles: list[str], align: str, rows: Iterable[Iterable[str]]) -> str:
    rule = ["---:" if one == "r" else ":---" for one in align]
    return "\n".join(f"| {' | '.join(row)} |" for row in (titles, rule, *rows))


def _word(word: Word, lang: str) -> str:
    return f"{_MARKS[tone(word)]} {_phrase(name(word), lang)}"


def _phrase(message: Message, lang: str) -> str:
    return phrase(message, lang)


def _plain(text: Text, lang: str) -> str:
    return _escape(phrase(text, lang))


def _escape(text: str) -> str:
    """Text in which nothing is markup: on one line, special characters escaped."""
    text = _SPECIAL.sub(r"\\\1", clean_line(text))
    # GitHub links @names and #numbers, escaped or not; an invisible joiner keeps it from that.
    text = _LINKED.sub(rf"\1{_JOINER}", text)
    return _NUMBERED_OR_LISTED.sub(_escaped_start, text)


def _escaped_start(found: re.Match[str]) -> str:
    return f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}"


def _code(text: str | None) -> str:
    """A code span; its fence is longer than any run of backticks inside."""
    if not text:
        return ""
    text = clean_line(text)
    fence = "`" * (_longest_run(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    # In a table even a code span ends at a bar.
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


def _fence(text: str, language: str = "sql") -> str:
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{clean(text)}\n{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
