"""
Settings: only where the evidence shows what one costs here. What is merely unusual is no finding.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.rules.statements import notable
from keiko_perf.model import Finding, Gap, Severity, Text, say

PLANNER_SWITCHES = (
    "enable_bitmapscan", "enable_hashagg", "enable_hashjoin", "enable_indexonlyscan",
    "enable_indexscan", "enable_material", "enable_memoize", "enable_mergejoin",
    "enable_nestloop", "enable_seqscan", "enable_sort",
)  # fmt: skip
"""Those that are on by default, and for good."""
LEAST_LOOKUPS = 10_000
_FAST_S = 0.0005
_DOCS = "https://www.postgresql.org/docs/current"


def random_page_cost(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`settings.random-page-cost`: the planner shuns index scans that would be cheap here."""
    now = evidence.settings.number("random_page_cost")
    sequential = evidence.settings.number("seq_page_cost") or 1.0
    if now is None or now / sequential < 3:
        return
    # Statements that read few blocks at a time read them where they happen to be.
    lookups = [
        one
        for one in evidence.statements
        if one.read_s is not None and 0 < one.read_blocks / one.calls <= 20
    ]
    blocks = sum(one.read_blocks for one in lookups)
    if blocks < LEAST_LOOKUPS:
        return
    each_s = sum(one.read_s or 0.0 for one in lookups) / blocks
    scanning = [
        one
        for one, _ in notable(evidence)
        if (one.read_blocks + one.hit_blocks) / one.calls >= 1_000 and one.rows_per_call <= 100
    ]
    if each_s > _FAST_S or not scanning:
        return
    yield setting_finding(
        "settings.random-page-cost",
        "random_page_cost",
        Severity.NOTE,
        say(
            "a block read at random takes {each:duration}, and the planner reckons it"
            " {factor:factor} as dear as one in sequence",
            each=each_s,
            factor=now / sequential,
        ),
        {"blocks_read_at_random": blocks, "read_s": each_s, "random_page_cost": now},
        say(
            "The default is made for spinning disks. On this one the planner reads whole tables"
            " where an index would do."
        ),
        cure="ALTER SYSTEM SET random_page_cost = 1.1;",
        link=f"{_DOCS}/runtime-config-query.html#GUC-RANDOM-PAGE-COST",
    )


def planner_switches(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`settings.planner-switch`: a way to carry statements out is forbidden for all of them."""
    off = [name for name in PLANNER_SWITCHES if evidence.settings.is_on(name) is False]
    if not off:
        return
    yield setting_finding(
        "settings.planner-switch",
        ", ".join(off),
        Severity.WARNING,
        say("the planner may not use what {names} stands for", names=", ".join(off)),
        {
            name: source.source
            for name in off
            if (source := evidence.settings.by_name.get(name)) is not None
        },
        say(
            "Such a switch was made to find out why a plan was chosen, not to be left off: it"
            " spoils the plans of all other statements. Cure the one statement instead."
        ),
        cure=" ".join(f"ALTER SYSTEM RESET {name};" for name in off)
        + " -- or ALTER DATABASE, ALTER ROLE: where it was set",
        link=f"{_DOCS}/runtime-config-query.html#RUNTIME-CONFIG-QUERY-ENABLE",
    )


def autovacuum(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`settings.autovacuum`: nobody cleans up, and it shows."""
    if evidence.settings.is_on("track_counts") is False:
        yield _uncounted()
        return
    dirty = [one for one in evidence.tables if one.dead_rows >= 1_000]
    if evidence.autovacuum.is_on or not dirty:
        return
    yield setting_finding(
        "settings.autovacuum",
        "autovacuum",
        Severity.WARNING,
        say(
            "autovacuum is off, and {dead:count} dead rows lie in {tables:count} tables",
            dead=sum(one.dead_rows for one in dirty),
            tables=len(dirty),
        ),
        {"tables": len(dirty), "dead_rows": sum(one.dead_rows for one in dirty)},
        say(
            "Tables and indexes grow, statistics grow stale, and in the end the server cleans up by"
            " force to save its transaction numbers. Slow it down rather than switch it off."
        ),
        cure="ALTER SYSTEM SET autovacuum = on; ALTER SYSTEM SET track_counts = on;",
        link=f"{_DOCS}/routine-vacuuming.html#AUTOVACUUM",
    )


def _uncounted() -> Finding:
    return setting_finding(
        "settings.autovacuum",
        "track_counts",
        Severity.WARNING,
        say("track_counts is off: nobody counts what is dead, so autovacuum never comes by"),
        {},
        say(
            "Tables and indexes grow and statistics grow stale unseen, by autovacuum and by this"
            " report: what it says of tables and indexes rests on these counters."
        ),
        cure="ALTER SYSTEM SET track_counts = on;",
        link=f"{_DOCS}/runtime-config-statistics.html#GUC-TRACK-COUNTS",
    )


def logging(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`settings.logging`: each of many statements is written to the server's log."""
    database, counted_s = evidence.database, evidence.counted_s
    logs_all = evidence.settings.text("log_statement") == "all"
    if not logs_all and evidence.settings.number("log_min_duration_statement") != 0:
        return
    if database is None or counted_s is None:
        return
    rate = (database.commits + database.rollbacks) / counted_s
    if rate < 100:
        return
    name = "log_statement" if logs_all else "log_min_duration_statement"
    yield setting_finding(
        "settings.logging",
        name,
        Severity.WARNING if rate >= 1_000 else Severity.NOTE,
        say("every statement of {rate:rate} transactions is written to the log", rate=rate),
        {"transactions_per_s": rate},
        say(
            "Each line is written by the session that serves the statement. Log the slow ones, or a"
            " sample; pg_stat_statements counts them all for less."
        ),
        cure="ALTER SYSTEM SET log_statement = 'ddl';"
        if logs_all
        else "ALTER SYSTEM SET log_min_duration_statement = '500ms';",
        link=f"{_DOCS}/runtime-config-logging.html",
    )


def parallel_workers(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`settings.parallel-workers`: plans ask for workers that are not there."""
    database = evidence.database
    if database is None or database.workers_planned is None or database.workers_launched is None:
        return
    planned, launched = database.workers_planned, database.workers_launched
    if planned < 1_000 or launched >= 0.5 * planned:
        return
    yield setting_finding(
        "settings.parallel-workers",
        "max_parallel_workers",
        Severity.NOTE,
        say(
            "of {planned:count} parallel workers that plans asked for {launched:count} were there",
            planned=planned,
            launched=launched,
        ),
        {
            "workers_planned": planned,
            "workers_launched": launched,
            "max_parallel_workers": evidence.settings.number("max_parallel_workers"),
        },
        say(
            "A plan that was made for several workers is carried out by fewer, and is then rarely"
            " the best one. Allow more workers in all, or fewer for one statement."
        ),
        link=f"{_DOCS}/how-parallel-query-works.html",
    )


def setting_finding(
    code: str,
    setting: str,
    severity: Severity,
    summary: Text,
    evidence: dict[str, float | int | str | None],
    explanation: Text,
    *,
    link: str,
    cure: str | None = None,
) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        subject=setting,
        summary=summary,
        evidence=evidence,
        explanation=explanation,
        cure=cure,
        link=link,
    )


RULES = (random_page_cost, planner_switches, autovacuum, logging, parallel_workers)
