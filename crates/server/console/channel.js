// A channel by the plain door, with nothing but `new WebSocket`. It comes back by itself and goes on
// from its position: every publication once and in order, or a gap that says which are missing.

const SILENCE_MS = 25_000; // after which it asks for a sign of life
const ANSWER_MS = 10_000; // for any to come
const CONNECT_MS = 10_000;
const BACKOFF = { first: 500, cap: 20_000 }; // ms
const PROVEN_MS = 5_000; // up for so long, the backoff begins anew

/** The text that the server answers with itself, empty where it has none. */
const WORD = document.querySelector("meta[name=heartbeat-word]")?.content ?? "";

export class Channel {
  /** `{ epoch, offset }`: everything up to here has been shown. It moves after that, never before. */
  position;
  /** Who is there: the names of their connections. */
  members = new Set();
  #url;
  #on;
  #socket = null; // the one connection; what any other still says is not listened to
  #timer;
  #isWanted = false;
  #attempt = 0;
  #notBefore = 0;
  #upSince = Infinity;

  /**
   * `on.state({ name, … })`, with `name` one of `connecting`, `open` (up, and catching up), `live`
   * (all that was missed has come), `waiting` (`delay` in ms, `reason`), `refused` (`reason`) and
   * `away`; `on.publication({ offset, data })`, `on.gap({ reason, from, to })`, `on.members()`,
   * `on.error({ message })`, and `on.position()` when it has moved.
   */
  constructor(name, on, position) {
    this.#url = new URL(`ws/${encodeURIComponent(name)}`, document.baseURI);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.#url.search = "?format=json&presence";
    this.#on = on;
    this.position = position;
    addEventListener("online", () => this.#wake());
    addEventListener("pageshow", () => this.#wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.#wake());
  }

  open() {
    this.#isWanted = true;
    if (!this.#socket) this.#connect();
  }

  /** Cuts the line and stays away; `open` comes back. */
  leave() {
    this.#isWanted = false;
    this.#abandon();
    this.#on.state({ name: "away" });
  }

  /** Publishes a JSON value, which comes back as a publication; false when there is no line. */
  publish(value) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(value));
    return true;
  }

  #connect() {
    this.#abandon();
    const url = new URL(this.#url);
    if (this.position) url.searchParams.set("since", `${this.position.epoch}:${this.position.offset}`);
    const socket = new WebSocket(url);
    const own = (listener) => (event) => socket === this.#socket && listener(event);
    socket.onopen = own(() => this.#listen());
    socket.onmessage = own(({ data }) => {
      this.#listen();
      if (data !== WORD) this.#take(JSON.parse(data));
    });
    socket.onclose = own((event) => this.#lost(event));
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#lost({ reason: "no connection in time" }), CONNECT_MS);
    this.#on.state({ name: "connecting" });
  }

  #take(message) {
    const { epoch, offset, gap, presence, join, leave, error } = message;
    if (gap) {
      this.#on.gap(gap);
      this.#move(gap);
    } else if ("data" in message || "base64" in message) {
      // One that could not be shown is asked for again.
      if (offset !== this.position.offset + 1) return this.#lost({ reason: "a publication is missing" });
      this.#on.publication(message);
      this.#move({ epoch, offset });
    } else if (epoch) {
      this.#upSince = performance.now();
      if (!this.position) this.#move({ epoch, offset });
      this.#on.state({ name: "open" });
    } else if (presence) {
      this.members = new Set(presence.map(({ client }) => client));
      this.#on.members();
      this.#on.state({ name: "live" });
    } else if (join || leave) {
      if (join) this.members.add(join.client);
      else this.members.delete(leave.client);
      this.#on.members();
    } else if (error) {
      this.#on.error(error);
    }
  }

  #move({ epoch, offset }) {
    this.position = { epoch, offset };
    this.#on.position();
  }

  /** Something came: it lives. After a silence it is asked. */
  #listen() {
    clearTimeout(this.#timer);
    if (WORD) this.#timer = setTimeout(() => this.#probe(), SILENCE_MS);
  }

  #probe() {
    const asked = performance.now();
    this.#socket.send(WORD);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      // A timer that is late says that the page slept, not that the line is dead.
      if (performance.now() - asked > 2 * ANSWER_MS) this.#probe();
      else this.#lost({ reason: "no answer to the heartbeat" });
    }, ANSWER_MS);
  }

  #lost({ code, reason }) {
    if (performance.now() - this.#upSince > PROVEN_MS) this.#attempt = 0;
    this.#abandon();
    if (code >= 4400 && code < 4500) {
      this.#isWanted = false;
      this.#on.state({ name: "refused", reason });
      return;
    }
    const advice = readAdvice(reason);
    const least = advice?.retry_after_ms ?? (code === 1013 ? BACKOFF.cap / 2 : 0);
    const most = Math.min(BACKOFF.cap, BACKOFF.first * 2 ** this.#attempt++);
    const delay = least + Math.random() * most;
    this.#notBefore = performance.now() + least;
    this.#timer = setTimeout(() => this.#connect(), delay);
    this.#on.state({ name: "waiting", delay, reason: advice ? (advice.reason ?? "") : reason || `close code ${code}` });
  }

  /** A network or a screen is back: no reason to wait, and one to ask whether the line still lives. */
  #wake() {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      if (WORD) this.#probe();
    } else if (this.#isWanted && !this.#socket && performance.now() >= this.#notBefore) {
      this.#connect();
    }
  }

  /** Leaves the connection as it is, however long its end takes. */
  #abandon() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    this.members.clear();
    this.#on.members();
    this.#upSince = Infinity;
    socket?.close();
  }
}

/** When and why to come back, if the reason of a Close frame says so. */
function readAdvice(reason) {
  try {
    const advice = JSON.parse(reason);
    return Number.isSafeInteger(advice.retry_after_ms) || advice.reason ? advice : null;
  } catch {
    return null;
  }
}
