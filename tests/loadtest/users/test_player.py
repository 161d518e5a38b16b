"""A player runs its coroutine on where it is called, and is a task in all other ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

from keiko_perf.fakes import in_virtual_time
from keiko_perf.loadtest.users.player import Player, go_on_all

Scene = Callable[[Player, list[object]], Coroutine[Any, Any, None]]


async def started(scene: Scene) -> tuple[Player, list[object]]:
    """A player whose coroutine ran to its first wait, and what it wrote down."""
    seen: list[object] = []

    async def act() -> None:
        await scene(players[0], seen)

    players: list[Player] = []
    players.append(Player(asyncio.get_running_loop(), act()))
    await asyncio.sleep(0)
    return players[0], seen


async def called(player: Player) -> None:
    """Call it from outside of any task, as a connection does."""
    loop = asyncio.get_running_loop()
    loop.call_soon(player.go_on)
    await asyncio.sleep(0)


def test_it_runs_on_within_the_call_and_is_the_current_task_then():
    async def scene(player, seen):
        for _ in range(3):
            await player.until_called()
            seen.append(asyncio.current_task())

    async def go() -> None:
        player, seen = await started(scene)
        loop, within = asyncio.get_running_loop(), []

        def call() -> None:
            player.go_on()
            within.append((len(seen), asyncio.current_task()))

        for _ in range(3):
            loop.call_soon(call)
            await asyncio.sleep(0)
        assert within == [(1, None), (2, None), (3, None)]
        await player.task
        assert seen == [player.task] * 3

    in_virtual_time(go())


def test_from_within_another_task_it_runs_on_soon():
    async def scene(player, seen):
        await player.until_called()
        seen.append(asyncio.current_task())

    async def go() -> None:
        player, seen = await started(scene)
        player.go_on()
        assert seen == []
        await player.task
        assert seen == [player.task]

    in_virtual_time(go())


def test_it_may_wait_for_anything_else_between():
    async def scene(player, seen):
        for _ in range(2):
            await player.until_called()
            await asyncio.sleep(1)
            seen += await asyncio.gather(asyncio.sleep(1, "a"), asyncio.sleep(2, "b"))

    async def go() -> None:
        player, seen = await started(scene)
        for count in (2, 4):
            await called(player)
            await called(player)  # it does not wait for this now, so it is not run on by it
            await asyncio.sleep(3.5)
            assert len(seen) == count
        await player.task
        assert seen == ["a", "b"] * 2

    in_virtual_time(go())


@pytest.mark.parametrize("is_run_on", [False, True], ids=["from the start", "after a call"])
def test_cancelled_it_cleans_up_and_can_await_meanwhile(is_run_on):
    async def scene(player, seen):
        try:
            await player.until_called()
            await player.until_called()
        except asyncio.CancelledError:
            await asyncio.sleep(1)
            await player.until_called()
            seen.append("clean")
            raise

    async def go() -> None:
        player, seen = await started(scene)
        if is_run_on:
            await called(player)
        player.task.cancel()
        await asyncio.sleep(2)
        await called(player)
        with pytest.raises(asyncio.CancelledError):
            await player.task
        assert seen == ["clean"]

    in_virtual_time(go())


def test_cancelled_in_the_moment_in_which_it_came_to_wait_for_others_it_ends_those():
    async def scene(player, seen):
        await player.until_called()
        try:
            await asyncio.create_task(asyncio.sleep(100))
        finally:
            seen.append(asyncio.get_running_loop().time())

    async def go() -> None:
        player, seen = await started(scene)

        def call() -> None:
            player.go_on()
            player.task.cancel()

        asyncio.get_running_loop().call_soon(call)
        with pytest.raises(asyncio.CancelledError):
            await player.task
        assert seen[0] < 1
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    in_virtual_time(go())


def test_a_time_limit_holds_for_what_is_waited_for():
    async def scene(player, seen):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await player.until_called()
        seen.append(asyncio.get_running_loop().time())

    async def go() -> None:
        began = asyncio.get_running_loop().time()
        player, seen = await started(scene)
        await player.task
        assert seen == [began + 1]

    in_virtual_time(go())


@pytest.mark.parametrize("is_run_on", [False, True], ids=["within its task", "where it is called"])
def test_what_it_raises_ends_its_task(is_run_on):
    async def scene(player, seen):
        if is_run_on:
            await player.until_called()
        raise LookupError("lost")

    async def go() -> None:
        player, _ = await started(scene)
        await called(player)
        with pytest.raises(LookupError, match="lost"):
            await player.task

    in_virtual_time(go())


def test_each_has_context_variables_of_its_own():
    kept: ContextVar[str] = ContextVar("kept")

    async def scene(player, seen):
        kept.set("mine")
        await player.until_called()
        seen.append(kept.get())
        kept.set("changed")
        await asyncio.sleep(1)
        seen.append(kept.get())

    async def go() -> None:
        kept.set("theirs")
        player, seen = await started(scene)
        await called(player)
        await player.task
        assert seen == ["mine", "changed"]
        assert kept.get() == "theirs"

    in_virtual_time(go())


def test_several_run_on_one_after_the_other_each_as_the_current_task():
    async def scene(player, seen):
        while True:
            await player.until_called()
            seen.append(asyncio.current_task())
            if len(seen) == 2:
                await asyncio.sleep(1.0)

    async def go() -> None:
        loop = asyncio.get_running_loop()
        members = [await started(scene) for _ in range(3)]
        players, within = [player for player, _ in members], []

        def call() -> None:
            go_on_all(loop, players)
            within.append(asyncio.current_task())

        for _ in range(3):  # the last time all of them wait for something else
            loop.call_soon(call)
            await asyncio.sleep(0)
        assert within == [None] * 3
        assert [seen for _, seen in members] == [[player.task] * 2 for player in players]
        await asyncio.sleep(1.5)
        loop.call_soon(call)
        await asyncio.sleep(0)
        assert [len(seen) for _, seen in members] == [3] * 3
        for player in players:
            player.task.cancel()
        await asyncio.gather(*(player.task for player in players), return_exceptions=True)

    in_virtual_time(go())
