"""When the clock starts and stops, what is a failure, and what is none."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.monitoring.middleware.serving import (
    _receive,
    broken,
    client,
    drive,
    hello,
    only,
    request_scope,
    routes_of,
    served,
)

from keiko_perf.model import Kind, Outcome, Snapshot, Target
from keiko_perf.model.kpi import LATENCY_P95, REFUSED_RATIO
from keiko_perf.monitoring import count_as_failed
from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.recorder import Recorder


async def test_the_clock_starts_on_arrival_and_stops_at_the_last_byte() -> None:
    clock = iter((100.0, 100.0, 100.5, 101.0, 107.5)).__next__
    recorder = Recorder(clock=clock)  # begins at 100

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        clock()  # a second goes by
        await send({"type": "http.response.body", "body": b"b"})

    perf = PerfMiddleware(app, recorder)
    await drive(perf, request_scope())
    recorder.clock = lambda: 200.0
    assert only(recorder).succeeded.max_s == 7.5
    (first,) = recorder.peek().of(Kind.FIRST_BYTE)
    assert (first.name, first.count, first.succeeded.max_s) == ("(unmatched)", 1, 0.5)


async def test_background_tasks_are_not_counted(recorder: Recorder) -> None:
    app = FastAPI()
    seen: list[tuple[int, int]] = []

    async def later() -> None:
        seen.append((recorder.in_flight, only(recorder).count))

    @app.get("/")
    async def root(tasks: BackgroundTasks) -> str:
        tasks.add_task(later)
        return "ok"

    app.add_middleware(PerfMiddleware, recorder=recorder)
    async with client(app) as http:
        assert (await http.get("/")).status_code == 200
    assert seen == [(0, 1)]
    assert only(recorder).count == 1


async def test_an_exception_in_a_background_task_is_no_failed_request(recorder: Recorder) -> None:
    async def later() -> None:
        raise RuntimeError("afterwards")

    async def root(_request: Request) -> Response:
        from starlette.background import BackgroundTask

        return PlainTextResponse("ok", background=BackgroundTask(later))

    async with client(served(recorder, Route("/", root)), raise_app_exceptions=True) as http:
        with pytest.raises(RuntimeError, match="afterwards"):
            await http.get("/")
    assert (only(recorder).count, only(recorder).errors) == (1, 0)
    assert recorder.in_flight == 0


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (200, "succeeded"),
        (304, "succeeded"),
        (400, "refused"),
        (401, "refused"),
        (404, "refused"),
        (499, "refused"),
        (500, "failed"),
        (503, "failed"),
    ],
)
async def test_a_failure_is_the_servers_fault_and_a_refusal_that_of_who_asks(
    recorder: Recorder, status: int, part: str
) -> None:
    async def root(_request: Request) -> Response:
        return Response(status_code=status)

    async with client(served(recorder, Route("/", root))) as http:
        assert (await http.get("/")).status_code == status
    series = only(recorder)
    assert {name: getattr(series, name).count for name in ("succeeded", "failed", "refused")} == {
        **dict.fromkeys(("succeeded", "failed", "refused"), 0),
        part: 1,
    }


async def test_while_nobody_can_log_in_no_response_time_is_told(recorder: Recorder) -> None:
    async def root(_request: Request) -> Response:
        return Response(status_code=401)

    async with client(served(recorder, Route("/", root))) as http:
        for _ in range(100):
            await http.get("/")
    snapshot = recorder.peek()
    assert Target(kpi=LATENCY_P95, at_most=0.2).judge(snapshot).outcome is Outcome.UNKNOWN
    assert REFUSED_RATIO.read(snapshot, None).value == 1.0


async def test_the_sizes_of_answers_are_added_up_piece_by_piece(recorder: Recorder) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(5):
            yield b"x" * number

    async def root(_request: Request) -> Response:
        return StreamingResponse(pieces())

    async with client(served(recorder, Route("/", root), Route("/hello", hello))) as http:
        await http.get("/")
        await http.get("/hello")
        await http.head("/hello")
    sizes = {one.name: one.sent_bytes for one in recorder.peek().of(Kind.ROUTE)}
    assert sizes["GET /"] == 10
    assert sizes["GET /hello"] == len("Hello, world!")


async def test_redirects_and_what_was_not_modified_are_successes_of_their_own(
    recorder: Recorder,
) -> None:
    async def elsewhere(request: Request) -> Response:
        return Response(status_code=int(request.query_params["status"]))

    async with client(served(recorder, Route("/", elsewhere))) as http:
        for status in (200, 301, 304, 307, 404, 500):
            await http.get("/", params={"status": status})
    (found,) = recorder.peek().of(Kind.ROUTE)
    assert (found.succeeded.count, found.redirected) == (4, 3)
    assert (found.refused.count, found.failed.count) == (1, 1)
    both = Snapshot.merged([recorder.peek(), recorder.snapshot()])
    assert both is not None
    (twice,) = both.of(Kind.ROUTE)
    assert twice.redirected == 6


async def test_the_first_byte_is_told_of_answers_in_pieces_only(recorder: Recorder) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.sleep(0.02)
        yield b"b"

    async def root(_request: Request) -> Response:
        return StreamingResponse(pieces())

    async with client(served(recorder, Route("/", root), Route("/hello", hello))) as http:
        await http.get("/")
        await http.get("/hello")
    (first,) = recorder.peek().of(Kind.FIRST_BYTE)
    whole = recorder.peek().find(Kind.ROUTE, "GET /")
    assert (first.name, first.count) == ("GET /", 1)
    assert whole is not None
    assert whole.sum_s >= first.sum_s + 0.02


async def test_a_framework_that_names_its_template_itself_is_understood(
    recorder: Recorder,
) -> None:
    async def litestar(scope: Any, receive: Any, send: Any) -> None:
        scope["path_template"] = "/agents/{agent_id:int}"
        await PlainTextResponse("ok")(scope, receive, send)

    await drive(PerfMiddleware(litestar, recorder), request_scope(path="/agents/7"))
    assert routes_of(recorder) == {"GET /agents/{agent_id:int}": 1}


@pytest.mark.parametrize("attribution", [False, True])
@pytest.mark.parametrize("times", [1, 5])
async def test_an_answer_of_200_is_a_failure_if_the_application_says_so(
    recorder: Recorder, attribution: bool, times: int
) -> None:
    async def rpc(request: Request) -> Response:
        if request.query_params["id"] == "broken":
            count_as_failed(request)
        return PlainTextResponse("ok")

    watched = Middleware(PerfMiddleware, recorder=recorder, attribution=attribution)
    app = Starlette(routes=[Route("/rpc", rpc)], middleware=[watched])
    async with client(app) as http:
        for _ in range(times):
            for id in ("well", "broken", "well"):
                assert (await http.get("/rpc", params={"id": id})).status_code == 200
            recorder.settle()  # the first of a route makes room for those to come
    series = only(recorder)
    assert (series.count, series.errors) == (3 * times, times)


async def test_an_exception_is_a_failure_and_goes_on_its_way(recorder: Recorder) -> None:
    app = served(recorder, Route("/broken/{id}", broken))
    async with client(app) as http:
        assert (await http.get("/broken/1")).status_code == 500
    async with client(app, raise_app_exceptions=True) as http:
        with pytest.raises(RuntimeError, match="it broke"):
            await http.get("/broken/2")
    series = only(recorder)
    assert (series.name, series.count, series.errors) == ("GET /broken/{id}", 2, 2)
    assert recorder.peek().counters == {"arrived": 2}
    assert recorder.in_flight == 0


async def test_an_exception_amid_the_answer_is_a_failure(recorder: Recorder) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        raise RuntimeError("half way")

    async def root(_request: Request) -> Response:
        return StreamingResponse(pieces())

    async with client(served(recorder, Route("/", root)), raise_app_exceptions=True) as http:
        with pytest.raises(RuntimeError, match="half way"):
            await http.get("/")
    assert only(recorder).errors == 1


async def test_an_answer_that_never_ends_up_complete_is_a_failure(recorder: Recorder) -> None:
    async def silent(_scope: Any, _receive: Any, _send: Any) -> None:
        return None

    await drive(PerfMiddleware(silent, recorder), request_scope())
    assert (only(recorder).errors, recorder.in_flight) == (1, 0)


async def test_an_exception_that_was_handled_within_is_judged_by_its_status(
    recorder: Recorder,
) -> None:
    def apologise(_request: Request, _error: Exception) -> Response:
        return PlainTextResponse("sorry", status_code=409)

    app = Starlette(
        routes=[Route("/", broken)],
        middleware=[Middleware(PerfMiddleware, recorder=recorder)],
        exception_handlers={RuntimeError: apologise},
    )
    async with client(app) as http:
        assert (await http.get("/")).status_code == 409
    assert (only(recorder).count, only(recorder).errors) == (1, 0)


async def test_nothing_of_a_request_is_held_until_it_is_counted(recorder: Recorder) -> None:
    class Session:
        """What an application leaves in its scope."""

    left: list[weakref.ref[Session]] = []

    async def root(request: Request) -> Response:
        request.state.session = session = Session()
        left.append(weakref.ref(session))
        return PlainTextResponse("ok")

    app = served(recorder, Route("/{id}", root))
    gc.disable()  # it goes at once, not once it is found in a cycle
    try:
        await drive(app, request_scope(path="/1"))
        assert [one() for one in left] == [None]
    finally:
        gc.enable()
    assert routes_of(recorder) == {"GET /{id}": 1}


def test_servers_can_tell_which_version_of_asgi_it_is(recorder: Recorder) -> None:
    assert inspect.iscoroutinefunction(PerfMiddleware(PlainTextResponse("ok"), recorder).__call__)


async def test_a_failure_to_send_is_passed_on_and_counted_once(recorder: Recorder) -> None:
    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError("the socket is gone")

    with pytest.raises(OSError, match="the socket is gone"):
        await PerfMiddleware(PlainTextResponse("ok"), recorder)(request_scope(), _receive, send)
    assert (only(recorder).count, recorder.in_flight) == (1, 0)
