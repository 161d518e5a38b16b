"""
Costs: what one request of an ASGI application takes, measured in this process, for tests.

    async def test_a_list_takes_two_statements(request_costs):
        costs = await request_costs(app, "/agents", engine=engine)
        assert costs.statements == 2

No socket and no server stand between, so how many statements and bytes a request takes is exact and
the same on each machine. The CPU time is not; it is the least of several requests, which is what
the code itself needs, and good for ratios.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keiko_perf.errors import MissingExtra, ServiceUnavailable, UsageError

_MOST_TEXTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCosts:
    """
    Attributes:
        status: of the answer.
        statements: how many SQL statements one request sends; None without an engine.
        texts: those statements, in order, as SQLAlchemy sends them, without their parameters.
        sent_bytes: how long the body of the answer is.
        cpu_s: the CPU time of this thread for one request, the least of all that were measured.
        requests: how many were measured.
    """

    status: int
    statements: int | None
    texts: tuple[str, ...] = field(default=(), repr=False)
    sent_bytes: int
    cpu_s: float
    requests: int

    @property
    def repeated(self) -> Mapping[str, int]:
        """The statements that one request sends more than once, and how often: an N+1."""
        counted: dict[str, int] = {}
        for text in self.texts:
            counted[text] = counted.get(text, 0) + 1
        return {text: count for text, count in counted.items() if count > 1}


async def request_costs(
    app: Any,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    engine: Any = None,
    requests: int = 5,
) -> RequestCosts:
    """
    What a request of *app* takes.

    Args:
        app: an ASGI application; its lifespan is not started.
        path: with its query.
        method: GET, POST…
        headers: of the request.
        body: of the request.
        engine: the SQLAlchemy engine, or async engine, whose statements are counted.
        requests: how many are measured, after one that warms up. Their statements and answers have
            to be the same.

    Raises:
        UsageError: there is nothing to measure, or the requests differ.
        ServiceUnavailable: the application raised, or did not answer.
        MissingExtra: SQLAlchemy is not installed, and an engine was given.
    """
    if not path.startswith("/") or requests < 1:
        raise UsageError(
            f"{requests} requests of {path!r}",
            cure="Ask at least once, for a path from the slash on",
        )
    counter = _Counter(engine)
    with counter:
        await _asked(app, path, method, headers or {}, body)
        seen = []
        for _ in range(requests):
            counter.texts.clear()
            begun_s = time.thread_time()
            status, size = await _asked(app, path, method, headers or {}, body)
            used_s = time.thread_time() - begun_s
            seen.append((status, size, tuple(counter.texts), used_s))
    status, size, texts, _ = seen[-1]
    if any((one[0], len(one[2])) != (status, len(texts)) for one in seen):
        raise UsageError(
            f"the requests of {path} differ: "
            + ", ".join(f"{one[0]} with {len(one[2])} statements" for one in seen),
            cure="Bring the application into a state that a request does not change",
        )
    return RequestCosts(
        status=status,
        statements=None if engine is None else len(texts),
        texts=texts[:_MOST_TEXTS],
        sent_bytes=size,
        cpu_s=min(one[3] for one in seen),
        requests=requests,
    )


class _Counter:
    """Notes the statements of an engine while its context lasts."""

    def __init__(self, engine: Any) -> None:
        self.texts: list[str] = []
        self._engine = getattr(engine, "sync_engine", engine)

    def __enter__(self) -> None:
        if self._engine is not None:
            self._event().listen(self._engine, "before_cursor_execute", self._note)

    def __exit__(self, *_: object) -> None:
        if self._engine is not None:
            self._event().remove(self._engine, "before_cursor_execute", self._note)

    def _note(self, *told: Any) -> None:
        self.texts.append(str(told[2]))  # connection, cursor, statement…

    def _event(self) -> Any:
        try:
            from sqlalchemy import event
        except ImportError as error:
            raise MissingExtra(
                "sqlalchemy", extra="postgres", purpose="counting statements"
            ) from error
        return event


async def _asked(
    app: Callable[..., Any], path: str, method: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, int]:
    """The status of the answer and the length of its body."""
    bare, _, query = path.partition("?")
    given = [(b"host", b"test"), *((k.lower().encode(), v.encode()) for k, v in headers.items())]
    if body and not any(name == b"content-length" for name, _ in given):
        given.append((b"content-length", str(len(body)).encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": bare,
        "raw_path": bare.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": given,
        "client": ("127.0.0.1", 50_000),
        "server": ("test", 80),
        "state": {},
    }
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    status, size, is_whole = 0, 0, False

    async def receive() -> Mapping[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status, size, is_whole
        if message["type"] == "http.response.start":
            status = int(message["status"])
        elif message["type"] == "http.response.body":
            size += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)

    try:
        await app(scope, receive, send)
    except Exception as error:  # the application's own code
        raise ServiceUnavailable(
            f"{method} {bare} raised {type(error).__name__}: {error}",
            cure="See that it answers, and start the application's lifespan before, if it needs it",
        ) from error
    if not is_whole:
        raise ServiceUnavailable(
            f"{method} {bare} was not answered to its end", cure="See that the application answers"
        )
    return status, size
