"""What the diagnosis says of statements, tables and indexes, and how it advises."""

from __future__ import annotations

TEMPLATES = {
    "Its GIN indexes are estimated, as without --scratch-schema": (
        "Seine GIN-Indizes sind geschätzt wie ohne --scratch-schema"
    ),
    "a sample of {table}": "eine Stichprobe von {table}",
    "it could not be taken: {reason}": "sie konnte nicht genommen werden: {reason}",
    "A CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY did not end well. Drop what is"
    " left, or build it again.": (
        "Ein CREATE INDEX CONCURRENTLY oder REINDEX CONCURRENTLY ging nicht gut aus. Den"
        " Rest löschen oder den Index neu anlegen."
    ),
    "Add pg_stat_statements to shared_preload_libraries in postgresql.conf and restart"
    " the server": (
        "pg_stat_statements in postgresql.conf zu shared_preload_libraries hinzufügen"
        " und den Server neu starten"
    ),
    "An index on {index} might help {count:count} of the statements; this is not verified": (
        "Ein Index auf {index} könnte {count:count} der Anweisungen helfen; geprüft ist das nicht"
    ),
    "As a superuser: ALTER EXTENSION pg_stat_statements UPDATE": (
        "Als Superuser: ALTER EXTENSION pg_stat_statements UPDATE"
    ),
    "As a superuser: CREATE EXTENSION pg_stat_statements; it also has to be in"
    " shared_preload_libraries, which needs a restart": (
        "Als Superuser: CREATE EXTENSION pg_stat_statements; es muss auch in"
        " shared_preload_libraries stehen, was einen Neustart braucht"
    ),
    "As a superuser: GRANT pg_monitor TO {user}": "Als Superuser: GRANT pg_monitor TO {user}",
    "Calls since": "Aufrufe seither",
    "Check of the database {database}": "Prüfung der Datenbank {database}",
    "Connect with the service's own role and search_path": (
        "Mit der Rolle und dem search_path des Dienstes verbinden"
    ),
    "Cost after": "Kosten nachher",
    "Cost before": "Kosten vorher",
    "Saved of the workload": "Von der Arbeitslast erspart",
    "What each statement gains": "Was jede Anweisung gewinnt",
    "What other statements lose by it": "Was andere Anweisungen dadurch verlieren",
    "Counted since {since_at:time}.": "Gezählt seit {since_at:time}.",
    "Each scan reads the dead rows too. They stay as long as no vacuum comes by, or"
    " while a long transaction or a replication slot still could see them.": (
        "Jede Suche liest auch die toten Zeilen. Sie bleiben, solange kein VACUUM"
        " vorbeikommt oder eine lange Transaktion oder ein Replikations-Slot sie noch"
        " sehen könnte."
    ),
    "Each write to the table also writes the index. Look at the standbys too, which"
    " count for themselves, and think of jobs that run rarely.": (
        "Jedes Schreiben in die Tabelle schreibt auch den Index. Auch auf den"
        " Standby-Servern nachsehen, die für sich zählen, und an seltene Jobs denken."
    ),
    "Each write to the table writes both; queries need one. What used this one will use"
    " the other.": (
        "Jedes Schreiben in die Tabelle schreibt beide; Abfragen brauchen einen. Was"
        " diesen benutzt hat, wird den anderen benutzen."
    ),
    "GRANT SELECT on them to the role, or grant it pg_read_all_data": (
        "Der Rolle GRANT SELECT darauf geben oder ihr pg_read_all_data gewähren"
    ),
    "Give the role pg_read_all_stats if their text is hidden; else look at them by hand": (
        "Der Rolle pg_read_all_stats geben, falls ihr Text verborgen ist; sonst von Hand ansehen"
    ),
    "Index advice for the database {database}": "Index-Rat für die Datenbank {database}",
    "Indexes": "Indexe",
    "Indexes of the database {database}": "Indexe der Datenbank {database}",
    "Indexes to make": "Anzulegende Indexe",
    "Install it (apt install postgresql-{major}-hypopg) and run CREATE EXTENSION hypopg"
    " as the database's owner; most managed services have it ready for CREATE EXTENSION": (
        "Installieren (apt install postgresql-{major}-hypopg) und als Eigentümer der"
        " Datenbank CREATE EXTENSION hypopg ausführen; die meisten verwalteten Dienste"
        " halten sie für CREATE EXTENSION bereit"
    ),
    "Its plan tells where the time goes: keiko-perf db explain. An index that it lacks"
    " is found and priced by keiko-perf db advise.": (
        "Ihr Plan sagt, wohin die Zeit geht: keiko-perf db explain. Einen Index, der ihr"
        " fehlt, findet und bewertet keiko-perf db advise."
    ),
    "Look at them by hand; if it says so, grant the role SELECT on their tables": (
        "Von Hand ansehen; wenn es so dasteht, der Rolle SELECT auf ihre Tabellen geben"
    ),
    "Mean before": "Mittel vorher",
    "Mean since": "Mittel seither",
    "Now": "Jetzt",
    "Promise": "Versprechen",
    "Promised": "Versprochen",
    "Name fewer statements in a file (--workload), or raise max_candidates": (
        "Weniger Anweisungen in einer Datei nennen (--workload) oder max_candidates erhöhen"
    ),
    "Name those that count in a file (--workload), or raise max_statements": (
        "Die wichtigen in einer Datei nennen (--workload) oder max_statements erhöhen"
    ),
    "Raise the recorder's bound on series, or use pg_stat_statements": (
        "Die Grenze des Recorders für Reihen erhöhen oder pg_stat_statements benutzen"
    ),
    "Statements of the database {database}": "Anweisungen der Datenbank {database}",
    "Statements of {index}": "Anweisungen von {index}",
    "Tables of the database {database}": "Tabellen der Datenbank {database}",
    "The largest indexes": "Die größten Indexe",
    "The largest tables": "Die größten Tabellen",
    "The planner chooses by these statistics; where they are wrong it takes the wrong"
    " index or join.": (
        "Der Planer wählt nach diesen Statistiken; wo sie falsch sind, nimmt er den"
        " falschen Index oder Join."
    ),
    "The promises": "Die Versprechen",
    "The statements that take most of the time": "Die Anweisungen, die am meisten Zeit brauchen",
    "This server is a standby: its counters tell only what was asked of it.": (
        "Dieser Server ist ein Standby: seine Zähler sagen nur, was von ihm verlangt wurde."
    ),
    "What became of the index advice in the database {database}": (
        "Was aus dem Index-Rat in der Datenbank {database} wurde"
    ),
    "What is worth attention": "Was Beachtung verdient",
    "What was tried and refused": "Was geprüft und verworfen wurde",
    "Why": "Warum",
    "With an index on {index} the planner finds {count:count} of the statements"
    " {factor:factor} cheaper": (
        "Mit einem Index auf {index} findet der Planer {count:count} der Anweisungen"
        " {factor:factor} billiger"
    ),
    "With an index on {index} the planner finds {count:count} of the statements"
    " {factor:factor} cheaper. Its making locks the writers of all partitions out; made"
    " on each of them first, CONCURRENTLY, it does not": (
        "Mit einem Index auf {index} findet der Planer {count:count} der Anweisungen"
        " {factor:factor} billiger. Ihn anzulegen sperrt die Schreiber aller Partitionen"
        " aus; zuvor auf jeder einzeln angelegt, mit CONCURRENTLY, nicht"
    ),
    "Write them with their table's alias": "Sie mit dem Alias ihrer Tabelle schreiben",
    "a statement takes {mean_s:duration} on average and {share:ratio} of the database's time": (
        "eine Anweisung braucht im Mittel {mean_s:duration} und {share:ratio} der Zeit"
        " der Datenbank"
    ),
    "a unique index leads to the single row already": (
        "ein eindeutiger Index führt schon zu der einen Zeile"
    ),
    "as many are chosen already as were asked for: {most:count}": (
        "so viele sind schon gewählt, wie verlangt waren: {most:count}"
    ),
    "broken": "gebrochen",
    "estimated: the planner would use a like one (HypoPG)": (
        "geschätzt: der Planer würde einen ähnlichen benutzen (HypoPG)"
    ),
    "execution was not asked for": "Ausführung war nicht verlangt",
    "findings: {count:count}, none of them severe": "Befunde: {count:count}, keiner davon schwer",
    "findings: {count:count}, severe ones: {severe:count}": (
        "Befunde: {count:count}, davon schwer: {severe:count}"
    ),
    "indexes that would pay: {count:count}": "Indexe, die sich lohnen würden: {count:count}",
    "indexes that would pay: {count:count}; the planner then reckons {ratio:ratio} of"
    " what the workload costs now": (
        "Indexe, die sich lohnen würden: {count:count}; der Planer rechnet dann mit"
        " {ratio:ratio} der jetzigen Kosten"
    ),
    "it alone is larger than the budget: {size:bytes}": (
        "er allein ist größer als das Budget: {size:bytes}"
    ),
    "it did not end before the statement timeout": "sie endete nicht vor dem Zeitlimit",
    "it failed when it was executed: {message}": "sie scheiterte bei der Ausführung: {message}",
    "it is not certain to which table they belong: {examples}": (
        "es ist nicht sicher, zu welcher Tabelle sie gehören: {examples}"
    ),
    "it makes no statement cheaper by {least:ratio} or more": (
        "er macht keine Anweisung um {least:ratio} oder mehr billiger"
    ),
    "it saves less than {least:ratio} of the workload's cost": (
        "er spart weniger als {least:ratio} der Kosten der Last"
    ),
    "it saves less than {least:ratio} of the workload's cost, and makes no statement"
    " {factor:factor} cheaper": (
        "er spart weniger als {least:ratio} der Kosten der Last und macht keine"
        " Anweisung {factor:factor} billiger"
    ),
    "it saves {saved:number}, but costs the writes {upkeep:number}": (
        "er spart {saved:number}, kostet aber beim Schreiben {upkeep:number}"
    ),
    "its statements don't run faster than before": (
        "seine Anweisungen laufen nicht schneller als vorher"
    ),
    "its statements run {factor:factor} faster": (
        "seine Anweisungen laufen {factor:factor} schneller"
    ),
    "its statements' plans use it, but cost more than was promised": (
        "die Pläne seiner Anweisungen benutzen ihn, kosten aber mehr als versprochen"
    ),
    "kept": "gehalten",
    "no statement could be looked at": "keine Anweisung ließ sich ansehen",
    "no index was found for what could be looked at": (
        "für das, was sich ansehen ließ, fand sich kein Index"
    ),
    "no index would help: no statement filters, joins or sorts by what has none": (
        "kein Index würde helfen: keine Anweisung filtert, verbindet oder sortiert nach"
        " etwas ohne Index"
    ),
    "{large:count} of {count:count} indexes are larger than the budget and were not tried: a larger"
    " one tells what they would bring": (
        "{large:count} von {count:count} Indizes sind größer als das Budget und wurden nicht"
        " versucht: ein größeres sagt, was sie brächten"
    ),
    "no index would help: {count:count} were tried and refused": (
        "kein Index würde helfen: {count:count} wurden versucht und verworfen"
    ),
    "no index would pay": "kein Index würde sich lohnen",
    "no plan of its statements uses it; it was used {scans:count} times in all": (
        "kein Plan seiner Anweisungen benutzt ihn; insgesamt wurde er {scans:count}-mal benutzt"
    ),
    "none of its statements can be planned any more": (
        "keine seiner Anweisungen lässt sich noch planen"
    ),
    "not known": "nicht bekannt",
    "not verified, and not the first choice": "nicht geprüft und nicht die erste Wahl",
    "nothing found in what could be looked at": "nichts gefunden in dem, was zu untersuchen war",
    "nothing to do here": "hier ist nichts zu tun",
    "pg_stat_statements is installed, but was not loaded at the server's start": (
        "pg_stat_statements ist installiert, wurde aber beim Start des Servers nicht geladen"
    ),
    "pg_stat_statements is not installed in this database": (
        "pg_stat_statements ist in dieser Datenbank nicht installiert"
    ),
    "pg_stat_statements is of version {version}": "pg_stat_statements hat die Version {version}",
    "promises kept: {kept:count}, broken: {broken:count}, not known: {unknown:count}": (
        "gehaltene Versprechen: {kept:count}, gebrochene: {broken:count}, unbekannt:"
        " {unknown:count}"
    ),
    "some columns of {count:count} statements": "einige Spalten von {count:count} Anweisungen",
    "the extension HypoPG is not there, so none of them was verified": (
        "die Erweiterung HypoPG fehlt, also wurde keiner davon geprüft"
    ),
    "the index does the same as {kept} on {table}": (
        "der Index leistet dasselbe wie {kept} auf {table}"
    ),
    "the index is invalid: its making did not end well": (
        "der Index ist ungültig: sein Anlegen ging nicht gut aus"
    ),
    "the index on {table} is invalid: it is written to, and no query may use it": (
        "der Index auf {table} ist ungültig: er wird geschrieben, und keine Abfrage darf"
        " ihn benutzen"
    ),
    "there is no such index: it was not made, or it is gone again": (
        "es gibt keinen solchen Index: er wurde nicht angelegt, oder er ist wieder fort"
    ),
    "it was made as {name}: {reason}": "er wurde als {name} angelegt: {reason}",
    "its statements run {factor:factor} faster in all, but {slower:count} of {count:count} slower"
    " than before": (
        "seine Anweisungen laufen insgesamt {factor:factor} schneller, aber {slower:count} von"
        " {count:count} langsamer als vorher"
    ),
    "its statements run {factor:factor} faster, though by now the planner expects more work of them"
    " than was promised": (
        "seine Anweisungen laufen {factor:factor} schneller, obwohl der Planer inzwischen mehr"
        " Arbeit von ihnen erwartet als versprochen"
    ),
    "{count:count} of its {planned:count} statements run {factor:factor} faster; of the others the"
    " plans do not use it, or they were executed too seldom": (
        "{count:count} seiner {planned:count} Anweisungen laufen {factor:factor} schneller; die"
        " Pläne der anderen benutzen ihn nicht, oder sie wurden zu selten ausgeführt"
    ),
    "the index {name} serves it already": "der Index {name} leistet es schon",
    "the planner cannot be asked about it: it depends on a parameter's value;"
    " --scratch-schema tries it on a sample": (
        "der Planer kann danach nicht gefragt werden: es hängt vom Wert eines Parameters ab;"
        " --scratch-schema probiert ihn an einer Stichprobe"
    ),
    "the planner would not use it": "der Planer würde ihn nicht benutzen",
    "the planner has no statistics of the expression and guesses that it has"
    " {guessed:count} values; a sample of {sampled:count} rows has {different:count}": (
        "der Planer hat keine Statistik des Ausdrucks und schätzt {guessed:count} Werte; in einer"
        " Stichprobe von {sampled:count} Zeilen sind es {different:count}"
    ),
    "what it would be used for, an index that is there does": (
        "wofür er benutzt würde, das leistet ein Index, den es schon gibt"
    ),
    "the relations {names}": "die Relationen {names}",
    "the role may not read them": "die Rolle darf sie nicht lesen",
    "the server cannot make it: {reason}": "der Server kann ihn nicht anlegen: {reason}",
    "the server does not plan them: {examples}": "der Server plant sie nicht: {examples}",
    "the statements that the database executed": (
        "die Anweisungen, die die Datenbank ausgeführt hat"
    ),
    "the table is so small that it is read in one go": (
        "die Tabelle ist so klein, dass sie in einem Zug gelesen wird"
    ),
    "the table was never analysed: the planner guesses": (
        "die Tabelle wurde nie analysiert: der Planer rät"
    ),
    "the tables {names}": "die Tabellen {names}",
    "the time was up before it was compared": "die Zeit war um, bevor er verglichen wurde",
    "the time was up before they were looked at": "die Zeit war um, bevor sie angesehen wurden",
    "Allow more time (--time-limit), or look at fewer statements": (
        "Mehr Zeit geben (--time-limit) oder weniger Anweisungen ansehen"
    ),
    "the time was up before an index was found": (
        "die Zeit war um, bevor ein Index gefunden wurde"
    ),
    "the user {user} may not read pg_stat_statements": (
        "der Benutzer {user} darf pg_stat_statements nicht lesen"
    ),
    "the user {user} may not see the text of {hidden:count} statements of others": (
        "der Benutzer {user} darf den Text von {hidden:count} Anweisungen anderer nicht sehen"
    ),
    "the workload holds no statement that reads or changes rows of a table": (
        "die Arbeitslast enthält keine Anweisung, die Zeilen einer Tabelle liest oder ändert"
    ),
    "there were more different statements than the recorder keeps apart": (
        "es gab mehr verschiedene Anweisungen, als der Recorder auseinanderhält"
    ),
    "they are views, foreign or temporary tables, or not on the search path": (
        "sie sind Sichten, fremde oder temporäre Tabellen oder nicht im Suchpfad"
    ),
    "they cannot be read: {examples}": "sie lassen sich nicht lesen: {examples}",
    "those for the statements that took least time were not tried": (
        "die für die Anweisungen mit der wenigsten Zeit wurden nicht versucht"
    ),
    "those that took least time were left out": "die mit der wenigsten Zeit wurden ausgelassen",
    "those that were chosen save more within {budget:bytes}": (
        "die gewählten sparen innerhalb von {budget:bytes} mehr"
    ),
    "what the indexes would bring": "was die Indexe bringen würden",
    "its look-ups take longer than the planner says, so that it saves little or nothing": (
        "wer in ihm nachschlägt, braucht länger, als der Planer sagt, so dass er wenig oder nichts"
        " spart"
    ),
    "it saves something only where pages come from the disk, not from memory": (
        "er spart nur dort etwas, wo Seiten von der Platte kommen und nicht aus dem Speicher"
    ),
    "{better} do as much or more together": "{better} leisten zusammen ebenso viel oder mehr",
    "{better} does as much or more": "{better} leistet ebenso viel oder mehr",
    "{calls:count} executions of statements": "{calls:count} Ausführungen von Anweisungen",
    "{count:count} of {planned:count} plans of its statements use it at the promised cost; {why}": (
        "{count:count} von {planned:count} Plänen seiner Anweisungen benutzen ihn zu den"
        " versprochenen Kosten; {why}"
    ),
    "it was used {scans:count} times, in {calls:count} executions since the advice: too seldom to"
    " tell": (
        "er wurde {scans:count}-mal benutzt, bei {calls:count} Ausführungen seit dem Rat: zu"
        " selten, um etwas zu sagen"
    ),
    "under {least:count} executions since don't tell how they run": (
        "unter {least:count} Ausführungen seither sagen nicht, wie sie laufen"
    ),
    "their run time before and after is not recorded": (
        "ihre Laufzeit vorher und nachher ist nicht aufgezeichnet"
    ),
    "{count:count} possible indexes": "{count:count} mögliche Indexe",
    "{count:count} statements of the workload": "{count:count} Anweisungen der Arbeitslast",
    "{dead_ratio:ratio} of the rows are dead, {factor:factor} what autovacuum allows": (
        "{dead_ratio:ratio} der Zeilen sind tot, {factor:factor} dessen, was Autovacuum zulässt"
    ),
    "{dead_ratio:ratio} of the rows are dead: autovacuum is off for this table": (
        "{dead_ratio:ratio} der Zeilen sind tot: Autovacuum ist für diese Tabelle abgeschaltet"
    ),
    "{modified:count} rows changed since the planner's statistics were taken": (
        "{modified:count} Zeilen änderten sich, seit die Statistiken des Planers erhoben wurden"
    ),
}
