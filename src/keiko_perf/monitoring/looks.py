"""
Looks: at some of the answers of endpoints and of statements, for what a cache would spare.

Of an endpoint the whole answers (200) to GET are looked at, of a statement the rows of a SELECT as
far as the driver has fetched them all. Who asks is part of the question: the headers that tell it,
and in which form the answer is wanted. An answer that sets a cookie or forbids to be stored is
left out, and so is what is long. Digests alone are kept, of a bounded number of questions; each
subject is looked at twenty times a second at most. See `model.repeating` for how they are chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from threading import Lock
from typing import Any

from keiko_perf.model import Kind, Repeats
from keiko_perf.model.repeating import MASK, Repeating
from keiko_perf.model.repeats import Kept

PAUSE_S = 0.1
MOST_SUBJECTS = 32
"""Of each kind."""
LONGEST_BYTES = 256 << 10
MOST_ROWS = 500
_MATTERS = frozenset(
    (
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"authorization",
        b"cookie",
        b"host",
        b"range",
        b"x-api-key",
    )
)


class Looks:
    """
    What a recorder's service was looked at; any thread may tell it.

    Args:
        pause_s: how far apart two looks at one subject are at least.
    """

    def __init__(self, *, pause_s: float = PAUSE_S) -> None:
        self._pause_s = pause_s
        self._lock = Lock()
        # By the id of a route or an endpoint, which is kept along with it, so that the id stays its
        # own; and by the name of a statement.
        self._of_routes: dict[int, _Subject] = {}
        self._of_statements: dict[str, _Subject] = {}

    # Each request comes by, and most are not looked at: what tells that comes first, and is
    # written out.
    def look(
        self, scope: Mapping[str, Any], message: Mapping[str, Any], at_s: float
    ) -> Look | None:
        """
        Whether to look at the answer to a request, now that it begins.

        Args:
            scope: of the request, once it was routed.
            message: the beginning of the answer, with the status 200.
            at_s: when the request came, monotonic.
        """
        owner = scope.get("route")
        if owner is None:
            owner = scope.get("endpoint")
        subject = self._of_routes.get(id(owner))
        if subject is None:
            if scope["method"] != "GET" or owner is None:
                return None
            subject = self._admit(self._of_routes, id(owner), Kind.ROUTE, owner)
            if subject is None:
                return None
        path, query = scope["path"], scope.get("query_string", b"")
        mark = hash((path, query)) & MASK
        if mark >= subject.share and mark not in subject.heavy:
            return None
        if scope["method"] != "GET" or not subject.wants(mark, at_s):
            return None
        if _is_private(message.get("headers", ())):
            return None
        asker = sorted(pair for pair in scope.get("headers", ()) if pair[0] in _MATTERS)
        question = subject.digest(
            path.encode("utf-8", "surrogatepass"), query, *(part for pair in asker for part in pair)
        )
        return Look(self._lock, subject, mark, question)

    def executed(
        self, statement: str, parameters: Any, cursor: Any, *, name: str, at_s: float, took_s: float
    ) -> None:
        """
        A statement was executed.

        Args:
            statement: as it was sent.
            parameters: likewise.
            cursor: of the driver, or of SQLAlchemy in front of an async one.
            name: the normalised text.
            at_s: now, monotonic.
            took_s: how long it took.
        """
        subject = self._of_statements.get(name)
        if subject is None:
            if name[:6].upper() != "SELECT":
                return
            subject = self._admit(self._of_statements, name, Kind.STATEMENT, None)
            if subject is None:
                return
        try:
            mark = _mark(parameters)
            if not subject.wants(mark, at_s) or (rows := rows_of(cursor)) is None:
                return
            question = subject.digest(statement.encode("utf-8", "replace"), _written(parameters))
        except Exception:  # a stranger's type, or one driver's own idea of rows
            return
        said = subject.digest(rows)
        with self._lock:
            subject.name = name
            subject.saw(mark, question, said, at_s=at_s, took_s=took_s)

    def cut(self) -> tuple[Repeats, ...]:
        """What was seen since the last cut."""
        with self._lock:
            told = [
                _told(one, one.calls, one.took_s, one.take())
                for one in self._subjects()
                if one.calls
            ]
            return tuple(told)

    def peek(self) -> tuple[Repeats, ...]:
        """The same, and it goes on."""
        with self._lock:
            return tuple(
                _told(one, one.calls, one.took_s, one.kept())
                for one in self._subjects()
                if one.calls
            )

    def _subjects(self) -> Iterable[_Subject]:
        return (*self._of_routes.values(), *self._of_statements.values())

    def _admit(
        self, subjects: dict[Any, _Subject], key: object, kind: Kind, owner: object
    ) -> _Subject | None:
        with self._lock:
            if len(subjects) >= MOST_SUBJECTS:
                # Whoever was not asked since the last cut makes room.
                idle = [known for known, one in subjects.items() if not one.calls]
                if not idle:
                    return None
                del subjects[idle[0]]
            return subjects.setdefault(key, _Subject(kind, owner, self._pause_s))


class _Subject(Repeating):
    """An endpoint or a statement, and its name once it is known."""

    __slots__ = ("kind", "name", "owner")

    def __init__(self, kind: Kind, owner: object, pause_s: float) -> None:
        super().__init__(pause_s=pause_s)
        self.kind, self.owner, self.name = kind, owner, ""


class Look:
    """At one answer, while it is sent."""

    __slots__ = ("_answer", "_length", "_lock", "_mark", "_question", "_subject")

    def __init__(self, lock: Lock, subject: _Subject, mark: int, question: bytes) -> None:
        self._lock, self._subject = lock, subject
        self._mark, self._question = mark, question
        self._answer = blake2b(digest_size=16)
        self._length = 0

    def add(self, body: bytes) -> None:
        """A piece of the answer."""
        self._length += len(body)
        if self._length <= LONGEST_BYTES:
            self._answer.update(body)

    def end(self, route: str, *, at_s: float, took_s: float) -> None:
        """All of it was sent, after *took_s*."""
        subject = self._subject
        # A file is sent by the server alone, and one endpoint may have two routes: not seen.
        if not 0 < self._length <= LONGEST_BYTES or subject.name not in ("", route):
            return
        with self._lock:
            subject.name = route
            subject.saw(
                self._mark,
                self._question,
                subject.digest(self._answer.digest()),
                at_s=at_s,
                took_s=took_s,
            )


def rows_of(cursor: Any) -> bytes | None:
    """All rows of an answer, in any form that tells them apart; None if they are not there yet."""
    rows = getattr(cursor, "_rows", None)  # of SQLAlchemy, which fetches all of an async driver
    if rows is None:
        result = getattr(cursor, "pgresult", None)  # of psycopg, which did as well
        if result is None or result.ntuples > MOST_ROWS:
            return None
        columns = range(result.nfields)
        rows = [[result.get_value(row, one) for one in columns] for row in range(result.ntuples)]
    return _all_written(rows) if len(rows) <= MOST_ROWS else None


def _all_written(rows: Iterable[Any]) -> bytes | None:
    """None if it is too much; what is long is not even begun."""
    made = bytearray()
    for row in rows:
        for value in row:
            if isinstance(value, str | bytes) and len(value) > LONGEST_BYTES:
                return None
        made += _written(row)
        if len(made) > LONGEST_BYTES:
            return None
    return bytes(made)


def _told(subject: _Subject, calls: int, took_s: float, kept: tuple[Kept, ...]) -> Repeats:
    return Repeats(kind=subject.kind, subject=subject.name, calls=calls, took_s=took_s, kept=kept)


def _is_private(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    for name, value in headers:
        if name == b"set-cookie" or (name == b"cache-control" and b"no-store" in value.lower()):
            return True
    return False


def _mark(parameters: Any) -> int:
    """The same for the same parameters."""
    try:
        known = tuple(parameters.values()) if isinstance(parameters, dict) else parameters
        return hash(known) & MASK
    except TypeError:
        return hash(_written(parameters)) & MASK


def _written(value: Any) -> bytes:
    return repr(value).encode("utf-8", "replace")
