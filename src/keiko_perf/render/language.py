"""
Language: a message with its values in it, in English or in German.

What comes from outside, a plain `str`, is never translated. A template that the catalogue does
not have stays English: a sentence in the wrong language is better than none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import Formatter

from keiko_perf.errors import UsageError
from keiko_perf.model import Message, Text
from keiko_perf.render.german import GERMAN
from keiko_perf.render.german.evidence import german_name
from keiko_perf.render.units import name_without_unit, show
from keiko_perf.render.words import Word, name

LANGUAGES = ("en", "de")
"""What a person may read a report in."""
_WORD = re.compile(r"[^\W\d_]+(?![\w.])")


def phrase(text: Text, lang: str = "en") -> str:
    """
    The sentence, translated and with its values formatted; messages among them likewise.

    Raises:
        UsageError: the language is not known.
        ValueError: a placeholder names a format that there is not.
    """
    return _phrase(text, lang, space=" ")


def sentence(text: Text, lang: str = "en", *, is_unbroken: bool = False) -> str:
    """
    As `phrase`, or `unbroken`, to stand by itself: it begins with a capital letter.

    A name, such as p95 or a statement's, stays as it is written.
    """
    said = unbroken(text, lang) if is_unbroken else phrase(text, lang)
    return said[:1].upper() + said[1:] if _begins_with_a_word(text, lang) else said


def unbroken(text: Text, lang: str = "en") -> str:
    """As `phrase`, but no line is ever broken between a number and its unit."""
    return _phrase(text, lang, space="\N{NO-BREAK SPACE}")


def figure_name(name: str, lang: str = "en") -> str:
    """What a figure of evidence is called, without its unit: `cache_hit_ratio` is "cache hit"."""
    english = name_without_unit(name)
    return german_name(english) if lang == "de" else english


def known(lang: str) -> None:
    """
    Refuse a language that is not known.

    Raises:
        UsageError: it is not.
    """
    if lang not in LANGUAGES:
        raise UsageError(
            f"there is no language {lang!r}", cure=f"Take one of {', '.join(LANGUAGES)}"
        )


def _begins_with_a_word(text: object, lang: str) -> bool:
    """Not with a value such as a route or a step, and not with a name such as p95."""
    while isinstance(text, Message):
        template = _template(text, lang)
        if not template.startswith("{"):
            return _WORD.match(template) is not None
        _, name, _, _ = next(iter(Formatter().parse(template)))
        text = text.values.get(name or "")
    return False


def _template(text: Message, lang: str) -> str:
    return GERMAN.get(text.template, text.template) if lang == "de" else text.template


def _phrase(text: Text, lang: str, *, space: str) -> str:
    known(lang)
    if isinstance(text, str):
        return text
    template = _template(text, lang)
    return "".join(
        literal + ("" if name is None else _value(text.values[name], spec or "", lang, space))
        for literal, name, spec, _ in Formatter().parse(template)
    )


def _value(value: object, format: str, lang: str, space: str) -> str:
    if isinstance(value, Message):
        return _phrase(value, lang, space=space)
    if isinstance(value, Word):
        return _phrase(name(value), lang, space=space)
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return ", ".join(_value(one, format, lang, space) for one in value)
    return show(value, format, lang).replace(" ", space)
