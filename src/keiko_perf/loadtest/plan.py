"""
Plan: what is asked of a service, how often and for how long.

A plan is a value. One that makes no sense, or that is larger than its own limits, refuses to
exist. Its repr shows no header and no body, since that is where secrets are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from urllib.parse import quote

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.headers import check_headers
from keiko_perf.loadtest.masks import masked_path
from keiko_perf.loadtest.pacer import (
    ConstantRate,
    Load,
    Replay,
    Stages,
    Users,
    weighted_order,
)
from keiko_perf.loadtest.request import Upload
from keiko_perf.loadtest.target import VISIBLE, Target, Tls, read_target
from keiko_perf.loadtest.users.scenario import Scenario, check_scenarios

MOST_STEPS = 200
MOST_ROWS = 100_000
_METHOD = re.compile(r"[A-Z]{1,20}")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    One kind of request.

    Attributes:
        method: GET, POST…
        path: from the slash on, with its query; `{id}` stands for a value of *rows*. It stays a
            template in every name.
        name: what results call it; unless given, the method and the path, with the secrets of its
            query masked.
        headers: sent with this step, beside those of the plan.
        body: what is sent, or None.
        weight: how often it comes up, against the other steps.
        rows: the values for the placeholders, taken in turn, over and over.
        upload: makes the body, in the place of *body*; it is sent in chunks as it is made.
        streams: whether the time to the first byte of the answer is measured and, of a
            `text/event-stream`, the time to the first event and the gaps between events.
        events: after how many events an answer counts as complete; 0 is after its own end.
    """

    method: str = "GET"
    path: str = "/"
    name: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    weight: int = 1
    rows: tuple[Mapping[str, object], ...] = field(default=(), repr=False)
    upload: Upload | None = field(default=None, repr=False)
    streams: bool = False
    events: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(self.rows))
        if not self.name:
            object.__setattr__(self, "name", f"{self.method} {masked_path(self.path)}")
        _check_step(self)
        check_headers(self.headers)

    @classmethod
    def with_json(
        cls,
        value: object,
        path: str,
        *,
        method: str = "POST",
        name: str = "",
        headers: Mapping[str, str] | None = None,
        weight: int = 1,
    ) -> Step:
        """
        A step that sends *value* as JSON.

        Raises:
            UsageError: JSON has no form for it.
        """
        try:
            body = json.dumps(value, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"the request's data has no form in JSON: {error}",
                cure="Use dictionaries, lists, strings, numbers, true, false and None",
            ) from error
        return cls(
            method=method,
            path=path,
            name=name,
            headers={"content-type": "application/json", **(headers or {})},
            body=body,
            weight=weight,
        )

    def paths(self) -> Iterator[str]:
        """The paths that are asked for, in turn; values are percent-encoded."""
        if not self.rows:
            yield self.path
        parts = _PLACEHOLDER.split(self.path)  # text, name, text, name…
        for row in self.rows:
            values = (quote(str(row[name]), safe="") for name in parts[1::2])
            yield parts[0] + "".join(map("".join, zip(values, parts[2::2], strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a plan may not exceed by accident; give your own to go further."""

    duration_s: float = 3600.0
    per_s: float = 20_000.0
    users: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    Attributes:
        base_url: scheme, host, port and, if need be, a path that all steps share.
        steps: what is asked, mixed by weight in an order that each run repeats.
        load: how often.
        duration_s: how long is measured; of `Stages` it is their length, and may be left out; a
            `Replay` is measured to its end unless told.
        warmup_s: how long the load is on before measuring begins.
        timeout_s: how long an answer may take, from the first byte sent to the last received.
        connections: how many connections there are at most; users have one each.
        max_in_flight: how many requests may be under way or wait for a connection. Beyond that
            they are dropped, and the run is invalid.
        headers: sent with every request.
        own_target: the target is the caller's own, though its address is neither loopback nor
            private.
        limits: what the plan may not exceed.
        tls: how https is spoken.
        unix_socket: the path of a socket to connect to, in the place of the URL's host and port.
        resolves_each: ask DNS again for each connection, and not once.
        uses_proxy: go through the proxy that the environment names (HTTP_PROXY, HTTPS_PROXY,
            NO_PROXY), if it names one.
        follow_redirects: how many redirects in a row are followed, within the same origin. The
            time of a request then includes them.
        accept_gzip: ask for compressed answers, and read them.
        scenarios: what users do, in the place of steps; the steps of the result are then the names
            of their requests.
        seed: what the users' `random` begins with.
    """

    base_url: str
    steps: tuple[Step, ...] = field(default_factory=lambda: (Step(),))
    load: Load = field(default_factory=lambda: ConstantRate(10.0))
    duration_s: float = 0.0
    warmup_s: float = 0.0
    timeout_s: float = 10.0
    connections: int = 100
    max_in_flight: int = 10_000
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    own_target: bool = False
    limits: Limits = Limits()
    tls: Tls = field(default_factory=Tls)
    unix_socket: str = ""
    resolves_each: bool = False
    uses_proxy: bool = False
    follow_redirects: int = 0
    accept_gzip: bool = False
    scenarios: tuple[Scenario, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "scenarios", tuple(self.scenarios))
        is_default = self.scenarios and self.steps == (Step(),)
        object.__setattr__(self, "steps", () if is_default else tuple(self.steps))
        if isinstance(self.load, Stages) and not self.duration_s:
            object.__setattr__(self, "duration_s", self.load.duration_s)
        if isinstance(self.load, Replay) and not self.duration_s:
            # Its beginning is the warm-up.
            object.__setattr__(self, "duration_s", self.load.duration_s - self.warmup_s)
        read_target(self.base_url, unix_socket=self.unix_socket)
        check_headers(self.headers)
        _check_asked(self)
        _check_times(self)
        _check_load(self)
        _check_ways(self)

    @property
    def target(self) -> Target:
        return read_target(self.base_url, unix_socket=self.unix_socket)

    @property
    def total_s(self) -> float:
        """How long requests are sent, the warm-up included."""
        return self.warmup_s + self.duration_s

    @property
    def order(self) -> tuple[int, ...]:
        """One cycle of the indices of the steps."""
        return weighted_order(tuple(step.weight for step in self.steps))


def _check_step(step: Step) -> None:
    if not _METHOD.fullmatch(step.method):
        raise UsageError(f"{step.method!r} is no HTTP method", cure="Write it in capitals: GET")
    if not 1 <= step.weight <= 1000:
        raise UsageError(
            f"step {step.name!r} has the weight {step.weight!r}",
            cure="Use a whole number, 1 to 1000",
        )
    if len(step.rows) > MOST_ROWS:
        raise UsageError(
            f"step {step.name!r} has {len(step.rows)} rows", cure=f"Give at most {MOST_ROWS}"
        )
    named = set(_PLACEHOLDER.findall(step.path))
    if named and not step.rows:
        raise UsageError(
            f"the path {step.path!r} has placeholders and the step has no rows",
            cure="Give the step rows with a value for each",
        )
    for row in step.rows:
        if missing := named - set(row):
            raise UsageError(
                f"a row of step {step.name!r} has no {sorted(missing)[0]!r}",
                cure="Give each row a value for each placeholder of the path",
            )
    bare = _PLACEHOLDER.sub("0", step.path)
    if not bare.startswith("/") or not VISIBLE.fullmatch(bare) or "#" in bare:
        raise UsageError(
            f"{step.path!r} is no path that a request can carry",
            cure="Start it with a slash and percent-encode blanks and characters outside ASCII",
        )

    if step.upload is not None and step.body is not None:
        raise UsageError(
            f"step {step.name!r} has a body and an upload", cure="Leave out one of the two"
        )
    if step.events < 0 or (step.events and not step.streams):
        raise UsageError(
            f"step {step.name!r} ends after {step.events!r} events",
            cure="Use a whole number from 1 on, together with streams=True",
        )


def _check_asked(plan: Plan) -> None:
    if not plan.scenarios:
        _check_steps(plan.steps)
        return
    if plan.steps:
        raise UsageError("a plan of steps and scenarios", cure="Use one of the two")
    check_scenarios(plan.scenarios)
    for one in plan.scenarios:
        check_headers(one.headers)


def _check_steps(steps: tuple[Step, ...]) -> None:
    if not 1 <= len(steps) <= MOST_STEPS:
        raise UsageError(f"a plan of {len(steps)} steps", cure=f"Use 1 to {MOST_STEPS} steps")
    names = [step.name for step in steps]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(
            f"two steps are called {sorted(twice)[0]!r}", cure="Give each step a name of its own"
        )
    weighted_order(tuple(step.weight for step in steps))


def _check_times(plan: Plan) -> None:
    limit = plan.limits.duration_s
    if not (isfinite(plan.duration_s) and plan.duration_s > 0):
        raise UsageError(
            f"a duration of {plan.duration_s!r} s", cure="Measure for a number of seconds above 0"
        )
    if not (isfinite(plan.warmup_s) and plan.warmup_s >= 0):
        raise UsageError(f"a warm-up of {plan.warmup_s!r} s", cure="Warm up for 0 s or longer")
    if plan.total_s > limit:
        raise UsageError(
            f"the plan sends requests for {plan.total_s:g} s, its limit is {limit:g} s",
            cure="Shorten it, or raise limits.duration_s (--max-duration) if that is meant",
        )
    if not 0.001 <= plan.timeout_s <= 3600:
        raise UsageError(
            f"a timeout of {plan.timeout_s!r} s", cure="Wait between 1 ms and 1 h for an answer"
        )


def _check_load(plan: Plan) -> None:
    load, limits = plan.load, plan.limits
    if not (1 <= plan.connections <= 60_000 and 1 <= plan.max_in_flight <= 1_000_000):
        raise UsageError(
            "a plan needs connections from 1 to 60000 and max_in_flight from 1 to 1000000",
            cure="Correct them",
        )
    if isinstance(load, Users):
        if load.count > limits.users:
            raise UsageError(
                f"{load.count} users, the limit is {limits.users}",
                cure="Use fewer, or raise limits.users if that is meant",
            )
        if load.count > plan.max_in_flight:
            raise UsageError(
                f"{load.count} users, and only {plan.max_in_flight} requests in flight",
                cure="Raise max_in_flight to the number of users",
            )
        return
    if load.peak_per_s > limits.per_s:
        raise UsageError(
            f"{load.peak_per_s:g} requests a second, the limit is {limits.per_s:g}",
            cure="Use fewer, or raise limits.per_s (--max-rate) if that is meant",
        )
    if isinstance(load, Stages):
        if plan.duration_s != load.duration_s:
            raise UsageError(
                f"a duration of {plan.duration_s:g} s, the stages last {load.duration_s:g} s",
                cure="Leave the duration out",
            )
        if plan.warmup_s and not load.start_per_s:
            raise UsageError(
                "a warm-up before stages that start from 0/s would send nothing",
                cure="Give start_per_s, or make the warm-up the first stage",
            )


def _check_ways(plan: Plan) -> None:
    if not 0 <= plan.follow_redirects <= 20:
        raise UsageError(
            f"{plan.follow_redirects!r} redirects to follow", cure="Follow from 0 to 20"
        )
    if plan.uses_proxy and plan.target.unix_socket:
        raise UsageError("a proxy on the way to a unix socket", cure="Leave out one of the two")
    if plan.accept_gzip and any(
        name.lower() == "accept-encoding"
        for headers in (plan.headers, *(step.headers for step in plan.steps))
        for name in headers
    ):
        raise UsageError(
            "the header Accept-Encoding and accept_gzip both say what is accepted",
            cure="Leave out one of the two",
        )
