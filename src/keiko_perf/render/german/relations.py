"""What a database's tables, indexes and sequences show."""

from __future__ import annotations

TEMPLATES = {
    "A long query needed rows that the primary had cleaned up. hot_standby_feedback keeps them"
    " there, max_standby_streaming_delay lets the standby wait longer.": (
        "Eine lange Abfrage brauchte Zeilen, die der Primärserver aufgeräumt hatte."
        " hot_standby_feedback behält sie dort, max_standby_streaming_delay lässt den Standby"
        " länger warten."
    ),
    "After the last number each INSERT fails. To make the column a bigint writes the table anew"
    " under a lock, so it is done before it is urgent; so do columns that refer to it.": (
        "Nach der letzten Nummer scheitert jedes INSERT. Die Spalte zu bigint zu machen schreibt"
        " die Tabelle unter einer Sperre neu, also geschieht es, bevor es eilt; ebenso bei"
        " Spalten, die auf sie verweisen."
    ),
    "An index pays where it leads to few rows. Where only a rare value is searched for, a"
    " partial index on something else WHERE that value holds is smaller and faster.": (
        "Ein Index lohnt sich, wo er zu wenigen Zeilen führt. Wo nur ein seltener Wert gesucht"
        " wird, ist ein partieller Index auf etwas anderem WHERE dieser Wert gilt kleiner und"
        " schneller."
    ),
    "An update that finds room on its row's page and sets no indexed column writes no index."
    " Leave room on the pages, and drop indexes on columns that always change.": (
        "Ein UPDATE, das auf der Seite seiner Zeile Platz findet und keine indizierte Spalte"
        " setzt, schreibt keinen Index. Platz auf den Seiten lassen und Indexe auf Spalten"
        " entfernen, die sich immer ändern."
    ),
    "As long as it runs no vacuum removes a row that it might still see, in any table. Split the"
    " job, or run it on a standby.": (
        "Solange sie läuft, entfernt kein VACUUM eine Zeile, die sie noch sehen könnte, in"
        " keiner Tabelle. Den Job teilen oder auf einem Standby ausführen."
    ),
    "Autovacuum freezes old rows, but does not get through here: a long transaction, a"
    " replication slot or a lock is in its way, or it is too slow for the table.": (
        "Autovacuum friert alte Zeilen ein, kommt hier aber nicht durch: eine lange Transaktion,"
        " ein Replikations-Slot oder eine Sperre steht im Weg, oder es ist zu langsam für die"
        " Tabelle."
    ),
    "Dead rows were cleaned up late, and their room stays with the table: every scan reads it."
    " It is an estimate; what is written next fills the room again.": (
        "Tote Zeilen wurden spät aufgeräumt, und ihr Platz bleibt bei der Tabelle: jede Suche"
        " liest ihn. Es ist eine Schätzung; was als Nächstes geschrieben wird, füllt den Platz"
        " wieder."
    ),
    "Deleted and moved rows leave half-empty pages behind, which are read and cached like full"
    " ones. It is an estimate; REINDEX makes it as small as it can be.": (
        "Gelöschte und verschobene Zeilen hinterlassen halb leere Seiten, die wie volle gelesen"
        " und gecacht werden. Es ist eine Schätzung; REINDEX macht ihn so klein, wie er sein"
        " kann."
    ),
    "For each deleted row the server reads all of {table} to see whether anything refers to it,"
    " and holds its locks meanwhile.": (
        "Für jede gelöschte Zeile liest der Server ganz {table}, um zu sehen, ob etwas auf sie"
        " verweist, und hält unterdessen seine Sperren."
    ),
    "It keeps its locks, and dead rows from being cleaned up, even after a restart. Whoever"
    " prepared it has to end it; if that one is gone, you have.": (
        "Sie behält ihre Sperren und verhindert das Aufräumen toter Zeilen, auch nach einem"
        " Neustart. Wer sie vorbereitet hat, muss sie beenden; ist der fort, dann man selbst."
    ),
    "It keeps its locks, and dead rows of all tables from being cleaned up. Something is awaited"
    " between its statements, or a commit is missing.": (
        "Sie behält ihre Sperren und verhindert das Aufräumen toter Zeilen aller Tabellen."
        " Zwischen ihren Anweisungen wird auf etwas gewartet, oder ein Commit fehlt."
    ),
    "It takes the columns for independent of each other and multiplies their shares. With"
    " statistics on them together it knows better, and chooses joins that fit.": (
        "Er hält die Spalten für unabhängig voneinander und multipliziert ihre Anteile. Mit"
        " einer gemeinsamen Statistik weiß er es besser und wählt Joins, die passen."
    ),
    "Let all transactions lock their rows in one order, such as by key. The server's log names"
    " the statements of each deadlock, and with log_lock_waits the waits before it.": (
        "Alle Transaktionen ihre Zeilen in einer Reihenfolge sperren lassen, etwa nach dem"
        " Schlüssel. Das Log des Servers nennt die Anweisungen jedes Deadlocks, und mit"
        " log_lock_waits das Warten davor."
    ),
    "Look at them with: SELECT * FROM pg_sequences": "Sie ansehen mit: SELECT * FROM pg_sequences",
    "Tables and indexes grow, statistics grow stale, and in the end the server cleans up by"
    " force to save its transaction numbers. Slow it down rather than switch it off.": (
        "Tabellen und Indexe wachsen, Statistiken veralten, und am Ende räumt der Server mit"
        " Gewalt auf, um seine Transaktionsnummern zu retten. Es lieber verlangsamen als"
        " abschalten."
    ),
    "The default is made for spinning disks. On this one the planner reads whole tables where an"
    " index would do.": (
        "Die Voreinstellung ist für drehende Platten gemacht. Hier liest der Planer ganze"
        " Tabellen, wo ein Index genügte."
    ),
    "What searches by these columns finds them in the wider index as well. Each write to the"
    " table writes both.": (
        "Was nach diesen Spalten sucht, findet sie auch im breiteren Index. Jedes Schreiben in"
        " die Tabelle schreibt beide."
    ),
    "When the numbers run out, the server takes no writes to any of its databases. Connect to"
    " that one and see what keeps its tables from being frozen.": (
        "Wenn die Nummern ausgehen, nimmt der Server in keiner seiner Datenbanken mehr"
        " Schreibzugriffe an. Sich mit jener verbinden und sehen, was ihre Tabellen am Einfrieren"
        " hindert."
    ),
    "Without a key each change searches for its row by other means, duplicates go unseen, and"
    " logical replication sends whole rows or refuses to.": (
        "Ohne Schlüssel sucht jede Änderung ihre Zeile auf anderem Weg, Doppelte bleiben"
        " unbemerkt, und logische Replikation sendet ganze Zeilen oder weigert sich."
    ),
    "a block read at random takes {each:duration}, and the planner reckons it {factor:factor} as"
    " dear as one in sequence": (
        "ein zufällig gelesener Block braucht {each:duration}, und der Planer rechnet ihn"
        " {factor:factor} so teuer wie einen der Reihe nach"
    ),
    "a connection serves {transactions:number} transactions on average, {rate:rate} are made": (
        "eine Verbindung bedient im Mittel {transactions:number} Transaktionen, {rate:rate}"
        " werden aufgebaut"
    ),
    "about {air:ratio} of the index on {table} is air, {bytes:bytes}": (
        "etwa {air:ratio} des Index auf {table} sind Luft, {bytes:bytes}"
    ),
    "about {air:ratio} of the table is air, {bytes:bytes}": (
        "etwa {air:ratio} der Tabelle sind Luft, {bytes:bytes}"
    ),
    "autovacuum is off, and {dead:count} dead rows lie in {tables:count} tables": (
        "Autovacuum ist aus, und {dead:count} tote Zeilen liegen in {tables:count} Tabellen"
    ),
    "columns that depend on each other": "Spalten, die voneinander abhängen",
    "each scan of the index reads {part:ratio} of its table {table}: its column has"
    " {values:count} values": (
        "jede Suche im Index liest {part:ratio} seiner Tabelle {table}: seine Spalte hat"
        " {values:count} Werte"
    ),
    "how far {count:count} further sequences are": "wie weit {count:count} weitere Sequenzen sind",
    "how far {count:count} sequences are": "wie weit {count:count} Sequenzen sind",
    "how much of the indexes is air": "wie viel der Indexe Luft ist",
    "how much of the tables is air": "wie viel der Tabellen Luft ist",
    "how much of {count:count} large tables is air": (
        "wie viel von {count:count} großen Tabellen Luft ist"
    ),
    "indexes": "Indexe",
    "no index begins with the columns that refer to {referenced}, from which {deletes:count}"
    " rows were deleted": (
        "kein Index beginnt mit den Spalten, die auf {referenced} verweisen, woraus"
        " {deletes:count} Zeilen gelöscht wurden"
    ),
    "no query used the index since {since_at:time}, while its table {table} was read"
    " {scans:count} times": (
        "seit {since_at:time} benutzte keine Abfrage den Index, während seine Tabelle {table}"
        " {scans:count}-mal gelesen wurde"
    ),
    "only those of the largest tables are asked": "nur die der größten Tabellen werden gefragt",
    "only {hot:ratio} of {updates:count} updates spared the table's indexes": (
        "nur {hot:ratio} von {updates:count} Updates ersparten es den Indexen der Tabelle"
    ),
    "sequences that can end": "Sequenzen, die enden können",
    "tables": "Tabellen",
    "the indexes": "die Indexe",
    "the oldest row of the database {database} is {age:count} transactions old": (
        "die älteste Zeile der Datenbank {database} ist {age:count} Transaktionen alt"
    ),
    "the sequences": "die Sequenzen",
    "the slot keeps the dead rows of {held:count} transactions from being cleaned up": (
        "der Slot verhindert das Aufräumen der toten Zeilen von {held:count} Transaktionen"
    ),
    "the table has no primary key, and {changed:count} of its rows were changed": (
        "die Tabelle hat keinen Primärschlüssel, und {changed:count} ihrer Zeilen wurden geändert"
    ),
    "the table's oldest row is {age:count} transactions old: {part:ratio} of what the server can"
    " tell apart": (
        "die älteste Zeile der Tabelle ist {age:count} Transaktionen alt: {part:ratio} dessen,"
        " was der Server auseinanderhalten kann"
    ),
    "the table's oldest shared lock is {age:count} multixacts old: {part:ratio} of what the"
    " server can tell apart": (
        "die älteste geteilte Sperre der Tabelle ist {age:count} Multixacts alt: {part:ratio}"
        " dessen, was der Server auseinanderhalten kann"
    ),
    "the tables": "die Tabellen",
    "the wider index {kept} on {table} begins with the same columns": (
        "der breitere Index {kept} auf {table} beginnt mit denselben Spalten"
    ),
    "whether {count:count} indexes are needed": "ob {count:count} Indexe gebraucht werden",
    "{found:count} rows agree in these columns, where the planner expects {expected:count} at"
    " most": (
        "{found:count} Zeilen stimmen in diesen Spalten überein, wo der Planer höchstens"
        " {expected:count} erwartet"
    ),
    "{used:ratio} of the numbers for {table}.{column} are used up": (
        "{used:ratio} der Nummern für {table}.{column} sind verbraucht"
    ),
    "{used:ratio} of the sequence's numbers are used up": (
        "{used:ratio} der Nummern der Sequenz sind verbraucht"
    ),
}
