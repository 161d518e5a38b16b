"""Where the time of a request goes: parts that add up, of this request and of no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.fakes import in_virtual_time, series, snapshot
from keiko_perf.model import Kind
from keiko_perf.monitoring.attribution import Account, Lag, Part, Split, current, parts_table
from keiko_perf.monitoring.attribution.account import LATE_S


class Suspension:
    """What a coroutine awaits that its driver resumes when the story says so."""

    def __await__(self) -> Iterator[None]:
        yield


@dataclass
class Stage:
    """A clock in whole milliseconds, as floats they are exact, and the account that reads it."""

    now: float = 0.0

    def clock(self) -> float:
        return self.now


# A request's story: it computes, is suspended (and the loop comes late), is interrupted where it is
# suspended and goes on, opens and shuts parts.
WAYS = st.one_of(
    st.tuples(st.just("compute"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("suspend"), st.integers(0, 40), st.sampled_from((0, 1, 5, 20))),
    st.tuples(st.just("interrupt"), st.integers(0, 40), st.sampled_from((0, 5))),
    st.tuples(st.just("open"), st.sampled_from((Part.SQL, Part.POOL, Part.HTTP)), st.just(0)),
    st.tuples(st.just("shut"), st.sampled_from((Part.SQL, Part.POOL, Part.HTTP)), st.just(0)),
)
Story = list[tuple[str, int, int]]
SUSPENDED = ("suspend", "interrupt")


def naive(story: Story) -> list[float]:
    """Millisecond by millisecond."""
    spent = [0.0] * 6
    opened = {Part.SQL: 0, Part.POOL: 0, Part.HTTP: 0}
    for way, number, late in story:
        if way == "open":
            opened[Part(number)] += 1
        elif way == "shut":
            opened[Part(number)] = max(opened[Part(number)] - 1, 0)
        else:
            for millisecond in range(number):
                is_late = way in SUSPENDED and late > 2 and millisecond >= number - late
                within = [part for part in Part if opened.get(part)]
                rest = Part.CODE if way == "compute" else Part.ELSEWHERE
                spent[Part.LOOP if is_late else min(within, default=rest)] += 1.0
    return spent


def told(story: Story) -> Split:
    stage, lag = Stage(), Lag()

    async def request() -> None:
        for way, number, _ in story:
            if way == "compute":
                stage.now += number / 1000
            elif way == "suspend":
                await Suspension()
            elif way == "interrupt":
                with suppress(LookupError):
                    await Suspension()
            elif way == "open":
                account.open(Part(number))
            else:
                account.shut(Part(number))

    account = Account(request(), stage.clock, lag)
    waits = iter([one for one in story if one[0] in SUSPENDED])
    steps = account.__await__()
    way = "suspend"
    try:
        while True:
            if way == "suspend":
                steps.send(None)
            else:
                steps.throw(LookupError())
            way, number, late = next(waits)
            stage.now += number / 1000
            # Whoever watches the loop has its turn before the request, if there was time for one.
            lag.due_s = stage.now - late / 1000
            lag.came_s = stage.now if number else 0.0
    except StopIteration:
        return account.end()


@given(st.lists(WAYS, max_size=30))
def test_each_millisecond_is_in_one_part(story: Story) -> None:
    split = told(story)
    assert [1000 * part_s for part_s in split] == pytest.approx(naive(story), abs=1e-6)


@given(st.lists(WAYS, max_size=30))
def test_the_parts_add_up_to_the_whole(story: Story) -> None:
    whole = sum(number for way, number, _ in story if way in ("compute", *SUSPENDED))
    assert 1000 * told(story).total_s == pytest.approx(whole, abs=1e-6)


def test_what_overlaps_is_counted_once() -> None:
    story = [("open", Part.HTTP, 0), ("suspend", 5, 0), ("open", Part.SQL, 0), ("suspend", 10, 0),
             ("shut", Part.SQL, 0), ("suspend", 7, 0), ("shut", Part.HTTP, 0)]  # fmt: skip
    split = told(story)
    assert (split.http_s, split.sql_s) == pytest.approx((0.012, 0.010))


def test_a_request_that_went_on_late_waited_for_the_loop() -> None:
    story = [("open", Part.SQL, 0), ("suspend", 200, 190), ("shut", Part.SQL, 0)]
    split = told(story)
    assert (split.sql_s, split.loop_s) == pytest.approx((0.010, 0.190))


@pytest.mark.parametrize(
    ("due", "told", "why"),
    [
        (0.020, (0.020, 0.180), "due after it was suspended, and not had yet"),
        (-0.030, (0.0, 0.200), "due before: it waited for the loop all the time"),
        (0.199, (0.200, 0.0), "not late yet"),
    ],
)
def test_a_loop_that_has_no_turn_for_others_is_late_before_it_has_one(
    due: float, told: tuple[float, float], why: str
) -> None:
    stage, lag = Stage(), Lag()

    async def request() -> None:
        await Suspension()

    account = Account(request(), stage.clock, lag)
    steps = account.__await__()
    steps.send(None)
    lag.late_from_s = due + LATE_S
    stage.now = 0.2
    with pytest.raises(StopIteration):
        steps.send(None)
    split = account.end()
    assert (split.elsewhere_s, split.loop_s) == pytest.approx(told), why


async def test_the_request_raises_as_without_it() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError("none")

    with pytest.raises(LookupError, match="none"):
        await Account(fail(), time.monotonic, Lag())


def test_what_is_sent_to_the_request_comes_to_it_and_what_it_asks_for_comes_out() -> None:
    class Question:
        def __await__(self) -> Generator[str, str, str]:
            return (yield "who?")

    heard = []

    async def request() -> None:
        heard.append(await Question())
        heard.append(await Question())
        await Suspension()

    steps = Account(request(), time.monotonic, Lag()).__await__()
    assert [steps.send(None), steps.send("me"), steps.send("you")] == ["who?", "who?", None]
    with pytest.raises(StopIteration):
        steps.send(None)
    assert heard == ["me", "you"]


def test_a_request_that_is_thrown_away_is_closed_where_it_waits() -> None:
    closed = []

    async def request() -> None:
        try:
            await Suspension()
        finally:
            closed.append(True)

    steps = Account(request(), time.monotonic, Lag()).__await__()
    steps.send(None)
    steps.close()
    assert closed == [True]


async def test_a_cancelled_request_is_cancelled_where_it_waits() -> None:
    seen = []

    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            await asyncio.sleep(0)  # it may clean up
            seen.append("cleaned up")
            raise

    async def request() -> None:
        await Account(wait(), time.monotonic, Lag())

    task = asyncio.create_task(request())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled", "cleaned up"]


async def test_an_awaitable_that_is_no_coroutine_is_followed_too() -> None:
    class Twice:
        def __await__(self) -> Any:
            return iter((None, None))

    await Account(Twice(), time.monotonic, Lag())
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, 7)
    await Account(future, time.monotonic, Lag())
    assert future.result() == 7


async def test_an_awaitable_that_cannot_be_thrown_into_is_cancelled_all_the_same() -> None:
    class Endless:
        def __await__(self) -> Any:
            return repeat(None)

    task = asyncio.create_task(follow(Endless(), time.monotonic))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def follow(request: Any, clock: Any) -> Split:
    """As the middleware does."""
    account = Account(request, clock, Lag())
    current.set(account)
    await account
    return account.end()


async def spend(part: Part, seconds: float) -> None:
    account = current.get()
    assert account is not None
    account.open(part)
    await asyncio.sleep(seconds)
    account.shut(part)


def test_requests_that_overlap_on_a_loop_are_never_mixed_up() -> None:
    async def request(number: int) -> None:
        await asyncio.sleep(number / 7)
        async with asyncio.TaskGroup() as group:  # two statements at once, in tasks of its own
            group.create_task(spend(Part.SQL, 0.1 * number))
            group.create_task(spend(Part.SQL, 0.1 * number))
        await asyncio.gather(spend(Part.HTTP, 0.05 * number), asyncio.sleep(0.02 * number))

    async def all_at_once() -> list[Split]:
        clock = asyncio.get_running_loop().time
        tasks = [asyncio.create_task(follow(request(number), clock)) for number in range(1, 60)]
        return await asyncio.gather(*tasks)

    for number, split in enumerate(in_virtual_time(all_at_once()), start=1):
        assert split.sql_s == pytest.approx(0.1 * number)
        assert split.http_s == pytest.approx(0.05 * number)
        assert split.elsewhere_s == pytest.approx(number / 7)


# Requests that overlap, each a program: it sleeps, is within a part, does several things in tasks
# of its own, in a TaskGroup or by gather, or leaves a task to be awaited at its end.
SPANS = (Part.SQL, Part.POOL, Part.HTTP)
Program = list[tuple[str, Any, Any]]


def _longer(shorter: st.SearchStrategy[Program]) -> st.SearchStrategy[Program]:
    return st.lists(
        st.one_of(
            st.tuples(st.just("within"), st.sampled_from(SPANS), shorter),
            st.tuples(st.just("grouped"), st.lists(shorter, max_size=3), st.none()),
            st.tuples(st.just("gathered"), st.lists(shorter, max_size=3), st.none()),
            st.tuples(st.just("left"), shorter, st.none()),
            st.tuples(st.just("sleep"), st.integers(0, 9), st.none()),
        ),
        max_size=3,
    )


PROGRAMS = st.recursive(
    st.lists(st.tuples(st.just("sleep"), st.integers(0, 9), st.none()), max_size=2),
    _longer,
    max_leaves=12,
)


async def play(program: Program) -> None:
    left = []
    for way, what, more in program:
        if way == "sleep":
            await asyncio.sleep(what / 1000)
        elif way == "within":
            account = current.get()
            assert account is not None
            account.open(what)
            await play(more)
            account.shut(what)
        elif way == "grouped":
            async with asyncio.TaskGroup() as group:
                for one in what:
                    group.create_task(play(one))
        elif way == "gathered":
            await asyncio.gather(*map(play, what))
        else:
            left.append(asyncio.create_task(play(what)))
    for task in left:
        await task


def milliseconds(program: Program, begun: int, within: dict[Part, set[int]]) -> int:
    """When it ends, and in *within* which milliseconds it is in which part."""
    at, left = begun, begun
    for way, what, more in program:
        if way == "sleep":
            at += what
        elif way == "within":
            ended = milliseconds(more, at, within)
            within[what].update(range(at, ended))
            at = ended
        elif way == "left":
            left = max(left, milliseconds(what, at, within))
        else:
            at = max((milliseconds(one, at, within) for one in what), default=at)
    return max(at, left)


@given(st.lists(st.tuples(st.integers(0, 9), PROGRAMS), max_size=6))
def test_whatever_overlaps_each_request_is_told_its_own_parts(
    requests: list[tuple[int, Program]],
) -> None:
    async def request(after_ms: int, program: Program) -> Split:
        await asyncio.sleep(after_ms / 1000)
        return await follow(play(program), asyncio.get_running_loop().time)

    async def all_at_once() -> list[Split]:
        return await asyncio.gather(*(asyncio.create_task(request(*one)) for one in requests))

    for (_, program), split in zip(requests, in_virtual_time(all_at_once()), strict=True):
        within: dict[Part, set[int]] = {part: set() for part in SPANS}
        whole = milliseconds(program, 0, within)
        sql, pool, http = (within[part] for part in SPANS)
        expected = [len(sql), len(pool - sql), len(http - pool - sql), 0, 0]
        expected.append(whole - len(sql | pool | http))
        assert [1000 * part_s for part_s in split] == pytest.approx(expected, abs=1e-6)


async def test_what_a_thread_of_the_request_does_is_the_requests() -> None:
    def ask() -> None:
        account = current.get()
        assert account is not None
        account.open(Part.SQL)
        time.sleep(0.02)
        account.shut(Part.SQL)

    async def request() -> None:
        await asyncio.to_thread(ask)

    splits = await asyncio.gather(
        *(asyncio.create_task(follow(request(), time.monotonic)) for _ in range(4))
    )
    assert all(split.sql_s >= 0.02 for split in splits)
    assert current.get() is None


def test_the_table_tells_the_share_of_each_part_the_longest_route_first() -> None:
    measured = snapshot(
        series("GET /quick", [0.01] * 10),
        series("GET /slow", [0.1] * 10),
        series("GET /not-followed", [0.5]),
        series("GET /slow", [0.075] * 10, kind=Kind.IN_SQL),
        series("GET /slow", [0.025] * 10, kind=Kind.IN_CODE),
        series("GET /quick", [0.01] * 10, kind=Kind.IN_CODE),
    )
    table = parts_table(measured)
    assert table is not None
    assert [(row[0], *(pytest.approx(one) for one in row[1:])) for row in table.rows] == [
        ("GET /slow", 1.0, 0.75, 0, 0, 0.25, 0, 0),
        ("GET /quick", 0.1, 0, 0, 0, 1, 0, 0),
    ]


def test_without_attribution_there_is_no_such_table() -> None:
    assert parts_table(snapshot(series("GET /quick", [0.01]))) is None
