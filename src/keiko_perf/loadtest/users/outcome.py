"""
Outcome: how iterations of scenarios ended, and where their code failed.

An exception of the scenario's own code is blamed on the scenario, unless a request of the same
iteration failed before it: then it is taken for the consequence. It is counted in both cases.
"""

from __future__ import annotations

import traceback
from types import CodeType

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.users.reply import Reply

_ENOUGH = 100
_LONGEST = 200


class Outcomes:
    """
    Attributes:
        passed: how many iterations got through, or were stopped by the service.
        broken: how many the scenario's own code ended.
    """

    def __init__(self) -> None:
        self.passed = 0
        self.broken = 0
        self._first = ""

    def broke(self, scenario: str, told: str) -> None:
        """The code of *scenario* failed, and no request did before."""
        self.broken += 1
        self._first = self._first or f"{scenario!r} {told}"

    @property
    def is_hopeless(self) -> bool:
        """Whether so many iterations broke, and none got through, that it is no use to go on."""
        return not self.passed and self.broken >= _ENOUGH

    def verdict(self) -> UsageError | None:
        """What is to be said if no iteration ever got through, and the code was to blame."""
        if self.passed or not self.broken:
            return None
        return UsageError(
            f"every iteration of the scenario failed in its own code: {self._first}",
            cure="Correct the scenario",
        )


def place(error: BaseException, code: CodeType | None) -> str:
    """Where *error* was raised, as file:line: in the file of *code* if it is on the way there."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    own = [frame for frame in frames if code is not None and frame.filename == code.co_filename]
    frame = (own or frames)[-1]
    return f"{frame.filename.replace(chr(92), '/').rpartition('/')[2]}:{frame.lineno}"


def words(error: BaseException) -> str:
    """The error in a line."""
    if isinstance(error, AttributeError) and isinstance(error.obj, Reply) and error.obj.wake:
        return f"{error.name} of a reply that was not awaited: write reply = await user.get(…)"
    text = " ".join(traceback.format_exception_only(error)[-1].split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
