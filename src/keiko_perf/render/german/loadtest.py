"""What load tests say: their results, their validity, their comparison."""

from __future__ import annotations

TEMPLATES = {
    "CPU of its core": "CPU seines Kerns",
    "Closed load: a slow service is asked less often, so the percentiles leave out whoever"
    " would have come meanwhile. An open rate shows them.": (
        "Geschlossene Last: ein langsamer Dienst wird seltener gefragt, also fehlen in den"
        " Perzentilen alle, die inzwischen gekommen wären. Eine offene Rate zeigt sie."
    ),
    "Comparison of two load tests of {target}": "Vergleich zweier Lasttests von {target}",
    "Failures by class": "Fehler nach Art",
    "INVALID: a measurement cannot be trusted": "UNGÜLTIG: einer Messung ist nicht zu trauen",
    "INVALID: the measurement cannot be trusted": "UNGÜLTIG: der Messung ist nicht zu trauen",
    "Load test of {target}": "Lasttest von {target}",
    "Look at the errors: not one request of this step succeeded": (
        "Die Fehler ansehen: keine Anfrage dieses Schritts gelang"
    ),
    "Measure for about {duration:duration}, or raise the rate": (
        "Etwa {duration:duration} lang messen oder die Rate erhöhen"
    ),
    "Over time": "Im Verlauf",
    "Repeat one of the runs under the load of the other": (
        "Einen der Läufe unter der Last des anderen wiederholen"
    ),
    "Response time of {step}": "Antwortzeit von {step}",
    "Response time runs from the instant a request was due to the last byte of its answer.": (
        "Die Antwortzeit läuft vom Augenblick, in dem eine Anfrage fällig war, bis zum letzten"
        " Byte ihrer Antwort."
    ),
    "Response time, from due": "Antwortzeit, ab Fälligkeit",
    "Run both with the same steps": "Beide mit denselben Schritten laufen lassen",
    "Service time, from sent": "Bedienzeit, ab dem Senden",
    "Steps": "Schritte",
    "The generator": "Der Lastgenerator",
    "The run was stopped after {duration:duration}; {count:count} requests were under way.": (
        "Der Lauf wurde nach {duration:duration} abgebrochen; {count:count} Anfragen waren"
        " unterwegs."
    ),
    "The two runs": "Die beiden Läufe",
    "Was the measurement sound": "War die Messung zuverlässig",
    "What changed": "Was sich geändert hat",
    "achieved": "erreicht",
    "all steps": "alle Schritte",
    "connections made": "Verbindungen aufgebaut",
    "dropped": "ausgelassen",
    "measured for": "gemessen über",
    "most in flight": "höchstens unterwegs",
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
    "the effect of the change alone": "die Wirkung der Änderung allein",
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
    "{count:count} requests failed for want of ports, files or memory on this machine": (
        "{count:count} Anfragen scheiterten, weil es auf dieser Maschine an Ports, Dateien"
        " oder Speicher fehlte"
    ),
    "{count:count} requests had no answer when the run ended, the oldest after {age:duration}": (
        "{count:count} Anfragen waren am Ende des Laufs ohne Antwort, die älteste nach"
        " {age:duration}"
    ),
    "{count:count} requests waited until one of {connections:count} connections was free.": (
        "{count:count} Anfragen warteten, bis eine von {connections:count} Verbindungen frei war."
    ),
    "{cpu:ratio}": "{cpu:ratio}",
    "{dropped:count} requests were not sent, because too many were in flight": (
        "{dropped:count} Anfragen wurden nicht gesendet, weil zu viele unterwegs waren"
    ),
    "{duration:duration}": "{duration:duration}",
    "{failed:count} of {all:count} requests failed": (
        "{failed:count} von {all:count} Anfragen schlugen fehl"
    ),
    "{lag:duration}": "{lag:duration}",
    "{late:duration}": "{late:duration}",
    "{missed:count} of {all:count} targets were missed": (
        "{missed:count} von {all:count} Zielen wurden verfehlt"
    ),
    "{rate:rate}": "{rate:rate}",
}
