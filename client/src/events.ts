import type { Milliseconds } from "./backoff.js";
import type { LossInfo } from "./options.js";

/** An attempt begins. */
export interface ConnectingEvent extends Event {
  /** Its number since the last good connection, from 1. */
  readonly attempt: number;
}

/** The connection is lost or the attempt failed, and the next attempt has its time. */
export interface DownEvent extends Event, LossInfo {
  /** The number of the next attempt. */
  readonly attempt: number;
  /** The time until then; a hint that the network is back may shorten it. */
  readonly delay: Milliseconds;
}

/** A message came. It has what is used of a `MessageEvent`. */
export interface ReceivedEvent extends Event {
  /** A string, or binary data as `binaryType` says. */
  readonly data: any;
  /** The origin of the server. */
  readonly origin: string;
}

/** The socket has stopped for good. */
export interface StopEvent extends Event, LossInfo {}

/** A heartbeat was sent, or answered. */
export interface BeatEvent extends Event {
  readonly isAnswer: boolean;
  /** How long the last answer took; `null` before the first. */
  readonly roundTrip: Milliseconds | null;
}

/** Something went wrong; a matter of information, `down` or `close` follows. */
export interface TroubleEvent extends Event {
  /** The error, where the browser shows one. */
  readonly error: unknown;
}

/** The events of a `Socket`. */
export interface SocketEventMap {
  /** An attempt begins. */
  connecting: ConnectingEvent;
  /** The connection is there; each time. What is sent in its handlers goes before what waited. */
  open: Event;
  /** A message came; answers to heartbeats are not shown. */
  message: ReceivedEvent;
  /** For information; what counts is `down` or `close`. */
  error: TroubleEvent;
  /** The connection is lost or the attempt failed; it will try again. */
  down: DownEvent;
  /** A heartbeat was sent, or answered. */
  heartbeat: BeatEvent;
  /** It has stopped for good. */
  close: StopEvent;
}

/** What an `on…` property holds. */
export type Handler<Type extends keyof SocketEventMap> =
  | ((event: SocketEventMap[Type]) => void)
  | null;
