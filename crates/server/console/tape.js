// A channel in two tabs: each publication is a cell with its offset. One tab is cut, the other goes
// on; who comes back catches up, or sees the hole.

import { Channel } from "./channel.js";
import { PAGE } from "./trouble.js";

const NAME = "brief:demo"; // a namespace that keeps ten publications
const MAX_CELLS = 200;
const OWN = PAGE.slice(0, 8);

export class Tape {
  #root;
  #show;
  #channel;
  #state = "away";
  #before; // the offset at which it was cut
  #gap;

  constructor(root) {
    this.#root = root;
    this.#show = (name) => root.querySelector(`[data-tape=${name}]`);
    this.#channel = new Channel(NAME, {
      state: (state) => this.#onState(state),
      publication: ({ offset, data }) => this.#onPublication(offset, data),
      gap: (gap) => this.#onGap(gap),
      members: () => (this.#show("here").textContent = this.#here),
      error: ({ message }) => this.#say(message),
      position: () => {},
    });
    this.#show("cut").addEventListener("click", () => {
      if (this.#state === "away") this.#channel.open();
      else this.#channel.leave();
    });
    root.addEventListener("click", ({ target }) => {
      const count = Number(target.closest("[data-count]")?.dataset.count ?? 0);
      for (let n = 0; n < count; n += 1) this.#channel.publish({ tab: OWN });
    });
    this.#channel.open();
  }

  get #here() {
    const count = this.#channel.members.size;
    return count > 0 ? `${count} here` : "";
  }

  #onState({ name, reason }) {
    const offset = this.#channel.position?.offset;
    if (["away", "waiting"].includes(name) && this.#state === "live") {
      this.#before = offset;
      this.#gap = undefined;
    }
    this.#state = name;
    this.#root.dataset.state = name;
    this.#show("cut").textContent = name === "away" ? "Come back" : "Cut this tab";
    for (const button of this.#root.querySelectorAll("[data-count]")) button.disabled = name !== "live";
    if (name === "live") this.#say(this.#before === undefined ? `Live after ${offset}` : this.#outcome(offset));
    else if (name === "away") this.#say(`Cut after ${offset ?? 0}. Publish in the other tab, then come back.`);
    else if (name === "waiting") this.#say("Down; it comes back by itself.");
    else if (name === "refused") this.#say(`Not let in: ${reason}`);
  }

  /** What became of the publications that it was not there for. */
  #outcome(offset) {
    const gone = this.#gap && (this.#gap.to < this.#gap.from ? "The log is another one" : `${span(this.#gap.from, this.#gap.to)} gone`);
    const from = (this.#gap ? this.#gap.offset : this.#before) + 1;
    const had = from <= offset && `${span(from, offset)} caught up`;
    return `Back: ${[gone, had].filter(Boolean).join(", ") || "nothing was missed"}.`;
  }

  #onPublication(offset, data) {
    const cell = this.#add(this.#state === "open" ? "missed" : "live", offset);
    cell.append(part("span", data?.tab === OWN ? "this tab" : "other"));
    cell.dataset.offset = offset;
  }

  #onGap(gap) {
    this.#gap = gap;
    const cell = this.#add("gap", gap.to < gap.from ? "–" : span(gap.from, gap.to));
    cell.append(part("span", gap.reason));
    Object.assign(cell.dataset, { reason: gap.reason, from: gap.from, to: gap.to });
  }

  #add(kind, label) {
    const cells = this.#show("cells");
    const cell = document.createElement("li");
    cell.dataset.kind = kind;
    cell.append(part("b", label));
    cells.append(cell);
    while (cells.childElementCount > MAX_CELLS) cells.firstElementChild.remove();
    cells.scrollTop = cells.scrollHeight;
    return cell;
  }

  #say(text) {
    this.#show("state").textContent = text;
  }
}

const span = (from, to) => (from === to ? String(from) : `${from} to ${to}`);

function part(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
