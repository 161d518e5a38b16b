"""What to do about requests that failed."""

from __future__ import annotations

TEMPLATES = {
    "To get one that is valid: let this machine do less meanwhile, or make the load from another"
    " one; where a core of the generator is full, ask for less or share the load (--processes).": (
        "Um eine gültige zu bekommen: diese Maschine derweil weniger tun lassen oder die Last von"
        " einer anderen machen; wo ein Kern des Lastgenerators voll ist, weniger verlangen oder die"
        " Last teilen (--processes)."
    ),
    "Check the spelling of the host, and the DNS of this machine.": (
        "Die Schreibweise des Namens prüfen und das DNS dieser Maschine."
    ),
    "Nobody listens there: see that the service runs, and that address and port are right.": (
        "Dort hört niemand: nachsehen, ob der Dienst läuft und Adresse und Port stimmen."
    ),
    "A firewall is between, more connect at once than the service takes, or the port does not"
    " speak https. --timeout says how long is waited.": (
        "Eine Firewall ist dazwischen, es verbinden sich mehr zugleich, als der Dienst annimmt,"
        " oder der Port spricht kein https. --timeout sagt, wie lange gewartet wird."
    ),
    "--ca FILE trusts the authority that signed its certificate, --insecure any; the name in the"
    " URL has to be the one that it is made out for.": (
        "--ca FILE traut der Stelle, die das Zertifikat unterschrieben hat, --insecure jedem; der"
        " Name in der URL muss der sein, auf den es lautet."
    ),
    "The service closed the connection: its log tells whether it crashed, or has a bound on"
    " connections; a port that wants https does so, too.": (
        "Der Dienst hat die Verbindung geschlossen: sein Protokoll sagt, ob er abgestürzt ist oder"
        " Verbindungen begrenzt; ein Port, der https will, tut das auch."
    ),
    "--timeout says how long is waited; keiko-perf doctor tells what the service does meanwhile.": (
        "--timeout sagt, wie lange gewartet wird; keiko-perf doctor, was der Dienst derweil tut."
    ),
    "The answer is long, or comes slowly; --timeout says how long is waited for all of it. A "
    "subscription (server-sent events) has no end: with --events 1 its first event is.": (
        "Die Antwort ist lang oder kommt langsam; --timeout sagt, wie lange auf alles gewartet"
        " wird. Ein Abonnement (server-sent events) hat kein Ende: Mit --events 1 ist es das erste"
        " Ereignis."
    ),
    "What answers is no server of HTTP/1.1, or broke off: see that the port is the service's, and"
    " in its log why.": (
        "Was antwortet, ist kein Server für HTTP/1.1 oder brach ab: nachsehen, ob der Port der des"
        " Dienstes ist, und in dessen Protokoll, warum."
    ),
    "The service refuses it: a path, a header (-H) or a value is not what it takes.": (
        "Der Dienst weist ab: ein Pfad, eine Kopfzeile (-H) oder ein Wert ist nicht, was er nimmt."
    ),
    "The service does not know who asks, or does not let him: the token (--token) or a header (-H)"
    " is missing, wrong or too old.": (
        "Der Dienst kennt den Fragenden nicht oder lässt ihn nicht: das Token (--token) oder eine"
        " Kopfzeile (-H) fehlt, ist falsch oder zu alt."
    ),
    "The service takes no such values: its answer says which. Of an OpenAPI document they are made"
    " up as its schemas allow, unless it gives an example.": (
        "Der Dienst nimmt solche Werte nicht: seine Antwort sagt, welche. Aus einem"
        " OpenAPI-Dokument werden sie so erdacht, wie seine Schemata es erlauben, sofern es kein"
        " Beispiel gibt."
    ),
    "Nothing is there: the path or its prefix is wrong, or an id in it is of nothing. Of an OpenAPI"
    " document ids are made up, unless it gives an example; a scenario asks for those that a list"
    " has just shown.": (
        "Dort ist nichts: der Pfad oder sein Präfix ist falsch, oder eine Kennung darin gehört zu"
        " nichts. Aus einem OpenAPI-Dokument werden Kennungen erdacht, sofern es kein Beispiel"
        " gibt; ein Szenario fragt nach denen, die eine Liste gerade gezeigt hat."
    ),
    "A limit of the service was reached, on how often one client may ask.": (
        "Eine Grenze des Dienstes ist erreicht, wie oft ein Klient fragen darf."
    ),
    "A proxy before the service got no answer from it: it is down or restarts, its address is "
    "another one, or it closed the connection. The proxy's error log tells which.": (
        "Ein Proxy vor dem Dienst bekam keine Antwort von ihm: Er läuft nicht oder startet neu, "
        "seine Adresse ist eine andere, oder er hat die Verbindung geschlossen. Das Fehlerlog des "
        "Proxys sagt, was davon."
    ),
    "Too much at once, or not ready: a limit turned it away (LimitConcurrency, a limiter, a full "
    "queue), or a proxy has no service that is up.": (
        "Zu viel auf einmal, oder nicht bereit: Eine Grenze hat es abgewiesen (LimitConcurrency, "
        "ein Limiter, eine volle Warteschlange), oder ein Proxy hat keinen Dienst, der läuft."
    ),
    "A proxy before the service waited for its answer for too long, and gave up: its time limit is "
    "what counts here. keiko-perf doctor tells what the service does meanwhile.": (
        "Ein Proxy vor dem Dienst hat zu lange auf dessen Antwort gewartet und aufgegeben: Seine "
        "Zeitgrenze zählt hier. keiko-perf doctor sagt, was der Dienst währenddessen tut."
    ),
    "The service failed; its log tells by what.": (
        "Der Dienst ist gescheitert; sein Protokoll sagt, woran."
    ),
    "This machine has no port, file or memory left for the load: use fewer connections, or raise"
    " ulimit -n.": (
        "Diese Maschine hat für die Last keinen Port, keine Datei oder keinen Speicher mehr:"
        " weniger Verbindungen benutzen oder ulimit -n erhöhen."
    ),
}
