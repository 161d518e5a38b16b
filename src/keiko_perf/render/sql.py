"""
SQL: coloured for reading, unchanged for copying.
"""

from __future__ import annotations

import re

from keiko_perf.render.markup import Child, Markup, joined, tag

_KEYWORDS = (
    r"add|all|alter|analyze|and|any|as|asc|begin|between|by|cascade|case|check|"
    r"cluster|column|commit|concurrently|conflict|constraint|count|create|cross|"
    r"default|delete|desc|distinct|do|drop|else|end|except|exists|explain|"
    r"extension|false|fetch|filter|first|for|foreign|from|full|function|grant|"
    r"group|having|if|ilike|in|include|index|inner|insert|intersect|interval|into|"
    r"is|join|key|last|lateral|left|like|limit|lock|not|null|nulls|offset|on|"
    r"only|or|order|outer|over|partition|primary|recursive|references|reindex|reset|"
    r"returning|right|rollback|select|set|show|system|table|temporary|then|to|true|"
    r"truncate|union|unique|unlogged|update|using|vacuum|values|view|when|where|"
    r"window|with"
)
_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
      | (?P<string>'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")*")
      | (?P<value>\$\d+\b|\b\d+(?:\.\d+)?\b)
      | (?P<keyword>\b(?:KEYWORDS)\b)""".replace("KEYWORDS", _KEYWORDS),
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


def highlighted(sql: str) -> Markup:
    """*sql* with a `span` around keywords, strings, values and comments; the text is the same."""
    parts: list[Child] = []
    done = 0
    for found in _TOKEN.finditer(sql):
        parts.append(sql[done : found.start()])
        kind = found.lastgroup
        parts.append(found[0] if kind == "name" else tag("span", found[0], class_=f"sql-{kind}"))
        done = found.end()
    return joined([*parts, sql[done:]])
