// The page: joins the line to what is on the screen.

import { blobDigest, digest, formatSize, parseHex } from "./bytes.js";
import { copyText, program, showProgram } from "./code.js";
import { Counters } from "./counters.js";
import { closeCodeName, endpointUrl, Line, subprotocols } from "./line.js";
import { Log } from "./log.js";
import { Wire } from "./wire.js";

const MAX_FILE = 64 * 1024 * 1024; // bytes; a browser takes a message into memory whole
const COPIED_MS = 1500;
const HAS_KEYBOARD = matchMedia("(pointer: fine)").matches;

const $ = (id) => document.getElementById(id);
const show = (id, text) => ($(id).textContent = text);

const wire = new Wire($("wire"), $("wire-track"));
const log = new Log({ root: $("log"), follow: $("follow"), dropped: $("dropped") });
const counters = new Counters(show);
const line = new Line({ onState, onMessage });
let target = null; // what the line was last connected to: { url, protocols }

$("endpoint").value = location.pathname;
$("target").addEventListener("submit", connect);
$("target").addEventListener("input", refresh);
$("disconnect").addEventListener("click", () => line.disconnect());
$("composer").addEventListener("submit", send);
$("composer").addEventListener("input", refresh);
$("composer").addEventListener("change", refresh);
$("composer").addEventListener("keydown", sendOnEnter);
$("clear").addEventListener("click", () => log.clear());
$("copy").addEventListener("click", copy);
refresh();
connect();

function connect(event) {
  event?.preventDefault();
  const wanted = readTarget();
  if (wanted.error) return;
  if (line.isOpen) log.event("closed", `Left ${target.url}`);
  target = wanted;
  wire.cut();
  counters.ended();
  line.connect(wanted.url, wanted.protocols);
}

function readTarget() {
  try {
    return { url: endpointUrl($("endpoint").value.trim()), protocols: subprotocols($("subprotocol").value) };
  } catch {
    return { error: "not a path or URL" };
  }
}

function onState(state) {
  const [name, detail] = describe(state);
  $("state").dataset.state = $("line").dataset.state = state.name;
  $("state").dataset.code = state.code ?? "";
  $("line").dataset.clean = String(isClean(state));
  show("state-name", name);
  show("state-detail", detail);
  show("peer", new URL(state.url).host);
  document.title = `${name} – holdwire`;

  if (state.name === "open") {
    counters.opened();
    log.event("open", `Open: ${detail}`);
  }
  if (state.name === "closed") {
    counters.ended();
    wire.cut();
    log.event("closed", `${name}: ${detail}`);
  }
  refresh();
}

/** The state in a word, and what else there is to know. */
function describe(state) {
  switch (state.name) {
    case "connecting":
      return ["Connecting", state.url];
    case "open": {
      const subprotocol = state.protocol && `subprotocol ${state.protocol}`;
      return ["Open", [state.url, subprotocol, state.extensions].filter(Boolean).join(" · ")];
    }
    case "closing":
      return ["Closing", "waiting for the server's close frame"];
    default:
      if (state.error) return ["Not connected", state.error];
      if (!state.opened) return ["Not connected", `${state.code} · the opening handshake failed`];
      return ["Closed", [state.code, closeCodeName(state.code), state.reason && `“${state.reason}”`].filter(Boolean).join(" · ")];
  }
}

/** Whether the end was an ordinary one (RFC 6455 §7.4.1), not a failure of line, server or page. */
function isClean({ opened, code }) {
  return Boolean(opened) && [1000, 1001, 1005].includes(code);
}

function onMessage(data) {
  const record = { direction: "in", ...digest(data) };
  record.roundTrip = counters.received(record);
  wire.pulse(record);
  log.message(record);
}

async function send(event) {
  event.preventDefault();
  const { data, error } = readMessage();
  if (error || !line.isOpen) return;
  const record = { direction: "out", ...(data instanceof Blob ? await blobDigest(data) : digest(data)) };
  if (!line.send(data)) return;
  counters.sent(record);
  wire.pulse(record);
  log.message(record);
  if (HAS_KEYBOARD) field().select?.();
}

function kind() {
  return $("composer").elements.kind.value;
}

function field() {
  return $("composer").querySelector(`[data-for=${kind()}]`);
}

/** What Send would send: `{ data, size }`, or `{ error }`. */
function readMessage() {
  const { value, files } = field();
  switch (kind()) {
    case "text":
      return { data: value, size: digest(value).size };
    case "hex": {
      const { bytes, error } = parseHex(value);
      return { data: bytes, size: bytes?.length, error };
    }
    default: {
      const [file] = files;
      if (!file) return { error: "Choose a file" };
      if (file.size > MAX_FILE) return { error: `This page sends files up to ${formatSize(MAX_FILE)}` };
      return { data: file, size: file.size };
    }
  }
}

function sendOnEnter(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.target.type !== "textarea") return;
  event.preventDefault();
  $("composer").requestSubmit($("send").disabled ? undefined : $("send"));
}

/** Brings buttons, hints and the program in line with the state and with what is typed. */
function refresh() {
  const state = $("state").dataset.state;
  const wanted = readTarget();
  const isElsewhere = JSON.stringify(wanted) !== JSON.stringify(target);
  $("endpoint").setCustomValidity(wanted.error ?? "");
  $("connect").disabled = ["connecting", "open"].includes(state) && !isElsewhere;
  $("disconnect").disabled = !["connecting", "open"].includes(state);

  for (const input of $("composer").querySelectorAll("[data-for]")) input.hidden = input !== field();
  const { data, size, error } = readMessage();
  const isTyping = kind() !== "file";
  $("send").disabled = !line.isOpen || Boolean(error);
  field().setAttribute("aria-invalid", String(Boolean(error) && isTyping));
  $("hint").dataset.error = String(Boolean(error) && isTyping);
  show("hint", error ?? `${formatSize(size)}${isTyping && HAS_KEYBOARD ? " · Enter sends, Shift+Enter for a new line" : ""}`);
  if (!wanted.error) showProgram($("code"), program(wanted.url, wanted.protocols, data instanceof Blob ? "Hello WebSockets!" : (data ?? "")));
}

async function copy() {
  await copyText($("code").textContent, $("code"));
  show("copy", "Copied");
  setTimeout(() => show("copy", "Copy"), COPIED_MS);
}
