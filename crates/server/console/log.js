// The log of messages. Entries wait for the next frame and are drawn together; only the newest are
// kept, and every payload is put on the page as text, never as markup.

import { detachedHead, formatDelay, formatSize, formatTime, hexDump } from "./bytes.js";

const MAX_ENTRIES = 2000;
const FOLDED_TEXT = 600; // UTF-16 units
const FOLDED_LINES = 8;
const FOLDED_ROWS = 4;
const NARROW = 760; // CSS pixels: below it a dump has 8 bytes a row
const RECEIPTS = { queued: " · waits", unknown: " · unknown" };
const AT_END = 24; // CSS pixels

export class Log {
  #root;
  #follow;
  #dropped;
  #waiting = [];
  #scheduled = false;
  #droppedCount = 0;
  #lastTop = 0;
  #receipts = new WeakMap(); // where each is shown

  constructor({ root, follow, dropped }) {
    this.#root = root;
    this.#follow = follow;
    this.#dropped = dropped;
    root.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    follow.addEventListener("change", () => this.#scrollToEnd());
    new ResizeObserver(() => this.#scrollToEnd()).observe(root);
  }

  /** Adds a message: a digest of `bytes.js` with `direction` and, for an echo, `roundTrip` in ms. */
  message(record) {
    const at = new Date();
    this.#add(() => {
      const row = messageRow({ at, ...record }, this.#root.clientWidth);
      if (record.receipt) this.#showReceipt(record.receipt, row);
      return row;
    });
  }

  /** Shows what is known of these messages by now. */
  settled(receipts) {
    for (const receipt of receipts) {
      const shown = this.#receipts.get(receipt);
      if (shown) showReceipt(shown, receipt);
    }
  }

  /** Adds a line about the connection itself. */
  event(name, text) {
    const at = new Date();
    this.#add(() => eventRow(at, name, text));
  }

  clear() {
    this.#waiting = [];
    this.#droppedCount = 0;
    this.#root.replaceChildren();
    this.#showDropped();
  }

  #showReceipt(receipt, row) {
    const shown = element("span", "receipt");
    row.querySelector(".meta").append(shown);
    this.#receipts.set(receipt, shown);
    this.settled([receipt]);
    if (receipt.state === "queued") receipt.done.then(() => this.settled([receipt]));
  }

  #add(build) {
    this.#waiting.push(build);
    // No frame comes in a hidden tab; what would be dropped anyway is not kept until then.
    if (this.#waiting.length > MAX_ENTRIES) {
      this.#waiting.shift();
      this.#droppedCount += 1;
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#scheduled = false;
    const rows = document.createDocumentFragment();
    for (const build of this.#waiting) rows.append(build());
    this.#waiting = [];
    this.#root.append(rows);
    while (this.#root.childElementCount > MAX_ENTRIES) {
      this.#root.firstElementChild.remove();
      this.#droppedCount += 1;
    }
    this.#showDropped();
    this.#scrollToEnd();
  }

  #showDropped() {
    this.#dropped.hidden = this.#droppedCount === 0;
    this.#dropped.textContent = `newest ${MAX_ENTRIES.toLocaleString("en")}, ${this.#droppedCount.toLocaleString("en")} older dropped`;
  }

  #scrollToEnd() {
    if (this.#follow.checked) this.#root.scrollTop = this.#root.scrollHeight;
    this.#lastTop = this.#root.scrollTop;
  }

  // Scrolling up to read stops the following; coming back to the end resumes it.
  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.#root;
    const isAtEnd = scrollHeight - clientHeight - scrollTop < AT_END;
    if (isAtEnd) this.#follow.checked = true;
    else if (scrollTop < this.#lastTop) this.#follow.checked = false;
    this.#lastTop = scrollTop;
  }
}

function messageRow(record, width) {
  const isOut = record.direction === "out";
  const row = element("article", "entry");
  row.dataset.direction = record.direction;
  row.dataset.kind = record.kind;
  row.dataset.size = record.size;

  const arrow = element("span", "arrow", isOut ? "→" : "←");
  arrow.setAttribute("role", "img");
  arrow.setAttribute("aria-label", isOut ? "sent" : "received");

  const meta = element("span", "meta", `${record.kind} · ${formatSize(record.size)}`);
  meta.title = `${record.size.toLocaleString("en")} bytes`;
  if (record.roundTrip !== undefined) {
    const echo = element("span", "echo", `echo ${formatDelay(record.roundTrip)}`);
    meta.append(echo);
  }
  row.append(timeOf(record.at), arrow, payload(record, width), meta);
  return row;
}

/** Says what became of a message that could not leave at once. */
function showReceipt(shown, { state, why }) {
  shown.dataset.receipt = state;
  shown.textContent = state === "dropped" ? ` · dropped: ${why}` : (RECEIPTS[state] ?? "");
}

function eventRow(at, name, text) {
  const row = element("div", "event");
  row.dataset.event = name;
  const mark = element("span", "arrow", "·");
  mark.setAttribute("aria-hidden", "true");
  row.append(timeOf(at), mark, element("span", "payload", text));
  return row;
}

function payload(record, width) {
  const box = element("div", "payload");
  if (record.size === 0) {
    box.append(element("span", "note", "empty"));
    return box;
  }
  const isText = record.kind === "text";
  const body = element("div", isText ? "text" : "dump");
  if (isText) body.dir = "auto";
  const show = isText
    ? (isOpen) => showText(body, record.head, isOpen)
    : (isOpen) => showDump(body, record.head, isOpen, width < NARROW ? 8 : 16);
  const isFolded = show(false);
  box.append(body);
  if (isFolded || !record.whole) box.append(folding(record, isFolded, show));
  return box;
}

/** The line under a payload that is not shown whole: a button to unfold it, and what is missing. */
function folding(record, isFolded, show) {
  const foot = element("div", "fold");
  const kept = record.kind === "text" ? `${record.head.length.toLocaleString("en")} characters` : formatSize(record.head.length);
  const rest = element("span", "note", `first ${kept} of ${formatSize(record.size)}`);
  rest.hidden = isFolded || record.whole;
  if (isFolded) {
    const button = element("button", "quiet", "Show more");
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => {
      const isOpen = button.getAttribute("aria-expanded") !== "true";
      button.setAttribute("aria-expanded", String(isOpen));
      button.textContent = isOpen ? "Show less" : "Show more";
      rest.hidden = !isOpen || record.whole;
      show(isOpen);
    });
    foot.append(button);
  }
  foot.append(rest);
  return foot;
}

/** Shows the text, folded unless `isOpen`; true when something is folded away. */
function showText(body, text, isOpen) {
  const shown = isOpen ? text : foldedText(text);
  body.textContent = shown.length < text.length ? `${shown}…` : shown;
  return shown.length < text.length;
}

function foldedText(text) {
  const head = text.length > FOLDED_TEXT ? detachedHead(text, FOLDED_TEXT) : text;
  const lines = head.split("\n");
  return lines.length > FOLDED_LINES ? lines.slice(0, FOLDED_LINES).join("\n") : head;
}

function showDump(body, bytes, isOpen, bytesPerRow) {
  const shown = isOpen ? bytes : bytes.subarray(0, FOLDED_ROWS * bytesPerRow);
  body.replaceChildren(...hexDump(shown, bytesPerRow).map((column) => element("pre", "", column)));
  return shown.length < bytes.length;
}

function timeOf(date) {
  const time = element("time", "", formatTime(date));
  time.dateTime = date.toISOString();
  return time;
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}
