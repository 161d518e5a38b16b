"""What load tests say: their results, their validity, their comparison."""

from __future__ import annotations

TEMPLATES = {
    "Answers on the wire, headers included": "Antworten auf der Leitung, samt Kopfzeilen",
    "Answered: {achieved:rate}.": "Beantwortet: {achieved:rate}.",
    "Asked for: {asked:rate}, answered: {achieved:rate}.": (
        "Verlangt: {asked:rate}, beantwortet: {achieved:rate}."
    ),
    "CPU of its core": "CPU seines Kerns",
    "CPU of process {number:count}": "CPU von Prozess {number:count}",
    "Closed load: a slow service is asked less often, so the percentiles leave out whoever"
    " would have come meanwhile. An open rate shows them.": (
        "Geschlossene Last: ein langsamer Dienst wird seltener gefragt, also fehlen in den"
        " Perzentilen alle, die inzwischen gekommen wären. Eine offene Rate zeigt sie."
    ),
    "Comparison of two load tests of {target}": "Vergleich zweier Lasttests von {target}",
    "Connections are hardly used again: {opened:count} were made for {count:count}"
    " requests. This machine has {ports:count} ports for those of a minute.": (
        "Verbindungen werden kaum wieder benutzt: {opened:count} wurden für {count:count}"
        " Anfragen aufgebaut. Für die einer Minute hat diese Maschine {ports:count} Ports."
    ),
    "Failures by the second in which they were due": (
        "Fehler nach der Sekunde, in der die Anfragen fällig waren"
    ),
    "Further failures": "Weitere Fehler",
    "How far to trust it": "Wie weit ihr zu trauen ist",
    "INVALID: a measurement cannot be trusted": "UNGÜLTIG: einer Messung ist nicht zu trauen",
    "INVALID: the measurement cannot be trusted": "UNGÜLTIG: der Messung ist nicht zu trauen",
    "INVALID: {reasons}.": "UNGÜLTIG: {reasons}.",
    "Little's law holds within {off:ratio}": "Littles Gesetz gilt auf {off:ratio} genau",
    "Load test of {target}": "Lasttest von {target}",
    "Look at the errors: not one request of this step succeeded": (
        "Die Fehler ansehen: keine Anfrage dieses Schritts gelang"
    ),
    "Measure for about {duration:duration}, or raise the rate": (
        "Etwa {duration:duration} lang messen oder die Rate erhöhen"
    ),
    "Over time": "Im Verlauf",
    "Phases of answers": "Phasen der Antworten",
    "Repeat one of the runs under the load of the other": (
        "Einen der Läufe unter der Last des anderen wiederholen"
    ),
    "Requests by the second in which they were due": (
        "Anfragen nach der Sekunde, in der sie fällig waren"
    ),
    "Requests in flight": "Anfragen unterwegs",
    "Response time of all steps": "Antwortzeit aller Schritte",
    "Response time of {step}": "Antwortzeit von {step}",
    "Response time runs from the instant a request was due to the last byte of its answer;"
    " failures are not in it.": (
        "Die Antwortzeit läuft vom Augenblick, in dem eine Anfrage fällig war, bis zum letzten"
        " Byte ihrer Antwort; Fehler sind nicht darin."
    ),
    "Response time, from due": "Antwortzeit, ab Fälligkeit",
    "Run both with the same steps": "Beide mit denselben Schritten laufen lassen",
    "Service time, from sent": "Bedienzeit, ab dem Senden",
    "Steps": "Schritte",
    "The generator": "Der Lastgenerator",
    "The load generator had {files:count} files open, of {limit:count} that it may open.": (
        "Der Lastgenerator hatte {files:count} Dateien offen, von {limit:count}, die er öffnen"
        " darf."
    ),
    "The measurement is valid: {parts}.": "Die Messung ist gültig: {parts}.",
    "The requests have more than {most:count} names, so {count:count} of them are counted as "
    "{other}: give those whose paths vary one name, such as GET /items/ID.": (
        "Die Anfragen haben mehr als {most:count} Namen, also zählen {count:count} davon als"
        " {other}: denen mit wechselndem Pfad einen Namen geben, etwa GET /items/ID."
    ),
    "The run was stopped after {duration:duration}; {count:count} requests were under way.": (
        "Der Lauf wurde nach {duration:duration} abgebrochen; {count:count} Anfragen waren"
        " unterwegs."
    ),
    "The scenarios' own code ended {count:count} iterations, most often by {example}.": (
        "Der eigene Code der Szenarien beendete {count:count} Durchläufe, meist durch {example}."
    ),
    "The service runs on the generator's machine: both share its cores.": (
        "Der Dienst läuft auf der Maschine des Lastgenerators: beide teilen sich ihre Kerne."
    ),
    "The two runs": "Die beiden Läufe",
    "What changed": "Was sich geändert hat",
    "achieved": "erreicht",
    "all steps": "alle Schritte",
    "asked for": "verlangt",
    "at {rate:rate}": "bei {rate:rate}",
    "broke {at:duration} into the run, at {rate:rate}; missed in {share:ratio} of it": (
        "ab {at:duration} nach Beginn verfehlt, bei {rate:rate}; in {share:ratio} der Zeit"
    ),
    "by Little's law": "nach Littles Gesetz",
    "connections made": "Verbindungen aufgebaut",
    "dropped": "ausgelassen",
    "every request that was due was sent": "jede fällige Anfrage wurde gesendet",
    "in flight": "unterwegs",
    "it used {cpu:ratio} of its core": "er brauchte {cpu:ratio} seines Kerns",
    "mean of each second": "Mittel jeder Sekunde",
    "measured for": "gemessen über",
    "no request was finished": "keine Anfrage wurde fertig",
    "no step got slower or faster": "kein Schritt wurde langsamer oder schneller",
    "not one of {count:count} requests succeeded": "keine von {count:count} Anfragen gelang",
    "of it the generator's own": "davon des Generators eigene",
    "offered": "angeboten",
    "on average {seen:number} requests were in flight, by the response times {expected:number}": (
        "im Mittel waren {seen:number} Anfragen unterwegs, nach den Antwortzeiten {expected:number}"
    ),
    "only one of the two runs has this step": "nur einer der beiden Läufe hat diesen Schritt",
    "requests due": "fällige Anfragen",
    "response time p95 {p95:duration} at {rate:rate}, {errors:ratio} failed": (
        "Antwortzeit p95 {p95:duration} bei {rate:rate}, {errors:ratio} fehlgeschlagen"
    ),
    "response time p{percent} of {step}": "Antwortzeit p{percent} von {step}",
    "schedule lag p99": "Verspätung p99",
    "succeeded": "gelungen",
    "the effect of the change alone": "die Wirkung der Änderung allein",
    "the garbage collector held up the load generator for {share:ratio} of the time, at"
    " most for {longest:duration} at once": (
        "die Speicherbereinigung hielt den Lastgenerator {share:ratio} der Zeit auf, höchstens"
        " {longest:duration} am Stück"
    ),
    "the generator was late by {late:duration} (p99)": (
        "der Lastgenerator war um {late:duration} zu spät (p99)"
    ),
    "the load differed: {before} before, {after} after": (
        "die Last war verschieden: {before} vorher, {after} nachher"
    ),
    "the load generator used {cpu:ratio} of its core, so it was the limit itself": (
        "der Lastgenerator brauchte {cpu:ratio} seines Kerns, also war er selbst die Grenze"
    ),
    "the load generator was late by {late:duration} (p{percent}): the response times hold that": (
        "der Lastgenerator war um {late:duration} (p{percent}) zu spät: das steckt in den"
        " Antwortzeiten"
    ),
    "the two runs have no step in common": "die beiden Läufe haben keinen Schritt gemeinsam",
    "to {rate:rate}": "auf {rate:rate}",
    "undecided for {count:count} of {all:count} steps": (
        "unentschieden bei {count:count} von {all:count} Schritten"
    ),
    "unfinished": "unfertig",
    "{count:count}": "{count:count}",
    "{count:count} of {all:count} steps got faster, none slower": (
        "{count:count} von {all:count} Schritten wurden schneller, keiner langsamer"
    ),
    "{count:count} of {all:count} steps got slower": (
        "{count:count} von {all:count} Schritten wurden langsamer"
    ),
    "{count:count} requests at {rate:rate}, {errors:ratio} failed": (
        "{count:count} Anfragen bei {rate:rate}, {errors:ratio} fehlgeschlagen"
    ),
    "{count:count} requests failed for want of ports, files, memory or rows on this machine": (
        "{count:count} Anfragen scheiterten, weil es auf dieser Maschine an Ports, Dateien,"
        " Speicher oder Zeilen fehlte"
    ),
    "{count:count} requests had no answer when the run ended, the oldest after {age:duration}": (
        "{count:count} Anfragen waren am Ende des Laufs ohne Antwort, die älteste nach"
        " {age:duration}"
    ),
    "{count:count} requests waited until one of {connections:count} connections was free.": (
        "{count:count} Anfragen warteten, bis eine von {connections:count} Verbindungen frei war."
    ),
    "{count:count} steps": "{count:count} Schritten",
    "{cpu:ratio}": "{cpu:ratio}",
    "{dropped:count} requests were not sent, because too many were in flight": (
        "{dropped:count} Anfragen wurden nicht gesendet, weil zu viele unterwegs waren"
    ),
    "{duration:duration}": "{duration:duration}",
    "{expected:number} on average": "{expected:number} im Mittel",
    "{failed:count} of {all:count} requests: {failure}, {detail}": (
        "{failed:count} von {all:count} Anfragen: {failure}, {detail}"
    ),
    "{lag:duration}": "{lag:duration}",
    "{late:duration}": "{late:duration}",
    "{lost:count} of {all:count} processes of the load generator ended before the run did,"
    " so their share of the load is missing": (
        "{lost:count} von {all:count} Prozessen des Lastgenerators endeten vor dem Lauf, also"
        " fehlt ihr Teil der Last"
    ),
    "{mean:number} on average, {peak:count} at most": (
        "{mean:number} im Mittel, {peak:count} höchstens"
    ),
    "{missed:count} of {all:count} targets were missed": (
        "{missed:count} von {all:count} Zielen wurden verfehlt"
    ),
    "{rate:rate}": "{rate:rate}",
    "{share:ratio}": "{share:ratio}",
    "{what} is over its limit of {limit}": "{what} liegt über der Grenze von {limit}",
    "{what} is {value}, at least {limit} was wanted": (
        "{what} ist {value}, gewollt war mindestens {limit}"
    ),
    "{what} is {value}, the limit is {limit}": "{what} ist {value}, die Grenze {limit}",
    "– ({needed:count})": "– ({needed:count})",
    "it stopped the run after {at:duration}": "es beendete den Lauf nach {at:duration}",
    "missed in {share:ratio} of the stretches of {window:duration}, first in that which"
    " ended {at:duration} into the run": (
        "verfehlt in {share:ratio} der Abschnitte von {window:duration}, zuerst in dem, der"
        " {at:duration} nach Beginn des Laufs endete"
    ),
    "within the limit in each stretch of {window:duration}": (
        "innerhalb der Grenze in jedem Abschnitt von {window:duration}"
    ),
    "the run was shorter than {window:duration}": "der Lauf war kürzer als {window:duration}",
    "The beginning was like the rest of the run: nothing is left out as warm-up.": (
        "Der Anfang glich dem Rest des Laufs: nichts bleibt als Aufwärmen außer Betracht."
    ),
    "Warm-up: response times settled after {duration:duration}; targets are judged by what"
    " came after that.": (
        "Aufwärmen: die Antwortzeiten haben sich nach {duration:duration} eingependelt;"
        " geurteilt wird nach dem, was danach kam."
    ),
    "The run was too short to tell its warm-up, or did not settle within its first half:"
    " targets are judged by all of it.": (
        "Der Lauf war zu kurz, um sein Aufwärmen zu erkennen, oder pendelte sich in seiner"
        " ersten Hälfte nicht ein: geurteilt wird nach dem ganzen Lauf."
    ),
    "doubling": "verdoppeln",
    "halving": "halbieren",
    "once more": "noch einmal",
    "overload": "Überlast",
    "recovery": "Erholung",
    "whether it is back": "ob er zurück ist",
    "passed": "bestanden",
    "unsure": "unsicher",
    "invalid": "ungültig",
    "Capacity of {target}": "Kapazität von {target}",
    "{found} · {limit}": "{found} · {limit}",
    "INVALID: the load generator was the limit at {at:rate}": (
        "UNGÜLTIG: der Lastgenerator war bei {at:rate} selbst die Grenze"
    ),
    "INVALID: the load generator was the limit at {at:rate}; the service keeps its"
    " promises at {low:rate} at least": (
        "UNGÜLTIG: der Lastgenerator war bei {at:rate} selbst die Grenze; bis {low:rate}"
        " hält der Dienst seine Versprechen jedenfalls"
    ),
    "not one step was finished": "kein Schritt wurde zu Ende geführt",
    "below {high:rate}: no rate kept the promises": (
        "unter {high:rate}: bei keiner Rate wurden die Versprechen gehalten"
    ),
    "at least {low:rate}: nothing failed up to there": (
        "mindestens {low:rate}: bis dahin wurde nichts verfehlt"
    ),
    "not finished: between {low:rate} and {high:rate}": (
        "nicht fertig: zwischen {low:rate} und {high:rate}"
    ),
    "promises are kept up to {low:rate}, and no longer at {high:rate}": (
        "die Versprechen werden bis {low:rate} gehalten, bei {high:rate} nicht mehr"
    ),
    "{high:rate} broke the service, and it did not come back; promises were kept up to"
    " {low:rate}": (
        "an {high:rate} ist der Dienst zerbrochen und kam nicht zurück; die Versprechen wurden bis"
        " {low:rate} gehalten"
    ),
    "{high:rate} broke the service, and it did not come back": (
        "an {high:rate} ist der Dienst zerbrochen und kam nicht zurück"
    ),
    "not one request succeeded, at {high:rate} and below": (
        "nicht eine Anfrage ist gelungen, bei {high:rate} und darunter"
    ),
    "For {waited:duration} after that it passed no step, though the last was at {rate:rate}:"
    " see whether it still runs, and what its log says.": (
        "Danach bestand er {waited:duration} lang keinen Schritt, auch den letzten mit {rate:rate}"
        " nicht: ob er noch läuft, und was sein Protokoll sagt, ist nachzusehen."
    ),
    "within the capacity": "innerhalb der Kapazität",
    "not tried up to there": "bis dahin nicht versucht",
    "beyond the capacity": "über der Kapazität",
    "What limits it": "Was ihn begrenzt",
    "How it was found": "Wie das gefunden wurde",
    "The search was stopped; this is what was known by then.": (
        "Die Suche wurde abgebrochen; das war bis dahin bekannt."
    ),
    "{found}.": "{found}.",
    "At {rate:rate}: {reasons}.": "Bei {rate:rate}: {reasons}.",
    "Under {rate:rate} it still gets {done:rate} done.": (
        "Unter {rate:rate} schafft er immer noch {done:rate}."
    ),
    "Under {rate:rate} it gives way: only {done:rate} get done, where {low:rate} did.": (
        "Unter {rate:rate} bricht er ein: nur {done:rate} werden geschafft, wo es {low:rate} waren."
    ),
    "Back at {rate:rate} it recovers.": "Zurück bei {rate:rate} erholt er sich.",
    "Back at {rate:rate} it does not recover.": "Zurück bei {rate:rate} erholt er sich nicht.",
    "The service's figures stand on the load generator's clock, within {error:duration}.": (
        "Die Zahlen des Dienstes stehen auf der Uhr des Lastgenerators, auf {error:duration} genau."
    ),
    "what limits the service": "was den Dienst begrenzt",
    "its own figures were not read": "seine eigenen Zahlen wurden nicht gelesen",
    "Install a monitor in it, PerformanceMonitor().install(app), and give --watch URL": (
        "Einen Monitor in ihm installieren, PerformanceMonitor().install(app), und --watch"
        " URL angeben"
    ),
    "A step passes if the promises are kept and the requests under way do not grow: a"
    " service that takes in more than it gets done looks well as long as its queue is"
    " short.": (
        "Ein Schritt ist bestanden, wenn die Versprechen gehalten werden und die Anfragen"
        " unterwegs nicht mehr werden: ein Dienst, der mehr annimmt, als er schafft, sieht"
        " gut aus, solange seine Schlange kurz ist."
    ),
    "Model (Universal Scalability Law, R² {fit:number}): up to the rates that were tried"
    " nothing queues.": (
        "Modell (Universal Scalability Law, R² {fit:number}): bis zu den versuchten Raten"
        " staut sich nichts."
    ),
    "Model (Universal Scalability Law, R² {fit:number}): no more than {most:rate} would"
    " get through. A model, not a measurement.": (
        "Modell (Universal Scalability Law, R² {fit:number}): mehr als {most:rate} kämen"
        " nicht durch. Ein Modell, keine Messung."
    ),
    "outcome": "Ausgang",
    "resource": "Betriebsmittel",
    "busy": "belegt",
    "there are": "vorhanden",
    "share": "Anteil",
    "a request": "je Anfrage",
    "waited a request": "gewartet je Anfrage",
    "ceiling": "Obergrenze",
    "Requests a second over the search": "Anfragen je Sekunde im Verlauf der Suche",
    "Response time over the search": "Antwortzeit im Verlauf der Suche",
    "far over the limit": "weit über der Grenze",
    "not one request succeeded": "keine Anfrage gelang",
    "{what} {value:duration}": "{what} {value:duration}",
    "{what} is over its limit": "{what} liegt über der Grenze",
    "requests under way grew by {growth:rate}": "Anfragen unterwegs nahmen um {growth:rate} zu",
    "within the limit, but too near to be sure": (
        "innerhalb der Grenze, aber zu nahe, um sicher zu sein"
    ),
    "answered": "beantwortet",
    "statements a request": "Anweisungen je Anfrage",
    "bytes a request": "Bytes je Anfrage",
    "CPU a request": "CPU je Anfrage",
    "{before} against {after}": "{before} gegen {after}",
    "It was stopped; this is what was known by then.": (
        "Es wurde abgebrochen; das war bis dahin bekannt."
    ),
    "{label} of {subject}: worse by {more:ratio}": (
        "{label} von {subject}: schlechter um {more:ratio}"
    ),
    "{label} of {subject}: better by {less:ratio}": (
        "{label} von {subject}: besser um {less:ratio}"
    ),
    "undecided after {pairs:count} pairs; about {more:count} more would tell": (
        "unentschieden nach {pairs:count} Paaren; etwa {more:count} weitere würden es zeigen"
    ),
    "no difference that matters, after {pairs:count} pairs": (
        "kein Unterschied von Belang, nach {pairs:count} Paaren"
    ),
    "{pairs:count} pairs of runs took turns, A B and B A; the pair is the sample, for two"
    " runs of one version differ by more than the requests within one of them show.": (
        "{pairs:count} Paare von Läufen wechselten sich ab, A B und B A; das Paar ist die"
        " Stichprobe, denn zwei Läufe einer Version unterscheiden sich um mehr, als die"
        " Anfragen in einem davon zeigen."
    ),
    "Noise floor: two runs of the first version alone differ by up to {floor:ratio} here,"
    " so one run of each would not show less.": (
        "Rauschgrenze: schon zwei Läufe der ersten Version unterscheiden sich hier um bis"
        " zu {floor:ratio}, weniger würde ein Lauf von jeder nicht zeigen."
    ),
    "The runs": "Die Läufe",
    "pair": "Paar",
    "first": "zuerst",
    "{version} failed": "{version} fehlgeschlagen",
    "the two were not measured on the same machine": (
        "die beiden wurden nicht auf derselben Maschine gemessen"
    ),
    "undecided: not the same machine": "unentschieden: nicht dieselbe Maschine",
    "What differs from one run to the next is not in these intervals, for there is one run"
    " of each. keiko-perf load ab takes turns until it is decided.": (
        "Was sich von Lauf zu Lauf unterscheidet, steckt nicht in diesen Intervallen, denn"
        " es gibt von jedem nur einen. keiko-perf load ab wechselt sie ab, bis es"
        " entschieden ist."
    ),
    "whether anything changed": "ob sich etwas geändert hat",
    "the machines differed: {what}": "die Maschinen waren verschieden: {what}",
    "Measure both on the same machine": "Beide auf derselben Maschine messen",
    "the surroundings differed: {what}": "die Umgebungen waren verschieden: {what}",
    "Measure both in the same surroundings, unless these are the change": (
        "Beide in derselben Umgebung messen, sofern nicht sie die Änderung ist"
    ),
    "Bytes an answer": "Bytes je Antwort",
    "ratio": "Verhältnis",
    "inside the service, mean": "im Dienst, im Mittel",
    "in use": "in Gebrauch",
    "for a database connection, a request": "auf eine Datenbankverbindung, je Anfrage",
    "for the event loop": "auf die Ereignisschleife",
    "of the workers' cores": "der Kerne der Worker",
    "running": "laufend",
    "wait for a lock": "warten auf eine Sperre",
    "wait for I/O": "warten auf I/O",
    "wait for something else": "warten auf anderes",
    "Resources at {rate:rate}": "Betriebsmittel bei {rate:rate}",
    "The service meanwhile": "Der Dienst währenddessen",
    "The database's figures stand on the load generator's clock, within {error:duration}.": (
        "Die Zahlen der Datenbank stehen auf der Uhr des Lastgenerators, auf"
        " {error:duration} genau."
    ),
    "Response time inside the service": "Antwortzeit im Dienst",
    "Connections of the DB pool": "Verbindungen des DB-Pools",
    "Waits in the service": "Wartezeiten im Dienst",
    "CPU of the workers": "CPU der Worker",
    "Statements a request": "Anweisungen je Anfrage",
    "Sessions of the database at work": "Arbeitende Sitzungen der Datenbank",
}
