"""The names of figures in evidence, without their units."""

from __future__ import annotations

import re

_NAMES = {
    "autoanalyze threshold rows": "Schwelle für Autoanalyze, Zeilen",
    "autovacuum threshold rows": "Schwelle für Autovacuum, Zeilen",
    "batches": "Teile",
    "benefit": "Nutzen",
    "blocks read": "gelesene Seiten",
    "blocks": "Seiten",
    "cache hit": "Cache-Treffer",
    "calls": "Aufrufe",
    "class": "Art",
    "compiling": "Übersetzen",
    "condition": "Bedingung",
    "constraint": "Fremdschlüssel",
    "cost after": "Kosten nachher",
    "cost before": "Kosten vorher",
    "cost cheap": "Kosten billig",
    "cost dear": "Kosten teuer",
    "counted since": "gezählt seit",
    "dead rows": "tote Zeilen",
    "dead": "tot",
    "error": "Fehler",
    "exact blocks": "genaue Blöcke",
    "execution": "Ausführung",
    "filter": "Filter",
    "first seen": "zuerst gesehen",
    "functions": "Funktionen",
    "heap fetches": "Zugriffe auf die Tabelle",
    "inner loops": "innere Durchläufe",
    "inner node": "innerer Knoten",
    "kept": "behalten",
    "lag p95": "Verzug p95",
    "last analyze": "letztes ANALYZE",
    "last seen": "zuletzt gesehen",
    "last vacuum": "letztes VACUUM",
    "live rows": "lebende Zeilen",
    "loops": "Durchläufe",
    "lossy blocks": "ungenaue Blöcke",
    "max": "Höchstwert",
    "mean": "Mittel",
    "misestimate": "Fehleinschätzung",
    "modified rows": "geänderte Zeilen",
    "outer rows expected": "erwartete äußere Zeilen",
    "partitions with rows": "Partitionen mit Zeilen",
    "partitions": "Partitionen",
    "peak memory": "größter Speicher",
    "planning": "Planung",
    "read": "Lesezeit",
    "requests": "Anfragen",
    "rows expected": "erwartete Zeilen",
    "rows kept": "behaltene Zeilen",
    "rows per call": "Zeilen je Aufruf",
    "rows read": "gelesene Zeilen",
    "rows rechecked": "nachgeprüfte Zeilen",
    "rows rejected": "verworfene Zeilen",
    "rows seen": "gesehene Zeilen",
    "rows skipped": "übersprungene Zeilen",
    "rows written": "geschriebene Zeilen",
    "rows": "Zeilen",
    "scans": "Suchen",
    "self": "selbst",
    "share of rows": "Anteil der Zeilen",
    "share": "Anteil",
    "size": "Größe",
    "sort key": "Sortierschlüssel",
    "spilled": "ausgelagert",
    "standstills": "Stillstände",
    "statement calls": "Anweisung: Aufrufe",
    "statement cost after": "Anweisung: Kosten nachher",
    "statement cost before": "Anweisung: Kosten vorher",
    "statement": "Anweisung",
    "statements gaining": "Anweisungen, die gewinnen",
    "statements wanting": "Anweisungen, die ihn wollen",
    "stddev": "Standardabweichung",
    "step": "Schritt",
    "subplan": "Unterplan",
    "table rows written": "in die Tabelle geschriebene Zeilen",
    "table": "Tabelle",
    "temp blocks written": "geschriebene temporäre Blöcke",
    "timeouts": "Zeitüberschreitungen",
    "times": "Male",
    "total": "gesamt",
    "trigger": "Auslöser (Trigger)",
    "wait p95": "Wartezeit p95",
    "waits": "Wartefälle",
    "workers launched": "gestartete Helferprozesse",
    "workers planned": "geplante Helferprozesse",
    "write cost": "Kosten beim Schreiben",
}
_NUMBER = re.compile(r" (\d+)\b")


def german_name(name: str) -> str:
    """The German name; a number in the name (`statement 1 calls`) is kept."""
    number = _NUMBER.search(name)
    if number is None:
        return _NAMES.get(name, name)
    found = _NAMES.get(_NUMBER.sub("", name, count=1))
    if found is None:
        return name
    what, colon, rest = found.partition(":")
    return f"{what} {number[1]}{colon}{rest}"
