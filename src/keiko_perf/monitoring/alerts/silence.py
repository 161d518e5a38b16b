"""
Silences: for how long nobody is told of an alert. It is judged, shown and kept all the same.

A silence names checks, with `*` for any letters: `api_response_time*`, `*[GET /agents]`, `*`. It
has a reason and an end; nothing is silent for ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex

from keiko_perf.errors import UsageError
from keiko_perf.monitoring.storage.journal import Entry, Journal, Page

TOPIC = "silence"
MOST_S = 30 * 86_400.0
_MOST_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """
    For how long nobody is told of some checks.

    Attributes:
        key: what it is ended by.
        pattern: the checks that it is about; `*` stands for any letters.
        start_at: when it begins, aware UTC.
        until_at: when it ends.
        reason: why.
    """

    key: str
    pattern: str
    start_at: datetime
    until_at: datetime
    reason: str

    def is_active(self, now: datetime) -> bool:
        return self.start_at <= now < self.until_at

    def covers(self, check: str, now: datetime) -> bool:
        """Whether nobody is told of *check* now."""
        # Not fnmatch: the brackets of a check's route would be a set of letters there.
        pattern = ".*".join(map(re.escape, self.pattern.split("*")))
        return self.is_active(now) and re.fullmatch(pattern, check) is not None


def silence_of(pattern: str, *, for_s: float, reason: str, now: datetime) -> Silence:
    """
    A silence that begins now.

    Raises:
        UsageError: it names nothing, has no reason, or lasts no time or over 30 days.
    """
    for what, text in (("pattern", pattern), ("reason", reason)):
        if not text.strip() or len(text) > _MOST_TEXT or not text.isprintable():
            raise UsageError(
                f"a silence's {what} is one line of at most {_MOST_TEXT} characters",
                cure="Name checks and say why, as in 'api_response_time*' and --reason"
                " 'the database moves'",
            )
    if not 0 < for_s <= MOST_S:
        raise UsageError(
            f"a silence lasts over 0 s and at most 30 days, not {for_s:,.0f} s",
            cure="Give its length, as in --for 2h or for_s=7200",
        )
    until_at = now + timedelta(seconds=for_s)
    return Silence(
        key=token_hex(4), pattern=pattern, start_at=now, until_at=until_at, reason=reason.strip()
    )


def add(journal: Journal, silence: Silence) -> None:
    """
    Keep *silence*.

    Raises:
        StoreUnavailable: the journal cannot be written.
    """
    body = {
        "pattern": silence.pattern,
        "until": silence.until_at.isoformat(),
        "reason": silence.reason,
    }
    journal.write(lambda page: page.put(TOPIC, silence.key, silence.start_at, body))


def end(journal: Journal, key: str) -> None:
    """
    End a silence before its time.

    Raises:
        UsageError: there is none of that key.
        StoreUnavailable: the journal cannot be written.
    """
    if not journal.write(lambda page: page.drop(TOPIC, key)):
        raise UsageError(f"there is no silence {key!r}", cure="Name one that is listed")


def read(journal: Journal, now: datetime) -> tuple[Silence, ...]:
    """
    The silences that hold now, the oldest first.

    Raises:
        StoreUnavailable: the journal cannot be read.
    """
    return journal.read(lambda page: active(page, now), absent=())


def active(page: Page, now: datetime) -> tuple[Silence, ...]:
    """The silences of a page that hold now."""
    return tuple(one for one in _silences(page.entries(TOPIC)) if one.is_active(now))


def _silences(entries: Iterable[Entry]) -> Iterable[Silence]:
    for one in entries:
        yield Silence(
            key=one.key,
            pattern=one.body["pattern"],
            start_at=one.at,
            until_at=datetime.fromisoformat(one.body["until"]),
            reason=one.body["reason"],
        )
