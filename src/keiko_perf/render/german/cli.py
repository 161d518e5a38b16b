"""What the commands themselves say."""

from __future__ import annotations

TEMPLATES = {
    "+ {count:count} more alerts": "+ {count:count} weitere Alarme",
    "+ {count:count} more routes": "+ {count:count} weitere Routen",
    "err %": "Fehler %",
    "firing": "feuert",
    "pending": "wartet",
    "per s": "je s",
    "resolved": "gelöst",
    "silences that hold: {count:count}": "geltende Stummschaltungen: {count:count}",
    "time %": "Zeit %",
    "{count:count} alerts": "{count:count} Alarme",
    "By the time that they took in all": "Nach der Zeit, die sie insgesamt brauchten",
    "Health of a service": "Gesundheit eines Dienstes",
    "Judge a longer time, as in --last 600": "Einen längeren Zeitraum beurteilen, etwa --last 600",
    "Measured over {window:duration} up to {ended:time}": (
        "Gemessen über {window:duration} bis {ended:time}"
    ),
    "Routes": "Routen",
    "See that the service is running and writes to this store": (
        "Nachsehen, dass der Dienst läuft und in diesen Speicher schreibt"
    ),
    "Targets": "Ziele",
    "every target": "jedes Ziel",
    "Nothing was measured in the last {last:duration}: the service is down, or its monitor writes"
    " to another store": (
        "In den letzten {last:duration} wurde nichts gemessen: der Dienst läuft nicht, oder sein"
        " Monitor schreibt in einen anderen Speicher"
    ),
    "Nothing was measured in the last {last:duration}, and before that {age:duration} ago: the"
    " service is down, or its monitor writes to another store": (
        "In den letzten {last:duration} wurde nichts gemessen, zuletzt vor {age:duration}: der"
        " Dienst läuft nicht, oder sein Monitor schreibt in einen anderen Speicher"
    ),
    "What was seen last, {ago:duration} ago:": "Was zuletzt zu sehen war, vor {ago:duration}:",
    "the last measurement is {age:duration} old": "die letzte Messung ist {age:duration} alt",
    "the service as it is now": "der Dienst, wie er jetzt ist",
    "too little was measured": "zu wenig wurde gemessen",
}
