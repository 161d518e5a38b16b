"""
Workload text: the statements of a file, with how much each weighs.

SQL: statements that end with a semicolon; `-- weight: 12` before one, or behind it on its line,
says how often it is called beside the others (1 if nothing is said). JSON: a list of statements, or
of objects with `sql` or `query` and `weight` or `calls`; `total_s` and `rows` are taken in, too.
Parameters are `$1`, `%s`, `%(name)s` or `:name`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from keiko_perf.diagnosis.statements.parser import NotUnderstood, parse
from keiko_perf.diagnosis.statements.workload import Statement, Workload
from keiko_perf.errors import UsageError

_PIECE = re.compile(
    r"""
    (?P<line>--[^\n]*) | (?P<block>/\*.*?\*/)
    | (?P<text>[eE]?'(?:[^'\\]|''|\\.)*' | "(?:[^"]|"")*" | \$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$)
    | (?P<end>;) | (?P<other>[^-/'"$;eE]+ | .)
    """,
    re.VERBOSE | re.DOTALL,
)
_WEIGHT = re.compile(r"--\s*(?:weight|calls)\s*[:=]?\s*(\S+)", re.I)
_PARAMETER = re.compile(
    r"(?P<kept>[eE]?'(?:[^'\\]|''|\\.)*'|\"(?:[^\"]|\"\")*\"|::|%%)"
    r"|%(?:\((?P<named>\w+)\))?[sbt]|(?<![\w:]):(?P<colon>[A-Za-z_]\w*)"
)
_TEXTS = ("sql", "query", "statement", "text")
_WEIGHTS = ("weight", "calls", "count", "frequency")


def workload_of(text: str) -> Workload:
    """
    The workload that a file's text describes; statements that cannot be read are in it as such.

    Raises:
        UsageError: it is neither SQL nor JSON of this form, or holds no statement.
    """
    text = text.removeprefix("\ufeff")
    statements = list(_of_json(text) if text.lstrip()[:1] in ("[", "{") else _of_sql(text))
    if not statements:
        raise UsageError(
            "the workload holds no statement", cure="Write SQL statements that end with ;"
        )
    return Workload.of(statements)


def numbered(statement: str) -> str:
    """A statement with `$1`, `$2` … in place of a driver's `%s`, `%(name)s` or `:name`."""
    try:
        parse(statement)
        return statement
    except NotUnderstood:
        names: dict[str, int] = {}

        def number(match: re.Match[str]) -> str:
            if match["kept"]:
                return "%" if match["kept"] == "%%" else match["kept"]
            name = match["named"] or match["colon"] or f"%{len(names)}"
            return f"${names.setdefault(name, len(names) + 1)}"

        written = _PARAMETER.sub(number, statement)
        return written if names else statement


def _of_sql(text: str) -> Iterator[Statement]:
    pieces: list[str] = []
    weight: float | None = None
    pending: Statement | None = None
    for match in _PIECE.finditer(text):
        comment = _WEIGHT.match(match[0]) if match["line"] else None
        if comment:
            said = _weight(comment[1])
            if pending is not None and not "".join(pieces).strip() and "\n" not in "".join(pieces):
                pending = Statement(text=pending.text, calls=said, total_s=said)
            else:
                weight = said
        elif match["end"]:
            if pending is not None:
                yield pending
            pending = _statement("".join(pieces), weight)
            pieces, weight = [], None
        elif match["line"] or match["block"]:
            pieces.append(" ")
        else:
            pieces.append(match[0])
    if pending is not None:
        yield pending
    last = _statement("".join(pieces), weight)
    if last is not None:
        yield last


def _statement(text: str, weight: float | None) -> Statement | None:
    if not text.strip():
        return None
    calls = 1.0 if weight is None else weight
    return Statement(text=numbered(text.strip()), calls=calls, total_s=calls)


def _of_json(text: str) -> Iterator[Statement]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"the workload is no JSON: {error}",
            cure='Write a list such as [{"sql": "SELECT …", "weight": 3}], or SQL',
        ) from None
    if isinstance(document, Mapping):
        document = _entries(document)
    for entry in document:
        yield _entry(entry)


def _entries(document: Mapping[str, Any]) -> list[Any]:
    """Of an object the list in it, what it names, or itself as the one entry."""
    values = list(document.values())
    listed = next((one for one in values if isinstance(one, list)), None)
    if listed is not None:
        return listed
    is_entry = any(name in document for name in _TEXTS)
    return [dict(document)] if is_entry else values


def _entry(entry: Any) -> Statement:
    if isinstance(entry, str):
        entry = {"sql": entry}
    elif isinstance(entry, list) and len(entry) == 2:
        numbers = [one for one in entry if isinstance(one, int | float)]
        texts = [one for one in entry if isinstance(one, str)]
        entry = {"sql": texts[0], "weight": numbers[0]} if texts and numbers else entry
    text = _first(entry, _TEXTS) if isinstance(entry, Mapping) else None
    if not isinstance(text, str) or not text.strip():
        raise UsageError(
            f"an entry of the workload holds no statement: {str(entry)[:80]}",
            cure='Write each as a text, or as {"sql": "SELECT …", "weight": 3}',
        )
    calls = _weight(_first(entry, _WEIGHTS, 1.0))
    rows = entry.get("rows")
    return Statement(
        text=numbered(text.strip().rstrip(";")),
        calls=calls,
        total_s=_weight(entry.get("total_s", calls)),
        rows=int(rows) if isinstance(rows, int | float) else None,
    )


def _first(entry: Mapping[str, Any], names: tuple[str, ...], otherwise: Any = None) -> Any:
    return next((entry[name] for name in names if name in entry), otherwise)


def _weight(said: Any) -> float:
    try:
        weight = float(said)
    except (TypeError, ValueError):
        weight = -1.0
    if not isfinite(weight) or weight < 0:
        raise UsageError(
            f"{said!r} is no weight", cure="Write a number from 0 up, such as -- weight: 12"
        )
    return weight
