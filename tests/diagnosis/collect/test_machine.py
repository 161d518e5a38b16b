"""The memory of the server's machine is known where that is this one, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import psutil
import pytest
from tests.conftest import Machine as Root

from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.collect import Topic, collect
from keiko_perf.diagnosis.collect.machine import machine, read_machine
from keiko_perf.diagnosis.evidence import Machine
from keiko_perf.diagnosis.postgres import Database

MEMORY = "MemTotal: 8388608 kB\nMemAvailable: 1048576 kB\n"


@pytest.fixture
async def database(postgres: Cluster) -> AsyncIterator[Database]:
    name = f"machine {uuid4().hex[:12]}"
    async with Database.connect(await postgres.create_database(name)) as database:
        yield database
    await postgres.drop_database(name)


@pytest.mark.postgres
async def test_a_server_of_this_machine_has_this_machines_memory(database: Database) -> None:
    evidence = await collect(database, [Topic.SERVER])
    assert evidence.gaps == ()
    assert evidence.machine is not None
    assert evidence.machine.memory_bytes == psutil.virtual_memory().total
    assert 0 < evidence.machine.available_bytes <= evidence.machine.memory_bytes


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("why", "title", "is_here"),
    [
        ("our own session", "postgres: {user} {database} 127.0.0.1(5000) SELECT", True),
        ("a process of another name has its number here", "nginx: worker", False),
        ("another server's, with another database", "postgres: {user} shop [local] idle", False),
        ("no process has its number here", None, False),
    ],
)
async def test_only_the_process_that_serves_us_proves_where_the_server_is(
    database: Database, machine_root: Root, why: str, title: str | None, is_here: bool
) -> None:
    row = await database.row("SELECT pg_backend_pid() AS pid")
    assert row is not None
    if title is not None:
        said = title.format(user=database.server.user, database=database.server.database)
        machine_root.write(f"proc/{row['pid']}/cmdline", said)
    found = await machine(database, machine_root.root)
    assert (found is not None) == is_here, why


@pytest.fixture
def machine_root(machine: Root) -> Root:
    machine.write("proc/meminfo", MEMORY)
    return machine


def test_what_was_moved_to_disk_is_what_is_not_free_of_it(machine_root: Root) -> None:
    assert read_machine(machine_root.root) == Machine(
        memory_bytes=8 * 1024**3, available_bytes=1024**3, swapped_bytes=0
    )
    machine_root.write("proc/meminfo", f"{MEMORY}SwapTotal: 2097152 kB\nSwapFree: 1048576 kB\n")
    read = read_machine(machine_root.root)
    assert read is not None
    assert read.swapped_bytes == 1024**3


@pytest.mark.parametrize("told", [None, "MemTotal: 8388608 kB\n", "what is this?"])
def test_a_system_that_does_not_tell_is_not_guessed_at(
    machine_root: Root, told: str | None
) -> None:
    file = machine_root.root / "proc/meminfo"
    file.unlink() if told is None else file.write_text(told)
    assert read_machine(machine_root.root) is None
