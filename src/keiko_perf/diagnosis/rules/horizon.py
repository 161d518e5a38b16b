"""
Horizon: who keeps vacuum from removing dead rows and from freezing, of all who do the oldest one.

As long as somebody might still see a row, no vacuum of any kind removes it: to say VACUUM there is
no cure. A session and a prepared transaction hold back the rows of their own database, a
replication slot and a standby those of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keiko_perf.diagnosis.evidence import Evidence, Session, Slot, TableStats
from keiko_perf.diagnosis.statements.parser import literal
from keiko_perf.model import Finding, Text, say

LONG_S = 60.0
"""A query that works may take this long before it is called the cause of anything."""
MANY = 10_000
"""Transactions that somebody who is at work may be behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """
    Somebody who might still see old rows.

    Attributes:
        who: such as `pid 7, reporting, app`.
        what: what it does there.
        held: how many transactions' dead rows it keeps.
        open_s: for how long it has done so; None if not known.
        is_idle: whether nothing works on it, so that it need not be waited for.
        cure: the statement that ends it; None if that is not to be done from here.
    """

    who: str
    what: Text
    held: int
    open_s: float | None = None
    is_idle: bool = True
    cure: str | None = None


def who(session: Session) -> str:
    """A session as one would look for it."""
    parts = (f"pid {session.pid}", session.application, session.user)
    return ", ".join(part for part in parts if part)


def keeper_of(table: TableStats, evidence: Evidence) -> Keeper | None:
    """
    Who keeps dead rows of *table*; None if that is nobody, or nobody can be called the cause.

    It is one that idles, that is at it for long, or that a vacuum of the table has met.
    """
    for one in sorted(_keepers(evidence), key=lambda one: -one.held):
        if one.is_idle or one.held >= MANY or (one.open_s or 0.0) >= LONG_S:
            return one
        if _has_met(one, table.last_vacuum_at, evidence.read_at):
            return one
    return None


def _has_met(one: Keeper, vacuum_at: datetime | None, now: datetime) -> bool:
    """Whether a vacuum came by while it was there."""
    if one.open_s is None or vacuum_at is None:
        return False
    return vacuum_at > now - timedelta(seconds=one.open_s)


def kept(found: Finding, keeper: Keeper | None) -> Finding:
    """The same finding, cured by an end to who keeps the rows, before VACUUM."""
    if keeper is None:
        return found
    return replace(
        found,
        evidence={**found.evidence, "kept_by": keeper.who},
        explanation=say(
            "No vacuum removes or freezes what {who} might still see: {what}. End that, then let"
            " VACUUM come by.",
            who=keeper.who,
            what=keeper.what,
        ),
        cure=f"{keeper.cure} {found.cure}" if keeper.cure and found.cure else found.cure,
    )


def _keepers(evidence: Evidence) -> Iterator[Keeper]:
    known, replication = evidence.connections, evidence.replication
    for session in known.sessions if known else ():
        if session.holds_back_rows and session.is_here and not _vacuums(session):
            yield _of_session(session, session.holds_back_rows)
    for prepared in known.prepared if known else ():
        if prepared.holds_back_rows and prepared.is_here:
            yield Keeper(
                who=literal(prepared.name),
                what=say(
                    "a prepared transaction of {user} waits for its end since {age:duration}",
                    user=prepared.user,
                    age=prepared.age_s,
                ),
                held=prepared.holds_back_rows,
                open_s=prepared.age_s,
                cure=f"ROLLBACK PREPARED {literal(prepared.name)};",
            )
    for slot in replication.slots if replication else ():
        if slot.holds_back_rows and slot.holds_back_all:
            yield _of_slot(slot, slot.holds_back_rows)
    for standby in replication.standbys if replication else ():
        if standby.holds_back_rows:
            yield Keeper(
                who=standby.name or "standby",
                what=say("a query on this standby is that old, and hot_standby_feedback tells so"),
                held=standby.holds_back_rows,
                is_idle=False,
            )


def _of_session(one: Session, held: int) -> Keeper:
    open_s, is_idle = one.transaction_s or 0.0, one.is_idle_in_transaction
    return Keeper(
        who=who(one),
        what=say("a transaction is open for {open:duration}", open=open_s),
        held=held,
        open_s=open_s,
        is_idle=is_idle,
        cure=f"SELECT pg_{'terminate' if is_idle else 'cancel'}_backend({one.pid});",
    )


def _of_slot(one: Slot, held: int) -> Keeper:
    return Keeper(
        who=one.name,
        what=say("a query behind this replication slot is that old")
        if one.is_active
        else say("a replication slot that nobody uses, for a query of who used it last"),
        held=held,
        is_idle=not one.is_active,
        cure=None if one.is_active else f"SELECT pg_drop_replication_slot({literal(one.name)});",
    )


def _vacuums(one: Session) -> bool:
    """VACUUM shows what it sees, and holds nothing back by it."""
    return one.query.upper().startswith("VACUUM")
