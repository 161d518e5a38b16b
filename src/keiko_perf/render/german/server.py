"""What a database's connections show, and the server around them."""

from __future__ import annotations

TEMPLATES = {
    "the memory of the machine": "der Speicher der Maschine",
    "the planner reckons with {believed:bytes} of cache on a machine of {memory:bytes}": (
        "der Planer rechnet mit {believed:bytes} Cache auf einer Maschine mit {memory:bytes}"
    ),
    "the server may take {may_take:bytes} on a machine of {memory:bytes}, which has moved"
    " {swapped:bytes} to disk": (
        "der Server darf {may_take:bytes} nehmen auf einer Maschine mit {memory:bytes}, die"
        " {swapped:bytes} auf die Platte ausgelagert hat"
    ),
    "Shared buffers, and work_mem for one sort of each connection that it allows: what the system"
    " moves to disk is slower than what a query would write there itself. Lower max_connections"
    " and let a pool share them, or lower work_mem.": (
        "Shared Buffers, und work_mem für eine Sortierung jeder Verbindung, die er zulässt: was das"
        " System auslagert, ist langsamer als was eine Abfrage selbst auf die Platte schriebe."
        " max_connections senken und einen Pool sie teilen lassen, oder work_mem senken."
    ),
    "A plan that was made for several workers is carried out by fewer, and is then rarely the"
    " best one. Allow more workers in all, or fewer for one statement.": (
        "Ein Plan für mehrere Helferprozesse wird von weniger ausgeführt und ist dann selten der"
        " beste. Insgesamt mehr Helferprozesse erlauben oder weniger für eine Anweisung."
    ),
    "After an upgrade of the server the objects of an extension stay as they were until they are"
    " updated as well.": (
        "Nach einem Upgrade des Servers bleiben die Objekte einer Erweiterung, wie sie waren,"
        " bis auch sie erneuert werden."
    ),
    "After each checkpoint the first change of a page writes the whole page to the log, so the"
    " log grows all the faster. Give it room; only recovery after a crash takes longer.": (
        "Nach jedem Checkpoint schreibt die erste Änderung einer Seite die ganze Seite ins Log,"
        " das dadurch umso schneller wächst. Ihm Platz geben; nur die Erholung nach einem Absturz"
        " dauert länger."
    ),
    "Allow a longer statement timeout, or ask when the server is less busy": (
        "Ein längeres Zeitlimit für Anweisungen erlauben, oder fragen, wenn der Server weniger"
        " zu tun hat"
    ),
    "Application": "Anwendung",
    "As a superuser: GRANT pg_read_all_data TO {user}": (
        "Als Superuser: GRANT pg_read_all_data TO {user}"
    ),
    "As their owner: GRANT SELECT ON {names} TO {user}": (
        "Als ihr Eigentümer: GRANT SELECT ON {names} TO {user}"
    ),
    "Ask again after {then:time}, when rare jobs have run too": (
        "Nach dem {then:time} noch einmal fragen, wenn auch seltene Jobs gelaufen sind"
    ),
    "Ask again when the schema is not being changed": (
        "Noch einmal fragen, wenn das Schema nicht gerade geändert wird"
    ),
    "Connections": "Verbindungen",
    "Connections to the server, and what they wait for": (
        "Verbindungen zum Server, und worauf sie warten"
    ),
    "Connections: {used:count} of {most:count}": "Verbindungen: {used:count} von {most:count}",
    "Each line is written by the session that serves the statement. Log the slow ones, or a"
    " sample; pg_stat_statements counts them all for less.": (
        "Jede Zeile schreibt die Sitzung, die die Anweisung bedient. Die langsamen"
        " protokollieren oder eine Stichprobe; pg_stat_statements zählt sie alle für weniger."
    ),
    "In transaction": "In Transaktion",
    "It is idle within its transaction: nothing but its commit, or its end, lets the others go"
    " on. keiko-perf db locks shows the whole queue.": (
        "Sie ist mitten in ihrer Transaktion untätig: nur ihr Commit oder ihr Ende lässt die"
        " anderen weitermachen. keiko-perf db locks zeigt die ganze Schlange."
    ),
    "It takes no memory, it only tells the planner what to expect: about what shared buffers and"
    " the operating system's cache have together.": (
        "Es belegt keinen Speicher, es sagt nur dem Planer, was zu erwarten ist: etwa was Shared"
        " Buffers und der Cache des Betriebssystems zusammen haben."
    ),
    "Look again in {days:count} days: SELECT idx_scan FROM pg_stat_user_indexes": (
        "In {days:count} Tagen noch einmal nachsehen: SELECT idx_scan FROM pg_stat_user_indexes"
    ),
    "Looked at": "Angesehen",
    "More was written than the server may keep for a slot. Set its standby or subscriber up"
    " anew, and drop the slot.": (
        "Es wurde mehr geschrieben, als der Server für einen Slot behalten darf. Den Standby"
        " oder Abonnenten neu aufsetzen und den Slot entfernen."
    ),
    "See the server's log for more": "Mehr dazu im Log des Servers",
    "Session": "Sitzung",
    "State": "Zustand",
    "Such a switch was made to find out why a plan was chosen, not to be left off: it spoils the"
    " plans of all other statements. Cure the one statement instead.": (
        "Ein solcher Schalter ist dazu da, herauszufinden, warum ein Plan gewählt wurde, nicht"
        " dazu, aus zu bleiben: er verdirbt die Pläne aller anderen Anweisungen. Stattdessen die"
        " eine Anweisung heilen."
    ),
    "The default is made for the smallest machines. A fourth of the machine's memory is the"
    " usual start; it needs a restart.": (
        "Die Voreinstellung ist für die kleinsten Maschinen gemacht. Ein Viertel des Speichers"
        " der Maschine ist der übliche Anfang; es braucht einen Neustart."
    ),
    "The next client is refused when they are used up. Idle ones belong to pools that are larger"
    " than they need to be: make those smaller, or put pgbouncer between.": (
        "Sind sie aufgebraucht, wird der nächste Client abgewiesen. Untätige gehören zu Pools,"
        " die größer sind als nötig: diese verkleinern oder pgbouncer dazwischenstellen."
    ),
    "The others go on when its transaction ends. A change of the schema waits for all before it,"
    " and all after it wait for the change: give such a one a lock_timeout.": (
        "Die anderen machen weiter, wenn ihre Transaktion endet. Eine Änderung des Schemas"
        " wartet auf alle vor ihr, und alle nach ihr warten auf sie: ihr ein lock_timeout geben."
    ),
    "To make a connection costs the server a new process, more than most statements cost. Keep a"
    " pool in the service, or put pgbouncer between.": (
        "Eine Verbindung aufzubauen kostet den Server einen neuen Prozess, mehr als die meisten"
        " Anweisungen. Im Dienst einen Pool halten oder pgbouncer dazwischenstellen."
    ),
    "Topic": "Thema",
    "Transactions that have been open for long": "Transaktionen, die lange offen sind",
    "Until it is archived the log is kept: the disk fills up, and no backup can be brought up to"
    " date. The server's log tells what the command said.": (
        "Bis es archiviert ist, wird das Log behalten: die Platte läuft voll, und keine"
        " Sicherung lässt sich auf den neuesten Stand bringen. Das Log des Servers sagt, was der"
        " Befehl meldete."
    ),
    "User": "Benutzer",
    "Vacuum removes nothing that the slot's standby or subscriber may still read. Let it catch"
    " up, or drop the slot.": (
        "VACUUM entfernt nichts, was der Standby oder Abonnent des Slots noch lesen könnte. Ihn"
        " aufholen lassen oder den Slot entfernen."
    ),
    "Waiting": "Wartet",
    "Waits for": "Wartet auf",
    "What does not fit into work_mem is sorted and hashed in files. It counts for each sort of"
    " each session, so give more to the role that needs it rather than to all.": (
        "Was nicht in work_mem passt, wird in Dateien sortiert und gehasht. Es gilt für jede"
        " Sortierung jeder Sitzung, also lieber der Rolle mehr geben, die es braucht, als allen."
    ),
    "What is kept fills the disk, and then the server stops. If what used the slot does not come"
    " back, drop it; max_slot_wal_keep_size sets a limit for all.": (
        "Das Behaltene füllt die Platte, und dann bleibt der Server stehen. Kommt nicht wieder,"
        " was den Slot benutzte, ihn entfernen; max_slot_wal_keep_size setzt eine Grenze für"
        " alle."
    ),
    "What was looked at": "Was angesehen wurde",
    "Who reads from it reads what was then, and if the primary is lost, so is what it has not"
    " got. The network, its disk, or a long query that it must not disturb holds it up.": (
        "Wer von ihm liest, liest, was damals war, und geht der Primärserver verloren, dann"
        " auch, was er nicht bekommen hat. Das Netz, seine Platte oder eine lange Abfrage, die er"
        " nicht stören darf, hält ihn auf."
    ),
    "Who waits behind whom": "Wer hinter wem wartet",
    "a checkpoint is made every {gap:duration} because max_wal_size is full, not every"
    " {due:duration} as set": (
        "alle {gap:duration} kommt ein Checkpoint, weil max_wal_size voll ist, nicht alle"
        " {due:duration}, wie eingestellt"
    ),
    "a prepared transaction of {user} waits for its end since {age:duration}": (
        "eine vorbereitete Transaktion von {user} wartet seit {age:duration} auf ihr Ende"
    ),
    "a transaction has run for {open:duration} and holds back what {held:count} later ones left": (
        "eine Transaktion läuft seit {open:duration} und hält fest, was {held:count} spätere"
        " hinterließen"
    ),
    "a transaction is open for {open:duration} and has been idle for {idle:duration}": (
        "eine Transaktion ist seit {open:duration} offen und seit {idle:duration} untätig"
    ),
    "connections": "Verbindungen",
    "every statement of {rate:rate} transactions is written to the log": (
        "jede Anweisung von Transaktionen, {rate:rate}, wird ins Log geschrieben"
    ),
    "extensions": "Erweiterungen",
    "how far the standbys are behind": "wie weit die Standby-Server zurückliegen",
    "no query used them, but since when that is counted is not known": (
        "keine Abfrage benutzte sie, aber seit wann das gezählt wird, ist nicht bekannt"
    ),
    "no query used them, but that is counted only since {since_at:time}": (
        "keine Abfrage benutzte sie, aber das wird erst seit {since_at:time} gezählt"
    ),
    "nobody uses the slot, and the server keeps {kept:bytes} of the log for it": (
        "niemand benutzt den Slot, und der Server behält {kept:bytes} des Logs für ihn"
    ),
    "of {planned:count} parallel workers that plans asked for {launched:count} were there": (
        "von {planned:count} Helferprozessen, die Pläne verlangten, waren {launched:count} da"
    ),
    "only {ratio:ratio} of the blocks are found in shared buffers of {now:bytes}": (
        "nur {ratio:ratio} der Blöcke finden sich in den Shared Buffers von {now:bytes}"
    ),
    "replication": "die Replikation",
    "settings and the server": "Einstellungen und der Server",
    "standbys and slots": "Standby-Server und Slots",
    "statements": "Anweisungen",
    "the archiver": "die Archivierung",
    "the checkpoints": "die Checkpoints",
    "the connections": "die Verbindungen",
    "the counters of the database": "die Zähler der Datenbank",
    "the extension is of version {version}, and the server has {available}": (
        "die Erweiterung hat die Version {version}, und der Server hat {available}"
    ),
    "the extensions": "die Erweiterungen",
    "the foreign keys": "die Fremdschlüssel",
    "the last {failed:count} attempts to archive the log failed": (
        "die letzten {failed:count} Versuche, das Log zu archivieren, scheiterten"
    ),
    "the log was last archived at {since_at:time}": (
        "das Log wurde zuletzt am {since_at:time} archiviert"
    ),
    "the planner may not use what {names} stands for": (
        "der Planer darf nicht benutzen, wofür {names} steht"
    ),
    "the planner reckons with {believed:bytes} of cache, and shared buffers alone have"
    " {there:bytes}": (
        "der Planer rechnet mit {believed:bytes} Cache, und die Shared Buffers allein haben"
        " {there:bytes}"
    ),
    "the server did not answer: {message}": "der Server antwortete nicht: {message}",
    "the settings of autovacuum": "die Einstellungen von Autovacuum",
    "the slot has lost the log that it needs: who used it cannot go on": (
        "der Slot hat das Log verloren, das er braucht: wer ihn benutzte, kann nicht weitermachen"
    ),
    "the standby is {behind:bytes} of the log behind": (
        "der Standby liegt {behind:bytes} des Logs zurück"
    ),
    "the standby is {late:duration} behind, {behind:bytes} of the log": (
        "der Standby liegt {late:duration} zurück, {behind:bytes} des Logs"
    ),
    "the user {user} may not read them": "der Benutzer {user} darf sie nicht lesen",
    "the user {user} may not read them, and so not their statistics: {names}": (
        "der Benutzer {user} darf sie nicht lesen, und so auch ihre Statistiken nicht: {names}"
    ),
    "the user {user} may not see what others do": (
        "der Benutzer {user} darf nicht sehen, was andere tun"
    ),
    "the write-ahead log": "das Write-Ahead-Log",
    "what {hidden:count} connections do": "was {hidden:count} Verbindungen tun",
    "{conflicts:count} statements were cancelled so that the standby could follow": (
        "{conflicts:count} Anweisungen wurden abgebrochen, damit der Standby folgen konnte"
    ),
    "{count:count} sessions wait behind it for a lock on {on}, for up to {waits:duration}": (
        "{count:count} Sitzungen warten hinter ihr auf eine Sperre auf {on}, bis zu"
        " {waits:duration}"
    ),
    "{deadlocks:count} transactions were ended to resolve a deadlock": (
        "{deadlocks:count} Transaktionen wurden beendet, um einen Deadlock aufzulösen"
    ),
    "{per_hour:bytes} of temporary files are written in an hour, {each:bytes} each": (
        "in einer Stunde werden {per_hour:bytes} in temporäre Dateien geschrieben, jede"
        " {each:bytes}"
    ),
    "{used:count} of {most:count} connections are in use": (
        "{used:count} von {most:count} Verbindungen sind in Gebrauch"
    ),
}
