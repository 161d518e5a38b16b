"""
Watch screen: what `keiko-perf watch` shows of a picture. Pure.

The first line is the answer, then the targets with their figures and how they went since the
watching began, then the routes that take the most time, then alerts and what was done. Columns
have one unit for good: numbers that change their unit cannot be read while they move.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from textwrap import wrap

from rich.console import Group, RenderableType
from rich.text import Text

from keiko_perf.cli.course import DIM, GOOD, RED
from keiko_perf.cli.picture import Picture, Route
from keiko_perf.cli.screen import ABSENT, headroom, number, sparkline
from keiko_perf.model import Outcome, Verdict, say
from keiko_perf.render import phrase
from keiko_perf.render.clean import clean_line
from keiko_perf.render.figures import about, limit, measured
from keiko_perf.render.words import SEVERITY

NARROWEST = 60
WIDEST = 140
_KEPT = 120
_NUMBER = 8
_MOST_ALERTS = 5
_MOST_NOTES = 3
_MOST_LINES = 4
_NAMED = 26
_FIGURE = 11
_LIMIT = 12
_STALE_S = 30.0
_SIGNS = {
    Outcome.MET: ("✓", GOOD),
    Outcome.MISSED: ("✗", RED),
    Outcome.UNKNOWN: ("…", DIM),
}


_STATES = {
    "pending": say("pending"),
    "firing": say("firing"),
    "resolved": say("resolved"),
}
_SEVERITIES = {severity.word: said for severity, said in SEVERITY.items()}


class History:
    """The figures of each check since the watching began, some minutes of them."""

    def __init__(self) -> None:
        self._values: dict[str, deque[float | None]] = {}

    def take(self, picture: Picture) -> None:
        """Note the figures of one more picture; what was not seen now leaves a gap."""
        is_gone = picture.seen_at is not None
        for check, verdict in (picture.verdicts or {}).items():
            values = self._values.setdefault(check, deque(maxlen=_KEPT))
            values.append(verdict.value if verdict.is_told and not is_gone else None)

    def of(self, check: str) -> list[float | None]:
        """The figures of *check*, the oldest first."""
        return list(self._values.get(check, ()))


def screen(
    picture: Picture, history: History, *, width: int, height: int, lang: str = "en"
) -> RenderableType:
    """The whole view."""
    width = max(NARROWEST, min(width, WIDEST))
    head = [_title(picture, width), *_answer(picture, width, lang), Text()]
    body = [] if picture.verdicts is None else list(_targets(picture, history, width, lang))
    foot = [*_alerts(picture, lang), *_notes(picture)]
    room = height - len(head) - len(body) - len(foot) - 2
    rest = [*body, *_routes(picture.routes, width, room, lang), *foot]
    if picture.seen_at is not None:
        rest = [Text(line.plain, DIM) for line in rest]
    lines = [*head, *rest]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
        line.no_wrap = True
    return Group(*lines[: max(1, height)])


def plain(picture: Picture, lang: str = "en") -> str:
    """The same as one line, for where nothing can be drawn twice."""
    at = f"{picture.taken_at:%H:%M:%S}"
    if picture.problem is not None:
        return f"{at} · {clean_line(phrase(picture.problem, lang))}"
    words = [at, clean_line(phrase(picture.headline, lang))]
    for check in ("api_response_time", "throughput", "error_rate", "cpu_usage"):
        verdict = (picture.verdicts or {}).get(check)
        if verdict is not None and verdict.is_told:
            words.append(f"{about(verdict.target, lang)} {measured(verdict, lang)}")
    firing = sum(state == "firing" for state, _, _ in picture.alerts)
    if firing:
        words.append(phrase(say("{count:count} alerts", count=firing), lang))
    return " · ".join(words)


def _title(picture: Picture, width: int) -> Text:
    at = f"{picture.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    name = clean_line(picture.source)
    return Text.assemble(
        ("keiko-perf watch  ", "bold"),
        (name, DIM),
        " " * max(2, width - len(name) - 18 - len(at)),
        (at, DIM),
    )


def _answer(picture: Picture, width: int, lang: str) -> list[Text]:
    if picture.problem is None:
        return [_headline(picture, lang)]
    # What to do stands at its end.
    words = wrap(clean_line(phrase(picture.problem, lang)), width)[:_MOST_LINES]
    lines = [Text(one, f"bold {RED}") for one in words]
    if picture.seen_at is not None:
        ago_s = (picture.taken_at - picture.seen_at).total_seconds()
        seen = say("What was seen last, {ago:duration} ago:", ago=ago_s)
        lines.append(Text(phrase(seen, lang)))
    return lines


def _headline(picture: Picture, lang: str) -> Text:
    style = RED if picture.missed else GOOD
    if not any(one.outcome is not Outcome.UNKNOWN for one in (picture.verdicts or {}).values()):
        style = DIM
    line = Text(clean_line(phrase(picture.headline, lang)), f"bold {style}")
    if picture.age_s is None:
        line.append(f"   {phrase(say('nothing was measured yet'), lang)}", DIM)
    elif picture.age_s > _STALE_S:
        old = say("the last measurement is {age:duration} old", age=picture.age_s)
        line.append(f"   {phrase(old, lang)}", RED)
    return line


def _targets(picture: Picture, history: History, width: int, lang: str) -> Iterator[Text]:
    verdicts = dict(picture.verdicts or {})
    for check, verdict in verdicts.items():
        yield _target(verdict, history.of(check), width, lang)
    yield Text()


def _target(verdict: Verdict, values: list[float | None], width: int, lang: str) -> Text:
    sign, style = _SIGNS[verdict.outcome]
    target = verdict.target
    missed = verdict.outcome is Outcome.MISSED
    line = Text.assemble(
        (f"{sign} ", style),
        f"{_cut(clean_line(about(target, lang)), _NAMED):{_NAMED}}",
        (f"{measured(verdict, lang):>{_FIGURE}}", style if missed else "bold"),
        (f"  {limit(target, lang):<{_LIMIT}}", DIM),
    )
    if verdict.is_told and verdict.value is not None and target.at_most:
        line.append(f"{headroom(verdict.value / target.at_most)} ", style)
    else:
        line.append(" " * 11)
    trend = max(0, width - line.cell_len - 1)
    if verdict.outcome is Outcome.UNKNOWN:
        line.append(clean_line(phrase(verdict.reason, lang)), DIM)
    else:
        line.append(sparkline(values, min(trend, _KEPT)), "cyan")
    return line


def _routes(routes: tuple[Route, ...], width: int, room: int, lang: str) -> list[Text]:
    if not routes or room < 2:
        return []
    named = max(11, min(max(len(one.name) for one in routes), width - 6 * _NUMBER - 2))
    whole_s = sum(one.sum_s for one in routes) or 1.0
    titles = (say("per s"), say("err %"), "p50 ms", "p95 ms", "p99 ms", say("time %"))
    head = "".join(f"{phrase(one, lang):>{_NUMBER}}" for one in titles)
    lines = [Text(f"{phrase(say('route'), lang):{named}}{head}", DIM)]
    shown = routes[: room - 1] if len(routes) <= room - 1 else routes[: max(1, room - 2)]
    lines += [_route(one, named, whole_s, lang) for one in shown]
    if len(shown) < len(routes):
        over = say("+ {count:count} more routes", count=len(routes) - len(shown))
        lines.append(Text(phrase(over, lang), DIM))
    return [*lines, Text()]


def _route(one: Route, named: int, whole_s: float, lang: str) -> Text:
    line = Text(f"{_cut(clean_line(one.name), named):{named}}")
    line.append(f"{number(one.rate_per_s, lang):>{_NUMBER}}")
    errors = ABSENT if one.error_ratio is None else number(one.error_ratio * 100, lang)
    line.append(f"{errors:>{_NUMBER}}", RED if one.error_ratio else "")
    for value_s in (one.p50_s, one.p95_s, one.p99_s):
        told = ABSENT if value_s is None else number(value_s * 1000, lang)
        line.append(f"{told:>{_NUMBER}}", DIM if value_s is None else "")
    line.append(f"{number(one.sum_s / whole_s * 100, lang):>{_NUMBER}}")
    return line


def _alerts(picture: Picture, lang: str) -> Iterator[Text]:
    for state, severity, message in picture.alerts[:_MOST_ALERTS]:
        style = RED if state == "firing" else DIM
        yield Text.assemble(
            (f"{phrase(_STATES.get(state, state), lang):9} ", style),
            (f"{phrase(_SEVERITIES.get(severity, severity), lang):9} ", DIM),
            clean_line(phrase(message, lang)),
        )
    over = len(picture.alerts) - _MOST_ALERTS
    if over > 0:
        yield Text(phrase(say("+ {count:count} more alerts", count=over), lang), DIM)
    if picture.silent:
        hold = say("silences that hold: {count:count}", count=picture.silent)
        yield Text(phrase(hold, lang), DIM)


def _notes(picture: Picture) -> Iterator[Text]:
    for at, text in picture.notes[:_MOST_NOTES]:
        yield Text.assemble((f"{at:%H:%M} UTC  ", DIM), clean_line(text))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
