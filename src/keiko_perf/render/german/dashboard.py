"""What the dashboard says, and the page that serves several of them."""

from __future__ import annotations

TEMPLATES = {
    "Database connections": "Datenbankverbindungen",
    "Error rate": "Fehlerrate",
    "Log in": "Anmelden",
    "No token is set": "Kein Token gesetzt",
    "Performance": "Leistung",
    "Performance: log in": "Leistung: Anmeldung",
    "Response time p99": "Antwortzeit p99",
    "Skip to the charts": "Zu den Diagrammen",
    "Task failures": "Gescheiterte Aufgaben",
    "Tasks per minute": "Aufgaben pro Minute",
    "That is not the token.": "Das ist nicht das Token.",
    "The dashboard of this service is protected.": "Das Dashboard dieses Dienstes ist geschützt.",
    "They came from this address. Try again in some seconds.": (
        "Sie kamen von dieser Adresse. In einigen Sekunden wieder versuchen."
    ),
    "This page needs JavaScript. The same figures as JSON:": (
        "Diese Seite braucht JavaScript. Dieselben Zahlen als JSON:"
    ),
    "Token": "Zugangstoken",
    "Too many wrong tokens": "Zu viele falsche Token",
    "Waiting for the first figures": "Wartet auf die ersten Zahlen",
    "Without one, this dashboard answers only to the machine that it runs on. To see it from"
    " here, give the monitor a token and log in with it:": (
        "Ohne Token antwortet dieses Dashboard nur der Maschine, auf der es läuft. Um es von hier"
        " zu sehen, dem Monitor ein Token geben und sich damit anmelden:"
    ),
    "{what} of {subject} went from {before} to {after}": (
        "{what} von {subject}: erst {before}, jetzt {after}"
    ),
    "{what} went from {before} to {after}": "{what}: erst {before}, jetzt {after}",
}
