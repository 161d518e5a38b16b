"""Reasons: why a statement takes long that no index helps."""

from __future__ import annotations

TEMPLATES = {
    "By the planner's estimate: {what}. {why}": "Nach Schätzung des Planers: {what}. {why}",
    "Of {subject}: {what}. {why}": "Zu {subject}: {what}. {why}",
    "As the database counted: {what}. {why}": "Wie die Datenbank zählte: {what}. {why}",
    "reads {table} from end to end for the texts in {column} that are like a pattern": (
        "liest {table} von Anfang bis Ende nach den Texten in {column}, die einem Muster gleichen"
    ),
    "A pattern that begins with % is found by a trigram index (CREATE EXTENSION pg_trgm); one that "
    "begins with a text, by an index with text_pattern_ops.": (
        "Ein Muster, das mit % beginnt, findet ein Trigramm-Index (CREATE EXTENSION pg_trgm); "
        "eines, das mit einem Text beginnt, ein Index mit text_pattern_ops."
    ),
    "makes what it returns of {rows:count} rows each time": (
        "macht jedes Mal aus {rows:count} Zeilen, was sie zurückgibt"
    ),
    "No index spares it to read what it counts and sums. Keep the sums in a table of their own (a "
    "materialized view, or a row that each write changes), keep the answer for a while, or count "
    "up to a bound.": (
        "Kein Index erspart ihr zu lesen, was sie zählt und summiert. Die Summen in einer eigenen "
        "Tabelle halten (einer materialisierten Sicht, oder einer Zeile, die jedes Schreiben "
        "ändert), die Antwort eine Weile behalten, oder nur bis zu einer Grenze zählen."
    ),
    "each row that goes searches {table} from end to end, {rows:count} rows: no index begins with "
    "{columns}": (
        "jede Zeile, die geht, durchsucht {table} von Anfang bis Ende, {rows:count} Zeilen: kein "
        "Index beginnt mit {columns}"
    ),
    "PostgreSQL makes no index on the columns of a foreign key by itself. The search is part of "
    "the DELETE, and in no plan.": (
        "PostgreSQL legt von selbst keinen Index auf die Spalten eines Fremdschlüssels. Die Suche "
        "ist Teil des DELETE und steht in keinem Plan."
    ),
    "it writes few rows, and each of them fires {triggers}": (
        "sie schreibt wenige Zeilen, und jede löst {triggers} aus"
    ),
    "What a trigger does is part of the statement, and in no plan. Look at what its function reads "
    "and writes; auto_explain.log_nested_statements logs it.": (
        "Was ein Trigger tut, ist Teil der Anweisung und steht in keinem Plan. Ansehen, was seine "
        "Funktion liest und schreibt; auto_explain.log_nested_statements protokolliert es."
    ),
    "sorts {read:count} rows by a random number to keep some": (
        "sortiert {read:count} Zeilen nach einer Zufallszahl, um einige zu behalten"
    ),
    "No index has an order by chance. Ask for some rows from a random key on (WHERE id >= a random "
    "number ORDER BY id LIMIT 5), take a sample (TABLESAMPLE), or draw from a list of keys that "
    "the service keeps.": (
        "Kein Index hat eine zufällige Reihenfolge. Einige Zeilen ab einem zufälligen Schlüssel "
        "verlangen (WHERE id >= eine Zufallszahl ORDER BY id LIMIT 5), eine Stichprobe nehmen "
        "(TABLESAMPLE), oder aus einer Liste von Schlüsseln ziehen, die der Dienst hält."
    ),
}
