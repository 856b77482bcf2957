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
  constructor(pulse, now) {
    this.pulse = pulse;
    this.deadline = now + pulse.interval;
  }
  pulse;
  /** When {@link timeout} is due. */
  deadline;
  /** How long the last answer to a beat took; `null` before the first. */
  roundTrip = null;
  #isAsking = false;
  #isProbe = false;
  #strikes = 0;
  #wroteAt = Infinity;
  #beats = [];
  /** A frame came. */
  seen(now) {
    this.#isAsking = false;
    this.#strikes = 0;
    this.deadline = Math.min(now, this.#wroteAt) + this.pulse.interval;
  }
  /** Something was sent that no beat followed yet: one will, also when the line is not silent. */
  wrote(now) {
    this.#wroteAt = Math.min(now, this.#wroteAt);
  }
  /**
   * The word came that answers beats. Returns the mark of the beat that it answers, or `undefined`
   * when no beat waits for an answer: then the word is somebody else's message.
   */
  answered(now) {
    const beat = this.#beats.shift();
    if (beat) this.roundTrip = now - beat.at;
    return beat?.mark;
  }
  /** A beat was sent. All that was sent before it has arrived when it is answered: the mark. */
  sent(now, mark) {
    if (this.#beats.length < MAX_BEATS) this.#beats.push({ at: now, mark });
    const { timeout } = this.pulse;
    this.#isAsking = true;
    this.deadline = now + (this.#isProbe ? Math.min(timeout, PROBE) : timeout);
    this.#isProbe = false;
    this.#wroteAt = Infinity;
  }
  /** The {@link deadline} has come; called earlier, it does nothing. */
  timeout(now) {
    if (now < this.deadline) return "none";
    if (now - this.deadline > LATE) return "settle";
    return this.#isAsking ? "dead" : "beat";
  }
  /**
   * Frames that waited in a queue were let in, after a late timer, a jump of the clock or a hint
   * that the page or the network is back.
   */
  settled(now) {
    if (this.#isAsking) {
      if (now - this.deadline <= LATE) {
        this.deadline = Math.min(this.deadline, now + Math.min(this.pulse.timeout, PROBE));
        return "none";
      }
      if (this.#strikes++) return "dead";
    }
    this.#isProbe = true;
    return "beat";
  }
};

// src/options.ts
var StopError = class extends Error {
  name = "StopError";
};

// src/outbox.ts
var Entry = class {
  state = "queued";
  why = void 0;
  /** While it waits: the message, its size in bytes, and until when it may wait. */
  data = void 0;
  size = 0;
  until = 0;
  /** Once it was handed over: what must have left the pipe's buffer before it has. */
  drainedAt = 0;
  #done;
  #resolve;
  get done() {
    return this.#done ??= new Promise((resolve) => {
      if (this.state === "queued") this.#resolve = resolve;
      else resolve(this);
    });
  }
  settle(state, why) {
    this.state = state;
    this.why = why;
    this.data = void 0;
    this.#resolve?.(this);
    return this;
  }
};
var FIRST_LOOK = 20;
var LAST_LOOK = 1e3;
var Outbox = class {
  constructor(bounds) {
    this.bounds = bounds;
  }
  bounds;
  /** Bytes that wait here. */
  bytes = 0;
  /** Messages handed over, dropped, and of unknown fate, since the beginning. */
  sent = 0;
  dropped = 0;
  unknown = 0;
  /** When {@link look} is due. */
  #lookAt = Infinity;
  #pause = FIRST_LOOK;
  #waiting = [];
  #unproven = [];
  /** Bytes that the present pipe's buffer has taken. */
  #taken = 0;
  #isStopped = false;
  /** Messages that wait here. */
  get messages() {
    return this.#waiting.length;
  }
  /** When {@link expire} or {@link look} is due. */
  get deadline() {
    return Math.min(this.#lookAt, this.#waiting[0]?.until ?? Infinity);
  }
  /** Takes a message: hands it to the pipe if there is one with room, else keeps it. */
  send(data, pipe, isFirst, now) {
    const entry = new Entry();
    if (pipe && (isFirst || !this.messages) && this.#hasRoom(pipe)) {
      return this.#hand(entry, data, pipe, now);
    }
    const { bounds } = this;
    if (this.#isStopped) {
      this.dropped++;
      return entry.settle("dropped", "stopped");
    }
    const size = sizeOf(data);
    const isFull = () => this.messages >= bounds.messages || this.bytes + size > bounds.bytes;
    if (bounds.overflow === "drop-oldest" && size <= bounds.bytes) {
      while (this.messages && isFull()) this.#drop("displaced");
    }
    if (isFull()) {
      this.dropped++;
      return entry.settle("dropped", "full");
    }
    entry.data = copyOf(data);
    entry.size = size;
    entry.until = now + bounds.expiry;
    this.bytes += size;
    this.#waiting.push(entry);
    return entry;
  }
  /** Hands over what waits, as far as the pipe has room. */
  flush(pipe, now) {
    this.expire(now);
    while (this.messages && this.#hasRoom(pipe)) {
      const entry = this.#take();
      this.#hand(entry, entry.data, pipe, now);
    }
  }
  /** Drops what has waited too long. */
  expire(now) {
    while (this.messages && this.#waiting[0].until <= now) this.#drop("expired");
  }
  /** Looks what has left the pipe's buffer. */
  look(pipe, now) {
    if (now < this.#lookAt) return;
    const drained = this.#taken - buffered(pipe);
    let isBusy = false;
    for (const entry of this.#unproven) {
      if (entry.state !== "queued") continue;
      isBusy = entry.drainedAt > drained;
      if (isBusy) break;
      entry.settle("written");
    }
    this.#pause = Math.min(this.#pause * 2, LAST_LOOK);
    this.#lookAt = isBusy ? now + this.#pause : Infinity;
  }
  /** All of the first so many messages handed over have arrived. */
  prove(mark) {
    while (this.#unproven.length && this.sent - this.#unproven.length < mark) {
      const entry = this.#unproven.shift();
      if (entry.state === "queued") entry.settle("written");
    }
  }
  /** The pipe is gone. Returns what was handed to it and is not proven to have arrived. */
  lose() {
    const lost = this.#unproven;
    for (const entry of lost) entry.settle("unknown");
    this.unknown += lost.length;
    this.#unproven = [];
    this.#taken = 0;
    this.#lookAt = Infinity;
    return lost;
  }
  /** Drops all that waits, and all that comes. */
  stop() {
    this.#isStopped = true;
    while (this.messages) this.#drop("stopped");
  }
  #hasRoom(pipe) {
    return pipe.readyState === 1 && buffered(pipe) < this.bounds.bytes;
  }
  #hand(entry, data, pipe, now) {
    const before = buffered(pipe);
    pipe.send(data);
    this.sent++;
    entry.data = void 0;
    entry.drainedAt = this.#taken += buffered(pipe) - before;
    this.#unproven.push(entry);
    if (!buffered(pipe)) entry.settle("written");
    else if (this.#lookAt === Infinity) {
      this.#pause = FIRST_LOOK;
      this.#lookAt = now + FIRST_LOOK;
    }
    const { length, 0: oldest } = this.#unproven;
    if (length > this.bounds.messages && oldest?.state === "written") this.#unproven.shift();
    return entry;
  }
  #take() {
    const entry = this.#waiting.shift();
    this.bytes -= entry.size;
    return entry;
  }
  #drop(why) {
    this.dropped++;
    this.#take().settle("dropped", why);
  }
};
function buffered(pipe) {
  return pipe.bufferedAmount || 0;
}
function sizeOf(data) {
  if (typeof data === "string") return new TextEncoder().encode(data).length;
  return "size" in data ? data.size : data.byteLength;
}
function copyOf(data) {
  if (typeof data === "string" || "size" in data) return data;
  const view = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
  return view.slice();
}

// src/page.ts
function listen(signal, { onhint, onhide }) {
  const page = globalThis.document;
  const on = (target, type, then) => target?.addEventListener?.(type, then, { signal });
  const back = () => onhint(true);
  on(globalThis, "online", back);
  on(globalThis, "offline", () => onhint(false));
  on(globalThis, "pageshow", back);
  on(globalThis, "pagehide", (event) => event.persisted && onhide());
  on(page, "resume", back);
  on(page, "visibilitychange", () => page?.visibilityState === "visible" && back());
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
  constructor(policy) {
    this.policy = policy;
  }
  policy;
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
    return generation === this.generation && /^[co]/.test(this.state);
  }
  /** Begins; once. */
  start(now) {
    return this.state === "idle" ? this.#connect(now) : [];
  }
  /** The attempt has led to a connection. */
  opened(now, generation) {
    if (this.state !== "connecting" || generation !== this.generation) return [];
    this.state = "open";
    this.#openedAt = now;
    this.deadline = Infinity;
    return [{ do: "up", generation }];
  }
  /** The attempt has failed, or the connection is gone. */
  lost(now, generation, loss, decision, random) {
    if (!this.isCurrent(generation)) return [];
    const { first, cap, fixed, minUptime, maxAttempts, maxAdvice } = this.policy;
    const actions = loss.abandon ? [{ do: "abandon", generation }] : [];
    if (this.state === "open" && now - this.#openedAt >= minUptime) {
      this.attempts = this.#losses = this.#repeats = 0;
    }
    if (decision === "stop" || typeof decision === "object" && ++this.#repeats >= decision.stopAfter) {
      return this.#stop(actions, "decision");
    }
    if (this.attempts >= maxAttempts) return this.#stop(actions, "attempts");
    const losses = this.#losses++;
    const delay = fixed ?? (decision === "later" ? later(cap, random) : jitter(ceiling(first, cap, losses), random));
    this.#notBefore = now + Math.min(loss.advice ?? 0, maxAdvice);
    this.deadline = this.#notBefore + delay;
    this.state = "waiting";
    return [...actions, { do: "down", generation, nextIn: this.deadline - now }];
  }
  /** The {@link deadline} has come; called earlier, it does nothing. */
  timeout(now, random) {
    if (now < this.deadline) return [];
    if (this.state === "waiting") return this.#connect(now);
    if (now - this.deadline > LATE2 && !this.#isLate) {
      this.#isLate = true;
      this.deadline = now + LATE2;
      return [];
    }
    return this.lost(now, this.generation, { abandon: true }, "retry", random);
  }
  /** A hint that the network or the page is back: do not wait longer than need be. */
  wake(now) {
    if (this.state === "waiting") {
      const { first, fixed } = this.policy;
      const soonest = Math.max(now, this.#notBefore, this.#beganAt + (fixed ?? first));
      this.deadline = Math.min(this.deadline, soonest);
    }
  }
  /** Ends it for good. */
  stop() {
    const { state, generation } = this;
    if (state === "stopped") return [];
    const actions = [];
    if (state === "connecting") actions.push({ do: "abandon", generation });
    if (state === "open") actions.push({ do: "close", generation });
    return this.#stop(actions, "asked");
  }
  #connect(now) {
    this.state = "connecting";
    this.#beganAt = now;
    this.#isLate = false;
    this.deadline = now + this.policy.connectTimeout;
    return [{ do: "connect", generation: ++this.generation, attempt: ++this.attempts }];
  }
  #stop(actions, why) {
    this.state = "stopped";
    this.deadline = Infinity;
    return [...actions, { do: "stopped", why }];
  }
};

// src/socket.ts
var LONGEST_TIMER = 5e3;
var CLOSE_TIMEOUT = 5e3;
var EVENTS = ["connecting", "open", "message", "error", "down", "heartbeat", "close"];
var Socket = class extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;
  CONNECTING = 0;
  OPEN = 1;
  CLOSING = 2;
  CLOSED = 3;
  onconnecting = null;
  onopen = null;
  onmessage = null;
  onerror = null;
  ondown = null;
  onheartbeat = null;
  onclose = null;
  #url;
  #protocols;
  #options;
  #machine;
  #outbox;
  #pulse;
  #WebSocket;
  /** The connection or attempt of the machine's present generation. */
  #ws;
  #wsUrl = "";
  #binaryType = "blob";
  #heartbeat;
  #isOpening = false;
  #isSettling = false;
  #opened = 0;
  #received = 0;
  /** How it was lost last, and what became unknown then. */
  #lost;
  #unknown = [];
  /** With what the application closed it. */
  #asked = [];
  #isClosed = false;
  #timer;
  #timerAt = Infinity;
  /** What the wall clock was set back by. */
  #offset = 0;
  /** When an unfinished closing handshake is given up. */
  #closeAt = Infinity;
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
    this.#options = options;
    const { first = 500, cap = 2e4, fixed } = options.backoff ?? {};
    const { minUptime = 1e4, connectTimeout = 1e4 } = options;
    const { maxAttempts = Infinity, maxAdvice = 3e5 } = options;
    const { messages = 1e3, bytes = 1 << 20, expiry = 6e4 } = options.outbox ?? {};
    const { overflow = "reject" } = options.outbox ?? {};
    const { word = "HeartBeat", reply = word } = options.heartbeat || {};
    const { interval = 25e3, timeout = 2e4 } = options.heartbeat || {};
    const numbers = { cap, connectTimeout, maxAttempts, messages, bytes, expiry, interval, timeout };
    for (const [name, value] of Object.entries(numbers)) {
      if (!(value > 0)) throw new RangeError(`${name} must be a positive number`);
    }
    const { WebSocket = globalThis.WebSocket } = options;
    if (!WebSocket) throw new TypeError("there is no WebSocket here: pass a class as an option");
    this.#WebSocket = WebSocket;
    this.#pulse = { word, reply, interval, timeout };
    this.#machine = new Reconnect({
      first,
      cap,
      fixed,
      minUptime,
      connectTimeout,
      maxAttempts,
      maxAdvice
    });
    this.#outbox = new Outbox({ messages, bytes, expiry, overflow });
    for (const type of EVENTS) {
      this.addEventListener(type, (event) => this[`on${type}`]?.(event));
    }
    listen(this.#unlisten.signal, {
      onhint: (mayBeBack) => this.#hint(mayBeBack),
      onhide: () => this.#hide()
    });
    queueMicrotask(() => this.#run(this.#machine.start(this.#now())));
  }
  /** `CONNECTING` until the first connection and between connections; `CLOSED` is final. */
  get readyState() {
    const { state } = this.#machine;
    if (state === "stopped") return this.#isClosed ? 3 : 2;
    return state === "open" ? 1 : 0;
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
  /** Counts since the beginning: connections opened, messages received, sent, dropped, unknown. */
  get counters() {
    const { sent, dropped, unknown } = this.#outbox;
    return { opened: this.#opened, received: this.#received, sent, dropped, unknown };
  }
  /** Bytes that wait: here, and in the browser's buffer. */
  get bufferedAmount() {
    return this.#outbox.bytes + (this.#ws?.bufferedAmount || 0);
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
    const now = this.#now();
    const ws = this.state === "open" ? this.#ws : void 0;
    const receipt = this.#outbox.send(data, ws, this.#isOpening, now);
    if (ws) this.#heartbeat?.wrote(now);
    this.#arm();
    return receipt;
  }
  /**
   * Stops for good. The closing handshake, if there is a connection, goes on in the background for
   * 5 s at most; then `close` fires. No message is handed on meanwhile, and what waits is dropped.
   */
  close(code, reason) {
    if (this.state === "open") this.#ws?.close(code, reason);
    this.#asked = [code, reason];
    this.#run(this.#machine.stop());
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
  #run(actions) {
    for (const action of actions) {
      switch (action.do) {
        case "connect":
          this.#emit("connecting", { attempt: action.attempt });
          void this.#connect(action.generation, action.attempt);
          break;
        case "up":
          this.#up();
          break;
        case "abandon":
          this.#release()?.close();
          break;
        case "close":
          this.#closeAt = this.#now() + CLOSE_TIMEOUT;
          this.#release().onclose = (event) => this.#finish(event);
          break;
        case "down":
          this.#emit("down", {
            ...this.#lost,
            attempt: this.attempt + 1,
            delay: action.nextIn,
            unknown: this.#unknown
          });
          break;
        case "stopped":
          this.#stopped(action.why === "asked");
      }
    }
    this.#arm();
  }
  async #connect(generation, attempt) {
    const lost = this.#lost;
    const isFixed = !isFunction(this.#url) && !isFunction(this.#protocols);
    const ask = async (value) => isFunction(value) ? value({ attempt, lost }) : value;
    try {
      const [asked, protocols] = await Promise.all([ask(this.#url), ask(this.#protocols)]);
      if (!this.#machine.isCurrent(generation)) return;
      const advised = lost?.advice?.url;
      const isSafe = advised && (SECURE.test(advised) || !SECURE.test(this.#wsUrl));
      const url = isSafe && isFixed && this.#options.followAdvice ? advised : asked;
      const ws = new this.#WebSocket(url, protocols);
      ws.binaryType = this.#binaryType;
      ws.onopen = () => this.#run(this.#machine.opened(this.#now(), generation));
      ws.onmessage = (event) => this.#receive(event);
      ws.onerror = ({ error }) => this.#emit("error", { error });
      ws.onclose = ({ code, reason, wasClean }) => this.#drop({ cause: "close", code, reason, wasClean, advice: readAdvice(reason) });
      this.#ws = ws;
      this.#wsUrl = ws.url;
    } catch (error) {
      if (!this.#machine.isCurrent(generation)) return;
      this.#emit("error", { error });
      const { name, message = error } = error;
      const isHopeless = error instanceof StopError || isFixed && HOPELESS.test(name);
      this.#drop(unclean("target", String(message)), isHopeless ? "stop" : void 0);
    }
  }
  #up() {
    const { heartbeat } = this.#options;
    this.#opened++;
    if (heartbeat !== false) this.#heartbeat = new Heartbeat(this.#pulse, this.#now());
    this.#isOpening = true;
    this.#emit("open");
    this.#isOpening = false;
    this.#flush();
  }
  #flush() {
    const ws = this.#ws;
    if (this.state !== "open" || !ws || !this.#outbox.messages) return;
    const now = this.#now();
    this.#outbox.flush(ws, now);
    this.#heartbeat?.wrote(now);
  }
  #receive({ data, origin }) {
    const now = this.#now();
    const heartbeat = this.#heartbeat;
    heartbeat?.seen(now);
    this.#arm();
    if (heartbeat && data === this.#pulse.reply) {
      const mark = heartbeat.answered(now);
      if (mark !== void 0) {
        this.#outbox.prove(mark);
        this.#emit("heartbeat", { isAnswer: true, roundTrip: heartbeat.roundTrip });
        return;
      }
    }
    this.#received++;
    this.dispatchEvent(new MessageEvent("message", { data, origin }));
  }
  /** The present connection or attempt is lost. */
  #drop(loss, decision) {
    const { generation } = this.#machine;
    const { decisions } = this.#options;
    const mayRefresh = isFunction(this.#url) || isFunction(this.#protocols);
    this.#lost = loss;
    try {
      decision ??= isFunction(decisions) ? decisions(loss) : decisions?.[loss.code];
    } catch (error) {
      this.#emit("error", { error });
    }
    this.#unknown = this.#outbox.lose();
    this.#run(
      this.#machine.lost(
        this.#now(),
        generation,
        { advice: loss.advice?.retryAfter, abandon: true },
        decision ?? decide(loss.code, mayRefresh),
        Math.random()
      )
    );
  }
  /** Detaches what there is, so that nothing it does later is heard. */
  #release() {
    const ws = this.#ws;
    this.#ws = this.#heartbeat = void 0;
    if (ws) {
      ws.onopen = ws.onmessage = ws.onclose = null;
      ws.onerror = () => {
      };
    }
    return ws;
  }
  #stopped(isAsked) {
    this.#unlisten.abort();
    this.#outbox.stop();
    const [code = 1005, reason = ""] = this.#asked;
    if (!isAsked) this.#finish(this.#lost);
    else if (this.#closeAt === Infinity) {
      queueMicrotask(() => this.#finish({ code, reason, wasClean: true }));
    }
  }
  #finish(end) {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const { cause, code, reason, wasClean, advice } = end;
    if (wasClean && code === (this.#asked[0] ?? 1005)) this.#outbox.prove(Infinity);
    const unknown = [...this.#unknown, ...this.#outbox.lose()];
    this.#emit("close", { cause, code, reason, wasClean, advice, unknown });
  }
  /** The page or the network may be back, or gone: ask an open line, do not wait for another. */
  #hint(mayBeBack) {
    if (this.state === "open") this.#follow("settle");
    else if (mayBeBack) this.#machine.wake(this.#now());
    this.#arm();
  }
  /** A connection would keep the page out of the back/forward cache, or break in there unseen. */
  #hide() {
    if (this.state === "open") this.#drop(unclean("page"));
  }
  #follow(verdict) {
    const heartbeat = this.#heartbeat;
    if (!heartbeat) return;
    if (verdict === "beat") {
      this.#ws?.send(this.#pulse.word);
      heartbeat.sent(this.#now(), this.#outbox.sent);
      this.#emit("heartbeat", { isAnswer: false, roundTrip: heartbeat.roundTrip });
    } else if (verdict === "dead") {
      this.#drop(unclean("heartbeat"));
    } else if (verdict === "settle" && !this.#isSettling) {
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
    const due = Math.min(
      this.#machine.deadline,
      this.#outbox.deadline,
      this.#closeAt,
      this.#isSettling ? Infinity : this.#heartbeat?.deadline ?? Infinity
    );
    const at = Math.min(due, now + LONGEST_TIMER);
    const isNeeded = due < Infinity && !this.#isClosed;
    if (isNeeded && this.#timerAt <= at) return;
    clearTimeout(this.#timer);
    this.#timerAt = isNeeded ? at : Infinity;
    if (isNeeded) this.#timer = setTimeout(() => this.#tick(), Math.max(0, at - now));
  }
  #tick() {
    const late = this.#now() - this.#timerAt;
    if (late < -LATE) this.#offset -= late;
    const now = this.#now();
    this.#timerAt = Infinity;
    if (now >= this.#closeAt) this.#finish(unclean("close"));
    this.#outbox.expire(now);
    if (this.#ws && this.state === "open") {
      this.#outbox.look(this.#ws, now);
      this.#flush();
      this.#follow(Math.abs(late) > LATE ? "settle" : this.#heartbeat?.timeout(now) ?? "none");
    }
    if (this.state === "connecting" && now >= this.#machine.deadline) {
      this.#lost = unclean("timeout");
      this.#unknown = [];
    }
    this.#run(this.#machine.timeout(now, Math.random()));
  }
};
var SECURE = /^(wss|https):/i;
var HOPELESS = /^S(yntax|ecurity)Error$/;
function isFunction(value) {
  return typeof value === "function";
}
function unclean(cause, reason = "") {
  return { cause, code: 1006, reason, wasClean: false, advice: void 0 };
}
export {
  Socket,
  StopError
};
