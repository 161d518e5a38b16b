"""What a database's statements and their history show."""

from __future__ import annotations

TEMPLATES = {
    "{share:ratio} of the time that {who} wait is for the {rows:count} rows that the statement"
    " {statement} returns each time, and for what is made of them": (
        "{share:ratio} der Zeit, die {who} warten, gelten den {rows:count} Zeilen, die die"
        " Anweisung {statement} jedes Mal liefert, und dem, was aus ihnen gemacht wird"
    ),
    "Nobody reads so many at once: let the statement return a page (WHERE id > the last one ORDER"
    " BY id LIMIT 100), or count and sum in the database; where all are needed, stream them (await"
    " session.stream(statement)). This is not verified: measure again after the change.": (
        "So viele liest niemand auf einmal: die Anweisung eine Seite liefern lassen (WHERE id > die"
        " letzte ORDER BY id LIMIT 100) oder in der Datenbank zählen und summieren; wo alle"
        " gebraucht werden, sie nach und nach holen (await session.stream(statement)). Das ist"
        " nicht bestätigt: nach der Änderung noch einmal messen."
    ),
    "No request gets on meanwhile. Most that the service computes is for {route}, which makes"
    " something of {rows:count} rows each time: {statement}. Let that return a page (WHERE id > the"
    " last one ORDER BY id LIMIT 100), or count and sum in the database; where all are needed,"
    " stream them. This is not verified: measure again after the change.": (
        "Keine Anfrage kommt derweil voran. Das meiste, was der Dienst rechnet, ist für {route},"
        " wo jedes Mal aus {rows:count} Zeilen etwas gemacht wird: {statement}. Sie eine Seite"
        " liefern lassen (WHERE id > die letzte ORDER BY id LIMIT 100) oder in der Datenbank zählen"
        " und summieren; wo alle gebraucht werden, sie nach und nach holen. Das ist nicht"
        " bestätigt: nach der Änderung noch einmal messen."
    ),
    "a statement returns {rows:count} rows each time": (
        "eine Anweisung liefert jedes Mal {rows:count} Zeilen"
    ),
    "Nobody reads so many at once, and whoever asked makes objects of all of them. Let it return a"
    " page (WHERE id > the last one ORDER BY id LIMIT 100), or what is counted and summed of them;"
    " where all are needed, fetch them piece by piece.": (
        "So viele liest niemand auf einmal, und wer gefragt hat, macht Objekte aus allen. Eine"
        " Seite liefern lassen (WHERE id > die letzte ORDER BY id LIMIT 100) oder was von ihnen"
        " gezählt und summiert wird; wo alle gebraucht werden, sie stückweise holen."
    ),
    "A count reads every row that it counts, and the whole table where no index finds them. Ask for"
    " one row more than the page has to know of a next one, or show the planner's estimate.": (
        "Eine Zählung liest jede Zeile, die sie zählt, und die ganze Tabelle, wo kein Index sie"
        " findet. Eine Zeile mehr als die Seite holen, um von einer nächsten zu wissen, oder die"
        " Schätzung des Planers zeigen."
    ),
    "After: {start:time} to {end:time}, statements ran for {total:duration}.": (
        "Danach: {start:time} bis {end:time}, Anweisungen liefen {total:duration}."
    ),
    "All rows before the offset are read to be skipped, or the whole table for each page where no"
    " index has its order: keiko-perf db advise finds that one. Else begin a page after the last"
    " row of the one before: WHERE (key) > (last) ORDER BY key LIMIT n.": (
        "Alle Zeilen vor dem Offset werden gelesen, um übersprungen zu werden, oder für jede Seite"
        " die ganze Tabelle, wo kein Index ihre Ordnung hat: Den findet keiko-perf db advise. Sonst"
        " eine Seite nach der letzten Zeile der vorigen beginnen: WHERE (key) > (last) ORDER BY key"
        " LIMIT n."
    ),
    "Before: {start:time} to {end:time}, statements ran for {total:duration}.": (
        "Davor: {start:time} bis {end:time}, Anweisungen liefen {total:duration}."
    ),
    "Calls after": "Aufrufe danach",
    "Calls before": "Aufrufe davor",
    "Each length is another statement to be parsed, planned and counted. Pass one array instead,"
    " = ANY($1), or join with unnest($1).": (
        "Jede Länge ist eine andere Anweisung, die gelesen, geplant und gezählt wird."
        " Stattdessen ein Array übergeben, = ANY($1), oder mit unnest($1) verbinden."
    ),
    "Each time costs a journey to the server and back. Fetch them together: a JOIN, or the ORM's"
    " selectinload or prefetch, after the statement: {parent}": (
        "Jedes Mal kostet einen Weg zum Server und zurück. Sie zusammen holen: ein JOIN, oder"
        " selectinload oder prefetch des ORM, nach der Anweisung: {parent}"
    ),
    "Factor": "Faktor",
    "If there are no more users, somebody asks more often than before: for each row of a list,"
    " or for what was kept in a cache.": (
        "Wenn es nicht mehr Nutzer sind, fragt jemand öfter als zuvor: für jede Zeile einer"
        " Liste, oder nach dem, was in einem Cache lag."
    ),
    "It came with what was changed in between, or with users who do what nobody did before. Its"
    " plan tells what it costs: keiko-perf db explain.": (
        "Sie kam mit dem, was dazwischen geändert wurde, oder mit Nutzern, die tun, was zuvor"
        " niemand tat. Ihr Plan sagt, was sie kostet: keiko-perf db explain."
    ),
    "It reads more than the cache keeps for it. Let it read less, by an index or fewer columns,"
    " before the cache is made larger.": (
        "Sie liest mehr, als der Cache für sie behält. Sie weniger lesen lassen, durch einen"
        " Index oder weniger Spalten, bevor der Cache vergrößert wird."
    ),
    "Its plan may be another since then, its table larger, or something keeps it waiting."
    " Compare: keiko-perf db explain. More rows a call point to another use of it.": (
        "Ihr Plan ist vielleicht seitdem ein anderer, ihre Tabelle größer, oder etwas lässt sie"
        " warten. Vergleichen: keiko-perf db explain. Mehr Zeilen je Aufruf deuten auf eine"
        " andere Verwendung."
    ),
    "Long rows, many indexes, and the first change of each page after a checkpoint make the log"
    " long; standbys and backups get all of it.": (
        "Lange Zeilen, viele Indexe und die erste Änderung jeder Seite nach einem Checkpoint"
        " machen das Log lang; Standby-Server und Sicherungen bekommen alles davon."
    ),
    "Long values lie apart from their row and are fetched and unpacked one by one. Name the"
    " columns that are needed; an ORM defers the others.": (
        "Lange Werte liegen abseits ihrer Zeile und werden einzeln geholt und entpackt. Die"
        " Spalten nennen, die gebraucht werden; ein ORM schiebt die anderen auf."
    ),
    "Many joins or partitions are dear to plan. A prepared statement is planned once, and a"
    " condition on the partition key spares the other partitions.": (
        "Viele Joins oder Partitionen sind teuer zu planen. Eine vorbereitete Anweisung wird"
        " einmal geplant, und eine Bedingung auf dem Partitionsschlüssel erspart die anderen"
        " Partitionen."
    ),
    "Mean after": "Mittel danach",
    "Mean before": "Mittel davor",
    "Noted with it: {note}": "Dazu vermerkt: {note}",
    "Rows written": "Geschriebene Zeilen",
    "See whether what is written is still needed after a while; old rows of a partitioned table"
    " are dropped in no time.": (
        "Prüfen, ob das Geschriebene nach einer Weile noch gebraucht wird; alte Zeilen einer"
        " partitionierten Tabelle sind im Nu entfernt."
    ),
    "Size after": "Größe danach",
    "Size before": "Größe davor",
    "Snapshot of the database {place}": "Aufnahme der Datenbank {place}",
    "Such a statement waits for a lock at times, reads what is not in the cache, or is slow for"
    " some values: keiko-perf db explain it with a value that is frequent.": (
        "Eine solche Anweisung wartet manchmal auf eine Sperre, liest, was nicht im Cache ist,"
        " oder ist für manche Werte langsam: keiko-perf db explain mit einem häufigen Wert."
    ),
    "The counters of {statements:count} statements and {tables:count} tables, in {file}.": (
        "Die Zähler von {statements:count} Anweisungen und {tables:count} Tabellen, in {file}."
    ),
    "The planner took it for a long one and let it be compiled. Raise the cost from which on"
    " that is done, or switch it off for the service's role.": (
        "Der Planer hielt sie für eine lange und ließ sie übersetzen. Die Kosten erhöhen, ab"
        " denen das geschieht, oder es für die Rolle des Dienstes abschalten."
    ),
    "The statements that changed most": "Die Anweisungen, die sich am meisten änderten",
    "To ask it less often helps more than to make it faster: fetch several rows at once, or keep"
    " the answer for a while.": (
        "Sie seltener zu stellen hilft mehr, als sie schneller zu machen: mehrere Zeilen auf"
        " einmal holen oder die Antwort eine Weile behalten."
    ),
    "What changed in the database {place}": "Was sich in der Datenbank {place} änderte",
    "What is said about statements is not the whole truth then. Lists of different length and"
    " names in the text make many statements of one; else keep more of them.": (
        "Was über Anweisungen gesagt wird, ist dann nicht die ganze Wahrheit. Listen"
        " verschiedener Länge und Namen im Text machen aus einer Anweisung viele; sonst mehr"
        " davon behalten."
    ),
    "What it sorts or hashes does not fit into work_mem. Let it sort fewer rows: an index may hand"
    " them over sorted. More work_mem for this one statement spares the files, which is little"
    " where the system keeps them in memory: try it first.": (
        "Was sie sortiert oder hasht, passt nicht in work_mem. Sie weniger Zeilen sortieren lassen:"
        " ein Index kann sie sortiert liefern. Mehr work_mem für diese eine Anweisung erspart die"
        " Dateien, was wenig ist, wo das System sie im Speicher hält: erst probieren."
    ),
    "What was kept": "Was aufbewahrt wurde",
    "a statement comes with IN lists of {count:count} lengths": (
        "eine Anweisung kommt mit IN-Listen von {count:count} verschiedenen Längen"
    ),
    "a statement fetches all {columns:count} columns of {table}, whose rows are long": (
        "eine Anweisung holt alle {columns:count} Spalten von {table}, deren Zeilen lang sind"
    ),
    "a statement fetches {read:bytes} each time that are not in shared buffers": (
        "eine Anweisung holt jedes Mal {read:bytes}, die nicht in den Shared Buffers sind"
    ),
    "a statement has an IN list of up to {longest:count} values": (
        "eine Anweisung hat eine IN-Liste von bis zu {longest:count} Werten"
    ),
    "a statement is executed {calls:rate}, before it was {before:rate}": (
        "eine Anweisung wird {calls:rate} ausgeführt, zuvor waren es {before:rate}"
    ),
    "a statement is sent once for each of the {rows:number} rows of another one": (
        "eine Anweisung wird einmal für jede der {rows:number} Zeilen einer anderen gesendet"
    ),
    "a statement of {mean_s:duration} is executed so often that it takes {share:ratio} of the"
    " database's time": (
        "eine Anweisung von {mean_s:duration} wird so oft ausgeführt, dass sie {share:ratio} der"
        " Zeit der Datenbank braucht"
    ),
    "a statement takes {factor:factor} as long as before: {after:duration} instead of"
    " {before:duration}": (
        "eine Anweisung braucht {factor:factor} so lange wie zuvor: {after:duration} statt"
        " {before:duration}"
    ),
    "a statement takes {mean_s:duration} on average, but has taken {max_s:duration}": (
        "eine Anweisung braucht im Mittel {mean_s:duration}, brauchte aber auch {max_s:duration}"
    ),
    "a statement that was not there before takes {share:ratio} of the database's time": (
        "eine Anweisung, die es zuvor nicht gab, braucht {share:ratio} der Zeit der Datenbank"
    ),
    "a statement with OFFSET reads {blocks:count} blocks for {rows:number} rows": (
        "eine Anweisung mit OFFSET liest {blocks:count} Blöcke für {rows:number} Zeilen"
    ),
    "a statement writes {spilled:bytes} of temporary files each time": (
        "eine Anweisung schreibt jedes Mal {spilled:bytes} in temporäre Dateien"
    ),
    "a statement writes {wal_bytes:bytes} to the log, {per_row:bytes} for each row": (
        "eine Anweisung schreibt {wal_bytes:bytes} ins Log, {per_row:bytes} für jede Zeile"
    ),
    "all rows of {table} are counted for each page of them, {mean_s:duration} a time": (
        "für jede Seite von {table} werden alle Zeilen gezählt, jedes Mal {mean_s:duration}"
    ),
    "all rows of a list in {table} are counted for each page of it, {mean_s:duration} a time": (
        "für jede Seite einer Liste in {table} werden alle ihre Zeilen gezählt, jedes Mal"
        " {mean_s:duration}"
    ),
    "kept what happened in {length:duration}: statements ran for {total:duration}": (
        "aufbewahrt, was in {length:duration} geschah: Anweisungen liefen {total:duration}"
    ),
    "the first snapshot is kept; the next one tells what happened since": (
        "die erste Aufnahme ist aufbewahrt; die nächste sagt, was seitdem geschah"
    ),
    "the server has forgotten the rarest statements {count:count} times for want of room": (
        "der Server hat die seltensten Anweisungen {count:count}-mal aus Platzmangel vergessen"
    ),
    "the table grew by {grown:bytes} to {size:bytes}": (
        "die Tabelle wuchs um {grown:bytes} auf {size:bytes}"
    ),
    "to plan a statement takes {plan_s:duration}, to execute it {mean_s:duration}": (
        "eine Anweisung zu planen dauert {plan_s:duration}, sie auszuführen {mean_s:duration}"
    ),
    "{part:ratio} of a statement's time is spent to compile it": (
        "{part:ratio} der Zeit einer Anweisung geht für ihr Übersetzen hin"
    ),
}
