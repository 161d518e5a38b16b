"""A value, as a person reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from math import inf, isclose, isfinite, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.render.units import (
    FORMATS,
    format_of,
    name_without_unit,
    show,
    show_column,
    show_ticks,
)

TIMES, MINUS = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "format", "english", "german"),
    [
        pytest.param(0.412, "duration", "412 ms", "412 ms", id="milliseconds"),
        pytest.param(3.2e-6, "duration", "3.2 µs", "3,2 µs", id="microseconds"),
        pytest.param(4e-9, "duration", "4 ns", "4 ns", id="nanoseconds"),
        pytest.param(1.25, "duration", "1.25 s", "1,25 s", id="seconds"),
        pytest.param(0.001, "duration", "1 ms", "1 ms", id="a unit is not missed by rounding"),
        pytest.param(0.9999, "duration", "1 s", "1 s", id="rounds up into the next unit"),
        pytest.param(125.4, "duration", "2 min 5 s", "2 min 5 s", id="minutes"),
        pytest.param(3600.0, "duration", "1 h", "1 h", id="a whole hour has no rest"),
        pytest.param(200_000, "duration", "2 d 8 h", "2 d 8 h", id="days"),
        pytest.param(0, "duration", "0 s", "0 s", id="no time at all"),
        pytest.param(-0.003, "duration", f"{MINUS}3 ms", f"{MINUS}3 ms", id="negative"),
        pytest.param(timedelta(seconds=2), "duration", "2 s", "2 s", id="timedelta"),
        pytest.param(0.125, "ratio", "12.5 %", "12,5 %", id="ratio"),
        pytest.param(1.0, "ratio", "100 %", "100 %", id="all"),
        pytest.param(0.99961, "ratio", "99.961 %", "99,961 %", id="nearly all is not all"),
        pytest.param(0.99999999, "ratio", "> 99.9999 %", "> 99,9999 %", id="all but a few"),
        pytest.param(0.9999999999999848, "ratio", "100 %", "100 %", id="a mean of ones"),
        pytest.param(1e-9, "ratio", "< 0.001 %", "< 0,001 %", id="hardly any is not none"),
        pytest.param(8.33, "factor", f"8.3 {TIMES}", f"8,3 {TIMES}", id="factor"),
        pytest.param(1.024, "factor", f"1.02 {TIMES}", f"1,02 {TIMES}", id="factor near one"),
        pytest.param(21.04, "factor", f"21 {TIMES}", f"21 {TIMES}", id="two digits are enough"),
        pytest.param(1234.4, "factor", f"1,234 {TIMES}", f"1.234 {TIMES}", id="large factor"),
        pytest.param(1234, "count", "1,234", "1.234", id="count"),
        pytest.param(Decimal("12.50"), "number", "12.5", "12,5", id="decimal of the database"),
        pytest.param(12.5, "rate", "12.5/s", "12,5/s", id="rate"),
        pytest.param(500.0, "per_minute", "500/min", "500/min", id="per minute"),
        pytest.param(1_258_291, "bytes", "1.2 MiB", "1,2 MiB", id="bytes"),
        pytest.param(512, "bytes", "512 B", "512 B", id="few bytes"),
        pytest.param(True, "text", "yes", "ja", id="truth"),
        pytest.param("12.5", "text", "12.5", "12.5", id="text from outside is left alone"),
        pytest.param("n/a", "duration", "n/a", "n/a", id="text in a column of numbers"),
        pytest.param(None, "count", "no data", "keine Daten", id="nothing is not 0"),
        pytest.param(nan, "ratio", "no data", "keine Daten", id="no number is not 0"),
        pytest.param(inf, "bytes", "∞", "∞", id="without end"),
        pytest.param(10**400, "count", "∞", "∞", id="an integer beyond all floats"),
        pytest.param(1e300, "duration", "1e+300 s", "1e+300 s", id="too long for digits"),
        pytest.param(0, "time", "1970-01-01 00:00:00 UTC", "01.01.1970 00:00:00 UTC", id="epoch"),
    ],
)
def test_a_value_has_its_unit_and_the_languages_separators(
    value: object, format: str, english: str, german: str
) -> None:
    assert show(value, format) == english
    assert show(value, format, "de") == german


def test_a_time_is_shown_in_utc() -> None:
    at = datetime(2026, 3, 4, 1, 0, tzinfo=timezone(timedelta(hours=2)))

    assert show(at, "time") == "2026-03-03 23:00:00 UTC"
    assert show(at, "time", "de") == "03.03.2026 23:00:00 UTC"
    with pytest.raises(ValueError, match="aware"):
        show(at.replace(tzinfo=None), "time")


def test_a_format_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no format 'ms'; there are duration, ratio"):
        show(1.0, "ms")


@given(
    st.one_of(st.floats(), st.integers(), st.decimals(allow_nan=False)), st.sampled_from(FORMATS)
)
def test_any_number_can_be_shown(value: float, format: str) -> None:
    for lang in ("en", "de"):
        shown = show(value, format, lang)
        assert shown
        assert len(shown) < 40


@given(st.floats(min_value=1e-9, max_value=119.0))
def test_a_duration_is_told_to_half_a_per_cent(value_s: float) -> None:
    number, unit = show(value_s, "duration").split()

    told_s = float(number) * {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}[unit]

    assert told_s == pytest.approx(value_s, rel=0.00501)


@given(st.floats(min_value=0, max_value=1))
def test_a_share_is_never_rounded_to_all_or_nothing(ratio: float) -> None:
    shown = show(ratio, "ratio")

    # Nearer to one is but the rounding of floating-point numbers, as a mean of ones has it.
    assert (shown == "100 %") is isclose(ratio, 1, rel_tol=1e-11)
    assert (shown == "0 %") is (ratio == 0)


def test_a_column_keeps_one_unit_while_its_values_are_near() -> None:
    near, far = [0.0982, 1.412, None, 0.4], [3e-6, 5.0]

    assert show_column(near, "duration") == ["98.2 ms", "1,412 ms", "no data", "400 ms"]
    assert show_column(near, "duration", "de")[1] == "1.412 ms"
    assert show_column(far, "duration") == ["3 µs", "5 s"]
    # Five digits before the unit would be less near than they look.
    assert show_column([42.6e-6, 0.0386], "duration") == ["42.6 µs", "38.6 ms"]
    assert show_column([100, 2000], "bytes") == ["100 B", "2,000 B"]
    assert show_column([True, "x", inf], "duration") == ["yes", "x", "∞"]
    assert show_column([], "duration") == []


def test_the_ticks_of_an_axis_take_the_unit_of_the_largest() -> None:
    assert show_ticks([0, 0.5, 1.0, 1.5], "duration") == ["0 s", "0.5 s", "1 s", "1.5 s"]


@given(st.lists(st.one_of(st.none(), st.floats())), st.sampled_from(FORMATS))
def test_a_column_has_a_text_for_each_value(values: list[float | None], format: str) -> None:
    shown = show_column(values, format)

    assert len(shown) == len(values)
    for value, text in zip(values, shown, strict=True):
        known = value is not None and isfinite(value)
        assert known or text in ("no data", "∞", f"{MINUS}∞")


@pytest.mark.parametrize(
    ("name", "format", "shown"),
    [
        ("mean_s", "duration", "mean"),
        ("waits_per_s", "rate", "waits"),
        ("tasks_per_minute", "per_minute", "tasks"),
        ("cache_hit_ratio", "ratio", "cache hit"),
        ("table_size_bytes", "bytes", "table size"),
        ("last_vacuum_at", "time", "last vacuum"),
        ("misestimate_factor", "factor", "misestimate"),
        ("calls", "number", "calls"),
    ],
)
def test_a_figures_name_carries_its_unit(name: str, format: str, shown: str) -> None:
    assert format_of(name) == format
    assert name_without_unit(name) == shown


def test_the_formats_are_those_that_messages_may_name() -> None:
    assert set(FORMATS) == {
        *("duration", "ratio", "factor", "count", "rate", "per_minute", "bytes"),
        *("number", "time", "text"),
    }
    assert all(show(datetime(2026, 1, 1, tzinfo=UTC), format) for format in FORMATS)
