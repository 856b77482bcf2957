import { readAdvice } from "./advice.js";
import type { Milliseconds } from "./backoff.js";
import { decide } from "./decisions.js";
import type { Handler, SocketEventMap } from "./events.js";
import { Heartbeat, LATE, type Verdict } from "./heartbeat.js";
import {
  type Cause,
  type LossInfo,
  type PerAttempt,
  type Settings,
  settingsOf,
  type SocketOptions,
  StopError,
  type WebSocketLike,
} from "./options.js";
import { type Counters, type Data, Outbox, type Receipt } from "./outbox.js";
import { letQueuedIn, listen } from "./page.js";
import { type Decision, Reconnect, type State } from "./reconnect.js";

export type { Advice } from "./advice.js";
export type { Milliseconds } from "./backoff.js";
export type * from "./events.js";
export type {
  Attempt,
  Cause,
  HeartbeatOptions,
  LossInfo,
  PerAttempt,
  SocketOptions,
  WebSocketClass,
  WebSocketLike,
} from "./options.js";
export type { Bounds, Counters, Data, DropReason, Receipt, ReceiptState } from "./outbox.js";
export type { Decision, State } from "./reconnect.js";
export { StopError };

/** No timer is longer: after a sleep, in which timers stand still, it is noticed this soon. */
const LONGEST_TIMER: Milliseconds = 5_000;

/** The events, in the order of `SocketEventMap`. */
const EVENTS = ["connecting", "open", "message", "error", "down", "heartbeat", "close"] as const;

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
  declare static readonly CONNECTING: 0;
  declare static readonly OPEN: 1;
  declare static readonly CLOSING: 2;
  declare static readonly CLOSED: 3;
  declare readonly CONNECTING: 0;
  declare readonly OPEN: 1;
  declare readonly CLOSING: 2;
  declare readonly CLOSED: 3;

  /** Counts since the beginning; live. */
  readonly counters: Readonly<Counters> = {
    opened: 0,
    received: 0,
    sent: 0,
    dropped: 0,
    unknown: 0,
  };

  declare onconnecting: Handler<"connecting">;
  declare onopen: Handler<"open">;
  declare onmessage: Handler<"message">;
  declare onerror: Handler<"error">;
  declare ondown: Handler<"down">;
  declare onheartbeat: Handler<"heartbeat">;
  declare onclose: Handler<"close">;

  #url: PerAttempt<string | URL>;
  #protocols: PerAttempt<string | string[]>;
  /** Whether neither the URL nor the subprotocols come from a function. */
  #isFixed: boolean;
  #settings: Settings;
  #machine: Reconnect;
  #outbox: Outbox;

  /** The connection or attempt of the machine's present generation. */
  #ws: WebSocketLike | undefined;
  #wsUrl = "";
  #binaryType: BinaryType = "blob";
  #heartbeat: Heartbeat | undefined;
  #isOpening = false;
  #isSettling = false;

  /** How it was lost last. */
  #lost: LossInfo | undefined;
  #isClosed = false;

  #timer: ReturnType<typeof setTimeout> | undefined;
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
  constructor(
    url: PerAttempt<string | URL>,
    protocols: PerAttempt<string | string[]> = [],
    options: SocketOptions = {},
  ) {
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
      },
    });
    this.#outbox = new Outbox(this.#settings, this.counters);
    for (const type of EVENTS) {
      this[`on${type}`] = null;
      this.addEventListener(type, (event) => this[`on${type}`]?.(event as never));
    }
    listen(this.#unlisten.signal, (type) => this.#hint(type));
    queueMicrotask(() => {
      this.#machine.start(this.#now());
      this.#arm();
    });
  }

  /** `CONNECTING` until the first connection and between connections; `CLOSED` is final. */
  get readyState(): 0 | 1 | 2 | 3 {
    const { state } = this.#machine;
    if (state === "stopped") return this.#isClosed ? 3 : 2;
    return +(state === "open") as 0 | 1;
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

  /** Bytes that wait: here, and in the browser's buffer. */
  get bufferedAmount(): number {
    return this.#outbox.bytes + (this.#ws?.bufferedAmount ?? 0);
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
    const receipt = this.#outbox.send(data, this.#ws, this.#isOpening, this.#now());
    this.#arm();
    return receipt;
  }

  /**
   * Stops for good. What waits is dropped, and no message is handed on any more. If there is a
   * connection, its closing handshake goes on in the background; `close` fires when it has ended.
   */
  close(code?: number, reason?: string): void {
    if (this.state === "stopped") return;
    const ws = this.state === "open" && this.#ws;
    // It refuses a wrong code or reason before anything has changed.
    if (ws) ws.close(code, reason);
    this.#machine.stop();
    this.#arm();
    const asked = { code: code ?? 1005, reason: reason ?? "", wasClean: true };
    const finish = (end: End) => {
      // The peer has answered our Close frame, so it has read what went before.
      if (end.wasClean && end.code === asked.code) this.#outbox.prove(Infinity);
      this.#lost = this.#lossOf(end);
      this.#finish();
    };
    if (ws) ws.onclose = finish;
    else queueMicrotask(() => finish(asked));
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

  async #connect(generation: number, attempt: number): Promise<void> {
    const lost = this.#lost;
    const ask = async <T>(value: PerAttempt<T>) =>
      isFunction(value) ? value({ attempt, lost }) : value;
    try {
      const [url, protocols] = await Promise.all([ask(this.#url), ask(this.#protocols)]);
      if (!this.#machine.isCurrent(generation)) return;
      const ws = new this.#settings.WebSocket(url, protocols);
      ws.binaryType = this.#binaryType;
      const ifPresent = (then: (event: any) => void) => (event: any) => {
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
      const isHopeless =
        error instanceof StopError || (this.#isFixed && HOPELESS.test(String(error)));
      this.#drop({ ...UNCLEAN, reason: String(error) }, "target", isHopeless ? "stop" : undefined);
    }
  }

  #up(): void {
    (this.counters as Counters).opened++;
    if (this.#settings.heartbeat) {
      this.#heartbeat = new Heartbeat(this.#settings, this.counters.sent, this.#now());
    }
    this.#isOpening = true;
    this.#emit("open");
    this.#isOpening = false;
    this.#outbox.flush(this.#ws, this.#now());
    this.#arm();
  }

  #receive({ data, origin }: MessageEvent): void {
    const now = this.#now();
    const heartbeat = this.#heartbeat;
    heartbeat?.seen(now);
    this.#arm();
    if (data === this.#settings.reply && heartbeat?.answered(now)) {
      this.#outbox.prove(heartbeat.proven);
      return this.#emit("heartbeat", { isAnswer: true, roundTrip: heartbeat.roundTrip });
    }
    (this.counters as Counters).received++;
    this.#emit("message", { data, origin });
  }

  /** The present connection or attempt is lost. */
  #drop(end: End, cause: Cause, decision?: Decision): void {
    const { decisions } = this.#settings;
    const loss = (this.#lost = this.#lossOf(end, cause));
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
      this.#settings.random(),
    );
    this.#arm();
  }

  /** Detaches what there is, so that nothing it does later is heard. */
  #release(): WebSocketLike | undefined {
    const ws = this.#ws;
    this.#ws = this.#heartbeat = undefined;
    // Errors are still listened to: the package `ws` throws those that nobody hears.
    if (ws) ws.onopen = ws.onmessage = ws.onclose = null;
    return ws;
  }

  #finish(): void {
    this.#isClosed = true;
    this.#emit("close", this.#lost);
  }

  #lossOf({ code, reason, wasClean }: End, cause?: Cause): LossInfo {
    const unknown = this.#outbox.lose();
    // Deno says 0 where others say 1006.
    return { cause, code: code || 1006, reason, wasClean, advice: readAdvice(reason), unknown };
  }

  /** An event of the page tells that the network or the page may be back, or gone. */
  #hint(type: string): void {
    if (type === "pagehide") {
      // A connection would keep the page out of the back/forward cache, or break in there unseen.
      if (this.state === "open") this.#drop(UNCLEAN, "page");
      return;
    }
    this.#follow("settle");
    if (type !== "offline") this.#machine.wake(this.#now());
    // After a sleep the timer may be set to a time that has passed and yet not fire for long.
    this.#timerAt = Infinity;
    this.#arm();
  }

  #follow(verdict?: Verdict): void {
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
  #arm(): void {
    const now = this.#now();
    this.#heartbeat?.wrote(this.counters.sent, now);
    const due = Math.min(
      this.#machine.deadline,
      this.#outbox.deadline,
      this.#isSettling ? Infinity : (this.#heartbeat?.deadline ?? Infinity),
    );
    const at = Math.min(due, now + LONGEST_TIMER);
    if (due < Infinity && this.#timerAt <= at) return;
    clearTimeout(this.#timer);
    this.#timerAt = due < Infinity ? at : due;
    if (due < Infinity) this.#timer = setTimeout(() => this.#tick(), Math.max(0, at - now));
  }

  #tick(): void {
    const late = this.#now() - this.#timerAt;
    // A timer never fires early: the clock was set back.
    if (late < -LATE) this.#offset -= late;
    const now = this.#now();
    this.#timerAt = Infinity;
    this.#outbox.flush(this.#ws, now);
    this.#follow(this.#heartbeat?.timeout(now, Math.abs(late) > LATE));
    if (this.state === "connecting") {
      // What it will have been, if the machine says so now.
      this.#lost = this.#lossOf(UNCLEAN, "timeout");
    }
    this.#machine.timeout(now, this.#settings.random());
    this.#arm();
  }
}

const STATES = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };
Object.assign(Socket, STATES);
Object.assign(Socket.prototype, STATES);

type End = Pick<LossInfo, "code" | "reason" | "wasClean">;

/** An end without a closing handshake. */
const UNCLEAN: End = { code: 1006, reason: "", wasClean: false };

/** Errors of the constructor of `WebSocket` that no other attempt with the same URL will heal. */
const HOPELESS = /^S(yntax|ecurity)Error/;

function isFunction(value: unknown): value is (...args: any[]) => any {
  return typeof value === "function";
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
