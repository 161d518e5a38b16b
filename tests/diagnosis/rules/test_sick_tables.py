"""What is wrong with tables, indexes and keys, found in a real catalog."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import make_url
from tests.diagnosis.rules.conftest import Patient

from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.collect import collect
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.rules import judge
from keiko_perf.render import phrase

pytestmark = pytest.mark.postgres

BURN = """
CREATE PROCEDURE burn(n int) LANGUAGE plpgsql AS $$ BEGIN
    FOR i IN 1..n LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP;
END $$
"""


async def test_air_dead_rows_and_updates_that_all_write_the_indexes(patient: Patient) -> None:
    patient.execute(
        "CREATE TABLE airy (id int, x text, filler text)",
        "INSERT INTO airy SELECT i, md5(i::text), repeat('n', 40)"
        " FROM generate_series(1, 340000) i",
        "CREATE INDEX airy_x ON airy (x)",
        "DELETE FROM airy WHERE id % 10 <> 0",
        "VACUUM ANALYZE airy",
        "CREATE TABLE cold (id int PRIMARY KEY, x text)",
        "INSERT INTO cold SELECT i, repeat('n', 60) FROM generate_series(1, 110000) i",
        "ANALYZE cold",
        "UPDATE cold SET x = repeat('m', 60)",
        "UPDATE airy SET x = x WHERE id = 10",
    )
    judged = await patient.judged()
    found = {(one.code, one.subject): one for one in judged.findings}
    assert {
        ("tables.bloated", "airy"),
        ("tables.no-primary-key", "airy"),
        ("indexes.bloated", "airy_x"),
        ("tables.cold-updates", "cold"),
        ("tables.dead-tuples", "cold"),
        ("tables.stale-statistics", "cold"),
        ("settings.autovacuum", "autovacuum"),
    } <= found.keys()
    cure = found["indexes.bloated", "airy_x"].cure
    assert cure == "REINDEX INDEX CONCURRENTLY airy_x;"
    patient.execute(cure, "VACUUM FULL airy", "ANALYZE airy")
    assert not {"tables.bloated", "indexes.bloated"} & await patient.codes()


async def test_what_the_role_may_not_read_is_a_gap_with_the_grant(patient: Patient) -> None:
    role = f"watcher_{uuid4().hex[:8]}"
    patient.execute(
        "CREATE TABLE large (id serial, filler text)",
        "INSERT INTO large (filler) SELECT repeat('n', 400) FROM generate_series(1, 25000)",
        "VACUUM ANALYZE large",
        f"CREATE ROLE {role} LOGIN PASSWORD 'w' IN ROLE pg_monitor",
    )
    watcher = patient.url.set(username=role, password="w")
    try:
        async with Database.connect(watcher) as database:
            evidence = await collect(database)
        gaps = {phrase(one.subject): phrase(one.remedy) for one in judge(evidence).gaps}
        assert set(gaps) == {"how much of 1 large tables is air", "how far 1 sequences are"}
        assert set(gaps.values()) == {f"As a superuser: GRANT pg_read_all_data TO {role}"}
        # All else is seen: sessions, statements, settings, replication.
        assert evidence.statements
        assert evidence.connections is not None
        assert evidence.replication is not None
        assert evidence.settings.by_name
        patient.execute(f"GRANT pg_read_all_data TO {role}")
        async with Database.connect(watcher) as database:
            assert judge(await collect(database)).gaps == ()
    finally:
        patient.execute(f"DROP ROLE {role}")


async def test_indexes_that_lead_to_half_the_table_or_are_superfluous(patient: Patient) -> None:
    patient.execute(
        "CREATE TABLE tasks (id int PRIMARY KEY, is_done boolean, a int, b int)",
        "INSERT INTO tasks SELECT i, i % 2 = 0, i, i FROM generate_series(1, 200000) i",
        "CREATE INDEX done ON tasks (is_done)",
        "CREATE INDEX narrow ON tasks (a)",
        "CREATE INDEX wide ON tasks (a, b)",
        "VACUUM ANALYZE tasks",
        "SET enable_seqscan = off",
        "SET enable_bitmapscan = off",
        *["SELECT count(*) FROM tasks WHERE is_done"] * 20,
    )
    found = {(one.code, one.subject) for one in (await patient.judged()).findings}
    assert ("indexes.few-values", "done") in found
    assert ("indexes.redundant", "narrow") in found
    assert not [one for one in found if one[1] == "wide"]


async def test_an_index_that_nothing_used_yet_is_a_gap(patient: Patient) -> None:
    patient.execute(
        "CREATE TABLE tasks (id int PRIMARY KEY, a int)",
        "INSERT INTO tasks SELECT i, i FROM generate_series(1, 100000) i",
        "CREATE INDEX unneeded ON tasks (a)",
        "VACUUM ANALYZE tasks",
        BURN,
        "CALL burn(1100)",
        *["SELECT a FROM tasks WHERE id = 7"] * 1100,
    )
    judged = judge(await patient.evidence())
    assert "indexes.unused" not in {one.code for one in judged.findings}
    (gap,) = judged.gaps
    assert "counted only since" in phrase(gap.reason)


async def test_an_index_that_nothing_used_for_a_month(patient: Patient) -> None:
    patient.execute(
        "CREATE TABLE tasks (id int PRIMARY KEY, mail text, agent int, note text)",
        "INSERT INTO tasks SELECT i, 'm' || i, i % 900, repeat('x', 40)"
        " FROM generate_series(1, 40000) i",
        "CREATE INDEX tasks_note ON tasks (note, id)",
        "CREATE INDEX tasks_agent ON tasks (agent, id)",
        "CREATE UNIQUE INDEX tasks_mail ON tasks (mail)",
        "CREATE INDEX tasks_small ON tasks (id) WHERE id < 9",
        "VACUUM ANALYZE tasks",
        BURN,
        "CALL burn(1100)",
        *["SELECT note FROM tasks WHERE agent = 7"] * 1100,
        "CREATE INDEX tasks_young ON tasks (note, agent)",
    )
    evidence = await patient.evidence()
    # A month cannot be waited for: the counters are real, only their beginning is moved.
    then = replace(evidence, since_at=evidence.read_at - timedelta(days=30))
    (found,) = [one for one in judge(then).findings if one.code == "indexes.unused"]
    # Not told: one that is used, that forbids something, that is small, that is a moment old.
    assert found.subject == "tasks_note"
    assert found.cure == "DROP INDEX CONCURRENTLY tasks_note;"
    assert found.evidence["size_bytes"] > 1024**2
    unknown = judge(replace(evidence, since_at=None))
    assert "indexes.unused" not in {one.code for one in unknown.findings}
    assert any("since when that is counted is not known" in phrase(g.reason) for g in unknown.gaps)


async def test_foreign_keys_that_deletes_search_in_vain(patient: Patient) -> None:
    patient.execute(
        "CREATE TABLE agents (id int PRIMARY KEY)",
        "CREATE TABLE tasks (id int PRIMARY KEY, agent int REFERENCES agents, lead int REFERENCES"
        " agents, owner int REFERENCES agents)",
        "CREATE TABLE parted (id int, agent int REFERENCES agents) PARTITION BY RANGE (id)",
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (20000)",
        "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (20000) TO (50000)",
        "INSERT INTO agents SELECT generate_series(1, 100)",
        "INSERT INTO tasks SELECT i, 7, 7, 7 FROM generate_series(1, 20000) i",
        "INSERT INTO parted SELECT i, 7 FROM generate_series(1, 40000) i",
        "CREATE INDEX ON tasks (owner, id)",
        "CREATE INDEX ON tasks (lead) WHERE lead IS NOT NULL",
        "VACUUM ANALYZE",
        "DELETE FROM agents WHERE id > 80",
    )
    found = {one.subject: one.cure for one in await patient.found("indexes.foreign-key")}
    assert found == {
        "tasks (agent)": "CREATE INDEX CONCURRENTLY ON tasks (agent);",
        "parted (agent)": "CREATE INDEX ON parted (agent);",
    }


async def test_numbers_that_run_out(patient: Patient) -> None:
    patient.execute(
        'CREATE TABLE "Odd Name" (id serial PRIMARY KEY, small int)',
        "CREATE TABLE large (id bigserial PRIMARY KEY)",
        "CREATE SEQUENCE alone AS smallint",
        "CREATE SEQUENCE round AS smallint CYCLE",
        "CREATE SEQUENCE wide",
        'ALTER SEQUENCE wide OWNED BY "Odd Name".small',
        "SELECT setval('\"Odd Name_id_seq\"', 2100000000)",
        "SELECT setval('large_id_seq', 2100000000)",
        "SELECT setval('alone', 30000), setval('round', 30000), setval('wide', 2000000000)",
        "CREATE TABLE identified (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY)",
        "SELECT setval('identified_id_seq', 2100000000)",
        "CREATE SEQUENCE lent",
        "CREATE TABLE borrowing (id int PRIMARY KEY DEFAULT nextval('lent'))",
        "SELECT setval('lent', 2100000000)",
    )
    found = {one.subject: one.cure for one in await patient.found("sequences.near-end")}
    assert found == {
        "Odd Name_id_seq": 'ALTER TABLE "Odd Name" ALTER COLUMN id TYPE bigint;'
        ' ALTER SEQUENCE "Odd Name_id_seq" AS bigint MAXVALUE 9223372036854775807;',
        "wide": 'ALTER TABLE "Odd Name" ALTER COLUMN small TYPE bigint;',
        "alone": "ALTER SEQUENCE alone AS bigint MAXVALUE 9223372036854775807;",
        "identified_id_seq": "ALTER TABLE identified ALTER COLUMN id TYPE bigint;",
        "lent": "ALTER TABLE borrowing ALTER COLUMN id TYPE bigint;",
    }
    patient.execute(*(one or "" for one in found.values()))
    assert not await patient.found("sequences.near-end")


async def test_keys_that_no_sequence_numbers_run_out_too(patient: Patient) -> None:
    patient.execute(
        "CREATE TABLE given (id int PRIMARY KEY)",
        "INSERT INTO given SELECT 2100000000 + i FROM generate_series(1, 1200) i",
        "CREATE TABLE wide (id bigint PRIMARY KEY)",
        "INSERT INTO wide SELECT 2140000000 + i FROM generate_series(1, 1200) i",
        "CREATE TABLE lines (wide int REFERENCES wide)",
        "INSERT INTO lines SELECT id FROM wide",
        "CREATE TABLE hashed (hash int PRIMARY KEY)",
        "INSERT INTO hashed"
        " SELECT i * 6700417::bigint % 2147483647 FROM generate_series(1, 1500) i",
        "ANALYZE",
    )
    found = {one.subject: one.cure for one in await patient.found("sequences.key-near-end")}
    assert found == {
        "given (id)": "ALTER TABLE given ALTER COLUMN id TYPE bigint;",
        "lines (wide)": "ALTER TABLE lines ALTER COLUMN wide TYPE bigint;",
    }
    patient.execute(*(one or "" for one in found.values()), "ANALYZE")
    assert not await patient.found("sequences.key-near-end")


async def test_an_order_of_texts_that_the_system_has_changed(patient: Patient) -> None:
    name = patient.url.database
    patient.execute(
        "CREATE COLLATION ours (provider = icu, locale = 'de-DE')",
        "CREATE COLLATION unused (provider = icu, locale = 'fr-FR')",
        "CREATE TABLE t (a text COLLATE ours PRIMARY KEY, b text UNIQUE)",
        "UPDATE pg_collation SET collversion = '1' WHERE collname IN ('ours', 'unused')",
        f"UPDATE pg_database SET datcollversion = '1' WHERE datname = '{name}'",
    )
    found = {one.subject: one for one in await patient.found("server.collation-changed")}
    with patient.connect() as db:
        has_one = db.execute(
            "SELECT pg_database_collation_actual_version(oid) IS NOT NULL"
            " FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert found.keys() == ({"ours", name} if has_one == (True,) else {"ours"})
    for one in found.values():
        patient.execute(*(part.strip() for part in (one.cure or "").split(";") if part.strip()))
    assert not await patient.found("server.collation-changed")


async def test_rows_and_shared_locks_that_nobody_can_freeze(
    patient: Patient, sick_server: Cluster
) -> None:
    other = Patient(make_url(await sick_server.create_database(f"busy_{uuid4().hex[:8]}")))
    patient.execute(
        "CREATE TABLE old (id int PRIMARY KEY, x int)"
        " WITH (autovacuum_multixact_freeze_max_age = 10000)",
        "INSERT INTO old SELECT i, 0 FROM generate_series(1, 15500) i",
        "DO $$ BEGIN FOR i IN 1..15500 LOOP PERFORM 1 FROM old WHERE id = i FOR KEY SHARE;"
        " BEGIN UPDATE old SET x = 1 WHERE id = i; EXCEPTION WHEN division_by_zero THEN END;"
        " END LOOP; END $$",
    )
    name = other.url.database
    try:
        # The lock keeps even the autovacuum away that comes to save the server.
        with patient.connect() as holder, holder.transaction():
            holder.execute("LOCK TABLE old IN SHARE UPDATE EXCLUSIVE MODE")
            holder.execute("SELECT pg_current_xact_id()")
            other.execute(
                BURN,
                f"ALTER DATABASE {name} SET log_statement = 'all'",
                f"ALTER DATABASE {name} SET enable_hashjoin = off",
                f"ALTER DATABASE {name} SET effective_cache_size = '1MB'",
                "CREATE TABLE here AS SELECT i FROM generate_series(1, 60000) i",
                "VACUUM (FREEZE, ANALYZE) here",
                "CALL burn(150500)",
                "VACUUM (FREEZE) here",
            )
            found = {(one.code, one.subject) for one in (await patient.judged()).findings}
            assert {("tables.wraparound", "old"), ("tables.multixacts", "old")} <= found
            found = {(one.code, one.subject) for one in (await other.judged()).findings}
            assert ("server.wraparound", patient.url.database) in found
            # What is set for the database holds for all that connect to it.
            assert {
                ("settings.logging", "log_statement"),
                ("settings.planner-switch", "enable_hashjoin"),
                ("settings.effective-cache-size", "effective_cache_size"),
            } <= found
    finally:
        assert name is not None
        await sick_server.drop_database(name)


async def test_extensions_that_stayed_behind_an_upgrade(patient: Patient) -> None:
    patient.execute(
        "DROP EXTENSION pg_stat_statements",
        "CREATE EXTENSION pg_stat_statements VERSION '1.9'",
    )
    (found,) = await patient.found("extensions.outdated")
    assert found.cure == "ALTER EXTENSION pg_stat_statements UPDATE;"
    patient.execute(found.cure)
    assert not await patient.found("extensions.outdated")
