// Messages and bytes each way, and which of those that come are echoes.

import { formatSize } from "./bytes.js";

const MAX_PENDING = 256;

export class Counters {
  #show;
  #sent = { messages: 0, bytes: 0 };
  #received = { messages: 0, bytes: 0 };
  #pending = [];

  /** `show(id, text)` puts a number on the page. */
  constructor(show) {
    this.#show = show;
  }

  /** Another target: everything starts at zero. */
  reset() {
    this.#sent = { messages: 0, bytes: 0 };
    this.#received = { messages: 0, bytes: 0 };
    this.#pending = [];
    this.#showTraffic("sent", this.#sent);
    this.#showTraffic("received", this.#received);
  }

  /** The connection is new: no echo comes from an old one. */
  forget() {
    this.#pending = [];
  }

  sent({ size, print }) {
    this.#count("sent", this.#sent, size);
    this.#pending.push({ print, at: performance.now() });
    if (this.#pending.length > MAX_PENDING) this.#pending.shift();
  }

  /** Counts a message; gives the round trip in ms when it is the echo of one that was sent. */
  received({ size, print }) {
    this.#count("received", this.#received, size);
    const index = this.#pending.findIndex((sent) => sent.print === print);
    if (index < 0) return undefined;
    const roundTrip = performance.now() - this.#pending[index].at;
    this.#pending.splice(0, index + 1);
    return roundTrip;
  }

  #count(name, traffic, size) {
    traffic.messages += 1;
    traffic.bytes += size;
    this.#showTraffic(name, traffic);
  }

  #showTraffic(name, { messages, bytes }) {
    this.#show(`${name}-messages`, messages.toLocaleString("en"));
    this.#show(`${name}-bytes`, formatSize(bytes));
  }
}
