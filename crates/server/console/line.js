// The line: one WebSocket at a time, seen as a state. An old socket is abandoned before a new one
// opens, so no late event of it can touch the new one.

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

/**
 * Connects, sends and reports.
 *
 * `onState` gets `{ name, url, … }`, with `name` one of `connecting`, `open` (with `protocol` and
 * `extensions`), `closing`, and `closed` (with `code`, `reason`, `opened`, or with `error` when the
 * browser refused to try). `onMessage` gets a string or an `ArrayBuffer`.
 */
export class Line {
  #socket = null;
  #onState;
  #onMessage;

  constructor({ onState, onMessage }) {
    this.#onState = onState;
    this.#onMessage = onMessage;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  connect(url, protocols) {
    this.#abandon();
    this.#onState({ name: "connecting", url });
    let socket;
    try {
      socket = new WebSocket(url, protocols);
    } catch (error) {
      this.#onState({ name: "closed", url, error: error.message });
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";

    let opened = false;
    socket.onopen = () => {
      opened = true;
      const { protocol, extensions } = socket;
      this.#onState({ name: "open", url, protocol, extensions });
    };
    socket.onmessage = ({ data }) => this.#onMessage(data);
    socket.onclose = ({ code, reason }) => {
      this.#socket = null;
      this.#onState({ name: "closed", url, code, reason, opened });
    };
  }

  /** Starts the closing handshake; `closed` follows when the server has answered. */
  disconnect() {
    if (!this.#socket) return;
    this.#onState({ name: "closing", url: this.#socket.url });
    this.#socket.close(1000);
  }

  /** Sends one message: text for a string, binary for bytes or a `Blob`. False if not open. */
  send(data) {
    if (!this.isOpen) return false;
    this.#socket.send(data);
    return true;
  }

  #abandon() {
    if (!this.#socket) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close(1000);
    this.#socket = null;
  }
}
