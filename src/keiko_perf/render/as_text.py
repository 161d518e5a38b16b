"""
Text: the report for a terminal, the answer first.

It reads no environment and knows no terminal: width and colour are arguments. SQL stands flush
left as it is, never broken or cut, so that it can be copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from textwrap import TextWrapper, fill

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table as Grid
from rich.text import Text as Styled

from keiko_perf.model import (
    Chart,
    Comparison,
    Finding,
    Gap,
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
from keiko_perf.render.svg import described
from keiko_perf.render.tables import cells, heading, is_number
from keiko_perf.render.units import format_of, show
from keiko_perf.render.words import Word, conclusion, name, sign, sign_of, tone, verified

_STYLES = {"good": "green", "bad": "red", "warn": "yellow", "unsure": "yellow", "calm": "cyan"}
_LINES = {"name": "bold", "figures": "", "detail": "dim", "finding": ""}
_NARROWEST = 40
_LONGEST_CELL = 120
"""A table's cell that is longer is cut; findings and recommendations show SQL whole."""


@dataclass(frozen=True, slots=True)
class _Verbatim:
    """Text that Rich must not touch: it breaks lines and turns tabs to spaces."""

    text: str


class _Words(TextWrapper):
    """Breaks lines at blanks and behind slashes: a route stays readable."""

    wordsep_re = re.compile(r"(\s+|(?<=/)(?=[^/\s]))")


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell of a table; Rich breaks a word that is too long for its column anywhere."""

    text: str

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, Styled(self.text))

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        yield Styled(_Words(width=options.max_width).fill(self.text))


_Blocks = Iterator[RenderableType | _Verbatim]


_FEW_COLUMNS = 6
_LEAST_TITLE = 8
_LONG_TITLE = 20
"""How narrow the title of one of many columns may be made."""


def as_text(report: Report, lang: str = "en", *, color: bool = False, width: int = 100) -> str:
    """The report for a terminal of *width* columns."""
    console = Console(
        file=StringIO(),
        width=max(width, _NARROWEST),
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
        force_jupyter=False,
        emoji=False,
        markup=False,
        highlight=False,
        _environ={},
    )
    parts = []
    for block in _report(report, lang):
        if isinstance(block, _Verbatim):
            parts.append(f"\x1b[36m{block.text}\x1b[0m" if color else block.text)
            continue
        with console.capture() as printed:
            console.print(block)
        parts.append("\n".join(map(str.rstrip, printed.get().removesuffix("\n").split("\n"))))
    return "\n".join(parts).strip("\n") + "\n"


def _report(report: Report, lang: str) -> _Blocks:
    word, which = conclusion(report)
    style = _STYLES[which]
    status = f"{sign_of(which)} {phrase(word, lang).upper()}"
    headline = clean_line(sentence(report.headline, lang))
    yield Styled.assemble((status, f"bold {style}"), "  ", (headline, "bold"))
    created = show(report.created_at, "time", lang)
    about = (phrase(report.title, lang), f"keiko-perf {report.command}", created)
    yield Styled(" · ".join(map(clean_line, about)), "dim")
    for section in report.sections:
        yield from _heading(section.title, lang)
        yield from _section(section, lang)
    if report.environment:
        yield from _heading(say("Measured with"), lang)
        yield _pairs(report.environment)


def _section(section: Section, lang: str) -> _Blocks:
    for paragraph in section.paragraphs:
        yield Styled(clean_line(sentence(paragraph, lang)))
    if section.verdicts:
        yield ""
        yield _verdicts(section.verdicts, lang)
    for comparison in section.comparisons:
        yield from _comparison(comparison, lang)
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


def _heading(title: Text, lang: str) -> _Blocks:
    yield ""
    text = Styled(clean_line(phrase(title, lang)), "bold")
    yield Rule(text, align="left", characters="─", style="dim")


def _verdicts(verdicts: Iterable[Verdict], lang: str) -> RenderableType:
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=3, overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=3)
    for one in verdicts:
        grid.add_row(
            _mark(one.outcome, lang),
            clean_line(figures.about(one.target, lang)),
            Styled(figures.measured(one, lang), "bold"),
            Styled(figures.limit(one.target, lang), "dim"),
            clean_line(phrase(one.reason, lang)),
        )
    return grid


def _comparison(one: Comparison, lang: str) -> _Blocks:
    before, after = show(one.before, one.format, lang), show(one.after, one.format, lang)
    style = f"bold {_STYLES[tone(one.change)]}"
    yield ""
    yield Styled.assemble(
        _mark(one.change, lang),
        f"  {clean_line(one.subject)} · {clean_line(phrase(one.label, lang))}",
    )
    told = figures.interval(one, lang)
    interval = "" if told is None else f" ({phrase(_interval_words(told), lang)})"
    effect = phrase(figures.effect(one), lang)
    yield _indented(
        Styled.assemble(
            (before, "dim"), " → ", (after, style), "   ", (effect, "bold"), (interval, "dim")
        )
    )
    yield _indented(Styled(clean_line(phrase(one.reason, lang)), "dim"))


def _interval_words(interval: str) -> Text:
    return say("95 % interval {interval}", interval=interval)


def _finding(one: Finding, lang: str) -> _Blocks:
    yield ""
    summary = clean_line(phrase(one.summary, lang))
    yield Styled.assemble(_mark(one.severity, lang), "  ", (summary, "bold"))
    yield _indented(Styled(f"{clean_line(one.subject)} · {one.code}", "dim"))
    if one.explanation:
        yield _indented(Styled(clean_line(phrase(one.explanation, lang))))
    yield from _evidence(one.evidence, lang)
    if one.cure:
        yield _indented(Styled(phrase(say("What cures it"), lang) + ":"))
        yield _sql(one.cure)
    if one.example:
        yield _indented(Styled(phrase(say("To see one again"), lang) + ":"))
        yield _sql(one.example)
    if one.link:
        yield _indented(Styled(phrase(say("Manual: {link}", link=clean_line(one.link)), lang)))


def _recommendation(one: Recommendation, lang: str) -> _Blocks:
    yield ""
    summary = clean_line(phrase(one.summary, lang))
    yield Styled.assemble(("→ ", "bold cyan"), (summary, "bold"))
    how = phrase(verified(one.verified_by), lang)
    certain = ("✓ ", "green") if one.verified_by else ("! ", "yellow")
    yield _indented(
        Styled.assemble(certain, how, (f" · {clean_line(one.subject)} · {one.code}", "dim"))
    )
    yield from _evidence(one.evidence, lang)
    for title, statements in (
        (say("The change"), (one.statement,)),
        (say("Statements that gain: {count:count}", count=len(one.statements)), one.statements),
        (say("Makes superfluous: {count:count}", count=len(one.replaces)), one.replaces),
        (say("How to take it back"), (one.undo,) if one.undo else ()),
    ):
        if statements:
            yield _indented(Styled(phrase(title, lang) + ":"))
            yield from map(_sql, statements)


def _chart(chart: Chart, lang: str) -> _Blocks:
    yield ""
    yield Styled(clean_line(phrase(chart.title, lang)), "bold")
    for drawn, line in zip(sparklines(chart), chart.lines, strict=True):
        if drawn:
            yield _indented(Styled(drawn, "cyan", no_wrap=True, overflow="crop"))
        yield _indented(Styled(clean_line(described(line, chart.format, lang)), "dim"))


def _table(table: Table, lang: str) -> _Blocks:
    yield ""
    yield Styled(clean_line(phrase(table.title, lang)), "bold")
    grid = Grid(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),  # with the rule between two columns, two blanks
        pad_edge=False,
        header_style="dim",
        border_style="dim",
    )
    rows = cells(table, lang)
    for number, column in enumerate(table.columns):
        title, is_right = clean_line(heading(column, lang)), is_number(column)
        if is_right and (len(table.columns) > _FEW_COLUMNS or len(title) > _LONG_TITLE):
            # A long title makes its figures no wider, or no room is left for what they are about.
            longest = max((len(row[number]) for row in rows), default=0)
            title = fill(title, max(longest, _LEAST_TITLE), break_long_words=False)
        grid.add_column(
            title, justify="right" if is_right else "left", no_wrap=is_right, overflow="fold"
        )
    for row in rows:
        grid.add_row(*map(_short, row))
    yield grid
    if table.left_out:
        more = say("{count:count} more rows are not shown", count=table.left_out)
        yield _indented(Styled(phrase(more, lang), "dim"))


def _tree(tree: Tree, lang: str) -> _Blocks:
    yield ""
    yield Styled(clean_line(phrase(tree.title, lang)), "bold")
    yield ""
    for line in branches.lines(tree, lang):
        style = _STYLES[tone(line.severity)] if line.severity else _LINES[line.kind]
        left = Styled.assemble((line.guide, "dim"), (line.text, style))
        left.no_wrap, left.overflow = True, "ellipsis"
        yield _beside(left, line.right) if line.right else left
    if tree.left_out:
        more = say("{count:count} more steps are not shown", count=tree.left_out)
        yield _indented(Styled(phrase(more, lang), "dim"))


def _beside(left: Styled, right: str) -> RenderableType:
    grid = Grid.grid(padding=(0, 1, 0, 0), expand=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(left, Styled(right, "dim"))
    return grid


def _gaps(gaps: Iterable[Gap], lang: str) -> _Blocks:
    yield ""
    yield Styled(f"? {phrase(say('What could not be looked at'), lang)}", "bold yellow")
    for gap in gaps:
        subject, reason = (
            clean_line(sentence(gap.subject, lang)),
            clean_line(phrase(gap.reason, lang)),
        )
        yield _indented(Styled.assemble((subject, "bold"), f": {reason}"))
        remedy = phrase(say("Remedy"), lang)
        if isinstance(gap.remedy, str):  # what to type, which is copied as it stands
            yield _indented(Styled(f"{remedy}:"))
            yield _sql(gap.remedy)
        else:
            yield _indented(Styled(f"{remedy}: {clean_line(phrase(gap.remedy, lang))}"))


def _evidence(evidence: Mapping[str, float | int | str | None], lang: str) -> _Blocks:
    if not evidence:
        return
    told = (
        f"{figure_name(key, lang)} {clean_line(show(value, format_of(key), lang))}"
        for key, value in evidence.items()
    )
    yield _indented(Styled(" · ".join(told), "dim"))


def _pairs(pairs: Mapping[str, str]) -> RenderableType:
    grid = Grid.grid(padding=(0, 2, 0, 0))
    for key, value in pairs.items():
        grid.add_row(Styled(clean_line(key), "dim"), clean_line(value))
    return grid


def _mark(word: Word, lang: str) -> Styled:
    text = f"{sign(word)} {phrase(name(word), lang)}"
    return Styled(text, f"bold {_STYLES[tone(word)]}")


def _indented(text: Styled) -> RenderableType:
    return Padding(text, (0, 0, 0, 2))


def _sql(statement: str) -> _Verbatim:
    return _Verbatim(clean(statement))


def _short(cell: str) -> _Cell:
    cell = clean_line(cell)
    return _Cell(cell if len(cell) <= _LONGEST_CELL else f"{cell[: _LONGEST_CELL - 1]}…")
