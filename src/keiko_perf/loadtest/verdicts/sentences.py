"""
Sentences: promises as a person writes them, read into values.

    p95 of POST /orders < 100ms for 10s, stop as failed
    p99<250ms, errors<0.1%, rps>500
    pool.wait.p95<20ms, loop.lag.p99<50ms for 10s

A sentence is a figure, `of` a step if it is not about all of them, a limit with its unit, `for` so
long if it is about each stretch, and `stop as failed` if the run is to end with it. Several are
parted by commas. Figures with a dot are those of the service itself (`inside`). What cannot be read
is refused with a pointer at the character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.verdicts.inside import WORDS, is_inside, read_word
from keiko_perf.loadtest.verdicts.promise import Promise
from keiko_perf.model import Kpi, Target
from keiko_perf.model.kpi import ERROR_RATIO, THROUGHPUT, latency_quantile
from keiko_perf.model.length import LENGTHS_S

FIGURES = "p50, p95, p99 and other percentiles, errors, or rps"
_INSIDE = f"of the service itself: {', '.join(WORDS)}"
_FORMS = {"duration": "20ms", "ratio": "80%", "number": "5"}
_UNITS: dict[str, dict[str, float]] = {
    "duration": LENGTHS_S,
    "ratio": {"%": 0.01},
    "number": {"": 1.0},
}

_BLANK = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][\w.]*(?<!\.)")
_OF = re.compile(r"of\s+", re.I)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_SUBJECT = re.compile(r"[^<>=]+?(?=\s*[<>=])")
_SIGN = re.compile(r"<=|>=|<|>|≤|≥|=+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")
_UNIT = re.compile(r"%|/s\b|/min\b|[A-Za-zµ]+")
_FOR = re.compile(r"for\b", re.I)
_STOP = re.compile(r"(?:,\s*)?stop\s+as\s+failed\b", re.I)
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)", re.I)
_LONGEST = 10_000


def read_promises(texts: str | Iterable[str]) -> tuple[Promise, ...]:
    """
    Read sentences, each text of one or several.

    Raises:
        UsageError: one cannot be read; the error points at the character.
    """
    given = (texts,) if isinstance(texts, str) else tuple(texts)
    return tuple(promise for text in given for promise in _Reader(text).promises())


@dataclass(frozen=True, slots=True)
class _Figure:
    """What is promised about, which way, and in which units."""

    kpi: Kpi
    is_upper: bool
    units: dict[str, float]
    form: str


class _Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def promises(self) -> list[Promise]:
        if len(self._text) > _LONGEST:
            raise UsageError("promises of more than 10,000 characters", cure="Write fewer")
        found = [self._promise()]
        while self._take(re.compile(",")):
            found.append(self._promise())
        if not self._is_at_end:
            self._refuse("here a comma or the end is expected", "Part promises by commas")
        return found

    def _promise(self) -> Promise:
        figure = self._figure()
        subject = self._subject(figure)
        sign_at = self._skip()
        sign = self._take(_SIGN)
        if sign is None:
            self._refuse("here the limit is expected", f"Write it as {figure.form}")
        if (sign[0] in "<≤") != figure.is_upper or sign[0] == "=":
            is_needed = "<" if figure.is_upper else ">"
            self._at = sign_at
            self._refuse(f"this figure is promised with {is_needed}", f"Write it as {figure.form}")
        limit = self._limit(figure)
        window_s = self._window(figure)
        stops = self._take(_STOP) is not None
        target = (
            Target(kpi=figure.kpi, at_most=limit, subject=subject)
            if figure.is_upper
            else Target(kpi=figure.kpi, at_least=limit, subject=subject)
        )
        return Promise(target=target, window_s=window_s, stops=stops)

    def _figure(self) -> _Figure:
        at = self._skip()
        name = self._take(_NAME)
        if name is None:
            self._refuse("here a figure is expected", f"Name one of {FIGURES}")
        word = name.lower()
        if found := _PERCENTILE.fullmatch(word):
            percent = float(found[1])
            if percent > 0:
                form = f"{word}<200ms"
                return _Figure(latency_quantile(percent / 100), True, LENGTHS_S, form)
        if word == "errors":
            return _Figure(ERROR_RATIO, True, {"%": 0.01}, "errors<0.1%")
        if word in ("rps", "throughput"):
            return _Figure(THROUGHPUT, False, {"": 1.0, "/s": 1.0, "/min": 1 / 60}, f"{word}>500")
        inside = read_word(word)
        if inside is not None:
            form = f"{word}<{_FORMS[inside.format]}"
            return _Figure(inside, True, _UNITS[inside.format], form)
        self._at = at
        self._refuse(f"there is no figure {name!r}", f"Name one of {FIGURES}; {_INSIDE}")

    def _subject(self, figure: _Figure) -> str | None:
        at = self._skip()
        if self._take(_OF) is None:
            return None
        if is_inside(figure.kpi):
            self._at = at
            self._refuse("a figure of the service is one of all requests", "Leave the step out")
        self._skip()
        quoted = _QUOTED.match(self._text, self._at)
        if quoted:
            self._at = quoted.end()
            return quoted[1] or quoted[2]
        found = self._take(_SUBJECT)
        if found is None or not found.strip():
            self._refuse("here a step is expected", "Name it, as in p95 of 'GET /items' < 200ms")
        return found.strip()

    def _limit(self, figure: _Figure) -> float:
        number_at = self._skip()
        number = self._take(_NUMBER)
        if number is None:
            self._refuse("here a number is expected", f"Write it as {figure.form}")
        unit_at = self._skip()
        found = _UNIT.match(self._text, self._at)
        word = found[0] if found else ""
        is_unit = word.lower() not in ("for", "stop")
        unit = word.lower() if is_unit else ""
        if unit not in figure.units:
            self._at = unit_at
            told = ", ".join(one for one in figure.units if one)
            what = f"{word!r} is no unit of it" if unit else "here its unit is expected"
            self._refuse(what, f"Write it as {figure.form}; its units are {told}")
        if unit and found:
            self._at = found.end()
        value = float(number) * figure.units[unit]
        if figure.kpi.format == "ratio" and value > 1:
            self._at = number_at
            self._refuse("there are at most 100 %", f"Write it as {figure.form}")
        if not figure.is_upper and not value > 0:
            self._at = number_at
            self._refuse("a rate is above 0", f"Write it as {figure.form}")
        return value

    def _window(self, figure: _Figure) -> float | None:
        at = self._skip()
        if self._take(_FOR) is None:
            return None
        if not figure.is_upper:
            self._at = at
            self._refuse(
                "under open load the rate of each stretch is the one that was asked for",
                "Leave the window out: a rate is promised of the whole run",
            )
        number = self._take(_NUMBER)
        self._skip()
        found = _UNIT.match(self._text, self._at)
        if number is None or found is None or found[0].lower() not in ("s", "m", "min"):
            self._refuse("here a window is expected", "Write it as for 10s, or for 2m")
        self._at = found.end()
        window_s = float(number) * LENGTHS_S[found[0].lower()]
        if not 1 <= window_s <= 3600:
            self._refuse("a window is from 1 s to 1 h", "Write it as for 10s, or for 2m")
        return window_s

    # Reading

    def _skip(self) -> int:
        """Leave out blanks; where that is."""
        blank = _BLANK.match(self._text, self._at)
        assert blank is not None
        self._at = blank.end()
        return self._at

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        self._skip()
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[0]

    @property
    def _is_at_end(self) -> bool:
        return self._skip() == len(self._text)

    def _refuse(self, what: str, cure: str) -> NoReturn:
        at = self._skip()
        shown = self._text.replace("\n", " ").replace("\t", " ")
        raise UsageError(
            f"the promise cannot be read at character {at + 1}:\n  {shown}\n  {' ' * at}^ {what}",
            cure=cure,
        )
