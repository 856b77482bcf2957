import { Emitter, emit, type On } from "./emitter.js";
import { read } from "./payload.js";
import type { Position } from "./position.js";
import { Cursor, type News, type Reader } from "./subscriptions.js";

/** How to subscribe. */
export interface SubscribeOptions {
  /**
   * Where to begin: just after this position, or `"last"`: with what is published from now on.
   * Default: where the storage says, else `"last"`.
   */
  since?: Position | string;
  /** Whether to be told who joins and leaves. Default `false`. */
  presence?: boolean;
  /**
   * A token for the channel, where the server wants one; or a function that gets one. It is called
   * at first, before the token is too old (when a fifth of its time is left), and once more when the
   * server finds it too old. When it throws, the subscription ends with 2109 and the reason; so does
   * one whose fixed token has expired, or that is given an expired token twice. A token that is not
   * accepted ends it with 2103. What is got after `unsubscribe` is not used. Default: none.
   *
   * @example
   * ```ts
   * const room = client.subscribe("private:board", {
   *   token: async ({ channel }) => {
   *     const response = await fetch(`/token?channel=${encodeURIComponent(channel)}`);
   *     if (!response.ok) throw new Error(`the login has answered ${response.status}`);
   *     return response.text();
   *   },
   * });
   * room.onended = ({ code, reason }) => console.log(code, reason);
   * ```
   */
  token?: string | TokenSource;
}

/** Gets a token for a channel. */
export type TokenSource = (ask: { readonly channel: string }) => Promise<string> | string;

/** The server has said where the subscription begins, or goes on after a loss. */
export interface SubscribedEvent extends Event {
  readonly position: Position;
  /** Whether everything after the position that was asked for comes; `undefined` if none was. */
  readonly recovered: boolean | undefined;
}

/** A publication: the next one in the log. */
export interface PublicationEvent extends Event {
  /** A JSON value, of which a string is a text; or a `Uint8Array`. */
  readonly data: any;
  readonly offset: number;
  readonly epoch: string;
}

/** Everything that was there when it was subscribed to has come. */
export interface LiveEvent extends Event {
  readonly offset: number;
}

/** Publications `from` to `to` do not come. It goes on after `position`. */
export interface Gap {
  /**
   * `expired`: no longer kept. `epoch`: the log is another one. `diverged`: it was cut back to
   * `fork`, and what came after that is void. `slow`: this client has read too slowly.
   */
  readonly reason: "expired" | "epoch" | "diverged" | "slow" | (string & {});
  readonly fork: number | undefined;
  readonly from: number;
  /** Below `from` when none of this log is missing. */
  readonly to: number;
  readonly position: Position;
}

/** Something is missing. It is told before the next publication. */
export interface GapEvent extends Event, Gap {}

/** A client of the channel. */
export interface Member {
  /** The connection's name. */
  readonly client: string;
  /** Its user; empty for nobody in particular. */
  readonly user: string;
  /** What else its token says of the user: any JSON value. */
  readonly info?: any;
}

/** Somebody has joined or left. */
export interface MemberEvent extends Event, Member {}

/** The server has ended the subscription for good. */
export interface EndedEvent extends Event {
  /** 2000, or 2000 and an error code: docs/protocol.md has the tables. */
  readonly code: number;
  readonly reason: string;
}

/** The events of a `Subscription`. */
export interface SubscriptionEventMap {
  subscribed: SubscribedEvent;
  publication: PublicationEvent;
  live: LiveEvent;
  gap: GapEvent;
  join: MemberEvent;
  leave: MemberEvent;
  ended: EndedEvent;
}

const EVENTS = ["subscribed", "publication", "live", "gap", "join", "leave", "ended"] as const;

/** What a subscription wants of its client. */
export interface Owner {
  unsubscribe(cursor: Cursor): void;
  moved(cursor: Cursor): void;
  ended(): void;
  /** Gets a token for the channel. */
  token?: ((cursor: Cursor) => void) | undefined;
}

/**
 * One channel, read in order: between two gaps every publication comes once.
 *
 * It goes on by itself after each loss of the connection.
 */
export class Subscription extends Emitter<SubscriptionEventMap> {
  declare onsubscribed: On<SubscriptionEventMap["subscribed"]>;
  declare onpublication: On<SubscriptionEventMap["publication"]>;
  declare onlive: On<SubscriptionEventMap["live"]>;
  declare ongap: On<SubscriptionEventMap["gap"]>;
  declare onjoin: On<SubscriptionEventMap["join"]>;
  declare onleave: On<SubscriptionEventMap["leave"]>;
  declare onended: On<SubscriptionEventMap["ended"]>;

  #owner: Owner;
  #cursor: Cursor;

  /** @internal */
  constructor(
    /** The channel's name. */
    readonly channel: string,
    since: Position | undefined,
    presence: boolean,
    owner: Owner,
    begin: (cursor: Cursor) => void,
    token?: string,
  ) {
    super(EVENTS);
    this.#owner = owner;
    const reader: Reader = {
      tell: (news, what) => {
        if (news === "ended") owner.ended();
        emit(this, news, FIELDS[news](what));
      },
      moved: () => owner.moved(this.#cursor),
      token: owner.token && (() => owner.token?.(this.#cursor)),
    };
    this.#cursor = new Cursor(channel, since, presence, reader, token);
    begin(this.#cursor);
  }

  /**
   * How far this page has come; `undefined` before the first subscription. It moves when the
   * handlers of a publication have returned.
   */
  get position(): Position | undefined {
    return this.#cursor.position;
  }

  /** Ends it: no event follows. What the storage kept of it is forgotten. */
  unsubscribe(): void {
    this.#owner.unsubscribe(this.#cursor);
  }
}

/** What the events have, of what came. */
const FIELDS: Record<News, (what: any) => object> = {
  subscribed: ({ epoch, offset, recovered }) => ({ position: { epoch, offset }, recovered }),
  publication: (what) => ({ data: read(what), offset: what.offset, epoch: what.epoch }),
  live: ({ offset }) => ({ offset }),
  gap: gapOf,
  join: ({ client, user }) => ({ client, user }),
  leave: ({ client, user }) => ({ client, user }),
  ended: ({ code, reason }) => ({ code, reason }),
};

/** A gap, as it came. */
export function gapOf({ reason, fork, from, to, epoch, offset }: any): Gap {
  return { reason, fork, from, to, position: { epoch, offset } };
}
