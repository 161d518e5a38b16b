"""
Markers: what was done to a service and when, so that a change in its figures has a cause beside it.

A deploy is noted by the monitor itself when it starts with another revision than the last one
that was noted; notes and deploys are also added by hand, from Python or the command line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from secrets import token_hex

from keiko_perf.errors import UsageError
from keiko_perf.monitoring.storage.journal import Entry, Journal, Page

TOPIC = "marker"
_MOST_TEXT = 200


class MarkerKind(StrEnum):
    """What a marker is: other code that runs from then on, or anything else worth a note."""

    DEPLOY = "deploy"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """
    Something that was done to the service.

    Attributes:
        at: when, aware UTC.
        kind: a deploy, or a note.
        text: what, in one line.
        revision: the code that runs from then on, such as a git commit; None if it is not known.
        is_automatic: whether the monitor noted it by itself.

    Raises:
        UsageError: the text is empty, too long or of several lines, or the time is naive.
    """

    at: datetime
    kind: MarkerKind = MarkerKind.NOTE
    text: str
    revision: str | None = None
    is_automatic: bool = False

    def __post_init__(self) -> None:
        text = self.text.strip()
        if not text or len(text) > _MOST_TEXT or not text.isprintable():
            raise UsageError(
                f"a marker's text is one line of at most {_MOST_TEXT} characters",
                cure='Say in a few words what was done, as in "pool_size 20 instead of 10"',
            )
        if self.at.tzinfo is None:
            raise UsageError("a marker's time is aware", cure="Give it as datetime.now(UTC)")


def add(journal: Journal, marker: Marker) -> None:
    """
    Keep *marker*.

    Raises:
        StoreUnavailable: the journal cannot be written.
    """
    journal.write(lambda page: _put(page, marker))


def note_deploy(journal: Journal, revision: str | None, now: datetime, *, said: str | None) -> None:
    """
    Note a deploy if *revision*, or what is *said* of it, is not that of the last one.

    Several workers may start at once: the first one notes it.

    Raises:
        StoreUnavailable: the journal cannot be written.
    """
    if revision is None and said is None:
        return
    text = (said or f"revision {(revision or '')[:12]}")[:_MOST_TEXT]
    marker = Marker(at=now, kind=MarkerKind.DEPLOY, text=text, revision=revision, is_automatic=True)

    def note(page: Page) -> None:
        last = last_deploy(_markers(page.entries(TOPIC)))
        if last is None or (last.revision, last.text) != (revision, text):
            # One that was noted by hand just before it is the same deploy, in better words.
            if last and last.revision == revision and not last.is_automatic:
                return
            _put(page, marker)

    journal.write(note)


def read(
    journal: Journal, start_at: datetime | None = None, end_at: datetime | None = None
) -> tuple[Marker, ...]:
    """
    The markers of a time, the oldest first.

    Raises:
        StoreUnavailable: the journal cannot be read.
    """
    return journal.read(lambda page: _markers(page.entries(TOPIC, start_at, end_at)), absent=())


def last_deploy(markers: Iterable[Marker]) -> Marker | None:
    """The newest deploy among *markers*."""
    deploys = [one for one in markers if one.kind is MarkerKind.DEPLOY]
    return max(deploys, key=lambda one: one.at, default=None)


def _put(page: Page, marker: Marker) -> None:
    body = {
        "kind": marker.kind.value,
        "text": marker.text.strip(),
        "revision": marker.revision,
        "is_automatic": marker.is_automatic,
    }
    page.put(TOPIC, token_hex(6), marker.at, body)


def _markers(entries: Iterable[Entry]) -> tuple[Marker, ...]:
    return tuple(
        Marker(
            at=one.at,
            kind=MarkerKind(one.body["kind"]),
            text=one.body["text"],
            revision=one.body["revision"],
            is_automatic=one.body["is_automatic"],
        )
        for one in entries
    )
