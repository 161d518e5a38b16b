"""
Statements: what a SQLAlchemy engine executes.

Each execution goes into a series that is named by its normalised text (`sql_text`); its time is
that of the driver's call, without the fetching of further rows. The parameters are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from keiko_perf.errors import MissingExtra, UsageError
from keiko_perf.model import OTHER
from keiko_perf.monitoring.attribution import current
from keiko_perf.monitoring.comments import Comment, Comments
from keiko_perf.monitoring.executions import Executions
from keiko_perf.monitoring.pools.of_sqlalchemy import watch_pool_of
from keiko_perf.monitoring.process.greenlets import note_greenlet
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.sql_text import PERCENT_STYLES

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

_EXECUTING = ("do_execute", "do_executemany", "do_execute_no_params")
"""Of a dialect: the driver's calls."""

_watched: WeakKeyDictionary[Any, WeakSet[Recorder]] = WeakKeyDictionary()


def watch_engine(
    engine: Engine | AsyncEngine, recorder: Recorder, *, comment: str | None = None
) -> None:
    """
    Record what *engine* executes, and its pool (`pools`). To watch it twice is no mistake.

    Args:
        engine: is watched.
        recorder: is told.
        comment: what each statement says of the request that it is sent for, of `Comment`; the
            requests have to be followed for that.

    Raises:
        UsageError: it is no SQLAlchemy engine, or there is no such comment.
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
    comments = None if comment is None else Comments(Comment.named(comment))
    recorders = _watched.setdefault(sync_engine, WeakSet())
    if recorder not in recorders:
        recorders.add(recorder)
        _watch_statements(sync_engine.dialect, recorder, comments)
        watch_pool_of(sync_engine, recorder)


def _watch_statements(dialect: Any, recorder: Recorder, comments: Comments | None) -> None:
    """
    Let *dialect* tell of what it executes.

    There are events for it, but an engine that has a listener takes 6 µs more for each statement.
    """
    executions = Executions(recorder, dialect.paramstyle)
    commented = None if comments is None else _commented(comments, recorder, dialect.paramstyle)
    initialize, starting = dialect.initialize, set[object]()

    def started(connection: object) -> None:
        """What it asks of the first connection, such as the server's version, is not told of."""
        starting.add(connection)
        try:
            initialize(connection)
        finally:
            starting.discard(connection)

    dialect.initialize = started
    for name in _EXECUTING:
        timed = _timed(getattr(dialect, name), executions, recorder, starting, commented)
        setattr(dialect, name, timed)


def _timed(
    method: Callable[..., None],
    executions: Executions,
    recorder: Recorder,
    starting: Collection[object],
    commented: Callable[[str, Any], str] | None,
) -> Callable[..., None]:
    """*method*, told of; what repeats is looked at."""
    begin, end = executions.begun, executions.ended
    clock, looks = recorder.clock, recorder.looks

    def timed(cursor: Any, statement: str, *more: Any) -> None:
        context = more[-1]
        if starting and getattr(context, "root_connection", None) in starting:
            method(cursor, statement, *more)
            return
        # It is named as it was before its comment, which may be another for each request.
        sent = statement if commented is None else commented(statement, context)
        begun, failed = begin(), True
        try:
            method(cursor, sent, *more)
            failed = False
        finally:
            name, took_s = end(statement, begun, failed=failed)
        note_greenlet()  # back from the driver: what is made of the rows is made in this one
        if looks is None or name is None or name == OTHER:
            return
        if not getattr(context, "executemany", False):
            asked = more[0] if len(more) > 1 else ()
            looks.executed(statement, asked, cursor, name=name, at_s=clock(), took_s=took_s)

    return timed


def _commented(
    comments: Comments, recorder: Recorder, paramstyle: str
) -> Callable[[str, Any], str]:
    """What makes of a statement and its context the statement with its comment."""
    has_percents = paramstyle in PERCENT_STYLES

    def commented(statement: str, context: Any) -> str:
        account = current.get()
        if account is None or account.owner is not recorder or account.where is None:
            return statement
        names, scope, root_path = account.where
        percents = has_percents and not getattr(context, "no_parameters", False)
        return comments.on(statement, scope, names(scope, root_path), percents=percents)

    return commented
