"""
Words for what a database makes users wait for: statements, locks, connections. Pure.
"""

from __future__ import annotations

import re
from typing import Any

from keiko_perf.doctor import codes
from keiko_perf.doctor.case import Case, Evidence
from keiko_perf.doctor.cause import Cause
from keiko_perf.doctor.shape import told as statement_told
from keiko_perf.doctor.symptoms import MOST_KEPT, IndexCure, LockWait, PoolUse, Reason, Symptoms
from keiko_perf.model import Asked, Finding, Message, Recommendation, Text, say

_IN_THE_MIDDLE = re.compile(r"\bI?LIKE\s+\(*\s*'%", re.I)
"""As SQLAlchemy's `contains` writes it: `slug LIKE '%' || $1 || '%'`."""
_OFFSET = re.compile(r"\bOFFSET\s+[$%:]", re.I)
_COUNT = re.compile(r"\bcount\s*\(", re.I)
LEAST_DEADLOCKS = 3


def index(case: Case) -> Cause:
    asked: Asked = case.claim.about["asked"]
    cure: IndexCure = case.claim.about["cure"]
    after_s = asked.mean_s / (cure.factor or 1.0)
    # Which pages are asked for nobody knows, so it is priced by the first.
    is_paged = _OFFSET.search(asked.statement) is not None
    after = (
        say("{after:duration} for the first page", after=after_s)
        if is_paged
        else say("{after:duration}", after=after_s)
    )
    gaining = tuple(case.claim.about["gaining"].values())
    first, *others = cure.places
    on: Text = first
    for one in others:
        on = say("{one} and one on {other}", one=on, other=one)
    evidence = {**_of_statement(asked), "cost_factor": cure.factor, "after_s": after_s}
    summary = say(
        "An index on {index} cuts the statement from {mean:duration} to about {after}",
        index=on,
        mean=asked.mean_s,
        after=after,
    )
    return case.cause(
        said=_index_said(case, asked, on, after, gaining=len(gaining)),
        evidence=evidence,
        explanation=_why_an_index(asked.statement, is_paged=is_paged),
        cure=cure.sql,
        verified_by=cure.verified_by,
        recommendation=Recommendation(
            code=codes.INDEX,
            subject=cure.on,
            summary=summary,
            statement=cure.sql,
            verified_by=cure.verified_by,
            evidence=evidence,
            statements=(asked.statement, *(one for one in gaining if one != asked.statement)),
            undo=cure.undo,
        ),
    )


def _index_said(case: Case, asked: Asked, on: Text, after: Text, *, gaining: int) -> Message:
    figures: dict[str, Any] = {
        "share": case.share,
        "who": case.who,
        "statement": statement_told(asked.statement),
        "mean": asked.mean_s,
        "index": on,
        "after": after,
    }
    if gaining == 1:
        return say(
            "{share:ratio} of the time that {who} wait is the statement {statement}, "
            "{mean:duration} each; an index on {index} cuts it to about {after} "
            "(verified by the planner)",
            **figures,
        )
    return say(
        "{share:ratio} of the time that {who} wait are {count:count} statements for which an "
        "index on {index} is missing, most of it {statement}, {mean:duration} each; the index "
        "cuts it to about {after} (verified by the planner)",
        count=gaining,
        **figures,
    )


def _why_an_index(statement: str, *, is_paged: bool) -> Message:
    if is_paged:
        return say(
            "It reads far more rows than it returns. The planner was asked what its first page "
            "would cost with the index; the time is reckoned from that, and each page further on "
            "(OFFSET) reads the rows of those before it. Make the index, then measure again."
        )
    if _COUNT.search(statement):
        return say(
            "It reads far more rows than it returns. The planner was asked what it would cost "
            "with the index; the time is reckoned from that. What it counts in the index alone "
            "it looks up in the table, too, where a page has changed since the last VACUUM: the "
            "index helps as long as that comes by often. Make it, VACUUM, then measure again."
        )
    return say(
        "It reads far more rows than it returns. The planner was asked what it would cost "
        "with the index; the time is reckoned from that. Make the index, then measure again."
    )


def repeated(case: Case) -> Cause:
    asked: Asked = case.claim.about["asked"]
    where = asked.place or case.route
    return case.cause(
        subject=asked.place or case.claim.subject,
        said=say(
            "{share:ratio} of the time that users wait is one statement that {route} sends "
            "{times:number} times for each request (N+1), from {place}: {statement}",
            share=case.share,
            route=case.route,
            times=asked.times,
            place=where,
            statement=statement_told(asked.statement),
        ),
        evidence={
            **_of_statement(asked),
            "times": asked.times,
            "most": asked.most,
            "place": asked.place or None,
        },
        explanation=say(
            "A list that asks once more for each of its items does that. Let one statement load "
            "them all: selectinload() in SQLAlchemy, or WHERE id = ANY(...). This is not verified: "
            "measure again after the change."
        ),
    )


def slow(case: Case) -> Cause:
    asked: Asked = case.claim.about["asked"]
    known: Reason | None = case.claim.about.get("reason")
    return case.cause(
        said=say(
            "{share:ratio} of the time that {who} wait is the statement {statement}, "
            "{mean:duration} each",
            share=case.share,
            who=case.who,
            statement=statement_told(asked.statement),
            mean=asked.mean_s,
        ),
        evidence=_of_statement(asked) | ({} if known is None else {"reason": known.finding.code}),
        cure=None if known is None else known.finding.cure,
        explanation=_because(known.finding)
        if known is not None
        else say(
            "It looks for what stands in the middle of a text, which no B-tree finds; a trigram "
            "index does: CREATE EXTENSION pg_trgm, then CREATE INDEX CONCURRENTLY ON a_table USING "
            "gin (a_column gin_trgm_ops). The planner cannot be asked for that beforehand: this is "
            "not verified."
        )
        if _IN_THE_MIDDLE.search(asked.statement)
        else say(
            "No index that the planner was asked about makes it much cheaper, and it waits for no "
            "lock. keiko-perf db explain shows what its plan spends the time on."
        )
        if case.seen.has_database
        else say(
            "Only the service was asked. With --database URL the planner is asked for an index "
            "that helps, and the server who waits for locks."
        ),
    )


def _because(found: Finding) -> Message:
    """What a rule noticed of it, of its plan or of a table that it reads, and what to do."""
    topic = found.code.partition(".")[0]
    about: dict[str, Any] = {"what": found.summary, "why": found.explanation or ""}
    if topic == "plan":
        return say("By the planner's estimate: {what}. {why}", **about)
    if topic in ("tables", "indexes"):
        return say("Of {subject}: {what}. {why}", subject=found.subject, **about)
    return say("As the database counted: {what}. {why}", **about)


def many_rows(case: Case) -> Cause:
    asked: Asked = case.claim.about["asked"]
    rows: float = case.claim.about["rows"]
    return case.cause(
        said=say(
            "{share:ratio} of the time that {who} wait is for the {rows:count} rows that the "
            "statement {statement} returns each time, and for what is made of them",
            share=case.share,
            who=case.who,
            rows=round(rows),
            statement=statement_told(asked.statement),
        ),
        evidence={**_of_statement(asked), "rows_per_call": rows},
        explanation=many_rows_cure(),
    )


def many_rows_cure() -> Message:
    """What to do about a statement that returns more than anybody reads."""
    return say(
        "Nobody reads so many at once: let the statement return a page (WHERE id > the last one "
        "ORDER BY id LIMIT 100), or count and sum in the database; where all are needed, stream "
        "them (await session.stream(statement)). This is not verified: measure again after the "
        "change."
    )


def between(case: Case) -> Cause:
    asked: Asked = case.claim.about["asked"]
    executed_s: float = case.claim.about["executed_s"]
    return case.cause(
        subject="between service and database",
        said=say(
            "{share:ratio} of the time that users wait is between the service and its database: "
            "the statement {statement} takes {mean:duration} as the service sees it, and "
            "{executed:duration} in the database",
            share=case.share,
            statement=statement_told(asked.statement),
            mean=asked.mean_s,
            executed=executed_s,
        ),
        evidence={**_of_statement(asked), "executed_s": executed_s},
        explanation=say(
            "The network, a pooler that has no connection left, or the service itself: a thread "
            "that computes keeps the interpreter, and with it the driver, from its work. py-spy "
            "dump shows what the threads do; SHOW POOLS in pgbouncer tells who waits there."
        ),
    )


def locked(case: Case) -> Cause:
    lock: LockWait = case.claim.about["lock"]
    is_idle = lock.blocker_state.startswith("idle in transaction")
    return case.cause(
        said=say(
            "{share:ratio} of the time that {who} wait is for a lock on {on}, which a transaction "
            "holds whose last statement was {blocker}",
            share=case.share,
            who=case.who,
            on=lock.on,
            blocker=blocker_of(lock),
        ),
        evidence=of_lock(lock),
        explanation=of_deadlocks(case.seen)
        or say(
            "Whoever holds the lock does something else before its commit: its transaction is "
            "idle. Do that before it takes the lock, or after the commit. This is not verified: "
            "measure again after the change."
        )
        if is_idle
        else say(
            "The transactions take turns. Let them hold the lock for a shorter time: lock last, "
            "commit at once, write fewer rows at a time. This is not verified: measure again "
            "after the change."
        ),
    )


def of_deadlocks(seen: Symptoms) -> Message | None:
    """What to do where the transactions wait for each other; None where they don't."""
    if seen.deadlocks < LEAST_DEADLOCKS:
        return None
    return say(
        "They wait for each other as well: {count:count} transactions were ended meanwhile to "
        "resolve a deadlock, which takes the server a second each time (deadlock_timeout). Let all "
        "lock their rows in one order, such as by key. This is not verified: measure again after "
        "the change.",
        count=seen.deadlocks,
    )


def blocker_of(lock: LockWait) -> Text:
    """Who is in the way, as far as that may be seen."""
    return statement_told(lock.blocker, 100) if lock.blocker else say("another session")


def of_lock(lock: LockWait) -> Evidence:
    return {
        "lock_wait_ratio": lock.ratio,
        "looks": lock.looks,
        "on": lock.on,
        "blocker_state": lock.blocker_state or None,
    }


def exhausted(case: Case) -> Cause:
    pool = case.seen.pool
    size = None if pool is None else pool.size
    lost = None if pool is None else pool.lost(case.seen.window_s, case.seen.workers)
    if pool is not None and lost is not None:
        return leaking(case, pool, lost)
    figures = {"share": case.share, "hold": None if pool is None else pool.mean_hold_s}
    return case.cause(
        subject="database pool",
        said=say(
            "{share:ratio} of the time that users wait is for one of the {size:number} database "
            "connections of the pool, each of which is held for {hold:duration}: at most "
            "{ceiling:rate}",
            size=size,
            ceiling=None if pool is None else pool.ceiling_per_s,
            **figures,
        )
        if size
        else say(
            "{share:ratio} of the time that users wait is for a database connection; each is "
            "held for {hold:duration}",
            **figures,
        ),
        evidence={}
        if pool is None
        else {
            "waits": pool.waits,
            "wait_s": pool.wait_s,
            "timeouts": pool.failed,
            "hold_s": pool.mean_hold_s,
            "size": size,
            "in_use": pool.in_use,
            "ceiling_per_s": pool.ceiling_per_s,
        },
        explanation=say(
            "The pool has no bound that is known. Without one that keeps connections (NullPool) "
            "each request opens its own, which takes some tens of milliseconds: let a pool keep "
            "them. This is not verified: measure again after the change."
        )
        if pool is not None and not size
        else say(
            "Hold connections for a shorter time (no other work between the first statement and "
            "the commit, quicker statements), or let the pool be larger, as far as max_connections "
            "allows for all workers together. This is not verified: measure again after the change."
        ),
    )


def leaking(case: Case, pool: PoolUse, kept: float) -> Cause:
    return case.cause(
        subject="database pool",
        said=say(
            "{share:ratio} of the time that users wait is for a database connection, while about "
            "{kept:number} of the {size:number} of the pool are kept and do not come back",
            share=case.share,
            kept=round(kept, 1),
            size=pool.size,
        ),
        evidence={
            "kept": kept,
            "in_use": pool.in_use,
            "size": pool.size,
            "hold_s": pool.mean_hold_s,
            "waits": pool.waits,
            "timeouts": pool.failed,
        },
        explanation=say(
            "Somebody takes a connection and does not give it back, or keeps it for long: a "
            "session without `async with`, a transaction that stays open, a background task. "
            "pg_stat_activity shows them as idle, or idle in transaction, with their last "
            "statement. A larger pool only puts it off. This is not verified: measure again after "
            "the change."
        )
        if kept >= MOST_KEPT * (pool.size or 0.0)
        else say(
            "Each worker process has a pool of its own: that of one is used up, and those of the "
            "others are not. There somebody takes connections and does not give them back: a "
            "session without `async with`, a transaction that stays open, a background task. To "
            "start that worker anew puts it off. This is not verified: measure again after the "
            "change."
        ),
    )


def _of_statement(asked: Asked) -> Evidence:
    return {
        "calls": asked.count,
        "requests": asked.requests if asked.route else None,
        "mean_s": asked.mean_s,
        "total_s": asked.total_s,
    }
