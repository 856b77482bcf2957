// holdwire/socket: a WebSocket that comes back. Built from client/src; do not edit.

// src/advice.ts
function readAdvice(closeReason) {
  try {
    const { retry_after_ms: retryAfter, url, reason } = JSON.parse(closeReason);
    const isText = (value) => value === void 0 || typeof value === "string";
    if ((retryAfter === void 0 || Number.isSafeInteger(retryAfter) && retryAfter >= 0) && isText(url) && isText(reason) && (retryAfter ?? url ?? reason) !== void 0) {
      return { retryAfter, url, reason };
    }
  } catch {
  }
  return void 0;
}

// src/decisions.ts
function decide(code, refreshes) {
  if (code === 1013) return "later";
  if (code === 1002 || code === 1003 || code > 1006 && code < 1011) return { stopAfter: 3 };
  if (code === 4401 && refreshes) return { stopAfter: 2 };
  return code > 4399 && code < 4500 ? "stop" : "retry";
}

// src/heartbeat.ts
var LATE = 2e3;
var PROBE = 5e3;
var MAX_BEATS = 100;
var Heartbeat = class {
  constructor(pulse, mark, now) {
    this.pulse = pulse;
    this.#probe = Math.min(pulse.timeout, PROBE);
    this.#mark = mark;
    this.deadline = now + pulse.interval;
  }
  pulse;
  /** When {@link timeout} is due. */
  deadline;
  /** How long the last answer to a beat took; `null` before the first. */
  roundTrip = null;
  /** So many messages had been sent before the beat that was answered last: they have arrived. */
  proven = 0;
  #probe;
  #isAsking = false;
  #strikes = 0;
  /** Messages that a beat has followed, and when the first one after them was sent. */
  #mark;
  #wroteAt = Infinity;
  #beats = [];
  /** A frame came. */
  seen(now) {
    this.#isAsking = false;
    this.#strikes = 0;
    this.deadline = Math.min(now, this.#wroteAt) + this.pulse.interval;
  }
  /** So many messages were sent. A beat will follow the last, also if the line is not silent. */
  wrote(count, now) {
    if (count > this.#mark) this.#wroteAt = Math.min(now, this.#wroteAt);
  }
  /** The word came that answers beats. Says whether a beat waits for it; else it is a message. */
  answered(now) {
    const beat = this.#beats.shift();
    if (!beat) return false;
    this.roundTrip = now - beat[0];
    this.proven = beat[1];
    return true;
  }
  /** A beat was sent after so many messages: those have arrived when it is answered. */
  sent(mark, now, isProbe) {
    this.#mark = mark;
    if (this.#beats.length < MAX_BEATS) this.#beats.push([now, mark]);
    this.#isAsking = true;
    this.deadline = now + (isProbe ? this.#probe : this.pulse.timeout);
    this.#wroteAt = Infinity;
  }
  /**
   * The {@link deadline} may have come.
   *
   * @param isLate - whether the timer fired by more than {@link LATE} at another time than it was
   *   set to, whatever it was set for
   */
  timeout(now, isLate) {
    if (isLate) return "settle";
    if (now < this.deadline) return "none";
    return this.#isAsking ? "dead" : "beat";
  }
  /**
   * Frames that waited in a queue were let in, after a late timer, a jump of the clock or a hint
   * that the page or the network is back.
   */
  settled(now) {
    if (!this.#isAsking) return "probe";
    if (now - this.deadline > LATE) return this.#strikes++ ? "dead" : "probe";
    this.deadline = Math.min(this.deadline, now + this.#probe);
    return "none";
  }
};

// src/options.ts
var StopError = class extends Error {
  name = "StopError";
};
function settingsOf(options) {
  const settings = {
    first: 500,
    cap: 2e4,
    minUptime: 1e4,
    connectTimeout: 1e4,
    maxAttempts: Infinity,
    maxAdvice: 3e5,
    interval: 25e3,
    timeout: 2e4,
    messages: 1e3,
    bytes: 1 << 20,
    expiry: 6e4,
    overflow: "reject",
    word: "HeartBeat",
    heartbeat: true,
    WebSocket: globalThis.WebSocket,
    random: Math.random,
    fixed: Infinity
  };
  for (const group of [options, options.backoff, options.outbox, options.heartbeat]) {
    for (const [name, value] of Object.entries(group || {})) {
      if (value === void 0) continue;
      if (typeof settings[name] === "number" && !(value > 0)) throw new RangeError(name);
      settings[name] = value;
    }
  }
  settings.reply ??= settings.word;
  if (settings.fixed < Infinity) {
    settings.first = settings.cap = settings.fixed;
    settings.random = () => 1;
  }
  if (!settings.WebSocket) throw new TypeError("no WebSocket");
  return settings;
}

// src/outbox.ts
var Entry = class {
  state = "queued";
  #resolve;
  done = new Promise((resolve) => {
    this.#resolve = resolve;
  });
  settle(state, why) {
    this.state = state;
    this.why = why;
    this.#resolve(this);
    return this;
  }
};
var LOOK = 50;
var Outbox = class {
  constructor(bounds, counters) {
    this.bounds = bounds;
    this.counters = counters;
  }
  bounds;
  counters;
  /** Bytes that wait here. */
  bytes = 0;
  #waiting = [];
  /** Handed over and not proven to have arrived. */
  #unproven = [];
  /** When the pipe's buffer is looked at. */
  #lookAt = Infinity;
  #isStopped = false;
  /** Messages that wait here. */
  get messages() {
    return this.#waiting.length;
  }
  /** When {@link flush} is due. */
  get deadline() {
    return Math.min(this.#lookAt, this.#waiting[0]?.until ?? Infinity);
  }
  /** Takes a message: hands it to the pipe if there is one with room, else keeps it. */
  send(data, pipe, isFirst, now) {
    const { messages, bytes, expiry, overflow } = this.bounds;
    const entry = new Entry();
    if ((isFirst || !this.messages) && this.#hasRoom(pipe)) {
      return this.#hand(entry, data, pipe, now);
    }
    const size = sizeOf(data);
    const isFull = () => this.#isStopped || this.messages >= messages || this.bytes + size > bytes;
    while (overflow !== "reject" && size <= bytes && this.messages && isFull()) {
      this.#drop(this.#take(), "displaced");
    }
    if (isFull()) return this.#drop(entry, "full");
    entry.data = structuredClone(data);
    entry.size = size;
    entry.until = now + expiry;
    this.bytes += size;
    this.#waiting.push(entry);
    return entry;
  }
  /**
   * Drops what has waited too long, hands over what waits as far as the pipe has room, and looks
   * whether the pipe's buffer is empty.
   */
  flush(pipe, now) {
    this.#expire(now);
    while (this.messages && this.#hasRoom(pipe)) {
      const entry = this.#take();
      this.#hand(entry, entry.data, pipe, now);
      entry.data = void 0;
    }
    if (now < this.#lookAt) return;
    const isBusy = pipe?.bufferedAmount;
    this.#lookAt = isBusy ? now + LOOK : Infinity;
    if (!isBusy) settle(this.#unproven, "written");
  }
  /** All of the first so many messages handed over have arrived. */
  prove(mark) {
    const count = this.#unproven.length - this.counters.sent + mark;
    settle(this.#unproven.splice(0, count), "written");
  }
  /** The pipe is gone. Returns what was handed to it and is not proven to have arrived. */
  lose() {
    const lost = this.#unproven.splice(0);
    this.counters.unknown += lost.length;
    settle(lost, "unknown");
    return lost;
  }
  /** Drops all that waits, and all that comes. */
  stop() {
    this.#isStopped = true;
    this.#lookAt = Infinity;
    this.#expire(Infinity);
  }
  #hasRoom(pipe) {
    return pipe?.readyState === 1 && !(pipe.bufferedAmount >= this.bounds.bytes);
  }
  #hand(entry, data, pipe, now) {
    pipe.send(data);
    this.counters.sent++;
    this.#unproven.push(entry);
    if (!pipe.bufferedAmount) entry.settle("written");
    else this.#lookAt = Math.min(this.#lookAt, now + LOOK);
    const { length, 0: oldest } = this.#unproven;
    if (length > this.bounds.messages && oldest?.state === "written") this.#unproven.shift();
    return entry;
  }
  #expire(now) {
    while (this.#waiting[0]?.until <= now) {
      this.#drop(this.#take(), "expired");
    }
  }
  #take() {
    const entry = this.#waiting.shift();
    this.bytes -= entry.size;
    return entry;
  }
  #drop(entry, why) {
    this.counters.dropped++;
    return entry.settle("dropped", this.#isStopped ? "stopped" : why);
  }
};
function settle(entries, state) {
  for (const entry of entries) entry.settle(state);
}
function sizeOf(data) {
  return new Blob([data]).size;
}

// src/page.ts
var EVENTS = ["online", "offline", "pageshow", "pagehide", "visibilitychange", "resume"];
function listen(signal, heard) {
  const filter = ({ type, persisted = true }) => {
    const isHidden = type === "visibilitychange" && document.visibilityState !== "visible";
    if (!isHidden && (persisted || type === "pageshow")) heard(type);
  };
  for (const type of EVENTS) globalThis.addEventListener?.(type, filter, { signal, capture: true });
}
function letQueuedIn(then) {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    then();
  };
  port2.postMessage(0);
}

// src/backoff.ts
function ceiling(first, cap, losses) {
  return Math.min(cap, first * 2 ** Math.min(losses, 50));
}
function jitter(ceiling2, random) {
  return Math.floor(ceiling2 * random);
}
function later(cap, random) {
  const half = Math.floor(cap / 2);
  return half + jitter(half, random);
}

// src/reconnect.ts
var LATE2 = 1e3;
var Reconnect = class {
  constructor(policy, driver) {
    this.policy = policy;
    this.driver = driver;
  }
  policy;
  driver;
  /** Where the line stands. */
  state = "idle";
  /** The number of the newest attempt since the beginning; 0 before the first. */
  generation = 0;
  /** When {@link timeout} is due; `Infinity` for never. */
  deadline = Infinity;
  /** Attempts since the last connection that was up for {@link Policy.minUptime}. */
  attempts = 0;
  #losses = 0;
  #repeats = 0;
  #beganAt = 0;
  #openedAt = 0;
  #notBefore = 0;
  #isLate = false;
  /** Whether this generation is the one that is connecting or open. */
  isCurrent(generation) {
    return generation === this.generation && (this.state === "connecting" || this.state === "open");
  }
  /** Begins; once. */
  start(now) {
    if (this.state === "idle") this.#connect(now);
  }
  /** The attempt has led to a connection. */
  opened(now, generation) {
    if (!this.isCurrent(generation) || this.state === "open") return;
    this.state = "open";
    this.#openedAt = now;
    this.deadline = Infinity;
    this.driver.up(generation);
  }
  /** The attempt has failed, or the connection is gone. */
  lost(now, generation, loss, decision, random) {
    if (!this.isCurrent(generation)) return;
    const { first, cap, minUptime, maxAttempts, maxAdvice } = this.policy;
    if (loss.abandon) this.driver.abandon(generation);
    if (this.state === "open" && now - this.#openedAt >= minUptime) {
      this.attempts = this.#losses = this.#repeats = 0;
    }
    if (decision === "stop" || typeof decision === "object" && ++this.#repeats >= decision.stopAfter) {
      return this.#stop("decision");
    }
    if (this.attempts >= maxAttempts) return this.#stop("attempts");
    const losses = this.#losses++;
    const delay = decision === "later" ? later(cap, random) : jitter(ceiling(first, cap, losses), random);
    this.#notBefore = now + Math.min(loss.advice ?? 0, maxAdvice);
    this.deadline = this.#notBefore + delay;
    this.state = "waiting";
    this.driver.down(generation, this.deadline - now);
  }
  /** The {@link deadline} has come; called earlier, it does nothing. */
  timeout(now, random) {
    if (now < this.deadline) return;
    if (this.state === "waiting") this.#connect(now);
    else if (now - this.deadline > LATE2 && !this.#isLate) {
      this.#isLate = true;
      this.deadline = now + LATE2;
    } else this.lost(now, this.generation, { abandon: true }, "retry", random);
  }
  /** A hint that the network or the page is back: do not wait longer than need be. */
  wake(now) {
    if (this.state === "waiting") {
      this.deadline = Math.min(
        this.deadline,
        Math.max(now, this.#notBefore, this.#beganAt + this.policy.first)
      );
    }
  }
  /** Ends it for good. */
  stop() {
    const { state, generation } = this;
    if (state === "stopped") return;
    if (state === "connecting") this.driver.abandon(generation);
    if (state === "open") this.driver.close(generation);
    this.#stop("asked");
  }
  #connect(now) {
    this.state = "connecting";
    this.#beganAt = now;
    this.#isLate = false;
    this.deadline = now + this.policy.connectTimeout;
    this.driver.connect(++this.generation, ++this.attempts);
  }
  #stop(why) {
    this.state = "stopped";
    this.deadline = Infinity;
    this.driver.stopped(why);
  }
};

// src/socket.ts
var LONGEST_TIMER = 5e3;
var EVENTS2 = ["connecting", "open", "message", "error", "down", "heartbeat", "close"];
var Socket = class extends EventTarget {
  /** Counts since the beginning; live. */
  counters = {
    opened: 0,
    received: 0,
    sent: 0,
    dropped: 0,
    unknown: 0
  };
  #url;
  #protocols;
  /** Whether neither the URL nor the subprotocols come from a function. */
  #isFixed;
  #settings;
  #machine;
  #outbox;
  /** The connection or attempt of the machine's present generation. */
  #ws;
  #wsUrl = "";
  #binaryType = "blob";
  #heartbeat;
  #isOpening = false;
  #isSettling = false;
  /** How it was lost last. */
  #lost;
  #isClosed = false;
  #timer;
  #timerAt = Infinity;
  /** What the wall clock was set back by. */
  #offset = 0;
  #unlisten = new AbortController();
  /**
   * Begins to connect.
   *
   * @param url - as for `WebSocket`, or a function that gives it for each attempt
   * @param protocols - the subprotocols to offer, or a function that gives them for each attempt
   * @throws RangeError when a time or a bound is not a positive number
   * @throws TypeError when there is no class `WebSocket` to connect with
   */
  constructor(url, protocols = [], options = {}) {
    super();
    this.#url = url;
    this.#protocols = protocols;
    this.#isFixed = !isFunction(url) && !isFunction(protocols);
    this.#settings = settingsOf(options);
    this.#machine = new Reconnect(this.#settings, {
      connect: (generation, attempt) => {
        this.#emit("connecting", { attempt });
        void this.#connect(generation, attempt);
      },
      up: () => this.#up(),
      abandon: () => this.#release()?.close(),
      close: () => this.#release(),
      down: (_, delay) => this.#emit("down", { ...this.#lost, attempt: this.attempt + 1, delay }),
      stopped: (why) => {
        this.#unlisten.abort();
        this.#outbox.stop();
        if (why !== "asked") this.#finish();
      }
    });
    this.#outbox = new Outbox(this.#settings, this.counters);
    for (const type of EVENTS2) {
      this[`on${type}`] = null;
      this.addEventListener(type, (event) => this[`on${type}`]?.(event));
    }
    listen(this.#unlisten.signal, (type) => this.#hint(type));
    queueMicrotask(() => {
      this.#machine.start(this.#now());
      this.#arm();
    });
  }
  /** `CONNECTING` until the first connection and between connections; `CLOSED` is final. */
  get readyState() {
    const { state } = this.#machine;
    if (state === "stopped") return this.#isClosed ? 3 : 2;
    return +(state === "open");
  }
  /** Where it stands: `idle`, `connecting`, `open`, `waiting` or `stopped`. */
  get state() {
    return this.#machine.state;
  }
  /** Attempts since the last good connection, the present one included. */
  get attempt() {
    return this.#machine.attempts;
  }
  /** When the next attempt is made, as `Date.now()` counts; `null` unless it waits for one. */
  get nextAttemptAt() {
    return this.state === "waiting" ? this.#machine.deadline - this.#offset : null;
  }
  /** How long the last answer to a heartbeat took; `null` before the first of a connection. */
  get roundTrip() {
    return this.#heartbeat?.roundTrip ?? null;
  }
  /** What waits for a connection, messages and bytes. */
  get outbox() {
    const { messages, bytes } = this.#outbox;
    return { messages, bytes };
  }
  /** Bytes that wait: here, and in the browser's buffer. */
  get bufferedAmount() {
    return this.#outbox.bytes + (this.#ws?.bufferedAmount ?? 0);
  }
  /** The URL of the newest connection; empty before the first. */
  get url() {
    return this.#wsUrl;
  }
  /** The subprotocol that the server picked; empty while there is no connection. */
  get protocol() {
    return this.#ws?.protocol ?? "";
  }
  /** The extensions that were agreed on; empty while there is no connection. */
  get extensions() {
    return this.#ws?.extensions ?? "";
  }
  /** What binary messages come as. */
  get binaryType() {
    return this.#binaryType;
  }
  set binaryType(type) {
    this.#binaryType = type;
    if (this.#ws) this.#ws.binaryType = type;
  }
  /**
   * Sends a message, or keeps it until there is a connection.
   *
   * Never throws for want of a connection; the receipt tells what becomes of the message.
   */
  send(data) {
    const receipt = this.#outbox.send(data, this.#ws, this.#isOpening, this.#now());
    this.#arm();
    return receipt;
  }
  /**
   * Stops for good. What waits is dropped, and no message is handed on any more. If there is a
   * connection, its closing handshake goes on in the background; `close` fires when it has ended.
   */
  close(code, reason) {
    if (this.state === "stopped") return;
    const ws = this.state === "open" && this.#ws;
    if (ws) ws.close(code, reason);
    this.#machine.stop();
    this.#arm();
    const asked = { code: code ?? 1005, reason: reason ?? "", wasClean: true };
    const finish = (end) => {
      if (end.wasClean && end.code === asked.code) this.#outbox.prove(Infinity);
      this.#lost = this.#lossOf(end);
      this.#finish();
    };
    if (ws) ws.onclose = finish;
    else queueMicrotask(() => finish(asked));
  }
  /** The same as {@link close}. */
  stop(code, reason) {
    this.close(code, reason);
  }
  /** Never goes back for long. */
  #now() {
    return Date.now() + this.#offset;
  }
  #emit(type, fields) {
    this.dispatchEvent(Object.assign(new Event(type), fields));
  }
  async #connect(generation, attempt) {
    const lost = this.#lost;
    const ask = async (value) => isFunction(value) ? value({ attempt, lost }) : value;
    try {
      const [url, protocols] = await Promise.all([ask(this.#url), ask(this.#protocols)]);
      if (!this.#machine.isCurrent(generation)) return;
      const ws = new this.#settings.WebSocket(url, protocols);
      ws.binaryType = this.#binaryType;
      const ifPresent = (then) => (event) => {
        if (ws === this.#ws) then(event);
      };
      ws.onopen = ifPresent(() => this.#machine.opened(this.#now(), generation));
      ws.onmessage = ifPresent((event) => this.#receive(event));
      ws.onerror = ifPresent(({ error }) => this.#emit("error", { error }));
      ws.onclose = ifPresent((event) => this.#drop(event, "close"));
      this.#ws = ws;
      this.#wsUrl = ws.url;
    } catch (error) {
      if (!this.#machine.isCurrent(generation)) return;
      this.#emit("error", { error });
      const isHopeless = error instanceof StopError || this.#isFixed && HOPELESS.test(String(error));
      this.#drop({ ...UNCLEAN, reason: String(error) }, "target", isHopeless ? "stop" : void 0);
    }
  }
  #up() {
    this.counters.opened++;
    if (this.#settings.heartbeat) {
      this.#heartbeat = new Heartbeat(this.#settings, this.counters.sent, this.#now());
    }
    this.#isOpening = true;
    this.#emit("open");
    this.#isOpening = false;
    this.#outbox.flush(this.#ws, this.#now());
    this.#arm();
  }
  #receive({ data, origin }) {
    const now = this.#now();
    const heartbeat = this.#heartbeat;
    heartbeat?.seen(now);
    this.#arm();
    if (data === this.#settings.reply && heartbeat?.answered(now)) {
      this.#outbox.prove(heartbeat.proven);
      return this.#emit("heartbeat", { isAnswer: true, roundTrip: heartbeat.roundTrip });
    }
    this.counters.received++;
    this.#emit("message", { data, origin });
  }
  /** The present connection or attempt is lost. */
  #drop(end, cause, decision) {
    const { decisions } = this.#settings;
    const loss = this.#lost = this.#lossOf(end, cause);
    try {
      decision ??= isFunction(decisions) ? decisions(loss) : decisions?.[loss.code];
    } catch (error) {
      this.#emit("error", { error });
    }
    this.#machine.lost(
      this.#now(),
      this.#machine.generation,
      { advice: loss.advice?.retryAfter, abandon: true },
      decision ?? decide(loss.code, !this.#isFixed),
      this.#settings.random()
    );
    this.#arm();
  }
  /** Detaches what there is, so that nothing it does later is heard. */
  #release() {
    const ws = this.#ws;
    this.#ws = this.#heartbeat = void 0;
    if (ws) ws.onopen = ws.onmessage = ws.onclose = null;
    return ws;
  }
  #finish() {
    this.#isClosed = true;
    this.#emit("close", this.#lost);
  }
  #lossOf({ code, reason, wasClean }, cause) {
    const unknown = this.#outbox.lose();
    return { cause, code: code || 1006, reason, wasClean, advice: readAdvice(reason), unknown };
  }
  /** An event of the page tells that the network or the page may be back, or gone. */
  #hint(type) {
    if (type === "pagehide") {
      if (this.state === "open") this.#drop(UNCLEAN, "page");
      return;
    }
    this.#follow("settle");
    if (type !== "offline") this.#machine.wake(this.#now());
    this.#timerAt = Infinity;
    this.#arm();
  }
  #follow(verdict) {
    const heartbeat = this.#heartbeat;
    if (!heartbeat) return;
    if (verdict === "beat" || verdict === "probe") {
      this.#ws?.send(this.#settings.word);
      heartbeat.sent(this.counters.sent, this.#now(), verdict === "probe");
      this.#emit("heartbeat", { isAnswer: false, roundTrip: heartbeat.roundTrip });
    } else if (verdict === "dead") {
      this.#drop(UNCLEAN, "heartbeat");
    } else if (verdict === "settle") {
      this.#isSettling = true;
      letQueuedIn(() => {
        this.#isSettling = false;
        if (heartbeat === this.#heartbeat) this.#follow(heartbeat.settled(this.#now()));
        this.#arm();
      });
    }
  }
  /** The one timer of this socket: it fires no later than the first thing is due. */
  #arm() {
    const now = this.#now();
    this.#heartbeat?.wrote(this.counters.sent, now);
    const due = Math.min(
      this.#machine.deadline,
      this.#outbox.deadline,
      this.#isSettling ? Infinity : this.#heartbeat?.deadline ?? Infinity
    );
    const at = Math.min(due, now + LONGEST_TIMER);
    if (due < Infinity && this.#timerAt <= at) return;
    clearTimeout(this.#timer);
    this.#timerAt = due < Infinity ? at : due;
    if (due < Infinity) this.#timer = setTimeout(() => this.#tick(), Math.max(0, at - now));
  }
  #tick() {
    const late = this.#now() - this.#timerAt;
    if (late < -LATE) this.#offset -= late;
    const now = this.#now();
    this.#timerAt = Infinity;
    this.#outbox.flush(this.#ws, now);
    this.#follow(this.#heartbeat?.timeout(now, Math.abs(late) > LATE));
    if (this.state === "connecting") {
      this.#lost = this.#lossOf(UNCLEAN, "timeout");
    }
    this.#machine.timeout(now, this.#settings.random());
    this.#arm();
  }
};
var STATES = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };
Object.assign(Socket, STATES);
Object.assign(Socket.prototype, STATES);
var UNCLEAN = { code: 1006, reason: "", wasClean: false };
var HOPELESS = /^S(yntax|ecurity)Error/;
function isFunction(value) {
  return typeof value === "function";
}
export {
  Socket,
  StopError
};
