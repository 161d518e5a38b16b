"""Stacks of other threads, which go on meanwhile."""

from __future__ import annotations

import gc
import os
import sys
import sysconfig
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from keiko_perf.monitoring.process.stacks import place_of, without_collecting


@pytest.fixture
def collected() -> Iterator[list[int]]:
    """In which threads garbage is collected, which it is at nearly each allocation."""
    threads: list[int] = []

    def note(phase: str, _info: dict[str, Any]) -> None:
        if phase == "start":
            threads.append(threading.get_ident())

    before, was_enabled = gc.get_threshold(), gc.isenabled()
    gc.callbacks.append(note)
    gc.enable()
    gc.set_threshold(1)
    yield threads
    gc.set_threshold(*before)
    gc.callbacks.remove(note)
    if not was_enabled:
        gc.disable()


def allocations(threads: list[int]) -> int:
    """How often garbage is collected here while much is allocated."""
    before = threads.count(threading.get_ident())
    kept = [[number] for number in range(1_000)]
    assert len(kept) == 1_000
    return threads.count(threading.get_ident()) - before


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from 3.12 on no allocation collects")
def test_nothing_is_collected_in_the_middle_of_a_look(collected: list[int]) -> None:
    assert allocations(collected) > 100
    assert without_collecting(allocations)(collected) == 0
    assert gc.isenabled()


def test_who_has_turned_the_collection_off_has_it_off_afterwards(collected: list[int]) -> None:
    gc.disable()
    assert without_collecting(allocations)(collected) == 0
    assert not gc.isenabled()


def test_a_look_that_fails_leaves_the_collection_on(collected: list[int]) -> None:
    with pytest.raises(ZeroDivisionError):
        without_collecting(lambda: 1 / 0)()
    assert gc.isenabled()


@pytest.mark.parametrize("is_relative", [False, True])
def test_the_command_that_started_the_server_is_not_blamed(is_relative: bool) -> None:
    command = os.path.join(sysconfig.get_path("scripts"), "uvicorn")
    started = compile("", os.path.relpath(command) if is_relative else command, "exec")
    package = compile("", os.path.join(sysconfig.get_path("purelib"), "pool.py"), "exec")
    assert place_of([(started, 10), (package, 7)]) == "pool.py:7 <module>"
