"""Writes in one transaction, on a real PostgreSQL: all take effect, or none does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from keiko_perf.demo.cluster import Cluster
from keiko_perf.errors import UsageError
from keiko_perf.optimization import (
    AsyncPerformanceOptimizer,
    ItemsFailed,
    Operation,
    RolledBack,
)

pytestmark = pytest.mark.postgres


@pytest_asyncio.fixture
async def engine(postgres: Cluster) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(postgres.url)
    async with engine.begin() as db:
        await db.execute(text("DROP TABLE IF EXISTS in_one"))
        await db.execute(
            text("CREATE TABLE in_one (id int PRIMARY KEY, late int UNIQUE DEFERRABLE)")
        )
    yield engine
    async with engine.begin() as db:
        await db.execute(text("DROP TABLE in_one"))
    await engine.dispose()


def insert(number: int, late: int | None = None) -> Operation:
    async def run(db: Any) -> int:
        await db.execute(
            text("INSERT INTO in_one VALUES (:id, :late)"), {"id": number, "late": late}
        )
        return number

    return Operation(run, is_read=False, name=f"insert {number}")


async def kept(engine: AsyncEngine) -> list[int]:
    async with engine.connect() as db:
        return list(await db.scalars(text("SELECT id FROM in_one ORDER BY id")))


@pytest.mark.parametrize("what", ["engine", "sessionmaker", "session"])
async def test_all_take_effect(engine: AsyncEngine, what: str) -> None:
    optimizer = AsyncPerformanceOptimizer()
    session = AsyncSession(engine)
    where: Any = {"engine": engine, "sessionmaker": async_sessionmaker(engine), "session": session}
    async with session:
        done = await optimizer.optimize_database_operations(
            [insert(1), insert(2), insert(3)], writes_in=where[what]
        )
    assert done == [1, 2, 3]
    assert await kept(engine) == [1, 2, 3]
    assert optimizer.statistics().in_use == 0


async def test_one_failure_rolls_all_back_and_each_says_why(engine: AsyncEngine) -> None:
    async def count() -> int:
        return len(await kept(engine))

    done = await AsyncPerformanceOptimizer().optimize_database_operations(
        [insert(1), count, insert(2), insert(1), insert(4)],
        writes_in=engine,
        return_exceptions=True,
    )
    assert done[1] == 0, "reads run beside it, as ever"
    assert [type(one) for one in done] == [RolledBack, int, RolledBack, IntegrityError, RolledBack]
    assert "rolled back" in str(done[0])
    assert "was not run" in str(done[4])
    assert done[0].__cause__ is done[3]
    assert await kept(engine) == []
    with pytest.raises(ItemsFailed, match="2 of 2 items failed"):
        await AsyncPerformanceOptimizer().optimize_database_operations(
            [insert(1), insert(1)], writes_in=engine
        )


async def test_a_commit_that_fails_fails_all(engine: AsyncEngine) -> None:
    async def later(db: Any) -> None:
        await db.execute(text("SET CONSTRAINTS ALL DEFERRED"))

    done = await AsyncPerformanceOptimizer().optimize_database_operations(
        [Operation(later, is_read=False), insert(1, 7), insert(2, 7)],
        writes_in=engine,
        return_exceptions=True,
    )
    assert [type(one) for one in done] == [RolledBack] * 3
    assert isinstance(done[0].__cause__, IntegrityError)
    assert await kept(engine) == []


async def test_in_a_transaction_of_the_callers_it_is_a_savepoint(engine: AsyncEngine) -> None:
    optimizer = AsyncPerformanceOptimizer()
    async with AsyncSession(engine) as session, session.begin():
        await session.execute(text("INSERT INTO in_one VALUES (9)"))
        await optimizer.optimize_database_operations(
            [insert(1), insert(1)], writes_in=session, return_exceptions=True
        )
        await optimizer.optimize_database_operations([insert(2)], writes_in=session)
    assert await kept(engine) == [2, 9]


async def test_cancelled_in_the_middle_nothing_is_kept(engine: AsyncEngine) -> None:
    begun = asyncio.Event()

    async def hang(db: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(
        AsyncPerformanceOptimizer().optimize_database_operations(
            [insert(1), Operation(hang, is_read=False)], writes_in=engine
        )
    )
    await begun.wait()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert await kept(engine) == []


async def test_writes_that_have_a_session_of_their_own_to_write_with(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        done = await AsyncPerformanceOptimizer().optimize_database_operations(
            [
                {
                    "func": lambda: session.execute(text("INSERT INTO in_one VALUES (1)")),
                    "is_read": False,
                },
                {
                    "func": lambda: session.execute(text("INSERT INTO in_one VALUES (2)")),
                    "is_read": False,
                },
            ],
            writes_in=session,
        )
    assert len(done) == 2
    assert await kept(engine) == [1, 2]


async def test_who_could_not_be_in_the_transaction_does_not_run(engine: AsyncEngine) -> None:
    async def elsewhere(number: int) -> None:
        async with engine.begin() as db:
            await db.execute(text("INSERT INTO in_one VALUES (:id)"), {"id": number})

    reads: list[int] = []

    async def read() -> None:
        reads.append(1)

    for where in (engine, async_sessionmaker(engine)):
        for write in (lambda: elsewhere(1), lambda number=1: elsewhere(number)):
            with pytest.raises(UsageError, match="write 2 takes no connection or session"):
                await AsyncPerformanceOptimizer().optimize_database_operations(
                    [read, insert(2), Operation(write, is_read=False)], writes_in=where
                )
    assert (await kept(engine), reads) == ([], [])


async def test_what_a_loop_binds_by_a_default_is_left_to_it(engine: AsyncEngine) -> None:
    async def write(db: Any, number: int) -> Any:
        return await insert(number).run(db)

    async with AsyncSession(engine) as session:
        for writes, where in (
            ([lambda db, number=number: write(db, number) for number in (1, 2)], engine),
            ([lambda number=number: write(session, number) for number in (3, 4)], session),
        ):
            await AsyncPerformanceOptimizer().optimize_database_operations(
                [Operation(one, is_read=False) for one in writes], writes_in=where
            )
    assert await kept(engine) == [1, 2, 3, 4]


async def test_what_makes_no_sense_is_refused() -> None:
    optimizer = AsyncPerformanceOptimizer()
    with pytest.raises(UsageError, match="AsyncEngine, AsyncSession or async_sessionmaker"):
        await optimizer.optimize_database_operations([insert(1)], writes_in=object())  # type: ignore[arg-type] # that is the point
    with pytest.raises(UsageError, match="Leave out"):
        await optimizer.optimize_database_operations(
            [insert(1)],
            keep_order=True,
            writes_in=object(),  # type: ignore[arg-type] # as above
        )


class Written:
    """A connection in its transaction."""

    def __init__(self) -> None:
        self.words: list[str] = []

    async def execute(self, word: str) -> None:
        self.words.append(word)
        await asyncio.sleep(0)


class Ledger:
    """What a transaction begins in, and what became of each."""

    def __init__(self) -> None:
        self.open = 0
        self.committed: list[str] = []

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Written]:
        await asyncio.sleep(0)
        self.open += 1
        written = Written()
        try:
            yield written
            await asyncio.sleep(0)
            self.committed += written.words
        finally:
            self.open -= 1
            await asyncio.sleep(0)


async def test_cancelled_at_any_await_all_is_kept_or_nothing(
    cancel_everywhere: Callable[..., Awaitable[int]],
) -> None:
    ledger, optimizer = Ledger(), AsyncPerformanceOptimizer(max_concurrent=1)

    def write(word: str) -> Operation:
        return Operation(lambda db: db.execute(word), is_read=False)

    async def scenario() -> None:
        await optimizer.optimize_database_operations(
            [write("take"), write("give")], writes_in=ledger
        )

    def check() -> None:
        now = optimizer.statistics()
        assert (ledger.open, now.in_use, now.waiting) == (0, 0, 0)
        assert ledger.committed == ["take", "give"] * (len(ledger.committed) // 2)

    assert await cancel_everywhere(scenario, check) > 4
    check()
