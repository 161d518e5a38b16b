"""Before the load of users, after it, and how it ends."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from tests.loadtest.conftest import raw_server
from tests.loadtest.users.playing import ITEMS, browse, counts, play, shop

from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.fakes import Answer
from keiko_perf.loadtest import (
    ConstantRate,
    Failure,
    Plan,
    Users,
    run,
    scenario,
)
from keiko_perf.loadtest.processes.processes import run_in_processes
from keiko_perf.loadtest.users.scenario_file import load_scenarios


def test_set_up_and_tear_down_are_done_once_unmeasured():
    done: list[str] = []

    async def up(user):
        done.append("up")
        return {"id": (await user.post("/shop")).json()["id"]}

    async def down(user):
        done.append("down")
        await user.delete(f"/shop/{user.given['id']}")

    async def visit(user):
        await user.get(f"/shop/{user.given['id']}")

    paths = Counter[str]()

    def service(_now_s, request):
        paths[f"{request.method} {request.path}"] += 1
        return Answer(0.01, body=b'{"id": 5}')

    first = scenario(set_up=up, tear_down=down, name="a")(visit)
    second = scenario(set_up=up, tear_down=down, name="b")(visit)
    result = play(first, second, service=service)
    assert done == ["up", "down"]
    assert counts(result) == {"GET /shop/5": (100, 0)}
    assert paths == {"POST /shop": 1, "GET /shop/5": 100, "DELETE /shop/5": 1}


def test_a_set_up_that_fails_ends_the_run_and_what_was_set_up_is_torn_down():
    done: list[str] = []

    async def fine(user):
        done.append("up")

    async def down(user):
        done.append("down")

    async def broken(user):
        return {}["x"]

    async def unanswered(user):
        await user.get("/")

    for act, kind, reason in (
        (
            broken,
            UsageError,
            r"broken of the scenario 'b' failed: KeyError: 'x' \(test_user_",
        ),
        (unanswered, ServiceUnavailable, "unanswered of the scenario 'b' had no answer: GET /"),
    ):
        done.clear()
        first = scenario(name="a", set_up=fine, tear_down=down)(browse.run)
        second = scenario(name="b", set_up=act)(browse.run)
        with pytest.raises(kind, match=reason):
            play(first, second, service=lambda *_: Answer(0.01, failure=Failure.RESET))
        assert done == ["up", "down"]


def test_a_tear_down_that_fails_is_a_warning_and_the_result_is_there():
    async def down(user):
        raise LookupError

    with pytest.warns(RuntimeWarning, match="down of the scenario 'browse' failed: LookupError"):
        result = play(scenario(tear_down=down)(browse.run), service=shop)
    assert result.response.count == 200


def test_the_end_waits_for_answers_and_cancels_the_rest():
    ended: list[str] = []

    @scenario
    async def long(user):
        try:
            await user.get("/slow")
            ended.append("answered")
            await user.get("/next")
        finally:
            ended.append("end")

    @scenario
    async def thinker(user):
        await user.get("/fast")
        try:
            await user.think(1000)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    def service(_now_s, request):
        return Answer(3 if request.path == "/slow" else 0.01)

    result = play(long, thinker, service=service, load=Users(2), duration_s=2)
    assert sorted(ended) == ["answered", "cancelled", "end"]
    assert counts(result) == {"GET /slow": (1, 0), "GET /fast": (1, 0)}
    assert result.unfinished == 0
    assert not result.interrupted


def test_a_stopped_run_has_a_result_of_what_was_measured():
    result = play(browse, service=shop, stop_after_s=3, duration_s=60)
    assert result.interrupted
    assert result.response.count == pytest.approx(60, abs=2)


def test_what_has_no_answer_at_the_end_is_unfinished():
    slow = lambda *_: Answer(100, body=ITEMS)  # noqa: E731
    result = play(browse, service=slow, duration_s=2, timeout_s=200, load=ConstantRate(1))
    assert (result.unfinished, result.response.count, result.offered) == (0, 2, 2)
    result = play(browse, service=slow, timeout_s=200, load=ConstantRate(1), stop_after_s=1.5)
    assert (result.unfinished, result.response.count, result.offered) == (2, 0, 2)
    assert result.unfinished_s == pytest.approx(6.5, abs=0.01)


async def test_a_cancelled_run_leaves_no_task(nothing_left):
    ended: list[str] = []

    @scenario
    async def one(user):
        try:
            while True:
                await user.get("/")
        finally:
            ended.append("end")

    async def behave(reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.001)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with raw_server(behave) as url:
        plan = Plan(base_url=url, scenarios=(one,), load=Users(3), duration_s=60)
        task = asyncio.create_task(run(plan))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended == ["end"] * 3


def test_progress_tells_how_it_goes():
    told = []
    play(browse, service=shop, on_tick=told.append, duration_s=5)
    last = told[3]
    assert last.offered == pytest.approx(80, abs=4)
    assert [step.name for step in last.steps] == ["GET /items", "GET /items/{id}"]
    assert last.steps[0].whole.count == pytest.approx(40, abs=2)


# Several processes

FILE = """
from keiko_perf.loadtest import rows, scenario

async def up(user):
    return (await user.post("/shop")).json()["id"]

async def down(user):
    await user.delete(f"/shop/{user.given}")

@scenario(set_up=up, tear_down=down, rows=rows([{"n": n} for n in range(500)], per="iteration"))
async def visit(user):
    await user.get(f"/shop/{user.given}/{user.row['n']}", name="GET /shop/{id}/{n}")
"""


async def test_several_processes_are_set_up_once_and_use_each_row_once(tmp_path):
    paths = Counter[str]()

    async def behave(reader, writer):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            paths[b" ".join(head.split(b" ")[:2]).decode()] += 1
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"id": 5}')

    (tmp_path / "shop.py").write_text(FILE)
    scenarios = load_scenarios(tmp_path / "shop.py")
    async with raw_server(behave) as url:
        for load in (ConstantRate(100), Users(4, think_s=0.02)):
            paths.clear()
            plan = Plan(base_url=url, scenarios=scenarios, load=load, duration_s=1)
            result = await asyncio.to_thread(run_in_processes, plan, processes=2)
            assert paths.pop("POST /shop") == paths.pop("DELETE /shop/5") == 1
            assert set(paths.values()) == {1}
            assert counts(result) == {"GET /shop/{id}/{n}": (len(paths), 0)}
            if isinstance(load, ConstantRate):
                assert set(paths) == {f"GET /shop/5/{number}" for number in range(100)}
