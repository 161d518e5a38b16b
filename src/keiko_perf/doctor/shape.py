"""
Shape: what two texts of one statement have in common, and a statement short enough for a sentence.

A service writes `WHERE id = %(id)s LIMIT 20`, its driver `$1`, and pg_stat_statements `LIMIT $2`;
their shape is the same. Pure.
"""

from __future__ import annotations

import re
from functools import lru_cache

_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.S)
_VALUE = re.compile(r"'(?:[^']|'')*'|\$\d+|(?<![\w.])\d+(?:\.\d+)?\b|\b(?:true|false)\b", re.I)
_CAST = re.compile(
    r"::\s*(?:character varying|double precision|bit varying"
    r"|(?:timestamp|time)(?:\(\d\))? with(?:out)? time zone|[a-z_][\w.]*)"
    r"(?:\(\d+(?:,\s*\d+)?\))?(?:\[\])*",
    re.I,
)
_LIST = re.compile(r"\(\s*\?(?:\s*,\s*\?)*\s*\)")
_LISTS = re.compile(r"\(\?\)(?:\s*,\s*\(\?\))+")
_PADDED = re.compile(r"(\() | (\))")
_SPACE = re.compile(r"\s+")
_SELECT = re.compile(r"\bSELECT (?!DISTINCT ON)", re.I)
_FROM = re.compile(r"['()]| FROM\b", re.I)
_LEAST_COLUMNS = 25
"""What is shorter is told."""
_SEVERAL = re.compile(r"\bFROM [\w.\"]+(?: (?:AS )?\w+)?,", re.I)
_RETURNED = re.compile(r"\bRETURNING (.{25,})$", re.I | re.S)
_TABLE = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO) ([\w.\"]+)", re.I)
_LONGEST = 140
_CUT_AT = 900


@lru_cache(maxsize=4096)
def shape(statement: str) -> str:
    """The same for all texts of one statement."""
    text = _COMMENT.sub(" ", statement)
    text = _VALUE.sub("?", _CAST.sub("", text))
    text = _LISTS.sub("(?)", _LIST.sub("(?)", text))
    return _SPACE.sub(" ", text).strip(" ;").lower()


def is_same(one: str, other: str) -> bool:
    """Whether two texts are of one statement; one that was cut is known by its beginning."""
    first, second = sorted((shape(one), shape(other)), key=len)
    return first == second or (len(first) >= _CUT_AT and second.startswith(first[: _CUT_AT // 2]))


def told(statement: str, longest: int = _LONGEST) -> str:
    """The statement on one line, without casts and the columns that it fetches, cut if long."""
    text = _SPACE.sub(" ", _CAST.sub("", _COMMENT.sub(" ", statement))).strip(" ;")
    text = _RETURNED.sub("RETURNING …", _without_columns(_PADDED.sub(r"\1\2", text)))
    tables = set(_TABLE.findall(text))
    if len(tables) == 1 and not _SEVERAL.search(text):
        # Of one table a column needs no other name than its own.
        text = re.sub(rf"(?<![\w.\"]){re.escape(tables.pop())}\.", "", text)
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _without_columns(text: str) -> str:
    """What a SELECT fetches may hold others: its FROM is the one that stands in no parenthesis."""
    start = _SELECT.search(text)
    if start is None:
        return text
    depth, is_quoted = 0, False
    for found in _FROM.finditer(text, start.end()):
        if found[0] == "'":
            is_quoted = not is_quoted
        elif not is_quoted:
            depth += {"(": 1, ")": -1}.get(found[0], 0)
            if depth < 0:
                break
            if depth == 0 and found[0] not in "()":
                is_long = found.start() - start.end() >= _LEAST_COLUMNS
                return f"{text[: start.end()]}…{text[found.start() :]}" if is_long else text
    return text
