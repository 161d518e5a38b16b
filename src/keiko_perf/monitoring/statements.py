"""
Statements: what a SQLAlchemy engine executes, and how long it waits for connections.

Each execution goes into a series that is named by its normalised text (`sql_text`); its time is
that of the driver's call, without the fetching of further rows. The parameters are not looked at.
What a connection costs to get, waiting for the pool and opening included, goes into Kind.POOL;
how much of the pool is in use and how long connections are held are gauges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakKeyDictionary, WeakSet, ref

from keiko_perf.errors import MissingExtra, UsageError
from keiko_perf.model import OTHER, Kind
from keiko_perf.monitoring.attribution import Part, current
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.sql_text import Names

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, ExceptionContext, Pool
    from sqlalchemy.ext.asyncio import AsyncEngine

POOL_RATIO = "pool_ratio"
POOL_HOLD_S = "pool_hold_s"

_SQL, _POOL = Part.SQL, Part.POOL  # looked up once
_watched: WeakKeyDictionary[Any, WeakSet[Recorder]] = WeakKeyDictionary()


def watch_engine(engine: Engine | AsyncEngine, recorder: Recorder) -> None:
    """
    Record what *engine* executes and waits for. To watch it twice is no mistake.

    Raises:
        UsageError: it is no SQLAlchemy engine.
        MissingExtra: SQLAlchemy is not installed.
    """
    try:
        from sqlalchemy import Engine as SyncEngine
    except ImportError as error:
        raise MissingExtra("sqlalchemy", extra="postgres", purpose="watching an engine") from error
    sync_engine = getattr(engine, "sync_engine", engine)
    if not isinstance(sync_engine, SyncEngine):
        raise UsageError(
            f"statements cannot be watched on a {type(engine).__name__}",
            cure="Give what create_engine or create_async_engine returned",
        )
    recorders = _watched.setdefault(sync_engine, WeakSet())
    if recorder not in recorders:
        recorders.add(recorder)
        _watch_statements(sync_engine, recorder)
        _watch_pool(sync_engine, recorder)


def _watch_statements(engine: Engine, recorder: Recorder) -> None:
    from sqlalchemy import event

    names = Names(engine.dialect.paramstyle)
    clock = recorder.clock
    # One execution at a time uses a context, and an engine may be watched by several recorders.
    started = f"_keiko_perf_started_{id(recorder)}_s"

    def before(
        _connection: Connection,
        _cursor: object,
        _statement: str,
        _parameters: object,
        context: Any,
        _executemany: bool,
    ) -> None:
        if context is None:
            return
        account = current.get()
        if account is not None and account.owner is recorder:
            account.open(_SQL)
        setattr(context, started, clock())

    def after(
        _connection: Connection,
        _cursor: object,
        statement: str,
        _parameters: object,
        context: Any,
        _executemany: bool,
    ) -> None:
        finish(context, statement, failed=False)

    def failed(error: ExceptionContext) -> None:
        # A failure to fetch or to commit comes here too: then the execution was recorded already.
        if error.statement is not None:
            finish(error.execution_context, error.statement, failed=True)

    def finish(context: Any, statement: str, *, failed: bool) -> None:
        started_s = None if context is None else context.__dict__.pop(started, None)
        if started_s is None:
            return
        duration_s = clock() - started_s
        account = current.get()
        if account is not None and account.owner is recorder:
            account.shut(_SQL)
        name = names.of(statement, other=OTHER)
        if name is not None:
            recorder.record(Kind.STATEMENT, name, duration_s, failed=failed)

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", failed)


def _watch_pool(engine: Engine, recorder: Recorder) -> None:
    from sqlalchemy import event

    clock = recorder.clock
    out_since = f"keiko_perf_out_since_{id(recorder)}_s"
    name = engine.url.database or engine.dialect.name

    def checked_out(_dbapi: object, entry: Any, _proxy: object) -> None:
        entry.info[out_since] = clock()

    def checked_in(_dbapi: object, entry: Any) -> None:
        since_s = entry.info.pop(out_since, None)
        if since_s is not None:
            recorder.gauge(POOL_HOLD_S, clock() - since_s)

    def disposed(engine: Engine) -> None:
        _time_connects(engine.pool, recorder, name)  # it has a new pool now

    event.listen(engine, "checkout", checked_out)
    event.listen(engine, "checkin", checked_in)
    event.listen(engine, "engine_disposed", disposed)
    _time_connects(engine.pool, recorder, name)
    recorder.add_probe(_probe_of(ref(engine)))


def _time_connects(pool: Pool, recorder: Recorder, name: str) -> None:
    """Time `pool.connect`; no event of SQLAlchemy's precedes the wait for a connection."""
    connect = pool.connect
    clock = recorder.clock

    def timed() -> Any:
        account = current.get()
        if account is not None and account.owner is not recorder:
            account = None
        if account is not None:
            account.open(_POOL)
        started_s = clock()
        failed = True
        try:
            connection = connect()
            failed = False
            return connection
        finally:
            if account is not None:
                account.shut(_POOL)
            recorder.record(Kind.POOL, name, clock() - started_s, failed=failed)

    pool.connect = timed  # type: ignore[method-assign]  # see above


def _probe_of(engine: ReferenceType[Engine]) -> Callable[[], Mapping[str, float]]:
    """Samples the share of the pool that is in use. It does not keep the engine alive."""

    def probe() -> Mapping[str, float]:
        watched = engine()
        ratio = None if watched is None else pool_ratio(watched.pool)
        return {} if ratio is None else {POOL_RATIO: ratio}

    return probe


def pool_ratio(pool: Any) -> float | None:
    """
    How much of *pool* is in use, of its size with its overflow, 0 to 1; None if it has no bound.
    """
    # The bound on the overflow has no public name; -1 is none, and a size of 0 neither.
    overflow = getattr(pool, "_max_overflow", -1)
    size = pool.size() if hasattr(pool, "checkedout") and hasattr(pool, "size") else 0
    if overflow < 0 or not size:
        return None
    return float(min(max(pool.checkedout(), 0) / (size + overflow), 1.0))
