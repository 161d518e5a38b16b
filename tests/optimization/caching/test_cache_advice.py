"""What is worth caching: what is asked again and answered the same, and nothing else."""

from __future__ import annotations

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.model import Kept, Kind, Repeats
from keiko_perf.optimization import CacheAdvisor, advise_caching


def repeats(
    subject: str = "GET /agents",
    *kept: Kept,
    calls: int = 1000,
    took_s: float = 100.0,
    kind: Kind | None = None,
) -> Repeats:
    return Repeats(kind=kind, subject=subject, calls=calls, took_s=took_s, kept=kept)


async def test_a_function_that_repeats_is_advised_and_one_that_changes_is_not() -> None:
    now_s = 0.0
    advisor, asked = CacheAdvisor(clock=lambda: now_s), 0

    @advisor.watch
    async def same(number: int) -> int:
        nonlocal now_s
        now_s += 0.11
        return number * 2

    @advisor.watch
    async def changing(number: int) -> int:
        nonlocal asked
        asked += 1
        return asked

    @advisor.watch
    async def unique(number: int) -> int:
        return number

    for number in range(200):
        assert await same(number % 20) == number % 20 * 2
        await changing(number % 20)
        await unique(number)
    (advice,) = advisor.advice()
    assert advice.code == "cache.repeats"
    assert advice.subject.endswith("same")
    # Each of 20 questions comes every 2.2 s: a cache of 10 s lets every fifth through.
    assert advice.statement == "@cached(ttl_s=60)"
    assert advice.evidence["hits"] == 180
    assert advice.evidence["spared_s"] == pytest.approx(0.11 * 180)
    assert advice.evidence["took_s"] == pytest.approx(22)
    by_name = {one.subject.rpartition(".")[2]: one for one in advisor.seen()}
    assert [one.hits for one in by_name["same"].kept] == [0, 160, 180, 180]
    assert {one.stale for one in by_name["changing"].kept if one.hits} == {180, 160}
    assert all(one.hits == 0 for one in by_name["unique"].kept)


@pytest.mark.parametrize(
    ("calls", "hits", "stale", "advised"),
    [
        (1000, 500, 5, True),
        (1000, 500, 6, False),  # too often out of date
        (1000, 299, 0, False),  # too seldom asked again
        (99, 90, 0, False),  # too little seen
    ],
)
def test_few_calls_few_repeats_or_other_answers_are_not_enough(
    calls: int, hits: int, stale: int, advised: bool
) -> None:
    kept = Kept(ttl_s=60, hits=hits, stale=stale, spared_s=10)
    assert bool(advise_caching([repeats("GET /agents", kept, calls=calls)])) is advised


def test_the_shortest_time_that_spares_nearly_as_much_is_advised() -> None:
    (advice,) = advise_caching(
        [
            repeats(
                "GET /agents",
                Kept(ttl_s=1, hits=300, spared_s=30),
                Kept(ttl_s=10, hits=840, spared_s=81),
                Kept(ttl_s=60, hits=900, spared_s=90),
                Kept(ttl_s=600, hits=950, stale=300, spared_s=95),
                kind=Kind.ROUTE,
            )
        ]
    )
    assert advice.statement.startswith("@cached(ttl_s=10)")
    assert advice.evidence["spared_s"] == 81


def test_what_spares_most_comes_first() -> None:
    seen = [
        repeats(name, Kept(ttl_s=1, hits=900, spared_s=spared_s))
        for name, spared_s in (("little", 1), ("much", 100), ("nothing", 0))
    ]
    assert [one.subject for one in advise_caching(seen)] == ["much", "little"]


def test_functions_and_questions_are_bounded() -> None:
    advisor = CacheAdvisor(most=50, subjects=2)
    for number in range(2_000):
        advisor.saw("a", b"%d" % number, b"", took_s=0.1)
    advisor.saw("b", b"", b"", took_s=0.1)
    advisor.saw("c", b"", b"", took_s=0.1)
    assert [one.subject for one in advisor.seen()] == ["a", "b"]
    assert max(map(len, advisor._known.values())) <= 50
    with pytest.raises(UsageError, match="from 1 on"):
        CacheAdvisor(most=0)
