"""
Markup: HTML, SVG and XML built from elements, so that no text can ever be taken for markup.

Only what `tag` made is markup; every `str` is escaped, wherever it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from keiko_perf.render.clean import clean

_OPTION = re.compile(r"(--[a-z][a-z-]{1,30})")
_SEPARATOR = re.compile(r"(?<=[/.,&?])(?=[^/.,&?\s])")
_VOID = frozenset({"meta", "wbr"})


class Markup(str):
    """Text that is markup already. Made by `tag` and `joined` alone, and from our own assets."""

    __slots__ = ()


Child = Markup | str | None


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """
    An element.

    Args:
        name: of the element.
        children: markup, or text that is escaped; None is left out.
        attributes: `class_` is `class`, `stroke_width` is `stroke-width`; None is left out, and
            an empty one stands for itself.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_text(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(children: Iterable[Child], between: str = "") -> Markup:
    """Children next to each other, with *between* between them; each str is escaped."""
    return Markup(_safe(between).join(_safe(one) for one in children if one is not None))


def _safe(child: str) -> str:
    return child if isinstance(child, Markup) else _text(child)


def breakable(text: str) -> Markup:
    """Text that may be broken after its separators, as a route or a qualified name."""
    parts = _SEPARATOR.split(clean(text))
    return joined(parts, tag("wbr"))


def prose(text: str) -> Markup:
    """Text in which no option of a command, such as `--processes`, is broken at its hyphens."""
    parts = _OPTION.split(clean(text))
    return joined(
        tag("span", one, class_="option") if index % 2 else one for index, one in enumerate(parts)
    )


def _text(text: str) -> str:
    return escape(clean(text), quote=True)
