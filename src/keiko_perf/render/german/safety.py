"""What keeps dead rows, what comes to its end, and what the server was told to risk."""

from __future__ import annotations

TEMPLATES = {
    "No vacuum removes or freezes what {who} might still see: {what}. End that, then let VACUUM"
    " come by.": (
        "Kein Vacuum entfernt oder friert ein, was {who} noch sehen könnte: {what}. Das beenden,"
        " dann VACUUM vorbeikommen lassen."
    ),
    "a query on this standby is that old, and hot_standby_feedback tells so": (
        "eine Abfrage auf diesem Standby ist so alt, und hot_standby_feedback meldet es"
    ),
    "a transaction is open for {open:duration}": "eine Transaktion ist seit {open:duration} offen",
    "a query behind this replication slot is that old": (
        "eine Abfrage hinter diesem Replikations-Slot ist so alt"
    ),
    "a replication slot that nobody uses, for a query of who used it last": (
        "ein Replikations-Slot, den niemand benutzt, für eine Abfrage dessen, der ihn zuletzt"
        " benutzt hat"
    ),
    "the largest value is {largest:count}, {used:ratio} of what fits into its type": (
        "der größte Wert ist {largest:count}, {used:ratio} dessen, was in den Typ passt"
    ),
    "What is larger cannot be written: each INSERT fails, though what numbers it goes on. To make"
    " the column a bigint writes the table anew under a lock, so it is done before it is urgent.": (
        "Was größer ist, lässt sich nicht schreiben: jedes INSERT schlägt fehl, auch wenn weiter"
        " nummeriert wird. Die Spalte zu bigint zu machen schreibt die Tabelle unter einer Sperre"
        " neu, also geschieht es, bevor es eilt."
    ),
    "{names}: so set, data can be lost or damaged unseen": (
        "{names}: so eingestellt können Daten unbemerkt verloren gehen oder beschädigt werden"
    ),
    "Without fsync or full_page_writes the database may be beyond repair once the machine loses its"
    " power; the others read over what is damaged as if it were nothing. Only for data that may be"
    " lost, as in tests.": (
        "Ohne fsync oder full_page_writes ist die Datenbank womöglich nicht mehr zu retten, wenn"
        " die Maschine den Strom verliert; die anderen lesen über Beschädigtes hinweg, als wäre"
        " nichts. Nur für Daten, die verloren gehen dürfen, wie in Tests."
    ),
    "{count:count} times a page was read whose checksum was wrong": (
        "{count:count}-mal wurde eine Seite gelesen, deren Prüfsumme nicht stimmte"
    ),
    "The disk, its controller or the memory has changed what was written. The server's log names"
    " the files. Fetch them from a backup or a standby, copy what can still be read, and move to"
    " another machine.": (
        "Die Platte, ihr Controller oder der Speicher hat verändert, was geschrieben wurde. Das Log"
        " des Servers nennt die Dateien. Sie aus einer Sicherung oder von einem Standby holen,"
        " retten, was noch lesbar ist, und auf eine andere Maschine umziehen."
    ),
    "the order of texts was that of version {then}, and is that of version {now}: {count:count}"
    " indexes may be sorted wrong": (
        "die Ordnung von Texten war die der Version {then} und ist die der Version {now}:"
        " {count:count} Indexe sind womöglich falsch sortiert"
    ),
    "The system's library was upgraded beneath the database. An index in the old order does not"
    " find rows that are there, and lets a unique value in twice. Build them anew before the new"
    " version is noted.": (
        "Die Bibliothek des Systems wurde unter der Datenbank erneuert. Ein Index in der alten"
        " Ordnung findet Zeilen nicht, die da sind, und lässt einen eindeutigen Wert zweimal zu."
        " Die Indexe neu bauen, bevor die neue Version vermerkt wird."
    ),
    "Its replay is paused: somebody told it so, and it goes on when it is told to. Until then who"
    " reads from it reads what was then.": (
        "Das Nachspielen ist angehalten: jemand hat es so gesagt, und es geht weiter, wenn man es"
        " sagt. Bis dahin liest, wer von ihm liest, was damals war."
    ),
    "The CREATE INDEX CONCURRENTLY of a unique index mostly ends so because a value is there twice,"
    " and would again: drop what is left, look for the value, build anew.": (
        "Das CREATE INDEX CONCURRENTLY eines eindeutigen Indexes endet meist so, weil ein Wert"
        " zweimal da ist, und täte es wieder: löschen, was übrig ist, den Wert suchen, neu bauen."
    ),
    "track_counts is off: nobody counts what is dead, so autovacuum never comes by": (
        "track_counts ist aus: niemand zählt, was tot ist, also kommt Autovacuum nie vorbei"
    ),
    "Tables and indexes grow and statistics grow stale unseen, by autovacuum and by this report:"
    " what it says of tables and indexes rests on these counters.": (
        "Tabellen und Indexe wachsen und Statistiken veralten ungesehen, von Autovacuum wie von"
        " diesem Bericht: was er über Tabellen und Indexe sagt, beruht auf diesen Zählern."
    ),
    "how far the keys are": "wie weit die Schlüssel sind",
    "the order of texts": "die Ordnung von Texten",
}
