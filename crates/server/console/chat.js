// A chat: a room is a channel, a message a publication. What it takes to lose none is in channel.js.

import { Channel } from "./channel.js";

const ROOM = new URLSearchParams(location.search).get("room")?.trim() || "lobby";
const NAME = `chat:${ROOM}`;
const STORED = `holdwire-position-${NAME}`; // the position, and nothing else
const MAX_ROWS = 2000;
const REASONS = {
  expired: "the room keeps no more than that",
  epoch: "the room has begun anew: its server was started again",
  diverged: "the room's log was cut back",
  slow: "this page read too slowly",
};

const $ = (id) => document.getElementById(id);
const unheard = new Map(); // what was said here and has not come back: id to its row
let isResuming = false;

const channel = new Channel(NAME, { state, publication, gap, members, error, position }, stored());

document.title = `${ROOM} – holdwire`;
$("room").value = ROOM;
$("name").value = read("localStorage", "holdwire-name") ?? "";
$("name").addEventListener("change", () => write("localStorage", "holdwire-name", $("name").value));
$("keep").addEventListener("change", position);
$("cut").addEventListener("click", () => ($("chat").dataset.state === "away" ? channel.open() : channel.leave()));
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (text && say(text)) $("text").value = "";
});
position();
channel.open();

function say(text) {
  const message = { id: crypto.randomUUID?.() ?? String(Math.random()), name: $("name").value.trim(), text };
  if (!channel.publish(message)) return false;
  unheard.set(message.id, add(row("message", { ...message, offset: "…" })));
  return true;
}

function publication({ offset, data, base64 }) {
  const said = typeof data?.text === "string" ? data : { text: data === undefined ? `${base64} (base64)` : plain(data) };
  unheard.get(said.id)?.remove();
  unheard.delete(said.id);
  const shown = add(row("message", { ...said, offset }));
  shown.dataset.offset = offset;
  if (isResuming) shown.dataset.missed = "";
}

/** What does not come stands where it would have stood. */
function gap({ reason, from, to }) {
  const lost = to < from ? "" : from === to ? `Message ${from} is missing: ` : `Messages ${from} to ${to} are missing: `;
  const shown = add(note("gap", `${lost}${REASONS[reason] ?? reason}`));
  Object.assign(shown.dataset, { reason, from, to });
}

function state({ name, delay, reason }) {
  $("chat").dataset.state = name;
  $("send").disabled = name !== "live";
  $("cut").textContent = name === "away" ? "Come back" : "Cut my line";
  if (name === "open") isResuming = true;
  if (name === "live") {
    isResuming = false;
    for (const [id, shown] of unheard) if (shown.dataset.lost !== undefined) offerAgain(id, shown);
  }
  // Nobody knows of these, until all that was missed has come.
  if (name === "waiting" || name === "away") for (const shown of unheard.values()) shown.dataset.lost = "";
  $("state").textContent = {
    connecting: "Connecting",
    open: "Catching up",
    live: "Live",
    waiting: `Down: ${reason}. Again in ${Math.ceil(delay / 1000)} s`,
    refused: `Not let in: ${reason}`,
    away: "Away, until you come back",
  }[name];
}

function offerAgain(id, shown) {
  unheard.delete(id);
  const button = element("button", "quiet", "Not delivered: say it again");
  button.type = "button";
  button.addEventListener("click", () => say(shown.querySelector(".text").textContent) && shown.remove());
  shown.append(button);
}

function members() {
  $("here-count").textContent = channel.members.size || "–";
  $("here-dots").replaceChildren(...[...channel.members].slice(0, 12).map((client) => dot(client)));
}

function error({ message }) {
  add(note("error", message));
}

function position() {
  $("position").textContent = channel.position?.offset ?? "–";
  write("sessionStorage", STORED, $("keep").checked && channel.position ? JSON.stringify(channel.position) : null);
}

function stored() {
  const kept = read("sessionStorage", STORED);
  return kept ? JSON.parse(kept) : undefined;
}

/** Adds a row, and stays at the end if that is where the reader is. */
function add(made) {
  const log = $("log");
  const isAtEnd = log.scrollHeight - log.clientHeight - log.scrollTop < 40;
  log.append(made);
  while (log.childElementCount > MAX_ROWS) log.firstElementChild.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
  return made;
}

function row(className, { offset, name, text }) {
  const made = element("article", className);
  const who = element("b", "who", typeof name === "string" && name ? name.slice(0, 30) : "somebody");
  who.style.setProperty("--hue", hue(who.textContent));
  const said = element("p", "text", text);
  said.dir = "auto";
  made.append(element("span", "offset mono", offset), who, said);
  return made;
}

function note(className, text) {
  return element("p", className, text);
}

function dot(name) {
  const made = element("i", "dot");
  made.style.setProperty("--hue", hue(name));
  return made;
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

/** The same colour for the same name, everywhere. */
const hue = (name) => [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
const plain = (data) => (typeof data === "string" ? data : JSON.stringify(data));

// Storage may be forbidden; then nothing is kept.
function read(storage, key) {
  try {
    return window[storage].getItem(key);
  } catch {
    return null;
  }
}
function write(storage, key, value) {
  try {
    if (value === null) window[storage].removeItem(key);
    else window[storage].setItem(key, value);
  } catch {
    // As above.
  }
}
