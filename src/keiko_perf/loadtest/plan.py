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
from urllib.parse import quote, urlsplit

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.pacer import (
    ConstantRate,
    Load,
    Replay,
    Stages,
    Users,
    weighted_order,
)

MOST_STEPS = 200
MOST_ROWS = 100_000
_METHOD = re.compile(r"[A-Z]{1,20}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_TARGET = re.compile(r"[!-~]+")  # visible ASCII: nothing that could end the request line early
_OURS = frozenset({"connection", "content-length", "expect", "transfer-encoding", "upgrade"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    One kind of request.

    Attributes:
        method: GET, POST…
        path: from the slash on, with its query; `{id}` stands for a value of *rows*. It stays a
            template in every name.
        name: what results call it; the method and the path unless given.
        headers: sent with this step, beside those of the plan.
        body: what is sent, or None.
        weight: how often it comes up, against the other steps.
        rows: the values for the placeholders, taken in turn, over and over.
    """

    method: str = "GET"
    path: str = "/"
    name: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    weight: int = 1
    rows: tuple[Mapping[str, object], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(self.rows))
        if not self.name:
            object.__setattr__(self, "name", f"{self.method} {self.path}")
        _check_step(self)
        _check_headers(self.headers)

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


@dataclass(frozen=True, slots=True)
class Target:
    """Where the requests go: a URL in its parts."""

    scheme: str
    host: str
    port: int
    prefix: str

    @property
    def is_tls(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """The Host header: IPv6 in brackets, the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        if isinstance(self.load, Stages) and not self.duration_s:
            object.__setattr__(self, "duration_s", self.load.duration_s)
        if isinstance(self.load, Replay) and not self.duration_s:
            # Its beginning is the warm-up.
            object.__setattr__(self, "duration_s", self.load.duration_s - self.warmup_s)
        _parse(self.base_url)
        _check_headers(self.headers)
        _check_steps(self.steps)
        _check_times(self)
        _check_load(self)

    @property
    def target(self) -> Target:
        return _parse(self.base_url)

    @property
    def total_s(self) -> float:
        """How long requests are sent, the warm-up included."""
        return self.warmup_s + self.duration_s

    @property
    def order(self) -> tuple[int, ...]:
        """One cycle of the indices of the steps."""
        return weighted_order(tuple(step.weight for step in self.steps))


def bearer(token: str) -> dict[str, str]:
    """
    The header that carries a bearer token; none for an empty one.

    Raises:
        UsageError: the token has characters that no header can carry. It is not repeated.
    """
    if not token:
        return {}
    if token != token.strip() or not (token.isascii() and token.isprintable()):
        raise UsageError(
            "the bearer token has a blank at its end, a line end or characters outside ASCII",
            cure="Pass the token alone",
        )
    if token.lower().startswith("bearer "):
        raise UsageError("the bearer token begins with the word Bearer", cure="Pass it without")
    return {"authorization": f"Bearer {token}"}


def _parse(base_url: str) -> Target:
    cure = "Write it as http://127.0.0.1:8000"
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError as error:
        raise UsageError("the base URL cannot be read", cure=cure) from error
    if parts.username is not None or parts.password is not None:
        # It may hold a password, so it is not repeated.
        raise UsageError(
            "the base URL holds a user or a password", cure="Send them as an Authorization header"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{base_url!r} is no http or https URL", cure=cure)
    if port == 0:
        raise UsageError(f"{base_url!r} names port 0", cure=cure)
    if parts.query or parts.fragment:
        raise UsageError(
            "the base URL has a query or a fragment", cure="Move it into a step's path"
        )
    prefix = parts.path.rstrip("/")
    if prefix and not _TARGET.fullmatch(prefix):
        raise UsageError("the base URL's path has characters that no request carries", cure=cure)
    try:
        host = (
            parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
        )
    except UnicodeError as error:
        raise UsageError("the base URL's host is no name that DNS knows", cure=cure) from error
    return Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), prefix)


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
            f"step {step.name!r} has {len(step.rows)} rows", cure=f"give at most {MOST_ROWS}"
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
    if not bare.startswith("/") or not _TARGET.fullmatch(bare) or "#" in bare:
        raise UsageError(
            f"{step.path!r} is no path that a request can carry",
            cure="Start it with a slash and percent-encode blanks and characters outside ASCII",
        )


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise UsageError(f"{name!r} is no header's name", cure="Write headers as 'Name: value'")
        if name.lower() in _OURS:
            raise UsageError(
                f"the header {name} is the engine's own",
                cure="Leave it out: it follows from the body",
            )
        # A value may be a secret, so it is not repeated.
        if any(
            not (sign == "\t" or " " <= sign <= "~" or "\xa0" <= sign <= "\xff") for sign in value
        ):
            raise UsageError(
                f"the value of the header {name} has characters that no header carries",
                cure="Remove line ends and control characters, and encode what is not Latin-1",
            )


def _check_steps(steps: tuple[Step, ...]) -> None:
    if not 1 <= len(steps) <= MOST_STEPS:
        raise UsageError(f"a plan of {len(steps)} steps", cure=f"use 1 to {MOST_STEPS} steps")
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
