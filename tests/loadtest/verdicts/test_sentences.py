"""A promise is read as it is written; what cannot be read is pointed at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.errors import UsageError
from keiko_perf.loadtest import Promise, read_promises
from keiko_perf.model import Target
from keiko_perf.model.kpi import ERROR_RATIO, THROUGHPUT


def shown(promise: Promise) -> tuple[str, str | None, float, float | None, bool]:
    target = promise.target
    return target.kpi.name, target.subject, target.limit, promise.window_s, promise.stops


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("p99<250ms", [("latency_p99_s", None, 0.25, None, False)]),
        ("P95 <= 1.5 s", [("latency_p95_s", None, 1.5, None, False)]),
        ("p99.9<800us", [("latency_p99_9_s", None, 0.0008, None, False)]),
        ("errors < 0.1%", [("error_ratio", None, 0.001, None, False)]),
        ("errors<0%", [("error_ratio", None, 0.0, None, False)]),
        ("rps>500", [("throughput_per_s", None, 500.0, None, False)]),
        ("throughput >= 600/min", [("throughput_per_s", None, 10.0, None, False)]),
        (
            "p95 of POST /orders < 100ms for 10s, stop as failed",
            [("latency_p95_s", "POST /orders", 0.1, 10.0, True)],
        ),
        (
            "p95 of POST /orders<100ms for 2m stop as failed",
            [("latency_p95_s", "POST /orders", 0.1, 120.0, True)],
        ),
        (
            "p95<200ms, errors<1%, stop as failed, rps>5",
            [
                ("latency_p95_s", None, 0.2, None, False),
                ("error_ratio", None, 0.01, None, True),
                ("throughput_per_s", None, 5.0, None, False),
            ],
        ),
        (
            "p50 of 'GET /a?x=1,2 < 3' ≤ 5ms, p95 of GET /a,b < 1s",
            [
                ("latency_p50_s", "GET /a?x=1,2 < 3", 0.005, None, False),
                ("latency_p95_s", "GET /a,b", 1.0, None, False),
            ],
        ),
    ],
)
def test_a_sentence_is_read(text: str, meant: list[tuple[object, ...]]) -> None:
    found = [shown(one) for one in read_promises(text)]
    for one, two in zip(found, meant, strict=True):
        assert one == pytest.approx(two) if isinstance(one, float) else one[:2] == two[:2]
        assert one[2] == pytest.approx(two[2])
        assert one[3:] == two[3:]


@pytest.mark.parametrize(
    ("text", "at", "reason"),
    [
        ("", 1, "a figure is expected"),
        ("p95<200", 8, "its unit is expected"),
        ("p95<200 for 10s", 9, "its unit is expected"),
        ("p95<200qs", 8, "'qs' is no unit"),
        ("errors<0.1", 11, "its unit is expected"),
        ("errors<120%", 8, "at most 100 %"),
        ("p95>200ms", 4, "promised with <"),
        ("rps<500", 4, "promised with >"),
        ("rps>0", 5, "above 0"),
        ("rps>500 for 10s", 9, "the one that was asked for"),
        ("p95==200ms", 4, "promised with <"),
        ("p95 of < 200ms", 8, "a step is expected"),
        ("mean<200ms", 1, "no figure 'mean'"),
        ("p0<200ms", 1, "no figure 'p0'"),
        ("p100<200ms", 1, "no figure 'p100'"),
        ("p95<ms", 5, "a number is expected"),
        ("p95<200ms for ever", 15, "a window is expected"),
        ("p95<200ms for 10", 17, "a window is expected"),
        ("p95<200ms for 0s", 17, "from 1 s to 1 h"),
        ("p95<200ms errors<1%", 11, "a comma or the end"),
        ("p95<200ms,", 11, "a figure is expected"),
        ("p95", 4, "the limit is expected"),
    ],
)
def test_what_cannot_be_read_is_pointed_at(text: str, at: int, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_promises(text)
    assert reason in caught.value.what
    assert f"at character {at}:" in caught.value.what
    pointer = caught.value.what.splitlines()[2]
    assert pointer.index("^") == 2 + at - 1
    assert caught.value.cure


def test_texts_are_read_one_after_the_other_and_none_promises_nothing() -> None:
    assert read_promises(()) == ()
    assert len(read_promises(["p95<1s", "errors<1%, rps>1"])) == 3


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(UsageError, match="10,000"):
        read_promises("p95<1s," * 2000)


@given(st.text("p95<>=,of 'stopasfailed10m%.sr\"", max_size=60))
def test_whatever_is_written_is_read_or_refused_with_a_cure(text: str) -> None:
    try:
        found = read_promises(text)
    except UsageError as error:
        assert error.cure  # noqa: PT017 - either of the two is right
    else:
        assert found


@given(
    st.sampled_from(["latency", "errors", "rps"]),
    st.integers(1, 99),
    st.one_of(st.none(), st.from_regex(r"[A-Z]{3,4} /[a-z{}/]{0,12}", fullmatch=True)),
    st.one_of(st.none(), st.integers(1, 600)),
    st.booleans(),
)
def test_a_promise_that_is_written_down_is_read_back(
    figure: str, number: int, subject: str | None, window_s: int | None, stops: bool
) -> None:
    of = "" if subject is None else f" of {subject}"
    window = "" if window_s is None or figure == "rps" else f" for {window_s}s"
    first, limit = {
        "latency": (f"p{number}", f"< {number}ms"),
        "errors": ("errors", f"< {number}%"),
        "rps": ("rps", f"> {number}"),
    }[figure]
    (found,) = read_promises(f"{first}{of} {limit}{window}{', stop as failed' if stops else ''}")
    assert found.target.subject == subject
    assert found.stops == stops
    assert found.window_s == (float(window_s) if window_s is not None and window else None)
    expected = {"latency": number / 1000, "errors": number / 100, "rps": float(number)}[figure]
    assert found.target.limit == pytest.approx(expected)
    if figure == "errors":
        assert found.target.kpi is ERROR_RATIO
    elif figure == "rps":
        assert found.target == Target(kpi=THROUGHPUT, at_least=float(number), subject=subject)
