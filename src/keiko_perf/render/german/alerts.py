"""What is said of changes, trends, markers, silences and error budgets."""

from __future__ import annotations

TEMPLATES = {
    "What differs since the last deploy": "Was seit dem letzten Deploy anders ist",
    "Deploy at {at:time}: {text}": "Deploy um {at:time}: {text}",
    "held side by side, minutes before and after the deploy": (
        "nebeneinandergehalten, Minuten vor und nach dem Deploy"
    ),
    "{what} is {factor:factor} what it was before the deploy at {at:time}": (
        "{what}: {factor:factor} so viel wie vor dem Deploy um {at:time}"
    ),
    "time of a statement p95": "Dauer einer Anweisung p95",
    "times a request sends it": "Anzahl je Anfrage",
    "Changes of a service": "Veränderungen eines Dienstes",
    "Each time is exact to about {step:duration}.": "Jede Zeit ist auf etwa {step:duration} genau.",
    "Let the service run with its monitor for half an hour or more": (
        "Den Dienst mit seinem Monitor eine halbe Stunde oder länger laufen lassen"
    ),
    "Markers of a service": "Markierungen eines Dienstes",
    "Noted: {text}": "Notiert: {text}",
    "Nothing changed over the last {span:duration}": (
        "In den letzten {span:duration} hat sich nichts verändert"
    ),
    "Nothing is silent: everybody is told of every alert": (
        "Nichts ist stumm: von jedem Alarm wird berichtet"
    ),
    "Silences of a service": "Stummschaltungen eines Dienstes",
    "Since the last deploy beside before it": "Seit dem letzten Deployment neben der Zeit davor",
    "The last hour beside the same hour last week": (
        "Die letzte Stunde neben derselben Stunde der Vorwoche"
    ),
    "The oldest first": "Das Älteste zuerst",
    "The service judged itself over {window:duration}": (
        "Der Dienst hat sich selbst über {window:duration} beurteilt"
    ),
    "Too little was measured to tell what changed": (
        "Es wurde zu wenig gemessen, um zu sagen, was sich verändert hat"
    ),
    "What is silent": "Was stumm ist",
    "What was done": "Was getan wurde",
    "changes": "Veränderungen",
    "checks": "Prüfungen",
    "error budget burn": "Verbrauch des Fehlerbudgets",
    "key": "Schlüssel",
    "kind": "Art",
    "reason": "Grund",
    "response time p50": "Antwortzeit p50",
    "revision": "Revision",
    "share of slow or failed requests, by weight": (
        "Anteil langsamer oder fehlgeschlagener Anfragen, nach Gewicht"
    ),
    "since {at:time}, sure to {sure:ratio}": "seit {at:time}, zu {sure:ratio} sicher",
    "time of a statement p50": "Dauer einer Anweisung p50",
    "time of a task p50": "Dauer eines Hintergrundtasks p50",
    "until": "bis",
    "what": "was",
    "when": "wann",
    "{count:count} changes, none of them for the worse by now": (
        "{count:count} Veränderungen, keine davon ist jetzt noch zum Schlechteren"
    ),
    "Silences that hold: {count:count}": "Geltende Stummschaltungen: {count:count}",
    "{share:ratio} of the error budget goes within {window:duration}": (
        "{share:ratio} des Fehlerbudgets gehen in {window:duration} auf"
    ),
    "{since}; deploy at {at:time}: {text}": "{since}; Deployment um {at:time}: {text}",
    "{since}; note of {at:time}: {text}": "{since}; Notiz von {at:time}: {text}",
    "{what} is {factor:factor} what it was, since {at:time}": (
        "{what}: {factor:factor} so viel wie vorher, seit {at:time}"
    ),
    "{what}: {before} before, {after} since {at:time}.": (
        "{what}: vorher {before}, seit {at:time} {after}."
    ),
}
