import type { Milliseconds } from "./backoff.js";
import type { Commands, Fault } from "./commands.js";
import type { Position } from "./position.js";

/** How long it takes until what cannot be had now is tried again. */
export const LATER: Milliseconds = 1_000;

/** The server has ended a subscription: subscribe again with the position, at once. */
const AGAIN = 2_500;

/** The error code for a token that has expired. */
export const TOKEN_EXPIRED = 109;

/** The error code for what this client may not do. */
const NOT_ALLOWED = 103;

/** The error code for a channel that this client is subscribed to, as the server sees it. */
const ALREADY_SUBSCRIBED = 105;

/** What a subscription is told, as it came. */
export type News = "subscribed" | "publication" | "live" | "gap" | "join" | "leave" | "ended";

/** Who is told about one subscription. It returns when the user has been handed the news. */
export interface Reader {
  tell(news: News, what: any): void;
  /** The cursor's position is another one. */
  moved(position: Position): void;
  /**
   * Gives a token for the channel, or says that there is none, by {@link Subscriptions.token}: later
   * than this returns, and once. Without it there is no other token than the cursor's first.
   */
  token?: (() => void) | undefined;
}

/**
 * One subscription: where its user is in the channel's log.
 *
 * It is `idle` while nobody has asked the server on this line, `asked` until the server says where
 * it begins, then `active`; or `later` until it is time to ask again. While it has no token and needs
 * one it is `bare`, on whatever line.
 */
export class Cursor {
  state: "idle" | "asked" | "active" | "later" | "bare" = "idle";
  /** The command that asked, or shows another token; `undefined` when `connect` asked. */
  askedBy: number | undefined;
  /** When it is asked for again. */
  retryAt = Infinity;
  /** The newest offset that an answer to a ping has named. */
  promised = 0;
  /** When another token is to be had. */
  refreshAt = Infinity;
  /** Whether the reader was asked for a token, and has not answered. */
  awaitsToken = false;
  /** Whether another token was asked for, because the last one was too old, and none held since. */
  isTokenNew = false;

  constructor(
    readonly channel: string,
    public position: Position | undefined,
    readonly joinLeave: boolean,
    readonly reader: Reader,
    public token?: string,
  ) {}

  /** What `subscribe` says of it beside the channel. */
  get members(): object {
    return { ...this.position, ...(this.joinLeave && { join_leave: true }), token: this.token };
  }

  move(position: Position): void {
    this.position = position;
    this.reader.moved(position);
  }
}

/** The subscriptions of a client over all its lines. */
export class Subscriptions {
  #cursors = new Map<string, Cursor>();
  /** Channels of which the server is to be told that nobody wants them any more. */
  #unwanted: string[] = [];

  constructor(readonly commands: Commands) {}

  /** When the first of them is to be asked for again. */
  get deadline(): number {
    let first = Infinity;
    for (const { retryAt, refreshAt } of this.#cursors.values()) {
      first = Math.min(first, retryAt, refreshAt);
    }
    return first;
  }

  /** Those that publications come for. */
  get active(): Cursor[] {
    return [...this.#cursors.values()].filter(({ state }) => state === "active");
  }

  has(channel: string): boolean {
    return this.#cursors.has(channel);
  }

  add(cursor: Cursor): void {
    this.#cursors.set(cursor.channel, cursor);
    this.#require(cursor);
  }

  /** The reader's answer: a token for the channel, or why there is none. */
  token(cursor: Cursor, token: string | undefined, why: string): void {
    if (!this.isCurrent(cursor) || !cursor.awaitsToken) return;
    cursor.awaitsToken = false;
    if (typeof token !== "string") return this.#dismiss(cursor, `no token: ${why}`, TOKEN_EXPIRED);
    cursor.token = token;
    if (cursor.state === "bare") setState(cursor, "idle");
    else if (cursor.state === "active") this.#refresh(cursor);
  }

  /** Its user wants it no more. */
  remove(cursor: Cursor): void {
    if (!this.isCurrent(cursor)) return;
    this.#cursors.delete(cursor.channel);
    if (cursor.state === "asked" || cursor.state === "active") this.#unwanted.push(cursor.channel);
  }

  /** It cannot go on here, though the server may have it. */
  #dismiss(cursor: Cursor, reason: string, code: number): void {
    this.remove(cursor);
    this.#end(cursor, { code: 2_000 + code, reason });
  }

  clear(): void {
    this.#cursors.clear();
    this.#unwanted = [];
  }

  /** The line is lost. */
  lose(): void {
    this.#unwanted = [];
    for (const cursor of this.#cursors.values()) {
      if (cursor.state !== "bare") setState(cursor, "idle");
    }
  }

  /** What `connect` says: all of them, but those without the token that they need. */
  connecting(): Record<string, object> | undefined {
    const subs: Record<string, object> = Object.create(null);
    let isEmpty = true;
    for (const cursor of this.#cursors.values()) {
      if (cursor.state === "bare") continue;
      isEmpty = false;
      subs[cursor.channel] = cursor.members;
      setState(cursor, "asked");
    }
    return isEmpty ? undefined : subs;
  }

  /** Sends what is to be sent, as far as there is room. */
  pump(): void {
    while (this.commands.hasRoom && this.#unwanted.length) {
      const channel = this.#unwanted.shift() as string;
      this.commands.send("unsubscribe", JSON.stringify({ channel }), () => {});
    }
    for (const cursor of this.#cursors.values()) {
      if (cursor.retryAt <= this.commands.now) setState(cursor, "idle");
      if (cursor.refreshAt <= this.commands.now) {
        cursor.refreshAt = Infinity;
        this.#want(cursor);
      }
      if (cursor.state === "idle" && this.commands.hasRoom) this.#ask(cursor);
    }
  }

  /** A push came. */
  pushed(push: any): void {
    const cursor = this.#cursors.get(push.channel);
    if (!cursor) return;
    const isAskedByConnect = cursor.state === "asked" && cursor.askedBy === undefined;
    const isActive = cursor.state === "active";
    if (push.subscribe && isAskedByConnect) this.#begin(cursor, push.subscribe);
    else if (push.unsubscribe && (isActive || isAskedByConnect)) {
      this.#endOf(cursor, push.unsubscribe);
    } else if (!isActive) return;
    else if (push.pub) this.#publication(cursor, push.pub);
    else if (push.gap) this.#gap(cursor, push.gap);
    else if (push.live) cursor.reader.tell("live", push.live);
    else if (push.join) cursor.reader.tell("join", push.join.info);
    else if (push.leave) cursor.reader.tell("leave", push.leave.info);
  }

  /**
   * A ping was answered. What the answer before this one named has been sent by now, so a cursor
   * that has not had it never will.
   */
  answered(asked: readonly Cursor[], top: Record<string, number> = {}): void {
    for (const cursor of asked) {
      const { channel, position, promised } = cursor;
      if (!this.isCurrent(cursor) || cursor.state !== "active" || !position) continue;
      if (position.offset < promised) this.#again(cursor);
      else cursor.promised = Object.hasOwn(top, channel) ? (top[channel] as number) : 0;
    }
  }

  /** Whether its user wants it, and the server has not ended it. */
  isCurrent(cursor: Cursor): boolean {
    return this.#cursors.get(cursor.channel) === cursor;
  }

  #ask(cursor: Cursor): void {
    setState(cursor, "asked");
    const members = JSON.stringify({ channel: cursor.channel, ...cursor.members });
    const id = this.commands.send("subscribe", members, (reply, fault) => {
      if (!this.isCurrent(cursor) || cursor.askedBy !== id) return;
      if (!fault) this.#begin(cursor, reply);
      else this.#refused(cursor, fault);
    });
    cursor.askedBy = id;
  }

  #refused(cursor: Cursor, { code, message, temporary }: Fault): void {
    // The server subscribed this client of its own accord: what it sends has no position of ours.
    if (code === ALREADY_SUBSCRIBED) this.#unwanted.push(cursor.channel);
    if (code === TOKEN_EXPIRED) this.#expired(cursor, message);
    else if (temporary || code === ALREADY_SUBSCRIBED) this.#later(cursor);
    else this.#end(cursor, { code: 2_000 + code, reason: message });
  }

  /** Without a token it waits for one, if there is anybody who gives one. */
  #require(cursor: Cursor): void {
    if (!cursor.reader.token || cursor.token !== undefined) return;
    setState(cursor, "bare");
    this.#want(cursor);
  }

  #want(cursor: Cursor): void {
    if (cursor.awaitsToken) return;
    cursor.awaitsToken = true;
    cursor.reader.token?.();
  }

  /** The token is too old, once; or the one after it is, too. */
  #expired(cursor: Cursor, reason: string): void {
    if (!cursor.reader.token || cursor.isTokenNew) {
      return this.#end(cursor, { code: 2_000 + TOKEN_EXPIRED, reason });
    }
    cursor.isTokenNew = true;
    cursor.token = undefined;
    this.#require(cursor);
  }

  /** Shows another token for what goes on. */
  #refresh(cursor: Cursor): void {
    const { channel, token } = cursor;
    const id = this.commands.send("sub_refresh", JSON.stringify({ channel, token }), (reply, fault) => {
      if (!this.isCurrent(cursor) || cursor.askedBy !== id) return;
      if (!fault) this.#holds(cursor, reply.ttl);
      else if (fault.temporary) cursor.refreshAt = this.commands.now + LATER;
      else if (fault.code === TOKEN_EXPIRED && !cursor.isTokenNew) {
        cursor.isTokenNew = true;
        this.#want(cursor);
      } else if (fault.code === TOKEN_EXPIRED || fault.code === NOT_ALLOWED) {
        this.#dismiss(cursor, fault.message, fault.code);
      }
      // Else the server cannot be shown another one now: it ends the subscription when it must.
    });
    cursor.askedBy = id;
  }

  /** The token holds for so many seconds: another one is had when a fifth of them is left. */
  #holds(cursor: Cursor, seconds: number | undefined): void {
    cursor.isTokenNew = false;
    if (cursor.reader.token && seconds) cursor.refreshAt = this.commands.now + seconds * 800;
  }

  #begin(cursor: Cursor, { epoch, offset, recovered, gap, ttl }: any): void {
    setState(cursor, "active");
    this.#holds(cursor, ttl);
    const { position } = cursor;
    // Without a gap it goes on where the user is. With one, the position moves when it was told.
    if (!position) cursor.move({ epoch, offset });
    else if (!gap) cursor.move({ epoch, offset: position.offset });
    cursor.reader.tell("subscribed", { epoch, offset, ...(position && { recovered }) });
    if (gap && this.isCurrent(cursor)) this.#gap(cursor, gap);
  }

  #publication(cursor: Cursor, pub: any): void {
    const { epoch, offset } = cursor.position as Position;
    if (!(pub.offset > offset)) return;
    if (pub.offset !== offset + 1) return this.#again(cursor);
    cursor.reader.tell("publication", { epoch, ...pub });
    cursor.move({ epoch, offset: pub.offset });
  }

  #gap(cursor: Cursor, gap: any): void {
    const { epoch, offset } = cursor.position as Position;
    if (gap.epoch === epoch && gap.from > offset + 1) return this.#again(cursor);
    cursor.promised = 0;
    cursor.reader.tell("gap", gap);
    cursor.move({ epoch: gap.epoch, offset: gap.offset });
  }

  /** Something was left out: asks anew from the position. */
  #again(cursor: Cursor): void {
    this.#unwanted.push(cursor.channel);
    setState(cursor, "idle");
  }

  #endOf(cursor: Cursor, { code, reason }: any): void {
    if (code === AGAIN) setState(cursor, "idle");
    else if (code === AGAIN + TOKEN_EXPIRED) this.#expired(cursor, reason);
    else if (code > AGAIN) this.#later(cursor);
    else this.#end(cursor, { code, reason });
  }

  #later(cursor: Cursor): void {
    setState(cursor, "later");
    cursor.retryAt = this.commands.now + LATER;
  }

  #end(cursor: Cursor, why: { code: number; reason: string }): void {
    this.#cursors.delete(cursor.channel);
    cursor.reader.tell("ended", why);
  }
}

function setState(cursor: Cursor, state: Cursor["state"]): void {
  cursor.state = state;
  cursor.askedBy = undefined;
  cursor.retryAt = cursor.refreshAt = Infinity;
  cursor.promised = 0;
}
