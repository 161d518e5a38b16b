"""
Literals: one name for statements into whose text a program writes values instead of sending them.

`… WHERE ad = 17`, `… WHERE ad = 18` and so on would be a new name each time. Once there are more
than a few that are alike but for literals, those that differ stand as parameters in the names that
follow; a literal that is the same in all of them is a part of the statement, and stays.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field

MOST_ALIKE = 5
"""So many statements that differ by their literals alone have a name each."""
_MOST_SHAPES = 1_000

_TOKEN = re.compile(
    r"""
      (?P<kept>
          "(?:[^"]|"")*"
        | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
        | /\*.*?\*/
        | \b(?:interval|date|time|timestamp|timestamptz)\s+'(?:[^']|'')*'  # of no parameter
      )
    | (?P<literal>
          (?<![\w$])(?:[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')
        | (?<![\w$.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])
      )
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_PARAMETER = re.compile(r"(?<![\w$])\$(\d+)")


@dataclass(slots=True)
class _Alike:
    """Statements of one shape: the literals of the first, which of them vary, and how many came."""

    first: tuple[str, ...]
    varying: set[int] = field(default_factory=set)
    seen: int = 0


class Literals:
    """Remembers which literals of the statements of a program vary; a bounded number of shapes."""

    def __init__(self) -> None:
        self._shapes: OrderedDict[str, _Alike] = OrderedDict()

    def folded(self, name: str) -> str:
        """*name*, or what it is with parameters in the place of literals that vary."""
        literals = tuple(found[0] for found in _TOKEN.finditer(name) if found["literal"])
        if not literals:
            return name
        alike = self._of(_TOKEN.sub(_blank, name), literals)
        alike.seen += 1
        alike.varying.update(
            number
            for number, (one, other) in enumerate(zip(literals, alike.first, strict=True))
            if one != other
        )
        return name if alike.seen <= MOST_ALIKE else _with_parameters(name, alike.varying)

    def _of(self, shape: str, literals: tuple[str, ...]) -> _Alike:
        alike = self._shapes.get(shape)
        if alike is None:
            alike = self._shapes[shape] = _Alike(literals)
            if len(self._shapes) > _MOST_SHAPES:
                self._shapes.popitem(last=False)
        else:
            self._shapes.move_to_end(shape)
        return alike


def _blank(found: re.Match[str]) -> str:
    return found[0] if found["kept"] else "\x00"


def _with_parameters(name: str, varying: set[int]) -> str:
    number, parameter = -1, max((int(one) for one in _PARAMETER.findall(name)), default=0)

    def written(found: re.Match[str]) -> str:
        nonlocal number, parameter
        if found["kept"]:
            return found[0]
        number += 1
        if number not in varying:
            return found[0]
        parameter += 1
        return f"${parameter}"

    return _TOKEN.sub(written, name)
