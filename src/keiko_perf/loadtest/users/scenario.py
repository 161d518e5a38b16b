"""
Scenario: what a user does, as a plain async function.

    @scenario(weight=3, think="0.5s..2s")
    async def browse(user):
        items = await user.get("/items")
        await user.get(f"/items/{items.json()[0]['id']}", name="GET /items/{id}")

A scenario is a value, and can still be called as the function that it was made of. It travels to
another process by its name (`scenario_file`), so its function is one of a module or of a file.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, overload

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.users.feed import Feed
from keiko_perf.model.length import read_length

if TYPE_CHECKING:
    from keiko_perf.loadtest.users.user import User

Act = Callable[["User"], Awaitable[object]]
"""Something a user does."""

MOST_SCENARIOS = 100
_NO_THOUGHT = "Write it as 2, 500ms, 1s or 0.5s..2s"


@dataclass(frozen=True, slots=True)
class Think:
    """How long a user thinks: between *least_s* and *most_s*, each length as likely."""

    least_s: float = 0.0
    most_s: float = 0.0

    def __post_init__(self) -> None:
        if not (isfinite(self.most_s) and 0 <= self.least_s <= self.most_s):
            raise UsageError(
                f"a user cannot think for {self.least_s:g} s to {self.most_s:g} s",
                cure="Give the shorter time first, and none below 0",
            )

    @classmethod
    def parsed(cls, given: str | float) -> Think:
        """
        Read `2`, `500ms`, `1s` or `0.5s..2s`.

        Raises:
            UsageError: it is none of these.
        """
        if not isinstance(given, str):
            return cls(float(given), float(given))
        least, dots, most = given.partition("..")
        least_s = _seconds(least)
        return cls(least_s, _seconds(most) if dots else least_s)

    @property
    def mean_s(self) -> float:
        return (self.least_s + self.most_s) / 2

    def drawn(self, share: float) -> float:
        """The length at *share*, from 0 to 1, of the way from the shortest to the longest."""
        return self.least_s + (self.most_s - self.least_s) * share


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """
    Attributes:
        run: one iteration: what a user does from a beginning to an end.
        name: what errors call it; the function's name unless given.
        weight: of closed load the share of the users, of open load that of the arrivals.
        think: between two iterations of a user, in closed load.
        pacing_s: in closed load an iteration begins this long after the last one began, or when
            that one ends if it took longer; 0 for none. It excludes *think*.
        on_start: what each user does once, before the first iteration; such as to log in.
        set_up: what is done once for a run, before the load and unmeasured. What it returns is
            each user's `given`.
        tear_down: what is done once for a run, after the load and unmeasured.
        rows: data for users, one row each, or one for each iteration.
        headers: sent with every request of its users.
    """

    run: Act
    name: str = ""
    weight: int = 1
    think: Think = Think()
    pacing_s: float = 0.0
    on_start: Act | None = None
    set_up: Act | None = None
    tear_down: Act | None = None
    rows: Feed | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for act in (self.run, self.on_start, self.set_up, self.tear_down):
            if act is not None:
                _check_act(act)
        if not self.name:
            object.__setattr__(self, "name", self.run.__name__)
        if not 1 <= self.weight <= 1000:
            raise UsageError(
                f"the scenario {self.name!r} has the weight {self.weight!r}",
                cure="Use a whole number, 1 to 1000",
            )
        if not (isfinite(self.pacing_s) and self.pacing_s >= 0):
            raise UsageError(
                f"the scenario {self.name!r} is paced by {self.pacing_s!r} s",
                cure="Use a number of seconds from 0 on",
            )
        if self.pacing_s and self.think.most_s:
            raise UsageError(
                f"the scenario {self.name!r} has both a think time and a pacing",
                cure="Give one of the two",
            )

    def __call__(self, user: User) -> Awaitable[object]:
        return self.run(user)


@overload
def scenario(run: Act, /) -> Scenario: ...


@overload
def scenario(
    *,
    name: str = "",
    weight: int = 1,
    think: str | float = 0.0,
    pacing: str | float = 0.0,
    on_start: Act | None = None,
    set_up: Act | None = None,
    tear_down: Act | None = None,
    rows: Feed | None = None,
    headers: Mapping[str, str] | None = None,
) -> Callable[[Act], Scenario]: ...


def scenario(
    run: Act | None = None,
    /,
    *,
    name: str = "",
    weight: int = 1,
    think: str | float = 0.0,
    pacing: str | float = 0.0,
    on_start: Act | None = None,
    set_up: Act | None = None,
    tear_down: Act | None = None,
    rows: Feed | None = None,
    headers: Mapping[str, str] | None = None,
) -> Scenario | Callable[[Act], Scenario]:
    """
    Make a scenario of an async function, as `@scenario` or `@scenario(weight=3, think="1s..2s")`.

    `Scenario` says what each argument means; *think* and *pacing* are seconds, or written as
    `500ms`, `2s`, and think times also as `0.5s..2s`.

    Raises:
        UsageError: it is no async function of one argument, or an argument makes no sense.
    """

    def make(function: Act) -> Scenario:
        return Scenario(
            run=function,
            name=name,
            weight=weight,
            think=Think.parsed(think),
            pacing_s=_seconds(pacing) if isinstance(pacing, str) else float(pacing),
            on_start=on_start,
            set_up=set_up,
            tear_down=tear_down,
            rows=rows,
            headers=headers or {},
        )

    return make if run is None else make(run)


def check_scenarios(scenarios: tuple[Scenario, ...]) -> None:
    """
    Refuse what cannot be mixed.

    Raises:
        UsageError: there are too many, or two have one name.
    """
    if len(scenarios) > MOST_SCENARIOS:
        raise UsageError(
            f"a plan of {len(scenarios)} scenarios", cure=f"Use at most {MOST_SCENARIOS}"
        )
    names = [one.name for one in scenarios]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(
            f"two scenarios are called {sorted(twice)[0]!r}", cure="Give each a name of its own"
        )


def _check_act(act: object) -> None:
    name = getattr(act, "__name__", repr(act))
    if not inspect.iscoroutinefunction(act):
        raise UsageError(f"{name!r} is no async function", cure=f"Write async def {name}(user)")
    try:
        inspect.signature(act).bind(None)
    except TypeError as error:
        raise UsageError(
            f"{name!r} does not take one argument", cure=f"Write async def {name}(user)"
        ) from error


def _seconds(text: str) -> float:
    return read_length(text, what="time to think", cure=_NO_THOUGHT)
