"""
Statements: what a SQLAlchemy engine executes.

Each execution goes into a series that is named by its normalised text (`sql_text`); its time is
that of the driver's call, without the fetching of further rows. The parameters are not looked at.
"""

from __future__ import annotations

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
    from sqlalchemy import Connection, Engine, ExceptionContext
    from sqlalchemy.ext.asyncio import AsyncEngine

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
    said = None if comment is None else Comment.named(comment)
    recorders = _watched.setdefault(sync_engine, WeakSet())
    if recorder not in recorders:
        recorders.add(recorder)
        _watch_statements(sync_engine, recorder)
        if said is not None:
            _comment_statements(sync_engine, recorder, Comments(said))
        watch_pool_of(sync_engine, recorder)


def _comment_statements(engine: Engine, recorder: Recorder, comments: Comments) -> None:
    from sqlalchemy import event

    has_percents = engine.dialect.paramstyle in PERCENT_STYLES

    def say(
        _connection: Connection,
        _cursor: object,
        statement: str,
        parameters: Any,
        context: Any,
        _executemany: bool,
    ) -> tuple[str, Any]:
        account = current.get()
        if account is None or account.owner is not recorder or account.where is None:
            return statement, parameters
        names, scope, root_path = account.where
        percents = has_percents and not getattr(context, "no_parameters", False)
        route = names(scope, root_path)
        return comments.on(statement, scope, route, percents=percents), parameters

    event.listen(engine, "before_cursor_execute", say, retval=True)


def _watch_statements(engine: Engine, recorder: Recorder) -> None:
    from sqlalchemy import event

    executions, looks = Executions(recorder, engine.dialect.paramstyle), recorder.looks
    clock, begin, end = recorder.clock, executions.begun, executions.ended
    # One execution at a time uses a context, and an engine may be watched by several recorders.
    begun = f"_keiko_perf_begun_{id(recorder)}"

    def before(
        _connection: Connection,
        _cursor: object,
        statement: str,
        _parameters: object,
        context: Any,
        _executemany: bool,
    ) -> None:
        if context is not None:
            context.__dict__[begun] = begin(), statement

    def after(
        _connection: Connection,
        cursor: object,
        _statement: str,
        parameters: object,
        context: Any,
        executemany: bool,
    ) -> None:
        note_greenlet()  # back from the driver: what is made of the rows is made in this one
        done = finish(context, failed=False)
        if looks is not None and done is not None and not executemany:
            statement, name, duration_s = done
            looks.executed(
                statement, parameters, cursor, name=name, at_s=clock(), took_s=duration_s
            )

    def failed(error: ExceptionContext) -> None:
        # A failure to fetch or to commit comes here too: then the execution was recorded already.
        if error.statement is not None:
            finish(error.execution_context, failed=True)

    def finish(context: Any, *, failed: bool) -> tuple[str, str, float] | None:
        known = None if context is None else context.__dict__.pop(begun, None)
        if known is None:
            return None
        # As it was before its comment, which may be another for each request.
        since, statement = known
        name, duration_s = end(statement, since, failed=failed)
        return None if name is None or name == OTHER else (statement, name, duration_s)

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", failed)
