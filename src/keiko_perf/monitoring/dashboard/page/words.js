/** The page's own words, in English and German; what comes from the service is told by it. */

const ENGLISH = {
  connecting: "connecting", live: "live", reconnecting: "reconnecting", stale: "stale: no answer since {at}", still: "not live: a fixed range",
  since: "since {at}, for {lasted}; the load was {load} when it broke", sinceOlder: "for longer than {lasted}; the load was {load} at that time",
  sinceShort: "since {at}, for {lasted}", noData: "no data", good: "good", warning: "warning", critical: "critical", unknown: "not known",
  headroom: "{share} headroom", overLimit: "{factor} the limit", asLastWeek: "as last week", moreThanLastWeek: "{change} over last week", lessThanLastWeek: "{change} under last week",
  keyFigures: "Key figures", ranges: "Range", range15m: "15 min", range1h: "1 h", range24h: "24 h", range7d: "7 d", range30d: "30 d",
  free: "Free range", from: "From", to: "To", apply: "Show", backToLive: "Back to live", zoomOut: "Zoom out", sections: "Sections",
  overTime: "Over time", chartsHelp: "Drag over a chart to look closer. With the keyboard: arrow keys read values, + and − zoom.",
  responseTime: "Response time", duration: "Duration", throughput: "Requests", executions: "Executions", runs: "Runs", errors: "Errors", cpuMemory: "CPU and memory", lag: "Event loop",
  pool: "Connection pool in use", wait: "Wait for a connection, p95", waiting: "Waiting for a connection", waitingMost: "most at once in a process",
  concurrency: "Concurrency limit", concurrencyInUse: "in use", concurrencyWaiting: "waiting", concurrencyLimit: "limit",
  limiters: "Limiters", limiter: "Limiter", limitersHelp: "means over the range, of one process; turned away since that began", mostWaiting: "most waiting", turnedAway: "turned away",
  most: "Most of it", whereTimeWent: "Where the time went", each: "{time} a request", part_sql: "SQL", part_pool: "wait for a connection", part_http: "other services", part_code: "own code", part_loop: "event loop busy", part_elsewhere: "elsewhere",
  tasks: "Background tasks", connections: "WebSockets and event streams", connectionsHelp: "how long those lasted that ended",
  p50: "p50", p95: "p95", p99: "p99", ok: "answered", redirected: "redirected (3xx)", refused: "refused (4xx)", failed: "failed (5xx)", succeeded: "succeeded", failedRuns: "failed",
  errorRate: "error rate", cpu: "CPU", memory: "memory", lagMax: "longest delay", gc: "garbage collection", inUse: "in use", waitP95: "p95", limit: "limit {value}",
  notMeasured: "Not measured in this range: {what}.", empty: "Nothing was measured in this range.",
  alerts: "Alerts", noAlert: "No alert in this range.", metric: "Target", state: "State", message: "What", began: "Since", ended: "Until",
  firing: "firing", pending: "pending", resolved: "resolved", silenced: "silenced", look: "look",
  endpoints: "Endpoints", endpoint: "Endpoint", noEndpoint: "No request was seen in this range.", requests: "Requests", rate: "Rate",
  share: "Share of time", trend: "Trend", mean: "Mean", total: "Total", task: "Task", noTask: "No background task was seen. Decorate one with @monitor.task.",
  statements: "SQL statements", statement: "Statement", noStatement: "No statement was seen. Watch an engine with monitor.watch_engine(engine).", calls: "Calls",
  findings: "Findings", noFinding: "Nothing worth attention beyond the targets.", copy: "Copy", copied: "Copied", blocking: "Blocking calls",
  noBlocking: "Nothing held the event loop.", place: "Place", count: "Count", longest: "Longest", computed: "Computed", lastSeen: "Last seen", stack: "Stack",
  changes: "Changes", noChange: "No deploy, note or change in this range.", leftOut: "and {count} more", sortBy: "Sort by {column}", worst: "by share of time", overRange: "over the range of the charts",
  all: "All of the service", subjectGone: "It was not seen in this range.", slower: "slower", faster: "faster", trendHelp: "p95 of the second half of the range against the first", figuresOf: "Figures of {at}",
  notRecording: "Requests are not recorded yet: this page shows the process alone. Where the application is made, add:", storeBroken: "The store cannot be written; windows are held back until it works again. The log says why.",
  badAddress: "This address makes no sense: {why}", whole: "The whole statement", when: "When", kind: "Kind", deploy: "deploy", note: "note", change: "change", sure: "How sure", cure: "Cure", verified: "Verified by",
  diagnosed: "Database", gap: "Not looked at",
  askedAgain: "Would a cache pay?", askedAgainHelp: "The share of {count} answers that were looked at which a cache would have given, by how long it keeps them", kept: "kept for {time}", outOfDate: "of these {share} out of date",
};

const GERMAN = {
  connecting: "verbindet", live: "live", reconnecting: "verbindet neu", stale: "veraltet: keine Antwort seit {at}", still: "nicht live: fester Zeitraum",
  since: "seit {at}, also {lasted}; die Last war {load}, als es brach", sinceOlder: "länger als {lasted}; die Last war damals {load}",
  sinceShort: "seit {at}, also {lasted}", noData: "keine Daten", good: "gut", warning: "Warnung", critical: "kritisch", unknown: "nicht bekannt",
  headroom: "{share} Spielraum", overLimit: "{factor} der Grenze", asLastWeek: "wie letzte Woche", moreThanLastWeek: "{change} über letzter Woche", lessThanLastWeek: "{change} unter letzter Woche",
  keyFigures: "Kennzahlen", ranges: "Zeitraum", range15m: "15 min", range1h: "1 h", range24h: "24 h", range7d: "7 d", range30d: "30 d",
  free: "Freier Zeitraum", from: "Von", to: "Bis", apply: "Zeigen", backToLive: "Zurück zu live", zoomOut: "Verkleinern", sections: "Abschnitte",
  overTime: "Im Verlauf", chartsHelp: "Über ein Diagramm ziehen, um näher hinzusehen. Mit der Tastatur: Pfeiltasten lesen Werte ab, + und − ändern den Ausschnitt.",
  responseTime: "Antwortzeit", duration: "Dauer", throughput: "Anfragen", executions: "Ausführungen", runs: "Läufe", errors: "Fehler", cpuMemory: "CPU und Speicher", lag: "Ereignisschleife",
  pool: "Verbindungspool belegt", wait: "Warten auf eine Verbindung, p95", waiting: "Warten auf eine Verbindung", waitingMost: "höchstens zugleich in einem Prozess",
  concurrency: "Grenze der Gleichzeitigkeit", concurrencyInUse: "belegt", concurrencyWaiting: "wartend", concurrencyLimit: "Grenze",
  limiters: "Begrenzer", limiter: "Begrenzer", limitersHelp: "Mittel über den Zeitraum, je Prozess; abgewiesen, seit dieser läuft", mostWaiting: "höchstens wartend", turnedAway: "abgewiesen",
  most: "Das meiste davon", whereTimeWent: "Wohin die Zeit ging", each: "{time} je Anfrage", part_sql: "SQL", part_pool: "Warten auf eine Verbindung", part_http: "andere Dienste", part_code: "eigener Code", part_loop: "Ereignisschleife belegt", part_elsewhere: "anderswo",
  tasks: "Hintergrundaufgaben", connections: "WebSockets und Ereignisströme", connectionsHelp: "wie lange die dauerten, die endeten",
  p50: "p50", p95: "p95", p99: "p99", ok: "beantwortet", redirected: "umgeleitet (3xx)", refused: "abgelehnt (4xx)", failed: "gescheitert (5xx)", succeeded: "gelungen", failedRuns: "gescheitert",
  errorRate: "Fehlerrate", cpu: "CPU", memory: "Speicher", lagMax: "längster Verzug", gc: "Speicherbereinigung", inUse: "belegt", waitP95: "p95", limit: "Grenze {value}",
  notMeasured: "In diesem Zeitraum nicht gemessen: {what}.", empty: "In diesem Zeitraum wurde nichts gemessen.",
  alerts: "Alarme", noAlert: "Kein Alarm in diesem Zeitraum.", metric: "Ziel", state: "Zustand", message: "Was", began: "Seit", ended: "Bis",
  firing: "aktiv", pending: "wartet", resolved: "beendet", silenced: "stumm", look: "ansehen",
  endpoints: "Endpunkte", endpoint: "Endpunkt", noEndpoint: "In diesem Zeitraum kam keine Anfrage.", requests: "Anfragen", rate: "Rate",
  share: "Anteil der Zeit", trend: "Trend", mean: "Mittel", total: "Gesamt", task: "Aufgabe", noTask: "Es lief keine Hintergrundaufgabe. Mit @monitor.task wird eine beobachtet.",
  statements: "SQL-Anweisungen", statement: "Anweisung", noStatement: "Es kam keine Anweisung. Mit monitor.watch_engine(engine) wird eine Engine beobachtet.", calls: "Aufrufe",
  findings: "Befunde", noFinding: "Nichts Bemerkenswertes über die Ziele hinaus.", copy: "Kopieren", copied: "Kopiert", blocking: "Blockierende Aufrufe",
  noBlocking: "Nichts hielt die Ereignisschleife auf.", place: "Stelle", count: "Anzahl", longest: "Längster", computed: "Gerechnet", lastSeen: "Zuletzt", stack: "Aufrufliste",
  changes: "Änderungen", noChange: "Kein Deploy, keine Notiz und keine Änderung in diesem Zeitraum.", leftOut: "und {count} weitere", sortBy: "Nach {column} sortieren", worst: "nach Anteil der Zeit", overRange: "über den Zeitraum der Diagramme",
  all: "Der ganze Dienst", subjectGone: "In diesem Zeitraum nicht gesehen.", slower: "langsamer", faster: "schneller", trendHelp: "p95 der zweiten Hälfte des Zeitraums gegen die erste", figuresOf: "Zahlen von {at}",
  notRecording: "Anfragen werden noch nicht aufgezeichnet: diese Seite zeigt nur den Prozess. Wo die Anwendung entsteht, gehört dazu:", storeBroken: "Der Speicher lässt sich nicht schreiben; Fenster werden zurückgehalten, bis er wieder geht. Das Protokoll sagt, warum.",
  badAddress: "Diese Adresse ergibt keinen Sinn: {why}", whole: "Die ganze Anweisung", when: "Wann", kind: "Art", deploy: "Deploy", note: "Notiz", change: "Änderung", sure: "Wie sicher", cure: "Abhilfe", verified: "Geprüft durch",
  diagnosed: "Datenbank", gap: "Nicht angesehen",
  askedAgain: "Lohnt ein Cache?", askedAgainHelp: "Der Anteil von {count} angesehenen Antworten, den ein Cache gegeben hätte, danach, wie lange er sie behält", kept: "{time} behalten", outOfDate: "davon {share} veraltet",
};

const words = document.documentElement.lang === "de" ? GERMAN : ENGLISH;

/** The words for *key*, with values in place of their names. */
export function t(key, values = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}
