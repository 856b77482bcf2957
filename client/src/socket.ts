import { readAdvice } from "./advice.js";
import type { Milliseconds } from "./backoff.js";
import { decide } from "./decisions.js";
import type { SocketEventMap } from "./events.js";
import { Heartbeat, LATE, type Pulse, type Verdict } from "./heartbeat.js";
import {
  type Cause,
  type LossInfo,
  type PerAttempt,
  type SocketOptions,
  StopError,
  type WebSocketClass,
  type WebSocketLike,
} from "./options.js";
import { type Data, Outbox, type Receipt } from "./outbox.js";
import { letQueuedIn, listen } from "./page.js";
import { type Action, type Decision, type Policy, Reconnect, type State } from "./reconnect.js";

export type { Advice } from "./advice.js";
export type { Milliseconds } from "./backoff.js";
export type * from "./events.js";
export type * from "./options.js";
export type { Bounds, Data, DropReason, Receipt, ReceiptState } from "./outbox.js";
export type { Decision, State } from "./reconnect.js";
export { StopError };

/** No timer is longer: after a sleep, in which timers stand still, it is noticed this soon. */
const LONGEST_TIMER: Milliseconds = 5_000;

/** How long a closing handshake may take. */
const CLOSE_TIMEOUT: Milliseconds = 5_000;

/** The events, in the order of `SocketEventMap`. */
const EVENTS = ["connecting", "open", "message", "error", "down", "heartbeat", "close"] as const;

type Handler<Type extends keyof SocketEventMap> = ((event: SocketEventMap[Type]) => void) | null;

/**
 * A `WebSocket` that comes back by itself.
 *
 * It has the shape of `WebSocket`, with these differences:
 * - `open` fires at each return, `close` only when it stops for good, `down` at each loss between.
 *   Code that reconnects by itself on `close` therefore does not double; code that does so on
 *   `error` must not.
 * - `readyState` is `CONNECTING` also while it waits for the next attempt.
 * - `send` never throws for want of a connection: it tells what becomes of the message.
 *
 * @example
 * ```ts
 * const socket = new Socket("wss://example.com/ws");
 * socket.onopen = () => socket.send("hello");
 * socket.onmessage = (event) => console.log(event.data);
 * ```
 */
export class Socket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;

  onconnecting: Handler<"connecting"> = null;
  onopen: Handler<"open"> = null;
  onmessage: Handler<"message"> = null;
  onerror: Handler<"error"> = null;
  ondown: Handler<"down"> = null;
  onheartbeat: Handler<"heartbeat"> = null;
  onclose: Handler<"close"> = null;

  #url: PerAttempt<string | URL>;
  #protocols: PerAttempt<string | string[]>;
  #options: SocketOptions;
  #machine: Reconnect;
  #outbox: Outbox;

  #pulse: Pulse & { word: string; reply: string };
  #WebSocket: WebSocketClass;

  /** The connection or attempt of the machine's present generation. */
  #ws: WebSocketLike | undefined;
  #wsUrl = "";
  #binaryType: BinaryType = "blob";
  #heartbeat: Heartbeat | undefined;
  #isOpening = false;
  #isSettling = false;
  #opened = 0;
  #received = 0;

  /** How it was lost last, and what became unknown then. */
  #lost: LossInfo | undefined;
  #unknown: Receipt[] = [];
  /** With what the application closed it. */
  #asked: [code?: number | undefined, reason?: string | undefined] = [];
  #isClosed = false;

  #timer: ReturnType<typeof setTimeout> | undefined;
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
  constructor(
    url: PerAttempt<string | URL>,
    protocols: PerAttempt<string | string[]> = [],
    options: SocketOptions = {},
  ) {
    super();
    this.#url = url;
    this.#protocols = protocols;
    this.#options = options;
    const { first = 500, cap = 20_000, fixed } = (options.backoff ?? {}) as Partial<Policy>;
    const { minUptime = 10_000, connectTimeout = 10_000 } = options;
    const { maxAttempts = Infinity, maxAdvice = 300_000 } = options;
    const { messages = 1_000, bytes = 1 << 20, expiry = 60_000 } = options.outbox ?? {};
    const { overflow = "reject" } = options.outbox ?? {};
    const { word = "HeartBeat", reply = word } = options.heartbeat || {};
    const { interval = 25_000, timeout = 20_000 } = options.heartbeat || {};
    const numbers = { cap, connectTimeout, maxAttempts, messages, bytes, expiry, interval, timeout };
    for (const [name, value] of Object.entries(numbers)) {
      if (!(value > 0)) throw new RangeError(`${name} must be a positive number`);
    }
    const { WebSocket = globalThis.WebSocket } = options;
    if (!WebSocket) throw new TypeError("there is no WebSocket here: pass a class as an option");
    this.#WebSocket = WebSocket;
    this.#pulse = { word, reply, interval, timeout };
    this.#machine = new Reconnect({
      first, cap, fixed, minUptime, connectTimeout, maxAttempts, maxAdvice,
    });
    this.#outbox = new Outbox({ messages, bytes, expiry, overflow });
    for (const type of EVENTS) {
      this.addEventListener(type, (event) => this[`on${type}`]?.(event as never));
    }
    listen(this.#unlisten.signal, {
      onhint: (mayBeBack) => this.#hint(mayBeBack),
      onhide: () => this.#hide(),
    });
    queueMicrotask(() => this.#run(this.#machine.start(this.#now())));
  }

  /** `CONNECTING` until the first connection and between connections; `CLOSED` is final. */
  get readyState(): 0 | 1 | 2 | 3 {
    const { state } = this.#machine;
    if (state === "stopped") return this.#isClosed ? 3 : 2;
    return state === "open" ? 1 : 0;
  }

  /** Where it stands: `idle`, `connecting`, `open`, `waiting` or `stopped`. */
  get state(): State {
    return this.#machine.state;
  }

  /** Attempts since the last good connection, the present one included. */
  get attempt(): number {
    return this.#machine.attempts;
  }

  /** When the next attempt is made, as `Date.now()` counts; `null` unless it waits for one. */
  get nextAttemptAt(): number | null {
    return this.state === "waiting" ? this.#machine.deadline - this.#offset : null;
  }

  /** How long the last answer to a heartbeat took; `null` before the first of a connection. */
  get roundTrip(): Milliseconds | null {
    return this.#heartbeat?.roundTrip ?? null;
  }

  /** What waits for a connection, messages and bytes. */
  get outbox(): { messages: number; bytes: number } {
    const { messages, bytes } = this.#outbox;
    return { messages, bytes };
  }

  /** Counts since the beginning: connections opened, messages received, sent, dropped, unknown. */
  get counters() {
    const { sent, dropped, unknown } = this.#outbox;
    return { opened: this.#opened, received: this.#received, sent, dropped, unknown };
  }

  /** Bytes that wait: here, and in the browser's buffer. */
  get bufferedAmount(): number {
    return this.#outbox.bytes + (this.#ws?.bufferedAmount || 0);
  }

  /** The URL of the newest connection; empty before the first. */
  get url(): string {
    return this.#wsUrl;
  }

  /** The subprotocol that the server picked; empty while there is no connection. */
  get protocol(): string {
    return this.#ws?.protocol ?? "";
  }

  /** The extensions that were agreed on; empty while there is no connection. */
  get extensions(): string {
    return this.#ws?.extensions ?? "";
  }

  /** What binary messages come as. */
  get binaryType(): BinaryType {
    return this.#binaryType;
  }

  set binaryType(type: BinaryType) {
    this.#binaryType = type;
    if (this.#ws) this.#ws.binaryType = type;
  }

  /**
   * Sends a message, or keeps it until there is a connection.
   *
   * Never throws for want of a connection; the receipt tells what becomes of the message.
   */
  send(data: Data): Receipt {
    const now = this.#now();
    const ws = this.state === "open" ? this.#ws : undefined;
    const receipt = this.#outbox.send(data, ws, this.#isOpening, now);
    if (ws) this.#heartbeat?.wrote(now);
    this.#arm();
    return receipt;
  }

  /**
   * Stops for good. The closing handshake, if there is a connection, goes on in the background for
   * 5 s at most; then `close` fires. No message is handed on meanwhile, and what waits is dropped.
   */
  close(code?: number, reason?: string): void {
    // It refuses a wrong code or reason before anything has changed.
    if (this.state === "open") this.#ws?.close(code, reason);
    this.#asked = [code, reason];
    this.#run(this.#machine.stop());
  }

  /** The same as {@link close}. */
  stop(code?: number, reason?: string): void {
    this.close(code, reason);
  }

  /** Never goes back for long. */
  #now(): number {
    return Date.now() + this.#offset;
  }

  #emit(type: keyof SocketEventMap, fields?: object): void {
    this.dispatchEvent(Object.assign(new Event(type), fields));
  }

  #run(actions: Action[]): void {
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
          (this.#release() as WebSocketLike).onclose = (event) => this.#finish(event);
          break;
        case "down":
          this.#emit("down", {
            ...this.#lost,
            attempt: this.attempt + 1,
            delay: action.nextIn,
            unknown: this.#unknown,
          });
          break;
        case "stopped":
          this.#stopped(action.why === "asked");
      }
    }
    this.#arm();
  }

  async #connect(generation: number, attempt: number): Promise<void> {
    const lost = this.#lost;
    const isFixed = !isFunction(this.#url) && !isFunction(this.#protocols);
    const ask = async <T>(value: PerAttempt<T>) =>
      isFunction(value) ? value({ attempt, lost }) : value;
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
      ws.onclose = ({ code, reason, wasClean }) =>
        this.#drop({ cause: "close", code, reason, wasClean, advice: readAdvice(reason) });
      this.#ws = ws;
      this.#wsUrl = ws.url;
    } catch (error) {
      if (!this.#machine.isCurrent(generation)) return;
      this.#emit("error", { error });
      const { name, message = error } = error as Error;
      const isHopeless = error instanceof StopError || (isFixed && HOPELESS.test(name));
      this.#drop(unclean("target", String(message)), isHopeless ? "stop" : undefined);
    }
  }

  #up(): void {
    const { heartbeat } = this.#options;
    this.#opened++;
    if (heartbeat !== false) this.#heartbeat = new Heartbeat(this.#pulse, this.#now());
    this.#isOpening = true;
    this.#emit("open");
    this.#isOpening = false;
    this.#flush();
  }

  #flush(): void {
    const ws = this.#ws;
    if (this.state !== "open" || !ws || !this.#outbox.messages) return;
    const now = this.#now();
    this.#outbox.flush(ws, now);
    this.#heartbeat?.wrote(now);
  }

  #receive({ data, origin }: MessageEvent): void {
    const now = this.#now();
    const heartbeat = this.#heartbeat;
    heartbeat?.seen(now);
    this.#arm();
    if (heartbeat && data === this.#pulse.reply) {
      const mark = heartbeat.answered(now);
      if (mark !== undefined) {
        this.#outbox.prove(mark);
        this.#emit("heartbeat", { isAnswer: true, roundTrip: heartbeat.roundTrip });
        return;
      }
    }
    this.#received++;
    this.dispatchEvent(new MessageEvent("message", { data, origin }));
  }

  /** The present connection or attempt is lost. */
  #drop(loss: LossInfo, decision?: Decision): void {
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
        Math.random(),
      ),
    );
  }

  /** Detaches what there is, so that nothing it does later is heard. */
  #release(): WebSocketLike | undefined {
    const ws = this.#ws;
    this.#ws = this.#heartbeat = undefined;
    if (ws) {
      ws.onopen = ws.onmessage = ws.onclose = null;
      // The package `ws` throws an error that nobody listens to.
      ws.onerror = () => {};
    }
    return ws;
  }

  #stopped(isAsked: boolean): void {
    this.#unlisten.abort();
    this.#outbox.stop();
    const [code = 1005, reason = ""] = this.#asked;
    if (!isAsked) this.#finish(this.#lost as LossInfo);
    else if (this.#closeAt === Infinity) {
      queueMicrotask(() => this.#finish({ code, reason, wasClean: true }));
    }
  }

  #finish(end: Pick<LossInfo, "code" | "reason" | "wasClean"> & Partial<LossInfo>): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const { cause, code, reason, wasClean, advice } = end;
    // The peer has answered our Close frame, so it has read what went before.
    if (wasClean && code === (this.#asked[0] ?? 1005)) this.#outbox.prove(Infinity);
    const unknown = [...this.#unknown, ...this.#outbox.lose()];
    this.#emit("close", { cause, code, reason, wasClean, advice, unknown });
  }

  /** The page or the network may be back, or gone: ask an open line, do not wait for another. */
  #hint(mayBeBack: boolean): void {
    if (this.state === "open") this.#follow("settle");
    else if (mayBeBack) this.#machine.wake(this.#now());
    this.#arm();
  }

  /** A connection would keep the page out of the back/forward cache, or break in there unseen. */
  #hide(): void {
    if (this.state === "open") this.#drop(unclean("page"));
  }

  #follow(verdict: Verdict): void {
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
  #arm(): void {
    const now = this.#now();
    const due = Math.min(
      this.#machine.deadline,
      this.#outbox.deadline,
      this.#closeAt,
      this.#isSettling ? Infinity : (this.#heartbeat?.deadline ?? Infinity),
    );
    const at = Math.min(due, now + LONGEST_TIMER);
    const isNeeded = due < Infinity && !this.#isClosed;
    if (isNeeded && this.#timerAt <= at) return;
    clearTimeout(this.#timer);
    this.#timerAt = isNeeded ? at : Infinity;
    if (isNeeded) this.#timer = setTimeout(() => this.#tick(), Math.max(0, at - now));
  }

  #tick(): void {
    const late = this.#now() - this.#timerAt;
    // A timer never fires early: the clock was set back.
    if (late < -LATE) this.#offset -= late;
    const now = this.#now();
    this.#timerAt = Infinity;
    if (now >= this.#closeAt) this.#finish(unclean("close"));
    this.#outbox.expire(now);
    if (this.#ws && this.state === "open") {
      this.#outbox.look(this.#ws, now);
      this.#flush();
      this.#follow(Math.abs(late) > LATE ? "settle" : (this.#heartbeat?.timeout(now) ?? "none"));
    }
    if (this.state === "connecting" && now >= this.#machine.deadline) {
      this.#lost = unclean("timeout");
      this.#unknown = [];
    }
    this.#run(this.#machine.timeout(now, Math.random()));
  }
}

/** Schemes that encrypt. */
const SECURE = /^(wss|https):/i;

/** Errors of the constructor of `WebSocket` that no other attempt with the same URL will heal. */
const HOPELESS = /^S(yntax|ecurity)Error$/;

function isFunction(value: unknown): value is (...args: any[]) => any {
  return typeof value === "function";
}

function unclean(cause: Cause, reason = ""): LossInfo {
  return { cause, code: 1006, reason, wasClean: false, advice: undefined };
}

/** The typed listeners. */
export interface Socket {
  addEventListener<Type extends keyof SocketEventMap>(
    type: Type,
    listener: ((event: SocketEventMap[Type]) => void) | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Type extends keyof SocketEventMap>(
    type: Type,
    listener: ((event: SocketEventMap[Type]) => void) | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}
