"""
Tables: the cells of a table as text, the same in every format that people read.
"""

from __future__ import annotations

import re

from keiko_perf.model import Change, Column, Message, Outcome, Severity, Status, Table
from keiko_perf.render.language import phrase
from keiko_perf.render.units import show, show_column
from keiko_perf.render.words import name, sign

_WORDS = ("text", "time")
_PERCENTILE = re.compile(r"p\d")


def cells(table: Table, lang: str) -> list[tuple[str, ...]]:
    """The rows as text; each column in one unit."""
    columns = [
        _column([row[i] for row in table.rows], column.format, lang)
        for i, column in enumerate(table.columns)
    ]
    return list(zip(*columns, strict=True))


def is_number(column: Column) -> bool:
    """Whether the column is aligned at the right."""
    return column.format not in _WORDS


def heading(column: Column, lang: str) -> str:
    """The title of a column, with a capital; the letter of a percentile stays small."""
    title = phrase(column.title, lang)
    return title if _PERCENTILE.match(title) else title[:1].upper() + title[1:]


def _column(values: list[object], format: str, lang: str) -> list[str]:
    if format in _WORDS:
        return [_word(value, format, lang) for value in values]
    texts = show_column(values, format, lang)
    return [
        phrase(value, lang) if isinstance(value, Message) else text
        for value, text in zip(values, texts, strict=True)
    ]


def _word(value: object, format: str, lang: str) -> str:
    if isinstance(value, Message):
        return phrase(value, lang)
    if isinstance(value, Status | Outcome | Change | Severity):
        return f"{sign(value)} {phrase(name(value), lang)}"
    return show(value, format, lang)
