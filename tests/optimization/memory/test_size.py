"""The estimate of a value's size, held against what the interpreter allocates."""

from __future__ import annotations

import tracemalloc
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from sys import getsizeof

import pytest

from keiko_perf.optimization import size_of


@dataclass
class Agent:
    id: int
    name: str
    scores: list[float]


@dataclass(slots=True)
class Slotted:
    id: int
    name: str


def agents() -> list[Agent]:
    return [Agent(n + 1000, f"agent number {n}", [n + 0.5, n + 0.25]) for n in range(100)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: "x" * 100_000,
        lambda: [f"number {n}" for n in range(400)],
        lambda: [f"number {n}" for n in range(50_000)],
        lambda: {f"key {n}": n * 1000.5 for n in range(50_000)},
        lambda: tuple((n + 1000, f"n{n}") for n in range(5_000)),
        lambda: {n + 1000 for n in range(5_000)},
        lambda: deque([n + 0.5] for n in range(5_000)),
        lambda: [[[n * 1.5 + m + k for n in range(30)] for m in range(30)] for k in range(30)],
        lambda: {f"k{n}": {"name": f"v{n}", "at": [n + 0.5] * 3} for n in range(3_000)},
        lambda: [Slotted(n + 1000, f"agent number {n}") for n in range(3_000)],
        agents,
    ],
)
def test_it_is_within_a_quarter_of_the_truth(make: Callable[[], object]) -> None:
    tracemalloc.start()
    value = make()
    allocated = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size_of(value) == pytest.approx(allocated, rel=0.25)


def test_what_is_shared_counts_once_and_what_is_there_anyway_not_at_all() -> None:
    text = "x" * 10_000
    assert size_of([text] * 100) < 12_000
    assert size_of([None] * 100) == getsizeof([None] * 100)
    assert size_of([int, len, pytest, make_nothing]) == getsizeof([1, 2, 3, 4])


def test_a_circle_ends() -> None:
    circle: list[object] = ["text"]
    circle.append(circle)
    assert size_of(circle) == getsizeof(circle) + getsizeof("text")


def test_no_code_of_the_value_is_run() -> None:
    class Touchy:
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(f"{name} was touched")

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

        __hash__ = None  # type: ignore[assignment] # it cannot be hashed

    assert size_of([Touchy()]) > 50


def make_nothing() -> None: ...
