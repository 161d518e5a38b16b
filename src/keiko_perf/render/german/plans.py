"""What the diagnosis says of plans, and of statements that it does not execute."""

from __future__ import annotations

TEMPLATES = {
    "All of max_parallel_workers were busy, or there are fewer than the plan asks for. It was made"
    " for more, and another one may be better without them.": (
        "Alle max_parallel_workers waren beschäftigt, oder es gibt weniger, als der Plan verlangt."
        " Er war für mehr gemacht, und ohne sie kann ein anderer besser sein."
    ),
    "{count:count} partitions as {table}": "{count:count} Partitionen wie {table}",
    "An index in this order would hand out just the first rows. keiko-perf db advise finds the one"
    " that serves most statements, and prices it.": (
        "Ein Index in dieser Reihenfolge gäbe nur die ersten Zeilen heraus. keiko-perf db advise"
        " findet den, der den meisten Anweisungen dient, und bewertet ihn."
    ),
    "An index on what the filter compares would hand out just these rows. keiko-perf db"
    " advise finds the one that serves most statements, and prices it.": (
        "Ein Index auf dem, was der Filter vergleicht, gäbe nur diese Zeilen heraus."
        " keiko-perf db advise findet den, der den meisten Anweisungen dient, und bewertet ihn."
    ),
    "For so many rows another join may be cheaper: SET enable_nestloop = off shows, for a"
    " session, whether it is. The planner chose by an estimate that was too low: ANALYZE the tables"
    " of the outer side, or give them extended statistics.": (
        "Für so viele Zeilen kann ein anderer Join billiger sein: SET enable_nestloop = off zeigt"
        " in einer Sitzung, ob er es ist. Der Planer wählte nach einer zu niedrigen Schätzung:"
        " ANALYZE für die Tabellen der äußeren Seite, oder erweiterte Statistiken."
    ),
    "Of a function the planner takes what it was declared with, 1,000 rows if nothing was said:"
    " ALTER FUNCTION ... ROWS tells it. Measure before and after: the other plan is not always"
    " quicker.": (
        "Von einer Funktion nimmt der Planer, was bei ihr angegeben ist, 1.000 Zeilen, wenn nichts"
        " gesagt wurde: ALTER FUNCTION ... ROWS sagt es ihm. Messen Sie vorher und nachher: Der"
        " andere Plan ist nicht immer schneller."
    ),
    "It compares for equality, so an index on the inner side's column, or a hash join, would find"
    " the few that match. The planner took this way because it expected fewer rows, or to be done"
    " early.": (
        "Er vergleicht auf Gleichheit: ein Index auf der Spalte der inneren Seite oder ein"
        " Hash-Join fände die wenigen, die passen. Der Planer nahm diesen Weg, weil er weniger"
        " Zeilen erwartete oder früh fertig zu sein."
    ),
    "It pays for statements that run for many seconds. Raise jit_above_cost, or switch it"
    " off for the role that runs this.": (
        "Es lohnt sich für Anweisungen, die viele Sekunden laufen. jit_above_cost erhöhen oder"
        " es für die Rolle abschalten, die dies ausführt."
    ),
    "It was planned, but not executed: {why}.": "Sie wurde geplant, aber nicht ausgeführt: {why}.",
    "Its steps, as they are nested": "Seine Schritte, wie sie ineinander liegen",
    "Many partitions, joins or indexes make it so. A prepared statement is planned once; a"
    " condition on the partition key leaves partitions out early.": (
        "Viele Partitionen, Joins oder Indexe machen es so. Eine vorbereitete Anweisung wird"
        " einmal geplant; eine Bedingung auf dem Partitionsschlüssel lässt Partitionen früh aus."
    ),
    "Nothing to do here: no part of the plan costs more than it should.": (
        "Hier ist nichts zu tun: kein Teil des Plans kostet mehr als nötig."
    ),
    "Only a vacuum marks pages as visible to all, and rows of pages without the mark must"
    " be looked up. If it is often so, let autovacuum come by more often.": (
        "Nur ein VACUUM kennzeichnet Seiten als für alle sichtbar, und Zeilen auf Seiten ohne"
        " das Kennzeichen müssen nachgeschlagen werden. Ist es oft so, Autovacuum öfter kommen"
        " lassen."
    ),
    "Set it for the session or the role that runs this, not for the server. Where the"
    " estimate of the rows is wrong, right statistics cure it too.": (
        "Für die Sitzung oder die Rolle setzen, die dies ausführt, nicht für den Server. Wo"
        " die Schätzung der Zeilen falsch ist, helfen auch richtige Statistiken."
    ),
    "Set it for the session or the role that runs this, not for the server: each sort and"
    " hash of each connection may take as much. An index in this order, or fewer or"
    " narrower rows, would spare the sort.": (
        "Für die Sitzung oder die Rolle setzen, die dies ausführt, nicht für den Server: jede"
        " Sortierung und jeder Hash jeder Verbindung darf so viel nehmen. Ein Index in dieser"
        " Reihenfolge oder weniger oder schmalere Zeilen würden das Sortieren ersparen."
    ),
    "The index does not hold what the filter compares. One that has these columns too would"
    " not fetch the rows in vain.": (
        "Der Index enthält nicht, was der Filter vergleicht. Einer, der auch diese Spalten"
        " hat, würde die Zeilen nicht umsonst holen."
    ),
    "The join has no condition of equality that an index or a hash could serve.": (
        "Der Join hat keine Bedingung auf Gleichheit, der ein Index oder ein Hash dienen könnte."
    ),
    "The joins and sorts above were chosen for another number of rows. If ANALYZE does not"
    " help, the columns of the condition depend on each other: CREATE STATISTICS tells the"
    " planner how.": (
        "Die Joins und Sortierungen darüber wurden für eine andere Zahl von Zeilen gewählt."
        " Hilft ANALYZE nicht, hängen die Spalten der Bedingung voneinander ab: CREATE"
        " STATISTICS sagt dem Planer, wie."
    ),
    "The plan": "Der Plan",
    "The plan of a statement": "Der Plan einer Anweisung",
    "What is wrong with it": "Was daran nicht stimmt",
    "What it took": "Was er brauchte",
    "{step}: {what}": "{step}: {what}",
    "{step}: {what}. Further findings: {more:count}": (
        "{step}: {what}. Weitere Befunde: {more:count}"
    ),
    "With more work_mem it remembers the rows instead of whole blocks.": (
        "Mit mehr work_mem merkt es sich die Zeilen statt ganzer Blöcke."
    ),
    "Where most rows are asked for, write it as a join, or as a join with a grouped subquery: then"
    " it is run once, for all. Where only some are, and each run finds its rows by an index, that"
    " takes longer: ask for fewer, or keep what it counts.": (
        "Wo die meisten Zeilen gefragt sind, als Join schreiben oder als Join mit einer gruppierten"
        " Unterabfrage: dann läuft sie einmal, für alle. Wo es nur einige sind und jeder Lauf seine"
        " Zeilen über einen Index findet, dauert das länger: nach weniger fragen, oder behalten,"
        " was sie zählt."
    ),
    "a subquery is run {loops:count} times, once for each row": (
        "eine Unterabfrage läuft {loops:count}-mal, einmal für jede Zeile"
    ),
    "a view or policy that it reads cannot be looked into": (
        "in eine Sicht oder Richtlinie, die sie liest, lässt sich nicht hineinsehen"
    ),
    "a view that it reads could write or lock rows": (
        "eine Sicht, die sie liest, könnte Zeilen schreiben oder sperren"
    ),
    "checks {rechecked:count} rows of {lossy:count} blocks in vain: the bitmap does not fit"
    " into work_mem": (
        "prüft {rechecked:count} Zeilen von {lossy:count} Blöcken vergeblich: die Bitmap passt"
        " nicht in work_mem"
    ),
    "compares each row with each other and rejects {rejected:count}": (
        "vergleicht jede Zeile mit jeder anderen und verwirft {rejected:count}"
    ),
    "fetches {read:count} rows of {table} and throws all but {kept:count} away": (
        "holt {read:count} Zeilen von {table} und wirft alle bis auf {kept:count} weg"
    ),
    "it calls {name}, a function that cannot be looked into": (
        "sie ruft {name} auf, eine Funktion, in die sich nicht hineinsehen lässt"
    ),
    "it calls {name}, a function that is not known": (
        "sie ruft {name} auf, eine Funktion, die nicht bekannt ist"
    ),
    "it calls {name}, a volatile function": "sie ruft {name} auf, eine VOLATILE-Funktion",
    "it calls {name}, which does more than read": "sie ruft {name} auf, das mehr tut als lesen",
    "it creates a table (SELECT INTO)": "sie legt eine Tabelle an (SELECT INTO)",
    "it has a WITH query that writes": "sie hat eine WITH-Abfrage, die schreibt",
    "it has parameters, so there are no values to execute it with": (
        "sie hat Parameter, also gibt es keine Werte, um sie auszuführen"
    ),
    "it locks rows (FOR UPDATE or FOR SHARE)": "sie sperrt Zeilen (FOR UPDATE oder FOR SHARE)",
    "it may call {name}, a volatile function, without naming it": (
        "sie ruft vielleicht {name} auf, eine VOLATILE-Funktion, ohne sie zu nennen"
    ),
    "it reaches too many views and functions to look into them all": (
        "sie erreicht zu viele Sichten und Funktionen, um in alle hineinzusehen"
    ),
    "it reads {name}, a foreign table": "sie liest {name}, eine fremde Tabelle (FOREIGN TABLE)",
    "it writes": "sie schreibt",
    "its hash table does not fit into work_mem and goes to disk in batches": (
        "seine Hashtabelle passt nicht in work_mem und geht in Teilen auf die Platte"
    ),
    "looks {fetches:count} rows up in the table, though the index has all it needs": (
        "schlägt {fetches:count} Zeilen in der Tabelle nach, obwohl der Index alles Nötige hat"
    ),
    "nothing to do here: no part of the plan costs more than it should": (
        "hier ist nichts zu tun: kein Teil des Plans kostet mehr als nötig"
    ),
    "planning takes {planning_s:duration}, execution {execution_s:duration}": (
        "das Planen braucht {planning_s:duration}, die Ausführung {execution_s:duration}"
    ),
    "reads {read:count} rows of {table} one after the other to find {kept:count}": (
        "liest {read:count} Zeilen von {table} eine nach der anderen, um {kept:count} zu finden"
    ),
    "reads {table} from end to end and keeps {kept:count} of {read:count} rows": (
        "liest {table} von Anfang bis Ende und behält {kept:count} von {read:count} Zeilen"
    ),
    "something that it reads is being changed": "etwas, das sie liest, wird gerade geändert",
    "sorts on disk, {spilled:bytes}: it does not fit into work_mem": (
        "sortiert auf der Platte, {spilled:bytes}: es passt nicht in work_mem"
    ),
    "sorts {read:count} rows of {table} for the first {wanted:count}": (
        "sortiert {read:count} Zeilen von {table} für die ersten {wanted:count}"
    ),
    "would read {table} from end to end for an estimated {kept:count} rows": (
        "würde {table} von Anfang bis Ende lesen, für geschätzte {kept:count} Zeilen"
    ),
    "{compiling:duration} went into compiling expressions": (
        "{compiling:duration} gingen in das Übersetzen von Ausdrücken"
    ),
    "{launched:count} of {planned:count} planned workers helped": (
        "{launched:count} von {planned:count} geplanten Helferprozessen halfen"
    ),
}
