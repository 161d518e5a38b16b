"""What is wrong with statements, found on a real server by what it recorded."""

from __future__ import annotations

import pytest
from tests.diagnosis.rules.conftest import Patient

pytestmark = pytest.mark.postgres

TASKS = (
    "CREATE TABLE tasks (id int PRIMARY KEY, agent int, note text)",
    "INSERT INTO tasks SELECT i, i % 20, repeat('n', 40) FROM generate_series(1, 60000) i",
    "VACUUM ANALYZE tasks",
)


async def test_temporary_files_and_the_memory_that_would_spare_them(patient: Patient) -> None:
    patient.execute(*TASKS)
    patient.forget()
    patient.execute(
        *["SELECT max(n) FROM (SELECT id || repeat(note, 20) AS n FROM tasks"
          " ORDER BY 1 OFFSET 3) sorted"] * 6,
    )  # fmt: skip
    (found,) = await patient.found("statements.temp-files")
    assert found.cure is not None
    assert found.cure.startswith("SET LOCAL work_mem = '")
    assert await patient.found("settings.work-mem")


async def test_blocks_that_are_fetched_again_and_again(patient: Patient) -> None:
    patient.execute(*TASKS, "INSERT INTO tasks SELECT i + 60000, i, repeat('n', 300)"
                    " FROM generate_series(1, 40000) i", "VACUUM ANALYZE tasks")  # fmt: skip
    patient.forget()
    patient.execute(*["SELECT count(note) FROM tasks"] * 50)
    assert await patient.found("statements.cache-misses")
    assert await patient.found("settings.shared-buffers")


async def test_what_is_planned_longer_than_it_is_executed(patient: Patient) -> None:
    names = [f"t{i}" for i in range(8)]
    patient.execute(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in names))
    patient.forget()
    joined = " ".join(f"JOIN {name} USING (id)" for name in names[1:])
    patient.execute(*[f"SELECT count(*) FROM t0 {joined}"] * 10)
    (found,) = await patient.found("statements.planning")
    assert "JOIN t7" in found.subject


async def test_what_is_compiled_for_a_few_rows(patient: Patient) -> None:
    with patient.connect() as db:
        (available,) = db.execute("SELECT pg_jit_available()").fetchone() or (False,)
    patient.execute(
        "SET jit = on",
        "SET jit_above_cost = 0",
        "SET jit_optimize_above_cost = 0",
        *["SELECT sum(i * 2 + 1) FROM generate_series(1, 100) AS i WHERE i % 3 <> 1"] * 6,
    )
    assert bool(await patient.found("statements.jit")) is available


async def test_what_is_mostly_fast_and_at_times_very_slow(patient: Patient) -> None:
    patient.execute(*["SELECT pg_sleep(0.0)"] * 120, "SELECT pg_sleep(0.6)", "SELECT pg_sleep(0.6)")
    (found,) = await patient.found("statements.unsteady")
    assert found.subject == "SELECT pg_sleep($1)"


async def test_what_is_asked_so_often_that_it_takes_most_of_the_time(patient: Patient) -> None:
    patient.forget()
    patient.execute(*["SELECT count(*) FROM generate_series(1, 8000)"] * 1000)
    assert await patient.found("statements.frequent")


async def test_a_long_log_and_the_checkpoints_that_it_asks_for(patient: Patient) -> None:
    patient.execute("CREATE TABLE long (x text)", "ALTER TABLE long ALTER x SET STORAGE EXTERNAL")
    patient.forget()
    patient.execute(
        *["INSERT INTO long SELECT repeat(md5(random()::text), 250)"
          " FROM generate_series(1, 4000)"] * 6,
    )  # fmt: skip
    (found,) = await patient.found("statements.wal")
    assert "INSERT INTO long" in found.subject
    (found,) = await patient.found("checkpoints.requested")
    assert found.cure is not None
    assert found.cure.startswith("ALTER SYSTEM SET max_wal_size = '")


async def test_statements_that_are_forgotten_for_want_of_room(patient: Patient) -> None:
    patient.forget()
    patient.execute(*(f"SET application_name = 'n{number}'" for number in range(1800)))
    assert await patient.found("statements.evicted")


async def test_how_a_service_asks(patient: Patient) -> None:
    patient.execute(
        *TASKS,
        "CREATE TABLE docs (id int PRIMARY KEY, body text)",
        "ALTER TABLE docs ALTER body SET STORAGE EXTERNAL",
        "INSERT INTO docs SELECT i, repeat('long', 1000) FROM generate_series(1, 3000) i",
        "VACUUM ANALYZE docs",
    )
    patient.forget()
    values = ", ".join(str(value) for value in range(600))
    patient.execute(
        *["SELECT * FROM docs WHERE id < 2000"] * 15,
        *["SELECT id FROM tasks ORDER BY id LIMIT 20 OFFSET 59000"] * 20,
        *[f"SELECT count(*) AS some FROM tasks WHERE agent IN ({values})"] * 40,
        *["SELECT count(*) FROM tasks WHERE md5(note) <> 'x'", "SELECT id FROM tasks LIMIT 20"]
        * 25,
    )
    codes = await patient.codes()
    assert {
        "patterns.select-star",
        "patterns.deep-offset",
        "patterns.long-list",
        "patterns.count-per-page",
    } <= codes
    assert "patterns.n-plus-one" not in codes


async def test_a_statement_for_each_row_of_another(patient: Patient) -> None:
    patient.execute(*TASKS)
    patient.forget()
    with patient.connect() as db:
        for _ in range(60):
            agents = db.execute("SELECT id FROM tasks WHERE id <= 20 ORDER BY id").fetchall()
            for (agent,) in agents:
                db.execute("SELECT note FROM tasks WHERE id = %s", (agent,))
        db.execute("SELECT pg_stat_force_next_flush()")
    (found,) = await patient.found("patterns.n-plus-one")
    assert found.subject == "SELECT note FROM tasks WHERE id = $1"


async def test_columns_that_depend_on_each_other(patient: Patient) -> None:
    patient.execute(
        "CREATE TABLE places (id int PRIMARY KEY, city int, zip int, note text)",
        "INSERT INTO places SELECT i, i % 20, i % 20, 'n' FROM generate_series(1, 60000) i",
        "ANALYZE places",
    )
    patient.forget()
    ask = [f"SELECT note FROM places WHERE city = {i} AND zip = {i}" for i in range(20)]
    patient.execute(*ask)
    (found,) = await patient.found("statistics.correlated-columns")
    assert found.subject == "places (city, zip)"
    assert found.cure is not None
    patient.execute(*found.cure.split(";")[:-1])
    patient.execute(*ask)
    assert not await patient.found("statistics.correlated-columns")


async def test_tables_are_scanned_where_random_reads_are_cheap(patient: Patient) -> None:
    patient.execute(
        *TASKS,
        "INSERT INTO tasks SELECT i + 60000, i, repeat('n', 300) FROM generate_series(1, 40000) i",
        "VACUUM ANALYZE tasks",
        "CREATE FUNCTION look_up(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN"
        " FOR i IN 1..n LOOP PERFORM note FROM tasks WHERE id = 60000 + (i * 7919) % 40000;"
        " END LOOP; END $$",
    )
    patient.forget()
    patient.execute(
        "SET track_io_timing = on",
        "SELECT look_up(12000)",
        *["SELECT max(note) FROM tasks WHERE agent = 3"] * 10,
    )
    (found,) = await patient.found("settings.random-page-cost")
    assert found.cure == "ALTER SYSTEM SET random_page_cost = 1.1;"
