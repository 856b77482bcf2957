import type { Milliseconds } from "./backoff.js";
import { Commands, type Fault } from "./commands.js";
import { type Outcome, Publications } from "./publications.js";
import { type Cursor, LATER, Subscriptions, TOKEN_EXPIRED } from "./subscriptions.js";

/** What a session wants of the world. */
export interface Driver {
  /** Give this message to the line that is up. */
  send(text: string): void;
  /** The server has taken this client in; `resumed`: it is the one that it was. */
  connected(connected: { client: string; resumed: boolean }): void;
  /** The server does not take this client in, and never will. */
  refused(fault: Fault): void;
  /** The token has expired or soon will have. */
  refresh(): void;
}

/** What came of a question. */
export type Answer =
  | { readonly answer: any }
  | { readonly failed: Fault }
  /** The line was lost before the answer came. */
  | { readonly lost: true };

interface Question {
  readonly name: string;
  readonly members: string;
  readonly done: (answer: Answer) => void;
}

/** How often the server is asked whether everything has come. */
const PING: Milliseconds = 25_000;

/**
 * The session protocol of a client: docs/protocol.md, "What a client does".
 *
 * It opens no socket and reads no clock: it is told what happens and when, and says what to send.
 * Each method that is given the time may be called again from within what it tells.
 */
export class Session {
  readonly subscriptions: Subscriptions;
  #driver: Driver;
  #commands: Commands;
  #publications: Publications;
  /** Questions that wait for a line, and those that wait for an answer. */
  #questions: Question[] = [];
  #asked = new Set<Question>();

  #isUp = false;
  #isConnected = false;
  #token: string | undefined;
  /** Whether another token was asked for on this line, because the first one was too old. */
  #isTokenNew = false;
  #session: string | undefined;
  #publisher: string | undefined;
  /** For how long the server remembers a publisher. */
  #window: Milliseconds = Infinity;
  #connectAt = Infinity;
  #pingAt = Infinity;
  #refreshAt = Infinity;

  constructor(driver: Driver) {
    this.#driver = driver;
    this.#commands = new Commands((text) => driver.send(text));
    this.subscriptions = new Subscriptions(this.#commands);
    this.#publications = new Publications(this.#commands);
  }

  /** Whether the server has taken this client in, on the present line. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** When {@link timeout} is due. */
  get deadline(): number {
    if (!this.#isUp) return Infinity;
    if (!this.#isConnected) return this.#connectAt;
    return Math.min(
      this.#pingAt,
      this.#refreshAt,
      this.subscriptions.deadline,
      this.#publications.deadline,
    );
  }

  /** The line is up. */
  up(now: number, token?: string): void {
    this.down(now);
    this.#isUp = true;
    this.#token = token;
    this.#isTokenNew = false;
    this.#expire();
    this.#connect();
  }

  /** The line is lost. */
  down(now: number): void {
    this.#commands.now = now;
    this.#isUp = this.#isConnected = false;
    this.#connectAt = this.#pingAt = this.#refreshAt = Infinity;
    this.#commands.lose();
    this.subscriptions.lose();
    this.#publications.lose();
    const asked = [...this.#asked];
    this.#asked.clear();
    for (const { done } of asked) done({ lost: true });
  }

  /** A message of the present line came. What is none of the protocol's is ignored. */
  received(text: unknown, now: number): void {
    const message = read(text);
    if (!this.#isUp || !message) return;
    this.#commands.now = now;
    if (!message.push) this.#commands.answer(message);
    else if (this.#isConnected) this.subscriptions.pushed(message.push);
    this.#pump();
  }

  /** The time has come for something, or has not. */
  timeout(now: number): void {
    this.#commands.now = now;
    if (!this.#isUp) return;
    if (!this.#isConnected) {
      if (this.#connectAt <= now) this.#connect();
      return;
    }
    if (this.#publications.deadline <= now) this.#expire();
    if (this.#refreshAt <= now) {
      this.#refreshAt = Infinity;
      this.#driver.refresh();
    }
    if (this.#pingAt <= now) this.ping(now);
    this.#pump();
  }

  subscribe(cursor: Cursor, now: number): void {
    this.#commands.now = now;
    this.subscriptions.add(cursor);
    this.#pump();
  }

  unsubscribe(cursor: Cursor, now: number): void {
    this.#commands.now = now;
    this.subscriptions.remove(cursor);
    this.#pump();
  }

  /** What a cursor's reader was asked for: a token for its channel, or why there is none. */
  token(cursor: Cursor, token: string | undefined, now: number, why = "there is none"): void {
    this.#commands.now = now;
    this.subscriptions.token(cursor, token, why);
    this.#pump();
  }

  /** Publishes `payload`: the member `data` or `base64`, as JSON. */
  publish(channel: string, payload: string, done: (outcome: Outcome) => void, now: number): void {
    this.#commands.now = now;
    this.#publications.add(channel, `{"channel":${JSON.stringify(channel)},${payload}`, done);
    this.#pump();
  }

  /** Asks: `history`, `presence`, `presence_stats` or `rpc`, with its members as JSON. */
  ask(name: string, members: string, done: (answer: Answer) => void, now: number): void {
    this.#commands.now = now;
    this.#questions.push({ name, members, done });
    this.#pump();
  }

  /** Asks whether everything has come that was sent. */
  ping(now: number): void {
    this.#commands.now = now;
    this.#pingAt = now + PING;
    const asked = this.subscriptions.active;
    if (!this.#isConnected || !asked.length || !this.#commands.hasRoom) return;
    const at = Object.fromEntries(
      asked.map(({ channel, position }) => [channel, position?.offset]),
    );
    this.#commands.send("ping", JSON.stringify({ at }), (reply, fault) => {
      if (!fault) this.subscriptions.answered(asked, reply.top);
    });
  }

  /** Another token, asked for by the driver's `refresh`. */
  refresh(token: string, now: number): void {
    this.#commands.now = now;
    this.#token = token;
    if (!this.#isConnected) return this.#isUp ? this.#connect() : undefined;
    this.#commands.send("refresh", JSON.stringify({ token }), (reply) => this.#lasts(reply.ttl));
  }

  /** The end: `unsent` is said of what was never sent. */
  stop(unsent: Fault, now: number): void {
    this.down(now);
    this.subscriptions.clear();
    this.#publications.stop(unsent);
    for (const { done } of this.#questions.splice(0)) done({ failed: unsent });
  }

  #connect(): void {
    this.#connectAt = Infinity;
    const publisher = this.#publisher;
    const members = {
      token: this.#token,
      session: this.#session,
      publisher,
      subs: this.subscriptions.connecting(),
    };
    this.#commands.send("connect", JSON.stringify(members), (reply, fault) => {
      if (fault?.temporary) this.#connectAt = this.#commands.now + LATER;
      else if (fault?.code === TOKEN_EXPIRED && !this.#isTokenNew) {
        this.#isTokenNew = true;
        this.#driver.refresh();
      } else if (fault) this.#driver.refused(fault);
      else this.#connected(reply, publisher);
    });
  }

  #connected(reply: any, publisher: string | undefined): void {
    const { now } = this.#commands;
    this.#isConnected = true;
    this.#expire();
    this.#session = reply.session;
    this.#publisher = reply.publisher;
    this.#window = reply.window_ms ?? Infinity;
    this.#commands.most = reply.max_message ?? Infinity;
    this.#pingAt = now + PING;
    this.#lasts(reply.ttl);
    if (reply.publisher !== publisher) this.#publications.forget();
    this.#driver.connected({ client: reply.client, resumed: reply.resumed === true });
  }

  /** The token lasts for so many seconds: another one is had when a fifth of them is left. */
  #lasts(seconds: number | undefined): void {
    this.#refreshAt = seconds ? this.#commands.now + seconds * 800 : Infinity;
  }

  #expire(): void {
    if (this.#publications.expire(this.#window)) this.#publisher = undefined;
  }

  /** Sends what is to be sent, as far as there is room. */
  #pump(): void {
    if (!this.#isConnected) return;
    this.subscriptions.pump();
    this.#publications.pump();
    while (this.#questions.length && this.#commands.hasRoom) {
      const question = this.#questions.shift() as Question;
      const { name, members, done } = question;
      const failed = this.#commands.excess(name, members);
      if (failed) {
        done({ failed });
        continue;
      }
      this.#asked.add(question);
      this.#commands.send(name, members, (answer, failed) => {
        this.#asked.delete(question);
        done(failed ? { failed } : { answer });
      });
    }
  }
}

/** One JSON object; anything else is nothing. */
function read(text: unknown): any {
  try {
    const message = JSON.parse(text as string);
    return typeof message === "object" ? message : undefined;
  } catch {
    return undefined;
  }
}
