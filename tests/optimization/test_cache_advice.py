"""What is worth caching: what repeats with equal answers, and nothing else."""

from __future__ import annotations

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.optimization import CacheAdvisor, Repeats, advise_caching


async def test_a_function_that_repeats_is_advised_and_one_that_changes_is_not() -> None:
    advisor, asked = CacheAdvisor(one_in=1), 0

    @advisor.watch
    async def same(number: int) -> int:
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
    by_name = {one.subject.rpartition(".")[2]: one for one in advisor.seen()}
    assert (by_name["same"].calls, by_name["same"].repeats, by_name["same"].equal) == (
        200,
        180,
        180,
    )
    assert (by_name["changing"].repeats, by_name["changing"].equal) == (180, 0)
    assert by_name["unique"].repeats == 0


@pytest.mark.parametrize(
    ("calls", "repeats", "equal", "advised"),
    [(1000, 500, 500, True), (99, 90, 90, False), (1000, 100, 100, False), (1000, 500, 400, False)],
)
def test_few_calls_few_repeats_or_other_answers_are_not_enough(
    calls: int, repeats: int, equal: int, advised: bool
) -> None:
    seen = Repeats(subject="GET /agents", calls=calls, repeats=repeats, equal=equal, took_s=10)
    assert bool(advise_caching([seen])) is advised


def test_what_saves_most_comes_first() -> None:
    seen = [
        Repeats(subject=name, calls=100, repeats=90, equal=90, took_s=took_s)
        for name, took_s in (("little", 1), ("much", 100))
    ]
    assert [one.subject for one in advise_caching(seen)] == ["much", "little"]


def test_a_sample_is_of_keys_and_bounded_and_keeps_no_text() -> None:
    advisor = CacheAdvisor(one_in=4, most=50)
    questions = [f"secret {number}".encode() for number in range(1000)]
    taken = [one for one in questions if advisor.is_looked_at("a", one)]
    assert 150 < len(taken) < 350
    assert taken == [one for one in questions if advisor.is_looked_at("a", one)]
    for one in taken:
        advisor.saw("a", one, b"secret answer", took_s=0.1)
    assert len(advisor._answers) == 50
    assert b"secret" not in b"".join([*advisor._answers, *advisor._answers.values()])
    with pytest.raises(UsageError, match="from 1 on"):
        CacheAdvisor(one_in=0)
