"""
Capacity: the search for the highest rate at which a service keeps its promises, as a pure machine.

The rate is doubled until a step fails, the gap between the last that passed and the first that
failed is halved until the two are within 5 %, both are measured once more, one step overloads the
service, and one sees whether it recovers. A step that could have gone either way is repeated, and
longer. What is found is a bracket and never one lucky number: "at least" where nothing failed, and
nothing at all where the load generator was the limit. A service that a step broke for good is not
searched any further.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.verdicts.inside import times_of
from keiko_perf.model import Message, Target, Verdict, Window
from keiko_perf.model.samples import samples_needed

MOST_STEPS = 40
OVERLOAD_FACTOR = 1.3
RECOVERY_FACTOR = 0.8
_MOST_REPEATS = 2
_LONGER = 2.0
_MOST_STRETCH = 6.0
"""A step is at most so many times as long as was asked for, however many samples are needed."""
_SPARE_SAMPLES = 1.2
_LOWEST_PER_S = 0.1
_MOST_WAITS = 3
"""A service that fails so often in a row where it did not before is not coming back."""


class Purpose(StrEnum):
    """Why a step is measured."""

    RAMP = "ramp"
    BISECT = "bisect"
    AGAIN = "again"
    OVERLOAD = "overload"
    RECOVERY = "recovery"
    BACK = "back"  # whether the service comes back from a step that seems to have broken it


class Passed(StrEnum):
    """How a step ended."""

    YES = "passed"
    NO = "failed"
    UNSURE = "unsure"  # it could have gone either way
    INVALID = "invalid"  # the load generator was the limit


class Found(StrEnum):
    """How a search ended."""

    BRACKET = "bracket"
    AT_LEAST = "at least"  # nothing failed up to the highest rate that was allowed
    BELOW = "below"  # nothing passed
    INVALID = "invalid"  # the load generator was the limit
    GONE = "gone"  # a step broke the service, which did not come back
    UNFINISHED = "unfinished"  # it was stopped, or took too many steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A step that is to be measured: so many requests a second, for so long."""

    purpose: Purpose
    per_s: float
    duration_s: float
    repeat: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """
    A step that was measured.

    Attributes:
        trial: what was to be measured.
        passed: how it ended.
        reasons: why; of a step that passed, nothing.
        started_s: when it began, from the start of the search.
        duration_s: how long it was measured.
        achieved_per_s: how many requests were answered well a second.
        error_ratio: the share that failed.
        p50_s: the median of the response times; None where too few tell.
        p95_s: likewise.
        mean_s: their mean.
        in_flight: how many requests were under way, on average.
        growth_per_s: by how many that grew a second, where it clearly did; else 0.
        verdicts: on each promise.
        window: what the service's resources did, if it is watched.
    """

    trial: Trial
    passed: Passed
    reasons: tuple[Message, ...] = ()
    started_s: float = 0.0
    duration_s: float = 0.0
    achieved_per_s: float = 0.0
    error_ratio: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    mean_s: float | None = None
    in_flight: float = 0.0
    growth_per_s: float = 0.0
    verdicts: tuple[Verdict, ...] = ()
    window: Window | None = None

    @property
    def per_s(self) -> float:
        return self.trial.per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """
    What a search found.

    Attributes:
        found: how it ended.
        last_pass: the highest rate that passed below all that failed.
        first_fail: the lowest that failed.
        tried: all steps, in order.
        overload: the step beyond the capacity, if it came to that.
        recovery: the step after it.
    """

    found: Found
    last_pass: Tried | None
    first_fail: Tried | None
    tried: tuple[Tried, ...]
    overload: Tried | None = None
    recovery: Tried | None = None


def step_s(targets: Sequence[Target], per_s: float, asked_s: float) -> float:
    """How long a step at *per_s* lasts: as asked, or as its percentiles need, within reason."""
    needed = max((_samples(one) for one in targets), default=1) * _SPARE_SAMPLES
    by_itself_s = max((_by_itself_s(one) for one in targets), default=0.0) * _SPARE_SAMPLES
    return min(max(asked_s, needed / per_s, by_itself_s), asked_s * _MOST_STRETCH)


def start_per_s(targets: Sequence[Target], asked_s: float) -> float:
    """A rate to begin with, at which a step has samples enough."""
    needed = max((_samples(one) for one in targets), default=1) * _SPARE_SAMPLES
    return max(10.0, needed / asked_s)


def _by_itself_s(target: Target) -> float:
    """How long it takes to tell what is measured so often a second, whatever the load is."""
    found = times_of(target.kpi)
    if found is None or found[0].per_s is None:
        return 0.0
    return samples_needed(found[1]) / found[0].per_s


def _samples(target: Target) -> int:
    """How many requests it takes to tell the figure; each waits, and sends, at least once."""
    found = times_of(target.kpi)
    if found is not None:
        return 1 if found[0].per_s is not None else samples_needed(found[1])
    name = target.kpi.name
    if not (name.startswith("latency_p") and name.endswith("_s")):
        return 1
    percent = float(name.removeprefix("latency_p").removesuffix("_s").replace("_", "."))
    return samples_needed(percent / 100)


class Search:
    """
    Which step is next, and what all of them say.

    Args:
        targets: what a step has to keep.
        start_per_s: the first rate.
        most_per_s: the highest that may be tried.
        asked_s: how long a step lasts, unless its percentiles need more.
        within: how near the two ends of the bracket are to be, relative.

    Raises:
        UsageError: these make no sense together.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        start_per_s: float,
        most_per_s: float,
        asked_s: float = 10.0,
        within: float = 0.05,
    ) -> None:
        if not 0 < start_per_s <= most_per_s:
            raise UsageError(
                f"a search from {start_per_s:g}/s up to {most_per_s:g}/s",
                cure="Start above 0, and no higher than --max",
            )
        if not (1 <= asked_s <= 3600 and 0 < within < 1):
            raise UsageError(
                f"steps of {asked_s:g} s, and a bracket within {within:g}",
                cure="Use steps of 1 s to 1 h, and a bracket from 0 to 1",
            )
        self._targets = tuple(targets)
        self._start, self._most = start_per_s, most_per_s
        self._asked_s, self._within = asked_s, within
        self._factor = 2.0
        self._tried: list[Tried] = []
        self._passes: list[Tried] = []
        self._fail: Tried | None = None
        self._again: set[float] = set()  # rates that were measured once more
        self._overload: Tried | None = None
        self._recovery: Tried | None = None
        self._is_invalid = False
        self._is_in_doubt = False  # whether the service still does what it did
        self._waits = 0  # steps in a row that it should have passed, or answered one request of

    def next(self) -> Trial | None:
        """The step to measure now; None once there is nothing left to find out."""
        if self._is_invalid or self._is_gone or len(self._tried) >= MOST_STEPS:
            return None
        repeated = self._repeated()
        if repeated is not None:
            return repeated
        if self._is_in_doubt:
            return self._trial(Purpose.BACK, min(one.per_s for one in self._ever_passed))
        low, high = self._low, self._fail
        if high is None:
            if low is None:
                return self._trial(Purpose.RAMP, self._start)
            if low.per_s >= self._most:
                return None
            return self._trial(Purpose.RAMP, min(low.per_s * self._factor, self._most))
        if low is None:
            down = high.per_s / 2
            return self._trial(Purpose.RAMP, down) if self._is_tellable(down) else None
        if high.per_s > low.per_s * (1 + self._within) * (1 + 1e-9):
            return self._trial(Purpose.BISECT, sqrt(low.per_s * high.per_s))
        for one in (high, low):
            if one.per_s not in self._again:
                return self._trial(Purpose.AGAIN, one.per_s)
        if self._overload is None:
            beyond = min(high.per_s * OVERLOAD_FACTOR, max(self._most, high.per_s))
            return self._trial(Purpose.OVERLOAD, beyond)
        if self._recovery is None:
            return self._trial(Purpose.RECOVERY, low.per_s * RECOVERY_FACTOR)
        return None

    def take(self, tried: Tried) -> None:
        """What the step was that `next` asked for."""
        self._tried.append(tried)
        purpose, passed = tried.trial.purpose, tried.passed
        if purpose is Purpose.OVERLOAD:
            self._overload = tried
        elif purpose is Purpose.RECOVERY:
            self._recovery = tried
        elif purpose is Purpose.BACK:
            self._is_in_doubt = passed is Passed.NO
            self._waits = self._waits + 1 if self._is_in_doubt else 0
        elif tried.trial.repeat < _MOST_REPEATS and passed in (Passed.UNSURE, Passed.INVALID):
            return  # it is repeated
        elif passed is Passed.INVALID:
            self._is_invalid = True
        else:
            self._settle(tried, is_pass=passed is Passed.YES)

    @property
    def capacity(self) -> Capacity:
        """What is known so far."""
        low, high = self._broken if self._is_gone else (self._low, self._fail)
        return Capacity(
            found=self._found,
            last_pass=low,
            first_fail=high,
            tried=tuple(self._tried),
            overload=self._overload,
            recovery=self._recovery,
        )

    def _settle(self, tried: Tried, *, is_pass: bool) -> None:
        if tried.trial.purpose is Purpose.AGAIN:
            self._again.add(tried.per_s)
        if is_pass:
            self._passes.append(tried)
            if self._fail is not None and self._fail.per_s <= tried.per_s:
                # What failed passes when it is measured again: look a little higher.
                self._fail = min(
                    (one for one in self._failed_for_sure() if one.per_s > tried.per_s),
                    key=lambda one: one.per_s,
                    default=None,
                )
                self._factor = 1 + self._within
        elif self._fail is None or tried.per_s <= self._fail.per_s:
            self._fail = tried
            # What passed before at this rate did not pass again.
            self._passes = [one for one in self._passes if one.per_s < tried.per_s]
        if not is_pass:
            self._doubt(tried)

    def _doubt(self, failed: Tried) -> None:
        """Whether a step failed that tells more of the service than of its rate."""
        passed = self._ever_passed
        is_dead = not failed.achieved_per_s
        if passed:
            most = max(one.per_s for one in passed)
            self._is_in_doubt = is_dead or failed.per_s <= RECOVERY_FACTOR * most
        else:
            self._waits = self._waits + 1 if is_dead else 0

    @property
    def _is_gone(self) -> bool:
        return self._waits >= _MOST_WAITS

    @property
    def _ever_passed(self) -> list[Tried]:
        return [
            one
            for one in self._tried
            if one.passed is Passed.YES and one.trial.purpose is not Purpose.OVERLOAD
        ]

    @property
    def _broken(self) -> tuple[Tried | None, Tried]:
        """Where the service was last well, and what broke it: the first step that failed since."""
        passed = self._ever_passed
        since = self._tried.index(passed[-1]) + 1 if passed else 0
        broke = next(one for one in self._tried[since:] if one.passed is Passed.NO)
        below = [one for one in passed if one.per_s < broke.per_s]
        return max(below, key=lambda one: one.per_s, default=None), broke

    def _failed_for_sure(self) -> list[Tried]:
        return [
            one
            for one in self._tried
            if one.passed is Passed.NO and one.trial.purpose is not Purpose.OVERLOAD
        ]

    @property
    def _low(self) -> Tried | None:
        below = self._fail.per_s if self._fail is not None else float("inf")
        passes = [one for one in self._passes if one.per_s < below]
        # Of several at one rate the last: it was measured once more.
        return max(reversed(passes), key=lambda one: one.per_s, default=None)

    @property
    def _found(self) -> Found:
        low, high = self._low, self._fail
        if self._is_invalid:
            return Found.INVALID
        if self._is_gone:
            return Found.GONE
        if low is not None and high is None and low.per_s >= self._most:
            return Found.AT_LEAST
        if low is None and high is not None and not self._is_tellable(high.per_s / 2):
            return Found.BELOW
        if low is None or high is None or high.per_s > low.per_s * (1 + self._within) * (1 + 1e-9):
            return Found.UNFINISHED
        if not {low.per_s, high.per_s} <= self._again:
            return Found.UNFINISHED
        return Found.BRACKET

    def _repeated(self) -> Trial | None:
        last = self._tried[-1] if self._tried else None
        if last is None or last.trial.repeat >= _MOST_REPEATS:
            return None
        if last.passed not in (Passed.UNSURE, Passed.INVALID):
            return None
        if last.trial.purpose in (Purpose.OVERLOAD, Purpose.RECOVERY, Purpose.BACK):
            return None
        # A generator that was held up may just have had bad luck; what is unsure needs more.
        longer = _LONGER if last.passed is Passed.UNSURE else 1.0
        return Trial(
            purpose=last.trial.purpose,
            per_s=last.per_s,
            duration_s=last.trial.duration_s * longer,
            repeat=last.trial.repeat + 1,
        )

    def _trial(self, purpose: Purpose, per_s: float) -> Trial:
        if purpose not in (Purpose.AGAIN, Purpose.BACK):
            per_s = float(f"{per_s:.3g}")
        duration_s = step_s(self._targets, per_s, self._asked_s)
        return Trial(purpose=purpose, per_s=per_s, duration_s=duration_s)

    def _is_tellable(self, per_s: float) -> bool:
        """Whether a step at this rate has samples enough within a step's longest time."""
        longest_s = self._asked_s * _MOST_STRETCH
        needed = max((_samples(one) for one in self._targets), default=1)
        return per_s >= _LOWEST_PER_S and per_s * longest_s >= needed
