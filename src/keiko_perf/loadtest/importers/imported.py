"""
Imported: steps that an importer made, and what it left out and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.plan import MOST_STEPS, Step

_HOP_BY_HOP = frozenset(
    (
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
SECRET = frozenset(("authorization", "cookie"))


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that became no step, such as `POST /items`, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """
    Attributes:
        origin: scheme, host and port that the source names; empty if it names none.
        steps: what became steps. Their paths begin at the origin.
        left_out: what did not.
        verify: whether the source has certificates verified.
    """

    origin: str = ""
    steps: tuple[Step, ...] = ()
    left_out: tuple[LeftOut, ...] = field(default=())
    verify: bool = True


def usable(headers: Iterable[tuple[str, str]], *, with_secrets: bool) -> dict[str, str]:
    """
    The headers that a step can carry: in lower case, without those of a connection or of HTTP/2,
    and without cookies and authorization unless *with_secrets*. Cookies that come apart are joined.
    """
    kept: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        if name.startswith(":") or name in _HOP_BY_HOP or (name in SECRET and not with_secrets):
            continue
        separator = "; " if name == "cookie" else ", "
        kept[name] = f"{kept[name]}{separator}{value}" if name in kept else value
    return kept


def told_apart(steps: Iterable[Step]) -> tuple[Step, ...]:
    """
    The steps, those of one name numbered: `GET /items`, `GET /items (2)`.

    Raises:
        UsageError: there are more than a plan takes.
    """
    seen: dict[str, int] = {}
    named = []
    for step in steps:
        number = seen[step.name] = seen.get(step.name, 0) + 1
        named.append(step if number == 1 else replace(step, name=f"{step.name} ({number})"))
    if len(named) > MOST_STEPS:
        raise UsageError(
            f"{len(named)} requests, and a plan takes {MOST_STEPS}", cure="Import a part of them"
        )
    return tuple(named)


def literal(path: str) -> str:
    """A path that is no template, though it holds braces."""
    return path.replace("{", "%7B").replace("}", "%7D")


def expect(value: Any, kind: type, place: str) -> Any:
    """
    *value*, if it is of *kind*.

    Raises:
        UsageError: it is not; *place* is where it stands.
    """
    if not isinstance(value, kind):
        raise UsageError(f"{place} is {_words(value)}, not {_KINDS[kind]}", cure="Correct it")
    return value


_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "a text"}


def _words(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, Mapping):
        return "an object"
    return {list: "a list", str: "a text", bool: "true or false"}.get(type(value), "a number")
