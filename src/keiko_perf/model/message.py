"""
Message: a sentence for a person, kept apart from the values in it.

A message is an English template and its values. Renderers format the values with their units
and translate the template; tests and programs look at the values. What comes from outside (a
route, a statement, an error's text) is a plain `str` and is never translated.

A placeholder names its format: `{p95:duration}`. The formats are those of `render.units`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter


@dataclass(frozen=True, slots=True)
class Message:
    """
    Attributes:
        template: the English sentence, with placeholders such as `{limit:duration}`.
        values: what the placeholders stand for, in this project's own units.
    """

    template: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named = {name for _, name, _, _ in Formatter().parse(self.template) if name is not None}
        if named != set(self.values):
            raise ValueError(f"{self.template!r} names {sorted(named)}, not {sorted(self.values)}")


Text = Message | str
"""A sentence for a person; as a plain string it stands as it is in every language."""


def say(template: str, /, **values: object) -> Message:
    """A message; the test of the translations finds each by this call, so pass a literal."""
    return Message(template, values)
