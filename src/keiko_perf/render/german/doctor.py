"""What the doctor says."""

from __future__ import annotations

TEMPLATES = {
    "the database's server has no connection left, not for this look either": (
        "der Server der Datenbank hat keine Verbindung mehr, auch für diesen Blick nicht"
    ),
    "Who needs a connection is refused. Each process has a pool of its own, and together they may "
    "open pool_size + max_overflow times the processes, of all services: let that be less than "
    "max_connections, or put pgbouncer between.": (
        "Wer eine Verbindung braucht, wird abgewiesen. Jeder Prozess hat einen eigenen Pool, und "
        "zusammen dürfen sie pool_size + max_overflow mal die Prozesse öffnen, aller Dienste: das "
        "unter max_connections halten, oder pgbouncer dazwischen setzen."
    ),
    "its server has no connection left": "ihr Server hat keine Verbindung mehr",
    "End connections that are not needed, raise max_connections, or put a pooler in front": (
        "Verbindungen beenden, die nicht gebraucht werden, max_connections erhöhen, oder einen "
        "Pooler davorsetzen"
    ),
    "who waits for whom in the database": "wer in der Datenbank auf wen wartet",
    "Nothing slow was found: {count:count} statements took {mean:duration} each": (
        "Nichts Langsames gefunden: {count:count} Anweisungen brauchten je {mean:duration}"
    ),
    "{count:count} statements within {window:duration}, which took {total:duration} in all; the "
    "shares are of that time.": (
        "{count:count} Anweisungen in {window:duration}, die zusammen {total:duration} brauchten; "
        "die Anteile sind die an dieser Zeit."
    ),
    "Nothing can be said: the service does not record where its time goes": (
        "Es lässt sich nichts sagen: der Dienst zeichnet nicht auf, wohin seine Zeit geht"
    ),
    "Nothing can be said: no request and no statement was seen": (
        "Es lässt sich nichts sagen: keine Anfrage und keine Anweisung war zu sehen"
    ),
    "A target is missed, and the machine is too busy to tell by what: of the time that the service "
    "wanted to compute it waited {ratio:ratio} for a processor": (
        "Ein Ziel ist verfehlt, und die Maschine ist zu beschäftigt, um zu sagen, wodurch: von der "
        "Zeit, in der der Dienst rechnen wollte, wartete er {ratio:ratio} auf einen Prozessor"
    ),
    "A target is missed, and no cause takes a tenth of the time alone. The largest: {cause}": (
        "Ein Ziel ist verfehlt, und keine Ursache nimmt allein ein Zehntel der Zeit. Die größte:"
        " {cause}"
    ),
    "Also found, by what users wait for it": "Außerdem gefunden, nach dem Warten darauf",
    "Each is less than a tenth of the time, and none of them a guess.": (
        "Jedes ist weniger als ein Zehntel der Zeit, und keines eine Vermutung."
    ),
    "A target is missed, and too few requests were answered meanwhile to tell by what: "
    "{count:count}": (
        "Ein Ziel ist verfehlt, und zu wenige Anfragen wurden unterdessen beantwortet, um zu "
        "sagen, wodurch: {count:count}"
    ),
    "A target is missed, and nothing that takes a notable time was found": (
        "Ein Ziel ist verfehlt, und nichts war zu finden, das nennenswert Zeit braucht"
    ),
    "Nothing slow was found: {count:count} requests took {mean:duration} each": (
        "Nichts Langsames gefunden: {count:count} Anfragen brauchten je {mean:duration}"
    ),
    "{count:count} requests within {window:duration}, which took {total:duration} in all; the "
    "shares are of that time.": (
        "{count:count} Anfragen in {window:duration}, die zusammen {total:duration} brauchten; "
        "die Anteile sind die an dieser Zeit."
    ),
    "One request within {window:duration}, which took {total:duration}; the shares are of that "
    "time.": (
        "Eine Anfrage in {window:duration}, die {total:duration} brauchte; die Anteile sind die an "
        "dieser Zeit."
    ),
    "Why is it slow?": "Warum ist es langsam?",
    "By the utilisation law: {limit}.": "Nach dem Auslastungsgesetz: {limit}.",
    "Causes, by what users wait for them": "Ursachen, nach der Wartezeit der Nutzer",
    "Where the time of requests went": "Wohin die Zeit der Anfragen ging",
    "Also noticed in the database": "Außerdem in der Datenbank aufgefallen",
    "By route: the share of each part": "Nach Route: der Anteil jedes Teils",
    "By route and statement": "Nach Route und Anweisung",
    "The slowest requests": "Die langsamsten Anfragen",
    "times a request": "Male je Anfrage",
    "repeated from": "wiederholt aus",
    "status": "Status",
    "How far this look reaches": "Wie weit dieser Blick reicht",
    "As the service judges itself, over the last minute unless it was told otherwise.": (
        "Wie der Dienst sich selbst beurteilt, über die letzte Minute, wenn ihm nichts anderes"
        " gesagt wurde."
    ),
    "what the requests of the service wait for": "worauf die Anfragen des Dienstes warten",
    "no service was named": "kein Dienst wurde genannt",
    "Name it, as in --url http://localhost:8000": (
        "Ihn nennen, etwa mit --url http://localhost:8000"
    ),
    "no request was answered within {window:duration}": (
        "in {window:duration} wurde keine Anfrage beantwortet"
    ),
    "Look while it is used, or make load: --load 20": (
        "Hinsehen, während er benutzt wird, oder Last machen: --load 20"
    ),
    "how quick the service is by itself": "wie schnell der Dienst für sich genommen ist",
    "of the time that it wanted to compute it waited {ratio:ratio} for a processor": (
        "von der Zeit, in der er rechnen wollte, wartete er {ratio:ratio} auf einen Prozessor"
    ),
    "Look when the machine has less to do, or give the service a processor": (
        "Hinsehen, wenn die Maschine weniger zu tun hat, oder dem Dienst einen Prozessor geben"
    ),
    "what the database does": "was die Datenbank tut",
    "no database was named": "keine Datenbank wurde genannt",
    "Name it, as in --database postgresql://user@host/name": (
        "Sie nennen, etwa mit --database postgresql://user@host/name"
    ),
    "the service does not record where its time goes": (
        "der Dienst zeichnet nicht auf, wohin seine Zeit geht"
    ),
    "Let it: PerformanceMonitor(attribution=True)": (
        "Ihn das tun lassen: PerformanceMonitor(attribution=True)"
    ),
    "statements and waits for connections": "Anweisungen und das Warten auf Verbindungen",
    "no engine and no pool is watched, and a driver tells nothing by itself": (
        "keine Engine und kein Pool wird beobachtet, und ein Treiber sagt von sich aus nichts"
    ),
    "monitor.watch_engine(engine), and monitor.watch_pool(pool) for a pool of asyncpg or psycopg": (
        "monitor.watch_engine(engine), und monitor.watch_pool(pool) für einen Pool von asyncpg "
        "oder psycopg"
    ),
    "the statements of each route": "die Anweisungen jeder Route",
    "none was seen: what is watched was not used, or only by cursors of the driver and COPY, which "
    "are not seen": (
        "keine wurde gesehen: was beobachtet wird, wurde nicht benutzt, oder nur durch Cursor des "
        "Treibers und COPY, die nicht gesehen werden"
    ),
    "monitor.watch_engine(engine), and monitor.watch_pool(pool) for a pool of asyncpg or psycopg; "
    "--database URL shows the statements": (
        "monitor.watch_engine(engine), und monitor.watch_pool(pool) für einen Pool von asyncpg "
        "oder psycopg; --database URL zeigt die Anweisungen"
    ),
    "users": "Nutzer",
    "clients of the database": "Klienten der Datenbank",
    "Asked again: the share of the answers that a cache would have given, by how long it keeps "
    "them": (
        "Wieder gefragt: der Anteil der Antworten, den ein Cache gegeben hätte, danach, wie lange "
        "er sie behält"
    ),
    "endpoint or statement": "Endpunkt oder Anweisung",
    "Advice": "Rat",
    "What would make it quicker": "Was ihn schneller machte",
    "{count:count} change(s) advised": "{count:count} Änderung(en) empfohlen",
    "looked at": "angesehen",
    "out of date": "veraltet",
    "{ttl:duration}": "{ttl:duration}",
    "No request was answered within {window:duration}; {count:number} were under way.": (
        "Keine Anfrage wurde in {window:duration} beantwortet; {count:number} waren unterwegs."
    ),
}
