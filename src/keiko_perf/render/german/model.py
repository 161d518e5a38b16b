"""What the model says: KPIs, verdicts, comparisons, bottlenecks."""

from __future__ import annotations

TEMPLATES = {
    "CPU": "CPU",
    "a duration of 0 has no ratio": "eine Dauer von 0 hat kein Verhältnis",
    "all of the demand was served": "die gesamte Nachfrage wurde bedient",
    "below the limit while more was asked for": "unter der Grenze, obwohl mehr nachgefragt wurde",
    "below the limit, and the demand is not known": (
        "unter der Grenze, und die Nachfrage ist nicht bekannt"
    ),
    "database connections": "Datenbankverbindungen",
    "error rate": "Fehlerrate",
    "more than {factor:factor} slower": "mehr als {factor:factor} langsamer",
    "more than {factor:factor} faster": "mehr als {factor:factor} schneller",
    "so short a run tells only what is {factor:factor} as much; {needed:count} intervals are needed"
    " to tell less": (
        "ein so kurzer Lauf sagt nur, was {factor:factor} so viel ist; für weniger braucht es"
        " {needed:count} Intervalle"
    ),
    "faster by more than {effect:ratio}": "schneller, um mehr als {effect:ratio}",
    "memory": "Speicher",
    "no background task was seen": "keine Hintergrundaufgabe wurde gesehen",
    "no connection pool is watched": "kein Verbindungspool wird beobachtet",
    "no difference over {effect:ratio}": "kein Unterschied über {effect:ratio}",
    "no request was seen": "keine Anfrage wurde gesehen",
    "no successful request was seen": "keine erfolgreiche Anfrage wurde gesehen",
    "nothing was measured yet": "noch wurde nichts gemessen",
    "only {seen:count} seen, {needed:count} are needed to tell": (
        "nur {seen:count} gesehen, für eine Aussage sind {needed:count} nötig"
    ),
    "over the limit": "über der Grenze",
    "response time p{percent}": "Antwortzeit p{percent}",
    "share of refused requests": "Anteil abgelehnter Anfragen",
    "slower by more than {effect:ratio}": "langsamer, um mehr als {effect:ratio}",
    "sure already from {seen:count} seen": "schon nach {seen:count} sicher",
    "task failure rate": "Fehlerrate der Aufgaben",
    "tasks per minute": "Aufgaben pro Minute",
    "the CPU was not sampled": "die CPU wurde nicht gemessen",
    "the interval does not tell; about {more:count} more seconds would": (
        "das Intervall entscheidet es nicht; etwa {more:count} weitere Sekunden würden es"
    ),
    "the memory was not sampled": "der Speicher wurde nicht gemessen",
    "throughput": "Durchsatz",
    "too short: {seen:count} intervals, {needed:count} are needed to tell": (
        "zu kurz: {seen:count} Abschnitte, für eine Aussage sind {needed:count} nötig"
    ),
    "within the limit": "innerhalb der Grenze",
    "load generator": "Lastgenerator",
    "network": "Netz",
    "worker CPU": "Worker-CPU",
    "event loop": "Ereignisschleife",
    "thread pool": "Thread-Pool",
    "DB pool": "DB-Pool",
    "database locks": "Datenbanksperren",
    "database CPU": "CPU der Datenbank",
    "database I/O": "I/O der Datenbank",
    "the wait for a database connection": "das Warten auf eine Datenbankverbindung",
    "outgoing HTTP": "ausgehendes HTTP",
    "the service's own code": "der eigene Code des Dienstes",
    "the wait for the event loop": "das Warten auf die Ereignisschleife",
    "other waiting": "anderes Warten",
    "the time inside the service": "die Zeit im Dienst",
    "the way between load generator and service (the network, a proxy, a queue)": (
        "der Weg zwischen Lastgenerator und Dienst (das Netz, ein Proxy, eine Warteschlange)"
    ),
    "{resource} {name}": "{resource} {name}",
    "{resource}: {use}": "{resource}: {use}",
    "{first}; with it {resource}: {use}": "{first}; zugleich {resource}: {use}",
    "{first}; behind it {resource} at {ceiling:rate}": (
        "{first}; dahinter {resource} bei {ceiling:rate}"
    ),
    "no limit was reached; the nearest is {resource} at {ceiling:rate}": (
        "keine Grenze wurde erreicht; die nächste ist {resource} bei {ceiling:rate}"
    ),
    "no limit was reached, and no ceiling is in sight": (
        "keine Grenze wurde erreicht, und keine ist in Sicht"
    ),
    "the limit is outside what can be seen here": (
        "die Grenze liegt außerhalb dessen, was hier zu sehen ist"
    ),
    "the limit is outside what can be seen here; what grew is {phase}, by {grown:duration}": (
        "die Grenze liegt außerhalb dessen, was hier zu sehen ist; gewachsen ist {phase}, um"
        " {grown:duration}"
    ),
    "{busy:number} sessions stand before one, {wait:duration} a request": (
        "{busy:number} Sitzungen stehen davor an, {wait:duration} je Anfrage"
    ),
    "{wait:duration} of waiting a request": "{wait:duration} Warten je Anfrage",
    "{busy:number} of {capacity:number} in use, hold {demand:duration}, ceiling {ceiling:rate}": (
        "{busy:number} von {capacity:number} in Gebrauch, gehalten {demand:duration},"
        " Obergrenze {ceiling:rate}"
    ),
    "{ratio:ratio} busy, {demand:duration} a request, ceiling {ceiling:rate}": (
        "zu {ratio:ratio} ausgelastet, {demand:duration} je Anfrage, Obergrenze {ceiling:rate}"
    ),
    "only {seen:count} pairs, {needed:count} are needed to tell": (
        "nur {seen:count} Paare, für eine Aussage sind {needed:count} nötig"
    ),
    "worse by more than {effect:ratio}": "schlechter, um mehr als {effect:ratio}",
    "better by more than {effect:ratio}": "besser, um mehr als {effect:ratio}",
    "the interval does not tell; about {more:count} more pairs would": (
        "das Intervall sagt es nicht; etwa {more:count} weitere Paare würden es"
    ),
    "the same in each pair": "dasselbe in jedem Paar",
    "there was less of it in each run before": "vorher war es in jedem Lauf weniger",
    "there was more of it in each run before": "vorher war es in jedem Lauf mehr",
    "a figure of 0 has no ratio": "eine Zahl von 0 hat kein Verhältnis",
    "of {count:count} comparisons some differ as much by chance; more would tell": (
        "von {count:count} Vergleichen weichen manche durch Zufall so weit ab; mehr"
        " Messungen würden es zeigen"
    ),
}
