"""What is asked again: caches played beside what happens, on a sample that is always the same."""

from __future__ import annotations

from random import Random
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.model import Kept, Kind, Repeats
from keiko_perf.model.repeating import MASK, Repeating
from keiko_perf.model.repeats import TTLS_S, merged_repeats


def ask(
    repeating: Repeating, question: object, answer: object, *, at_s: float, took_s: float = 0.1
) -> bool:
    """Whether it was looked at."""
    # Of Python's own hash of a text each process has another.
    mark = crc32(repr(question).encode()) * 2_654_435_761 & MASK
    if not repeating.wants(mark, at_s):
        return False
    digest = repeating.digest
    repeating.saw(
        mark,
        digest(repr(question).encode()),
        digest(repr(answer).encode()),
        at_s=at_s,
        took_s=took_s,
    )
    return True


def test_a_cache_hits_for_as_long_as_it_keeps_and_is_stale_where_the_answer_changed() -> None:
    repeating = Repeating()
    for at_s, answer in ((0, "a"), (0.5, "a"), (5, "a"), (30, "b"), (700, "b")):
        assert ask(repeating, "q", answer, at_s=at_s)
    one, ten, sixty, longest = repeating.take()
    assert (one.ttl_s, one.hits, one.stale) == (1, 1, 0)
    assert (ten.ttl_s, ten.hits, ten.stale) == (10, 2, 0)
    assert (sixty.ttl_s, sixty.hits, sixty.stale) == (60, 3, 1)
    assert (longest.ttl_s, longest.hits, longest.stale) == (600, 3, 1)
    assert sixty.spared_s == pytest.approx(0.3)
    assert (repeating.calls, repeating.take()[0].hits) == (0, 0)


def test_questions_and_parts_of_questions_are_told_apart_and_not_kept() -> None:
    repeating = Repeating()
    assert repeating.digest(b"a", b"b") != repeating.digest(b"ab")
    assert repeating.digest(b"a") != Repeating().digest(b"a")
    ask(repeating, "secret", "secret", at_s=0)
    assert "secret" not in repr(repeating._known)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.floats(0, 40)), max_size=60))
def test_it_counts_as_a_dictionary_with_a_time_would(
    asked: list[tuple[int, int, float]],
) -> None:
    repeating, now_s = Repeating(), 0.0
    caches: list[dict[int, tuple[float, int]]] = [{} for _ in TTLS_S]
    hits, stale = [0] * len(TTLS_S), [0] * len(TTLS_S)
    for question, answer, later_s in asked:
        now_s += later_s
        ask(repeating, question, answer, at_s=now_s)
        for index, (ttl_s, cache) in enumerate(zip(TTLS_S, caches, strict=True)):
            known = cache.get(question)
            if known is None or now_s - known[0] > ttl_s:
                cache[question] = now_s, answer
            else:
                hits[index] += 1
                stale[index] += known[1] != answer
    assert [(one.hits, one.stale) for one in repeating.kept()] == list(
        zip(hits, stale, strict=True)
    )
    assert repeating.calls == len(asked)


def test_of_many_questions_a_sample_tells_as_much_as_all_would() -> None:
    """2,000 questions come by every 4 s: a cache of 10 s hits twice of three times."""
    repeating, random = Repeating(most=128), Random(7)
    questions = list(range(2_000))
    for turn in range(30):
        random.shuffle(questions)
        for place, question in enumerate(questions):
            ask(repeating, question, question, at_s=4 * turn + 4 * place / 2_000)
        assert len(repeating) <= 128
        if turn == 9:  # once the sample has found its size
            repeating.take()
    _, ten, sixty, _ = repeating.kept()
    assert 500 < repeating.calls < 5_000
    assert ten.hits / repeating.calls == pytest.approx(2 / 3, abs=0.1)
    assert sixty.hits / repeating.calls > 0.85


def test_looks_that_come_too_fast_are_left_out_and_then_fewer_questions_are_looked_at() -> None:
    """100 questions, each 5 times a second: a cache of 1 s hits 4 of 5 times, and more than half
    of that is seen, though only ten looks a second may be taken."""
    repeating, looks = Repeating(most=1_000, pause_s=0.1), 0
    for number in range(500 * 120):
        at_s = number / 500
        looks += ask(repeating, number % 100, "same", at_s=at_s)
        if number == 500 * 60:
            repeating.take()
    assert looks <= 2 * 1_201  # at what is asked most, and at the others
    assert len(repeating) < 100
    one, ten, *_ = repeating.kept()
    assert one.hits >= 0.2 * repeating.calls
    assert 0.8 * repeating.calls <= ten.hits


def test_what_is_asked_most_counts_for_as_much_as_it_is() -> None:
    """Of two requests one asks the same as always, and the other what nobody asks again."""
    for seed in range(4):
        repeating = Repeating(most=32)
        for number in range(6_000):
            question = (seed, 0) if number % 2 else (seed, number)
            ask(repeating, question, "same", at_s=number / 10)
            if number == 1_000:
                repeating.take()
        assert repeating.kept()[2].hits / repeating.calls == pytest.approx(0.5, abs=0.12)


def test_one_question_alone_is_always_looked_at() -> None:
    repeating = Repeating(pause_s=0.1)
    for number in range(5_000):
        ask(repeating, "only", "same", at_s=number / 1_000)
    assert repeating.calls >= 45
    assert repeating.kept()[2].hits >= repeating.calls - 1


def test_questions_that_never_come_back_do_not_keep_later_ones_out() -> None:
    repeating = Repeating(most=64)
    for number in range(20_000):
        ask(repeating, number, "x", at_s=number * 20.0)
    repeating.take()
    for number in range(1_000):
        ask(repeating, number % 10, "y", at_s=400_000 + number)
    assert repeating.kept()[2].hits > 0.5 * 1_000


def test_repeats_merge_by_subject_and_time() -> None:
    one = Repeats(
        kind=Kind.ROUTE, subject="a", calls=10, took_s=1, kept=(Kept(ttl_s=1, hits=4, stale=1),)
    )
    other = Repeats(
        kind=Kind.ROUTE, subject="a", calls=5, took_s=2,
        kept=(Kept(ttl_s=1, hits=2), Kept(ttl_s=60, hits=3, spared_s=1.5)),
    )  # fmt: skip
    statement = Repeats(kind=Kind.STATEMENT, subject="a", calls=1, took_s=0, kept=())
    both, last = merged_repeats([one, statement, other])
    assert (both.calls, both.took_s) == (15, 3)
    assert [(kept.ttl_s, kept.hits, kept.stale) for kept in both.kept] == [(1, 6, 1), (60, 3, 0)]
    assert last is statement
    assert merged_repeats([one, statement], most=1) == (one,)


@pytest.mark.parametrize("calls", [0, 3])
def test_senseless_repeats_refuse_to_exist(calls: int) -> None:
    with pytest.raises(ValueError, match="looked at"):
        Repeats(subject="a", calls=calls, took_s=1, kept=(Kept(ttl_s=1, hits=4),))
    with pytest.raises(ValueError, match="out of date"):
        Kept(ttl_s=1, hits=1, stale=2)
