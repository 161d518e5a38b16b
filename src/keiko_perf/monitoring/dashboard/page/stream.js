/**
 * The stream: the server's events, for as long as the page is looked at.
 *
 * It is read with fetch, which tells why it was refused. What breaks is tried again after a pause
 * that doubles up to a quarter of a minute; an orderly end ("bye") is followed by the next one at
 * once. `live` is an event within the last seconds, `stale` is none for a while.
 */

const SILENCE_MS = 10_000;
const STALE_MS = 15_000;
const LONGEST_PAUSE_MS = 15_000;
const HIDDEN_MS = 30_000;

export class Stream {
  /** @param {{question: () => string, on: (name: string, data: object) => void, tell: (state: string, since: number | null) => void}} options */
  constructor({ question, on, tell }) {
    Object.assign(this, { question, on, tell, failures: 0, lastAt: null, state: null });
    document.addEventListener("visibilitychange", () => this.#seen());
    addEventListener("online", () => this.wake?.());
    setInterval(() => this.#show(), 1_000);
  }

  /** Begin, or ask anew because the view is another one. */
  restart() {
    if (!this.isBegun) {
      this.isBegun = true;
      return void this.#run();
    }
    this.isRestarted = true;
    this.abort?.abort();
    this.wake?.();
  }

  async #run() {
    for (;;) {
      this.isRestarted = false;
      const beganAt = Date.now();
      let isOrderly = false;
      if (!this.isHidden) {
        try {
          isOrderly = await this.#listen();
        } catch {
          isOrderly = false;
        }
      }
      if (this.isRestarted) continue;
      // A server that is shutting down says goodbye at once.
      if (isOrderly && Date.now() - beganAt > 2_000) continue;
      if (!this.isHidden) this.failures += 1;
      this.#show();
      const pause = Math.min(500 * 2 ** this.failures, LONGEST_PAUSE_MS) * (0.75 + Math.random() / 2);
      await new Promise((resolve) => { this.wake = resolve; setTimeout(resolve, pause); });
    }
  }

  /** Reads events until the stream ends; whether it ended in order. */
  async #listen() {
    this.abort = new AbortController();
    let silence = setTimeout(() => this.abort.abort(), SILENCE_MS);
    try {
      const answer = await fetch(`events?${this.question()}`, { signal: this.abort.signal, cache: "no-store" });
      if (answer.status === 401 || answer.status === 403) location.reload();
      if (answer.status === 422) this.on("refused", await answer.json());
      if (!answer.ok) return false;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return false;
        clearTimeout(silence);
        silence = setTimeout(() => this.abort.abort(), SILENCE_MS);
        const events = (text + value).split("\n\n");
        text = events.pop();
        for (const event of events) if (this.#take(event)) return true;
      }
    } finally {
      clearTimeout(silence);
      this.abort.abort();
    }
  }

  #take(event) {
    const [, name, data] = /^event: (\w+)\ndata: (.*)$/s.exec(event) ?? [];
    if (name === "bye") return true;
    if (!name || this.isRestarted) return false;
    this.failures = 0;
    this.lastAt = Date.now();
    this.on(name, JSON.parse(data));
    this.#show();
    return false;
  }

  #show() {
    const age = this.lastAt === null ? 0 : Date.now() - this.lastAt;
    let state = "live";
    if (this.lastAt === null) state = this.failures ? "reconnecting" : "connecting";
    else if (age > STALE_MS && !this.isHidden) state = "stale";
    else if (this.failures) state = "reconnecting";
    this.tell(state, this.lastAt);
  }

  #seen() {
    clearTimeout(this.hiding);
    if (document.hidden) {
      this.hiding = setTimeout(() => { this.isHidden = true; this.abort?.abort(); }, HIDDEN_MS);
    } else if (this.isHidden) {
      this.isHidden = false;
      this.failures = 0;
      this.wake?.();
    }
  }
}
