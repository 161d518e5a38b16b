from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4
from weakref import ref

import pytest
from sqlalchemy import Engine, Integer, String, create_engine, event, func, insert, select, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from keiko_perf.errors import UsageError
from keiko_perf.model import Kind
from keiko_perf.monitoring.pools.of_sqlalchemy import occupancy_of
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.statements import watch_engine


class Base(DeclarativeBase):
    pass


class Agent(Base):
    __tablename__ = "agents"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_engine(
        f"sqlite:///{tmp_path / 'x.db'}", pool_size=2, max_overflow=2, poolclass=QueuePool
    )
    Base.metadata.create_all(made)
    yield made
    made.dispose()


def statements(recorder: Recorder) -> dict[str, tuple[int, int]]:
    return {one.name: (one.count, one.errors) for one in recorder.peek().of(Kind.STATEMENT)}


def gauges(recorder: Recorder) -> dict[str, Any]:
    recorder.probe()
    return dict(recorder.peek().gauges)


def test_executions_are_counted_by_their_normalised_statement(
    engine: Engine, recorder: Recorder
) -> None:
    watch_engine(engine, recorder)
    with Session(engine) as session:
        session.add_all([Agent(name=f"agent {number}") for number in range(5)])
        session.commit()
        for number in range(3):
            session.scalars(select(Agent).where(Agent.name == f"agent {number}")).all()
        for ids in ([1], [1, 2], [1, 2, 3]):
            session.scalars(select(Agent.id).where(Agent.id.in_(ids))).all()
    counted = statements(recorder)
    select_agents = "SELECT agents.id, agents.name FROM agents WHERE agents.name = $1"
    assert counted[select_agents] == (3, 0)
    assert counted["SELECT agents.id FROM agents WHERE agents.id IN ($1 /*, ... */)"] == (3, 0)
    (inserted,) = (name for name in counted if name.startswith("INSERT"))
    assert inserted.startswith("INSERT INTO agents (name) VALUES ($1)")


def test_no_value_of_a_parameter_is_recorded(engine: Engine, recorder: Recorder) -> None:
    watch_engine(engine, recorder)
    with engine.connect() as connection:
        connection.execute(select(Agent).where(Agent.name == "hunter2"))
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT :secret FROM nowhere"), {"secret": "hunter2"})
    assert len(statements(recorder)) == 2
    assert "hunter2" not in repr(recorder.peek())


def test_a_statement_that_fails_is_a_failure_and_the_error_goes_on(
    engine: Engine, recorder: Recorder
) -> None:
    watch_engine(engine, recorder)
    with engine.connect() as connection, pytest.raises(OperationalError, match="no such table"):
        connection.execute(text("SELECT * FROM nowhere"))
    assert statements(recorder) == {"SELECT * FROM nowhere": (1, 1)}


def test_an_execution_takes_as_long_as_the_driver_took(engine: Engine) -> None:
    now_s = 0.0
    recorder = Recorder(clock=lambda: now_s)
    watch_engine(engine, recorder)

    def slow(seconds: float) -> float:
        nonlocal now_s
        now_s += seconds
        return seconds

    @event.listens_for(engine, "connect")
    def define(connection: Any, _record: object) -> None:
        connection.create_function("slow", 1, slow)

    engine.dispose()  # the connections from before know no such function
    with engine.connect() as connection:
        assert connection.execute(select(func.slow(2.5))).scalar() == 2.5
    (series,) = recorder.peek().of(Kind.STATEMENT)
    assert series.succeeded.max_s == 2.5


def test_many_rows_at_once_are_one_execution(engine: Engine, recorder: Recorder) -> None:
    watch_engine(engine, recorder)
    with engine.begin() as connection:
        connection.execute(insert(Agent), [{"name": f"agent {number}"} for number in range(100)])
    assert statements(recorder) == {"INSERT INTO agents (name) VALUES ($1)": (1, 0)}


def test_our_own_statements_are_not_the_services(engine: Engine, recorder: Recorder) -> None:
    watch_engine(engine, recorder)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1 /* keiko-perf */"))
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT nothing /* keiko-perf */"))
    assert statements(recorder) == {}


def test_savepoints_have_one_name(engine: Engine, recorder: Recorder) -> None:
    watch_engine(engine, recorder)
    with engine.begin() as connection:
        for _ in range(3):
            with connection.begin_nested():
                connection.execute(text("SELECT 1"))
    assert statements(recorder) == {
        "SAVEPOINT sa_savepoint": (3, 0),
        "SELECT 1": (3, 0),
        "RELEASE SAVEPOINT sa_savepoint": (3, 0),
    }


def test_to_watch_an_engine_twice_is_no_mistake(engine: Engine, recorder: Recorder) -> None:
    other = Recorder()
    watch_engine(engine, recorder)
    watch_engine(engine, recorder)
    watch_engine(engine, other)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    for each in (recorder, other):
        assert statements(each) == {"SELECT 1": (1, 0)}
        assert each.peek().whole(Kind.POOL).count == 1
        assert each.peek().whole(Kind.HOLD).count == 1


def test_an_engine_is_watched_without_listeners_of_which_each_statement_would_pay(
    engine: Engine, recorder: Recorder
) -> None:
    watch_engine(engine, recorder)
    engine.dispose()
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert statements(recorder)["SELECT 1"] == (1, 0)
    assert not engine._has_events  # nothing public tells


def test_what_is_no_engine_is_refused(recorder: Recorder) -> None:
    with pytest.raises(UsageError, match="on a str") as refused:
        watch_engine("postgresql://db", recorder)  # type: ignore[arg-type]  # as a beginner would
    assert "create_engine" in refused.value.cure


def test_the_pool_is_sampled_while_it_is_in_use(engine: Engine, recorder: Recorder) -> None:
    watch_engine(engine, recorder)
    recorder.probe()
    with engine.connect(), engine.connect(), engine.connect():
        recorder.probe()
    recorder.probe()
    ratio = recorder.peek().gauges["pool_ratio"]
    assert (ratio.samples, ratio.mean, ratio.peak) == (3, 0.25, 0.75)
    assert recorder.peek().whole(Kind.HOLD).count == 3


def test_a_connection_that_was_not_got_is_a_failed_wait(tmp_path: Path) -> None:
    engine = create_engine(
        f"sqlite:///{tmp_path / 'x.db'}", pool_size=1, max_overflow=0, pool_timeout=0.01
    )
    recorder = Recorder()
    watch_engine(engine, recorder)
    with engine.connect():
        with pytest.raises(PoolTimeout):
            engine.connect()
        assert gauges(recorder)["pool_ratio"].mean == 1.0
    waits = recorder.peek().whole(Kind.POOL)
    assert (waits.succeeded.count, waits.failed.count) == (1, 1)
    assert waits.failed.max_s is not None
    assert waits.failed.max_s >= 0.01
    engine.dispose()


def test_a_pool_that_was_disposed_of_is_followed_by_its_successor(
    engine: Engine, recorder: Recorder
) -> None:
    watch_engine(engine, recorder)
    for _ in range(3):
        engine.dispose()
        with engine.connect():
            assert gauges(recorder)["pool_ratio"].peak == 0.25
    assert recorder.peek().whole(Kind.POOL).count == 3


def test_an_engine_with_options_shares_the_pool_and_the_statements(
    engine: Engine, recorder: Recorder
) -> None:
    watch_engine(engine, recorder)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("SELECT 1"))
    assert statements(recorder) == {"SELECT 1": (1, 0)}
    assert recorder.peek().whole(Kind.POOL).count == 1


@pytest.mark.parametrize("poolclass", [NullPool, StaticPool])
def test_a_pool_without_a_bound_has_no_ratio(poolclass: Any, recorder: Recorder) -> None:
    engine = create_engine("sqlite://", poolclass=poolclass)
    watch_engine(engine, recorder)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        assert "pool_ratio" not in gauges(recorder)
    assert recorder.peek().whole(Kind.POOL).count == 1
    engine.dispose()


@pytest.mark.parametrize("bounds", [{"max_overflow": -1}, {"pool_size": 0}])
def test_neither_has_one_that_may_grow_for_ever(tmp_path: Path, bounds: dict[str, int]) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'x.db'}", poolclass=QueuePool, **bounds)
    assert occupancy_of(engine.pool).ratio is None
    engine.dispose()


def test_an_engine_that_is_gone_is_not_kept_and_has_no_ratio(recorder: Recorder) -> None:
    engine: Engine | None = create_engine("sqlite://", poolclass=QueuePool)
    assert engine is not None
    watch_engine(engine, recorder)
    assert gauges(recorder)["pool_ratio"].samples == 1
    recorder.snapshot()
    gone = ref(engine)
    engine.dispose()
    del engine
    gc.collect()
    assert gone() is None
    assert gauges(recorder) == {}


# PostgreSQL


@pytest.fixture
async def database(postgres: Any) -> AsyncIterator[AsyncEngine]:
    url = await postgres.create_database(f"statements_{uuid4().hex[:12]}")
    engine = create_async_engine(url, pool_size=2, max_overflow=0, pool_timeout=5)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield engine
    await engine.dispose()


@pytest.mark.postgres
async def test_on_postgresql_the_names_are_statements_that_it_prepares(
    database: AsyncEngine, recorder: Recorder
) -> None:
    watch_engine(database, recorder)
    async with AsyncSession(database) as session:
        session.add_all([Agent(name=f"100 % {number}") for number in range(20)])
        await session.commit()
        await session.scalars(select(Agent).where(Agent.name.like("100 %"), Agent.id.in_([1, 2])))
        await session.scalars(select(Agent).where(Agent.id % 2 == 1).limit(3))
        await session.execute(text("SELECT '%', 5 % 2, '{}'::jsonb ? 'key'"))
    counted = statements(recorder)
    names = [name for name in counted if "pg_catalog" not in name]
    assert len(names) == 4
    async with database.connect() as connection:
        for number, name in enumerate(names):
            await connection.exec_driver_sql(f"PREPARE p{number} AS {name}".replace("%", "%%"))
    assert all(errors == 0 for _, errors in counted.values())


@pytest.mark.postgres
async def test_on_postgresql_failures_are_failures(
    database: AsyncEngine, recorder: Recorder
) -> None:
    watch_engine(database, recorder)
    async with database.connect() as connection:
        with pytest.raises(DBAPIError, match="division by zero"):
            await connection.execute(text("SELECT 1 / 0"))
    assert statements(recorder)["SELECT 1 / 0"] == (1, 1)


@pytest.mark.postgres
async def test_a_statement_takes_as_long_as_postgresql_takes(
    database: AsyncEngine, recorder: Recorder
) -> None:
    watch_engine(database, recorder)
    async with database.connect() as connection:
        await connection.execute(text("SELECT pg_sleep(0.05)"))
    series = recorder.peek().find(Kind.STATEMENT, "SELECT pg_sleep(0.05)")
    assert series is not None
    assert series.succeeded.min_s is not None
    assert series.succeeded.min_s >= 0.05


@pytest.mark.postgres
async def test_who_queues_for_a_connection_is_seen_waiting(
    database: AsyncEngine, recorder: Recorder
) -> None:
    watch_engine(database, recorder)

    async def use() -> None:
        async with database.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(0.05)"))

    await asyncio.gather(*(use() for _ in range(4)))
    waits = recorder.peek().whole(Kind.POOL).succeeded
    assert waits.count == 4
    assert waits.max_s is not None
    assert waits.max_s >= 0.05  # two connections for four: two had to wait for a whole turn
    held_s = recorder.peek().whole(Kind.HOLD).succeeded.max_s
    assert held_s is not None
    assert held_s >= 0.05


@pytest.mark.postgres
async def test_a_statement_that_is_cancelled_leaves_the_next_one_alone(
    database: AsyncEngine, recorder: Recorder
) -> None:
    watch_engine(database, recorder)

    async def use(seconds: float) -> None:
        async with database.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(:s)"), {"s": seconds})

    under_way = asyncio.Event()
    event.listen(database.sync_engine, "before_cursor_execute", lambda *_: under_way.set())
    task = asyncio.create_task(use(30))
    await under_way.wait()
    await asyncio.sleep(0.05)  # PostgreSQL's time, not ours
    task.cancel()
    await asyncio.wait([task])
    await use(0.0)
    series = recorder.peek().find(Kind.STATEMENT, "SELECT pg_sleep($1)")
    assert series is not None
    assert series.succeeded.count == 1
    assert series.succeeded.max_s is not None
    assert series.succeeded.max_s < 5


def test_sqlalchemys_errors_are_not_lost_with_a_strange_statement(
    engine: Engine, recorder: Recorder
) -> None:
    watch_engine(engine, recorder)
    with engine.connect() as connection, pytest.raises(SQLAlchemyError):
        connection.exec_driver_sql("SELECT '\x00 /* %(")
    assert recorder.peek().whole(Kind.STATEMENT).errors == 1
