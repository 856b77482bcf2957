// Messages and bytes each way, time since open, and the round trip of the last echo.

import { formatDelay, formatSize, formatUptime } from "./bytes.js";

const MAX_PENDING = 256;

export class Counters {
  #show;
  #sent = { messages: 0, bytes: 0 };
  #received = { messages: 0, bytes: 0 };
  #pending = [];
  #openedAt = 0;
  #tick = 0;

  /** `show(id, text)` puts a number on the page. */
  constructor(show) {
    this.#show = show;
  }

  /** A new connection: everything starts at zero. */
  opened() {
    this.ended();
    this.#sent = { messages: 0, bytes: 0 };
    this.#received = { messages: 0, bytes: 0 };
    this.#openedAt = performance.now();
    this.#showTraffic("sent", this.#sent);
    this.#showTraffic("received", this.#received);
    this.#show("round-trip", "–");
    this.#showUptime();
    this.#tick = setInterval(() => this.#showUptime(), 1000);
  }

  /** The connection is over: the numbers stay, the clock stops. */
  ended() {
    if (!this.#tick) return;
    clearInterval(this.#tick);
    this.#tick = 0;
    this.#showUptime();
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
    this.#show("round-trip", formatDelay(roundTrip));
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

  #showUptime() {
    this.#show("uptime", formatUptime(performance.now() - this.#openedAt));
  }
}
