"""
Language: a message with its values in it, in English or in German.

What comes from outside, a plain `str`, is never translated. A template that the catalogue does
not have stays English: a sentence in the wrong language is better than none.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import Formatter

from keiko_perf.errors import UsageError
from keiko_perf.model import Message, Text
from keiko_perf.render.german import GERMAN
from keiko_perf.render.units import show

LANGUAGES = ("en", "de")


def phrase(text: Text, lang: str = "en") -> str:
    """
    The sentence, translated and with its values formatted; messages among them likewise.

    Raises:
        UsageError: the language is not known.
        ValueError: a placeholder names a format that there is not.
    """
    known(lang)
    if isinstance(text, str):
        return text
    template = GERMAN.get(text.template, text.template) if lang == "de" else text.template
    return "".join(
        literal + ("" if name is None else _value(text.values[name], spec or "", lang))
        for literal, name, spec, _ in Formatter().parse(template)
    )


def shown(value: object, format: str, lang: str = "en") -> str:
    """A value of any kind, a message among them."""
    return phrase(value, lang) if isinstance(value, Message) else show(value, format, lang)


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


def _value(value: object, format: str, lang: str) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ", ".join(shown(one, format, lang) for one in value)
    return shown(value, format, lang)
