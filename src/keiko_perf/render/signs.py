"""
Signs: the word for an outcome, with its sign and in its colour.

The word and the sign say what the colour says, for those who see no colours.
"""

from __future__ import annotations

from keiko_perf.render.language import unbroken as phrase
from keiko_perf.render.markup import Markup, tag
from keiko_perf.render.words import Word, name, tone

_ICONS = {
    "good": "M4.5 8.5 7 11l4.5-6",
    "bad": "M5 5l6 6M11 5l-6 6",
    "warn": "M8 4v5M8 11.6v.2",
    "unsure": "M6 6.2a2 2 0 1 1 3 1.7c-.7.4-1 .8-1 1.4M8 11.6v.2",
    "calm": "M8 7.5v4M8 4.6v.2",
}


def badge(word: Word, lang: str) -> Markup:
    """The word for an outcome with its sign, in its colour."""
    return toned(tone(word), phrase(name(word), lang))


def toned(which: str, text: str) -> Markup:
    """A word with the sign and in the colour of a tone."""
    return tag("span", icon(which), tag("span", text), class_=f"badge {which}")


def icon(which: str) -> Markup:
    """The sign of a tone."""
    return tag(
        "svg",
        tag("circle", cx=8, cy=8, r=8),
        tag("path", d=_ICONS[which]),
        class_="icon",
        viewBox="0 0 16 16",
        aria_hidden="true",
    )
