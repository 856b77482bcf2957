import { CommandError, refused, STOPPED } from "./command-error.js";
import { Emitter, emit, type On } from "./emitter.js";
import type { DownEvent, StopEvent, TroubleEvent } from "./events.js";
import type { Attempt, PerAttempt, SocketOptions } from "./options.js";
import { type Payload, read, write } from "./payload.js";
import { type Position, positionOf } from "./position.js";
import type { Answer } from "./session.js";
import { Session } from "./session.js";
import { Socket } from "./socket.js";
import { PositionStore } from "./store.js";
import {
  type Gap,
  gapOf,
  type Member,
  type SubscribeOptions,
  Subscription,
  type TokenSource,
} from "./subscription.js";
import type { Cursor } from "./subscriptions.js";

export type { Advice } from "./advice.js";
export type { Milliseconds } from "./backoff.js";
export type { Known } from "./command-error.js";
export type { Emitter, On } from "./emitter.js";
export type { DownEvent, StopEvent, TroubleEvent } from "./events.js";
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
export { StopError } from "./options.js";
export type { Bounds, DropReason, Receipt, ReceiptState } from "./outbox.js";
export type { Payload } from "./payload.js";
export type { Position } from "./position.js";
export type { Decision, State } from "./reconnect.js";
export type {
  EndedEvent,
  Gap,
  GapEvent,
  LiveEvent,
  Member,
  MemberEvent,
  PublicationEvent,
  SubscribedEvent,
  SubscribeOptions,
  SubscriptionEventMap,
  TokenSource,
} from "./subscription.js";
export { CommandError, Subscription };

/** All that can be set, beside what a `Socket` has. Sizes are in bytes. */
export interface ClientOptions extends Omit<SocketOptions, "outbox"> {
  /** Who the user is; or a function that says so for each attempt to connect. */
  token?: PerAttempt<string>;
  /** Where positions are kept, and nothing else: `sessionStorage`, to go on after a reload. */
  storage?: Storage;
  /**
   * What may wait for an answer: publications and questions, sent or not. Default 1,000 messages
   * and 1,048,576 bytes. What is more fails at once.
   */
  outbox?: { messages?: number; bytes?: number };
}

/** The server has taken the client in; each time. */
export interface ConnectedEvent extends Event {
  /** The name that others see in presence. */
  readonly client: string;
  /** Whether it is the client that it was before the loss, so that nobody saw it leave. */
  readonly resumed: boolean;
}

/** The events of a `Client`. */
export interface ClientEventMap {
  /** The server has taken the client in; each time. */
  connected: ConnectedEvent;
  /** The connection is lost or the attempt failed; it will try again. */
  down: DownEvent;
  /** For information; what counts is `down` or `close`. */
  error: TroubleEvent;
  /** It has stopped for good. No event follows, of its subscriptions neither. */
  close: StopEvent;
}

const EVENTS = ["connected", "down", "error", "close"] as const;

/** A publication is in the channel's log. */
export interface Published {
  /** Where. */
  readonly position: Position;
  /** Whether it was there already when it was sent the last time. */
  readonly isDuplicate: boolean;
}

/** A page of a channel's history. */
export interface History {
  readonly publications: { readonly offset: number; readonly data: any }[];
  /** The place after what was read: where the next page begins. */
  readonly position: Position;
  /** The newest offset: there is more while `position.offset` is less. */
  readonly newest: number;
  /** What of it is missing, if anything. */
  readonly gap: Gap | undefined;
}

/** The subprotocol of the session protocol. */
const SUBPROTOCOL = "holdwire.v1";

/** No timer may be longer. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Channels over a connection that comes back by itself.
 *
 * @example
 * ```ts
 * const client = new Client("wss://example.com/connection");
 * const room = client.subscribe("chat:lobby");
 * room.onpublication = ({ data }) => console.log(data);
 * await client.publish("chat:lobby", "hello");
 * ```
 */
export class Client extends Emitter<ClientEventMap> {
  declare onconnected: On<ClientEventMap["connected"]>;
  declare ondown: On<ClientEventMap["down"]>;
  declare onerror: On<ClientEventMap["error"]>;
  declare onclose: On<ClientEventMap["close"]>;

  #socket: Socket;
  #session: Session;
  #store: PositionStore;
  #token: string | undefined;
  #askToken: () => Promise<string | undefined>;
  #id: string | undefined;
  #isStopped = false;

  #bounds = { messages: 1_000, bytes: 1 << 20 };
  #messages = 0;
  #bytes = 0;

  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;
  #wall = 0;
  /** What the wall clock was set back by. */
  #setBack = 0;

  /**
   * Begins to connect.
   *
   * @param url - of the server's `/connection`, or a function that gives it for each attempt
   * @throws RangeError when a time or a bound is not a positive number
   * @throws TypeError when there is no class `WebSocket` to connect with
   */
  constructor(url: PerAttempt<string | URL>, options: ClientOptions = {}) {
    super(EVENTS);
    const { token, storage, outbox, decisions, ...others } = options;
    for (const name of ["messages", "bytes"] as const) {
      const bound = outbox?.[name] ?? this.#bounds[name];
      if (!(bound > 0)) throw new RangeError(name);
      this.#bounds[name] = bound;
    }
    const name = typeof url === "function" ? "" : String(url).replace(/[?#].*/, "");
    this.#store = new PositionStore(storage, `holdwire:${name}`);
    const isAsked = typeof token === "function";
    this.#session = new Session({
      send: (text) => void this.#socket.send(text),
      connected: (connected) => {
        this.#id = connected.client;
        emit(this, "connected", connected);
      },
      refused: (fault) => {
        emit(this, "error", { error: refused(fault) });
        this.close();
      },
      refresh: () => void this.#refresh(isAsked),
    });
    let last: Attempt = { attempt: 1, lost: undefined };
    this.#askToken = async () => (isAsked ? token(last) : token);
    const ask = async (attempt: Attempt) => {
      last = attempt;
      this.#token = await this.#askToken();
      return typeof url === "function" ? url(attempt) : url;
    };
    if (!isAsked) this.#token = token;
    this.#socket = new Socket(isAsked ? ask : url, SUBPROTOCOL, {
      ...others,
      decisions: (loss) => {
        const own = typeof decisions === "function" ? decisions(loss) : decisions?.[loss.code];
        // Another connection has this client's session, and this one is the client's.
        return own ?? (loss.code === 4409 ? "retry" : undefined);
      },
      // Nothing may wait in there for another connection: it goes out at once, or has expired.
      outbox: { bytes: Infinity, expiry: Number.MIN_VALUE },
    });
    this.#listen();
  }

  /** Where the connection stands: `idle`, `connecting`, `open`, `waiting` or `stopped`. */
  get state(): Socket["state"] {
    return this.#socket.state;
  }

  /** Whether the server has taken this client in, on the present connection. */
  get isConnected(): boolean {
    return this.#session.isConnected;
  }

  /** The name that others see in presence; `undefined` before the first connection. */
  get id(): string | undefined {
    return this.#id;
  }

  /** What waits for an answer, messages and bytes. */
  get outbox(): { messages: number; bytes: number } {
    return { messages: this.#messages, bytes: this.#bytes };
  }

  /**
   * Subscribes to a channel. It begins at once, and its events come later than this returns.
   *
   * @throws TypeError when `since` is no position
   * @throws Error when this client is subscribed to the channel, or has stopped
   */
  subscribe(channel: string, options: SubscribeOptions = {}): Subscription {
    const { since, presence = false, token } = options;
    if (this.#isStopped) throw new Error(STOPPED.message);
    if (this.#session.subscriptions.has(channel)) throw new Error(`subscribed to ${channel}`);
    const position = since === undefined ? this.#store.get(channel) : asked(since);
    const owner = {
      unsubscribe: (cursor: Cursor) => {
        if (!this.#session.subscriptions.isCurrent(cursor)) return;
        this.#store.set(channel, undefined);
        this.#do((now) => this.#session.unsubscribe(cursor, now));
      },
      moved: (cursor: Cursor) => {
        if (this.#session.subscriptions.isCurrent(cursor)) this.#store.set(channel, cursor.position);
      },
      ended: () => this.#store.set(channel, undefined),
      token:
        typeof token === "function"
          ? (cursor: Cursor) => void this.#grant(cursor, token)
          : undefined,
    };
    const begin = (cursor: Cursor) => this.#do((now) => this.#session.subscribe(cursor, now));
    const fixed = typeof token === "string" ? token : undefined;
    return new Subscription(channel, position, presence, owner, begin, fixed);
  }

  /**
   * Publishes. While this client lives it is sent until the server has answered, over any number
   * of connections, and is in the log at most once.
   *
   * Rejects with a {@link CommandError} when the server refuses it, when too much waits, when the
   * client is closed, or when nobody can tell any more whether it is in the log; with a `TypeError`
   * when `data` is no JSON value.
   */
  async publish(channel: string, data: Payload): Promise<Published> {
    const payload = write(data);
    const outcome = await this.#wait<any>(channel + payload, (done, now) =>
      this.#session.publish(channel, payload, done, now),
    );
    if (outcome.failed) throw refused(outcome.failed);
    if (outcome.unknown) throw new CommandError("unknown", "the publication's outcome is unknown", false);
    const { epoch, offset, dup } = outcome.published;
    return { position: { epoch, offset }, isDuplicate: dup === true };
  }

  /** Reads a channel's log: what follows `since`, or the oldest that is kept; at most `limit`. */
  async history(
    channel: string,
    { since, limit }: { since?: Position | string; limit?: number } = {},
  ): Promise<History> {
    const place = since === undefined ? since : positionOf(since);
    const answer = await this.#ask("history", { channel, since: place, limit });
    const { epoch, offset, newest, publications = [], gap } = answer;
    return {
      publications: publications.map((pub: any) => ({ offset: pub.offset, data: read(pub) })),
      position: { epoch, offset },
      newest,
      gap: gap && gapOf(gap),
    };
  }

  /** Who is in a channel. */
  async presence(channel: string): Promise<Member[]> {
    const { presence = {} } = await this.#ask("presence", { channel });
    return Object.values(presence);
  }

  /** How many are in a channel: clients, and different users. */
  async presenceStats(channel: string): Promise<{ clients: number; users: number }> {
    const answer = await this.#ask("presence_stats", { channel });
    return { clients: answer.num_clients, users: answer.num_users };
  }

  /** Calls a method of the application behind the server. */
  async rpc(method: string, data?: unknown): Promise<any> {
    return (await this.#ask("rpc", { method, data })).data;
  }

  /**
   * Stops for good, and ends the session: others see this client leave. What waits fails; no event
   * follows but `close`.
   */
  close(): void {
    this.#stop();
    this.#socket.close(1000);
  }

  #listen(): void {
    const socket = this.#socket;
    socket.addEventListener("open", () => this.#do((now) => this.#session.up(now, this.#token)));
    socket.addEventListener("message", ({ data }) =>
      this.#do((now) => this.#session.received(data, now)),
    );
    socket.addEventListener("down", (event) => {
      this.#do((now) => this.#session.down(now));
      const { attempt, delay } = event;
      emit(this, "down", { ...lossOf(event), attempt, delay });
    });
    socket.addEventListener("error", ({ error }) => emit(this, "error", { error }));
    socket.addEventListener("close", (event) => {
      this.#stop();
      emit(this, "close", lossOf(event));
    });
  }

  /** Tells the machine, with the time. */
  #do(what: (now: number) => void): void {
    what(this.#now());
    this.#arm();
  }

  /** Never goes back. */
  #now(): number {
    const wall = Date.now();
    this.#setBack += Math.max(0, this.#wall - wall);
    this.#wall = wall;
    return wall + this.#setBack;
  }

  /** The one timer of this client. */
  #arm(): void {
    const { deadline } = this.#session;
    if (deadline === this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = deadline;
    if (deadline === Infinity) return;
    const delay = Math.min(Math.max(0, deadline - this.#now()), LONGEST_TIMER);
    this.#timer = setTimeout(() => {
      this.#timerAt = Infinity;
      this.#do((now) => this.#session.timeout(now));
    }, delay);
  }

  #stop(): void {
    this.#isStopped = true;
    this.#do((now) => this.#session.stop(STOPPED, now));
  }

  async #refresh(isAsked: boolean): Promise<void> {
    try {
      if (!isAsked) throw new CommandError("refused", "the token has expired", false, 109);
      const token = await this.#askToken();
      if (token !== undefined) this.#do((now) => this.#session.refresh(token, now));
    } catch (error) {
      // The server will close when the token has expired, and the next attempt asks again.
      emit(this, "error", { error });
    }
  }

  /** Gets a token for a channel, from outside of the machine that wants it. */
  async #grant(cursor: Cursor, source: TokenSource): Promise<void> {
    let token: string | undefined;
    let why: string | undefined;
    try {
      await undefined;
      token = await source({ channel: cursor.channel });
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    }
    this.#do((now) => this.#session.token(cursor, token, now, why));
  }

  async #ask(name: string, members: object): Promise<any> {
    const json = JSON.stringify(members);
    const outcome = await this.#wait<Answer & { [name: string]: any }>(json, (done, now) =>
      this.#session.ask(name, json, done, now),
    );
    if (outcome.failed) throw refused(outcome.failed);
    if (outcome.lost) throw new CommandError("unknown", "the connection was lost", true);
    return outcome.answer;
  }

  /** Waits for what comes of a message, which counts until then; if there is room for it. */
  async #wait<Outcome>(
    text: string,
    begin: (done: (outcome: Outcome) => void, now: number) => void,
  ): Promise<Outcome> {
    const size = new TextEncoder().encode(text).length;
    if (this.#isStopped) throw refused(STOPPED);
    if (size > this.#bounds.bytes) throw new CommandError("unsent", "larger than the outbox", false);
    if (this.#messages >= this.#bounds.messages || this.#bytes + size > this.#bounds.bytes) {
      throw new CommandError("unsent", "too much waits for an answer", true);
    }
    this.#messages++;
    this.#bytes += size;
    return new Promise((resolve) => {
      const done = (outcome: Outcome) => {
        this.#messages--;
        this.#bytes -= size;
        resolve(outcome);
      };
      this.#do((now) => begin(done, now));
    });
  }
}

function asked(since: Position | string): Position | undefined {
  return since === "last" ? undefined : positionOf(since);
}

function lossOf({ cause, code, reason, wasClean, advice, unknown }: StopEvent): object {
  return { cause, code, reason, wasClean, advice, unknown };
}
