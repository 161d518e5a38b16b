"""
Sample: one value that a JSON schema allows, the same each time.

What the document gives goes first: an example, a default, a constant, the first of an enumeration.
Else the smallest value of the type, with required properties alone. A schema that requires itself
has no such value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from keiko_perf.loadtest.importers.document import Document, plain
from keiko_perf.loadtest.importers.imported import expect

_DEEPEST = 30
_LONGEST = 10_000
_FORMATS = {
    "byte": "c2FtcGxl",
    "date": "2024-01-01",
    "date-time": "2024-01-01T00:00:00Z",
    "duration": "PT1H",
    "email": "user@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "00:00:00Z",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_TRIED = ("string", "a", "A", "1", "0", "aA1", "2024-01-01", "example.com", "user@example.com")


class NoSample(Exception):
    """There is no value that can be made up; the words say why."""


def sample(document: Document, schema: Any, place: str) -> Any:
    """
    A value that *schema* allows.

    Raises:
        NoSample: none can be made up.
        UsageError: the schema at *place* is no schema.
    """
    return plain(_sample(document, schema, place, 0))


def given(document: Document, node: Mapping[str, Any], place: str) -> tuple[Any, ...]:
    """The value of the `example`, or the first of the `examples`, of a parameter or body."""
    if "example" in node:
        return (plain(node["example"]),)
    examples = node.get("examples")
    if isinstance(examples, Mapping):
        for name, one in examples.items():
            found = document.resolve(one, f"{place}.examples.{name}")
            if "value" in found:
                return (plain(found["value"]),)
    return ()


def _sample(document: Document, schema: Any, place: str, depth: int) -> Any:
    if schema is True:
        return {}
    if schema is False or depth > _DEEPEST:
        raise NoSample("its schema allows nothing" if schema is False else "it requires itself")
    node = _merged(document, document.resolve(schema, place), place, depth)
    for key in ("example", "default", "const"):
        if key in node:
            return node[key]
    for key in ("examples", "enum"):
        if isinstance(node.get(key), list) and node[key]:
            return node[key][0]
    for key in ("oneOf", "anyOf"):
        if node.get(key):
            return _first_of(document, node, f"{place}.{key}", depth, options=node[key])
    kind = _kind(node)
    if kind == "object":
        return _object(document, node, place, depth)
    if kind == "array":
        size = _whole(node.get("minItems"), 0)
        if not size:
            return []
        return [_sample(document, node.get("items", True), f"{place}.items", depth + 1)] * size
    if kind in ("integer", "number"):
        return _number(node, is_whole=kind == "integer")
    if kind == "boolean":
        return True
    return None if kind == "null" else _text(node)


def _merged(document: Document, node: dict[str, Any], place: str, depth: int) -> dict[str, Any]:
    """The schema with all of its `allOf`."""
    parts = node.get("allOf")
    if not parts:
        return node
    if depth > _DEEPEST:
        raise NoSample("it requires itself")
    whole = {key: value for key, value in node.items() if key != "allOf"}
    for index, part in enumerate(expect(parts, list, f"{place}.allOf")):
        where = f"{place}.allOf[{index}]"
        one = _merged(document, document.resolve(part, where), where, depth + 1)
        properties, required = {}, []
        for schema, its_place in ((one, where), (whole, place)):  # what is nearer comes last
            named = expect(schema.get("properties", {}), dict, f"{its_place}.properties")
            properties.update(named)
            required += expect(schema.get("required", []), list, f"{its_place}.required")
        whole = {**one, **whole}
        if properties:
            whole["properties"] = properties
        if required:
            whole["required"] = required
    return whole


def _first_of(
    document: Document, node: dict[str, Any], place: str, depth: int, *, options: Any
) -> Any:
    beside = {key: value for key, value in node.items() if key not in ("oneOf", "anyOf")}
    reason = NoSample("it is one of nothing")
    for index, option in enumerate(expect(options, list, place)):
        one = document.resolve(option, f"{place}[{index}]")
        if one.get("type") == "null":
            continue
        try:
            both = {"allOf": [one, beside]} if beside.get("properties") else one
            return _sample(document, both, f"{place}[{index}]", depth + 1)
        except NoSample as error:
            reason = error
    raise reason


def _kind(node: Mapping[str, Any]) -> str:
    kind = node.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in node or "additionalProperties" in node:
        return "object"
    if "items" in node:
        return "array"
    if "minimum" in node or "maximum" in node or "multipleOf" in node:
        return "number"
    return "string"


def _object(document: Document, node: Mapping[str, Any], place: str, depth: int) -> dict[str, Any]:
    properties = expect(node.get("properties", {}), dict, f"{place}.properties")
    required = expect(node.get("required", []), list, f"{place}.required")
    return {
        str(name): _sample(
            document, properties.get(name, True), f"{place}.properties.{name}", depth + 1
        )
        for name in dict.fromkeys(required)
    }


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Between which numbers one has to be: None is no bound, and an open one is itself outside."""

    low: float | None
    is_open_below: bool
    high: float | None
    is_open_above: bool

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> _Bounds:
        return cls(*_bound(node, "minimum"), *_bound(node, "maximum"))

    def hold(self, value: float) -> bool:
        return not (self._is_under(value) or self._is_over(value))

    def _is_under(self, value: float) -> bool:
        return self.low is not None and (
            value <= self.low if self.is_open_below else value < self.low
        )

    def _is_over(self, value: float) -> bool:
        return self.high is not None and (
            value >= self.high if self.is_open_above else value > self.high
        )

    def first(self) -> float:
        """The lowest one; 1 where there is none, or the highest where that is less."""
        if self.low is not None:
            return self.low
        return 1 if self.high is None else min(1, self.high)


def _number(node: Mapping[str, Any], *, is_whole: bool) -> float:
    bounds, step = _Bounds.of(node), _step(node, is_whole=is_whole)
    value = bounds.first()
    if step:
        value = ceil(value / step - 1e-9) * step
    if bounds.is_open_below and value == bounds.low:
        value += step or 1
    elif bounds.is_open_above and bounds.low is None and value == bounds.high:
        value -= step or 1
    if not step:
        value = _between(bounds, value)
    if not bounds.hold(value):
        raise NoSample("no number is between its bounds")
    return int(value) if is_whole or value == int(value) else value


def _step(node: Mapping[str, Any], *, is_whole: bool) -> float:
    """What the number is a multiple of; 0 where it may be any."""
    given = node.get("multipleOf")
    return given if isinstance(given, int | float) and given > 0 else int(is_whole)


def _between(bounds: _Bounds, value: float) -> float:
    """In the middle, where *value* is at the upper bound or beyond it."""
    low, high = bounds.low, bounds.high
    if low is None or high is None or value < high:
        return value
    return high if low == high else (low + high) / 2


def _bound(node: Mapping[str, Any], key: str) -> tuple[float | None, bool]:
    """A bound, and whether it is itself outside; OpenAPI 3.1 writes that as a number."""
    exclusive = node.get(f"exclusive{key.capitalize()}")
    if isinstance(exclusive, int | float) and not isinstance(exclusive, bool):
        return exclusive, True
    bound = node.get(key)
    return (bound if isinstance(bound, int | float) else None), exclusive is True


def _text(node: Mapping[str, Any]) -> str:
    least = _whole(node.get("minLength"), 0)
    most = _whole(node.get("maxLength"), _LONGEST)
    if least > most or least > _LONGEST:
        raise NoSample("no text is as long as it asks for")
    pattern = node.get("pattern")
    if pattern is None:
        return _FORMATS.get(str(node.get("format")), "string").ljust(least, "a")[:most]
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError) as error:
        raise NoSample(f"its pattern {pattern!r} cannot be read") from error
    for start in (_FORMATS.get(str(node.get("format")), "string"), *_TRIED):
        for length in {len(start), max(least, 1), min(most, 100), *range(1, 13)}:
            text: str = (start * (length // len(start) + 1))[:length]
            if least <= len(text) <= most and compiled.search(text):
                return text
    raise NoSample(f"it has no example that fits its pattern {pattern!r}")


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and value >= 0 else default
