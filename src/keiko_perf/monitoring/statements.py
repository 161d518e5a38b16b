"""
Statements: what a SQLAlchemy engine executes.

Each execution goes into a series that is named by its normalised text (`sql_text`); its time is
that of the driver's call, without the fetching of further rows. The parameters are not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from keiko_perf.errors import MissingExtra, UsageError
from keiko_perf.model import OTHER, Kind
from keiko_perf.monitoring.attribution import Part, current
from keiko_perf.monitoring.attribution.places import Places
from keiko_perf.monitoring.pools.of_sqlalchemy import watch_pool_of
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.sql_text import Names

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, ExceptionContext
    from sqlalchemy.ext.asyncio import AsyncEngine

_SQL, _STATEMENT = Part.SQL, Kind.STATEMENT  # looked up once
_watched: WeakKeyDictionary[Any, WeakSet[Recorder]] = WeakKeyDictionary()


def watch_engine(engine: Engine | AsyncEngine, recorder: Recorder) -> None:
    """
    Record what *engine* executes, and its pool (`pools`). To watch it twice is no mistake.

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
        watch_pool_of(sync_engine, recorder)


def _watch_statements(engine: Engine, recorder: Recorder) -> None:
    from sqlalchemy import event

    names = Names(engine.dialect.paramstyle)
    clock, record = recorder.clock, recorder.record
    place = Places(clock).here
    # One execution at a time uses a context, and an engine may be watched by several recorders.
    begun = f"_keiko_perf_begun_{id(recorder)}"

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
        if account is not None:
            if account.owner is recorder:
                account.open(_SQL)
            else:
                account = None
        context.__dict__[begun] = account, clock()

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
        known = None if context is None else context.__dict__.pop(begun, None)
        if known is None:
            return
        account, started_s = known
        duration_s = clock() - started_s
        name = names.of(statement, other=OTHER)
        if account is not None:
            account.shut(_SQL)
            if name is not None:
                account.count(name, duration_s, place)
        if name is not None:
            record(_STATEMENT, name, duration_s, failed=failed)

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", failed)
