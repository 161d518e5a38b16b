"""What the monitoring says: alerts, the dashboard."""

from __future__ import annotations

TEMPLATES = {
    "All {all:count} targets met": "Alle {all:count} Ziele erreicht",
    "Memory": "Speicher",
    "No data yet: none of {all:count} targets can be judged": (
        "Noch keine Daten: keines von {all:count} Zielen lässt sich beurteilen"
    ),
    "Requests per second": "Anfragen pro Sekunde",
    "Response time p95": "Antwortzeit p95",
    "at least {limit} if asked for": "mindestens {limit}, wenn nachgefragt",
    "at least {limit} if asked for; {why}": "mindestens {limit}, wenn nachgefragt; {why}",
    "at most {limit}": "höchstens {limit}",
    "it cannot be computed": "es lässt sich nicht berechnen",
    "{met:count} of {all:count} targets met, too little data on the other {unknown:count}": (
        "{met:count} von {all:count} Zielen erreicht, zu wenig Daten zu den übrigen {unknown:count}"
    ),
    "{missed:count} of {all:count} targets missed: {worst}": (
        "{missed:count} von {all:count} Zielen verfehlt: {worst}"
    ),
    "{sentence}, mostly from {route}": "{sentence}, meist von {route}",
    "{value:bytes}": "{value:bytes}",
    "{value:count}": "{value:count}",
    "{value:duration}": "{value:duration}",
    "{value:factor}": "{value:factor}",
    "{value:number}": "{value:number}",
    "{value:per_minute}": "{value:per_minute}",
    "{value:rate}": "{value:rate}",
    "{value:ratio}": "{value:ratio}",
    "{what} is not known: {why}": "{what} ist nicht bekannt: {why}",
    "{what} is over its limit of {limit}: {why}": "{what} ist über der Grenze von {limit}: {why}",
    "{what} is {value}, at least {limit} is promised and more was asked for": (
        "{what} ist {value}, mindestens {limit} ist zugesagt und mehr wurde nachgefragt"
    ),
    "{what} is {value}, limit {limit}": "{what} ist {value}, Grenze {limit}",
    "{what} is {value}: {why}": "{what} ist {value}: {why}",
}
