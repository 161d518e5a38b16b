"""Who is next, and who has waited long enough."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.errors import UsageError
from keiko_perf.optimization.queueing import Discipline, Queue, QueueRules


def queue_of(discipline: Discipline, *waiters: tuple[str, float]) -> Queue[str]:
    queue: Queue[str] = Queue(
        QueueRules(discipline=discipline, most=4, patience_s=1, target_s=0.02, interval_s=0.1)
    )
    for name, since_s in waiters:
        queue.join(name, since_s)
    return queue


@pytest.mark.parametrize(
    ("discipline", "now_s", "order"),
    [
        ("fifo", 0.05, "abc"),
        ("fifo", 0.5, "abc"),
        ("lifo", 0.05, "cba"),
        ("codel", 0.05, "abc"),  # a passing queue
        ("codel", 0.11, "cba"),  # a standing one
        ("codel", 0.5, "abc"),  # nobody has come for long: it only shrinks
    ],
)
def test_the_next_one_is(discipline: Discipline, now_s: float, order: str) -> None:
    queue = queue_of(discipline, ("a", 0), ("b", 0.01), ("c", 0.02))
    assert "".join(queue.next(now_s) for _ in range(3)) == order
    assert len(queue.waiting) == 0


@pytest.mark.parametrize(
    ("discipline", "now_s", "gone"),
    [
        ("fifo", 0.5, []),
        ("fifo", 1.005, ["a"]),
        ("lifo", 1.0, ["a"]),
        ("codel", 0.09, []),  # longer than the target, in a queue that may be a passing one
        ("codel", 0.1, ["a", "b"]),
        ("codel", 0.18, ["a", "b"]),  # the last two are kept, for places that come free
        ("codel", 0.5, []),  # nobody has come for long: it only shrinks
        ("codel", 1.085, ["a", "b", "c"]),  # until their patience is over, too
    ],
)
def test_whoever_has_waited_too_long_is_turned_away(
    discipline: Discipline, now_s: float, gone: list[str]
) -> None:
    queue = queue_of(discipline, ("a", 0), ("b", 0.07), ("c", 0.08), ("d", 0.09))
    assert queue.turn_away(now_s) == gone
    assert len(queue.waiting) == 4 - len(gone)


def test_it_says_when_somebody_will_have_waited_too_long() -> None:
    assert queue_of("fifo").next_look_s(0) is None
    assert queue_of("fifo", ("a", 2)).next_look_s(2.5) == 3
    standing = queue_of("codel", ("a", 2), ("b", 2.085), ("c", 2.09), ("d", 2.095))
    assert standing.next_look_s(2) == pytest.approx(2.1)
    assert standing.turn_away(2.1) == ["a"]
    assert standing.next_look_s(2.1) == pytest.approx(2.105)
    assert standing.turn_away(2.105) == ["b"]
    assert standing.next_look_s(2.105) == pytest.approx(3.09)


@given(
    st.sampled_from(["fifo", "lifo", "codel"]),
    st.lists(st.tuples(st.sampled_from("jjjnlt"), st.sampled_from([0, 0.005, 0.03, 0.2, 1]))),
)
def test_whoever_looks_again_only_when_told_to_is_never_late(
    discipline: Discipline, steps: list[tuple[str, float]]
) -> None:
    queue, now_s, look_s = queue_of(discipline), 0.0, inf
    for at, (step, later_s) in enumerate(steps):
        now_s += later_s
        if now_s >= look_s:  # as the limiter's timer does
            queue.turn_away(now_s)
            look_s = queue.next_look_s(now_s) or inf
            assert look_s > now_s  # or a timer would run for ever
        if step == "j" and queue.join(f"{at}", now_s):
            look_s = min(look_s, queue.next_look_s(now_s) or inf)
        elif step == "n" and queue.waiting:
            queue.next(now_s)
        elif step == "l" and queue.waiting:
            queue.leave(next(iter(queue.waiting)))
        assert look_s <= (queue.next_look_s(now_s) or inf)


def test_who_came_all_at_once_may_be_patient_until_somebody_else_comes() -> None:
    queue = queue_of("codel", *((name, 0.0) for name in "abcd"))
    assert queue.next_look_s(0) == 1  # nobody whom they would keep waiting
    assert queue.turn_away(0.5) == []
    queue.leave("a")
    assert queue.join("e", 0.6)  # from now on it stands, and it is time to look again
    assert queue.next_look_s(0.6) == pytest.approx(0.02)
    assert queue.turn_away(0.6) == ["b", "c"]


def test_who_came_within_a_long_turn_of_the_loop_begins_to_wait_after_it() -> None:
    queue = queue_of("fifo", ("a", 0), ("b", 0.5), ("c", 0.9))
    queue.begin_anew(0.5, 2)
    assert queue.turn_away(2) == ["a"]
    assert queue.next_look_s(2) == 3


def test_an_emptied_queue_stands_no_more() -> None:
    queue = queue_of("codel", ("a", 0))
    assert queue.next(5) == "a"
    queue.join("b", 5)
    queue.join("c", 5.01)
    assert queue.next(5.02) == "b"


def test_it_holds_so_many_and_forgets_who_leaves() -> None:
    queue = queue_of("fifo", *((name, 0.0) for name in "abcd"))
    assert queue.is_full
    queue.leave("b")
    queue.leave("nobody")
    assert not queue.is_full
    assert [queue.next(0) for _ in range(3)] == ["a", "c", "d"]


@pytest.mark.parametrize(
    ("wrong", "cure"),
    [({"discipline": "random"}, "fifo, lifo or codel"), ({"patience_s": 0}, "over 0")],
)
def test_rules_without_sense_are_refused(wrong: dict[str, Any], cure: str) -> None:
    with pytest.raises(UsageError, match=cure):
        QueueRules(**wrong)
