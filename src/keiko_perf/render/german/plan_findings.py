"""What the rules about plans say, and how a plan is shown."""

from __future__ import annotations

TEMPLATES = {
    "any value": "beliebiger Wert",
    "The two need different plans. After five executions a prepared statement may get one plan"
    " for any value; plan_cache_mode = force_custom_plan plans for each value.": (
        "Die beiden brauchen verschiedene Pläne. Nach fünf Ausführungen kann eine vorbereitete"
        " Anweisung einen Plan für alle Werte bekommen; plan_cache_mode = force_custom_plan plant"
        " für jeden Wert."
    ),
    "The plan is the same, it only handles more rows for the one than for the other.": (
        "Der Plan ist derselbe, er verarbeitet nur für den einen mehr Zeilen als für den anderen."
    ),
    "What the planner expects for different values": (
        "Was der Planer für verschiedene Werte erwartet"
    ),
    "Prices of its parameters": "Preise ihrer Parameter",
    "the prices of the parameters": "die Preise der Parameter",
    "no values are known for {which}": "für {which} sind keine Werte bekannt",
    "Write values in the statement instead, or ANALYZE the tables and compare each parameter with"
    " a column": (
        "Werte in die Anweisung schreiben, oder ANALYZE für die Tabellen und jeden Parameter mit"
        " einer Spalte vergleichen"
    ),
    "the server refused the values: {message}": "der Server wies die Werte ab: {message}",
    "Write values in the statement instead": "Werte in die Anweisung schreiben",
    "Parameter": "Parameter ($)",
    "Value": "Wert",
    "Share of the rows": "Anteil der Zeilen",
    "Cost": "Kosten",
    "Way": "Weg",
    "costs {factor:factor} as much for {dear} as for {cheap}": (
        "kostet {factor:factor} so viel für {dear} wie für {cheap}"
    ),
    "Execution took {execution_s:duration}, planning {planning_s:duration}.": (
        "Die Ausführung dauerte {execution_s:duration}, das Planen {planning_s:duration}."
    ),
    "It is the slowest of {count:count} plans in the file.": (
        "Es ist der langsamste von {count:count} Plänen in der Datei."
    ),
    "It was planned, but not executed: what stands here is what the planner expects.": (
        "Sie wurde geplant, aber nicht ausgeführt: hier steht, was der Planer erwartet."
    ),
    "Off by": "Falsch um",
    "Rows thrown away": "weggeworfene Zeilen",
    "Pages": "Seiten",
    "Pages not in memory": "Seiten nicht im Speicher",
    "Pages of temporary files": "Seiten temporärer Dateien",
    "an OR joins conditions on different tables, so that no index serves either": (
        "ein OR verbindet Bedingungen an verschiedene Tabellen, so dass keiner ein Index dient"
    ),
    "All rows are put together before they can be tested. Write one SELECT for each side of the OR"
    " and join them with UNION: each then uses its own index.": (
        "Alle Zeilen werden zusammengesetzt, ehe sie geprüft werden können. Für jede Seite des OR"
        " ein eigenes SELECT schreiben und mit UNION verbinden: jedes nutzt dann seinen Index."
    ),
    "computes something of {column} for {read:count} rows and keeps {kept:count}": (
        "berechnet für {read:count} Zeilen etwas aus {column} und behält {kept:count}"
    ),
    "An index on the column cannot be used for this. Compare the column itself (a range from the"
    " first to the last moment instead of the day of each), or make an index on the expression as"
    " it stands in the filter, if it is immutable.": (
        "Ein Index auf der Spalte lässt sich dafür nicht nutzen. Die Spalte selbst vergleichen"
        " (einen Bereich vom ersten bis zum letzten Zeitpunkt statt des Tages von jedem), oder"
        " einen Index auf dem Ausdruck anlegen, wie er im Filter steht, wenn er IMMUTABLE ist."
    ),
    "converts {column} for {read:count} rows and keeps {kept:count}": (
        "wandelt {column} für {read:count} Zeilen um und behält {kept:count}"
    ),
    "An index on the column cannot be used for this. Pass the value with the column's own type, so"
    " that the value is converted, once, and not the column.": (
        "Ein Index auf der Spalte lässt sich dafür nicht nutzen. Den Wert mit dem Typ der Spalte"
        " übergeben, damit der Wert umgewandelt wird, einmal, und nicht die Spalte."
    ),
    "looks for a pattern anywhere in {column}, in {read:count} rows, and keeps {kept:count}": (
        "sucht in {read:count} Zeilen ein Muster irgendwo in {column} und behält {kept:count}"
    ),
    "An ordinary index is sorted by how a text begins, and the pattern does not say that. A"
    " trigram index (pg_trgm) finds what stands in the middle.": (
        "Ein gewöhnlicher Index ist danach sortiert, wie ein Text beginnt, und das sagt das Muster"
        " nicht. Ein Trigramm-Index (pg_trgm) findet, was in der Mitte steht."
    ),
    "puts each row beside each other: {rows:count} pairs": (
        "setzt jede Zeile neben jede andere: {rows:count} Paare"
    ),
    "runs its inner side {loops:count} times; expected: {expected:count}": (
        "führt seine innere Seite {loops:count}-mal aus; erwartet: {expected:count}"
    ),
    "expected rows: {expected:count}, and {actual:count} came": (
        "erwartete Zeilen: {expected:count}, und {actual:count} kamen"
    ),
    "follows {index} past {read:count} rows to find the first {kept:count}": (
        "folgt {index} an {read:count} Zeilen vorbei, um die ersten {kept:count} zu finden"
    ),
    "makes {skipped:count} rows only to skip them, and hands out {kept:count}": (
        "macht {skipped:count} Zeilen, nur um sie zu überspringen, und gibt {kept:count} heraus"
    ),
    "The planner expects what is looked for to be spread evenly, so that the LIMIT is soon"
    " reached. It is not. An index that begins with what the filter compares and goes on with the"
    " order of the result has them side by side.": (
        "Der Planer erwartet das Gesuchte gleichmäßig verteilt, so dass das LIMIT bald erreicht"
        " ist. Das ist es nicht. Ein Index, der mit dem beginnt, was der Filter vergleicht, und"
        " mit der Reihenfolge des Ergebnisses weitergeht, hat es beieinander."
    ),
    "An OFFSET is counted off row by row, and each further page costs more. Ask for the rows after"
    " the last one seen instead: WHERE (created_at, id) < (…, …) ORDER BY created_at DESC, id DESC"
    " LIMIT 20, with an index in that order.": (
        "Ein OFFSET wird Zeile für Zeile abgezählt, und jede weitere Seite kostet mehr. Statt"
        " dessen nach den Zeilen hinter der zuletzt gesehenen fragen: WHERE (created_at, id) <"
        " (…, …) ORDER BY created_at DESC, id DESC LIMIT 20, mit einem Index in dieser Reihenfolge."
    ),
    "Do it once: group or filter it in a WITH query or a subquery of its own and join that, or"
    " give the inner side an index, so that each time only the few rows that match are read.": (
        "Es einmal tun: in einer WITH-Abfrage oder Unterabfrage gruppieren oder filtern und diese"
        " verbinden, oder der inneren Seite einen Index geben, damit jedes Mal nur die wenigen"
        " passenden Zeilen gelesen werden."
    ),
    "the WITH query {name} makes {made:count} rows, of which {kept:count} are used": (
        "die WITH-Abfrage {name} macht {made:count} Zeilen, von denen {kept:count} gebraucht werden"
    ),
    "a subquery would be run for each of some {loops:count} rows": (
        "eine Unterabfrage liefe für jede von etwa {loops:count} Zeilen"
    ),
    "asks a function of {column} for {read:count} rows and keeps {kept:count}": (
        "fragt für {read:count} Zeilen eine Funktion nach {column} und behält {kept:count}"
    ),
    "No index tells what a function will say. Compare the column itself. Where a row security"
    " policy calls it, let a function return the values that may be seen, and compare the column"
    " with these: column = ANY (ARRAY(SELECT function())) asks once and can use an index.": (
        "Kein Index sagt, was eine Funktion antworten wird. Vergleichen Sie die Spalte selbst."
        " Ruft eine Policy (Row Level Security) sie auf, dann lassen Sie eine Funktion die Werte"
        " liefern, die zu sehen sind, und vergleichen Sie die Spalte damit: column = ANY"
        " (ARRAY(SELECT function())) fragt einmal und kann einen Index benutzen."
    ),
    "NOT IN is no join, since a NULL in the list leaves everything unknown, and a list that does"
    " not fit into work_mem is searched for each row. NOT EXISTS is one.": (
        "NOT IN ist kein Join, denn ein NULL in der Liste lässt alles unbekannt, und eine Liste,"
        " die nicht in work_mem passt, wird für jede Zeile durchsucht. NOT EXISTS ist einer."
    ),
    "each of {loops:count} rounds of the recursion reads {table} from end to end, to join"
    " {kept:count} of {rows:count} rows in all": (
        "jede von {loops:count} Runden der Rekursion liest {table} von Anfang bis Ende, um"
        " insgesamt {kept:count} von {rows:count} Zeilen zu verbinden"
    ),
    "An index on the column by which the recursion joins would lead each round to its few rows.": (
        "Ein Index auf der Spalte, über die die Rekursion verbindet, führte jede Runde zu ihren"
        " wenigen Zeilen."
    ),
    "This step reads no table: the pages are of large values that are kept apart from their rows"
    " (TOAST), or of what a function asked for. Ask for such columns only where they are needed;"
    " length() and the like of them unpack each value.": (
        "Dieser Schritt liest keine Tabelle: Die Seiten gehören zu großen Werten, die neben ihren"
        " Zeilen liegen (TOAST), oder zu dem, was eine Funktion las. Fragen Sie solche Spalten nur"
        " ab, wo sie nötig sind; length() und dergleichen packt jeden Wert aus."
    ),
    "is run {loops:count} times over the same rows: {rows:count} in all": (
        "läuft {loops:count}-mal über dieselben Zeilen: insgesamt {rows:count}"
    ),
    "the same {rows:count} rows are worked through {times:count} times in one statement": (
        "dieselben {rows:count} Zeilen werden in einer Anweisung {times:count}-mal durchgearbeitet"
    ),
    "What MATERIALIZED, or a second use, makes whole knows nothing of the conditions outside."
    " Write AS NOT MATERIALIZED, or put the condition into the WITH query.": (
        "Was MATERIALIZED oder eine zweite Verwendung ganz macht, weiß nichts von den Bedingungen"
        " draußen. AS NOT MATERIALIZED schreiben oder die Bedingung in die WITH-Abfrage setzen."
    ),
    "reads {read:count} rows of {table}, from end to end, to join {kept:count}": (
        "liest {read:count} Zeilen von {table}, von Anfang bis Ende, um {kept:count} zu verbinden"
    ),
    "As the filter is written no ordinary index can serve it; another finding on this step says"
    " why.": (
        "So wie der Filter geschrieben ist, kann ihm kein gewöhnlicher Index dienen; ein anderer"
        " Befund zu diesem Schritt sagt, warum."
    ),
    "The other side of the join has few rows, each of which an index on the column of the join"
    " would lead to its own. A foreign key has no such index by itself.": (
        "Die andere Seite des Joins hat wenige Zeilen, und ein Index auf der Spalte des Joins"
        " führte jede zu den ihren. Ein Fremdschlüssel hat von sich aus keinen solchen Index."
    ),
    "looks into {members:count} partitions, and {found:count} of them have rows for it": (
        "sieht in {members:count} Partitionen, und {found:count} davon haben Zeilen dafür"
    ),
    "A condition on the partition key, comparing it with a value and not with an expression of it,"
    " leaves the others out. If no statement has one, the table is partitioned by the wrong"
    " column, or into too small parts.": (
        "Eine Bedingung auf dem Partitionsschlüssel, die ihn mit einem Wert vergleicht und nicht"
        " einen Ausdruck davon, lässt die anderen aus. Hat keine Anweisung eine, ist die Tabelle"
        " nach der falschen Spalte geteilt oder in zu kleine Teile."
    ),
    "waited {read_s:duration} for {blocks:count} pages that were not in shared_buffers": (
        "wartete {read_s:duration} auf {blocks:count} Seiten, die nicht in shared_buffers waren"
    ),
    "took {read_s:duration}, longer than its rows explain: {blocks:count} pages were not in"
    " shared_buffers": (
        "brauchte {read_s:duration}, länger als seine Zeilen erklären: {blocks:count} Seiten waren"
        " nicht in shared_buffers"
    ),
    "the foreign key {constraint} took {took_s:duration} to look {calls:count} rows up by their"
    " key: it waited": (
        "der Fremdschlüssel {constraint} brauchte {took_s:duration}, um {calls:count} Zeilen nach"
        " ihrem Schlüssel zu suchen: er wartete"
    ),
    "A row that refers to another locks it against being deleted, and waits where another"
    " transaction holds it. pg_blocking_pids(pid) tells which, while it lasts.": (
        "Eine Zeile, die auf eine andere verweist, schützt diese vor dem Löschen und wartet, wo"
        " eine andere Transaktion sie hält. pg_blocking_pids(pid) sagt, welche, solange es dauert."
    ),
    "reads {blocks:count} pages of {index} for {rows:count} rows": (
        "liest {blocks:count} Seiten von {index} für {rows:count} Zeilen"
    ),
    "An index is sorted by its first column. A condition on a later one alone leaves nothing out:"
    " give it an index that begins with what is compared for equality. (Where that is so already,"
    " dead entries fill it: VACUUM, then REINDEX.)": (
        "Ein Index ist nach seiner ersten Spalte sortiert. Eine Bedingung nur an eine spätere lässt"
        " nichts aus: ihr einen Index geben, der mit dem beginnt, was auf Gleichheit verglichen"
        " wird. (Wo das schon so ist, füllen ihn tote Einträge: VACUUM, dann REINDEX.)"
    ),
    "checks all rows of {lossy:count} blocks once more: the bitmap does not fit into work_mem": (
        "prüft alle Zeilen von {lossy:count} Blöcken noch einmal: die Bitmap passt nicht in"
        " work_mem"
    ),
    "Run it again: if it is quick then, only the first run was cold. If it is slow each time, what"
    " it reads does not fit into memory: read fewer pages (an index that holds all columns, rows"
    " that lie together) or give shared_buffers more.": (
        "Noch einmal ausführen: ist es dann schnell, war nur der erste Lauf kalt. Ist es jedes Mal"
        " langsam, passt das Gelesene nicht in den Speicher: weniger Seiten lesen (ein Index, der"
        " alle Spalten enthält, Zeilen, die beieinander liegen) oder shared_buffers mehr geben."
    ),
    "took {took_s:duration} for {rows:count} rows and {blocks:count} pages: it waited": (
        "brauchte {took_s:duration} für {rows:count} Zeilen und {blocks:count} Seiten: es wartete"
    ),
    "Another transaction held the rows, if it wrote or locked them; else the disk was slow. The"
    " columns wait_event and pg_blocking_pids(pid) of pg_stat_activity tell which, while it"
    " lasts.": (
        "Eine andere Transaktion hielt die Zeilen, wenn es sie schrieb oder sperrte; sonst war die"
        " Platte langsam. wait_event und pg_blocking_pids(pid) aus pg_stat_activity sagen, was"
        " davon, solange es dauert."
    ),
    "the foreign key {constraint} is checked {calls:count} times, {each:duration} each": (
        "der Fremdschlüssel {constraint} wird {calls:count}-mal geprüft, je {each:duration}"
    ),
    "the trigger {name} is called {calls:count} times and takes {time_s:duration}": (
        "der Trigger {name} wird {calls:count}-mal aufgerufen und braucht {time_s:duration}"
    ),
    "For each row that goes, the table that refers to it is searched, and so slowly only without"
    " an index on the columns of the foreign key. PostgreSQL makes none by itself. (Where each row"
    " takes thousands of others with it, that is the cost.)": (
        "Für jede Zeile, die geht, wird die Tabelle durchsucht, die auf sie verweist, und so"
        " langsam nur ohne Index auf den Spalten des Fremdschlüssels. PostgreSQL legt von sich aus"
        " keinen an. (Wo jede Zeile Tausende andere mitnimmt, ist es das, was kostet.)"
    ),
    "It runs for each row. A trigger FOR EACH STATEMENT with transition tables does the same for"
    " all rows at once, and WHEN spares the calls that do nothing.": (
        "Er läuft für jede Zeile. Ein Trigger FOR EACH STATEMENT mit Übergangstabellen tut dasselbe"
        " für alle Zeilen auf einmal, und WHEN erspart die Aufrufe, die nichts tun."
    ),
    "what it costs depends on the value of a parameter": (
        "was sie kostet, hängt vom Wert eines Parameters ab"
    ),
    "{count:count} more steps are not shown": "{count:count} weitere Schritte sind nicht gezeigt",
}
