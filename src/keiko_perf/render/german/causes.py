"""The causes that the doctor names, and what cures them."""

from __future__ import annotations

_MEASURE = "Das ist nicht geprüft: nach der Änderung neu messen."

TEMPLATES = {
    "Each worker process has a pool of its own: that of one is used up, and those of the others "
    "are not. There somebody takes connections and does not give them back: a session without "
    "`async with`, a transaction that stays open, a background task. To start that worker anew "
    "puts it off. This is not verified: measure again after the change.": (
        "Jeder Arbeitsprozess hat einen eigenen Pool: der eines Prozesses ist aufgebraucht, die "
        "der anderen sind es nicht. Dort nimmt jemand Verbindungen und gibt sie nicht zurück: eine "
        "Session ohne `async with`, eine Transaktion, die offen bleibt, eine Hintergrundaufgabe. "
        "Diesen Prozess neu zu starten schiebt es auf. Das ist nicht geprüft: nach der Änderung "
        "wieder messen."
    ),
    "{share:ratio} of the time that users wait the container stands still: its quota of processors "
    "is used up for {throttled:ratio} of the time": (
        "{share:ratio} der Zeit, die Nutzer warten, steht der Container still: sein Kontingent an "
        "Prozessoren ist {throttled:ratio} der Zeit aufgebraucht"
    ),
    "A limit (limits.cpu of Kubernetes, --cpus of Docker) stops all of its threads for the rest of "
    "each tenth of a second in which it is used up, also where it is not reached on average. Raise "
    "or drop it, or let fewer workers and threads share it.": (
        "Eine Grenze (limits.cpu von Kubernetes, --cpus von Docker) hält alle seine Threads für "
        "den Rest jeder Zehntelsekunde an, in der sie aufgebraucht ist, auch wo sie im Mittel "
        "nicht erreicht wird. Sie anheben oder weglassen, oder weniger Prozesse und Threads sie "
        "teilen lassen."
    ),
    "{one} and one on {other}": "{one} und einer auf {other}",
    "{share:ratio} of the time that {who} wait is the statement {statement}, {mean:duration} each; "
    "an index on {index} cuts it to about {after} (verified by the planner)": (
        "{share:ratio} der Zeit, die {who} warten, ist die Anweisung {statement}, je "
        "{mean:duration}; ein Index auf {index} verkürzt sie auf etwa {after} (vom "
        "Planer geprüft)"
    ),
    "{share:ratio} of the time that {who} wait are {count:count} statements for which an index on "
    "{index} is missing, most of it {statement}, {mean:duration} each; the index cuts it to about "
    "{after} (verified by the planner)": (
        "{share:ratio} der Zeit, die {who} warten, sind {count:count} Anweisungen, denen ein Index "
        "auf {index} fehlt, das meiste davon {statement}, je {mean:duration}; der Index verkürzt "
        "sie auf etwa {after} (vom Planer geprüft)"
    ),
    "It looks for what stands in the middle of a text, which no B-tree finds; a trigram index "
    "does: CREATE EXTENSION pg_trgm, then CREATE INDEX CONCURRENTLY ON a_table USING gin (a_column "
    "gin_trgm_ops). The planner cannot be asked for that beforehand: this is not verified.": (
        "Sie sucht, was mitten in einem Text steht, und das findet kein B-Baum; ein "
        "Trigramm-Index findet es: CREATE EXTENSION pg_trgm, dann CREATE INDEX CONCURRENTLY ON "
        "a_table USING gin (a_column gin_trgm_ops). Danach kann der Planer vorher nicht gefragt "
        "werden: das ist nicht geprüft."
    ),
    "All {size:count} threads that handlers without async run in are at work as well: who has one "
    "waits for a connection there, and who has a connection waits for a thread. Let the pool have "
    "as many connections as there are threads, or allow fewer threads: "
    "anyio.to_thread.current_default_thread_limiter().total_tokens. This is not verified.": (
        "Auch alle {size:count} Threads, in denen Handler ohne async laufen, arbeiten: wer einen "
        "hat, wartet darin auf eine Verbindung, und wer eine Verbindung hat, wartet auf einen "
        "Thread. Dem Pool so viele Verbindungen geben, wie es Threads sind, oder weniger Threads "
        "erlauben: anyio.to_thread.current_default_thread_limiter().total_tokens. Das ist nicht "
        "geprüft."
    ),
    "another session": "eine andere Sitzung",
    "It reads far more rows than it returns. The planner was asked what it would cost with the "
    "index; the time is reckoned from that. What it counts in the index alone it looks up in the "
    "table, too, where a page has changed since the last VACUUM: the index helps as long as that "
    "comes by often. Make it, VACUUM, then measure again.": (
        "Sie liest weit mehr Zeilen, als sie liefert. Der Planer wurde gefragt, was sie mit dem "
        "Index kosten würde; die Zeit ist daraus gerechnet. Was sie im Index allein zählt, schlägt "
        "sie auch in der Tabelle nach, wo sich eine Seite seit dem letzten VACUUM geändert hat: "
        "der Index hilft, solange das oft genug kommt. Ihn anlegen, VACUUM, dann neu messen."
    ),
    "It reads far more rows than it returns. The planner was asked what it would cost with the "
    "index; the time is reckoned from that. Make the index, then measure again.": (
        "Sie liest weit mehr Zeilen, als sie liefert. Der Planer wurde gefragt, was sie mit dem "
        "Index kosten würde; die Zeit ist daraus gerechnet. Den Index anlegen, dann neu messen."
    ),
    "{after:duration}": "{after:duration}",
    "{after:duration} for the first page": "{after:duration} für die erste Seite",
    "It reads far more rows than it returns. The planner was asked what its first page would cost "
    "with the index; the time is reckoned from that, and each page further on (OFFSET) reads the "
    "rows of those before it. Make the index, then measure again.": (
        "Sie liest weit mehr Zeilen, als sie liefert. Der Planer wurde gefragt, was ihre erste "
        "Seite mit dem Index kosten würde; die Zeit ist daraus gerechnet, und jede Seite weiter "
        "hinten (OFFSET) liest die Zeilen derer davor. Den Index anlegen, dann neu messen."
    ),
    "{share:ratio} of the time that users wait is one statement that {route} sends {times:number} "
    "times for each request (N+1), from {place}: {statement}": (
        "{share:ratio} der Zeit, die Nutzer warten, ist eine Anweisung, die {route} je Anfrage "
        "{times:number} Mal schickt (N+1), aus {place}: {statement}"
    ),
    "A list that asks once more for each of its items does that. Let one statement load them all: "
    "selectinload() in SQLAlchemy, or WHERE id = ANY(...). This is not verified: measure again "
    "after the change.": (
        "Das tut eine Liste, die für jeden ihrer Einträge noch einmal fragt. Eine Anweisung alle "
        f"laden lassen: selectinload() in SQLAlchemy, oder WHERE id = ANY(...). {_MEASURE}"
    ),
    "{share:ratio} of the time that {who} wait is the statement {statement}, "
    "{mean:duration} each": (
        "{share:ratio} der Zeit, die {who} warten, ist die Anweisung {statement}, je "
        "{mean:duration}"
    ),
    "{share:ratio} of the time that {who} wait is for a lock on {on}, which a transaction holds "
    "whose last statement was {blocker}": (
        "{share:ratio} der Zeit, die {who} warten, gilt einer Sperre auf {on}; sie hält eine "
        "Transaktion, deren letzte Anweisung diese war: {blocker}"
    ),
    "{share:ratio} of the time that users wait is the own code of {route}, {own:duration} of each "
    "request, and those who wait for the event loop meanwhile": (
        "{share:ratio} der Zeit, die Nutzer warten, ist der eigene Code von {route}, "
        "{own:duration} jeder Anfrage, und wer währenddessen auf die Ereignisschleife wartet"
    ),
    "Many short steps, none of which holds the event loop for long. A profile of the process "
    "(py-spy record) shows what they do; a further worker process shares the load.": (
        "Viele kurze Schritte, von denen keiner die Ereignisschleife lange hält. Ein Profil des "
        "Prozesses (py-spy record) zeigt, was sie tun; ein weiterer Arbeitsprozess teilt die Last."
    ),
    "Hold connections for a shorter time (no other work between the first statement and the "
    "commit, quicker statements), or let the pool be larger, as far as max_connections allows "
    "for all workers together. This is not verified: measure again after the change.": (
        "Verbindungen kürzer halten (keine andere Arbeit zwischen der ersten Anweisung und dem "
        "Commit, schnellere Anweisungen), oder den Pool vergrößern, soweit max_connections es "
        f"für alle Arbeitsprozesse zusammen zulässt. {_MEASURE}"
    ),
    "{share:ratio} of the time that users wait is for {host}, {mean:duration} a call, most of it "
    "in {route}": (
        "{share:ratio} der Zeit, die Nutzer warten, gilt {host}, {mean:duration} je Aufruf, das "
        "meiste davon in {route}"
    ),
    "The other service takes that long. Ask it concurrently, keep its answers, or let a background "
    "task ask; and give each call a timeout. This is not verified: measure again after the "
    "change.": (
        "So lange braucht der andere Dienst. Ihn nebenläufig fragen, seine Antworten behalten, "
        "oder eine Hintergrundaufgabe fragen lassen; und jedem Aufruf eine Frist geben. "
        f"{_MEASURE}"
    ),
    "{share:ratio} of the time that users wait is outside of what can be seen here, in {route}: "
    "{each:duration} of each request": (
        "{share:ratio} der Zeit, die Nutzer warten, liegt außerhalb dessen, was hier zu sehen ist, "
        "in {route}: {each:duration} jeder Anfrage"
    ),
    "It awaits something that nothing watches: a thread, as that of a handler without async, a "
    "sleep, a queue, a connection that comes from no watched pool, a client of another service. "
    "monitor.watch_engine, watch_pool and watch_client tell which.": (
        "Sie wartet auf etwas, das nichts beobachtet: einen Thread, wie den eines Handlers ohne "
        "async, eine Pause, eine Warteschlange, eine Verbindung, die aus keinem beobachteten Pool "
        "kommt, einen Klienten eines anderen Dienstes. monitor.watch_engine, watch_pool und "
        "watch_client sagen, worauf."
    ),
    "{share:ratio} of the time that users wait is for the event loop, while no request's own code "
    "holds it": (
        "{share:ratio} der Zeit, die Nutzer warten, gilt der Ereignisschleife, während kein "
        "eigener Code einer Anfrage sie hält"
    ),
    "{share:ratio} of the time that users wait is the handler of {route}, which runs in a thread: "
    "{each:duration} of each request, in no statement and no call that is watched": (
        "{share:ratio} der Zeit, die Nutzer warten, ist die Behandlung von {route}, die in einem "
        "Thread läuft: {each:duration} jeder Anfrage, in keiner Anweisung und keinem Aufruf, der "
        "beobachtet wird"
    ),
    "It computes, sleeps, or asks something that nothing watches; if it computes, it keeps the "
    "event loop and the other threads waiting as well. py-spy dump shows what it does; "
    "monitor.watch_engine and watch_client tell what it waits for.": (
        "Sie rechnet, pausiert, oder fragt etwas, das nichts beobachtet; rechnet sie, so warten "
        "auch die Ereignisschleife und die anderen Threads. py-spy dump zeigt, was sie tut; "
        "monitor.watch_engine und watch_client sagen, worauf sie wartet."
    ),
    "Something else keeps it from its work: threads that compute, and share the interpreter with "
    "it, background tasks, or another program on the machine. py-spy dump shows what the threads "
    "of the process do.": (
        "Etwas anderes hält sie von der Arbeit ab: Threads, die rechnen und sich den Interpreter "
        "mit ihr teilen, Hintergrundaufgaben, oder ein anderes Programm auf der Maschine. py-spy "
        "dump zeigt, was die Threads des Prozesses tun."
    ),
    "The pool has no bound that is known. Without one that keeps connections (NullPool) each "
    "request opens its own, which takes some tens of milliseconds: let a pool keep them. This is "
    "not verified: measure again after the change.": (
        "Von dem Pool ist keine Grenze bekannt. Ohne einen, der Verbindungen behält (NullPool), "
        "baut jede Anfrage ihre eigene auf, was einige zehn Millisekunden dauert: einen Pool sie "
        f"behalten lassen. {_MEASURE}"
    ),
    "No index that the planner was asked about makes it much cheaper, and it waits for no lock. "
    "keiko-perf db explain shows what its plan spends the time on.": (
        "Kein Index, nach dem der Planer gefragt wurde, macht sie viel billiger, und sie wartet "
        "auf keine Sperre. keiko-perf db explain zeigt, womit ihr Plan die Zeit verbringt."
    ),
    "Only the service was asked. With --database URL the planner is asked for an index that helps, "
    "and the server who waits for locks.": (
        "Nur der Dienst wurde gefragt. Mit --database URL wird der Planer nach einem Index "
        "gefragt, der hilft, und der Server danach, wer auf Sperren wartet."
    ),
    "Whoever holds the lock does something else before its commit: its transaction is idle. Do "
    "that before it takes the lock, or after the commit. This is not verified: measure again after "
    "the change.": (
        "Wer die Sperre hält, tut vor seinem Commit etwas anderes: seine Transaktion ruht. Das "
        f"vorher tun, ehe er sperrt, oder nach dem Commit. {_MEASURE}"
    ),
    "The transactions take turns. Let them hold the lock for a shorter time: lock last, commit at "
    "once, write fewer rows at a time. This is not verified: measure again after the change.": (
        "Die Transaktionen wechseln sich ab. Sie die Sperre kürzer halten lassen: zuletzt sperren, "
        f"gleich abschließen, weniger Zeilen auf einmal schreiben. {_MEASURE}"
    ),
    "{share:ratio} of the time that users wait is {place}, which computes and holds the event "
    "loop: {count:count} times, {mean:duration} each": (
        "{share:ratio} der Zeit, die Nutzer warten, ist {place}; das rechnet und hält die "
        "Ereignisschleife: {count:count} Mal, je {mean:duration}"
    ),
    "{share:ratio} of the time that users wait is {place}, which waits without await and holds the "
    "event loop: {count:count} times, {mean:duration} each": (
        "{share:ratio} der Zeit, die Nutzer warten, ist {place}; das wartet ohne await und hält "
        "die Ereignisschleife: {count:count} Mal, je {mean:duration}"
    ),
    "No request gets on meanwhile. Do less of it, or let a process of its own do it; a thread "
    "helps only where the library lets go of the interpreter. This is not verified: measure again "
    "after the change.": (
        "Keine Anfrage kommt währenddessen weiter. Weniger davon tun, oder einen eigenen Prozess "
        "es tun lassen; ein Thread hilft nur, wo die Bibliothek den Interpreter freigibt. "
        f"{_MEASURE}"
    ),
    "No request gets on meanwhile. Use a client that is awaited, or let asyncio.to_thread do it. "
    "This is not verified: measure again after the change.": (
        "Keine Anfrage kommt währenddessen weiter. Einen Klienten nehmen, der mit await wartet, "
        f"oder asyncio.to_thread es tun lassen. {_MEASURE}"
    ),
    "{share:ratio} of the time that users wait is for one of the {size:number} database "
    "connections of the pool, each of which is held for {hold:duration}: at most {ceiling:rate}": (
        "{share:ratio} der Zeit, die Nutzer warten, gilt einer der {size:number} "
        "Datenbankverbindungen des Pools, deren jede {hold:duration} gehalten wird: höchstens "
        "{ceiling:rate}"
    ),
    "{share:ratio} of the time that users wait is for a database connection; each is held for "
    "{hold:duration}": (
        "{share:ratio} der Zeit, die Nutzer warten, gilt einer Datenbankverbindung; jede wird "
        "{hold:duration} gehalten"
    ),
    "The memory of a worker grows by {pace:bytes} a minute and does not stop; at this pace it is "
    "used up in {left:duration}": (
        "Der Speicher eines Arbeitsprozesses wächst um {pace:bytes} je Minute und hört nicht auf; "
        "so ist er in {left:duration} aufgebraucht"
    ),
    "The memory of a worker grows by {pace:bytes} a minute and does not stop": (
        "Der Speicher eines Arbeitsprozesses wächst um {pace:bytes} je Minute und hört nicht auf"
    ),
    "Python objects are kept: look for a cache or a list that only grows. keiko-perf memory run "
    "tells by line who made what is kept, and so does memray.": (
        "Python-Objekte werden behalten: nach einem Cache oder einer Liste suchen, die nur wächst. "
        "keiko-perf memory run sagt nach Zeilen, wer machte, was behalten wird; memray auch."
    ),
    "Something is kept: a cache without a bound, or memory of a C library. memray tells who made "
    "what is kept.": (
        "Etwas wird behalten: ein Cache ohne Grenze, oder Speicher einer C-Bibliothek. memray "
        "sagt, wer machte, was behalten wird."
    ),
    "{share:ratio} of the time that users wait is between the service and its database: the "
    "statement {statement} takes {mean:duration} as the service sees it, and {executed:duration} "
    "in the database": (
        "{share:ratio} der Zeit, die Nutzer warten, vergeht zwischen dem Dienst und seiner "
        "Datenbank: die Anweisung {statement} dauert, wie der Dienst es sieht, {mean:duration}, in "
        "der Datenbank {executed:duration}"
    ),
    "The network, a pooler that has no connection left, or the service itself: a thread that "
    "computes keeps the interpreter, and with it the driver, from its work. py-spy dump shows what "
    "the threads do; SHOW POOLS in pgbouncer tells who waits there.": (
        "Das Netz, ein Pooler ohne freie Verbindung oder der Dienst selbst: ein Thread, der "
        "rechnet, hält den Interpreter und damit den Treiber von der Arbeit ab. py-spy dump zeigt, "
        "was die Threads tun; SHOW POOLS in pgbouncer sagt, wer dort wartet."
    ),
    "An index on {index} cuts the statement from {mean:duration} to about {after}": (
        "Ein Index auf {index} verkürzt die Anweisung von {mean:duration} auf etwa {after}"
    ),
    "{share:ratio} of the time that users wait is for a database connection, while about "
    "{kept:number} of the {size:number} of the pool are kept and do not come back": (
        "{share:ratio} der Zeit, die Nutzer warten, gilt einer Datenbankverbindung, während etwa "
        "{kept:number} der {size:number} des Pools behalten werden und nicht zurückkommen"
    ),
    "Somebody takes a connection and does not give it back, or keeps it for long: a session "
    "without `async with`, a transaction that stays open, a background task. pg_stat_activity "
    "shows them as idle, or idle in transaction, with their last statement. A larger pool only "
    "puts it off. This is not verified: measure again after the change.": (
        "Jemand nimmt eine Verbindung und gibt sie nicht zurück oder behält sie lange: eine "
        "Sitzung ohne `async with`, eine Transaktion, die offen bleibt, eine Hintergrundaufgabe. "
        "pg_stat_activity zeigt sie als idle oder idle in transaction, mit ihrer letzten "
        "Anweisung. Ein größerer Pool schiebt es nur auf. "
    )
    + _MEASURE,
    "{share:ratio} of the time that users wait is for one of the {size:number} threads that "
    "handlers without async run in, {each:duration} of each request; all are at work and "
    "{waiting:number} more wait": (
        "{share:ratio} der Zeit, die Nutzer warten, gilt einem der {size:number} Threads, in denen "
        "Funktionen ohne async laufen, {each:duration} jeder Anfrage; alle sind beschäftigt, und "
        "{waiting:number} weitere warten"
    ),
    "Make the handlers async where what they wait for can be awaited, or allow more threads: "
    "anyio.to_thread.current_default_thread_limiter().total_tokens. Threads that compute share one "
    "interpreter; more of them cure nothing then. This is not verified: measure again after the "
    "change.": (
        "Machen Sie die Funktionen async, wo sich auf das, worauf sie warten, mit await warten "
        "lässt, oder erlauben Sie mehr Threads: "
        "anyio.to_thread.current_default_thread_limiter().total_tokens. Threads, die rechnen, "
        "teilen sich einen Interpreter; mehr von ihnen helfen dann nicht. "
    )
    + _MEASURE,
}
