import type { Milliseconds } from "./backoff.js";
import type { Commands, Fault } from "./commands.js";
import type { Position } from "./position.js";

/** How long it takes until what cannot be had now is tried again. */
export const LATER: Milliseconds = 1_000;

/** The server has ended a subscription: subscribe again with the position, at once. */
const AGAIN = 2_500;

/** The error code for a channel that this client is subscribed to, as the server sees it. */
const ALREADY_SUBSCRIBED = 105;

/** What a subscription is told, as it came. */
export type News = "subscribed" | "publication" | "live" | "gap" | "join" | "leave" | "ended";

/** Who is told about one subscription. It returns when the user has been handed the news. */
export interface Reader {
  tell(news: News, what: any): void;
  /** The cursor's position is another one. */
  moved(position: Position): void;
}

/**
 * One subscription: where its user is in the channel's log.
 *
 * It is `idle` while nobody has asked the server on this line, `asked` until the server says where
 * it begins, then `active`; or `later` until it is time to ask again.
 */
export class Cursor {
  state: "idle" | "asked" | "active" | "later" = "idle";
  /** The command that asked; `undefined` when `connect` did. */
  askedBy: number | undefined;
  /** When it is asked for again. */
  retryAt = Infinity;
  /** The newest offset that an answer to a ping has named. */
  promised = 0;

  constructor(
    readonly channel: string,
    public position: Position | undefined,
    readonly joinLeave: boolean,
    readonly reader: Reader,
  ) {}

  /** What `subscribe` says of it beside the channel. */
  get members(): object {
    return { ...this.position, ...(this.joinLeave && { join_leave: true }) };
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
    for (const { retryAt } of this.#cursors.values()) first = Math.min(first, retryAt);
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
  }

  /** Its user wants it no more. */
  remove(cursor: Cursor): void {
    if (!this.isCurrent(cursor)) return;
    this.#cursors.delete(cursor.channel);
    if (cursor.state === "asked" || cursor.state === "active") this.#unwanted.push(cursor.channel);
  }

  clear(): void {
    this.#cursors.clear();
    this.#unwanted = [];
  }

  /** The line is lost. */
  lose(): void {
    this.#unwanted = [];
    for (const cursor of this.#cursors.values()) setState(cursor, "idle");
  }

  /** What `connect` says: all of them. */
  connecting(): Record<string, object> | undefined {
    const subs: Record<string, object> = Object.create(null);
    for (const cursor of this.#cursors.values()) {
      subs[cursor.channel] = cursor.members;
      setState(cursor, "asked");
    }
    return this.#cursors.size ? subs : undefined;
  }

  /** Sends what is to be sent, as far as there is room. */
  pump(): void {
    while (this.commands.hasRoom && this.#unwanted.length) {
      const channel = this.#unwanted.shift() as string;
      this.commands.send("unsubscribe", JSON.stringify({ channel }), () => {});
    }
    for (const cursor of this.#cursors.values()) {
      if (cursor.retryAt <= this.commands.now) setState(cursor, "idle");
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
    if (temporary || code === ALREADY_SUBSCRIBED) this.#later(cursor);
    else this.#end(cursor, { code: 2_000 + code, reason: message });
  }

  #begin(cursor: Cursor, { epoch, offset, recovered, gap }: any): void {
    setState(cursor, "active");
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
  cursor.retryAt = Infinity;
  cursor.promised = 0;
}
