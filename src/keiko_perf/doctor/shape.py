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
_SPACE = re.compile(r"\s+")
_COLUMNS = re.compile(r"\bSELECT (?!DISTINCT ON)(.{25,}?) FROM\b", re.I | re.S)
_RETURNED = re.compile(r"\bRETURNING (.{25,})$", re.I | re.S)
_TABLE = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO) ([\w.\"]+)", re.I)
_LONGEST = 140


@lru_cache(maxsize=4096)
def shape(statement: str) -> str:
    """The same for all texts of one statement."""
    text = _COMMENT.sub(" ", statement)
    text = _VALUE.sub("?", _CAST.sub("", text))
    text = _LISTS.sub("(?)", _LIST.sub("(?)", text))
    return _SPACE.sub(" ", text).strip(" ;").lower()


def is_same(one: str, other: str, *, cut_at: int = 900) -> bool:
    """Whether two texts are of one statement; one that was cut is known by its beginning."""
    first, second = sorted((shape(one), shape(other)), key=len)
    return first == second or (len(first) >= cut_at and second.startswith(first[: cut_at // 2]))


def told(statement: str, longest: int = _LONGEST) -> str:
    """The statement on one line, without casts and the columns that it fetches, cut if long."""
    text = _SPACE.sub(" ", _CAST.sub("", _COMMENT.sub(" ", statement))).strip(" ;")
    text = _COLUMNS.sub("SELECT … FROM", text, count=1)
    text = _RETURNED.sub("RETURNING …", text)
    tables = set(_TABLE.findall(text))
    if len(tables) == 1:  # of one table a column needs no other name than its own
        text = text.replace(f"{tables.pop()}.", "")
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
