"""What is wrong with connections, locks, replication and the log, found on a real server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from tests.diagnosis.rules.conftest import Patient
from tests.diagnosis.rules.test_sick_tables import BURN

from keiko_perf.demo.cluster import Cluster
from keiko_perf.demo.programs import runner
from keiko_perf.diagnosis.rules.locks import tree
from keiko_perf.model import Finding
from keiko_perf.render import phrase

pytestmark = pytest.mark.postgres

_PATIENCE = 2_000


async def until(patient: Patient, is_so: Callable[[list[Finding]], bool]) -> list[Finding]:
    """Ask again until it is so; each time takes as long as the questions."""
    for _ in range(_PATIENCE):
        found = list((await patient.judged()).findings)
        if is_so(found):
            return found
    pytest.fail(f"not found: {sorted(one.code for one in found)}")


@contextmanager
def at_work(db: psycopg.Connection, statement: str) -> Iterator[None]:
    """A statement under way in another thread; it is cancelled at the end."""

    def work() -> None:
        try:
            db.execute(statement)  # type: ignore[arg-type]
        except psycopg.Error:
            return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        # Until it is over: it may not have begun when it is cancelled first.
        while thread.is_alive():
            db.cancel_safe()
            thread.join(0.2)


async def test_transactions_that_stay_open(patient: Patient) -> None:
    patient.execute("CREATE TABLE t (x int)", BURN)
    with ExitStack() as stack:
        idle, busy, prepared = (stack.enter_context(patient.connect()) for _ in range(3))
        idle.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        idle.execute("SELECT count(*) FROM t")
        prepared.execute("BEGIN")
        prepared.execute("INSERT INTO t VALUES (1)")
        prepared.execute("PREPARE TRANSACTION 'it''s forgotten'")
        stack.callback(prepared.execute, "ROLLBACK PREPARED 'it''s forgotten'")
        stack.enter_context(at_work(busy, "SELECT pg_sleep(600)"))
        patient.execute("CALL burn(101000)")
        wanted = {
            "connections.idle-in-transaction",
            "connections.long-transaction",
            "connections.prepared-transaction",
        }
        found = await until(patient, lambda found: wanted <= {one.code for one in found})
        cures = {one.code: one.cure for one in found}
        assert cures["connections.prepared-transaction"] == "ROLLBACK PREPARED 'it''s forgotten';"
        assert "idle_in_transaction" in (cures["connections.idle-in-transaction"] or "")
        assert cures["connections.long-transaction"] == (
            f"SELECT pg_cancel_backend({busy.info.backend_pid});"
        )


async def test_connections_that_are_used_up(patient: Patient) -> None:
    assert not await patient.found("connections.near-limit")
    with ExitStack() as stack:
        for _ in range(17):
            stack.enter_context(patient.connect())
        (found,) = await patient.found("connections.near-limit")
    assert found.evidence["max_connections"] == 20
    assert found.evidence["idle"] == 17


async def test_a_connection_for_each_transaction(patient: Patient) -> None:
    for _ in range(210):
        with patient.connect() as db:
            db.execute("SELECT 1")
    patient.execute()
    assert await patient.found("connections.no-pool")


async def test_who_waits_behind_whom(patient: Patient) -> None:
    patient.execute("CREATE TABLE t (x int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    with ExitStack() as stack:
        holder, second, third = (stack.enter_context(patient.connect()) for _ in range(3))
        pids = [db.info.backend_pid for db in (holder, second, third)]
        holder.execute("SET application_name = 'forgetful'")
        holder.execute("BEGIN")
        holder.execute("UPDATE t SET x = 1")
        stack.callback(holder.execute, "ROLLBACK")
        stack.enter_context(at_work(second, "ALTER TABLE t ADD y int"))
        # In this order: whoever only reads waits for nobody until another wants the whole table.
        while (known := (await patient.evidence()).connections) is None or not known.waiters:
            pass
        stack.enter_context(at_work(third, "SELECT * FROM t"))
        found = await until(
            patient, lambda found: any("2 sessions" in phrase(one.summary) for one in found)
        )
        (waiting,) = [one for one in found if one.code == "locks.waiting"]
        known = (await patient.evidence()).connections
        assert known is not None
        queue = [(one.depth, one.session.pid, one.waiter and one.waiter.on) for one in tree(known)]
    assert queue == [(0, pids[0], None), (1, pids[1], "t"), (2, pids[2], "t")]
    assert "forgetful" in waiting.subject
    assert waiting.evidence["held_lock"] == "RowExclusiveLock"
    assert waiting.cure == f"SELECT pg_terminate_backend({pids[0]});"


async def test_deadlocks(patient: Patient) -> None:
    patient.execute("CREATE TABLE t (x int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    for _ in range(5):
        with patient.connect() as one, patient.connect() as other:
            for db, first in ((one, 1), (other, 2)):
                db.execute("SET deadlock_timeout = '10ms'")
                db.execute("BEGIN")
                db.execute("SELECT 1 FROM t WHERE x = %s FOR UPDATE", (first,))
            with at_work(one, "SELECT 1 FROM t WHERE x = 2 FOR UPDATE"):
                try:
                    other.execute("SELECT 1 FROM t WHERE x = 1 FOR UPDATE")
                except psycopg.errors.DeadlockDetected:
                    other.execute("ROLLBACK")
    patient.execute()
    (found,) = await patient.found("locks.deadlocks")
    assert found.cure == "ALTER SYSTEM SET log_lock_waits = on;"


async def test_slots_that_keep_the_log_and_then_lose_it(patient: Patient) -> None:
    switch = ["SELECT pg_switch_wal() FROM pg_logical_emit_message(false, '', 'x')"]
    patient.execute("SELECT pg_create_physical_replication_slot('gone', true)", *switch * 6)
    try:
        (found,) = await patient.found("replication.slot")
        assert found.cure == "SELECT pg_drop_replication_slot('gone');"
        (found,) = await until(
            patient, lambda found: any(one.code == "wal.archiver" for one in found)
        ) and await patient.found("wal.archiver")
        assert found.subject == "archive_command"
        patient.execute(
            "ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'",
            "SELECT pg_reload_conf()",
            *switch * 3,
            "CHECKPOINT",
        )
        assert await until(
            patient, lambda found: any(one.code == "replication.slot-lost" for one in found)
        )
    finally:
        patient.execute(
            "SELECT pg_drop_replication_slot('gone')",
            "ALTER SYSTEM RESET max_slot_wal_keep_size",
            "SELECT pg_reload_conf()",
        )


async def test_a_standby_that_stands_still(patient: Patient, sick_server: Cluster) -> None:
    program = sick_server.programs.directory / "pg_receivewal"
    if not program.exists():
        pytest.skip("these programs of PostgreSQL have no pg_receivewal")
    with following(patient, program) as process:
        for _ in range(_PATIENCE):
            known = (await patient.evidence()).replication
            if known is not None and [one.state for one in known.standbys] == ["streaming"]:
                break
        else:
            pytest.fail("pg_receivewal does not follow")
        assert not await patient.found("replication.lag")
        process.send_signal(signal.SIGSTOP)
        message = "SELECT pg_logical_emit_message(false, '', repeat('x', 16000000))"
        patient.execute(*[message] * 6)
        (found,) = await patient.found("replication.lag")
    assert found.subject == "follower"


@contextmanager
def following(patient: Patient, program: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One that fetches the log as a standby does, without a server of its own."""
    user = runner()
    url = patient.url
    with tempfile.TemporaryDirectory(prefix="keiko-perf-standby-") as folder:
        if user is not None:
            shutil.chown(folder, user)
        process = subprocess.Popen(
            [program, "-D", folder, "-h", str(url.host), "-p", str(url.port),
             "-U", str(url.username)],
            env={**os.environ, "PGPASSWORD": str(url.password), "PGAPPNAME": "follower"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait(20)
