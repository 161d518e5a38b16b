"""
Replication: who follows this server, what is kept for those that do not, and whom it follows.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """
    One that follows this server now.

    Attributes:
        name: the application name that it gave.
        state: `streaming`, `catchup`, `backup` and so on.
        sync_state: `async`, `sync`, `quorum` or `potential`.
        behind_bytes: what it has not replayed yet; None if not seen.
        behind_s: how long ago what it replayed last was written; None if it keeps up.
        holds_back_rows: how many transactions' dead rows its queries keep from being cleaned up.
    """

    name: str
    state: str
    sync_state: str
    behind_bytes: float | None
    behind_s: float | None
    holds_back_rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """
    A replication slot.

    Attributes:
        name: its name.
        kind: `physical` or `logical`.
        is_active: whether somebody uses it.
        wal_status: `reserved`, `extended`, `unreserved` or `lost`; None if it reserves nothing.
        kept_bytes: what the server keeps for it.
        left_bytes: what may still be written before it is lost; None if without end.
        holds_back_rows: how many transactions' dead rows it keeps from being cleaned up.
        holds_back_all: whether of all tables; a logical one holds back the catalog alone.
    """

    name: str
    kind: str
    is_active: bool
    wal_status: str | None
    kept_bytes: float | None
    left_bytes: float | None = None
    holds_back_rows: int | None = None
    holds_back_all: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """
    Attributes:
        standbys: those that follow.
        slots: the replication slots.
        behind_bytes: of a standby, what it has received and not yet replayed.
        behind_s: of a standby, how old what it replayed last is, if anything is left to replay.
        is_paused: of a standby, whether it was told to replay nothing for now.
        conflicts: of a standby, statements that were cancelled so that it could replay.
    """

    standbys: tuple[Standby, ...] = ()
    slots: tuple[Slot, ...] = ()
    behind_bytes: float | None = None
    behind_s: float | None = None
    is_paused: bool = False
    conflicts: int | None = None
