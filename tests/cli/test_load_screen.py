"""The live view: what it shows, that it fits, and that it says when not to trust it."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from keiko_perf.cli.course import AMBER, Course, late_tone
from keiko_perf.cli.live import LiveView
from keiko_perf.cli.screen import number, plain, screen, sparkline
from keiko_perf.loadtest import (
    ConstantRate,
    ErrorGroup,
    Failure,
    Progress,
    Stage,
    Stages,
    Users,
)
from keiko_perf.loadtest.progress import StepProgress
from keiko_perf.model import Histogram, Kind, Series, Target
from keiko_perf.model.kpi import ERROR_RATIO, LATENCY_P95

TARGETS = (Target(kpi=ERROR_RATIO, at_most=0.01), Target(kpi=LATENCY_P95, at_most=0.2))
RESETS = ErrorGroup(
    failure=Failure.RESET,
    step="GET /items",
    detail="ECONNRESET",
    count=12,
    first_s=0.0,
    last_s=1.0,
    example="curl",
)


def series(name: str, *, succeeded: int, failed: int = 0, took_s: float = 0.05) -> Series:
    return Series(
        kind=Kind.STEP,
        name=name,
        window_s=10.0,
        succeeded=Histogram([took_s] * succeeded),
        failed=Histogram([took_s] * failed),
    )


def progress(**changes) -> Progress:
    steps = changes.pop("steps", None)
    if steps is None:
        one = series("GET /items", succeeded=500)
        steps = (StepProgress(recent=one, whole=one),)
    given = {
        "elapsed_s": 10.0,
        "total_s": 60.0,
        "is_warming_up": False,
        "offered": 500,
        "succeeded": 500,
        "failed": 0,
        "dropped": 0,
        "in_flight": 3,
        "rate_per_s": 50.0,
        "offered_per_s": 50.0,
        "recent": steps[0].recent,
        "steps": steps,
        "connections": 4,
        "late": Histogram([0.0001] * 500),
        "cpu_ratio": 0.12,
    }
    return Progress(**(given | changes))


def shown(course: Course, *, width: int = 80, height: int = 24) -> list[str]:
    """The lines of the view, as a terminal without colours has them."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=True)
    with console.capture() as captured:
        console.print(screen(course, width=width, height=height))
    return captured.get().rstrip("\n").split("\n")


def course(*seen: Progress, load=None, targets=TARGETS, **options) -> Course:
    found = Course(load or ConstantRate(50), targets, **options)
    for one in seen:
        found.take(one)
    return found


def test_the_first_line_is_the_truth_in_short():
    line = shown(course(progress()), width=100)[0].split("   ")
    assert line == [
        "0:10 / 1:00",
        "asked 50/s, answered 50/s",
        "3 in flight",
        "✓ 2 of 2 met so far",
    ]


def test_users_are_not_asked_for_a_rate():
    line = shown(course(progress(), load=Users(5)), width=100)[0]
    assert "asked" not in line
    assert "answered 50/s" in line


@pytest.mark.parametrize(
    ("elapsed_s", "stage"),
    [(5.0, "stage 1/2 to 50/s"), (25.0, "stage 2/2 to 200/s")],
)
def test_stages_are_numbered_without_jumps(elapsed_s, stage):
    load = Stages((Stage(20, 50), Stage(0, 200), Stage(20, 200)))
    assert stage in shown(course(progress(elapsed_s=elapsed_s), load=load), width=100)[0]


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"is_warming_up": True}, "warming up"), ({"is_draining": True}, "waiting for answers")],
)
def test_it_says_what_the_load_does(changes, word):
    assert word in shown(course(progress(**changes)), width=100)[0]


def rows(lines: list[str]) -> list[list[str]]:
    """The table of the steps, by blanks."""
    at = next(i for i, line in enumerate(lines) if line.startswith("step"))
    return [line.split() for line in lines[at + 1 : lines.index("", at)]]


def test_each_step_has_its_last_seconds_and_its_whole_run():
    recent = series("GET /items", succeeded=490, failed=10, took_s=0.05)
    whole = series("GET /items", succeeded=990, failed=10, took_s=0.08)
    ((method, path, rate, errors, *latencies, trend),) = rows(
        shown(course(progress(steps=(StepProgress(recent=recent, whole=whole),))))
    )
    assert (method, path, rate, errors) == ("GET", "/items", "50.0", "2.00")
    assert latencies == ["50.0", "50.0", "50.0", "80.0", "80.0", "80.0"]
    assert trend == "█"


def test_several_steps_have_a_row_for_all():
    steps = tuple(
        StepProgress(recent=one, whole=one)
        for one in (series("GET /a", succeeded=100), series("GET /b", succeeded=300))
    )
    assert [row[:3] for row in rows(shown(course(progress(steps=steps, succeeded=400))))] == [
        ["GET", "/a", "10.0"],
        ["GET", "/b", "30.0"],
        ["all", "steps", "40.0"],
    ]


def test_a_row_of_some_steps_is_not_called_all():
    one = series("GET /a", succeeded=100)
    steps = (StepProgress(recent=one, whole=one),) * 2
    assert "all steps" not in "".join(shown(course(progress(steps=steps, succeeded=900))))


def test_a_percentile_with_too_few_samples_is_a_dash():
    one = series("GET /items", succeeded=60)
    (row,) = rows(shown(course(progress(steps=(StepProgress(recent=one, whole=one),)))))
    assert row[4:10] == ["50.0", "50.0", "–", "50.0", "50.0", "–"]


def test_more_steps_than_lines_are_left_out_and_counted():
    steps = tuple(
        StepProgress(recent=one, whole=one)
        for number in range(50)
        for one in (series(f"GET /{number}", succeeded=10, took_s=number / 1000),)
    )
    lines = shown(course(progress(steps=steps)), height=24)
    assert len(lines) <= 23
    assert any(re.match(r"\+ \d+ more steps", line) for line in lines)
    assert any("GET /49" in line for line in lines)  # the slowest stays
    assert any("all steps" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 100, 140, 300])
def test_no_line_is_wider_than_the_terminal(width):
    name = "POST /api/v1/organisations/{organisation_id}/members/{member_id}/permissions"
    one = series(name, succeeded=99_000, failed=7_000, took_s=12.5)
    seen = progress(
        steps=(StepProgress(recent=one, whole=one),) * 2,
        errors=(
            ErrorGroup(
                failure=Failure.HTTP_5XX,
                step=name,
                detail="HTTP 503 " * 20,
                count=7000,
                first_s=0,
                last_s=1,
                example="",
            ),
        ),
        dropped=1234,
        rate_per_s=19_999.0,
        offered_per_s=19_999.0,
        in_flight=10_000,
    )
    targets = (*TARGETS, Target(kpi=LATENCY_P95, at_most=0.2, subject=name))
    load = Stages((Stage(20, 50), Stage(0, 20_000), Stage(20, 20_000)))
    lines = shown(course(seen, load=load, targets=targets), width=width, height=40)
    assert max(map(len, lines)) <= width


def test_failures_are_shown_by_class():
    assert "12 × reset  GET /items  ECONNRESET" in shown(course(progress(errors=(RESETS,))))


def test_a_missed_target_says_since_when():
    slow = series("GET /items", succeeded=500, took_s=0.5)
    steps = (StepProgress(recent=slow, whole=slow),)
    seen = course(
        progress(elapsed_s=3.0),
        progress(elapsed_s=7.0, steps=steps),
        progress(elapsed_s=8.0, steps=steps),
    )
    lines = shown(seen)
    (line,) = [line for line in lines if line.startswith("✗")]
    assert line.split() == [
        *("✗", "response", "time", "p95", "500", "ms", "≤", "200", "ms", "██████████"),
        *("since", "0:07"),
    ]
    assert "✗ 1 of 2 missed so far" in lines[0]


def test_a_target_that_nobody_can_judge_yet_is_neither():
    one = series("GET /items", succeeded=5)
    lines = shown(course(progress(steps=(StepProgress(recent=one, whole=one),))), width=100)
    assert lines[0].endswith("… too early to tell")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dropped": 7}, "7 requests were not sent"),
        ({"cpu_ratio": 0.95}, "no CPU left"),
        ({"late": Histogram([0.05] * 500)}, "sends too late"),
    ],
)
def test_a_run_that_will_be_invalid_says_so_at_once(changes, reason):
    lines = shown(course(progress(**changes)), width=100)
    assert lines[0].endswith("INVALID so far")
    assert reason in lines[-1]
    assert reason in plain(course(progress(**changes)))


def test_lateness_that_slower_answers_may_hide_is_amber_and_no_verdict():
    """Of a p99 of 50 ms 20 are much; whether they are in it the result alone can tell."""
    late = progress(late=Histogram([0.02] * 500))
    assert late_tone(late) == AMBER
    assert "INVALID" not in plain(course(late))


def test_a_trend_is_drawn_from_zero_so_that_noise_stays_flat():
    assert sparkline([0.040, 0.041, 0.039, None, 0.4], 10) == "▂▂▂ █"
    assert sparkline([1.0, 2.0, 4.0], 2) == "▅█"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.123, "0.12"), (9.999, "10.0"), (41.26, "41.3"), (999.6, "1000"), (2e5, "200k")],
)
def test_numbers_keep_their_unit_and_their_room(value, text):
    assert number(value) == text
    assert len(number(value)) <= 5


def test_the_plain_line_has_no_control_characters():
    line = plain(course(progress()))
    assert line.startswith("0:10/1:00 · asked 50/s · answered 50/s · 3 in flight · p50 50 ms")
    assert line.isprintable()


# The two ways of showing it


def live(seen: list[Progress], *, is_terminal: bool, **environment: str) -> str:
    """What is written while the view is there."""
    file = io.StringIO()
    console = Console(
        file=file, width=80, height=24, force_terminal=is_terminal, _environ=environment
    )
    with LiveView(console, Course(ConstantRate(50), TARGETS)) as view:
        for one in seen:
            view(one)
    return file.getvalue()


def test_without_a_terminal_it_is_a_plain_line_each_five_seconds():
    written = live([progress(elapsed_s=float(at)) for at in range(1, 13)], is_terminal=False)
    assert [line.partition("/")[0] for line in written.splitlines()] == ["0:05", "0:10"]
    assert "\x1b" not in written


def test_on_a_terminal_it_is_drawn_over_itself_and_gone_at_the_end():
    written = live([progress()], is_terminal=True)
    assert "\x1b[?25l" in written
    assert "GET /items" in written
    last = written[written.rindex("generator") :]
    lines = shown(course(progress()), width=79)
    assert last.count("\x1b[1A\x1b[2K") == len(lines)  # each is taken back


def test_without_colours_it_is_drawn_without_colours():
    coloured = re.compile(r"\x1b\[[\d;]*3[0-7][\d;]*m")
    assert coloured.search(live([progress()], is_terminal=True, TERM="xterm-256color"))
    bare = live([progress()], is_terminal=True, TERM="xterm-256color", NO_COLOR="1")
    assert not coloured.search(bare)


def test_a_dumb_terminal_has_plain_lines():
    written = live([progress()] * 5, is_terminal=True, TERM="dumb")
    assert "\x1b[?25l" not in written
    assert "answered 50/s" in written
