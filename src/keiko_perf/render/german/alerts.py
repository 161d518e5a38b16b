"""What is said of changes, trends, markers and silences."""

from __future__ import annotations

TEMPLATES = {
    "response time p50": "Antwortzeit p50",
    "since the last deploy beside before it": "seit dem letzten Deployment neben der Zeit davor",
    "the last hour beside the same hour last week": (
        "die letzte Stunde neben derselben Stunde der Vorwoche"
    ),
    "time of a statement p50": "Dauer einer Anweisung p50",
    "time of a task p50": "Dauer eines Hintergrundtasks p50",
}
