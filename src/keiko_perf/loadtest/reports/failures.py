"""
Failures: what went wrong, by class, as findings with an example that can be repeated.
"""

from __future__ import annotations

from keiko_perf.loadtest.result import ErrorGroup, Result
from keiko_perf.loadtest.transport import Failure
from keiko_perf.model import Column, Finding, Severity, Table, say

_MOST_FINDINGS = 8


def failures(result: Result) -> tuple[Finding, ...]:
    """The most frequent failures; where all requests of a step failed, that is never fine."""
    return tuple(_finding(result, group) for group in result.errors[:_MOST_FINDINGS])


def further(result: Result) -> tuple[Table, ...]:
    """The failures that are too many for findings, if there are any."""
    groups = result.errors[_MOST_FINDINGS:]
    if not groups:
        return ()
    table = Table(
        title=say("Further failures"),
        columns=(
            Column(say("class")),
            Column(say("detail")),
            Column(say("step")),
            Column(say("requests"), "count"),
            Column(say("first after"), "duration"),
            Column(say("last after"), "duration"),
        ),
        rows=tuple(
            (
                group.failure.value,
                group.detail,
                group.step,
                group.count,
                max(0.0, group.first_s),
                max(0.0, group.last_s),
            )
            for group in groups
        ),
    )
    return (table,)


def _finding(result: Result, group: ErrorGroup) -> Finding:
    step = result.step(group.step)
    has_success = step is None or bool(step.response.succeeded)
    count = group.count if step is None else step.response.count
    return Finding(
        code=f"load.{group.failure.value}",
        severity=Severity.WARNING if has_success else Severity.CRITICAL,
        subject=group.step,
        summary=say(
            "{failed:count} of {all:count} requests: {failure}, {detail}",
            failed=group.count,
            all=count,
            failure=group.failure.value,
            detail=group.detail,
        ),
        evidence={
            "error_ratio": group.count / count if count else None,
            "first_seen_s": max(0.0, group.first_s),
            "last_seen_s": max(0.0, group.last_s),
        },
        explanation=_CURES_OF_STATUS.get(group.detail) or _CURES.get(group.failure),
        example=group.example or None,
    )


_CURES = {
    Failure.DNS: say("Check the spelling of the host, and the DNS of this machine."),
    Failure.CONNECT_REFUSED: say(
        "Nobody listens there: see that the service runs, and that address and port are right."
    ),
    Failure.CONNECT_TIMEOUT: say(
        "A firewall is between, more connect at once than the service takes, or the port does not "
        "speak https. --timeout says how long is waited."
    ),
    Failure.TLS: say(
        "--ca FILE trusts the authority that signed its certificate, --insecure any; the name in "
        "the URL has to be the one that it is made out for."
    ),
    Failure.RESET: say(
        "The service closed the connection: its log tells whether it crashed, or has a bound on "
        "connections; a port that wants https does so, too."
    ),
    Failure.TIMEOUT_HEADERS: say(
        "--timeout says how long is waited; keiko-perf doctor tells what the service does "
        "meanwhile."
    ),
    Failure.TIMEOUT_BODY: say(
        "The answer is long, or comes slowly; --timeout says how long is waited for all of it. A "
        "subscription (server-sent events) has no end: with --events 1 its first event is."
    ),
    Failure.PROTOCOL: say(
        "What answers is no server of HTTP/1.1, or broke off: see that the port is the service's, "
        "and in its log why."
    ),
    Failure.HTTP_4XX: say(
        "The service refuses it: a path, a header (-H) or a value is not what it takes."
    ),
    Failure.HTTP_5XX: say("The service failed; its log tells by what."),
    Failure.GENERATOR: say(
        "This machine has no port, file or memory left for the load: use fewer connections, or "
        "raise ulimit -n."
    ),
}

_WHO_ASKS = say(
    "The service does not know who asks, or does not let him: the token (--token) or a header (-H) "
    "is missing, wrong or too old."
)
_VALUES = say(
    "The service takes no such values: its answer says which. Of an OpenAPI document they are made "
    "up as its schemas allow, unless it gives an example."
)
_CURES_OF_STATUS = {
    "HTTP 400": _VALUES,
    "HTTP 401": _WHO_ASKS,
    "HTTP 403": _WHO_ASKS,
    "HTTP 404": say(
        "Nothing is there: the path or its prefix is wrong, or an id in it is of nothing. Of an "
        "OpenAPI document ids are made up, unless it gives an example; a scenario asks for those "
        "that a list has just shown."
    ),
    "HTTP 422": _VALUES,
    "HTTP 429": say("A limit of the service was reached, on how often one client may ask."),
    "HTTP 502": say(
        "A proxy before the service got no answer from it: it is down or restarts, its address is "
        "another one, or it closed the connection. The proxy's error log tells which."
    ),
    "HTTP 503": say(
        "Too much at once, or not ready: a limit turned it away (LimitConcurrency, a limiter, a "
        "full queue), or a proxy has no service that is up."
    ),
    "HTTP 504": say(
        "A proxy before the service waited for its answer for too long, and gave up: its time "
        "limit is what counts here. keiko-perf doctor tells what the service does meanwhile."
    ),
}
