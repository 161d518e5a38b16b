"""
Replication: standbys that fall behind, and slots that keep what nobody fetches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from keiko_perf.diagnosis.evidence import Evidence, Slot
from keiko_perf.diagnosis.rules.writing import GIB, MIB
from keiko_perf.diagnosis.statements.parser import literal
from keiko_perf.model import Finding, Gap, Severity, say

BEHIND_BYTES = 64 * MIB
BEHIND_S = 10.0
FAR_BEHIND_S = 60.0
TOO_FAR_S = 600.0
KEPT_BYTES = 64 * MIB
HELD_BACK = 1_000_000
CONFLICTS = 10
_DOCS = "https://www.postgresql.org/docs/current"


def lag(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`replication.lag`: a standby shows what was long ago."""
    known = evidence.replication
    for one in known.standbys if known else ():
        behind, late_s = one.behind_bytes or 0.0, one.behind_s or 0.0
        # A base backup streams as well, and is not meant to keep up.
        if one.state == "backup" or (behind < BEHIND_BYTES and late_s < BEHIND_S):
            continue
        yield _lag(one.name or "standby", behind, late_s, sync_state=one.sync_state)
    # When it replayed last is not known of one that has replayed nothing since it was started.
    behind, late_s = (known.behind_bytes or 0.0, known.behind_s or 0.0) if known else (0.0, 0.0)
    if known and behind and (behind >= BEHIND_BYTES or late_s >= BEHIND_S):
        found = _lag("this server", behind, late_s, sync_state=None)
        yield _paused(found) if known.is_paused else found


def _paused(found: Finding) -> Finding:
    return replace(
        found,
        explanation=say(
            "Its replay is paused: somebody told it so, and it goes on when it is told to. Until"
            " then who reads from it reads what was then."
        ),
        cure="SELECT pg_wal_replay_resume();",
    )


def _lag(name: str, behind: float, late_s: float, *, sync_state: str | None) -> Finding:
    severity = Severity.NOTE
    if late_s >= FAR_BEHIND_S or behind >= GIB:
        severity = Severity.WARNING
    if late_s >= TOO_FAR_S or behind >= 16 * GIB:
        severity = Severity.CRITICAL
    return Finding(
        code="replication.lag",
        severity=severity,
        subject=name,
        summary=say(
            "the standby is {late:duration} behind, {behind:bytes} of the log",
            late=late_s,
            behind=behind,
        )
        if late_s
        else say("the standby is {behind:bytes} of the log behind", behind=behind),
        evidence={"behind_s": late_s or None, "behind_bytes": behind, "sync_state": sync_state},
        explanation=say(
            "Who reads from it reads what was then, and if the primary is lost, so is what it has"
            " not got. The network, its disk, or a long query that it must not disturb holds it up."
        ),
        link=f"{_DOCS}/warm-standby.html#STREAMING-REPLICATION-MONITORING",
    )


def slots(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`replication.slot`: the server keeps its log for one that does not fetch it."""
    known = evidence.replication
    for one in known.slots if known else ():
        if one.wal_status == "lost":
            yield _lost(one)
        elif not one.is_active and (one.kept_bytes or 0.0) >= KEPT_BYTES:
            yield _kept(one, evidence)


def _lost(one: Slot) -> Finding:
    return Finding(
        code="replication.slot-lost",
        severity=Severity.WARNING,
        subject=one.name,
        summary=say("the slot has lost the log that it needs: who used it cannot go on"),
        evidence={"kind": one.kind},
        explanation=say(
            "More was written than the server may keep for a slot. Set its standby or subscriber"
            " up anew, and drop the slot."
        ),
        cure=_drop(one),
        link=f"{_DOCS}/view-pg-replication-slots.html",
    )


def _kept(one: Slot, evidence: Evidence) -> Finding:
    kept = one.kept_bytes or 0.0
    without_end = evidence.settings.number("max_slot_wal_keep_size") in (None, -1, -MIB)
    is_urgent = one.wal_status == "unreserved" or (without_end and kept >= 10 * GIB)
    severity = Severity.WARNING if kept >= GIB or without_end else Severity.NOTE
    return Finding(
        code="replication.slot",
        severity=Severity.CRITICAL if is_urgent else severity,
        subject=one.name,
        summary=say(
            "nobody uses the slot, and the server keeps {kept:bytes} of the log for it", kept=kept
        ),
        evidence={
            "kept_bytes": kept,
            "left_bytes": one.left_bytes,
            "kind": one.kind,
            "wal_status": one.wal_status,
        },
        explanation=say(
            "What is kept fills the disk, and then the server stops. If what used the slot does not"
            " come back, drop it; max_slot_wal_keep_size sets a limit for all."
        ),
        cure=_drop(one),
        link=f"{_DOCS}/warm-standby.html#STREAMING-REPLICATION-SLOTS",
    )


def slot_horizon(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`replication.slot-horizon`: dead rows stay because a slot might need them."""
    known = evidence.replication
    for one in known.slots if known else ():
        held = one.holds_back_rows or 0
        if held < HELD_BACK:
            continue
        yield Finding(
            code="replication.slot-horizon",
            severity=Severity.WARNING,
            subject=one.name,
            summary=say(
                "the slot keeps the dead rows of {held:count} transactions from being cleaned up",
                held=held,
            ),
            evidence={"holds_back_transactions": held, "kind": one.kind},
            explanation=say(
                "Vacuum removes nothing that the slot's standby or subscriber may still read. Let"
                " it catch up, or drop the slot."
            ),
            cure=None
            if one.is_active
            else f"SELECT pg_drop_replication_slot({literal(one.name)});",
            link=f"{_DOCS}/view-pg-replication-slots.html",
        )


def _drop(one: Slot) -> str:
    return f"SELECT pg_drop_replication_slot({literal(one.name)});"


def conflicts(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`replication.conflicts`: a standby ended queries so that it could follow."""
    known = evidence.replication
    if not evidence.is_standby or known is None or (known.conflicts or 0) < CONFLICTS:
        return
    yield Finding(
        code="replication.conflicts",
        severity=Severity.NOTE,
        subject="standby",
        summary=say(
            "{conflicts:count} statements were cancelled so that the standby could follow",
            conflicts=known.conflicts or 0,
        ),
        evidence={"conflicts": known.conflicts},
        explanation=say(
            "A long query needed rows that the primary had cleaned up. hot_standby_feedback keeps"
            " them there, max_standby_streaming_delay lets the standby wait longer."
        ),
        cure="ALTER SYSTEM SET hot_standby_feedback = on;",
        link=f"{_DOCS}/hot-standby.html#HOT-STANDBY-CONFLICT",
    )


RULES = (lag, slots, slot_horizon, conflicts)
