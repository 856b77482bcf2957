// The figures under the picture of the line: how long it is open or when the next attempt comes,
// the heartbeat and its round trip, drops, and what waits in the outbox.

import { formatDelay, formatSize, formatUptime } from "./bytes.js";
import { hasHeartbeat } from "./line.js";

const TICK_MS = 100;
const KEPT_TRIPS = 100;

export class Figures {
  #show;
  #find;
  #heartbeat;
  #history;
  #line;
  #clock = { label: "Open for", since: 0, until: 0, note: "" };
  #tick = 0;
  #trips = [];
  #beatAt = 0;

  /** `find(id)` gives an element, `heartbeat` is `{ interval, timeout }` in ms. */
  constructor(find, history, line, heartbeat) {
    this.#find = find;
    this.#show = (id, text) => {
      if (find(id).textContent !== text) find(id).textContent = text;
    };
    this.#history = history;
    this.#line = line;
    this.#heartbeat = heartbeat;
    this.#beat("idle");
  }

  /** Follows the state of the line. */
  state(state) {
    const now = performance.now();
    switch (state.name) {
      case "open":
        this.#clock = { label: "Open for", since: now };
        this.#beat(hasHeartbeat(state.url) ? "quiet" : "off");
        break;
      case "connecting":
        this.#clock = { label: state.attempt > 1 ? `Attempt ${state.attempt}, for` : "Connecting for", since: now };
        this.#beat("idle");
        break;
      case "waiting":
        this.#clock = { label: `Attempt ${state.attempt} in`, since: now, until: now + state.delay };
        this.#beat("idle");
        break;
      case "closed":
        this.#clock = { ...this.#clock, stoppedAt: now };
        this.#beat("idle");
        break;
    }
    this.#find("countdown").hidden = state.name !== "waiting";
    clearInterval(this.#tick);
    if (["open", "connecting", "waiting"].includes(state.name)) this.#tick = setInterval(() => this.refresh(), TICK_MS);
    this.refresh();
  }

  beatSent() {
    this.#beat("awaited");
    this.refresh();
  }

  beatAnswered(roundTrip) {
    this.#beat("answered");
    this.#trips.push(roundTrip);
    if (this.#trips.length > KEPT_TRIPS) this.#trips.shift();
    const sorted = this.#trips.toSorted((a, b) => a - b);
    this.#show("round-trip", formatDelay(roundTrip));
    this.#show("round-trip-note", `median ${formatDelay(sorted[(sorted.length - 1) >> 1])}, worst ${formatDelay(sorted.at(-1))}`);
    this.refresh();
  }

  /** Brings what depends on time up to date. */
  refresh() {
    const now = performance.now();
    const { label, since, until, stoppedAt } = this.#clock;
    this.#show("clock-label", label);
    if (until) {
      const left = Math.max(0, until - now);
      this.#show("clock", `${(left / 1000).toFixed(1)} s`);
      this.#find("countdown").style.setProperty("--share", until > since ? left / (until - since) : 0);
    } else {
      this.#show("clock", since ? formatUptime((stoppedAt ?? now) - since) : "–");
    }
    const { dropCount, downMs } = this.#history;
    this.#show("drop-count", dropCount.toLocaleString("en"));
    this.#show("drop-note", dropCount ? `down ${(downMs / 1000).toFixed(1)} s in all` : "never down");
    this.#showOutbox(this.#line.outbox);
    this.#showBeat(now);
  }

  #showOutbox({ messages, bytes }) {
    this.#find("outbox").dataset.waiting = String(messages > 0);
    this.#show("outbox-messages", messages.toLocaleString("en"));
    this.#show("outbox-bytes", messages ? `${formatSize(bytes)} wait` : "nothing waits");
  }

  #beat(state) {
    const element = this.#find("line");
    // The same value again would not start the picture of the beat again.
    if (element.dataset.beat === state) element.dataset.beat = "";
    void element.offsetWidth;
    element.dataset.beat = state;
    this.#beatAt = performance.now();
    const { interval, timeout } = this.#heartbeat;
    const rule = `asks after ${interval / 1000} s, dead after ${(interval + timeout) / 1000} s`;
    this.#show("heartbeat-note", state === "off" ? "a cut line stays unnoticed" : rule);
  }

  #showBeat(now) {
    const ago = (now - this.#beatAt) / 1000;
    const words = {
      idle: "–",
      off: "none",
      quiet: "listening",
      awaited: ago < 0.5 ? "sent" : `no answer for ${ago.toFixed(1)} s`,
      answered: ago < 1 ? "answered" : `answered ${Math.floor(ago)} s ago`,
    };
    this.#show("heartbeat-state", words[this.#find("line").dataset.beat] ?? "–");
  }
}
