"""
History as bytes and back: JSON in which a name is written once, compressed.

Nothing in it is ever executed: a file from elsewhere can at worst be refused.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import astuple, fields
from datetime import UTC, datetime
from typing import Any, TypeVar

from keiko_perf.diagnosis.evidence import Evidence, StatementStats, TableStats
from keiko_perf.diagnosis.history.history import Period, TableChange

_FORMAT = 1
_MOST_BYTES = 256 << 20
"""A few bytes that unpack to more are none of ours."""
T = TypeVar("T")
_TABLE = (
    "schema", "name", "size_bytes", "inserts", "updates", "deletes", "live_rows", "dead_rows",
    "seq_scans", "index_scans",
)  # fmt: skip


def write_period(period: Period) -> bytes:
    """A period, without when it was: who keeps it keeps that where it can search for it."""
    return _packed(
        {
            "total_s": period.total_s,
            "note": period.note,
            "statements": _rows(period.statements),
            "tables": _rows(period.tables),
        }
    )


def read_period(body: bytes, *, start_at: datetime, end_at: datetime) -> Period:
    """
    Undo `write_period`.

    Raises:
        ValueError: it is damaged, or of another format.
    """
    read = _unpacked(body)
    try:
        return Period(
            start_at=start_at,
            end_at=end_at,
            total_s=float(read["total_s"]),
            note=str(read["note"]),
            statements=tuple(_values(StatementStats, read["statements"])),
            tables=tuple(_values(TableChange, read["tables"])),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"a damaged period: {error}") from error


def write_reading(evidence: Evidence) -> bytes:
    """The counters of a reading, from which the next one is subtracted."""
    since_at = evidence.statements_since_at
    return _packed(
        {
            "read_at": evidence.read_at.timestamp(),
            "since_at": since_at.timestamp() if since_at else None,
            "total_s": evidence.statements_total_s,
            "left_out": evidence.statements_left_out,
            "statements": _rows(evidence.statements),
            "tables": [[getattr(one, name) for name in _TABLE] for one in evidence.tables],
        }
    )


def read_reading(body: bytes) -> Evidence:
    """
    Undo `write_reading`: evidence with the counters alone.

    Raises:
        ValueError: it is damaged, or of another format.
    """
    read = _unpacked(body)
    try:
        since_s = read["since_at"]
        return Evidence(
            read_at=datetime.fromtimestamp(read["read_at"], UTC),
            statements_since_at=None if since_s is None else datetime.fromtimestamp(since_s, UTC),
            statements_total_s=float(read["total_s"]),
            statements_left_out=int(read["left_out"]),
            statements=tuple(_values(StatementStats, read["statements"])),
            tables=tuple(_table(values) for values in read["tables"]),
        )
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"a damaged reading: {error}") from error


def _table(values: list[Any]) -> TableStats:
    unknown: dict[str, Any] = {
        "estimated_rows": None,
        "modified_rows": 0,
        "last_vacuum_at": None,
        "last_analyze_at": None,
    }
    return TableStats(**unknown, **dict(zip(_TABLE, values, strict=True)))


def _rows(things: Iterable[Any]) -> list[tuple[Any, ...]]:
    return [astuple(one) for one in things]


def _values(kind: type[T], rows: list[list[Any]]) -> Iterable[T]:
    names = [one.name for one in fields(kind)]  # type: ignore[arg-type]  # they are dataclasses
    for row in rows:
        # One that knew fewer figures than we do now left the later ones out.
        yield kind(**dict(zip(names, row, strict=False)))


def _packed(values: dict[str, Any]) -> bytes:
    text = json.dumps([_FORMAT, values], ensure_ascii=True, separators=(",", ":"))
    return zlib.compress(text.encode(), 6)


def _unpacked(body: bytes) -> dict[str, Any]:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(body, _MOST_BYTES)
        if not unpacker.eof:
            raise ValueError("cut short")
        format, values = json.loads(text)
    except (zlib.error, UnicodeDecodeError, TypeError) as error:
        raise ValueError(f"it cannot be read: {error}") from error
    if format != _FORMAT or not isinstance(values, dict):
        raise ValueError("it is of another format")
    return values
