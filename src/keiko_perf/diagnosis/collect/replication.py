"""
Replication: who follows this server, what is kept for them, and whom it follows itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keiko_perf.diagnosis.collect.asking import grant
from keiko_perf.diagnosis.evidence import Replication, Slot, Standby
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.model import Gap, say

MOST = 200


async def replication(database: Database, keep: Callable[[Gap], None]) -> Replication:
    """The standbys and slots, and of a standby how far it is behind."""
    is_standby = database.server.is_standby
    here = "pg_last_wal_replay_lsn()" if is_standby else "pg_current_wal_lsn()"
    standbys = await database.rows(_STANDBYS.format(here=here), most=MOST)
    if any(row["state"] is None for row in standbys):
        keep(
            Gap(
                subject=say("how far the standbys are behind"),
                reason=say("the user {user} may not see what others do", user=database.server.user),
                remedy=grant(database),
            )
        )
    slots = await database.rows(_SLOTS.format(here=here), most=MOST)
    behind: dict[str, Any] = (await database.row(_BEHIND) or {}) if is_standby else {}
    return Replication(
        standbys=tuple(
            Standby(
                name=row["name"] or "",
                state=row["state"],
                sync_state=row["sync_state"] or "",
                behind_bytes=_number(row["behind_bytes"]),
                behind_s=row["behind_s"],
                holds_back_rows=row["holds_back"],
            )
            for row in standbys
            if row["state"] is not None
        ),
        slots=tuple(
            Slot(
                name=row["name"],
                kind=row["kind"],
                is_active=row["is_active"],
                wal_status=row["wal_status"],
                kept_bytes=_number(row["kept_bytes"]),
                left_bytes=_number(row["left_bytes"]),
                holds_back_rows=row["holds_back"],
                holds_back_all=row["holds_back_all"],
            )
            for row in slots
        ),
        behind_bytes=_number(behind.get("behind_bytes")),
        behind_s=behind.get("behind_s"),
        is_paused=bool(behind.get("is_paused")),
        conflicts=behind.get("conflicts"),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


# One that only keeps the log replays nothing.
_STANDBYS = """
SELECT application_name::text AS name, state, sync_state,
       pg_wal_lsn_diff({here}, coalesce(replay_lsn, flush_lsn, write_lsn, sent_lsn))
           AS behind_bytes,
       extract(epoch FROM replay_lag)::float8 AS behind_s, age(backend_xmin) AS holds_back
FROM pg_catalog.pg_stat_replication ORDER BY behind_bytes DESC NULLS LAST, pid LIMIT :most
"""

_SLOTS = """
SELECT slot_name::text AS name, slot_type AS kind, active AS is_active, wal_status,
       pg_wal_lsn_diff({here}, restart_lsn) AS kept_bytes, safe_wal_size AS left_bytes,
       greatest(age(xmin), age(catalog_xmin)) AS holds_back, xmin IS NOT NULL AS holds_back_all
FROM pg_catalog.pg_replication_slots WHERE NOT temporary
ORDER BY kept_bytes DESC NULLS LAST, slot_name LIMIT :most
"""

# What was replayed last may be old because nothing was written since.
_BEHIND = """
SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) AS behind_bytes,
       CASE WHEN pg_last_wal_receive_lsn() <> pg_last_wal_replay_lsn() THEN
           extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8
       END AS behind_s, pg_is_wal_replay_paused() AS is_paused,
       (SELECT conflicts FROM pg_catalog.pg_stat_database WHERE datname = current_database())
           AS conflicts
"""
