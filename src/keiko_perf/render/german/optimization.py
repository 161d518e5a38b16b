"""What the optimization says: what grows in memory, and what holds the event loop."""

from __future__ import annotations

TEMPLATES = {
    "At its peak the program held {peak:bytes}; {held:bytes} were never given back": (
        "Auf dem Gipfel hielt das Programm {peak:bytes}; {held:bytes} wurden nie zurückgegeben"
    ),
    "By line": "Nach Zeilen",
    "The program failed; until then no line of it held more and more memory": (
        "Das Programm scheiterte; bis dahin hielt keine seiner Zeilen immer mehr Speicher"
    ),
    "Held at the peak": "Gehalten auf dem Gipfel",
    "It holds no more than {ago:duration} before": "Er hält nicht mehr als {ago:duration} zuvor",
    "It holds {grown:bytes} more than {ago:duration} before": (
        "Er hält {grown:bytes} mehr als {ago:duration} zuvor"
    ),
    "Never given back": "Nie zurückgegeben",
    "Process {pid} holds {held:bytes}, of {limit:bytes} that there are": (
        "Prozess {pid} hält {held:bytes}, von {limit:bytes}, die es gibt"
    ),
    "With what it shares divided by those who share it, it holds {pss:bytes}": (
        "Geteiltes unter denen aufgeteilt, die es teilen, hält er {pss:bytes}"
    ),
    "Blocks": "Blöcke",
    "Code": "Quelltext",
    "From look to look": "Von Blick zu Blick",
    "Grown by": "Gewachsen um",
    "Holds": "Hält",
    "It held {first:bytes} at the first look and {last:bytes} at the last, of which {traced:bytes}"
    " are known by line; what C libraries allocate is not": (
        "Er hielt beim ersten Blick {first:bytes} und beim letzten {last:bytes}; davon sind"
        " {traced:bytes} bis auf die Zeile bekannt, was C-Bibliotheken anfordern nicht"
    ),
    "It holds {grown:bytes} more than at the beginning, and more from look to look": (
        "Sie hält {grown:bytes} mehr als am Anfang, und von Blick zu Blick mehr"
    ),
    "Lines that hold more than at the beginning": "Zeilen, die mehr halten als am Anfang",
    "No line of the program holds more and more memory": (
        "Keine Zeile des Programms hält immer mehr Speicher"
    ),
    "Nothing was looked at twice, so nothing is known to grow": (
        "Nichts wurde zweimal angesehen, also weiß man von nichts, dass es wächst"
    ),
    "Place": "Stelle",
    "The process": "Der Prozess",
    "The process is busy with {rate:rate} on asyncio's own loop; uvloop does the same with less,"
    " which a load test before and after shows": (
        "Der Prozess hat mit {rate:rate} auf asyncios eigener Schleife zu tun; uvloop tut dasselbe"
        " mit weniger, was ein Lasttest davor und danach zeigt"
    ),
    "What grows in memory": "Was im Speicher wächst",
    "What is made there is kept by something that only grows: a list, a dict, a cache without a"
    " bound": (
        "Was dort entsteht, behält etwas, das nur wächst: eine Liste, ein Dict, ein Cache ohne"
        " Grenze"
    ),
    "more and more": "immer mehr",
    "not steadily": "nicht stetig",
    "{share:ratio} of the {calls:count} answers that were looked at within the last hour could"
    " have come from a cache that keeps them for {ttl:duration}: it would have spared"
    " {spared:duration} of the {took:duration} that they took, and {stale:count} of its"
    " answers would have been out of date": (
        "{share:ratio} der {calls:count} Antworten, die in der letzten Stunde angesehen wurden,"
        " hätte ein Cache geben können, der sie {ttl:duration} lang behält: er hätte"
        " {spared:duration} der {took:duration} gespart, die sie dauerten, und {stale:count}"
        " seiner Antworten wären veraltet gewesen"
    ),
    "{count:count} place(s) of the program hold more and more memory": (
        "{count:count} Stelle(n) des Programms halten immer mehr Speicher"
    ),
    "{place} held the event loop {count:count} time(s), for up to {longest:duration}: nothing else"
    " was answered meanwhile": (
        "{place} hielt die Ereignisschleife {count:count}-mal auf, bis zu {longest:duration} lang:"
        " solange wurde sonst nichts beantwortet"
    ),
}
