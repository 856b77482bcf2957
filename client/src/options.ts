import type { Advice } from "./advice.js";
import type { Milliseconds } from "./backoff.js";
import type { Pulse } from "./heartbeat.js";
import type { Bounds, Receipt } from "./outbox.js";
import type { Decision, Policy } from "./reconnect.js";

/** What caused a loss. Only `close` comes with a code and a reason of the peer or the browser. */
export type Cause =
  /** The connection was closed, or the attempt failed. */
  | "close"
  /** Nothing came after a heartbeat. */
  | "heartbeat"
  /** The attempt took longer than `connectTimeout`. */
  | "timeout"
  /** The function for the URL or the subprotocols failed, or the constructor of `WebSocket` did. */
  | "target"
  /** The page went into the back/forward cache. */
  | "page";

/** How a connection or an attempt ended. */
export interface LossInfo {
  /** What caused it; `undefined` when the application asked for it. */
  readonly cause: Cause | undefined;
  /** The close code; 1006 where there was no closing handshake. */
  readonly code: number;
  /** The close reason, or the message of the error. */
  readonly reason: string;
  /** Whether there was a closing handshake. */
  readonly wasClean: boolean;
  /** What the close reason says about coming back, if it says anything. */
  readonly advice: Advice | undefined;
  /** Messages of which nobody knows whether they arrived. They are not sent again. */
  readonly unknown: readonly Receipt[];
}

/** What a function for the URL or the subprotocols is told. */
export interface Attempt {
  /** The number of this attempt since the last good connection, from 1. */
  readonly attempt: number;
  /** How the attempt or connection before this one ended. */
  readonly lost: LossInfo | undefined;
}

/** A value, or a function that gives it for each attempt. When it fails, the attempt has failed. */
export type PerAttempt<T> = T | ((attempt: Attempt) => T | Promise<T>);

/** Thrown by a function for the URL or the subprotocols: stop, do not try again. */
export class StopError extends Error {
  override name = "StopError";
}

/** What is used of a `WebSocket`: the one of browsers, of Node 22, of the package `ws`, … */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  readonly extensions: string;
  readonly protocol: string;
  readonly readyState: number;
  readonly url: string;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  close(code?: number, reason?: string): void;
  send(data: any): void;
}

/** A class of such. */
export type WebSocketClass = new (url: any, protocols?: any) => WebSocketLike;

/** The heartbeat: a text message that the server answers. */
export interface HeartbeatOptions {
  /** The text that is sent. Default `"HeartBeat"`. */
  word?: string;
  /** The text that answers it, which is then not handed on. Default: the word. */
  reply?: string;
  /** A beat is sent after this much silence. Default 25,000 ms. */
  interval?: Milliseconds;
  /** The line is dead when nothing at all came for this long after a beat. Default 20,000 ms. */
  timeout?: Milliseconds;
}

/** All that can be set. Times are in milliseconds, sizes in bytes. */
export interface SocketOptions {
  /** Asks a silent line for a sign of life. `false`: never; then a cut line is not noticed. */
  heartbeat?: HeartbeatOptions | false;
  /**
   * How long to wait before an attempt: anything from 0 to a ceiling that begins with `first`
   * (default 500 ms) and doubles up to `cap` (default 20,000 ms); or always the same.
   */
  backoff?: { first?: Milliseconds; cap?: Milliseconds } | { fixed: Milliseconds };
  /** A connection that was open for this long begins the backoff anew. Default 10,000 ms. */
  minUptime?: Milliseconds;
  /** The time for an attempt, functions for URL and subprotocols included. Default 10,000 ms. */
  connectTimeout?: Milliseconds;
  /** Stop after so many attempts without a good connection. Default: no limit. */
  maxAttempts?: number;
  /** The longest delay that the server's advice may ask for. Default 300,000 ms. */
  maxAdvice?: Milliseconds;
  /** What follows a loss, by close code, or by a function; `undefined` is the default decision. */
  decisions?:
    | { readonly [code: number]: Decision }
    | ((loss: LossInfo) => Decision | undefined);
  /** Messages that wait. Default 1,000 messages, 1,048,576 bytes, 60,000 ms, `"reject"`. */
  outbox?: Partial<Bounds>;
  /** The class to connect with. Default: the global `WebSocket`, which Node has from 22. */
  WebSocket?: WebSocketClass;
}

/** All options in one, none missing. */
export interface Settings
  extends Policy,
    Pulse,
    Bounds,
    Required<Pick<HeartbeatOptions, "word" | "reply">>,
    Pick<SocketOptions, "decisions" | "heartbeat"> {
  WebSocket: WebSocketClass;
  random: () => number;
}

/**
 * Fills in the defaults.
 *
 * @throws RangeError when a time or a bound is not a positive number
 * @throws TypeError when there is no class to connect with
 */
export function settingsOf(options: SocketOptions): Settings {
  const settings: any = {
    first: 500,
    cap: 20_000,
    minUptime: 10_000,
    connectTimeout: 10_000,
    maxAttempts: Infinity,
    maxAdvice: 300_000,
    interval: 25_000,
    timeout: 20_000,
    messages: 1_000,
    bytes: 1 << 20,
    expiry: 60_000,
    overflow: "reject",
    word: "HeartBeat",
    heartbeat: true,
    WebSocket: globalThis.WebSocket,
    random: Math.random,
    fixed: Infinity,
  };
  for (const group of [options, options.backoff, options.outbox, options.heartbeat]) {
    for (const [name, value] of Object.entries(group || {})) {
      if (value === undefined) continue;
      if (typeof settings[name] === "number" && !(value > 0)) throw new RangeError(name);
      settings[name] = value;
    }
  }
  settings.reply ??= settings.word;
  if (settings.fixed < Infinity) {
    // All of the ceiling, which is always the same.
    settings.first = settings.cap = settings.fixed;
    settings.random = () => 1;
  }
  if (!settings.WebSocket) throw new TypeError("no WebSocket");
  return settings;
}
