"""
SQL text: one name for all executions of a statement.

Placeholders become PostgreSQL's `$1, $2`, whatever the driver's style; lists of them collapse as
PostgreSQL 18 collapses them, `IN ($1 /*, ... */)`; whitespace outside quotes folds; comments go,
except hints. Literals stay, as they are part of the statement that the program sends, unless many
statements differ by them alone (`literals`). The values of the parameters are never seen here, let
alone kept.

The text is as good as the statement itself to PostgreSQL's parser.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from threading import Lock

from keiko_perf.monitoring.literals import Literals

OWN_TAG = "/* keiko-perf */"
"""The comment that this project's own statements carry; they are not the service's."""

PERCENT_STYLES = frozenset(("pyformat", "format"))
_MAX_CHARS = 8_192
_MAX_RAW_CHARS = 262_144

# What must be left as it is, or be looked at, from left to right. A quote that is never closed
# extends to the end.
_TOKEN = re.compile(
    r"""
      (?P<quoted>
          (?<![\w$])[eE]'(?:[^'\\]|\\.|'')*(?:'|$)      # 'it''s', with backslashes after an E
        | '(?:[^']|'')*(?:'|$)
        | "(?:[^"]|"")*(?:"|$)
        | `[^`]*(?:`|$)
        | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|$)
      )
    | (?P<line_comment>--[^\n]*)
    | (?P<comment>/\*)
    | (?P<percent>%%)
    | %\((?P<named>[^)%]*)\)[sbt]  # no % within, or `%(%(%(…` would take its square of time
    | (?P<positional>%[sbt])
    | (?P<mark>\?)
    | (?<![\w$])\$(?P<number>\d+)
    | (?P<space>\s+)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")

# Placeholders stand between NULs, which no SQL contains, until the lists are collapsed: so the
# numbers after a list don't depend on its length.
_VALUE = r"\x00[^\x00]*\x00(?:::[A-Za-z_][\w .]*(?:\([\d, ]*\))?(?:\[\])*)*"
_LIST = re.compile(rf"\bIN \(\s*({_VALUE})(?:\s*,\s*{_VALUE})*\s*\)", re.IGNORECASE)
_ROW = rf"\(\s*(?:{_VALUE}|DEFAULT|NULL)(?:\s*,\s*(?:{_VALUE}|DEFAULT|NULL))*\s*\)"
_ROWS = re.compile(rf"\bVALUES ({_ROW})(?:\s*,\s*{_ROW})+", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\x00([^\x00]*)\x00")
_SAVEPOINT = re.compile(r"\b(sa|__asyncpg)_savepoint_[0-9a-f]+(?:__)?\b")


def normalise(text: str, *, paramstyle: str = "pyformat") -> str:
    """
    The name of the statement *text*, as it is handed to a driver of *paramstyle* (PEP 249).

    `%` means something only in the styles `format` and `pyformat`, `?` only in `qmark`: elsewhere
    they are operators.
    """
    text = text.replace("\x00", "")
    pieces = []
    position = anonymous = 0
    percents = paramstyle in PERCENT_STYLES
    while (token := _TOKEN.search(text, position)) is not None:
        pieces.append(text[position : token.start()])
        position = token.end()
        kind = token.lastgroup
        whole = token.group()
        if kind == "comment":
            position = _end_of_comment(text, token.start())
            is_hint = text.startswith("/*+", token.start())
            pieces.append(text[token.start() : position] if is_hint else " ")
        elif kind in ("space", "line_comment"):
            pieces.append(" ")
        elif kind == "number":
            pieces.append(f"\x00{token['number']}\x00")
        elif percents and kind == "named":
            pieces.append(f"\x00{token['named']}\x00")
        elif (percents and kind == "positional") or (paramstyle == "qmark" and kind == "mark"):
            anonymous += 1
            pieces.append(f"\x00?{anonymous}\x00")
        else:
            # The drivers undo %% everywhere, in literals too.
            pieces.append(whole.replace("%%", "%") if percents else whole)
    pieces.append(text[position:])
    return _numbered(_collapsed(_joined(pieces)))


class Names:
    """
    Remembers the names of statements, as one is executed over and over.

    Args:
        paramstyle: the driver's, as PEP 249 names it.
        max_chars: how much text is remembered, those executed last first.
    """

    def __init__(self, paramstyle: str, *, max_chars: int = 2_000_000) -> None:
        self._paramstyle = paramstyle
        self._max_chars = max_chars
        self._chars = 0
        self._known: OrderedDict[str, str | None] = OrderedDict()
        self._literals = Literals()
        self._lock = Lock()

    def of(self, text: str, *, other: str) -> str | None:
        """The name of the statement *text*, *other* if it is endless, None if it is our own."""
        with self._lock:
            if text in self._known:
                self._known.move_to_end(text)
                return self._known[text]
        name = self._name(text, other)
        if len(text) <= _MAX_RAW_CHARS:
            self._remember(text, name)
        return name

    def _name(self, text: str, other: str) -> str | None:
        if OWN_TAG in text:
            return None
        if len(text) > _MAX_RAW_CHARS:
            return other
        name = normalise(text, paramstyle=self._paramstyle)
        if len(name) > _MAX_CHARS:
            return other
        with self._lock:
            return self._literals.folded(name)

    def _remember(self, text: str, name: str | None) -> None:
        with self._lock:
            if text not in self._known:
                self._chars += len(text)
            self._known[text] = name
            while self._chars > self._max_chars:
                oldest, _ = self._known.popitem(last=False)
                self._chars -= len(oldest)


def _end_of_comment(text: str, start: int) -> int:
    """Where the comment that begins at *start* ends; they nest."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge.group() == "/*" else -1
        if not depth:
            return edge.end()
    return len(text)


def _joined(pieces: list[str]) -> str:
    """The pieces as one text; of two spaces that meet, one stays."""
    kept: list[str] = []
    for piece in pieces:
        if piece and not (piece == " " and (not kept or kept[-1] == " ")):
            kept.append(piece)
    return "".join(kept).strip(" ;")


def _collapsed(text: str) -> str:
    text = _LIST.sub(r"IN (\1 /*, ... */)", text)
    text = _ROWS.sub(r"VALUES \1 /*, ... */", text)
    return _SAVEPOINT.sub(r"\1_savepoint", text)


def _numbered(text: str) -> str:
    numbers: dict[str, int] = {}
    return _PLACEHOLDER.sub(
        lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", text
    )
