// The list of drops, newest first: what the timeline shows, in words.

import { formatDelay, formatTime } from "./bytes.js";

const SHOWN = 50;

export function showDrops(list, empty, drops) {
  const rows = drops.slice(-SHOWN).reverse().map(row);
  list.replaceChildren(...rows);
  list.hidden = rows.length === 0;
  empty.hidden = rows.length > 0;
}

function row({ at, why, until, attempts, isOver }) {
  const item = document.createElement("li");
  item.dataset.over = String(isOver);
  const time = part("time", formatTime(new Date(at)).slice(0, 8));
  time.dateTime = new Date(at).toISOString();
  item.append(time, part("span", why, "why"), part("span", outcome({ at, until, attempts, isOver }), "outcome"));
  return item;
}

function outcome({ at, until, attempts, isOver }) {
  const tries = attempts === 1 ? "1 attempt" : `${attempts} attempts`;
  if (until !== undefined) return `back in ${formatDelay(until - at)}, ${tries}`;
  return isOver ? `given up, ${tries}` : `down, ${tries} so far`;
}

function part(name, text, className = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}
