"""What the demo says: its story and its progress."""

from __future__ import annotations

TEMPLATES = {
    "Asking the doctor again": "Der Doktor wird noch einmal gefragt",
    "Asking the doctor why it is slow": "Der Doktor wird gefragt, warum er langsam ist",
    "The doctor, asked again: {said}.": "Der Doktor, noch einmal gefragt: {said}.",
    "The doctor: why is it slow?": "Der Doktor: warum ist er langsam?",
    "A comparison draws stretches of 5 s from both measurements; the interval holds 95 % of"
    " the ratios that come out.": (
        "Ein Vergleich zieht Abschnitte von 5 s aus beiden Messungen; das Intervall enthält 95"
        " % der Verhältnisse, die herauskommen."
    ),
    "After: is the service fine now?": "Nachher: geht es dem Dienst jetzt gut?",
    "Alert {metric}, {severity}: {message}.": "Alarm {metric}, {severity}: {message}.",
    "An index on {table} makes the workload {factor:factor} cheaper, priced in"
    " {calls:count} questions to the planner": (
        "Ein Index auf {table} macht die Arbeitslast {factor:factor} billiger, bewertet mit"
        " {calls:count} Fragen an den Planer"
    ),
    "Asking the planner which index would help": "Den Planer fragen, welcher Index helfen würde",
    "Before: is the service fine?": "Vorher: geht es dem Dienst gut?",
    "Building the index, since this database is the demo's own": (
        "Den Index anlegen, denn diese Datenbank gehört der Vorführung selbst"
    ),
    "Candidates that the planner refused": "Kandidaten, die der Planer verwarf",
    "Endpoints, by the time that their users waited": (
        "Endpunkte, nach der Zeit, die ihre Nutzer warteten"
    ),
    "Filling the database": "Die Datenbank füllen",
    "From a slow service to a proven fix": "Von einem langsamen Dienst zur bewiesenen Abhilfe",
    "How it was measured": "Wie gemessen wurde",
    "It is no index that is missing: {finding}": "Es fehlt kein Index: {finding}",
    "Load: {rate:rate} for {seconds:duration} after a warm-up, whether or not the service"
    " keeps up (an open model). A response time runs from the instant at which a request"
    " was due to the last byte of its answer.": (
        "Last: {rate:rate} über {seconds:duration} nach dem Aufwärmen, ob der Dienst mitkommt"
        " oder nicht (offenes Modell). Eine Antwortzeit läuft vom Augenblick, in dem eine"
        " Anfrage fällig war, bis zum letzten Byte ihrer Antwort."
    ),
    "Looking at the database": "Die Datenbank ansehen",
    "Looking for the slow statement": "Die langsame Anweisung suchen",
    "Measuring again under the same load": "Noch einmal unter derselben Last messen",
    "Measuring the service under load": "Den Dienst unter Last messen",
    "Median response time of {step}": "Mittlere Antwortzeit (Median) von {step}",
    "No index would help much, priced in {calls:count} questions to the planner": (
        "Kein Index würde viel helfen, berechnet mit {calls:count} Fragen an den Planer"
    ),
    "No statement was seen": "Keine Anweisung wurde gesehen",
    "One index made {step} {least:factor} to {most:factor} faster: p95 fell from"
    " {before:duration} to {after:duration}": (
        "Ein Index machte {step} {least:factor} bis {most:factor} schneller: p95 fiel von"
        " {before:duration} auf {after:duration}"
    ),
    "One statement takes {share:ratio} of all time in the database, {mean:duration} a call": (
        "Eine Anweisung braucht {share:ratio} aller Zeit in der Datenbank, {mean:duration} je"
        " Aufruf"
    ),
    "One statement took {share:ratio} of all the time that the database worked:"
    " {calls:count} calls of {mean:duration} each.": (
        "Eine Anweisung brauchte {share:ratio} der ganzen Zeit, die die Datenbank arbeitete:"
        " {calls:count} Aufrufe zu je {mean:duration}."
    ),
    "PostgreSQL {version} from {label}, {statistics}, {hypopg}": (
        "PostgreSQL {version}: {label}, {statistics}, {hypopg}"
    ),
    "Service, database and load generator shared this machine's processors.": (
        "Dienst, Datenbank und Lastgenerator teilten sich die Prozessoren dieser Maschine."
    ),
    "Set shared_preload_libraries = 'pg_stat_statements', restart, and run CREATE EXTENSION"
    " pg_stat_statements": (
        "shared_preload_libraries = 'pg_stat_statements' setzen, neu starten und CREATE"
        " EXTENSION pg_stat_statements ausführen"
    ),
    "Starting PostgreSQL": "PostgreSQL starten",
    "Starting the service": "Den Dienst starten",
    "Statements, by the time that they took": "Anweisungen, nach der Zeit, die sie brauchten",
    "The agents API serves at {url}": "Die Agenten-API ist erreichbar unter {url}",
    "The database is filled: {tasks:count} tasks in the largest table": (
        "Die Datenbank ist gefüllt: {tasks:count} Aufgaben in der größten Tabelle"
    ),
    "The fix: which index helps, priced by the planner": (
        "Die Abhilfe: welcher Index hilft, vom Planer bewertet"
    ),
    "The index is built": "Der Index ist angelegt",
    "The index was built in the demo's own tables, and the same requests were sent in the"
    " same order. Now {missed:count} of {all:count} targets are missed.": (
        "Der Index wurde auf den eigenen Tabellen der Vorführung angelegt, und dieselben"
        " Anfragen wurden in derselben Reihenfolge gesendet. Jetzt sind {missed:count} von"
        " {all:count} Zielen verfehlt."
    ),
    "The measurement is not valid: {reason}.": "Die Messung ist nicht gültig: {reason}.",
    "The planner was asked {calls:count} questions: with the index the whole workload costs"
    " {after:number} instead of {before:number}. {refused:count} other candidates were"
    " refused.": (
        "Dem Planer wurden {calls:count} Fragen gestellt: mit dem Index kostet die ganze"
        " Arbeitslast {after:number} statt {before:number}. {refused:count} andere Kandidaten"
        " wurden verworfen."
    ),
    "The processors were busy to {cpu:ratio}, so the response times hold waits for them as"
    " well, and whatever else ran here counts in.": (
        "Die Prozessoren waren zu {cpu:ratio} beschäftigt; die Antwortzeiten enthalten daher"
        " auch das Warten auf sie, und was hier sonst lief, zählt mit."
    ),
    "The proof: the same load before and after": "Der Beweis: dieselbe Last vorher und nachher",
    "Under {rate:rate} the service missed {missed:count} of its {all:count} targets.": (
        "Unter {rate:rate} verfehlte der Dienst {missed:count} seiner {all:count} Ziele."
    ),
    "What the database itself counted": "Was die Datenbank selbst gezählt hat",
    "Why: what the service and its database were busy with": (
        "Warum: womit der Dienst und seine Datenbank beschäftigt waren"
    ),
    "filling {table}, {done:count} of {total:count} rows": (
        "{table} füllen, {done:count} von {total:count} Zeilen"
    ),
    "gathering statistics": "Statistiken erheben",
    "indexing {table}": "Indexe auf {table} anlegen",
    "making the tables": "die Tabellen anlegen",
    "needs {needed:count}": "braucht {needed:count}",
    "p95 of {step} went from {before:duration} to {after:duration}": (
        "p95 von {step} ging von {before:duration} auf {after:duration}"
    ),
    "pg_stat_statements is not there, so the service counted its statements": (
        "pg_stat_statements fehlt, also hat der Dienst seine Anweisungen gezählt"
    ),
    "statements counted by the service itself": "Anweisungen, die der Dienst selbst zählt",
    "the database is ready": "die Datenbank ist bereit",
    "the database that was given": "die angegebene Datenbank",
    "the database that was given, where the demo's tables are already, and stay": (
        "die angegebene Datenbank, in der die Tabellen der Vorführung schon sind und bleiben"
    ),
    "the embedded programs": "die eingebetteten Programme",
    "this machine's own programs": "die Programme dieser Maschine",
    "with HypoPG": "mit HypoPG",
    "with pg_stat_statements": "mit pg_stat_statements",
    "without HypoPG": "ohne HypoPG",
    "{missed:count} of {all:count} targets missed, alerts firing: {alerts:count}; p95 of"
    " {step} is {p95:duration}": (
        "{missed:count} von {all:count} Zielen verfehlt, aktive Alarme: {alerts:count}; p95"
        " von {step} ist {p95:duration}"
    ),
    "{rate:rate}, {waiting:count} in flight": "{rate:rate}, {waiting:count} unterwegs",
    "{route} is the slowest endpoint, and no index would make it much faster": (
        "{route} ist der langsamste Endpunkt, und kein Index würde ihn viel schneller machen"
    ),
}
