"""What the doctor says of a service that answers nobody."""

from __future__ import annotations

TEMPLATES = {
    "not one was answered within {window:duration}": "keine wurde in {window:duration} beantwortet",
    "only {answered:count} were answered within {window:duration}": (
        "nur {answered:count} wurden in {window:duration} beantwortet"
    ),
    "They wait for each other as well: {count:count} transactions were ended meanwhile to resolve "
    "a deadlock, which takes the server a second each time (deadlock_timeout). Let all lock their "
    "rows in one order, such as by key. This is not verified: measure again after the change.": (
        "Sie warten auch aufeinander: {count:count} Transaktionen wurden derweil beendet, um einen "
        "Deadlock aufzulösen, was den Server jedes Mal eine Sekunde kostet (deadlock_timeout). "
        "Alle ihre Zeilen in einer Reihenfolge sperren lassen, etwa nach Schlüssel. Das ist nicht "
        "verifiziert: nach der Änderung erneut messen."
    ),
    "{count:number} requests are under way and {answered}: "
    "{statement} waits for a lock on {on}, which a transaction holds whose last statement was "
    "{blocker}": (
        "{count:number} Anfragen sind unterwegs, und {answered}: "
        "{statement} wartet auf eine Sperre auf {on}; sie hält eine Transaktion, deren letzte "
        "Anweisung diese war: {blocker}"
    ),
    "Let that transaction commit, or end it: pg_stat_activity has its pid, and "
    "pg_terminate_backend(pid) rolls it back. A migration takes such a lock with SET lock_timeout, "
    "tries again if it is refused, and commits at once. This is not verified.": (
        "Lassen Sie diese Transaktion abschließen, oder beenden Sie sie: pg_stat_activity hat ihre "
        "pid, und pg_terminate_backend(pid) rollt sie zurück. Eine Migration nimmt eine solche "
        "Sperre mit SET lock_timeout, versucht es nach einer Absage erneut und schließt sofort ab. "
        "Das ist nicht geprüft."
    ),
    "{count:number} requests are under way and {answered}: "
    "{place} holds the event loop, for {longest:duration} at a time": (
        "{count:number} Anfragen sind unterwegs, und {answered}: "
        "{place} hält die Ereignisschleife auf, für {longest:duration} am Stück"
    ),
    "{count:number} requests are under way and {answered}: all {size:number} connections of "
    "the pool are in use, and none comes back": (
        "{count:number} Anfragen sind unterwegs, und {answered}: "
        "alle {size:number} Verbindungen des Pools sind belegt, und keine kommt zurück"
    ),
    "Somebody takes a connection and does not give it back, or waits with it for something else. "
    "pg_stat_activity shows what their sessions are at; with --database the doctor looks there. "
    "This is not verified.": (
        "Jemand nimmt eine Verbindung und gibt sie nicht zurück oder wartet mit ihr auf etwas "
        "anderes. pg_stat_activity zeigt, was ihre Sitzungen tun; mit --database sieht der Doktor "
        "dort nach. Das ist nicht geprüft."
    ),
    "{count:number} requests are under way and {answered}; what they wait for is "
    "outside of what can be seen here": (
        "{count:number} Anfragen sind unterwegs, und {answered}; "
        "worauf sie warten, liegt außerhalb dessen, was hier zu sehen ist"
    ),
    "py-spy dump shows what the threads of the process do. With --database the sessions of the "
    "database are looked at as well.": (
        "py-spy dump zeigt, was die Threads des Prozesses tun. Mit --database werden auch die "
        "Sitzungen der Datenbank angesehen."
    ),
}
