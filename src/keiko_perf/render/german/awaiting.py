"""What requests await where nothing that is watched tells it, calls that fail, and own code."""

from __future__ import annotations

_MEASURE = "Das ist nicht verifiziert: nach der Änderung erneut messen."

TEMPLATES = {
    "{share:ratio} of the time that users wait is {route} at {place}, which awaits {what}: "
    "{each:duration} of each request": (
        "{share:ratio} der Zeit, die Nutzer warten, ist {route} bei {place} und wartet auf {what}: "
        "{each:duration} jeder Anfrage"
    ),
    "{share:ratio} of the time that users wait is for {host}, which {route} asks {times:number} "
    "times for each request, one after the other, {mean:duration} each": (
        "{share:ratio} der Zeit, die Nutzer warten, gilt {host}, das {route} je Anfrage "
        "{times:number}-mal fragt, eins nach dem anderen, {mean:duration} jedes Mal"
    ),
    "A loop over a list that asks for each of its items does that. Ask for all of them at once "
    "where the other service can, else at the same time (asyncio.gather, with a bound on how "
    "many), or keep its answers. This is not verified: measure again after the change.": (
        "Das tut eine Schleife über eine Liste, die nach jedem ihrer Einträge fragt. Nach allen "
        "auf einmal fragen, wo der andere Dienst das kann, sonst zugleich (asyncio.gather, mit "
        f"einer Grenze dafür, wie viele), oder seine Antworten behalten. {_MEASURE}"
    ),
    "a task or a future": "eine Aufgabe oder ein Future",
    "It takes that long in one piece or in some: rows become objects, these are validated, and "
    "become JSON. Return less, or a Response with what is ready (FastAPI validates and converts "
    "whatever else a handler returns); a process of its own for what must be computed. py-spy "
    "record shows what takes the time. This is not verified: measure again after the change.": (
        "Es dauert so lange, in einem Stück oder in einigen: Zeilen werden Objekte, diese geprüft "
        "und JSON daraus. Weniger zurückgeben, oder eine Response mit dem, was fertig ist (FastAPI "
        "prüft und wandelt alles andere, was ein Handler zurückgibt); was gerechnet werden muss, "
        f"in einem eigenen Prozess. py-spy record zeigt, was die Zeit kostet. {_MEASURE}"
    ),
    "Requests take turns there, one after the other, whatever the lock is held for. Hold it for "
    "what it protects alone, and over no await of a database or another service. This is not "
    "verified: measure again after the change.": (
        "Dort kommen Anfragen eine nach der anderen an die Reihe, wofür die Sperre auch gehalten "
        "wird. Sie nur für das halten, was sie schützt, und über kein await einer Datenbank oder "
        f"eines anderen Dienstes. {_MEASURE}"
    ),
    "Whoever takes from the queue is slower than those who put into it, or nobody puts. Let more "
    "take from it at the same time, or don't wait for it; a longer queue only puts it off. This is "
    "not verified: measure again after the change.": (
        "Wer aus der Warteschlange nimmt, ist langsamer als die, die hineinlegen, oder niemand "
        "legt etwas hinein. Mehrere zugleich daraus nehmen lassen, oder nicht darauf warten; eine "
        f"längere Warteschlange schiebt es nur auf. {_MEASURE}"
    ),
    "It sleeps: a pause before it tries again, or a poll for something that could tell by itself. "
    "This is not verified: measure again after the change.": (
        "Es schläft: eine Pause vor einem neuen Versuch, oder ein Nachfragen nach etwas, das sich "
        f"selbst melden könnte. {_MEASURE}"
    ),
    "It compresses the answer. Send less, take a lower level (compresslevel=1), or leave it to the "
    "proxy. This is not verified: measure again after the change.": (
        "Es komprimiert die Antwort. Weniger senden, eine niedrigere Stufe nehmen "
        f"(compresslevel=1), oder es dem Proxy überlassen. {_MEASURE}"
    ),
    "Redis does one command after the other: SLOWLOG GET 10 tells which take long. KEYS reads "
    "every key there is (SCAN, or a set of those that are wanted), and a large value keeps all "
    "others waiting. This is not verified: measure again after the change.": (
        "Redis macht einen Befehl nach dem anderen: SLOWLOG GET 10 sagt, welche lange dauern. KEYS "
        "liest jeden Schlüssel, den es gibt (SCAN, oder eine Menge der gewünschten), und ein "
        f"großer Wert lässt alle anderen warten. {_MEASURE}"
    ),
    "A thread does it meanwhile; py-spy dump shows what. If it computes, it shares the interpreter "
    "with the event loop.": (
        "Ein Thread tut es derweil; py-spy dump zeigt, was. Wenn er rechnet, teilt er den "
        "Interpreter mit der Ereignisschleife."
    ),
    "Whatever answers there takes that long, and nothing that is watched tells of it. Ask it less "
    "often, at the same time as others, or keep its answers; monitor.watch_client and watch_pool "
    "tell more of what they know.": (
        "Was dort antwortet, braucht so lange, und nichts Beobachtetes sagt etwas davon. Es "
        "seltener fragen, zugleich mit anderem, oder seine Antworten behalten; "
        "monitor.watch_client und watch_pool sagen mehr von dem, was sie kennen."
    ),
    "{failed:count} of {count:count} calls failed or ran into their time limit, and what a request "
    "waits before it tries again comes on top. Give up sooner (a shorter time limit, fewer tries, "
    "a circuit breaker), or answer with what is kept. This is not verified: measure again after "
    "the change.": (
        "{failed:count} von {count:count} Aufrufen schlugen fehl oder liefen in ihr Zeitlimit, und "
        "was eine Anfrage vor einem neuen Versuch wartet, kommt hinzu. Früher aufgeben (ein "
        "kürzeres Zeitlimit, weniger Versuche, ein Circuit Breaker), oder mit dem antworten, was "
        f"aufgehoben ist. {_MEASURE}"
    ),
}
