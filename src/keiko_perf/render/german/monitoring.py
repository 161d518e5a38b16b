"""What the monitoring says: alerts, the dashboard."""

from __future__ import annotations

TEMPLATES = {
    "A list that asks once more for each of its items does that (N+1). Let one statement"
    " load them all: selectinload() in SQLAlchemy, or WHERE id = ANY(...).": (
        "So ist es bei einer Liste, die für jeden Eintrag noch einmal fragt (N+1). Eine"
        " Anweisung soll alle laden: selectinload() in SQLAlchemy, oder WHERE id = ANY(...)."
    ),
    "All connections of the pool were in use. Hold them for a shorter time, or raise"
    " pool_size as far as max_connections allows for all workers together.": (
        "Alle Verbindungen des Pools waren belegt. Sie kürzer halten, oder pool_size erhöhen,"
        " soweit max_connections es für alle Worker zusammen erlaubt."
    ),
    "All {all:count} targets met": "Alle {all:count} Ziele erreicht",
    "It computes, and no request gets on meanwhile. Do less of it, or let a process of its"
    " own do it; a thread helps only where the library lets go of the interpreter.": (
        "Sie rechnet, und keine Anfrage kommt inzwischen voran. Weniger davon tun, oder einen"
        " eigenen Prozess rechnen lassen; ein Thread hilft nur, wo die Bibliothek den Interpreter"
        " freigibt."
    ),
    "It waits without await, and no request gets on meanwhile. Use a client that is"
    " awaited, or let asyncio.to_thread do it.": (
        "Sie wartet ohne await, und keine Anfrage kommt inzwischen voran. Einen Client verwenden,"
        " auf den man mit await wartet, oder asyncio.to_thread."
    ),
    "Memory": "Speicher",
    "No data yet: none of {all:count} targets can be judged": (
        "Noch keine Daten: keines von {all:count} Zielen lässt sich beurteilen"
    ),
    "Refusals are quick and no errors of the service, so response times and the error rate"
    " look well. So many at once are a login that fails, a limit that is hit, or a client"
    " that asks for what is gone.": (
        "Ablehnungen sind schnell und keine Fehler des Dienstes, also sehen Antwortzeiten und"
        " Fehlerrate gut aus. So viele auf einmal sind eine Anmeldung, die scheitert, eine Grenze,"
        " die erreicht ist, oder ein Client, der nach Verschwundenem fragt."
    ),
    "Requests per second": "Anfragen pro Sekunde",
    "Response time p95": "Antwortzeit p95",
    "While a coroutine computes, or waits without await, no other gets on. Let"
    " asyncio.to_thread do what blocks; a processor that is fully busy does it too.": (
        "Während eine Koroutine rechnet oder ohne await wartet, kommt keine andere voran. Was"
        " blockiert, gehört in asyncio.to_thread; auch ein ganz ausgelasteter Prozessor"
        " bewirkt es."
    ),
    "a statement is sent {times:number} times for each request": (
        "eine Anweisung wird {times:number} Mal je Anfrage gesendet"
    ),
    "{route} sends a statement {times:number} times for each request": (
        "{route} sendet eine Anweisung {times:number} Mal je Anfrage"
    ),
    "at least {limit} if asked for": "mindestens {limit}, wenn nachgefragt",
    "at least {limit} if asked for; {why}": "mindestens {limit}, wenn nachgefragt; {why}",
    "at most {limit}": "höchstens {limit}",
    "Where the time of requests went: statements, waits for the pool, for other services and for"
    " the event loop, own code": (
        "Wohin die Zeit der Anfragen ging: Anweisungen, Warten auf den Pool, auf andere Dienste"
        " und auf die Ereignisschleife, eigener Code"
    ),
    "SQL": "SQL",
    "pool": "Pool",
    "HTTP": "HTTP",
    "code": "Code",
    "loop": "Schleife",
    "elsewhere": "anderswo",
    "it cannot be computed": "es lässt sich nicht berechnen",
    "requests wait for a database connection, p95 {p95:duration}; in vain: {vain:count}": (
        "Anfragen warten auf eine Datenbankverbindung, p95 {p95:duration}; vergeblich: {vain:count}"
    ),
    "the event loop stood still {often:count} times for more than {limit:duration}, once"
    " for {longest:duration}": (
        "die Ereignisschleife stand {often:count} Mal länger als {limit:duration} still,"
        " einmal {longest:duration}"
    ),
    "{met:count} of {all:count} targets met, too little data on the other {unknown:count}": (
        "{met:count} von {all:count} Zielen erreicht, zu wenig Daten zu den übrigen {unknown:count}"
    ),
    "{missed:count} of {all:count} targets missed: {worst}": (
        "{missed:count} von {all:count} Zielen verfehlt: {worst}"
    ),
    "{place} held the event loop {often:count} times, for {total:duration} in all and once for"
    " {longest:duration}": (
        "{place} hielt die Ereignisschleife {often:count} Mal auf, {total:duration} insgesamt und"
        " einmal {longest:duration}"
    ),
    "{ratio:ratio} of all requests are refused (4xx), most often {route}": (
        "{ratio:ratio} aller Anfragen werden abgelehnt (4xx), am häufigsten {route}"
    ),
    "{sentence}, mostly from {route}": "{sentence}, meist von {route}",
    "{value:bytes}": "{value:bytes}",
    "{value:count}": "{value:count}",
    "{value:duration}": "{value:duration}",
    "{value:factor}": "{value:factor}",
    "{value:number}": "{value:number}",
    "{value:per_minute}": "{value:per_minute}",
    "{value:rate}": "{value:rate}",
    "{value:ratio}": "{value:ratio}",
    "{what} is not known: {why}": "{what} ist nicht bekannt: {why}",
    "{what} has not been known for {lasted:duration}: {why}. The alert ends, though nothing"
    " says that all is well": (
        "{what} ist seit {lasted:duration} nicht bekannt: {why}. Der Alarm endet, ohne dass etwas"
        " sagt, dass alles gut ist"
    ),
    "it is no longer judged": "es wird nicht mehr beurteilt",
    "{what} is over its limit of {limit}: {why}": "{what} ist über der Grenze von {limit}: {why}",
    "{what} is {value}, at least {limit} is promised and more was asked for": (
        "{what} ist {value}, mindestens {limit} ist zugesagt und mehr wurde nachgefragt"
    ),
    "{what} is {value}, limit {limit}": "{what} ist {value}, Grenze {limit}",
    "{what} is {value}, limit {limit}: {why}": "{what} ist {value}, Grenze {limit}: {why}",
    "{what} is {value}: {why}": "{what} ist {value}: {why}",
}
