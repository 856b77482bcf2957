// The line of this page: a `Socket` that comes back by itself, seen as a state. A new one is made
// only when a person connects to something; what the old one still says is not listened to.

import { Socket } from "./socket.js";
import { PAGE } from "./trouble.js";

/** The text that this server answers, empty where it has none. */
const WORD = document.querySelector("meta[name=heartbeat-word]")?.content ?? "";

/** Short, so that a person can watch it find a dead line; the usual is 25 s and 20 s. */
export const HEARTBEAT = { word: WORD, interval: 5000, timeout: 5000 };

/** Short for the same reason; the usual cap is 20 s. */
const BACKOFF = { first: 500, cap: 4000 };

/**
 * A browser does not show why a handshake failed. So the server may say its no after it: as the
 * first and only thing on a connection that just opened, with one of these codes.
 */
const isRefusal = (code) => code === 1013 || (code >= 4400 && code <= 4499);
const REFUSED_WITHIN_MS = 2000;

/** Whether a silent line to this URL can be asked for a sign of life. */
export const hasHeartbeat = (url) => isOwnServer(url) && WORD !== "";

/** What the close codes mean (RFC 6455 §7.4.1 and the IANA registry). */
const CLOSE_CODES = new Map([
  [1000, "normal closure"],
  [1001, "going away"],
  [1002, "protocol error"],
  [1003, "unsupported data"],
  [1005, "no close code"],
  [1006, "no closing handshake"],
  [1007, "invalid payload"],
  [1008, "policy violation"],
  [1009, "message too big"],
  [1010, "extension missing"],
  [1011, "internal error"],
  [1012, "service restart"],
  [1013, "try again later"],
  [1014, "bad gateway"],
  [1015, "TLS failure"],
]);

export const closeCodeName = (code) => CLOSE_CODES.get(code) ?? "";

/**
 * The WebSocket URL an endpoint means on this page: a path on the same host, or a whole `ws:` URL.
 *
 * Throws when it is not a URL.
 */
export function endpointUrl(endpoint) {
  const url = new URL(endpoint, location.href);
  url.protocol = url.protocol.replace(/^http/, "ws");
  url.hash = "";
  return url.href;
}

/** The subprotocols in a comma-separated list. */
export const subprotocols = (list) => list.split(",").map((name) => name.trim()).filter(Boolean);

const isOwnServer = (url) => new URL(url).host === location.host;

/** Whether it is the endpoint of this page: it takes the page's id, and trouble. */
export const isOwnEndpoint = (url) => isOwnServer(url) && new URL(url).pathname === location.pathname;

/**
 * Connects, comes back, sends and reports.
 *
 * `onState` gets `{ name, url, … }`, with `name` one of `connecting` (`attempt`), `open` (with
 * `protocol` and `extensions`), `waiting` (`attempt` and `delay` in ms of the next attempt, and
 * why: `cause`, `code`, `reason`, `advice`), `closing`, and `closed` (with `code`, `reason`, or
 * with `error` when the browser refused to try); the last three say whether it
 * `opened` before, and whether that was only to be `refused`.
 * `onMessage` gets a string or an `ArrayBuffer`, `onBeat` `{ isAnswer, roundTrip }`, `onReceipts`
 * the receipts of messages whose fate a loss left unknown.
 */
export class Line {
  #socket = null;
  #on;

  constructor(handlers) {
    this.#on = handlers;
  }

  /** Whether it is open or tries to be. */
  get isActive() {
    return [Socket.CONNECTING, Socket.OPEN].includes(this.#socket?.readyState);
  }

  /** What waits until the line is back: `{ messages, bytes }`. */
  get outbox() {
    return this.#socket?.outbox ?? { messages: 0, bytes: 0 };
  }

  connect(url, protocols) {
    this.#abandon();
    let socket;
    try {
      const heartbeat = hasHeartbeat(url) && HEARTBEAT;
      socket = new Socket(named(url), protocols, { heartbeat, backoff: BACKOFF });
    } catch (error) {
      this.#on.onState({ name: "closed", url, error: error.message });
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";

    let opened = false; // since the last loss
    let silentSince = NaN; // when it opened, until a message came
    const isRefused = (code) => isRefusal(code) && performance.now() - silentSince < REFUSED_WITHIN_MS;
    const tell = (state) => this.#on.onState({ url, ...state });
    const listen = (name, listener) =>
      socket.addEventListener(name, (event) => socket === this.#socket && listener(event));
    listen("connecting", ({ attempt }) => tell({ name: "connecting", attempt }));
    listen("open", () => {
      opened = true;
      silentSince = performance.now();
      tell({ name: "open", protocol: socket.protocol, extensions: socket.extensions });
    });
    listen("message", ({ data }) => {
      silentSince = NaN;
      this.#on.onMessage(data);
    });
    listen("heartbeat", ({ isAnswer, roundTrip }) => this.#on.onBeat({ isAnswer, roundTrip }));
    listen("down", ({ cause, code, reason, advice, attempt, delay, unknown }) => {
      const refused = isRefused(code);
      tell({ name: "waiting", cause, code, reason, advice, attempt, delay, opened, refused });
      this.#on.onReceipts(unknown);
      opened = false;
    });
    listen("close", ({ cause, code, reason, advice, unknown }) => {
      this.#socket = null;
      this.#on.onReceipts(unknown ?? []);
      tell({ name: "closed", cause, code, reason, advice, opened, refused: isRefused(code) });
    });
  }

  /** Starts the closing handshake and comes back no more; `closed` follows. */
  disconnect() {
    if (!this.isActive) return;
    if (this.#socket.readyState === Socket.OPEN) this.#on.onState({ name: "closing", url: this.#socket.url });
    this.#socket.close(1000);
  }

  /**
   * Sends one message, now or when the line is back: text for a string, binary for bytes or a
   * `Blob`. Gives its receipt; nothing when nobody would ever send it.
   */
  send(data) {
    return this.isActive ? this.#socket.send(data) : undefined;
  }

  #abandon() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }
}

/** The URL with the page's id, by which the server knows whom to trouble. */
function named(url) {
  if (!isOwnEndpoint(url)) return url;
  const own = new URL(url);
  own.searchParams.set("page", PAGE);
  return own.href;
}
