"""
Arrivals: which load the options ask for. Options that don't fit together are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keiko_perf.errors import UsageError
from keiko_perf.loadtest import ConstantRate, Load, Poisson, Stage, Stages, Users, replay
from keiko_perf.model.length import read_length

DEFAULT_PER_S = 10.0
DEFAULT_S = 30.0
_BEFORE_SHARE = 1 / 3
"""Of the time around a spike; more is left after it, to see the service recover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options about the load, as they were given."""

    rate: float | None = None
    stages: str | None = None
    users: int | None = None
    replay: Path | None = None
    poisson: bool = False
    spike: str | None = None
    think: str | None = None
    duration: str | None = None


def arrivals(asked: Asked) -> tuple[Load, float]:
    """
    The load, and how long it is measured; 0 is as long as the load itself says.

    Raises:
        UsageError: an option makes no sense, or two don't go together.
        StoreUnavailable: the recording cannot be read.
    """
    _check(asked)
    given_s = 0.0 if asked.duration is None else read_length(asked.duration)
    duration_s = DEFAULT_S if asked.duration is None else given_s
    if asked.users is not None:
        return Users(asked.users, read_length(asked.think or "0s")), duration_s
    if asked.stages is not None:
        return Stages(tuple(_stage(one) for one in asked.stages.split(","))), given_s
    if asked.replay is not None:
        return replay(asked.replay), given_s
    per_s = DEFAULT_PER_S if asked.rate is None else asked.rate
    if asked.spike is not None:
        return _spike(per_s, asked.spike, duration_s), duration_s
    return Poisson(per_s) if asked.poisson else ConstantRate(per_s), duration_s


def _check(asked: Asked) -> None:
    given = [
        option
        for option, value in (
            ("--rate", asked.rate),
            ("--users", asked.users),
            ("--stages", asked.stages),
            ("--replay", asked.replay),
        )
        if value is not None
    ]
    if len(given) > 1:
        raise UsageError(
            f"{' and '.join(given)} exclude each other", cure="Give one of them: each is a load"
        )
    shape = given[0] if given else "--rate"
    for option, is_given, partner in (
        ("--poisson", asked.poisson, "--rate"),
        ("--spike", asked.spike is not None, "--rate"),
        ("--think", asked.think is not None, "--users"),
    ):
        if is_given and shape != partner:
            raise UsageError(
                f"{option} goes with {partner}, not with {shape}",
                cure=f"Leave it out, or give {partner}",
            )
    if asked.poisson and asked.spike is not None:
        raise UsageError("--poisson and --spike exclude each other", cure="Leave one of them out")


def _stage(text: str) -> Stage:
    per_s, at, duration = text.strip().partition("@")
    try:
        return Stage(read_length(duration if at else ""), float(per_s))
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no stage",
            cure="Write stages as 50@30s,200@2m: a rate, and how long to it",
        ) from error


def _spike(per_s: float, text: str, duration_s: float) -> Stages:
    try:
        top = _stage(text)
    except UsageError as error:
        raise UsageError(
            f"{text!r} is no spike", cure="Write it as 500@10s: its rate, and how long it lasts"
        ) from error
    around_s = duration_s - top.duration_s
    if around_s <= 0 or not top.duration_s:
        raise UsageError(
            f"a spike of {top.duration_s:g} s in a test of {duration_s:g} s",
            cure="Make --duration longer than the spike, to see the service before and after it",
        )
    before_s = around_s * _BEFORE_SHARE
    return Stages.spike(
        per_s,
        top.per_s,
        before_s=before_s,
        spike_s=top.duration_s,
        after_s=duration_s - top.duration_s - before_s,
    )
