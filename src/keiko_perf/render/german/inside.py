"""What is said of a service and its database while a load test goes on."""

from __future__ import annotations

TEMPLATES = {
    "If the service executed any, as a superuser: CREATE EXTENSION pg_stat_statements, which has "
    "to be in shared_preload_libraries, and GRANT pg_read_all_stats to the user of --database": (
        "Falls der Dienst welche ausführte, als Superuser: CREATE EXTENSION pg_stat_statements, "
        "was in shared_preload_libraries stehen muss, und GRANT pg_read_all_stats an den Benutzer "
        "von --database"
    ),
    "Under the load {answered:count} requests were answered, and {held:count} were in the "
    "service at its end: what they wait for is no pool and no thread. keiko-perf doctor "
    "tells more.": (
        "Unter der Last wurden {answered:count} Anfragen beantwortet, und {held:count} waren an "
        "ihrem Ende im Dienst: worauf sie warten, ist kein Pool und kein Thread. keiko-perf doctor "
        "sagt mehr."
    ),
    "Under the load {answered:count} requests were answered, and {held:count} were in the "
    "service at its end: {full}.": (
        "Unter der Last wurden {answered:count} Anfragen beantwortet, und {held:count} waren an "
        "ihrem Ende im Dienst: {full}."
    ),
    "{resource}: {used:number} of {size:number} in use, {waiting:number} wait for one": (
        "{resource}: {used:number} von {size:number} in Gebrauch, {waiting:number} warten"
    ),
    "The service told no figures for {silent:duration} of {loaded:duration}: it did not answer, "
    "as while its event loop is held, and what it was at then is not in them. keiko-perf doctor "
    "tells what holds it.": (
        "Der Dienst nannte {silent:duration} von {loaded:duration} lang keine Zahlen: er "
        "antwortete nicht, wie während seine Ereignisschleife aufgehalten ist, und was er da tat, "
        "steht nicht in ihnen. keiko-perf doctor sagt, was sie aufhält."
    ),
    "Statements meanwhile, as the database counted them": (
        "Anweisungen währenddessen, wie die Datenbank sie zählte"
    ),
    "Statements of the database: executions at a time": (
        "Anweisungen der Datenbank: gleichzeitige Ausführungen"
    ),
    "The clock of the database is {clock}.": "Die Uhr der Datenbank {clock}.",
    "The clock of the service is {clock}.": "Die Uhr des Dienstes {clock}.",
    "all others": "alle anderen",
    "hold of a database connection": "Haltezeit einer Datenbankverbindung",
    "no handler ran in a thread": "kein Handler lief in einem Thread",
    "lag of the event loop": "Verzug der Ereignisschleife",
    "memory of the service": "Speicher des Dienstes",
    "pg_stat_statements told of none": "pg_stat_statements nannte keine",
    "handlers that wait for a thread": "Handler, die auf einen Thread warten",
    "requests in the service": "Anfragen im Dienst",
    "requests that wait for a connection": "Anfragen, die auf eine Verbindung warten",
    "response time inside the service": "Antwortzeit im Dienst",
    "running sessions of the database": "laufende Sitzungen der Datenbank",
    "sessions that wait for I/O": "Sitzungen, die auf E/A warten",
    "sessions that wait for a lock": "Sitzungen, die auf eine Sperre warten",
    "share of the pool in use": "belegter Anteil des Pools",
    "share of the threads for handlers in use": "belegter Anteil der Threads für Handler",
    "that of the load generator, within {error:duration}": (
        "geht wie die des Lastgenerators, auf {error:duration} genau"
    ),
    "the service's own figures were not read": (
        "die eigenen Zahlen des Dienstes wurden nicht gelesen"
    ),
    "the service's processes cannot be seen from here": (
        "die Prozesse des Dienstes sind von hier nicht zu sehen"
    ),
    "the sessions of the database were not looked at": (
        "die Sitzungen der Datenbank wurden nicht angesehen"
    ),
    "the statements that the database executed meanwhile": (
        "die Anweisungen, die die Datenbank währenddessen ausführte"
    ),
    "time of a statement": "Zeit einer Anweisung",
    "wait for a database connection": "Warten auf eine Datenbankverbindung",
    "{number:number}": "{number:number}",
    "{offset:duration} ahead of the load generator's, within {error:duration}": (
        "geht gegen die des Lastgenerators {offset:duration} vor, auf {error:duration} genau"
    ),
    "{offset:duration} behind the load generator's, within {error:duration}": (
        "geht gegen die des Lastgenerators {offset:duration} nach, auf {error:duration} genau"
    ),
    "{what} {percentile}": "{what} {percentile}",
}
